/* SPDX-License-Identifier: MIT */
/* Texts with gaps: the files of scenarios/init/ that are no sources. */
#ifndef NETSPLIT_SCENARIOS_INIT_FILL_H
#define NETSPLIT_SCENARIOS_INIT_FILL_H

#include <stddef.h>

struct buffer;

/* What stands in the place of "@NAME@". */
struct fill_word {
    const char *name, *value;
};

/* Appends the text with its gaps filled from the n words. Whatever else has an @ stays;
 * a gap that no word fills is our bug. */
void fill(struct buffer *out, const char *text, const struct fill_word *words,
          size_t n);

#endif
