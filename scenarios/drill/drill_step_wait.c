/* SPDX-License-Identifier: MIT */
/* The step `wait`: until a command succeeds, a node has a role, all are ready, or the
 * history shows something. Commands are run again and again, by drill_job.c; at the
 * history we look ourselves. What is not so in time is a failed step. */
#include "scenarios/drill/drill_inside.h"

#include "rules/unit.h"

#include <inttypes.h>

enum { WAIT_POLL_MS = 50 };

/* A write that was invoked after the wait began has been acknowledged: the invocation
 * is among the records since then. */
static bool was_written(struct drill_mode *mode)
{
    const struct history *history = mode->out->history;
    size_t n = history_length(history);
    for (size_t i = mode->history_before; i < n; i++) {
        const struct history_record *end = history_get(history, i);
        if (end->type != HISTORY_OK || end->f == HISTORY_READ ||
            end->f == HISTORY_EVENT)
            continue;
        for (size_t k = i; k-- > mode->history_before;) {
            const struct history_record *begin = history_get(history, k);
            if (begin->process == end->process && begin->type == HISTORY_INVOKE)
                return true;
        }
    }
    return false;
}

static uint64_t acked(const struct drill_mode *mode)
{
    struct processes_statistics statistics = {0};
    if (mode->processes)
        processes_statistics(mode->processes, &statistics);
    return statistics.ok_writes;
}

static bool is_met(struct drill_mode *mode, const struct step *step)
{
    switch (step->until) {
    case STEP_UNTIL_CONVERGED:
        return mode->processes && processes_converged(mode->processes);
    case STEP_UNTIL_WRITABLE:
        return was_written(mode);
    case STEP_UNTIL_ACKED:
        return acked(mode) >= mode->acked_before + step->until_acked;
    case STEP_UNTIL_COMMAND:
    case STEP_UNTIL_READY:
    case STEP_UNTIL_ROLE:
        break; /* by a job */
    }
    return false;
}

/* What was waited for in vain, into mode->error. */
static void tell_unmet(struct drill_mode *mode, const struct step *step)
{
    char allowance[32];
    unit_format_duration(step->within_ns, allowance, sizeof allowance);
    if (step->until == STEP_UNTIL_ACKED)
        (void)snprintf(mode->error, sizeof mode->error,
                       "%" PRIu64 " of %" PRIu64 " writes were acknowledged within %s",
                       acked(mode) - mode->acked_before, step->until_acked, allowance);
    else
        (void)snprintf(mode->error, sizeof mode->error, "%s within %s",
                       step->until == STEP_UNTIL_WRITABLE
                           ? "no write was acknowledged"
                           : "not every node was read to hold the same",
                       allowance);
}

static void on_wait_poll(uv_timer_t *timer)
{
    struct drill_mode *mode = timer->data;
    const struct step *step = mode_step(mode);
    if (is_met(mode, step)) {
        if (step->until == STEP_UNTIL_CONVERGED) {
            processes_probe_stop(mode->processes);
            mode->probing = false;
        }
        step_end(mode, NULL);
    } else if (now_ns() >= mode->step_start_ns + step->within_ns) {
        tell_unmet(mode, step);
        step_end(mode, mode->error);
    }
}

void step_start_wait(struct drill_mode *mode, const struct step *step)
{
    switch (step->until) {
    case STEP_UNTIL_COMMAND:
        step_start_shell(mode, step, true);
        return;
    case STEP_UNTIL_READY:
        nodes_wait_ready(mode, step->within_ns, step_end_by_job);
        return;
    case STEP_UNTIL_ROLE:
        mode->out->steps[mode->step].node = step->node;
        job_start(mode, &(struct job_options){.script = mode->drill->cluster->role,
                                              .node = (size_t)cluster_find_node(
                                                  mode->drill->cluster, step->node),
                                              .within_ns = step->within_ns,
                                              .polls = true,
                                              .wants = step->until_role,
                                              .then = step_end_by_job});
        return;
    case STEP_UNTIL_CONVERGED:
        if (mode->processes && !mode->probing)
            processes_probe_start(mode->processes);
        mode->probing = mode->processes != NULL;
        break;
    case STEP_UNTIL_WRITABLE:
    case STEP_UNTIL_ACKED:
        break;
    }
    mode->acked_before = acked(mode);
    mode->history_before = history_length(mode->out->history);
    (void)uv_timer_start(&mode->step_timer, on_wait_poll, WAIT_POLL_MS, WAIT_POLL_MS);
}
