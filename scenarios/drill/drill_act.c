/* SPDX-License-Identifier: MIT */
/* Faults by command: nodes that are killed or paused, and scripts of the playbook's.
 *
 * Happy path: the nodes that the words stand for now are struck one after the other, by
 * the cluster's command if it has one, else by a signal to the node and all that
 * belongs to it; or the script is run. When the last is done the fault is in force,
 * from the moment at which the first was begun. At heal a killed node is started again
 * and waited for, a paused one runs on, a script is undone by its own.
 *
 * Failures: what was begun is owed, whether or not it came into force, until it was
 * undone; heal, the end of the steps and the end of the mode each try what is owed then.
 * What cannot be undone even at the very end is told, and ends in the run (run.left)
 * and in the drill's record, from which `netsplit clean` tries again.
 *
 * An old primary that was killed and replaced meanwhile is not simply started again
 * where the cluster has a rejoin command: it would be a second primary. A heal step
 * lets it rejoin; without one it stays down until the mode ends. When the mode ends a
 * killed node stays down, for all nodes go; one that the drill did not start is started
 * again even then. */
#include "scenarios/drill/drill_inside.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void break_next(struct drill_mode *mode);
static void undo_next(struct drill_mode *mode);
static void mend_next(struct drill_mode *mode);

static const struct step *step_of(const struct drill_mode *mode,
                                  const struct drill_fault *fault)
{
    return &mode->drill->playbook->steps[fault->step];
}

static size_t node_of(const struct drill_mode *mode, const struct step *step)
{
    return step->on ? (size_t)cluster_find_node(mode->drill->cluster, step->on) : 0;
}

/* What starts a server in the foreground is right where netsplit starts the cluster. */
#define STARTS_AND_ENDS                                                                \
    "; `start:` of a cluster that runs already has to end when the server is up, and " \
    "leave it in the background (systemctl start, redis-server --daemonize yes)"

/* "kill n1: status 1: no such process" */
static const char *tell_job(struct drill_mode *mode, const char *what, const char *whom)
{
    char line[200];
    job_first_line(&mode->job, line, sizeof line);
    if (mode->job.late)
        return drill_print(mode->drill, "%s%s: not done in time%s", what, whom,
                           mode->job.script == mode->drill->cluster->commands.start
                               ? STARTS_AND_ENDS
                               : "");
    return drill_print(mode->drill, "%s%s: status %d%s%s", what, whom, mode->job.status,
                       line[0] ? ": " : "", line);
}

/* What undoes it may start a server of a cluster that is not ours to end. */
static void start_job(struct drill_mode *mode, const char *script, size_t node,
                      const struct step *step, drill_then_fn then)
{
    bool may_start = script == step->undo && mode->drill->cluster->places;
    job_start(mode, &(struct job_options){.script = script,
                                          .node = node,
                                          .within_ns = step->within_ns,
                                          .leaves_group = may_start,
                                          .then = then});
}

static void mark_targets(const struct drill_mode *mode, const struct step *step,
                         struct drill_fault *fault)
{
    for (size_t i = 0; i < mode->drill->cluster->n_nodes; i++)
        for (size_t k = 0; k < step->n_targets; k++)
            fault->nodes[i] |=
                strcmp(step->targets[k], mode_node_name(mode, i)) == 0 ||
                (strcmp(step->targets[k], "primary") == 0 && i == mode->primary) ||
                (strcmp(step->targets[k], "standbys") == 0 && i != mode->primary);
}

/* "kill n1, n2", or "run" and the script's first line. */
static const char *summarise(struct drill_mode *mode, const struct drill_fault *fault)
{
    const struct step *step = step_of(mode, fault);
    const char *text = step_by_name(step->by), *parting = " ";
    if (step->by == STEP_BY_RUN)
        return drill_print(mode->drill, "run %.*s", (int)strcspn(step->run, "\n"),
                           step->run);
    for (size_t i = 0; i < mode->drill->cluster->n_nodes; i++)
        if (fault->nodes[i]) {
            text = drill_print(mode->drill, "%s%s%s", text, parting,
                               mode_node_name(mode, i));
            parting = ", ";
        }
    return text;
}

static uint64_t count_acts(const struct drill_mode *mode,
                           const struct drill_fault *fault)
{
    const struct step *step = step_of(mode, fault);
    uint64_t n = step->by == STEP_BY_RUN && !step->felt; /* `felt` is asked later */
    for (size_t i = 0; i < CLUSTER_NODES_MAX; i++)
        n += fault->nodes[i];
    return n;
}

static void commit(struct drill_mode *mode)
{
    struct drill_fault *fault = &mode->faults[mode->act.fault];
    const struct step *step = step_of(mode, fault);
    struct run_mode *out = mode->out;
    fault->first_window = out->n_windows;
    fault->n_windows = 1;
    out->windows =
        xreallocarray(out->windows, out->n_windows + 1, sizeof *out->windows);
    out->windows[out->n_windows++] = (struct run_window){
        .name = drill_print(mode->drill, "fault-%" PRIu32, step->at.line),
        .kind = step_by_name(step->by),
        .how = "",
        .summary = summarise(mode, fault),
        .acts = count_acts(mode, fault),
    };
    out->steps[fault->step].summary = out->windows[fault->first_window].summary;
    fault_begin(mode, fault, mode->act.since_ns);
    step_end(mode, NULL);
}

static void on_struck(struct drill_mode *mode)
{
    mode->act.node++;
    break_next(mode);
}

static void on_command(struct drill_mode *mode)
{
    struct drill_fault *fault = &mode->faults[mode->act.fault];
    const struct step *step = step_of(mode, fault);
    size_t node = mode->act.node;
    if (!mode->job.ok) {
        const char *what = step->by == STEP_BY_KILL ? "killing " : "pausing ";
        if (!mode->drill->cluster->places) /* there it may have worked all the same */
            mode->nodes[node].killed = mode->nodes[node].expected_end = false;
        step_end(mode, tell_job(mode, what, mode_node_name(mode, node)));
        return;
    }
    mode->chain_then = on_struck;
    if (step->by == STEP_BY_PAUSE || !nodes_kill_one(mode, node)) {
        mode->chain_then = NULL;
        on_struck(mode);
    }
}

static void kill_node(struct drill_mode *mode, const struct step *step)
{
    struct drill_node *node = &mode->nodes[mode->act.node];
    const char *command = mode->drill->cluster->commands.kill;
    node->killed = node->expected_end = true;
    if (command) {
        start_job(mode, command, mode->act.node, step, on_command);
    } else {
        mode->chain_then = on_struck;
        (void)nodes_kill_one(mode, mode->act.node); /* it runs: see break_next */
    }
}

static void pause_node(struct drill_mode *mode, const struct step *step)
{
    const char *command = mode->drill->cluster->commands.pause;
    mode->nodes[mode->act.node].paused = true;
    if (command) {
        start_job(mode, command, mode->act.node, step, on_command);
    } else {
        nodes_pause_one(mode, mode->act.node);
        on_struck(mode);
    }
}

static void break_next(struct drill_mode *mode)
{
    struct drill_fault *fault = &mode->faults[mode->act.fault];
    const struct step *step = step_of(mode, fault);
    size_t n = mode->drill->cluster->n_nodes;
    while (mode->act.node < n && !fault->nodes[mode->act.node])
        mode->act.node++;
    if (mode->act.node == n) {
        commit(mode);
    } else if (!mode->nodes[mode->act.node].child && !mode->drill->cluster->places) {
        step_end(mode, drill_print(mode->drill, "%s is not running",
                                   mode_node_name(mode, mode->act.node)));
    } else if (!owed_note(mode, fault, mode->act.node)) {
        step_end(mode, mode->error);
    } else {
        fault->owed = true;
        if (step->by == STEP_BY_KILL)
            kill_node(mode, step);
        else
            pause_node(mode, step);
    }
}

static void on_run(struct drill_mode *mode)
{
    if (mode->job.ok)
        commit(mode);
    else
        step_end(mode, tell_job(mode, "run", ""));
}

void act_start(struct drill_mode *mode)
{
    struct drill_fault *fault = fault_add(mode);
    const struct step *step = step_of(mode, fault);
    mode->act = (struct drill_act){.fault = mode->n_faults - 1, .since_ns = now_ns()};
    if (step->by != STEP_BY_RUN) {
        mark_targets(mode, step, fault);
        break_next(mode);
    } else if (!owed_note(mode, fault, node_of(mode, step))) {
        step_end(mode, mode->error);
    } else {
        fault->owed = true;
        start_job(mode, step->run, node_of(mode, step), step, on_run);
    }
}

bool act_is_owed(const struct drill_mode *mode)
{
    for (size_t i = 0; i < mode->n_faults; i++)
        if (mode->faults[i].owed)
            return true;
    return false;
}

static void note_left(struct drill_mode *mode, const struct drill_fault *fault,
                      const char *text)
{
    struct drill *drill = mode->drill;
    const char *told =
        drill_print(drill, "the fault on line %" PRIu32 " is not undone: %s",
                    step_of(mode, fault)->at.line, text);
    if (!mode->error[0])
        (void)snprintf(mode->error, sizeof mode->error, "%s", told);
    if (mode->state == MODE_DOWN)
        mode_note_left(mode, told);
    else
        term_progress_say(&drill->progress, "%s: %s", mode->mode->name, told);
}

static void undone(struct drill_mode *mode, bool ok)
{
    struct drill_fault *fault = &mode->faults[mode->act.fault];
    if (ok) {
        fault->owed = false;
        owed_settle(mode, fault);
        fault_end(mode, fault, now_ns());
    }
    undo_next(mode);
}

/* An old primary whose place is taken: see the top. */
static bool is_replaced(const struct drill_mode *mode, size_t node)
{
    return mode->out->n_primaries > 0 && mode->drill->cluster->commands.rejoin &&
           (size_t)mode->out->primaries[0].node == node && mode->primary != node;
}

static void on_started(struct drill_mode *mode)
{
    struct drill_fault *fault = &mode->faults[mode->act.fault];
    if (!mode->job.ok) {
        note_left(mode, fault,
                  tell_job(mode, "starting ", mode_node_name(mode, mode->act.node)));
        undone(mode, false);
        return;
    }
    mode->nodes[mode->act.node].killed = false;
    mode->act.node++;
    mend_next(mode);
}

static void on_resumed(struct drill_mode *mode)
{
    struct drill_fault *fault = &mode->faults[mode->act.fault];
    if (!mode->job.ok) {
        note_left(mode, fault,
                  tell_job(mode, "resuming ", mode_node_name(mode, mode->act.node)));
        undone(mode, false);
        return;
    }
    mode->nodes[mode->act.node].paused = false;
    mode->act.node++;
    mend_next(mode);
}

/* Whether something is under way that calls again. */
static bool mend_node(struct drill_mode *mode, const struct step *step, size_t i)
{
    struct drill_node *node = &mode->nodes[i];
    const char *resume = mode->drill->cluster->commands.resume;
    bool stays = mode->drill->cluster->places; /* whatever becomes of the drill */
    if (step->by == STEP_BY_KILL && is_replaced(mode, i) && stays &&
        mode->state == MODE_DOWN)
        note_left(mode, &mode->faults[mode->act.fault],
                  drill_print(mode->drill,
                              "%s was replaced and is down: it must rejoin",
                              mode_node_name(mode, i)));
    if (step->by == STEP_BY_KILL && !node->child && node->killed &&
        (mode->state != MODE_DOWN || stays) && !is_replaced(mode, i)) {
        nodes_start_one(mode, i, on_started);
        return true;
    }
    if (step->by == STEP_BY_PAUSE && node->paused && resume) {
        start_job(mode, resume, i, step, on_resumed);
        return true;
    }
    if (step->by == STEP_BY_PAUSE && node->paused)
        nodes_resume_one(mode, i);
    return false;
}

static void mend_next(struct drill_mode *mode)
{
    struct drill_fault *fault = &mode->faults[mode->act.fault];
    for (; mode->act.node < mode->drill->cluster->n_nodes; mode->act.node++)
        if (fault->nodes[mode->act.node] &&
            mend_node(mode, step_of(mode, fault), mode->act.node))
            return;
    undone(mode, true);
}

static void on_undo(struct drill_mode *mode)
{
    struct drill_fault *fault = &mode->faults[mode->act.fault];
    bool ok = mode->job.ok;
    if (!ok)
        note_left(mode, fault, tell_job(mode, "undo", ""));
    undone(mode, ok);
}

static void start_undo(struct drill_mode *mode)
{
    const struct step *step = step_of(mode, &mode->faults[mode->act.fault]);
    start_job(mode, step->undo, node_of(mode, step), step, on_undo);
}

static void on_felt(struct drill_mode *mode)
{
    const struct drill_fault *fault = &mode->faults[mode->act.fault];
    char line[200];
    job_first_line(&mode->job, line, sizeof line);
    if (mode->job.ok)
        mode->out->windows[fault->first_window].acts = 1;
    mode->out->steps[fault->step].output =
        drill_print(mode->drill, "felt: %s%s%s", mode->job.ok ? "yes" : "no",
                    line[0] ? ": " : "", line);
    start_undo(mode);
}

static void undo_script(struct drill_mode *mode, const struct drill_fault *fault)
{
    const struct step *step = step_of(mode, fault);
    if (step->felt && fault->in_force && mode->state != MODE_DOWN)
        start_job(mode, step->felt, node_of(mode, step), step, on_felt);
    else
        start_undo(mode);
}

static void undo_next(struct drill_mode *mode)
{
    struct drill_act *act = &mode->act;
    while (act->fault > 0 && !mode->faults[act->fault - 1].owed)
        act->fault--;
    if (act->fault == 0) {
        drill_then_fn then = act->then;
        act->then = NULL;
        then(mode);
        return;
    }
    const struct drill_fault *fault = &mode->faults[--act->fault];
    act->node = 0;
    if (step_of(mode, fault)->by == STEP_BY_RUN)
        undo_script(mode, fault);
    else
        mend_next(mode);
}

void act_undo_all(struct drill_mode *mode, drill_then_fn then)
{
    mode->act = (struct drill_act){.fault = mode->n_faults, .then = then};
    undo_next(mode);
}
