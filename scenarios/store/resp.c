/* SPDX-License-Identifier: MIT */
/* A command that has not arrived whole is parsed again from its start when more bytes
 * are there: a bulk string is skipped in one step, so that costs O(words), not
 * O(bytes), and no parser state has to be kept or tested.
 *
 * Every length is checked against max_bytes before it is believed. What is refused:
 * negative and oversized lengths, more than STORE_RESP_ARGS words, a bulk string whose
 * end is not CRLF, nested arrays. Not done: quoting in inline commands, RESP3. */
#include "scenarios/store/resp.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { INLINE_MAX_BYTES = 64 * 1024, HEAD_MAX_BYTES = 32 };

struct cursor {
    const char *data;
    size_t len, at, max_bytes;
    const char *why;
};

static enum store_resp_result bad(struct cursor *cursor, const char *why)
{
    cursor->why = why;
    return STORE_RESP_BAD;
}

/* "*3\r\n", "$5\r\n": the mark, a number, CRLF. */
static enum store_resp_result read_head(struct cursor *cursor, char mark,
                                        const char *wrong_mark, int64_t *number)
{
    size_t left = cursor->len - cursor->at;
    const char *from = cursor->data + cursor->at;
    if (left == 0)
        return STORE_RESP_PARTIAL;
    if (from[0] != mark)
        return bad(cursor, wrong_mark);
    const char *end = memchr(from, '\n', left < HEAD_MAX_BYTES ? left : HEAD_MAX_BYTES);
    if (!end)
        return left < HEAD_MAX_BYTES ? STORE_RESP_PARTIAL
                                     : bad(cursor, "a length that does not end");
    struct store_slice digits = {from + 1, (size_t)(end - from) - 1};
    if (digits.len == 0 || digits.data[digits.len - 1] != '\r')
        return bad(cursor, "a length without CRLF");
    digits.len--;
    uint64_t value;
    bool negative = digits.len > 0 && digits.data[0] == '-';
    if (negative)
        *number = -1;
    else if (store_slice_number(digits, &value) && value <= INT32_MAX)
        *number = (int64_t)value;
    else
        return bad(cursor, "invalid length");
    cursor->at += (size_t)(end - from) + 1;
    return STORE_RESP_COMPLETE;
}

static enum store_resp_result read_bulk(struct cursor *cursor, struct store_slice *out)
{
    int64_t len;
    enum store_resp_result result =
        read_head(cursor, '$', "expected '$', a bulk string", &len);
    if (result != STORE_RESP_COMPLETE)
        return result;
    if (len < 0 || cursor->at + (size_t)len + 2 > cursor->max_bytes)
        return bad(cursor, "invalid bulk length");
    if (cursor->len - cursor->at < (size_t)len + 2)
        return STORE_RESP_PARTIAL;
    *out = (struct store_slice){cursor->data + cursor->at, (size_t)len};
    if (memcmp(out->data + len, "\r\n", 2) != 0)
        return bad(cursor, "a bulk string without CRLF at its end");
    cursor->at += (size_t)len + 2;
    return STORE_RESP_COMPLETE;
}

static enum store_resp_result read_array(struct cursor *cursor,
                                         struct store_command *command)
{
    int64_t n;
    enum store_resp_result result =
        read_head(cursor, '*', "expected '*', an array", &n);
    if (result != STORE_RESP_COMPLETE)
        return result;
    if (n > STORE_RESP_ARGS)
        return bad(cursor, "too many words in a command");
    command->n = 0;
    while ((int64_t)command->n < n) {
        result = read_bulk(cursor, &command->args[command->n]);
        if (result != STORE_RESP_COMPLETE)
            return result;
        command->n++;
    }
    return STORE_RESP_COMPLETE;
}

static enum store_resp_result split_words(struct cursor *cursor, const char *line,
                                          const char *end,
                                          struct store_command *command)
{
    command->n = 0;
    while (line < end) {
        const char *word = line;
        while (line < end && *line != ' ' && *line != '\t' && *line != '\r')
            line++;
        if (line > word) {
            if (command->n == STORE_RESP_ARGS)
                return bad(cursor, "too many words in a command");
            command->args[command->n++] =
                (struct store_slice){word, (size_t)(line - word)};
        }
        line++;
    }
    return STORE_RESP_COMPLETE;
}

static enum store_resp_result read_inline(struct cursor *cursor,
                                          struct store_command *command)
{
    size_t max =
        cursor->max_bytes < INLINE_MAX_BYTES ? cursor->max_bytes : INLINE_MAX_BYTES;
    const char *end = memchr(cursor->data, '\n', cursor->len < max ? cursor->len : max);
    if (!end)
        return cursor->len < max ? STORE_RESP_PARTIAL
                                 : bad(cursor, "too big inline request");
    cursor->at = (size_t)(end - cursor->data) + 1;
    return split_words(cursor, cursor->data, end, command);
}

enum store_resp_result store_resp_parse(const char *data, size_t len, size_t max_bytes,
                                        struct store_command *command, size_t *used,
                                        const char **why)
{
    if (len == 0)
        return STORE_RESP_PARTIAL;
    struct cursor cursor = {.data = data, .len = len, .max_bytes = max_bytes};
    enum store_resp_result result =
        data[0] == '*' ? read_array(&cursor, command) : read_inline(&cursor, command);
    if (result == STORE_RESP_COMPLETE)
        *used = cursor.at;
    if (result == STORE_RESP_BAD)
        *why = cursor.why;
    return result;
}

bool store_slice_is(struct store_slice slice, const char *text)
{
    return strlen(text) == slice.len && strncasecmp(slice.data, text, slice.len) == 0;
}

bool store_slice_number(struct store_slice slice, uint64_t *out)
{
    uint64_t value = 0;
    if (slice.len == 0)
        return false;
    for (size_t i = 0; i < slice.len; i++) {
        unsigned digit = (unsigned char)slice.data[i] - (unsigned)'0';
        if (digit > 9 || value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *out = value;
    return true;
}

void store_resp_simple(struct store_buffer *out, const char *text)
{
    store_buffer_format(out, "+%s\r\n", text);
}

void store_resp_error(struct store_buffer *out, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args); /* cut on purpose */
    va_end(args);
    for (char *at = text; *at; at++)
        if (*at == '\r' || *at == '\n')
            *at = ' ';
    store_buffer_format(out, "-%s\r\n", text);
}

void store_resp_integer(struct store_buffer *out, int64_t number)
{
    store_buffer_format(out, ":%lld\r\n", (long long)number);
}

void store_resp_bulk(struct store_buffer *out, const char *data, size_t len)
{
    store_buffer_format(out, "$%zu\r\n", len);
    store_buffer_append(out, data, len);
    store_buffer_append(out, "\r\n", 2);
}

void store_resp_text(struct store_buffer *out, const char *text)
{
    store_resp_bulk(out, text, strlen(text));
}

void store_resp_number(struct store_buffer *out, uint64_t number)
{
    char text[24];
    int n = snprintf(text, sizeof text, "%llu", (unsigned long long)number);
    store_resp_bulk(out, text, (size_t)n);
}

void store_resp_null(struct store_buffer *out)
{
    store_buffer_append(out, "$-1\r\n", 5);
}

void store_resp_array(struct store_buffer *out, size_t n)
{
    store_buffer_format(out, "*%zu\r\n", n);
}

void store_resp_command(struct store_buffer *out, const struct store_command *command)
{
    store_resp_array(out, command->n);
    for (size_t i = 0; i < command->n; i++)
        store_resp_bulk(out, command->args[i].data, command->args[i].len);
}
