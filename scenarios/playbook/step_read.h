/* SPDX-License-Identifier: MIT */
/* Blocks of a playbook to steps: the header's options and what stands in the block. */
#ifndef NETSPLIT_SCENARIOS_PLAYBOOK_STEP_READ_H
#define NETSPLIT_SCENARIOS_PLAYBOOK_STEP_READ_H

#include "scenarios/playbook/playbook_block.h"
#include "scenarios/playbook/step.h"

/* What steps may refer to. */
struct step_context {
    const struct source *source;
    struct arena *arena; /* of what a step points to; on xallocator */
    const struct cluster
        *cluster;             /* NULL: could not be loaded; names are not checked */
    const char *const *modes; /* that will be run */
    size_t n_modes;
    const char *const *names; /* that faults may use: nodes, primary, clients.n1, ... */
    size_t n_names;
    const struct cluster_variables *variables;
    struct diag *diag;
};

/* Reads a block that has a header. Returns whether it is a step (a block with a verb
 * that is known); mistakes in it are told in the context's diag. step->rules is owned
 * by the caller then. */
bool step_read(const struct step_context *context, const struct playbook_block *block,
               struct step *step);

#endif
