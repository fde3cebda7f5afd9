/* SPDX-License-Identifier: MIT */
/* Percentiles by nearest rank: always a value that was measured. */
#ifndef NETSPLIT_SCENARIOS_CHECKERS_QUANTILE_H
#define NETSPLIT_SCENARIOS_CHECKERS_QUANTILE_H

#include <stddef.h>
#include <stdint.h>

void quantile_sort(uint64_t *values, size_t n);

/* Of n sorted values the least that at least percent of them do not exceed; 0 of none.
 * percent is 1..100; 100 is the largest. */
uint64_t quantile_of(const uint64_t *sorted, size_t n, unsigned percent);

#endif
