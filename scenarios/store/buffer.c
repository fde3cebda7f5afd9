/* SPDX-License-Identifier: MIT */
/* Capacity doubles, so that n appends cost O(n). A buffer that once held much is given
 * back when it is emptied, so that one large value does not stay for ever. */
#include "scenarios/store/buffer.h"
#include "proxy/base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_BYTES = 256, KEEP_BYTES = 1 << 20 };

void store_buffer_free(struct store_buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct store_buffer){0};
}

char *store_buffer_reserve(struct store_buffer *buffer, size_t n)
{
    size_t need = buffer->len + n;
    if (need > buffer->capacity) {
        size_t capacity = buffer->capacity ? buffer->capacity : FIRST_BYTES;
        while (capacity < need)
            capacity *= 2;
        buffer->data = xreallocarray(buffer->data, capacity, 1);
        buffer->capacity = capacity;
    }
    return buffer->data + buffer->len;
}

void store_buffer_append(struct store_buffer *buffer, const void *data, size_t n)
{
    if (n == 0)
        return;
    memcpy(store_buffer_reserve(buffer, n), data, n);
    buffer->len += n;
}

void store_buffer_format(struct store_buffer *buffer, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0)
        return;
    char *at = store_buffer_reserve(buffer, (size_t)n + 1);
    va_start(args, format);
    (void)vsnprintf(at, (size_t)n + 1, format, args); /* measured just above */
    va_end(args);
    buffer->len += (size_t)n;
}

void store_buffer_consume(struct store_buffer *buffer, size_t n)
{
    if (n == 0)
        return;
    buffer->len -= n;
    if (buffer->len > 0)
        memmove(buffer->data, buffer->data + n, buffer->len);
    else if (buffer->capacity > KEEP_BYTES)
        store_buffer_free(buffer);
}

void store_buffer_swap(struct store_buffer *a, struct store_buffer *b)
{
    struct store_buffer held = *a;
    *a = *b;
    *b = held;
}
