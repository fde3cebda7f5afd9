/* SPDX-License-Identifier: MIT */
/* What was measured: a figure is one quantity, a series its values for one system (or
 * variant), one value a repeat. One series is the subject, by default netsplit's; the
 * others are what it is compared with, repeat by repeat, so that a machine whose speed
 * drifts does not decide. A gate says how the comparison should come out. */
#ifndef NETSPLIT_BENCH_FIGURE_H
#define NETSPLIT_BENCH_FIGURE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum { SERIES_MAX = 5, VALUES_MAX = 32 };

struct gate {
    bool set;
    double bound; /* at least, or at most where low is good */
};
#define GATE(bound)                                                                    \
    {                                                                                  \
        true, (bound)                                                                  \
    }

/* What is known before measuring; static tables of the parts. */
struct figure_spec {
    const char *part; /* BENCH=part */
    const char *name; /* "64 B round trip, p50" */
    const char *unit; /* "us" */
    unsigned
        subject; /* which series is judged; SUT_NETSPLIT where series are systems */
    bool low_is_good;
    bool exact;       /* gates without tolerance */
    bool worst;       /* judge the worst value instead of the median */
    bool absolute;    /* each series is judged by its own values: there is no subject */
    bool any_machine; /* a busy one measures the same */
    /* By series: of the subject its value; of another the ratio subject / other. */
    struct gate gates[SERIES_MAX];
    const char *const *series; /* their names, SERIES_MAX, NULL = there is none */
};

struct figure {
    const struct figure_spec *spec;
    double values[SERIES_MAX][VALUES_MAX];
    size_t n[SERIES_MAX];
};

/* What is above VALUES_MAX is left out. */
void figure_keep(struct figure *figure, unsigned series, double value);

/* Did it come out as the gates say? why_not: figures of this machine may not be judged,
 * for this reason; or NULL. */
bool figure_holds(const struct figure *figure, const char *why_not);

/* Prints a block of lines, one a series that has values; nothing if none has. */
void figure_print(const struct figure *figure, const char *why_not);

/* A new object with values, ratios and gates; the caller's. Aborts without memory. */
json_t *figure_to_json(const struct figure *figure, const char *why_not);

#endif
