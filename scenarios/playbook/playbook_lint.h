/* SPDX-License-Identifier: MIT */
/* What must fit together in a playbook, and what a good one holds. */
#ifndef NETSPLIT_SCENARIOS_PLAYBOOK_PLAYBOOK_LINT_H
#define NETSPLIT_SCENARIOS_PLAYBOOK_PLAYBOOK_LINT_H

#include "scenarios/playbook/playbook.h"
#include "scenarios/playbook/playbook_block.h"

struct yaml_node;

/* The front matter as it was written; NULL and 0 where it was not. */
struct playbook_front {
    const char *title, *owner, *cluster, *control;
    const struct yaml_node *modes, *assumptions, *risk, *vars;
    uint64_t no_ok_write_ns, duration_ns;
};

/* Adds errors and warnings. whole: every block was read well; without that, nothing is
 * said about what seems to be missing among the steps. */
void playbook_lint(const struct playbook *playbook, const struct playbook_front *front,
                   const struct cluster *cluster, bool whole, struct diag *diag);

/* Warns where a step's options, where it runs and by when, are not to be seen by who
 * reads the rendered page. The block is one with a header. */
void playbook_lint_block(const struct source *source,
                         const struct playbook_block *block, struct diag *diag);

#endif
