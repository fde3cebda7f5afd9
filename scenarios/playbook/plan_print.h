/* SPDX-License-Identifier: MIT */
/* What a drill would do, without doing any of it: `drill --dry-run`. */
#ifndef NETSPLIT_SCENARIOS_PLAYBOOK_PLAN_PRINT_H
#define NETSPLIT_SCENARIOS_PLAYBOOK_PLAN_PRINT_H

#include "scenarios/playbook/playbook.h"

#include <stdio.h>

/* Prints the cluster's commands, the links, how faults end, the stop conditions, and
 * each step with its text. modes: those that would run. */
void plan_print(const struct playbook *playbook, const struct cluster *cluster,
                const char *const *modes, size_t n_modes, FILE *to);

#endif
