/* SPDX-License-Identifier: MIT */
/* A limit that a sampled number crosses or not, as a probe's header says it: "10",
 * ">=10" (the same), ">10", "<3", "<=3". */
#ifndef NETSPLIT_SCENARIOS_PLAYBOOK_THRESHOLD_H
#define NETSPLIT_SCENARIOS_PLAYBOOK_THRESHOLD_H

#include <stdbool.h>
#include <stddef.h>

struct threshold {
    const char *text; /* as written, borrowed; NULL = none: nothing crosses it */
    bool is_below;    /* crossed below the value, else above */
    bool is_strict;   /* the value itself does not cross */
    double value;     /* finite */
};

/* 0 and *out, or -EINVAL. */
int threshold_parse(const char *text, struct threshold *out);
bool threshold_is_crossed(const struct threshold *threshold, double value);

/* The last number in the text: "lag 12.5 s, 3 of 4" is 4. False if there is none; what
 * stands within a word ("n1") is none. */
bool threshold_last_number(const char *text, double *out);

#endif
