/* SPDX-License-Identifier: MIT */
/* The ways that lead out of the steps of a mode, to its end or straight down; the drawing
 * is in drill_inside.h. ENDING is here: the processes stop, what is broken still is
 * healed, everything is read on every node, and it is judged. UP and DOWN have files of
 * their own, and so have the steps and the judgement.
 *
 * A verdict that was given is not changed by what comes later, and every way leads to
 * mode_down(). */
#include "scenarios/drill/drill_inside.h"

#include <stdarg.h>

void mode_fail(struct drill_mode *mode, const char *format, ...)
{
    va_list args;
    char text[512];
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    mode_abort(mode, RUN_CLUSTER_NOT_STARTED, text);
}

void mode_note_left(struct drill_mode *mode, const char *text)
{
    struct drill *drill = mode->drill;
    const char *before = drill->run->left;
    term_progress_say(&drill->progress, "%s: %s", mode->mode->name, text);
    drill->run->left = drill_print(drill, "%s%s%s: %s", before ? before : "",
                                   before ? "; " : "", mode->mode->name, text);
}

static void judge(struct drill_mode *mode)
{
    drill_judge(mode);
    mode_down(mode);
}

static void on_final_reads(void *context, const size_t *unread)
{
    struct drill_mode *mode = context;
    if (mode->state != MODE_ENDING)
        return;
    for (size_t i = 0; i < mode->drill->cluster->n_nodes; i++)
        if (unread[i] > 0)
            term_progress_say(&mode->drill->progress,
                              "%s: %zu final reads of %s were not answered",
                              mode->mode->name, unread[i], mode_node_name(mode, i));
    mode->out->end_of_reads_ns = now_ns();
    proxy_ask(mode, judge);
}

static void read_all(struct drill_mode *mode)
{
    if (mode->state != MODE_ENDING)
        return;
    if (mode->processes)
        processes_final_reads(mode->processes, DRILL_READS_NS, on_final_reads, mode);
    else
        judge(mode);
}

static void on_stopped(void *context)
{
    struct drill_mode *mode = context;
    if (mode->state != MODE_ENDING)
        return;
    if (fault_in_force(mode) || act_is_owed(mode) || theirs_owes(mode))
        fault_heal(mode, read_all);
    else
        read_all(mode);
}

void mode_conclude(struct drill_mode *mode)
{
    if (mode->state != MODE_STEPS)
        return;
    mode->state = MODE_ENDING;
    watch_show(mode->drill);
    (void)uv_timer_stop(&mode->step_timer);
    job_cancel(mode);
    probes_stop(mode);
    mode->asking = false;
    mode->chain_then = NULL;
    mode->sample_then = NULL;
    mode->out->end_ns = now_ns();
    step_record(mode, mode->out->end_ns, HISTORY_EVENT_END, NULL);
    if (!mode->processes) {
        on_stopped(mode);
        return;
    }
    if (mode->probing)
        processes_probe_stop(mode->processes);
    mode->probing = false;
    processes_stop(mode->processes, on_stopped, mode);
}

void mode_abort(struct drill_mode *mode, enum run_reason reason, const char *why)
{
    struct run_mode *out = mode->out;
    if (out->reason == RUN_NO_REASON && mode->state != MODE_DOWN) {
        bool is_stop = reason == RUN_STOP_CONDITION || reason == RUN_INTERRUPTED;
        out->verdict = is_stop ? RUN_ABORTED : RUN_INCONCLUSIVE;
        out->reason = reason;
        out->why = drill_keep(mode->drill, why);
    }
    if (reason == RUN_INTERRUPTED || mode->state == MODE_UP)
        mode_down(mode);
    else
        mode_conclude(mode);
}
