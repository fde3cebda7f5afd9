/* SPDX-License-Identifier: MIT */
/* What a number of runs proves about how often they fail. */
#ifndef NETSPLIT_SCENARIOS_REPORT_BOUND_H
#define NETSPLIT_SCENARIOS_REPORT_BOUND_H

#include <stdint.h>

/* The highest rate of failure, 0..1, that is still compatible with so many failures in
 * so many independent runs, at 95 % confidence, one-sided (Clopper and Pearson). Without
 * a failure that is about 3 / runs, the rule of three. Without a run it is 1. */
double bound_failure_rate(uint64_t runs, uint64_t failures);

/* How many runs without a failure show, at 95 %, that the rate is below this one, which
 * is in (0, 1). */
uint64_t bound_runs_for(double rate);

#endif
