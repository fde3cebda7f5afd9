/* SPDX-License-Identifier: MIT */
/* The rows of the table of checkers, each defined in the file of its name. */
#ifndef NETSPLIT_SCENARIOS_CHECKERS_CATALOGUE_H
#define NETSPLIT_SCENARIOS_CHECKERS_CATALOGUE_H

#include "scenarios/checkers/checker.h"

extern const struct checker checker_set;
extern const struct checker checker_staleness;
extern const struct checker checker_sessions;
extern const struct checker checker_linearizable;
extern const struct checker checker_availability;
extern const struct checker checker_convergence;
extern const struct checker checker_split_brain;

#endif
