/* SPDX-License-Identifier: MIT */
/* A growing run of bytes: what a socket has received or is to send, records on their
 * way to a file. Zero-initialised is empty and owns nothing. Out of memory aborts. */
#ifndef NETSPLIT_STORE_BUFFER_H
#define NETSPLIT_STORE_BUFFER_H

#include <stddef.h>
#include <stdint.h>

struct store_buffer {
    char *data;      /* owned; NULL while capacity is 0 */
    size_t len;      /* bytes in use */
    size_t capacity; /* bytes allocated */
};

/* Frees the bytes; the buffer is empty and usable again. */
void store_buffer_free(struct store_buffer *buffer);

/* Room for at least n more bytes behind len; returns where they begin. Pointers into
 * the buffer that were taken before are dead. */
char *store_buffer_reserve(struct store_buffer *buffer, size_t n);

void store_buffer_append(struct store_buffer *buffer, const void *data, size_t n);
void store_buffer_format(struct store_buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Removes the first n bytes (n <= len). Moves the rest: call it once for many. */
void store_buffer_consume(struct store_buffer *buffer, size_t n);

/* Exchanges the contents of two buffers. */
void store_buffer_swap(struct store_buffer *a, struct store_buffer *b);

#endif
