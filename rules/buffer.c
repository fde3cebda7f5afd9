/* SPDX-License-Identifier: MIT */
/* The text is moved to twice the room when it is full. */
#include "rules/buffer.h"

#include "rules/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Makes room for length more bytes and the NUL. */
static bool make_room(struct buffer *buffer, size_t length)
{
    size_t needed = 0;
    if (__builtin_add_overflow(buffer->length, length, &needed) ||
        needed > SIZE_MAX / 4) {
        buffer->out_of_memory = true;
        return false;
    }
    if (needed < buffer->capacity)
        return true;
    size_t capacity = needed < 128 ? 256 : needed * 2;
    char *text = allocator_take(buffer->allocator, capacity);
    if (!text) {
        buffer->out_of_memory = true;
        return false;
    }
    if (buffer->length > 0)
        memcpy(text, buffer->text, buffer->length);
    text[buffer->length] = '\0';
    allocator_give(buffer->allocator, buffer->text);
    buffer->text = text;
    buffer->capacity = capacity;
    return true;
}

void buffer_add(struct buffer *buffer, const char *text, size_t length)
{
    if (length == 0 || !make_room(buffer, length))
        return;
    memcpy(buffer->text + buffer->length, text, length);
    buffer->length += length;
    buffer->text[buffer->length] = '\0';
}

void buffer_print(struct buffer *buffer, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    if (length > 0 && make_room(buffer, (size_t)length)) {
        (void)vsnprintf(buffer->text + buffer->length, (size_t)length + 1, format,
                        again); /* it fits */
        buffer->length += (size_t)length;
    }
    va_end(again);
    va_end(args);
}

void buffer_fill(struct buffer *buffer, char c, size_t n)
{
    if (n == 0 || !make_room(buffer, n))
        return;
    memset(buffer->text + buffer->length, c, n);
    buffer->length += n;
    buffer->text[buffer->length] = '\0';
}

void buffer_cut(struct buffer *buffer, size_t length)
{
    if (length >= buffer->length)
        return;
    buffer->length = length;
    buffer->text[length] = '\0';
}

const char *buffer_text(const struct buffer *buffer)
{
    return buffer->text ? buffer->text : "";
}

void buffer_close(struct buffer *buffer)
{
    allocator_give(buffer->allocator, buffer->text);
    *buffer = (struct buffer){.allocator = buffer->allocator};
}
