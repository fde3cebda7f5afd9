/* SPDX-License-Identifier: MIT */
/* What a person at a terminal sees: colours where they are wanted, and one progress
 * line that is rewritten in place on a terminal and printed when it changes elsewhere.
 */
#ifndef NETSPLIT_BASE_TERM_H
#define NETSPLIT_BASE_TERM_H

#include <stdbool.h>
#include <stdio.h>

/* Colours for this stream: it is a terminal, NO_COLOR is not set and TERM is not dumb.
 */
bool term_wants_colour(FILE *to);

/* Columns of the stream's terminal; 80 when it is none or does not say. */
unsigned term_columns(FILE *to);

/* This process belongs to a terminal, which has not been closed. */
bool term_is_attached(void);

/* Puts "?" in the place of what a terminal would obey, as it stands in texts of others:
 * control characters, also those of two bytes in UTF-8 (U+0080 to U+009F), but for tabs
 * and the ends of lines. */
void term_disarm(char *text);

struct term_progress {
    FILE *to;            /* borrowed; stderr as a rule */
    bool in_place;       /* a terminal: one line, rewritten */
    bool line_open;      /* there is a line to rewrite or to end */
    char last_head[128]; /* what was printed last where nothing is rewritten */
    /* What a line that stays is made into before it is shown: a new text, which is
     * freed; NULL = it is left alone. context is borrowed. */
    char *(*rewrite)(const void *context, const char *line);
    const void *context;
};

void term_progress_init(struct term_progress *progress, FILE *to);

/* What would have to wait, because a terminal is stopped or nobody reads, is not shown:
 * whoever shows progress has more urgent things to do. */

/* Shows "HEAD detail". On a terminal the line is rewritten, cut to its width. Elsewhere
 * a line is printed when head differs from the one before, without the detail, which
 * changes all the time. */
void term_progress_show(struct term_progress *progress, const char *head,
                        const char *detail);

/* Prints a line that stays, above the progress line. */
void term_progress_say(struct term_progress *progress, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Removes the progress line. */
void term_progress_end(struct term_progress *progress);

#endif
