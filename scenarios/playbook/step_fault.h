/* SPDX-License-Identifier: MIT */
/* What stands in a fault block: rules for the proxy, or a fault by command. */
#ifndef NETSPLIT_SCENARIOS_PLAYBOOK_STEP_FAULT_H
#define NETSPLIT_SCENARIOS_PLAYBOOK_STEP_FAULT_H

#include "scenarios/playbook/step_read.h"

struct yaml_node;

/* Reads the block's tree into the step; mistakes are told in the context's diag. */
void step_read_fault(const struct step_context *context, const struct yaml_node *root,
                     struct step *step);

#endif
