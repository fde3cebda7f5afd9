/* SPDX-License-Identifier: MIT */
/* DOWN: whatever the mode has made or broken is ended, one after the other; each part
 * that takes its time calls mode_down() again when it has ended. Last of all the handles
 * of the loop are closed, and what is left is memory and a directory.
 *
 * It is reached from every state, and it cannot fail: what cannot be undone is told, and
 * kept for `netsplit clean`. In a hurry nobody is given time, but everything is gone
 * through all the same. */
#include "scenarios/drill/drill_inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
    watch_show(mode->drill);
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
