/* SPDX-License-Identifier: MIT */
/* The steps about the clients: `workload`, which makes the schema and then starts them,
 * and `clients`, which moves them to another node.
 *
 * A schema that cannot be made is a failed step. If it may be somebody else's, or the
 * driver is not one, that ends the mode with a verdict of its own, and it is not touched
 * afterwards. */
#include "scenarios/drill/drill_inside.h"

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
                                      .plan = mode_step(mode)->workload,
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

void step_start_workload(struct drill_mode *mode, const struct step *step)
{
    const struct cluster *cluster = mode->drill->cluster;
    const struct driver_endpoint primary = lab_direct(mode, mode->primary);
    struct driver_target target = {.endpoint = primary,
                                   .direct = primary,
                                   .setting = mode->mode->setting,
                                   .schema = cluster->schema,
                                   .node = mode_node_name(mode, mode->primary),
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

static void on_moved(void *context, const struct processes_moved *moved)
{
    struct drill_mode *mode = context;
    if (mode->state != MODE_STEPS)
        return;
    mode->out->steps[mode->step].output =
        drill_print(mode->drill, "moved: %zu, answered by %s: %zu", moved->moved,
                    mode_step(mode)->node, moved->answered);
    (void)snprintf(mode->error, sizeof mode->error,
                   "%zu of %zu processes had no answer", moved->moved - moved->answered,
                   moved->moved);
    step_end(mode, moved->answered == moved->moved ? NULL : mode->error);
}

void step_start_clients(struct drill_mode *mode, const struct step *step)
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
