/* SPDX-License-Identifier: MIT */
/* A state machine over lines and counted bytes. Each line is gathered in the parser
 * until its line feed, so that it does not matter how the bytes were cut on the way. */
#include "proxy/base/http_reply.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int parse_status(struct http_reply *reply)
{
    const char *at = reply->line;
    if (strncmp(at, "HTTP/1.", 7) != 0 || !isdigit((unsigned char)at[7]) ||
        at[8] != ' ')
        return -EPROTO;
    char *end;
    long status = strtol(at + 9, &end, 10);
    if (end != at + 12 || status < 100 || status > 599 || (*end && *end != ' '))
        return -EPROTO;
    reply->status = (int)status;
    reply->state = HTTP_REPLY_HEADERS;
    return 0;
}

/* A number in the base, all of the text, and nothing but its digits. */
static int parse_number(const char *text, int base, const char *ends, uint64_t *out)
{
    char *end;
    if (!isxdigit((unsigned char)*text))
        return -EPROTO;
    errno = 0;
    unsigned long long value = strtoull(text, &end, base);
    if (errno || end == text || !strchr(ends, *end) || value > INT64_MAX)
        return -EPROTO;
    *out = value;
    return 0;
}

static int end_of_headers(struct http_reply *reply)
{
    if (reply->status < 200) { /* 1xx: the real answer follows */
        *reply = (struct http_reply){0};
        return 0;
    }
    if (reply->status == 204 || reply->status == 304)
        reply->state = HTTP_REPLY_DONE;
    else if (reply->chunked)
        reply->state = HTTP_REPLY_CHUNK_SIZE;
    else if (reply->has_length)
        reply->state = reply->left ? HTTP_REPLY_LENGTH : HTTP_REPLY_DONE;
    else
        reply->state = HTTP_REPLY_UNTIL_END;
    return 0;
}

static int parse_header(struct http_reply *reply)
{
    if (reply->line[0] == 0)
        return end_of_headers(reply);
    char *colon = strchr(reply->line, ':');
    if (!colon || colon == reply->line)
        return -EPROTO;
    *colon = 0;
    const char *value = colon + 1 + strspn(colon + 1, " \t");
    if (strcasecmp(reply->line, "Transfer-Encoding") == 0) {
        reply->chunked = strcasecmp(value, "chunked") == 0;
        return reply->chunked ? 0 : -EPROTO;
    }
    if (strcasecmp(reply->line, "Content-Length") != 0)
        return 0;
    reply->has_length = true;
    return parse_number(value, 10, " \t", &reply->left);
}

static int parse_chunk_size(struct http_reply *reply)
{
    int status = parse_number(reply->line, 16, "; \t", &reply->left);
    if (status < 0)
        return status;
    reply->state = reply->left ? HTTP_REPLY_CHUNK : HTTP_REPLY_TRAILERS;
    return 0;
}

static int parse_line(struct http_reply *reply)
{
    switch (reply->state) {
    case HTTP_REPLY_STATUS:
        return parse_status(reply);
    case HTTP_REPLY_HEADERS:
        return parse_header(reply);
    case HTTP_REPLY_CHUNK_SIZE:
        return parse_chunk_size(reply);
    case HTTP_REPLY_CHUNK_END:
        reply->state = HTTP_REPLY_CHUNK_SIZE;
        return reply->line[0] ? -EPROTO : 0;
    case HTTP_REPLY_TRAILERS:
        if (reply->line[0] == 0)
            reply->state = HTTP_REPLY_DONE;
        return 0;
    case HTTP_REPLY_LENGTH:
    case HTTP_REPLY_CHUNK:
    case HTTP_REPLY_UNTIL_END:
    case HTTP_REPLY_DONE:
        break;
    }
    return -EPROTO; /* not reached: these states take bytes */
}

/* Takes one byte of a line. */
static int feed_line(struct http_reply *reply, char byte)
{
    if (byte != '\n') {
        if (byte == 0 || reply->line_len == sizeof reply->line - 1)
            return -EPROTO;
        reply->line[reply->line_len++] = byte;
        return 0;
    }
    if (reply->line_len > 0 && reply->line[reply->line_len - 1] == '\r')
        reply->line_len--;
    reply->line[reply->line_len] = 0;
    reply->line_len = 0;
    return parse_line(reply);
}

static bool takes_bytes(const struct http_reply *reply)
{
    return reply->state == HTTP_REPLY_LENGTH || reply->state == HTTP_REPLY_CHUNK ||
           reply->state == HTTP_REPLY_UNTIL_END;
}

/* Hands on as many of n body bytes as belong to this state; how many. */
static size_t feed_body(struct http_reply *reply, size_t n)
{
    if (reply->state == HTTP_REPLY_UNTIL_END)
        return n;
    size_t taken = n < reply->left ? n : (size_t)reply->left;
    reply->left -= taken;
    if (reply->left == 0)
        reply->state =
            reply->state == HTTP_REPLY_CHUNK ? HTTP_REPLY_CHUNK_END : HTTP_REPLY_DONE;
    return taken;
}

int http_reply_feed(struct http_reply *reply, const char *bytes, size_t n,
                    http_reply_body_fn on_body, void *arg)
{
    const char *end = bytes + n;
    while (bytes < end && reply->state != HTTP_REPLY_DONE) {
        if (takes_bytes(reply)) {
            size_t taken = feed_body(reply, (size_t)(end - bytes));
            if (!on_body(arg, bytes, taken))
                return -ECANCELED;
            bytes += taken;
            continue;
        }
        int status = feed_line(reply, *bytes++);
        if (status < 0)
            return status;
    }
    return reply->state == HTTP_REPLY_DONE;
}

int http_reply_end(struct http_reply *reply)
{
    if (reply->state != HTTP_REPLY_DONE && reply->state != HTTP_REPLY_UNTIL_END)
        return -ECONNRESET;
    reply->state = HTTP_REPLY_DONE;
    return 1;
}
