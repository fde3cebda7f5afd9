/* SPDX-License-Identifier: MIT */
/* A system that runs already: how it is found, and how it is left.
 *
 * Happy path: every node is ready and says its role, one of them that it is the primary;
 * then the drill goes on. When the mode is over what it was entered by is undone where
 * it was entered, and the roles are asked once more: a primary that was moved by the
 * drill, or meanwhile by somebody else, stays where it is, and that is said. What the
 * workload made is removed wherever there is a primary then.
 *
 * Failures: a node that is not ready or does not say its role, no primary, or several,
 * end the drill before anything is touched, with what each said. So does a playbook that
 * promotes a node which is the primary already: it was written for other roles. A mode
 * that cannot be left is told as not undone. */
#include "scenarios/drill/drill_inside.h"

#include "rules/unit.h"

#include <inttypes.h>
#include <string.h>

/* "ready, by ssh pg2: status 255: no route to host" */
static const char *tell_command(struct drill_mode *mode, const char *command)
{
    const struct job *job = &mode->job;
    const char *exec = mode->drill->cluster->places[job->node].exec;
    char line[200], limit[32], status[64];
    job_first_line(job, line, sizeof line);
    unit_format_duration(job->within_ns, limit, sizeof limit);
    /* Of one that polls: of its last whole attempt, if it was not ended by us. */
    if (!job->late || (job->polls && (line[0] || job->status < 128)))
        (void)snprintf(status, sizeof status, "status %d", job->status);
    else
        (void)snprintf(status, sizeof status, "not done within %s", limit);
    return drill_print(mode->drill, "%s%s%s: %s%s%s", command, exec ? ", by " : "",
                       exec ? exec : "", status, line[0] ? ": " : "", line);
}

/* The line of the first step that promotes who is the primary then; 0 = none does. */
static uint32_t find_idle_promote(const struct drill_mode *mode, const char **node)
{
    const struct playbook *playbook = mode->drill->playbook;
    const char *primary = mode_node_name(mode, mode->primary);
    for (size_t i = 0; i < playbook->n_steps; i++) {
        const struct step *step = &playbook->steps[i];
        if (step->verb->kind != STEP_PROMOTE)
            continue;
        *node = step->node;
        if (strcmp(step->node, primary) == 0)
            return step->at.line;
        primary = step->node;
    }
    return 0;
}

static void note_roles(struct drill_mode *mode)
{
    if (mode->primary == 0)
        return;
    mode->out->found = drill_print(
        mode->drill, "%s is the primary, not %s, which the file names first",
        mode_node_name(mode, mode->primary), mode_node_name(mode, 0));
    term_progress_say(&mode->drill->progress, "%s: %s", mode->mode->name,
                      mode->out->found);
}

static void on_found_roles(struct drill_mode *mode)
{
    const char *node = NULL;
    if (mode->unanswered >= 0 || mode->resolved < 0) {
        mode_fail(mode, "%s; nothing was touched", mode->error);
        return;
    }
    uint32_t line = find_idle_promote(mode, &node);
    if (line > 0) {
        mode_fail(mode,
                  "line %" PRIu32 " of the playbook promotes %s, which is the primary "
                  "by then (%s is now); nothing was touched",
                  line, node, mode_node_name(mode, mode->primary));
        return;
    }
    note_roles(mode);
    mode->begun_then(mode);
}

static void on_found_ready(struct drill_mode *mode)
{
    if (mode->job.ok)
        roles_resolve(mode, on_found_roles);
    else
        mode_fail(mode, "%s is not ready: %s; nothing was touched",
                  mode_node_name(mode, mode->job.node), tell_command(mode, "ready"));
}

void found_begin(struct drill_mode *mode, drill_then_fn then)
{
    mode->begun_then = then;
    if (mode->drill->cluster->commands.ready)
        nodes_wait_ready(mode, DRILL_FIND_NS, on_found_ready);
    else
        roles_resolve(mode, on_found_roles);
}

static void on_left(struct drill_mode *mode)
{
    mode->leaving = false;
    if (mode->job.ok)
        owed_settle_mode(mode);
    else
        mode_note_left(mode, drill_print(mode->drill, "the mode is still on at %s: %s",
                                         mode_node_name(mode, mode->job.node),
                                         tell_command(mode, "leave")));
    mode_down(mode);
}

static bool leave(struct drill_mode *mode)
{
    if (!mode->entered || !mode->mode->leave)
        return false;
    mode->entered = false;
    mode->leaving = true;
    job_start(mode, &(struct job_options){.script = mode->mode->leave,
                                          .node = mode->entered_at,
                                          .within_ns = DRILL_START_NS,
                                          .then = on_left});
    return true;
}

static void note_moved(struct drill_mode *mode)
{
    const struct run_mode *out = mode->out;
    size_t first =
        out->n_primaries > 0 ? (size_t)out->primaries[0].node : mode->primary;
    if (mode->primary == first)
        return;
    mode->out->moved = drill_print(
        mode->drill, "%s is the primary now; it was %s, and nothing moves it back",
        mode_node_name(mode, mode->primary), mode_node_name(mode, first));
}

static void on_last_roles(struct drill_mode *mode)
{
    mode->leaving = false;
    if (mode->resolved >= 0 && mode->unanswered < 0)
        note_moved(mode);
    else
        mode->out->moved = drill_keep(mode->drill, mode->error);
    mode_down(mode);
}

/* Who gives a second signal is not kept waiting for what all nodes say. */
static bool ask_last_roles(struct drill_mode *mode)
{
    if (mode->asked_last || mode->out->n_primaries == 0)
        return false;
    mode->asked_last = true;
    if (mode->drill->hurry) {
        note_moved(mode);
        return false;
    }
    mode->leaving = true;
    roles_resolve(mode, on_last_roles);
    return true;
}

bool found_leave(struct drill_mode *mode)
{
    if (!mode->drill->cluster->places)
        return false;
    if (mode->leaving && mode->drill->hurry)
        job_hurry(mode, DRILL_GRACE_NS);
    return mode->leaving || leave(mode) || ask_last_roles(mode);
}

static void on_torn_down(void *context, const struct driver_outcome *outcome)
{
    struct drill_mode *mode = context;
    if (outcome->type != HISTORY_OK)
        mode_note_left(mode, drill_print(mode->drill,
                                         "the schema %s is still there at %s: %s",
                                         mode->drill->cluster->schema,
                                         mode_node_name(mode, mode->torn_down - 1),
                                         outcome->text));
    owed_settle_schema(mode); /* what is left of it has been said */
    driver_close(mode->setup);
    mode->setup = NULL;
    mode_down(mode);
}

static const struct step *find_workload(const struct playbook *playbook)
{
    const struct step *step = playbook->steps;
    while (step->verb->kind != STEP_WORKLOAD)
        step++; /* there is one, or no schema had been made */
    return step;
}

static void tear_down_at(struct drill_mode *mode, size_t node)
{
    const struct drill *drill = mode->drill;
    const struct driver_endpoint there = lab_direct(mode, node);
    struct driver_target target = {.endpoint = there,
                                   .direct = there,
                                   .node = drill->cluster->nodes[node],
                                   .program = driver_program(mode),
                                   .setting = mode->mode->setting,
                                   .schema = drill->cluster->schema,
                                   .mark = drill->mark,
                                   .keeps_data = drill->cluster->keeps_data};
    mode->setup = driver_open(drill->cluster->driver, &mode->drill->loop, &target);
    driver_teardown(mode->setup, find_workload(drill->playbook)->workload.settings.keys,
                    drill->hurry ? DRILL_GRACE_NS : DRILL_READS_NS, on_torn_down, mode);
}

bool found_tear_down(struct drill_mode *mode)
{
    const struct cluster *cluster = mode->drill->cluster;
    if (mode->setup)
        return true;
    if (!mode->has_schema || !cluster->places)
        return false;
    while (mode->torn_down < cluster->n_nodes) {
        size_t node = mode->torn_down++;
        if (!mode->says_primary[node] && node != mode->primary)
            continue;
        tear_down_at(mode, node);
        return true;
    }
    return false;
}
