/* SPDX-License-Identifier: MIT */
/* Text that grows: rules/ prints nothing, it fills one of these. */
#ifndef NETSPLIT_RULES_BUFFER_H
#define NETSPLIT_RULES_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

struct allocator;

/* A buffer of zeroes is an empty one on malloc. */
struct buffer {
    char *text;                        /* owned; ends with a NUL; NULL while empty */
    size_t length;                     /* without the NUL */
    size_t capacity;                   /* bytes at text */
    bool out_of_memory;                /* something was left out; it stays set */
    const struct allocator *allocator; /* borrowed; NULL = malloc */
};

/* Both append. When memory runs out they set out_of_memory and append nothing. */
void buffer_add(struct buffer *buffer, const char *text, size_t length);
void buffer_print(struct buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* n times the character. */
void buffer_fill(struct buffer *buffer, char c, size_t n);

/* Drops what is behind the first length bytes; nothing if there are fewer. */
void buffer_cut(struct buffer *buffer, size_t length);

/* The text, never NULL. */
const char *buffer_text(const struct buffer *buffer);

/* Frees the text; the buffer is then empty and may be used again. */
void buffer_close(struct buffer *buffer);

#endif
