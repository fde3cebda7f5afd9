/* SPDX-License-Identifier: MIT */
/* Executes the steps of a playbook in document order: one function a verb, each of
 * which ends, at once or later, in step_end(). */
#include "scenarios/drill/drill_inside.h"

#include "rules/language/unit.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { WAIT_POLL_MS = 50 };

static const struct step *current(const struct drill_mode *mode)
{
    return &mode->drill->playbook->steps[mode->step];
}

static const char *node_name(const struct drill_mode *mode, size_t node)
{
    return mode->drill->cluster->nodes[node];
}

void step_record(struct drill_mode *mode, uint64_t at_ns, const char *event,
                 const char *text)
{
    if (mode->out->history)
        (void)history_record_event(mode->out->history,
                                   history_time_ns(mode->out->history, at_ns), event,
                                   text);
}

static void hold_primary(struct drill_mode *mode, size_t node, uint64_t at_ns)
{
    struct run_mode *out = mode->out;
    mode->primary = node;
    out->primaries =
        xreallocarray(out->primaries, out->n_primaries + 1, sizeof *out->primaries);
    out->primaries[out->n_primaries++] = (struct run_primary){(int)node, at_ns};
    step_record(mode, at_ns, HISTORY_EVENT_PRIMARY, node_name(mode, node));
}

/* --- workload --- */

static void start_processes(struct drill_mode *mode)
{
    struct drill *drill = mode->drill;
    struct driver_endpoint direct[CLUSTER_NODES_MAX] = {0};
    for (size_t i = 0; i < drill->cluster->n_nodes; i++)
        direct[i] = lab_direct(mode, i);
    struct processes_config config = {.loop = &drill->loop,
                                      .history = mode->out->history,
                                      .driver = drill->cluster->driver,
                                      .setting = mode->mode->setting,
                                      .schema = drill->cluster->schema,
                                      .program = driver_program(mode),
                                      .plan = current(mode)->workload,
                                      .seed = drill->run->seed,
                                      .nodes = drill->cluster->n_nodes,
                                      .primary = mode->primary,
                                      .paths = mode->client_paths,
                                      .direct = direct};
    mode->processes = processes_create(&config);
    processes_start(mode->processes);
}

/* What said no for certain, or could not even be asked, has not been touched, and is not
 * touched afterwards: it may be another drill's. */
static void refuse_workload(struct drill_mode *mode, enum run_reason reason)
{
    struct run_step *out = &mode->out->steps[mode->step];
    mode->has_schema = false;
    owed_settle_schema(mode);
    out->status = RUN_STEP_FAILED;
    out->why = drill_keep(mode->drill, mode->error);
    mode_abort(mode, reason, mode->error);
}

static void on_setup(void *context, const struct driver_outcome *outcome)
{
    struct drill_mode *mode = context;
    enum driver_error error = outcome->error;
    bool ok = outcome->type == HISTORY_OK;
    (void)snprintf(mode->error, sizeof mode->error, "making the schema %s: %s",
                   mode->drill->cluster->schema, outcome->text ? outcome->text : "");
    if (ok && outcome->text)
        term_progress_say(&mode->drill->progress, "%s: %s", mode->mode->name,
                          mode->error);
    driver_close(mode->setup);
    mode->setup = NULL;
    if (mode->state != MODE_STEPS)
        return;
    if (error == DRIVER_DEFECT || error == DRIVER_REFUSED) {
        refuse_workload(mode, error == DRIVER_DEFECT ? RUN_DRIVER_ERROR
                                                     : RUN_CLUSTER_NOT_STARTED);
        return;
    }
    if (ok)
        start_processes(mode);
    step_end(mode, ok ? NULL : mode->error);
}

static void start_workload(struct drill_mode *mode, const struct step *step)
{
    const struct cluster *cluster = mode->drill->cluster;
    const struct driver_endpoint primary = lab_direct(mode, mode->primary);
    struct driver_target target = {.endpoint = primary,
                                   .direct = primary,
                                   .setting = mode->mode->setting,
                                   .schema = cluster->schema,
                                   .node = node_name(mode, mode->primary),
                                   .writes = step->workload.workload->write,
                                   .program = driver_program(mode),
                                   .mark = mode->drill->mark,
                                   .take_over = mode->drill->options->take_over};
    mode->has_schema = true; /* or a part of it */
    owed_note_schema(mode);
    mode->setup = driver_open(cluster->driver, &mode->drill->loop, &target);
    driver_setup(mode->setup, step->workload.settings.keys, DRILL_START_NS, on_setup,
                 mode);
}

/* --- run --- */

static void on_run_over(uv_timer_t *timer)
{
    step_end(timer->data, NULL);
}

/* --- step, wait, promote: shell --- */

static void keep_output(struct drill_mode *mode)
{
    struct run_step *out = &mode->out->steps[mode->step];
    out->exit_status = mode->job.status;
    out->output_cut = mode->job.output_cut;
    if (mode->job.output && mode->job.output[0])
        out->output = drill_keep(mode->drill, mode->job.output);
}

static void end_by_job(struct drill_mode *mode)
{
    char allowance[32], line[200];
    keep_output(mode);
    unit_format_duration(current(mode)->within_ns, allowance, sizeof allowance);
    job_first_line(&mode->job, line, sizeof line);
    if (mode->job.late)
        (void)snprintf(mode->error, sizeof mode->error, "not done within %s",
                       allowance);
    else
        (void)snprintf(mode->error, sizeof mode->error, "it ended with status %d%s%s",
                       mode->job.status, line[0] ? ": " : "", line);
    step_end(mode, mode->job.ok ? NULL : mode->error);
}

static void start_shell(struct drill_mode *mode, const struct step *step, bool polls)
{
    int node = step->on ? cluster_find_node(mode->drill->cluster, step->on) : 0;
    mode->out->steps[mode->step].node = node_name(mode, (size_t)node);
    job_start(mode, &(struct job_options){.script = step->text,
                                          .node = (size_t)node,
                                          .within_ns = step->within_ns,
                                          .polls = polls,
                                          .then = end_by_job});
}

static void on_promoted(struct drill_mode *mode)
{
    int node = cluster_find_node(mode->drill->cluster, current(mode)->node);
    if (mode->job.ok) {
        hold_primary(mode, (size_t)node, now_ns());
        owed_replace(mode);
    }
    end_by_job(mode);
}

static void start_promote(struct drill_mode *mode, const struct step *step)
{
    int node = cluster_find_node(mode->drill->cluster, step->node);
    mode->out->steps[mode->step].node = step->node;
    job_start(mode,
              &(struct job_options){.script = mode->drill->cluster->commands.promote,
                                    .node = (size_t)node,
                                    .within_ns = step->within_ns,
                                    .then = on_promoted});
}

/* --- wait --- */

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
    const struct step *step = current(mode);
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

static void start_wait(struct drill_mode *mode, const struct step *step)
{
    switch (step->until) {
    case STEP_UNTIL_COMMAND:
        start_shell(mode, step, true);
        return;
    case STEP_UNTIL_READY:
        nodes_wait_ready(mode, step->within_ns, end_by_job);
        return;
    case STEP_UNTIL_ROLE:
        mode->out->steps[mode->step].node = step->node;
        job_start(mode, &(struct job_options){.script = mode->drill->cluster->role,
                                              .node = (size_t)cluster_find_node(
                                                  mode->drill->cluster, step->node),
                                              .within_ns = step->within_ns,
                                              .polls = true,
                                              .wants = step->until_role,
                                              .then = end_by_job});
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

/* --- heal --- */

static void start_again(struct drill_mode *mode)
{
    keep_output(mode);
    if (mode->job.ok)
        nodes_start_one(mode, mode->chain, end_by_job);
    else
        end_by_job(mode);
}

static void rejoin(struct drill_mode *mode)
{
    job_start(mode,
              &(struct job_options){.script = mode->drill->cluster->commands.rejoin,
                                    .node = mode->chain,
                                    .within_ns = current(mode)->within_ns,
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
    mode->out->steps[mode->step].node = node_name(mode, old);
    mode->chain = old;
    mode->chain_then = rejoin;
    if (!nodes_stop_one(mode, old, false)) {
        mode->chain_then = NULL; /* it had ended by itself */
        rejoin(mode);
    }
}

/* --- clients --- */

static void on_moved(void *context, const struct processes_moved *moved)
{
    struct drill_mode *mode = context;
    if (mode->state != MODE_STEPS)
        return;
    mode->out->steps[mode->step].output =
        drill_print(mode->drill, "moved: %zu, answered by %s: %zu", moved->moved,
                    current(mode)->node, moved->answered);
    (void)snprintf(mode->error, sizeof mode->error,
                   "%zu of %zu processes had no answer", moved->moved - moved->answered,
                   moved->moved);
    step_end(mode, moved->answered == moved->moved ? NULL : mode->error);
}

static void start_clients(struct drill_mode *mode, const struct step *step)
{
    const struct cluster *cluster = mode->drill->cluster;
    bool homes[CLUSTER_NODES_MAX] = {false};
    if (step->of)
        homes[cluster_find_node(cluster, step->of + 8)] = true;
    mode->out->steps[mode->step].node = step->node;
    size_t to = (size_t)cluster_find_node(cluster, step->node);
    if (processes_move(mode->processes, to, step->of ? homes : NULL, on_moved, mode) !=
        0)
        step_end(mode, "the processes are moving already");
}

/* --- One after the other --- */

static void start(struct drill_mode *mode, const struct step *step)
{
    switch (step->verb->kind) {
    case STEP_WORKLOAD:
        start_workload(mode, step);
        break;
    case STEP_RUN:
        (void)uv_timer_start(&mode->step_timer, on_run_over,
                             now_ns_to_ms_up(step->for_ns), 0);
        break;
    case STEP_FAULT:
        fault_start(mode);
        break;
    case STEP_HEAL:
        fault_heal(mode, on_healed);
        break;
    case STEP_SHELL:
        start_shell(mode, step, false);
        break;
    case STEP_WAIT:
        start_wait(mode, step);
        break;
    case STEP_PROMOTE:
        start_promote(mode, step);
        break;
    case STEP_CLIENTS:
        start_clients(mode, step);
        break;
    case STEP_PROBE:
        probe_add(mode, step);
        step_end(mode, NULL);
        break;
    case STEP_MANUAL:
        manual_start(mode, step);
        break;
    case STEP_EXPECT:
        mode_conclude(mode);
        break;
    }
}

static void next_step(struct drill_mode *mode)
{
    if (mode->step == mode->drill->playbook->n_steps) {
        mode_conclude(mode);
        return;
    }
    struct run_step *out = &mode->out->steps[mode->step];
    mode->step_start_ns = now_ns();
    out->start_ns = mode->step_start_ns;
    if (mode->out->phases[out->phase].start_ns == 0)
        mode->out->phases[out->phase].start_ns = out->start_ns;
    drill_show(mode->drill);
    start(mode, current(mode));
}

static void note_end(struct drill_mode *mode, struct run_step *out)
{
    (void)uv_timer_stop(&mode->step_timer);
    out->end_ns = now_ns();
    mode->out->phases[out->phase].end_ns = out->end_ns;
}

void step_skip(struct drill_mode *mode, const char *why)
{
    struct run_step *out = &mode->out->steps[mode->step];
    note_end(mode, out);
    out->status = RUN_STEP_SKIPPED;
    out->why = why;
    term_progress_say(&mode->drill->progress, "%s: line %" PRIu32 ": %s: %s",
                      mode->mode->name, out->line, out->verb, why);
    mode->step++;
    next_step(mode);
}

void step_end(struct drill_mode *mode, const char *error)
{
    const struct step *step = current(mode);
    struct run_step *out = &mode->out->steps[mode->step];
    note_end(mode, out);
    if (!error) {
        out->status = RUN_STEP_DONE;
        if (step->detects)
            step_record(mode, out->end_ns, HISTORY_EVENT_DETECT, step->heading);
    } else {
        out->status = step->on_fail ? RUN_STEP_CONTINUED : RUN_STEP_FAILED;
        out->why = drill_keep(mode->drill, error);
    }
    if (out->status == RUN_STEP_FAILED) {
        mode_conclude(mode);
        return;
    }
    mode->step++;
    next_step(mode);
}

void steps_begin(struct drill_mode *mode)
{
    mode->step = 0;
    mode->period = RUN_BEFORE;
    hold_primary(mode, mode->primary, mode->out->base_ns);
    next_step(mode);
}
