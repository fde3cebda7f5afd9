/* SPDX-License-Identifier: MIT */
/* Lists as the systems under test keep them: decimal integers, each with a comma behind
 * it ("3,17,"), because appending a text is what every store can do in one step. */
#ifndef NETSPLIT_SCENARIOS_DRIVERS_ELEMENTS_H
#define NETSPLIT_SCENARIOS_DRIVERS_ELEMENTS_H

#include "scenarios/history/history.h"

/* Room for the integers of one answer after the other; zeroed = none yet. */
struct elements {
    int64_t *items; /* owned */
    size_t room;
};

void elements_free(struct elements *elements);

/* The value of text[0..length-1], which a NUL follows: "" is nil, "17" an integer,
 * "3,17," a list, which lives in elements until the next call. 0, or -EINVAL if it is
 * anything else: half an element, letters, a number that does not fit. */
int elements_parse(struct elements *elements, const char *text, size_t length,
                   struct history_value *out);

/* The element as it is appended: "17,". Writes at most text_bytes with the NUL (22
 * suffice); returns text. */
const char *elements_format(int64_t element, char *text, size_t text_bytes);

#endif
