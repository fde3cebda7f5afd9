/* SPDX-License-Identifier: MIT */
/* The drill's own proxy: a child process like any other, started with one listener for
 * each ordered pair of nodes and for each (clients.x, node), or in the middle of a lab
 * with none, and from then on spoken to by its control API, as a user would. Nodes that
 * run already do not ask it for the way: there only clients have listeners, and what
 * the nodes say to each other is intercepted, or is not its business.
 *
 * Its status is sampled where periods meet and while a fault is in force: what links
 * carried is the difference between two samples; what a rule touched is its own count.
 */
#include "scenarios/drill/drill_inside.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* { address: 10.0.0.1, ports: [5432], container: pg1 } */
static void add_place(const struct cluster *cluster, FILE *to, size_t i)
{
    const struct cluster_place *place = &cluster->places[i];
    fprintf(to, "  %s: { address: \"%s\", ports: [%u]", cluster->nodes[i],
            place->address, place->port);
    switch (place->netns.kind) {
    case PLACE_NONE:
        break;
    case PLACE_NETNS:
        fprintf(to, ", netns: \"%s\"", place->netns.text);
        break;
    case PLACE_PID:
        fprintf(to, ", pid: %" PRIu32, place->netns.pid);
        break;
    case PLACE_CONTAINER:
        fprintf(to, ", container: \"%s\"", place->netns.text);
        break;
    }
    fprintf(to, " }\n  clients.%s:\n", cluster->nodes[i]);
}

static void add_node(const struct drill_mode *mode, FILE *to, size_t i)
{
    const struct cluster *cluster = mode->drill->cluster;
    const char *address = lab_address(mode, i, false);
    const char *clients = lab_address(mode, i, true);
    unsigned port = mode->nodes[i].port;
    switch (cluster->intercept) {
    case INTERCEPT_LISTEN:
        fprintf(to,
                strchr(address, ':') ? "  %s: \"[%s]:%u\"\n  clients.%s:\n"
                                     : "  %s: \"%s:%u\"\n  clients.%s:\n",
                cluster->nodes[i], address, port, cluster->nodes[i]);
        return;
    case INTERCEPT_REDIRECT: /* the address is all that it needs, too */
    case INTERCEPT_TPROXY:
        fprintf(to, "  %s: \"%s:%u\"\n  clients.%s: %s\n", cluster->nodes[i], address,
                port, cluster->nodes[i], clients);
        return;
    case INTERCEPT_NETNS:
        fprintf(to,
                "  %s: { address: %s, ports: [%u], netns: /proc/%d/fd/%d }\n"
                "  clients.%s: { address: %s, netns: /proc/%d/fd/%d }\n",
                cluster->nodes[i], address, port, (int)getpid(), lab_netns(mode, i),
                cluster->nodes[i], clients, (int)getpid(), lab_client_netns(mode, i));
        return;
    }
}

static void add_listeners(const struct drill_mode *mode, FILE *to)
{
    const struct cluster *cluster = mode->drill->cluster;
    fputs("listen:\n", to);
    for (size_t i = 0; i < cluster->n_nodes; i++)
        for (size_t k = 0; k < 2 * cluster->n_nodes; k++) {
            bool is_client = k >= cluster->n_nodes;
            size_t node = is_client ? k - cluster->n_nodes : k;
            if (is_client || (i != node && !cluster->places))
                fprintf(to, "  - { address: \"%s:0\", from: %s%s, to: %s }\n",
                        lab_listen_address(mode, i, is_client),
                        is_client ? "clients." : "", cluster->nodes[i],
                        cluster->nodes[node]);
        }
}

static bool write_rules(const struct drill_mode *mode, const char *path)
{
    const struct cluster *cluster = mode->drill->cluster;
    FILE *to = fopen(path, "we");
    if (!to)
        return false;
    fprintf(to, "netsplit: 1\nintercept: %s\nnodes:\n",
            rule_intercept_name(cluster->intercept));
    for (size_t i = 0; i < cluster->n_nodes; i++) {
        if (cluster->places)
            add_place(cluster, to, i);
        else
            add_node(mode, to, i);
    }
    if (cluster->intercept == INTERCEPT_LISTEN || cluster->places)
        add_listeners(mode, to);
    bool failed = ferror(to) != 0;
    return fclose(to) == 0 && !failed;
}

/* Where nobody is told the proxy's address, the way to a node is the node's own. */
static void set_paths(struct drill_mode *mode)
{
    size_t n = mode->drill->cluster->n_nodes;
    if (mode->drill->cluster->places)
        return; /* all clients are told */
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < n; k++) {
            struct driver_endpoint *path = &mode->client_paths[i * n + k];
            if (mode->drill->cluster->intercept != INTERCEPT_LISTEN)
                *path = mode->node_paths[i][k] = lab_direct(mode, k);
            path->netns_fd = lab_client_netns(mode, i);
        }
}

/* "n1>n2=127.0.0.1:4711": where the path is opened. */
static void read_path(struct drill_mode *mode, const char *word)
{
    const struct cluster *cluster = mode->drill->cluster;
    char from[80], to[80], address[64];
    unsigned port = 0;
    if (sscanf(word, "%79[^>]>%79[^=]=%63[^:]:%u", from, to, address, &port) != 4)
        return;
    bool is_client = strncmp(from, "clients.", 8) == 0;
    int at = cluster_find_node(cluster, from + (is_client ? 8 : 0));
    int dest = cluster_find_node(cluster, to);
    if (at < 0 || dest < 0)
        return;
    struct driver_endpoint *path =
        is_client ? &mode->client_paths[(size_t)at * cluster->n_nodes + (size_t)dest]
                  : &mode->node_paths[at][dest];
    (void)snprintf(path->address, sizeof path->address, "%s", address);
    path->port = (uint16_t)port;
}

static void on_stream_event(void *arg, json_t *event)
{
    struct drill_mode *mode = arg;
    if (mode->events)
        (void)json_dumpf(event, mode->events, JSON_COMPACT); /* see fclose */
    if (mode->events)
        fputc('\n', mode->events);
}

/* Ours is a child, whose end is seen. */
static void on_stream_end(void *arg, int status, json_t *body, const struct errmsg *err)
{
    struct drill_mode *mode = arg;
    (void)body;
    if (mode->theirs && mode->state != MODE_DOWN)
        mode_abort(mode, RUN_DRIVER_ERROR,
                   drill_print(mode->drill, "the proxy at %s is gone: %s",
                               mode->control_path,
                               status == 200 ? "it ended" : err->text));
}

void proxy_follow(struct drill_mode *mode, const char *events)
{
    if (!control_stream(mode->control, events, DRILL_CONTROL_NS, on_stream_event,
                        on_stream_end, mode))
        abort(); /* out of memory: as xcalloc */
}

static void on_proxy_ready(struct drill_mode *mode)
{
    char *line = xstrdup(mode->ready_line), *rest = NULL;
    for (char *word = strtok_r(line, " \n", &rest); word;
         word = strtok_r(NULL, " \n", &rest))
        read_path(mode, word);
    free(line);
    set_paths(mode);
    mode->proxy_ready = true;
    if (control_client_create(&mode->control, &mode->drill->loop, mode->control_path) !=
        0) {
        mode_fail(mode, "the path of the control socket is too long: %s",
                  mode->control_path);
        return;
    }
    proxy_follow(mode, "/v1/events?since=0");
    mode->proxy_then(mode);
}

static void on_proxy_output(void *data, const char *bytes, size_t n)
{
    struct drill_mode *mode = data;
    size_t room = sizeof mode->ready_line - 1 - mode->ready_bytes;
    if (mode->proxy_ready || mode->state != MODE_UP)
        return;
    memcpy(mode->ready_line + mode->ready_bytes, bytes, n < room ? n : room);
    mode->ready_bytes += n < room ? n : room;
    mode->ready_line[mode->ready_bytes] = '\0';
    const char *ready = mode->ready_line;
    while (ready && strncmp(ready, "ready ", 6) != 0) {
        ready = strchr(ready, '\n');
        ready = ready ? ready + 1 : NULL;
    }
    if (!ready || !strchr(ready, '\n'))
        return;
    memmove(mode->ready_line, ready, strlen(ready) + 1);
    on_proxy_ready(mode);
}

static void on_proxy_end(void *data, const struct child_end *end)
{
    struct drill_mode *mode = data;
    pid_t pid = child_pid(mode->proxy);
    rundir_drop_child(mode->drill->record, pid);
    child_close(mode->proxy);
    mode->proxy = NULL;
    if (end->signal) /* it had no time to do so itself */
        (void)rundir_clean_run(pid, NULL, NULL, NULL); /* else `clean` is to do it */
    if (mode->state == MODE_DOWN)
        mode_down(mode);
    else if (!mode->proxy_ready)
        mode_fail(mode, "the proxy ended with status %d: %s", end->status,
                  mode->ready_line);
    else
        mode_abort(mode, RUN_DRIVER_ERROR, "the proxy ended by itself");
}

void proxy_up(struct drill_mode *mode, drill_then_fn then)
{
    struct drill *drill = mode->drill;
    char rules[PATH_MAX + 16], seed[32];
    (void)snprintf(rules, sizeof rules, "%s/proxy.yaml", mode->dir);
    (void)snprintf(seed, sizeof seed, "%" PRIu64, drill->run->seed);
    if (!write_rules(mode, rules)) {
        mode_fail(mode, "writing %s: %s", rules, strerror(errno));
        return;
    }
    const char *const argv[] = {drill->exe,         "proxy",  "-f", rules, "--control",
                                mode->control_path, "--seed", seed, NULL};
    struct child_options options = {.argv = argv,
                                    .netns_fd = lab_middle_netns(mode),
                                    .output_limit = DRILL_OUTPUT_BYTES,
                                    .on_output = on_proxy_output,
                                    .on_end = on_proxy_end,
                                    .data = mode};
    struct errmsg err = {""};
    mode->proxy_then = then;
    mode->proxy = child_start(&drill->loop, &options, &err);
    if (!mode->proxy) {
        mode_fail(mode, "starting the proxy: %s", err.text);
        return;
    }
    (void)rundir_add_child(drill->record, child_pid(mode->proxy)); /* for clean */
}

static uint64_t number(const json_t *object, const char *key)
{
    json_int_t value = json_integer_value(json_object_get(object, key));
    return value > 0 ? (uint64_t)value : 0;
}

static const char *text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));
    return value ? value : "";
}

static struct run_link *find_link(struct drill_mode *mode, const char *from,
                                  const char *to)
{
    struct run_mode *out = mode->out;
    for (size_t i = 0; i < out->n_links; i++)
        if (strcmp(out->links[i].from, from) == 0 && strcmp(out->links[i].to, to) == 0)
            return &out->links[i];
    out->links = xreallocarray(out->links, out->n_links + 1, sizeof *out->links);
    struct run_link *link = &out->links[out->n_links++];
    *link = (struct run_link){.from = drill_keep(mode->drill, from),
                              .to = drill_keep(mode->drill, to)};
    return link;
}

/* What was counted since the periods before this one. */
static void count_link(struct drill_mode *mode, const json_t *row)
{
    const char *from = text(row, "from"), *to = text(row, "to");
    if (mode->theirs && !theirs_is_ours(mode, from, to))
        return;
    struct run_link *link = find_link(mode, from, to);
    const json_t *before = mode->theirs ? theirs_link_before(mode, from, to) : NULL;
    uint64_t passed = number(row, "passed_bytes") - number(before, "passed_bytes");
    uint64_t discarded =
        number(row, "discarded_bytes") - number(before, "discarded_bytes");
    uint64_t held = number(row, "held_bytes");
    for (int i = 0; i < (int)mode->period; i++) {
        passed -= link->period[i].passed_bytes;
        discarded -= link->period[i].discarded_bytes;
    }
    link->period[mode->period].passed_bytes = passed;
    link->period[mode->period].discarded_bytes = discarded;
    if (held > link->period[mode->period].held_bytes)
        link->period[mode->period].held_bytes = held;
}

static struct run_window *find_window(struct drill_mode *mode, const json_t *rule)
{
    for (size_t i = 0; i < mode->n_faults; i++) {
        const struct drill_fault *fault = &mode->faults[i];
        if (strcmp(fault->overlay, text(rule, "origin")) != 0)
            continue;
        for (size_t k = 0; k < fault->n_windows; k++) {
            struct run_window *window = &mode->out->windows[fault->first_window + k];
            size_t prefix = mode->theirs ? strlen(mode->theirs->prefix) : 0;
            const char *name = text(rule, "name");
            if (strlen(name) >= prefix && strcmp(window->name, name + prefix) == 0)
                return window;
        }
    }
    return NULL;
}

/* Bytes that a cut keeps in the sockets are the rule's to count: the link's own number
 * is of those inside the proxy. */
static void count_held(struct drill_mode *mode, const json_t *touched)
{
    struct run_link *link = find_link(mode, text(touched, "from"), text(touched, "to"));
    uint64_t bytes = number(touched, "touched_bytes");
    if (mode->period == RUN_DURING && bytes > link->period[RUN_DURING].held_bytes)
        link->period[RUN_DURING].held_bytes = bytes;
}

static void count_rule(struct drill_mode *mode, const json_t *rule)
{
    struct run_window *window = find_window(mode, rule);
    struct run_felt *felt = &mode->out->felt;
    const json_t *links = json_object_get(rule, "links");
    if (!window)
        return;
    window->bytes = number(rule, "touched_bytes");
    window->connections = number(rule, "connections");
    window->attempts = number(rule, "attempts_held") +
                       number(rule, "attempts_refused") +
                       number(rule, "attempts_reset");
    window->packets = number(rule, "packets_dropped");
    if (text(rule, "how")[0])
        window->how = drill_keep(mode->drill, text(rule, "how"));
    felt->bytes += window->bytes;
    felt->connections += window->connections + window->attempts;
    felt->packets += window->packets;
    for (size_t i = 0; i < json_array_size(links); i++) {
        const json_t *link = json_array_get(links, i);
        bool touched = number(link, "touched_bytes") + number(link, "attempts") +
                           number(link, "packets_dropped") >
                       0;
        felt->links += touched;
        window->is_felt_between |=
            touched &&
            cluster_find_node(mode->drill->cluster, text(link, "from")) >= 0 &&
            cluster_find_node(mode->drill->cluster, text(link, "to")) >= 0;
        count_held(mode, link);
    }
}

static void on_status(void *arg, int status, json_t *body, const struct errmsg *err)
{
    struct drill_mode *mode = arg;
    drill_then_fn then = mode->sample_then;
    const json_t *links = json_object_get(body, "links");
    const json_t *rules = json_object_get(body, "rules");
    mode->sampling = false;
    mode->sample_then = NULL;
    if (mode->state == MODE_DOWN)
        return;
    if (status == 200) {
        uint64_t bypassing = number(body, "bypassing");
        if (bypassing < mode->out->felt.bypassing)
            bypassing = mode->out->felt.bypassing;
        mode->out->felt = (struct run_felt){.bypassing = bypassing};
        for (size_t i = 0; i < json_array_size(links); i++)
            count_link(mode, json_array_get(links, i));
        for (size_t i = 0; i < json_array_size(rules); i++)
            count_rule(mode, json_array_get(rules, i));
    } else {
        term_progress_say(&mode->drill->progress, "asking the proxy: %s", err->text);
    }
    if (then)
        then(mode);
}

void proxy_ask(struct drill_mode *mode, drill_then_fn then)
{
    if (then)
        mode->sample_then = then;
    if (mode->sampling)
        return; /* the answer that is on its way will do, and calls it */
    mode->sampling = true;
    if (!control_request(mode->control, "GET", "/v1/status", NULL, DRILL_CONTROL_NS,
                         on_status, mode))
        abort(); /* out of memory: as xcalloc */
}
