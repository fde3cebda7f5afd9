/* SPDX-License-Identifier: MIT */
/* Expectations: what a playbook says a measure must show ("at least 1", "at most 10s",
 * "none"), and whether it did. */
#ifndef NETSPLIT_SCENARIOS_PLAYBOOK_EXPECT_H
#define NETSPLIT_SCENARIOS_PLAYBOOK_EXPECT_H

#include "scenarios/checkers/measure.h"

/* Forms, words in lower case, parted by blanks; a quantity has the measure's unit
 * (durations "10s", throughput "400/s", counts bare):
 *
 *   none                    0
 *   QUANTITY                exactly that
 *   at least Q, at most Q, more than Q, less than Q, between Q and Q
 *   at least Nx before      N times the same measure before the fault; also at most,
 *                           more than, less than; only for NAME.during and NAME.after
 *   at most N% of acked     a share of the acknowledged writes; counts only; also at
 *                           least, more than, less than
 *   never                   a duration that did not end (no convergence)
 *   true, false             booleans; "valid" and "invalid" mean the same
 */
enum expect_scale {
    EXPECT_ABSOLUTE = 0, /* bounds are in the measure's own unit */
    EXPECT_OF_BEFORE,    /* bounds are ppm of the measure before the fault */
    EXPECT_OF_ACKED,     /* bounds are ppm of acked */
};

struct expectation {
    enum measure measure;
    enum expect_scale scale;
    bool has_low, has_high; /* at least one is set */
    bool above, below;      /* the bound itself is excluded (more than, less than) */
    uint64_t low, high;
    char text[64]; /* as written */
};

/* Where in its text a condition is wrong, for the caller's diagnostic. */
struct expect_error {
    size_t at, length; /* bytes of the text to point at; length may be 0 at the end */
    char text[160];    /* "a duration needs a unit: \"10\"" */
    char hint[120];    /* "one of: none, at least, ..."; empty = none */
};

/* Parses what is expected of the measure. 0, or -EINVAL with *why. */
int expect_parse(enum measure measure, const char *text, struct expectation *out,
                 struct expect_error *why);

enum expect_result {
    EXPECT_MET = 0,
    EXPECT_UNMET,
    EXPECT_UNKNOWN, /* the measure (or what it is compared with) is not known */
};

enum expect_result expect_evaluate(const struct expectation *expectation,
                                   const struct measures *measures);

/* Whether it demands harm, and so is a positive control: a lower bound above 0 on a
 * measure of which less is better ("unavailable: at least 2s" too), or that a boolean
 * is false. Unmet, the drill is inconclusive (control-silent) instead of failed. */
bool expect_demands_harm(const struct expectation *expectation);

/* "lost_writes: 939, expected at least 1". Writes at most text_bytes; returns text. */
const char *expect_format(const struct expectation *expectation,
                          const struct measures *measures, char *text,
                          size_t text_bytes);

const char *expect_result_name(enum expect_result result); /* met, unmet, unknown */

/* {"measure", "expected", "observed", "result", "control"}. New reference. */
json_t *expect_to_json(const struct expectation *expectation,
                       const struct measures *measures);

#endif
