/* SPDX-License-Identifier: MIT */
/* The life of a node, and its step.
 *
 * Callbacks only store what happened: a record appended, an acknowledgement noted. All
 * that follows is done by store_node_step, which runs after each turn's input
 * (uv_check) and on each tick, never from within itself. So the records of all clients
 * of a turn are written, and synced, together.
 *
 * A node whose log or meta can not be written stops: it could not keep what it
 * promises. Everything else (clients, peers, the network) may fail at any time without
 * harm. */
#include "scenarios/store/inside.h"
#include "scenarios/store/term.h"
#include "proxy/base/log.h"
#include "proxy/base/memory.h"
#include "proxy/base/now.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TICK_MS = 25, BACKLOG = 512 };

void store_config_init(struct store_config *config)
{
    *config = (struct store_config){.heartbeat_ns = 100 * NS_PER_MS,
                                    .peer_timeout_ns = 3 * NS_PER_S,
                                    .promote_timeout_ns = 5 * NS_PER_S,
                                    .max_clients = 4000,
                                    .max_command_bytes = 8 << 20};
}

bool store_node_has(const struct store_node *node, enum store_defect defect)
{
    return node->config.defects >> defect & 1;
}

uint16_t store_node_port(const struct store_node *node)
{
    struct sockaddr_storage address;
    int len = sizeof address;
    if (uv_tcp_getsockname(&node->listener, (struct sockaddr *)&address, &len) != 0)
        return 0;
    if (address.ss_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)&address)->sin6_port);
    return ntohs(((const struct sockaddr_in *)&address)->sin_port);
}

static void free_node(struct store_node *node)
{
    store_wal_close(&node->wal);
    store_state_destroy(node->state);
    store_buffer_free(&node->held);
    store_buffer_free(&node->scratch);
    free(node->members);
    free((char *)node->config.name);
    free((char *)node->config.dir);
    free(node);
}

void store_node_forget_handle(struct store_node *node)
{
    if (--node->handles == 0)
        free_node(node);
}

static void on_handle_closed(uv_handle_t *handle)
{
    store_node_forget_handle(handle->data);
}

void store_node_close(struct store_node *node)
{
    if (!node || node->closing)
        return;
    node->closing = true;
    (void)store_wal_flush(&node->wal, true); /* nothing depends on it any more */
    store_client_close_all(node);
    for (size_t rank = 0; rank < node->n; rank++)
        store_peer_stop(&node->peers[rank]);
    uv_close((uv_handle_t *)&node->listener, on_handle_closed);
    uv_close((uv_handle_t *)&node->tick, on_handle_closed);
    uv_close((uv_handle_t *)&node->check, on_handle_closed);
}

void store_node_fail(struct store_node *node, int error, const char *doing)
{
    if (node->closing)
        return;
    log_line(LOG_ERROR, "node=%s stops: %s: %s", node->config.name, doing,
             strerror(-error));
    store_node_close(node);
    if (node->config.on_stop)
        node->config.on_stop(node->config.context, error);
}

bool store_node_flush(struct store_node *node)
{
    uint64_t every_ns = node->config.fsync_every_ns;
    bool sync = every_ns == 0 || now_ns() - node->synced_at_ns >= every_ns;
    int e = store_wal_flush(&node->wal, sync);
    if (e)
        store_node_fail(node, e, "writing the log");
    else if (sync)
        node->synced_at_ns = now_ns();
    return e == 0;
}

/* Reads are refused until what is committed is known and shown. */
static void update_loading(struct store_node *node)
{
    uint64_t floor =
        node->role == STORE_PRIMARY ? node->start_index : node->heard_committed;
    if (floor > 0 && node->applied >= floor)
        node->loading = false;
}

/* All that follows from what callbacks have stored, in the order that durability asks
 * for: written, then counted, then shown and answered, then told to others. Answers may
 * let waiting commands run, which append again: hence the loop. */
void store_node_step(struct store_node *node)
{
    do {
        if (node->closing || !store_node_flush(node))
            return;
        store_promote_step(node);
        if (node->closing || !store_node_flush(node))
            return;
        store_role_advance(node);
        if (!store_node_flush(node))
            return;
        store_apply(node, store_apply_target(node));
        update_loading(node);
        if (node->closing)
            return;
        store_client_settle(node);
    } while (node->wal.unwritten.len > 0 && !node->closing);
    if (node->closing)
        return;
    store_follower_acknowledge(node);
    for (size_t rank = 0; rank < node->n && !node->closing; rank++)
        if (rank != node->self)
            store_peer_pump(&node->peers[rank]);
}

static void on_check(uv_check_t *check)
{
    store_node_step(check->data);
}

static void on_tick(uv_timer_t *timer)
{
    struct store_node *node = timer->data;
    for (size_t rank = 0; rank < node->n; rank++)
        if (rank != node->self)
            store_peer_tick(&node->peers[rank]);
    store_apply_held(node);
    store_node_step(node);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct store_node *node = listener->data;
    if (status < 0)
        log_line(LOG_WARN, "node=%s accepting: %s", node->config.name,
                 uv_strerror(status));
    else
        store_client_accept(node);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const struct store_peer *)a)->name,
                  ((const struct store_peer *)b)->name);
}

static int add_name(struct store_node *node, const char *name, struct errmsg *err)
{
    size_t len = strlen(name);
    if (len == 0 || len >= STORE_NAME_MAX_BYTES || node->n == STORE_NODES_MAX) {
        errmsg_set(err, "a node's name has 1 to 31 bytes, a cluster up to 16 nodes");
        return -EINVAL;
    }
    memcpy(node->peers[node->n++].name, name, len + 1);
    return 0;
}

/* Fills peers, sorted by name, and self. */
static int rank_nodes(struct store_node *node, const struct store_config *config,
                      struct errmsg *err)
{
    int e = add_name(node, config->name, err);
    for (size_t i = 0; i < config->n_peers && e == 0; i++) {
        e = add_name(node, config->peers[i].name, err);
        if (e == 0)
            node->peers[node->n - 1].address = config->peers[i].address;
    }
    if (e)
        return e;
    qsort(node->peers, node->n, sizeof *node->peers, compare_names);
    for (size_t rank = 0; rank < node->n; rank++) {
        struct store_peer *peer = &node->peers[rank];
        peer->node = node;
        peer->rank = rank;
        if (strcmp(peer->name, config->name) == 0)
            node->self = rank;
        if (rank > 0 && strcmp(peer->name, peer[-1].name) == 0) {
            errmsg_set(err, "two nodes are named \"%s\"", peer->name);
            return -EINVAL;
        }
    }
    return 0;
}

static int open_files(struct store_node *node, struct errmsg *err)
{
    const char *dir = node->config.dir;
    int e = store_wal_open(&node->wal, dir, &node->cut_bytes, err);
    if (e == 0)
        e = store_meta_load(dir, &node->meta, err);
    if (e)
        return e;
    if (node->cut_bytes > 0)
        log_line(LOG_WARN, "node=%s cut %llu torn bytes off its log behind index %llu",
                 node->config.name, (unsigned long long)node->cut_bytes,
                 (unsigned long long)store_wal_last_index(&node->wal));
    if (store_wal_last_term(&node->wal) > node->meta.term)
        node->meta.term = store_wal_last_term(&node->wal);
    return 0;
}

static int open_handles(struct store_node *node, struct errmsg *err)
{
    (void)uv_tcp_init(node->loop, &node->listener); /* these three cannot fail */
    (void)uv_timer_init(node->loop, &node->tick);
    (void)uv_check_init(node->loop, &node->check);
    node->listener.data = node->tick.data = node->check.data = node;
    node->handles = 3;
    int e =
        uv_tcp_bind(&node->listener, (const struct sockaddr *)&node->config.listen, 0);
    if (e == 0)
        e = uv_listen((uv_stream_t *)&node->listener, BACKLOG, on_connection);
    if (e == 0)
        e = uv_timer_start(&node->tick, on_tick, TICK_MS, TICK_MS);
    if (e == 0)
        e = uv_check_start(&node->check, on_check);
    if (e)
        errmsg_set(err, "listening: %s", uv_strerror(e));
    return e;
}

/* The role it had; in an empty directory the one that the configuration says. */
static void begin_role(struct store_node *node)
{
    static const bool nobody[STORE_NODES_MAX];
    bool is_new = node->meta.term == 0;
    uint64_t term = 0;
    if (is_new && node->config.primary)
        term = store_term_promote(0, node->self, node->n);
    else if (node->meta.primary)
        term = store_term_restart(node->meta.term);
    if (term)
        store_role_lead(node, term, nobody);
    else if (!is_new && node->config.primary)
        log_line(LOG_WARN, "node=%s was a replica when it stopped, and is one again",
                 node->config.name);
}

static struct store_node *create(uv_loop_t *loop, const struct store_config *config)
{
    struct store_node *node = xcalloc(1, sizeof *node);
    node->config = *config;
    node->config.name = xstrdup(config->name);
    node->config.dir = xstrdup(config->dir);
    node->config.peers = NULL; /* they are in node->peers */
    node->loop = loop;
    node->wal.fd = -1;
    node->state = store_state_create();
    node->members = xcalloc(1, sizeof *node->members);
    node->n_members = 1;
    memset(node->members->member, true, sizeof node->members->member);
    node->started_at_ns = node->synced_at_ns = now_ns();
    LIST_INIT(&node->clients);
    TAILQ_INIT(&node->touched);
    STAILQ_INIT(&node->pending);
    return node;
}

int store_node_open(struct store_node **out, uv_loop_t *loop,
                    const struct store_config *config, struct errmsg *err)
{
    struct store_node *node = create(loop, config);
    int e = rank_nodes(node, config, err);
    if (e == 0)
        e = open_files(node, err);
    if (e) {
        free_node(node);
        return e;
    }
    e = open_handles(node, err);
    if (e == 0) {
        store_apply_restart(node);
        begin_role(node);
    }
    if (e == 0 && node->closing) {
        errmsg_set(err, "%s can not be read or written", config->dir);
        e = -EIO;
    }
    if (e) {
        store_node_close(node);
        return e;
    }
    *out = node;
    return 0;
}
