/* SPDX-License-Identifier: MIT */
/* Executes the steps of a playbook in document order. Each verb has a function, which
 * ends, at once or later, in step_end(); those of most verbs are in the drill_step_*.c
 * files. A step that failed ends the steps, unless its block says otherwise. */
#include "scenarios/drill/drill_inside.h"

#include <inttypes.h>

void step_record(struct drill_mode *mode, uint64_t at_ns, const char *event,
                 const char *text)
{
    if (mode->out->history)
        (void)history_record_event(mode->out->history,
                                   history_time_ns(mode->out->history, at_ns), event,
                                   text);
}

void step_hold_primary(struct drill_mode *mode, size_t node, uint64_t at_ns)
{
    struct run_mode *out = mode->out;
    mode->primary = node;
    out->primaries =
        xreallocarray(out->primaries, out->n_primaries + 1, sizeof *out->primaries);
    out->primaries[out->n_primaries++] = (struct run_primary){(int)node, at_ns};
    step_record(mode, at_ns, HISTORY_EVENT_PRIMARY, mode_node_name(mode, node));
}

static void on_run_over(uv_timer_t *timer)
{
    step_end(timer->data, NULL);
}

static void start(struct drill_mode *mode, const struct step *step)
{
    switch (step->verb->kind) {
    case STEP_WORKLOAD:
        step_start_workload(mode, step);
        break;
    case STEP_RUN:
        (void)uv_timer_start(&mode->step_timer, on_run_over,
                             now_ns_to_ms_up(step->for_ns), 0);
        break;
    case STEP_FAULT:
        fault_start(mode);
        break;
    case STEP_HEAL:
        step_start_heal(mode);
        break;
    case STEP_SHELL:
        step_start_shell(mode, step, false);
        break;
    case STEP_WAIT:
        step_start_wait(mode, step);
        break;
    case STEP_PROMOTE:
        step_start_promote(mode, step);
        break;
    case STEP_CLIENTS:
        step_start_clients(mode, step);
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
    watch_show(mode->drill);
    start(mode, mode_step(mode));
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
    const struct step *step = mode_step(mode);
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
    step_hold_primary(mode, mode->primary, mode->out->base_ns);
    next_step(mode);
}
