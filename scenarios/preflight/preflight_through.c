/* SPDX-License-Identifier: MIT */
/* A proxy as the drill starts one (mode listen, a port of 127.0.0.1 for each node), and
 * a login through it. The server sees the proxy's connection, not its client's: rules
 * by address (pg_hba.conf) and passwords by address (~/.pgpass) may hold for the one
 * and not for the other, so that what works by hand fails in the drill.
 *
 * Happy path: start, read the line `ready`, log in at each listener, stop. The proxy is
 * killed by the kernel if we die, and a record tells `netsplit clean` of its directory.
 */
#include "proxy/base/child.h"
#include "proxy/base/memory.h"
#include "proxy/base/now.h"
#include "proxy/base/rundir.h"
#include "proxy/base/tempdir.h"
#include "scenarios/preflight/preflight.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

enum { READY_BYTES = 8192 };
#define PROXY_GRACE_NS (2 * NS_PER_S)

struct through {
    struct preflight *preflight;
    uv_loop_t loop;
    uv_timer_t limit;
    uv_poll_t signal;
    struct child *child; /* owned; NULL = it has ended, or was never started */
    char directory[TEMPDIR_PATH_MAX]; /* "" = not made */
    char said[READY_BYTES];
    bool ready;
};

static void on_output(void *data, const char *bytes, size_t n)
{
    struct through *through = data;
    size_t length = strlen(through->said), room = READY_BYTES - 1 - length;
    memcpy(through->said + length, bytes, n < room ? n : room); /* the rest is zero */
    const char *line = strstr(through->said, "ready ");
    through->ready = line && strchr(line, '\n');
    if (through->ready)
        uv_stop(&through->loop);
}

static void on_end(void *data, const struct child_end *end)
{
    struct through *through = data;
    (void)end; /* what it said is kept */
    rundir_drop_child(through->preflight->record, child_pid(through->child));
    child_close(through->child);
    through->child = NULL;
    uv_stop(&through->loop);
}

static void on_limit(uv_timer_t *timer)
{
    uv_stop(timer->loop);
}

static void on_signal(uv_poll_t *poll, int status, int events)
{
    (void)status, (void)events;
    uv_stop(poll->loop);
}

/* "r1=127.0.0.1:0:10.0.0.1:6379" for each node, owned. */
static void fill_operands(const struct cluster *cluster, char **operands)
{
    for (size_t i = 0; i < cluster->n_nodes; i++) {
        const struct cluster_place *place = &cluster->places[i];
        bool six = strchr(place->address, ':');
        operands[i] =
            xasprintf("%s=127.0.0.1:0:%s%s%s:%u", cluster->nodes[i], six ? "[" : "",
                      place->address, six ? "]" : "", place->port);
    }
}

static bool start(struct through *through, struct errmsg *err)
{
    const struct cluster *cluster = through->preflight->cluster;
    const char *argv[CLUSTER_NODES_MAX + 5] = {NULL};
    char *operands[CLUSTER_NODES_MAX] = {NULL};
    char exe[PATH_MAX], control[TEMPDIR_PATH_MAX + 16];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    exe[n > 0 ? n : 0] = '\0';
    (void)snprintf(control, sizeof control, "%s/control", through->directory);
    fill_operands(cluster, operands);
    size_t at = 0;
    argv[at++] = exe;
    argv[at++] = "proxy";
    argv[at++] = "--control";
    argv[at++] = control;
    for (size_t i = 0; i < cluster->n_nodes; i++)
        argv[at++] = operands[i];
    const struct child_options options = {
        .argv = argv, .on_output = on_output, .on_end = on_end, .data = through};
    through->child = child_start(&through->loop, &options, err);
    if (through->child)
        (void)rundir_add_child(through->preflight->record,
                               child_pid(through->child)); /* likewise */
    for (size_t i = 0; i < cluster->n_nodes; i++)
        free(operands[i]);
    return through->child;
}

/* Runs the loop until something stops it, for so long at most. */
static void run_for(struct through *through, uint64_t span_ns)
{
    (void)uv_timer_start(&through->limit, on_limit, now_ns_to_ms_up(span_ns), 0);
    (void)uv_run(&through->loop, UV_RUN_DEFAULT);
    (void)uv_timer_stop(&through->limit);
}

static bool open_proxy(struct through *through, struct errmsg *err)
{
    struct preflight *preflight = through->preflight;
    if (tempdir_make("preflight", through->directory, err) != 0)
        return false;
    (void)rundir_add_path(preflight->record, through->directory); /* for clean */
    if (!start(through, err))
        return false;
    (void)uv_poll_start(&through->signal, UV_READABLE, on_signal);
    run_for(through, preflight->within_ns);
    (void)uv_poll_stop(&through->signal);
    if (!through->ready)
        errmsg_set(err, "it did not become ready: %s", through->said);
    return through->ready;
}

static void close_proxy(struct through *through)
{
    if (through->child) {
        child_stop(through->child, PROXY_GRACE_NS);
        run_for(through, 2 * PROXY_GRACE_NS); /* until on_end() */
    }
    child_close(through->child);
    if (through->directory[0] && tempdir_remove(through->directory) == 0)
        rundir_drop_path(through->preflight->record, through->directory);
    uv_close((uv_handle_t *)&through->limit, NULL);
    uv_close((uv_handle_t *)&through->signal, NULL);
    (void)uv_run(&through->loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&through->loop); /* all handles are closed */
}

/* " r1=127.0.0.1:4711" of the line `ready`. */
static bool read_listener(const char *said, const char *node,
                          struct driver_endpoint *out)
{
    const char *line = strstr(said, "ready ");
    char key[80], address[64];
    unsigned port = 0;
    (void)snprintf(key, sizeof key, " %s=", node);
    const char *at = line ? strstr(line, key) : NULL;
    if (!at || sscanf(at + strlen(key), "%63[^:]:%u", address, &port) != 2)
        return false;
    *out = (struct driver_endpoint){.port = (uint16_t)port};
    (void)snprintf(out->address, sizeof out->address, "%s", address);
    return true;
}

static void tell_seen_as(struct preflight *preflight, size_t node, void *session)
{
    const char *direct = preflight->nodes[node].seen_as;
    char seen_as[64] = "";
    preflight->system->ask_seen_as(session, seen_as, sizeof seen_as);
    bool same = strcmp(seen_as, direct) == 0;
    preflight_add(preflight, same ? PREFLIGHT_OK : PREFLIGHT_NOTE, node,
                  *seen_as ? "a login works; the server takes who comes there for "
                             "%s%s%s"
                           : "a login works",
                  seen_as,
                  same ? ", as who comes straight" : ", who comes straight for ",
                  same ? "" : direct);
    if (!same)
        preflight_mend(preflight,
                       "allow %s where the server goes by address "
                       "(pg_hba.conf, firewalls)",
                       seen_as);
}

/* said: by the proxy that was started; NULL = one runs already. */
static void log_in_through(struct preflight *preflight, const char *said)
{
    const struct cluster *cluster = preflight->cluster;
    for (size_t i = 0; i < cluster->n_nodes && !preflight_is_over(preflight); i++) {
        struct driver_endpoint way;
        const char *name = cluster->nodes[i];
        if (!preflight->nodes[i].session ||
            !(said ? read_listener(said, name, &way)
                   : preflight_find_listener(preflight, name, &way)))
            continue; /* what does not work straight does not work here */
        void *session = preflight->system->login(preflight, i, &way);
        if (!session)
            continue; /* it was told */
        tell_seen_as(preflight, i, session);
        preflight->system->close(session);
    }
}

static void start_and_log_in(struct preflight *preflight)
{
    const struct cluster_place *place = &preflight->cluster->places[0];
    struct through *through = xcalloc(1, sizeof *through);
    struct errmsg err = {""};
    through->preflight = preflight;
    if (uv_loop_init(&through->loop) != 0)
        abort(); /* out of descriptors or memory: as xcalloc */
    (void)uv_timer_init(&through->loop, &through->limit); /* cannot fail */
    (void)uv_poll_init(&through->loop, &through->signal,
                       preflight->patience.signal_fd); /* nor does this: it is open */
    if (open_proxy(through, &err)) {
        log_in_through(preflight, through->said);
    } else if (!preflight_is_over(preflight)) {
        preflight_add(preflight, PREFLIGHT_MISSING, PREFLIGHT_HERE,
                      "a proxy cannot be started: %s", err.text);
        preflight_mend(preflight, "netsplit proxy 127.0.0.1:0:%s:%u # by hand",
                       place->address, place->port);
    }
    close_proxy(through);
    free(through);
}

/* A proxy that intercepts keeps both addresses, and is not started for a question: the
 * connections that it took would end with it. */
void preflight_through(struct preflight *preflight)
{
    const struct cluster *cluster = preflight->cluster;
    if (!cluster->places || !preflight->system)
        return; /* nobody to log in to, or no way */
    if (cluster->control)
        log_in_through(preflight, NULL);
    else if (cluster->intercept == INTERCEPT_LISTEN)
        start_and_log_in(preflight);
}
