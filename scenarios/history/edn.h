/* SPDX-License-Identifier: MIT */
/* Reads and writes EDN (github.com/edn-format/edn), as far as histories need it, and
 * JSON into the same tree of forms, so that what reads operations knows one shape. */
#ifndef NETSPLIT_SCENARIOS_HISTORY_EDN_H
#define NETSPLIT_SCENARIOS_HISTORY_EDN_H

#include "proxy/base/errmsg.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum form_kind {
    FORM_NIL = 0,
    FORM_BOOLEAN, /* integer is 0 or 1 */
    FORM_INTEGER,
    FORM_REAL,    /* text is as written; nothing here computes with it */
    FORM_STRING,  /* text is unescaped; it holds no NUL byte */
    FORM_KEYWORD, /* text is without its colon */
    FORM_SYMBOL,
    FORM_LIST, /* list, vector or set */
    FORM_MAP,  /* items are key, value, key, value, ... */
};

/* One form. Everything it points to is the reader's, until its next edn_next(). */
struct form {
    enum form_kind kind;
    int line, column; /* where it begins, from 1; columns are bytes */
    int64_t integer;
    const char *text;
    const struct form *items;
    size_t n; /* of items; even for a map */
};

enum edn_syntax { EDN_SYNTAX_EDN = 0, EDN_SYNTAX_JSON };

/* Reads the top-level forms of one text in order. A text that is one list, vector or
 * JSON array is read as its elements: whole-file vectors are common. EDN: commas are
 * blanks, ; begins a comment, #_ discards a form, a tag is skipped and the form behind
 * it stands; characters and ratios are errors. Nesting beyond 64 is an error. */
struct edn_reader;

/* text is borrowed for the reader's life; file is for messages only. */
struct edn_reader *edn_reader_create(const char *file, const char *text, size_t bytes,
                                     enum edn_syntax syntax);
void edn_reader_destroy(struct edn_reader *reader);

/* 1: *form is the next one. 0: the text has ended. -EINVAL: err says "FILE:LINE:COLUMN:
 * what". *form stays valid until the next call. */
int edn_next(struct edn_reader *reader, struct form *form, struct errmsg *err);

/* The value of :key in a map (JSON: "key"), or NULL. The last of equals. */
const struct form *form_get(const struct form *map, const char *key);

/* Writes text as a string that EDN and JSON both read, with its quotes; bytes that are
 * no UTF-8 become '?'. Errors stick to the stream. */
void edn_write_string(FILE *to, const char *text);

#endif
