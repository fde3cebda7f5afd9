/* SPDX-License-Identifier: MIT */
/* RESP2, the protocol of Redis (redis.io/docs/reference/protocol-spec): commands are
 * read, replies are written. Pure: bytes in, bytes out. */
#ifndef NETSPLIT_STORE_RESP_H
#define NETSPLIT_STORE_RESP_H

#include "scenarios/store/buffer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store_slice {
    const char *data; /* borrowed; not NUL-terminated */
    size_t len;
};

enum { STORE_RESP_ARGS = 64 }; /* more words than any command takes, but DEL */

struct store_command {
    struct store_slice args[STORE_RESP_ARGS]; /* args[0] is the name */
    size_t n;                                 /* 0: nothing, an empty line */
};

enum store_resp_result {
    STORE_RESP_COMPLETE = 0, /* command and used are set */
    STORE_RESP_PARTIAL,      /* more bytes are needed; nothing is set */
    STORE_RESP_BAD,          /* never a command, whatever follows; why is set */
};

/* Reads the command at the start of data: an array of bulk strings, or an inline line
 * of words without quoting. Its slices point into data. max_bytes bounds the whole
 * command, so that a PARTIAL never asks for more; *why is a static text. */
enum store_resp_result store_resp_parse(const char *data, size_t len, size_t max_bytes,
                                        struct store_command *command, size_t *used,
                                        const char **why);

/* Whether a word is the text, letters' case aside. */
bool store_slice_is(struct store_slice slice, const char *text);

/* A whole decimal number. Returns false, *out untouched, for anything else. */
bool store_slice_number(struct store_slice slice, uint64_t *out);

/* Replies. An error's text begins with its code ("READONLY ..."), without the dash. */
void store_resp_simple(struct store_buffer *out, const char *text);
void store_resp_error(struct store_buffer *out, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void store_resp_integer(struct store_buffer *out, int64_t number);
void store_resp_bulk(struct store_buffer *out, const char *data, size_t len);
void store_resp_text(struct store_buffer *out, const char *text);
void store_resp_number(struct store_buffer *out, uint64_t number); /* as a bulk */
void store_resp_null(struct store_buffer *out);
void store_resp_array(struct store_buffer *out, size_t n); /* n replies follow */

/* Writes a command as an array of bulk strings. */
void store_resp_command(struct store_buffer *out, const struct store_command *command);

#endif
