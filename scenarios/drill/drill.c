/* SPDX-License-Identifier: MIT */
/* A drill from outside: its loop, its signals, and its modes one after the other.
 *
 * Signals. The first INT, TERM, QUIT or HUP takes the mode down in good order; the second
 * gives nobody any time, unless it is HUP, which often comes twice. In both cases the
 * loop runs on until everything is gone, and the caller dies of the signal. Under
 * nohup(1) a drill does not hear of HUP, and it is never suspended. If we are killed
 * outright, the kernel ends our children (PR_SET_PDEATHSIG) and `netsplit clean` finds
 * the directories by the record of this run. */
#include "scenarios/drill/drill_inside.h"

#include "scenarios/drill/claim.h"
#include "scenarios/drill/claim_mark.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void on_signal(uv_signal_t *handle, int number)
{
    struct drill *drill = handle->data;
    if (drill->signal != 0 && number == SIGHUP)
        return; /* a terminal that closes is told by the shell and by the kernel */
    drill->hurry = drill->signal != 0;
    if (drill->signal == 0)
        drill->signal = number;
    term_progress_say(&drill->progress, drill->hurry
                                            ? "ending at once"
                                            : "undoing everything; once more to hurry");
    if (drill->hurry)
        mode_down(&drill->mode);
    else
        mode_abort(&drill->mode, RUN_INTERRUPTED, "it was interrupted");
}

/* Ctrl-Z. Stop conditions, leases and undoing would all stand still. */
static void on_stop(uv_signal_t *handle, int number)
{
    struct drill *drill = handle->data;
    (void)number;
    term_progress_say(&drill->progress,
                      "a drill is not suspended, for its faults would stay in force: "
                      "Ctrl-C ends it");
}

static bool is_ignored(int number)
{
    struct sigaction now;
    return sigaction(number, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
}

/* Signals are ours from the first thing that is made to the last that is undone. */
static void open_loop(struct drill *drill)
{
    static const int numbers[DRILL_SIGNALS] = {SIGINT, SIGTERM, SIGQUIT, SIGHUP,
                                               SIGTSTP};
    (void)uv_loop_init(
        &drill->loop); /* fails without descriptors only: then all does */
    for (size_t i = 0; i < DRILL_SIGNALS; i++) {
        (void)uv_signal_init(&drill->loop, &drill->signals[i]);
        drill->signals[i].data = drill;
        if (numbers[i] != SIGHUP || !is_ignored(SIGHUP)) /* nohup(1) */
            (void)uv_signal_start(&drill->signals[i],
                                  numbers[i] == SIGTSTP ? on_stop : on_signal,
                                  numbers[i]);
    }
    (void)uv_timer_init(&drill->loop, &drill->tick);
    drill->tick.data = drill;
}

static void close_loop(struct drill *drill)
{
    for (size_t i = 0; i < DRILL_SIGNALS; i++)
        uv_close((uv_handle_t *)&drill->signals[i], NULL);
    uv_close((uv_handle_t *)&drill->tick, NULL);
}

static void start_mode(struct drill *drill)
{
    struct run_mode *out = &drill->run->modes[drill->n_done];
    memset(&drill->mode, 0, sizeof drill->mode);
    drill->mode.drill = drill;
    drill->mode.out = out;
    drill->mode.mode = cluster_find_mode(drill->cluster, out->name);
    drill->ok_before = 0;
    drill->rate = 0;
    mode_start(&drill->mode);
}

void drill_mode_ended(struct drill *drill)
{
    struct run *run = drill->run;
    drill->n_done++;
    if (drill->n_done < run->n_modes && drill->signal == 0) {
        start_mode(drill);
        return;
    }
    for (size_t i = drill->n_done; i < run->n_modes; i++) {
        run->modes[i].verdict = RUN_ABORTED;
        run->modes[i].reason = RUN_INTERRUPTED;
        run->modes[i].why = "it was not reached";
    }
    rundir_record_close(drill->record);
    close_loop(drill);
}

static void set_mark(struct drill *drill)
{
    char mark[CLAIM_MARK_BYTES];
    claim_mark_make(mark);
    drill->mark = drill_keep(drill, mark);
}

static void run_modes(struct drill *drill)
{
    watch_start(drill);
    start_mode(drill);
    (void)uv_run(&drill->loop, UV_RUN_DEFAULT);
    term_progress_end(&drill->progress);
}

int drill_run(const struct drill_options *options, struct run **out, int *signal,
              struct errmsg *err)
{
    int e = drill_enter_lab(options->cluster, err);
    if (e != 0)
        return e;
    struct drill *drill = xcalloc(1, sizeof *drill);
    *drill = (struct drill){.options = options,
                            .playbook = options->playbook,
                            .cluster = options->cluster,
                            .run = xcalloc(1, sizeof *drill->run)};
    arena_init(&drill->run->arena, &xallocator);
    ssize_t n = readlink("/proc/self/exe", drill->exe, sizeof drill->exe - 1);
    drill->exe[n > 0 ? n : 0] = '\0';
    result_begin(drill);
    if (drill->cluster->places)
        set_mark(drill);
    open_loop(drill);
    e = directory_make(drill, err);
    if (e == 0)
        e = rundir_record_open(&drill->record, "drill", err);
    if (e == 0) {
        (void)rundir_note(drill->record, CLAIM_NOTE, /* a debt is noted, or not made */
                          claim_list(drill->cluster));
        drill->run->directory = /* as it is: files are written there */
            arena_copy(&drill->run->arena, drill->out, strlen(drill->out));
        run_modes(drill);
    } else {
        close_loop(drill);
        (void)uv_run(&drill->loop, UV_RUN_DEFAULT);
    }
    (void)uv_loop_close(&drill->loop); /* -EBUSY would be a leak at our very end */
    if (e != 0) {
        run_destroy(drill->run);
        free(drill);
        return e;
    }
    drill->run->ended_ns = now_ns();
    run_merge(drill->run);
    *out = drill->run;
    *signal = drill->signal;
    free(drill);
    return 0;
}
