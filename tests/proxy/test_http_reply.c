/* SPDX-License-Identifier: MIT */
/* Answers in whatever pieces they arrive. */
#include "proxy/base/http_reply.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

struct body {
    char text[256];
    size_t len;
};

static bool take(void *arg, const char *bytes, size_t n)
{
    struct body *body = arg;
    cr_assert_leq(body->len + n, sizeof body->text);
    memcpy(body->text + body->len, bytes, n);
    body->len += n;
    return true;
}

static const struct {
    const char *text;
    const char *body;
    int status;
    int result; /* of feed, or of end if feed wants more */
} cases[] = {
    {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "{}", 200, 1},
    {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}more", "{}", 200, 1},
    {"HTTP/1.1 404 Not Found\r\ncontent-length:0\r\n\r\n", "", 404, 1},
    {"HTTP/1.0 200\nContent-Length: 1\n\nx", "x", 200, 1},
    {"HTTP/1.1 200 OK\r\n\r\nuntil the end", "until the end", 200, 1},
    {"HTTP/1.1 204 No Content\r\n\r\n", "", 204, 1},
    {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", "x",
     200, 1},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n"
     "0123456789\r\n0\r\nTrailer: x\r\n\r\n",
     "abc0123456789", 200, 1},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", "abc", 200, -ECONNRESET},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "abc", 200,
     -ECONNRESET},
    {"HTTP/1.1 200 OK\r\nContent-Le", "", 200, -ECONNRESET},
    {"", "", 0, -ECONNRESET},
    {"SSH-2.0-OpenSSH\r\n", "", 0, -EPROTO},
    {"HTTP/1.1 2000 OK\r\n\r\n", "", 0, -EPROTO},
    {"HTTP/1.1 99 OK\r\n\r\n", "", 0, -EPROTO},
    {"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "", 200, -EPROTO},
    {"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "", 200, -EPROTO},
    {"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", "", 200,
     -EPROTO},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "", 200, -EPROTO},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "", 200, -EPROTO},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", "a", 200,
     -EPROTO},
};

/* Feeds the text in pieces of the size, then its end. */
static int parse(const char *text, size_t piece, struct http_reply *reply,
                 struct body *body)
{
    size_t len = strlen(text);
    *reply = (struct http_reply){0};
    body->len = 0;
    for (size_t at = 0; at < len; at += piece) {
        size_t n = len - at < piece ? len - at : piece;
        int result = http_reply_feed(reply, text + at, n, take, body);
        if (result != 0)
            return result;
    }
    return http_reply_end(reply);
}

Test(http_reply, is_the_same_however_the_bytes_are_cut)
{
    struct http_reply reply;
    struct body body;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t piece = 1; piece <= strlen(cases[i].text) + 1; piece++) {
            int result = parse(cases[i].text, piece, &reply, &body);
            cr_assert_eq(result, cases[i].result, "%s by %zu: %d", cases[i].text, piece,
                         result);
            cr_assert_eq(reply.status, cases[i].status, "%s", cases[i].text);
            cr_assert_eq(body.len, strlen(cases[i].body), "%s", cases[i].text);
            cr_assert_eq(memcmp(body.text, cases[i].body, body.len), 0);
        }
}

Test(http_reply, a_header_without_end_is_refused)
{
    char line[2 * HTTP_REPLY_LINE_BYTES];
    struct http_reply reply = {0};
    struct body body = {0};
    memset(line, 'x', sizeof line);
    cr_assert_eq(http_reply_feed(&reply, line, sizeof line, take, &body), -EPROTO);
}
