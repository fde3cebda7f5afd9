/* SPDX-License-Identifier: MIT */
/* What a drill owes the system, in its record: written down before a fault by command
 * is made, struck out when it is undone. If the drill is killed in between, `netsplit
 * clean` runs it (proxy/base/rundir_owed.h).
 *
 * A fault whose undoing cannot be written down is not made. Nodes that the drill started
 * itself are owed nothing, for they die with it; a script of the playbook's own may have
 * touched anything. */
#include "scenarios/drill/drill_inside.h"

#include "proxy/base/rundir_owed.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static int owe(struct drill_mode *mode, const struct rundir_debt *debt, size_t node,
               unsigned *id)
{
    struct drill_command command;
    struct rundir_debt whole = *debt;
    drill_command(mode, node, debt->script, &command);
    whole.argv = command.argv;
    whole.env = (const char *const *)command.env;
    int e = rundir_owe(mode->drill->record, &whole, id);
    drill_command_free(&command);
    return e;
}

static const char *tell_error(int e)
{
    return e == -EILSEQ ? "a path or a variable of the command is no UTF-8"
                        : strerror(-e);
}

/* The script that undoes it at the node; NULL = nothing is owed. */
static const char *find_script(const struct cluster *cluster, const struct step *step)
{
    if (step->by == STEP_BY_RUN)
        return step->undo;
    if (!cluster->places)
        return NULL;
    return step->by == STEP_BY_KILL ? cluster->commands.start
                                    : cluster->commands.resume;
}

static const char *describe(struct drill_mode *mode, const struct step *step,
                            size_t node)
{
    const char *name = mode->drill->cluster->nodes[node];
    if (step->by == STEP_BY_RUN)
        return drill_print(mode->drill, "undo of line %" PRIu32 " at %s", step->at.line,
                           name);
    return drill_print(mode->drill, "%s %s after line %" PRIu32,
                       step->by == STEP_BY_KILL ? "starting" : "resuming", name,
                       step->at.line);
}

bool owed_note(struct drill_mode *mode, struct drill_fault *fault, size_t node)
{
    const struct step *step = &mode->drill->playbook->steps[fault->step];
    const char *script = find_script(mode->drill->cluster, step);
    if (!script)
        return true;
    struct rundir_debt debt = {.what = describe(mode, step, node),
                               .script = script,
                               .within_ns = step->within_ns};
    int e = owe(mode, &debt, node, &fault->debts[node]);
    if (e != 0)
        (void)snprintf(mode->error, sizeof mode->error,
                       "it was not made, for what undoes it cannot be noted: %s",
                       tell_error(e));
    return e == 0;
}

void owed_settle(struct drill_mode *mode, struct drill_fault *fault)
{
    for (size_t i = 0; i < CLUSTER_NODES_MAX; i++) {
        rundir_settle(mode->drill->record, fault->debts[i]);
        fault->debts[i] = 0;
    }
}

/* Only the drill itself knows how it rejoins; simply started it is a second primary. */
static void replace_one(struct drill_mode *mode, struct drill_fault *fault, size_t node)
{
    const struct step *step = &mode->drill->playbook->steps[fault->step];
    struct rundir_debt debt = {
        .what = drill_print(mode->drill,
                            "%s is down after line %" PRIu32 ", and was replaced: it "
                            "must rejoin, and is not started",
                            mode->drill->cluster->nodes[node], step->at.line)};
    if (step->by != STEP_BY_KILL || fault->debts[node] == 0)
        return;
    rundir_settle(mode->drill->record, fault->debts[node]);
    (void)rundir_owe(mode->drill->record, &debt, &fault->debts[node]); /* for people */
}

void owed_replace(struct drill_mode *mode)
{
    const struct run_mode *out = mode->out;
    size_t old = (size_t)out->primaries[0].node;
    if (!mode->drill->cluster->commands.rejoin || old == mode->primary)
        return;
    for (size_t i = 0; i < mode->n_faults; i++)
        replace_one(mode, &mode->faults[i], old);
}

bool owed_note_mode(struct drill_mode *mode)
{
    const char *leave = mode->mode->leave;
    if (!leave || !mode->drill->cluster->places)
        return true;
    struct rundir_debt debt = {
        .what = drill_print(mode->drill, "leaving the mode %s at %s", mode->mode->name,
                            mode->drill->cluster->nodes[mode->primary]),
        .script = leave,
        .within_ns = DRILL_START_NS};
    int e = owe(mode, &debt, mode->primary, &mode->mode_debt);
    if (e != 0)
        mode_fail(mode,
                  "the mode was not entered, for what leaves it cannot be noted: %s",
                  tell_error(e));
    return e == 0;
}

void owed_settle_mode(struct drill_mode *mode)
{
    rundir_settle(mode->drill->record, mode->mode_debt);
    mode->mode_debt = 0;
}

void owed_note_schema(struct drill_mode *mode)
{
    const struct cluster *cluster = mode->drill->cluster;
    struct rundir_debt debt = {
        .what = drill_print(mode->drill,
                            "the data %s in the cluster \"%s\"; the next drill there "
                            "takes it over, if none has yet",
                            cluster->schema, cluster->name)};
    if (cluster->places) /* for people to know: what it says is true without it, too */
        (void)rundir_owe(mode->drill->record, &debt, &mode->schema_debt);
}

void owed_settle_schema(struct drill_mode *mode)
{
    rundir_settle(mode->drill->record, mode->schema_debt);
    mode->schema_debt = 0;
}
