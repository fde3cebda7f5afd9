/* SPDX-License-Identifier: MIT */
/* One mode of a drill, from reserved ports to removed directories; the drawing is in
 * drill_inside.h. Bringing up and taking down are here; steps, faults and the judgement
 * have files of their own.
 *
 * Everything that is made is made for one mode and undone with it, so that a mode never
 * starts on what another left. */
#include "scenarios/drill/drill_inside.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *node_name(const struct drill_mode *mode, size_t node)
{
    return mode->drill->cluster->nodes[node];
}

/* --- Up --- */

void mode_fail(struct drill_mode *mode, const char *format, ...)
{
    va_list args;
    char text[512];
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    mode_abort(mode, RUN_CLUSTER_NOT_STARTED, text);
}

static void begin_history(struct drill_mode *mode)
{
    struct drill *drill = mode->drill;
    struct run_mode *out = mode->out;
    struct errmsg err = {""};
    char path[PATH_MAX + 32];
    out->history = history_create();
    out->history_path = drill_print(drill, "%s/history.edn", out->name);
    (void)snprintf(path, sizeof path, "%s/history.edn", mode->out_dir);
    if (history_write_to(out->history, path, &err) != 0)
        term_progress_say(&drill->progress, "%s", err.text);
    out->base_ns = now_ns();
    out->base_wall_ns = now_wall_ns();
    history_begin(out->history, out->base_ns, drill->cluster->nodes,
                  drill->cluster->n_nodes);
}

static void take_steps(struct drill_mode *mode)
{
    begin_history(mode);
    mode->state = MODE_STEPS;
    steps_begin(mode);
}

static void on_first_roles(struct drill_mode *mode)
{
    if (mode->resolved < 0)
        mode_fail(mode, "%s", mode->error);
    else
        systems_ask(mode, take_steps);
}

/* Those of a cluster that runs already were asked before anything else. */
static void begin_steps(struct drill_mode *mode)
{
    if (mode->drill->cluster->places)
        on_first_roles(mode);
    else
        nodes_resolve(mode, on_first_roles);
}

static void on_checked(struct drill_mode *mode)
{
    char line[200];
    job_first_line(&mode->job, line, sizeof line);
    if (!mode->job.ok) {
        mode_fail(mode, "the mode is not on: its check ended with status %d%s%s",
                  mode->job.status, line[0] ? ": " : "", line);
        return;
    }
    mode->out->setting = drill_keep(mode->drill, line);
    begin_steps(mode);
}

static void check_mode(struct drill_mode *mode)
{
    if (!mode->mode->check) {
        mode->out->setting = "as it is";
        begin_steps(mode);
        return;
    }
    job_start(mode, &(struct job_options){.script = mode->mode->check,
                                          .node = mode->primary,
                                          .within_ns = DRILL_START_NS,
                                          .polls = true,
                                          .then = on_checked});
}

static void on_entered(struct drill_mode *mode)
{
    char line[200];
    job_first_line(&mode->job, line, sizeof line);
    if (mode->job.ok)
        check_mode(mode);
    else
        mode_fail(mode, "entering the mode: status %d: %s", mode->job.status, line);
}

static void on_nodes_ready(struct drill_mode *mode)
{
    if (!mode->mode->enter) {
        check_mode(mode);
        return;
    }
    if (!owed_note_mode(mode))
        return;
    mode->entered = true;
    mode->entered_at = mode->primary;
    job_start(mode, &(struct job_options){.script = mode->mode->enter,
                                          .node = mode->primary,
                                          .within_ns = DRILL_START_NS,
                                          .then = on_entered});
}

static void on_paths_open(struct drill_mode *mode)
{
    if (mode->drill->cluster->places)
        on_nodes_ready(mode);
    else
        nodes_start(mode, on_nodes_ready);
}

static void open_paths(struct drill_mode *mode)
{
    if (mode->drill->cluster->control)
        theirs_up(mode, on_paths_open);
    else
        proxy_up(mode, on_paths_open);
}

static bool make_places(struct drill_mode *mode)
{
    struct drill *drill = mode->drill;
    struct errmsg err = {""};
    char path[PATH_MAX + 32];
    if (tempdir_make("drill", mode->dir, &err) != 0) {
        mode->dir[0] = '\0';
        (void)snprintf(mode->error, sizeof mode->error, "%s", err.text);
        return false;
    }
    (void)rundir_add_path(drill->record, mode->dir); /* for clean */
    (void)snprintf(mode->control_path, sizeof mode->control_path, "%s/control",
                   mode->dir);
    (void)snprintf(mode->out_dir, sizeof mode->out_dir, "%.*s/%s", (int)(PATH_MAX / 2),
                   drill->out, mode->mode->name);
    (void)snprintf(path, sizeof path, "%s/events.jsonl", mode->out_dir);
    /* A server may run as another user: it must get through, but not look around. */
    if (chmod(mode->dir, 0711) != 0 ||
        (mkdir(mode->out_dir, 0755) != 0 && errno != EEXIST)) {
        (void)snprintf(mode->error, sizeof mode->error, "%s: %s", mode->out_dir,
                       strerror(errno));
        return false;
    }
    mode->events = fopen(path, "we");
    mode->out->events_path = drill_print(drill, "%s/events.jsonl", mode->mode->name);
    return driver_log_open(mode);
}

void mode_start(struct drill_mode *mode)
{
    drill_show(mode->drill);
    job_init(mode);
    (void)uv_timer_init(&mode->drill->loop, &mode->step_timer); /* cannot fail */
    mode->step_timer.data = mode;
    for (size_t i = 0; i < CLUSTER_NODES_MAX; i++)
        mode->nodes[i].port_fd = mode->nodes[i].log_fd = -1;
    if (!make_places(mode) || !lab_open(mode) || !nodes_reserve(mode))
        mode_fail(mode, "%s", mode->error);
    else if (mode->drill->cluster->places)
        found_begin(mode, open_paths);
    else
        open_paths(mode);
}

/* --- The end --- */

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
                              mode->mode->name, unread[i], node_name(mode, i));
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
    drill_show(mode->drill);
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

/* --- Down --- */

static void close_events(struct drill_mode *mode)
{
    if (!mode->events)
        return;
    errno = 0;
    bool failed = ferror(mode->events) != 0;
    if (fclose(mode->events) != 0 || failed)
        judge_unwritten(mode, drill_print(mode->drill, "writing events.jsonl: %s",
                                          strerror(errno ? errno : EIO)));
}

static void remove_dir(struct drill_mode *mode)
{
    struct drill *drill = mode->drill;
    if (!mode->dir[0])
        return;
    int e = tempdir_remove(mode->dir);
    if (e == 0)
        rundir_drop_path(drill->record, mode->dir);
    else
        mode_note_left(
            mode, drill_print(drill, "%s is still there: %s", mode->dir, strerror(-e)));
}

/* Nothing is recorded any more: what is in the file now is hashed and judged again. */
static void end_history(struct drill_mode *mode)
{
    struct errmsg err = {""};
    if (mode->out->history && history_flush(mode->out->history, &err) != 0)
        judge_unwritten(mode, err.text);
}

static void free_parts(struct drill_mode *mode)
{
    end_history(mode);
    for (size_t i = 0; i < CLUSTER_NODES_MAX; i++) {
        if (mode->nodes[i].port_fd >= 0)
            (void)close(mode->nodes[i].port_fd); /* nothing was written */
        if (mode->nodes[i].log_fd >= 0)
            (void)close(mode->nodes[i].log_fd); /* a log that is short is no loss */
    }
    close_events(mode);
    remove_dir(mode);
    driver_log_close(mode);
    lab_close(&mode->lab);
    free(mode->job.output);
    for (size_t i = 0; i < mode->n_faults; i++)
        free(mode->faults[i].text);
    free(mode->faults);
    theirs_free(mode->theirs);
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct drill_mode *mode = handle->data;
    if (--mode->open_timers > 0)
        return;
    free_parts(mode);
    drill_mode_ended(mode->drill);
}

static void on_control_closed(void *arg)
{
    struct drill_mode *mode = arg;
    mode->control = NULL;
    mode_down(mode);
}

static void on_processes_closed(void *context)
{
    struct drill_mode *mode = context;
    mode->processes = NULL;
    mode_down(mode);
}

/* Nodes first, then the proxy: its events tell how they went. Even in a hurry the proxy
 * may end by itself, which takes it no time: it removes what it has made. */
static bool stop_children(struct drill_mode *mode)
{
    bool running = false;
    for (size_t i = 0; i < mode->drill->cluster->n_nodes; i++)
        running |= nodes_stop_one(mode, i, mode->drill->hurry);
    if (running && !mode->drill->hurry)
        return true;
    if (mode->proxy)
        child_stop(mode->proxy, mode->drill->hurry ? NS_PER_S : DRILL_GRACE_NS);
    return running || mode->proxy;
}

static void begin_down(struct drill_mode *mode)
{
    mode->state = MODE_DOWN;
    drill_show(mode->drill);
    (void)uv_timer_stop(&mode->step_timer);
    job_cancel(mode);
    probes_stop(mode);
    mode->asking = false;
    driver_close(mode->setup);
    mode->setup = NULL;
    if (mode->processes)
        processes_close(mode->processes, on_processes_closed, mode);
}

static void undo_acts(struct drill_mode *mode)
{
    act_undo_all(mode, mode_down);
}

void mode_down(struct drill_mode *mode)
{
    if (mode->closing)
        return;
    if (mode->state != MODE_DOWN) {
        begin_down(mode);
        theirs_withdraw(mode, undo_acts);
        return;
    }
    if (mode->theirs && mode->theirs->withdraw_then)
        return;           /* it has a deadline of its own */
    if (mode->act.then) { /* it calls again */
        if (mode->drill->hurry)
            job_hurry(mode, DRILL_GRACE_NS);
        return;
    }
    if (found_leave(mode) || stop_children(mode) || mode->processes ||
        found_tear_down(mode))
        return; /* each calls again when it has ended */
    if (mode->control) {
        if (!mode->control_closing) {
            mode->control_closing = true;
            control_client_close(mode->control, on_control_closed, mode);
        }
        return;
    }
    mode->closing = true;
    mode->open_timers = 2;
    uv_close((uv_handle_t *)&mode->job.timer, on_timer_closed);
    uv_close((uv_handle_t *)&mode->step_timer, on_timer_closed);
}
