/* SPDX-License-Identifier: MIT */
/* The step `heal`: all faults are undone, by drill_fault.c, and then the node that was the
 * primary when the workload began rejoins, if another one is now and the cluster says how:
 * it is stopped, its `rejoin` is run, and it is started again. */
#include "scenarios/drill/drill_inside.h"

static void start_again(struct drill_mode *mode)
{
    step_keep_output(mode);
    if (mode->job.ok)
        nodes_start_one(mode, mode->chain, step_end_by_job);
    else
        step_end_by_job(mode);
}

static void rejoin(struct drill_mode *mode)
{
    job_start(mode,
              &(struct job_options){.script = mode->drill->cluster->commands.rejoin,
                                    .node = mode->chain,
                                    .within_ns = mode_step(mode)->within_ns,
                                    .leaves_group = mode->drill->cluster->places,
                                    .then = start_again});
}

/* The node that was the primary when the workload began, if another one is now. */
static bool find_old_primary(const struct drill_mode *mode, size_t *node)
{
    if (mode->out->n_primaries == 0 || !mode->drill->cluster->commands.rejoin)
        return false;
    *node = (size_t)mode->out->primaries[0].node;
    return *node != mode->primary;
}

static void on_healed(struct drill_mode *mode)
{
    size_t old = 0;
    if (mode->error[0]) {
        step_end(mode, mode->error);
        return;
    }
    if (!find_old_primary(mode, &old)) {
        step_end(mode, NULL);
        return;
    }
    mode->out->steps[mode->step].node = mode_node_name(mode, old);
    mode->chain = old;
    mode->chain_then = rejoin;
    if (!nodes_stop_one(mode, old, false)) {
        mode->chain_then = NULL; /* it had ended by itself */
        rejoin(mode);
    }
}

void step_start_heal(struct drill_mode *mode)
{
    fault_heal(mode, on_healed);
}
