/* SPDX-License-Identifier: MIT */
/* The nodes of a cluster that the drill starts itself; of one that runs already, what
 * stands for that.
 *
 * Each node's port is bound, with SO_REUSEADDR and never listening, before anything is
 * started, and held until the mode is over: nobody else can be given it, a node that is
 * down refuses, and it comes back on the same port. Nodes are started one after the
 * other, each when the one before it is ready, so that a standby finds its primary.
 *
 * A node that ends by itself is told on the progress line; what that means for the
 * clients, the history says. */
#include "proxy/base/namespace.h"
#include "proxy/base/process_tree.h"
#include "scenarios/drill/drill_inside.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static int bind_port(struct drill_node *node, const char *text)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    int one = 1;
    (void)inet_pton(AF_INET, text, &address.sin_addr); /* it is one of ours */
    node->port_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (node->port_fd < 0 ||
        setsockopt(node->port_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        bind(node->port_fd, (struct sockaddr *)&address, size) != 0 ||
        getsockname(node->port_fd, (struct sockaddr *)&address, &size) != 0)
        return -errno;
    node->port = ntohs(address.sin_port);
    return 0;
}

static int reserve_port(struct drill_mode *mode, size_t i)
{
    const struct cluster_place *places = mode->drill->cluster->places;
    if (places) {
        mode->nodes[i].port = places[i].port;
        return 0;
    }
    int home = namespace_visit(lab_netns(mode, i));
    if (home < 0)
        return home;
    int status = bind_port(&mode->nodes[i], lab_address(mode, i, false));
    namespace_return(home);
    return status;
}

static int make_places(struct drill_mode *mode, size_t i)
{
    struct drill_node *node = &mode->nodes[i];
    char log[PATH_MAX];
    (void)snprintf(node->dir, sizeof node->dir, "%s/%s", mode->dir,
                   mode_node_name(mode, i));
    (void)snprintf(log, sizeof log, "%s/%s.log", mode->out_dir,
                   mode_node_name(mode, i));
    if (mkdir(node->dir, 0700) != 0)
        return -errno;
    node->log_fd = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_APPEND, 0644);
    return node->log_fd < 0 ? -errno : 0;
}

bool nodes_reserve(struct drill_mode *mode)
{
    for (size_t i = 0; i < mode->drill->cluster->n_nodes; i++) {
        mode->nodes[i].mode = mode;
        mode->nodes[i].port_fd = mode->nodes[i].log_fd = -1;
    }
    for (size_t i = 0; i < mode->drill->cluster->n_nodes; i++) {
        int e = make_places(mode, i);
        if (e == 0)
            e = reserve_port(mode, i);
        if (e != 0) {
            (void)snprintf(mode->error, sizeof mode->error, "making room for %s: %s",
                           mode_node_name(mode, i), strerror(-e));
            return false;
        }
    }
    return true;
}

/* The server and whoever stops it have ended. */
static void on_node_gone(struct drill_node *node)
{
    struct drill_mode *mode = node->mode;
    if (node->child || node->stopper)
        return;
    if (mode->state == MODE_DOWN) {
        mode_down(mode);
    } else if (mode->state == MODE_STEPS && mode->chain_then && !mode->job.then) {
        drill_then_fn then = mode->chain_then;
        mode->chain_then = NULL;
        then(mode);
    }
}

static void on_node_end(void *data, const struct child_end *end)
{
    struct drill_node *node = data;
    struct drill_mode *mode = node->mode;
    size_t i = (size_t)(node - mode->nodes);
    rundir_drop_child(mode->drill->record, child_pid(node->child));
    child_close(node->child);
    node->child = NULL;
    if (node->expected_end)
        on_node_gone(node);
    else if (mode->state == MODE_UP)
        mode_fail(mode, "%s ended with status %d before it was ready; see %s.log",
                  mode_node_name(mode, i), end->status, mode_node_name(mode, i));
    else
        term_progress_say(&mode->drill->progress,
                          "%s: %s ended with status %d; see %s.log", mode->mode->name,
                          mode_node_name(mode, i), end->status,
                          mode_node_name(mode, i));
}

static void on_stopper_end(void *data, const struct child_end *end)
{
    struct drill_node *node = data;
    (void)end; /* whether it worked shows in the server */
    rundir_drop_child(node->mode->drill->record, child_pid(node->stopper));
    child_close(node->stopper);
    node->stopper = NULL;
    if (node->child)
        child_stop(node->child, DRILL_GRACE_NS);
    else
        on_node_gone(node);
}

static bool start_stopper(struct drill_mode *mode, size_t i)
{
    const char *script = mode->drill->cluster->commands.stop;
    const char *const argv[] = {"sh", "-eu", "-c", script, NULL};
    char **env = drill_env(mode, i);
    struct child_options options = {.argv = argv,
                                    .env = (const char *const *)env,
                                    .netns_fd = lab_netns(mode, i),
                                    .output_fd = mode->nodes[i].log_fd,
                                    .on_end = on_stopper_end,
                                    .data = &mode->nodes[i]};
    struct errmsg err = {""};
    mode->nodes[i].stopper = child_start(&mode->drill->loop, &options, &err);
    drill_env_free(env);
    if (!mode->nodes[i].stopper)
        return false;
    mode->nodes[i].stop_since_ns = now_ns();
    (void)rundir_add_child(mode->drill->record,
                           child_pid(mode->nodes[i].stopper)); /* for clean */
    return true;
}

bool nodes_kill_one(struct drill_mode *mode, size_t i)
{
    struct drill_node *node = &mode->nodes[i];
    node->expected_end = node->killed = true;
    if (node->child)
        process_tree_kill(child_pid(node->child));
    return node->child;
}

void nodes_pause_one(struct drill_mode *mode, size_t i)
{
    struct drill_node *node = &mode->nodes[i];
    node->paused = true;
    if (node->child)
        process_tree_stop(child_pid(node->child));
}

void nodes_resume_one(struct drill_mode *mode, size_t i)
{
    struct drill_node *node = &mode->nodes[i];
    node->paused = false;
    if (node->child)
        process_tree_continue(child_pid(node->child));
}

bool nodes_stop_one(struct drill_mode *mode, size_t i, bool hurry)
{
    struct drill_node *node = &mode->nodes[i];
    bool first = !node->expected_end;
    node->expected_end = true;
    if (node->paused)
        nodes_resume_one(mode, i); /* who stands still hears no TERM */
    if (hurry && node->stopper)
        child_stop(node->stopper, 0);
    if ((hurry || node->killed) && node->child)
        child_stop(node->child, 0);
    else if (first && node->child &&
             !(mode->drill->cluster->commands.stop && start_stopper(mode, i)))
        child_stop(node->child, DRILL_GRACE_NS);
    return node->child || node->stopper;
}

void nodes_end_late_stops(struct drill_mode *mode, uint64_t now)
{
    for (size_t i = 0; i < CLUSTER_NODES_MAX; i++)
        if (mode->nodes[i].stopper &&
            now > mode->nodes[i].stop_since_ns + DRILL_STOP_NS)
            child_stop(mode->nodes[i].stopper, 0); /* then its server is */
}

static bool run_node(struct drill_mode *mode, size_t i)
{
    struct drill_node *node = &mode->nodes[i];
    const char *const argv[] = {"sh", "-eu", "-c", mode->drill->cluster->commands.start,
                                NULL};
    char **env = drill_env(mode, i);
    struct child_options options = {.argv = argv,
                                    .env = (const char *const *)env,
                                    .directory = node->dir,
                                    .netns_fd = lab_netns(mode, i),
                                    .output_fd = node->log_fd,
                                    .on_end = on_node_end,
                                    .data = node};
    struct errmsg err = {""};
    node->expected_end = node->killed = node->paused = false;
    node->child = child_start(&mode->drill->loop, &options, &err);
    drill_env_free(env);
    if (!node->child) {
        (void)snprintf(mode->error, sizeof mode->error, "starting %s: %s",
                       mode_node_name(mode, i), err.text);
        return false;
    }
    (void)rundir_add_child(mode->drill->record, child_pid(node->child)); /* for clean */
    return true;
}

/* The command that brings a node back has ended. */
static void on_begun(struct drill_mode *mode)
{
    drill_then_fn then = mode->begun_then;
    const char *ready = mode->drill->cluster->commands.ready;
    if (!mode->job.ok || !ready)
        then(mode);
    else
        job_start(mode, &(struct job_options){.script = ready,
                                              .node = mode->job.node,
                                              .within_ns = DRILL_START_NS,
                                              .polls = true,
                                              .then = then});
}

/* A rejoin command has done it all: there may be no command to start. */
static void begin_foreign(struct drill_mode *mode, size_t node, drill_then_fn then)
{
    const char *start = mode->drill->cluster->commands.start;
    mode->begun_then = then;
    job_start(mode, &(struct job_options){.script = start ? start : ":",
                                          .node = node,
                                          .within_ns = DRILL_START_NS,
                                          .leaves_group = true,
                                          .then = on_begun});
}

void nodes_start_one(struct drill_mode *mode, size_t node, drill_then_fn then)
{
    if (mode->drill->cluster->places) {
        begin_foreign(mode, node, then);
        return;
    }
    if (!run_node(mode, node)) {
        mode->job.ok = false;
        then(mode);
        return;
    }
    job_start(mode,
              &(struct job_options){.script = mode->drill->cluster->commands.ready,
                                    .node = node,
                                    .within_ns = DRILL_START_NS,
                                    .polls = true,
                                    .then = then});
}

static void start_next(struct drill_mode *mode);

static void on_ready(struct drill_mode *mode)
{
    char line[200];
    job_first_line(&mode->job, line, sizeof line);
    if (!mode->job.ok) {
        mode_fail(mode, "%s was not ready within %d s%s%s; see %s.log",
                  mode_node_name(mode, mode->chain), (int)(DRILL_START_NS / NS_PER_S),
                  line[0] ? ": " : "", line, mode_node_name(mode, mode->chain));
        return;
    }
    mode->chain++;
    start_next(mode);
}

static void on_prepared(struct drill_mode *mode)
{
    char line[200];
    job_first_line(&mode->job, line, sizeof line);
    if (!mode->job.ok)
        mode_fail(mode, "preparing %s: status %d: %s",
                  mode_node_name(mode, mode->chain), mode->job.status, line);
    else
        nodes_start_one(mode, mode->chain, on_ready);
}

static void start_next(struct drill_mode *mode)
{
    const struct cluster *cluster = mode->drill->cluster;
    if (mode->chain == cluster->n_nodes) {
        drill_then_fn then = mode->chain_then;
        mode->chain_then = NULL;
        then(mode);
        return;
    }
    if (!cluster->commands.prepare)
        nodes_start_one(mode, mode->chain, on_ready);
    else
        job_start(mode, &(struct job_options){.script = cluster->commands.prepare,
                                              .node = mode->chain,
                                              .within_ns = DRILL_START_NS,
                                              .then = on_prepared});
}

void nodes_start(struct drill_mode *mode, drill_then_fn then)
{
    mode->chain = 0;
    mode->chain_then = then;
    start_next(mode);
}

static void on_one_ready(struct drill_mode *mode)
{
    if (mode->job.ok && ++mode->chain < mode->drill->cluster->n_nodes) {
        uint64_t now = now_ns(), until = mode->job.until_ns;
        if (mode->state == MODE_UP)
            until = now + DRILL_FIND_NS; /* each way there takes its time */
        nodes_wait_ready(mode, until > now ? until - now : 1, NULL);
        return;
    }
    drill_then_fn then = mode->chain_then;
    mode->chain_then = NULL;
    then(mode);
}

void nodes_wait_ready(struct drill_mode *mode, uint64_t within_ns, drill_then_fn then)
{
    if (then) {
        mode->chain = 0;
        mode->chain_then = then;
    }
    job_start(mode,
              &(struct job_options){.script = mode->drill->cluster->commands.ready,
                                    .node = mode->chain,
                                    .within_ns = within_ns,
                                    .polls = true,
                                    .then = on_one_ready});
}
