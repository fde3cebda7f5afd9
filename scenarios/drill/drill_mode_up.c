/* SPDX-License-Identifier: MIT */
/* UP: from nothing to the first step. Places for what is made and what is found out, the
 * lab, the ports; then the paths through the proxy, the nodes, the mode's own command and
 * its check, and the roles. Of a cluster that runs already the nodes are asked first, and
 * nothing is made before they have answered.
 *
 * Each part calls the next when it is done; whatever is not as it must be ends in
 * mode_fail(), and what has been made by then is undone. */
#include "scenarios/drill/drill_inside.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

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
        roles_resolve(mode, on_first_roles);
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
    watch_show(mode->drill);
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
