/* SPDX-License-Identifier: MIT */
/* What the many*.c files share; nothing else includes this. many.c keeps the runs and
 * lists them, many_distribution.c prints what they show together, many_json.c writes
 * that for programs. */
#ifndef NETSPLIT_SCENARIOS_REPORT_MANY_INSIDE_H
#define NETSPLIT_SCENARIOS_REPORT_MANY_INSIDE_H

#include "scenarios/checkers/measure.h"
#include "scenarios/report/many.h"

struct many_mode {
    char *name; /* owned */
    enum run_verdict verdict;
    struct measures measures;
};

struct many_run {
    char *playbook, *directory, *why; /* owned; directory may be NULL */
    bool is_trouble;                  /* it was not run */
    enum run_verdict verdict;
    uint64_t seed;
    struct many_mode *modes; /* owned */
    size_t n_modes;
};

struct many {
    struct many_run *runs; /* owned */
    size_t n;
};

/* Of the runs since an index: those that say something, and what. */
struct many_tally {
    uint64_t judged, failed, silent;
};

struct many_tally many_tally(const struct many *many, size_t since);
/* "pass", ... or "not run". */
const char *many_verdict(const struct many_run *run);

#endif
