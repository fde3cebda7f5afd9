/* SPDX-License-Identifier: MIT */
/* What is wrong with a text that a user wrote: errors and warnings with the place, the
 * line, a caret under the whole token and a hint, all of them at once. */
#ifndef NETSPLIT_RULES_DIAG_H
#define NETSPLIT_RULES_DIAG_H

#include "rules/arena.h"

#include <stdbool.h>
#include <stdint.h>

struct buffer;

/* A text that was read: a file, a block of one, or the words of a command line. */
struct source {
    const char *name; /* "rules/wan.yaml"; owned by whoever made the source */
    const char *text; /* all of it, UTF-8, without a NUL of its own; the same owner */
    size_t length;    /* bytes */
};

/* The name of a source that is words of a command line, not YAML (parse_words). */
#define SOURCE_WORDS "arguments"

/* A place in a source: from a character to the one behind the last. Lines and columns
 * count from 1, columns in characters (a tab is one). line 0: the source as a whole. */
struct mark {
    const struct source *source; /* borrowed; outlives the mark */
    uint32_t line, column;
    uint32_t end_line, end_column; /* exclusive; end_line >= line */
};

enum diag_severity {
    DIAG_ERROR = 0, /* the text is wrong: exit status 2 */
    DIAG_LACKING,   /* the text is right, but this program, or this machine, cannot do
                       it: shown as an error, exit status 3 if there is no DIAG_ERROR */
    DIAG_WARNING,   /* probably not what was meant */
};

struct diag_item {
    enum diag_severity severity;
    const char *file; /* all texts: owned by the diag, valid until diag_close */
    uint32_t line;    /* 1.., or 0: the file as a whole, without column and excerpt */
    uint32_t column;
    uint32_t end_column; /* > column; what goes on to another line ends with this one */
    const char *text;    /* one sentence without full stop: "unknown key \"dealy\"" */
    const char *hint;    /* "did you mean \"delay\"? one of: ..."; NULL = none */
    const char *excerpt; /* the line, or of a long one what is around the place; NULL */
    uint32_t excerpt_column; /* of the place in the excerpt, from 1 */
    uint32_t rank;           /* of the source: in the order of first complaints */
};

enum { DIAG_MOST = 100 }; /* further ones are only counted */

struct diag {
    struct arena arena;
    struct diag_item *items[DIAG_MOST]; /* owned by the arena; by source, then place */
    size_t n;
    size_t n_errors, n_lacking, n_warnings; /* those dropped included */
    size_t n_dropped;                       /* beyond DIAG_MOST */
    struct diag_item *last;                 /* what diag_hint adds to; NULL = nothing */
    bool out_of_memory; /* a diagnostic was lost: treat the input as bad */
};

/* A diag of zeroes is an empty one on malloc: this only names the allocator. */
void diag_init(struct diag *diag, const struct allocator *allocator);
void diag_close(struct diag *diag);

/* Add one. Line, name and text are copied: a diag outlives its sources. None of them
 * fails: what memory has no room for is counted and out_of_memory is set. */
void diag_error(struct diag *diag, const struct mark *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void diag_lacking(struct diag *diag, const struct mark *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void diag_warning(struct diag *diag, const struct mark *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The hint of the diagnostic added last; a second one is joined with ";". */
void diag_hint(struct diag *diag, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The hint "did you mean \"X\"? one of: A, B, C" from the n known words: without the
 * question if none is near, without the list beyond 14 words. words may hold NULLs,
 * which are passed over. */
void diag_suggest(struct diag *diag, const char *word, const char *const *words,
                  size_t n);

/* 0: nothing but warnings. -ENOMEM: memory ran out. -EINVAL: the text is wrong.
 * -ENOTSUP: the text is right, but something it asks for is lacking here. */
int diag_status(const struct diag *diag);

/* Appends all of them, each as a compiler would show it:
 *
 *     wan.yaml:14:15: error: unknown distribution "normall"
 *        14 |       jitter: 8ms normall
 *           |                   ^~~~~~~ did you mean "normal"? one of: ...
 *
 * and a last line "and N more" if some were dropped. colour: with ANSI sequences. */
void diag_render(const struct diag *diag, bool colour, struct buffer *out);

/* "error", "warning". */
const char *diag_severity_name(enum diag_severity severity);

#endif
