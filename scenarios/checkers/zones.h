/* SPDX-License-Identifier: MIT */
/* Linearizability of one register whose written values are unique and that knows no
 * compare-and-set, by the zones of Gibbons and Korach (SIAM J. Comput. 1997): O(n log
 * n) where the general problem is NP-complete. */
#ifndef NETSPLIT_SCENARIOS_CHECKERS_ZONES_H
#define NETSPLIT_SCENARIOS_CHECKERS_ZONES_H

#include "scenarios/checkers/checker.h"

/* Judges a key of input->view; all its values are unique and none of its operations is
 * a cas. Valid, or invalid with *offender, an operation that fits no order. */
enum verdict zones_judge(const struct check_input *input, const struct view_key *key,
                         uint32_t *offender);

#endif
