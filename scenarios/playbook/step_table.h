/* SPDX-License-Identifier: MIT */
/* Reads the blocks of run, wait, promote and clients. */
#ifndef NETSPLIT_SCENARIOS_PLAYBOOK_STEP_TABLE_H
#define NETSPLIT_SCENARIOS_PLAYBOOK_STEP_TABLE_H

#include "scenarios/playbook/step_read.h"

struct yaml_node;

/* Sets what the verb's fields name; what is wrong is in the context's diag. */
void step_read_table(const struct step_context *context, const struct yaml_node *root,
                     struct step *step);

/* Whether the cluster, if it is known, has a node of that name; it is told if not. */
bool step_check_node(const struct step_context *context, const struct mark *at,
                     const char *name);

#endif
