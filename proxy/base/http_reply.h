/* SPDX-License-Identifier: MIT */
/* An HTTP/1.1 response, parsed as its bytes come (RFC 9112): no socket, no allocation.
 * Enough for the control API, whose server is ours: chunked, by length, or to the end
 * of the connection; 1xx answers are passed over; no other transfer coding. */
#ifndef NETSPLIT_BASE_HTTP_REPLY_H
#define NETSPLIT_BASE_HTTP_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HTTP_REPLY_LINE_BYTES = 1024 }; /* of a header line; longer is an error */

enum http_reply_state {
    HTTP_REPLY_STATUS = 0, /* a zeroed struct is a parser at the start */
    HTTP_REPLY_HEADERS,
    HTTP_REPLY_LENGTH,     /* `left` bytes of body to come */
    HTTP_REPLY_UNTIL_END,  /* the body ends with the connection */
    HTTP_REPLY_CHUNK_SIZE, /* chunked: the line with the size, */
    HTTP_REPLY_CHUNK,      /* `left` bytes of it, */
    HTTP_REPLY_CHUNK_END,  /* the empty line behind it; or, after the last chunk, */
    HTTP_REPLY_TRAILERS,   /* lines up to an empty one */
    HTTP_REPLY_DONE,
};

struct http_reply {
    enum http_reply_state state;
    int status; /* 200..599; valid once the state is behind HEADERS */
    bool chunked, has_length;
    uint64_t left;
    size_t line_len;
    char line[HTTP_REPLY_LINE_BYTES];
};

/* Given body bytes as they come (borrowed). True: go on; false: stop parsing. */
typedef bool (*http_reply_body_fn)(void *arg, const char *bytes, size_t n);

/* Parses n more bytes. 1 when the response is complete (what follows is ignored), 0 to
 * go on, -ECANCELED when on_body wanted to stop, -EPROTO when it is not HTTP. */
int http_reply_feed(struct http_reply *reply, const char *bytes, size_t n,
                    http_reply_body_fn on_body, void *arg);

/* The connection has ended: 1 if the response is complete with that, else
 * -ECONNRESET. */
int http_reply_end(struct http_reply *reply);

#endif
