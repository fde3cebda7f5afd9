/* SPDX-License-Identifier: MIT */
/* The mark that a drill leaves in the data of a system while it is drilled: who drills,
 * where, since when. A drill from another machine finds it there and keeps out. */
#ifndef NETSPLIT_SCENARIOS_DRILL_CLAIM_MARK_H
#define NETSPLIT_SCENARIOS_DRILL_CLAIM_MARK_H

#include <stdbool.h>
#include <stddef.h>

enum { CLAIM_MARK_BYTES = 256, CLAIM_TEXT_BYTES = 256 };

/* This process's mark: letters, digits, blanks and "@.:-_" only, so that it may stand
 * in any quotes. The same each time. */
void claim_mark_make(char mark[static CLAIM_MARK_BYTES]);

/* Whether a mark that was found gives way: it is our own, or its process was one of this
 * machine and is gone, or take_over says that its owner's drill is known to be dead.
 * One that cannot be read never does. text is "", or whom it was taken over from, or why
 * not, for people; what stands in the mark is shown only as far as it is a mark. */
bool claim_mark_yields(const char *mark, bool take_over,
                       char text[static CLAIM_TEXT_BYTES]);

#endif
