/* SPDX-License-Identifier: MIT */
/* Reads the block of an expect step. */
#ifndef NETSPLIT_SCENARIOS_PLAYBOOK_STEP_EXPECT_H
#define NETSPLIT_SCENARIOS_PLAYBOOK_STEP_EXPECT_H

#include "scenarios/playbook/step_read.h"

struct yaml_node;

/* Sets the step's expectations; what is wrong is in the context's diag. */
void step_read_expect(const struct step_context *context, const struct yaml_node *root,
                      struct step *step);

#endif
