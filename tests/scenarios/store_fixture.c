/* SPDX-License-Identifier: MIT */
/* Clients use plain non-blocking sockets: everything that could answer them runs on the
 * loop of this thread, so after a turn of the loop the answer is either there or not.
 */
#include "tests/scenarios/store_fixture.h"
#include "proxy/base/log.h"
#include "proxy/base/memory.h"
#include "proxy/base/now.h"
#include "scenarios/store/buffer.h"
#include "scenarios/store/defect.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const uint64_t patience_ns = 10 * NS_PER_S;

/* Relays: one listener a path, one pair of sockets a connection. */

struct relay_end {
    uv_tcp_t tcp;
    struct store_relay_pair *pair;
    struct relay_end *other;
    bool open; /* its handle is initialised and not closing */
};

struct store_relay_pair {
    LIST_ENTRY(store_relay_pair) entry;
    struct store_relay *relay;
    struct relay_end ends[2]; /* the opener's, the server's */
    uv_connect_t connect;
    bool dialled, connected;
    int handles;
};

static void on_end_closed(uv_handle_t *handle)
{
    struct store_relay_pair *pair = ((struct relay_end *)handle)->pair;
    if (--pair->handles > 0)
        return;
    LIST_REMOVE(pair, entry);
    free(pair);
}

static void pair_close(struct store_relay_pair *pair, bool reset)
{
    for (int i = 0; i < 2; i++) {
        struct relay_end *end = &pair->ends[i];
        if (!end->open)
            continue;
        end->open = false;
        if (!reset || uv_tcp_close_reset(&end->tcp, on_end_closed) != 0)
            uv_close((uv_handle_t *)&end->tcp, on_end_closed);
    }
}

static void on_relay_room(uv_handle_t *handle, size_t suggested, uv_buf_t *room)
{
    (void)handle;
    *room = uv_buf_init(malloc(suggested), (unsigned)suggested);
}

static void on_relay_written(uv_write_t *request, int status)
{
    (void)status; /* a failure shows when reading */
    free(request->data);
    free(request);
}

static void on_relay_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *room)
{
    struct relay_end *end = (struct relay_end *)stream;
    if (n <= 0) {
        free(room->base);
        if (n < 0)
            pair_close(end->pair, n != UV_EOF);
        return;
    }
    uv_write_t *request = xcalloc(1, sizeof *request);
    uv_buf_t bytes = uv_buf_init(room->base, (unsigned)n);
    request->data = room->base;
    if (uv_write(request, (uv_stream_t *)&end->other->tcp, &bytes, 1, on_relay_written))
        on_relay_written(request, 0);
}

/* Without it each small message would wait for a delayed acknowledgement. */
static void no_delay(struct relay_end *end)
{
    (void)uv_tcp_nodelay(&end->tcp, 1);
}

static void pair_set_reading(struct store_relay_pair *pair, bool reading)
{
    for (int i = 0; i < 2 && pair->connected; i++) {
        uv_stream_t *stream = (uv_stream_t *)&pair->ends[i].tcp;
        if (pair->ends[i].open && reading)
            (void)uv_read_start(stream, on_relay_room, on_relay_read);
        else if (pair->ends[i].open)
            (void)uv_read_stop(stream);
    }
}

static void on_relay_connect(uv_connect_t *request, int status)
{
    struct store_relay_pair *pair = request->data;
    if (status < 0) {
        pair_close(pair, true);
        return;
    }
    pair->connected = true;
    no_delay(&pair->ends[0]);
    no_delay(&pair->ends[1]);
    pair_set_reading(pair, !pair->relay->stalled);
}

static struct sockaddr_storage loopback(uint16_t port)
{
    struct sockaddr_storage address = {0};
    (void)uv_ip4_addr("127.0.0.1", port, (struct sockaddr_in *)&address);
    return address;
}

static void end_init(struct store_relay_pair *pair, int i)
{
    struct relay_end *end = &pair->ends[i];
    end->pair = pair;
    end->other = &pair->ends[1 - i];
    end->open = true;
    pair->handles++;
    (void)uv_tcp_init(&pair->relay->cluster->loop, &end->tcp);
}

static void pair_dial(struct store_relay_pair *pair)
{
    const struct store_relay *relay = pair->relay;
    struct sockaddr_storage address = loopback(relay->cluster->ports[relay->to]);
    pair->dialled = true;
    end_init(pair, 1);
    pair->connect.data = pair;
    if (uv_tcp_connect(&pair->connect, &pair->ends[1].tcp,
                       (const struct sockaddr *)&address, on_relay_connect))
        pair_close(pair, true);
}

static void on_relay_connection(uv_stream_t *listener, int status)
{
    struct store_relay *relay = listener->data;
    cr_assert_eq(status, 0);
    struct store_relay_pair *pair = xcalloc(1, sizeof *pair);
    pair->relay = relay;
    LIST_INSERT_HEAD(&relay->pairs, pair, entry);
    end_init(pair, 0);
    cr_assert_eq(uv_accept(listener, (uv_stream_t *)&pair->ends[0].tcp), 0);
    if (!relay->stalled)
        pair_dial(pair);
}

static void relay_open(struct store_cluster *cluster, size_t from, size_t to)
{
    struct store_relay *relay = &cluster->relays[from][to];
    struct sockaddr_storage address = loopback(0);
    struct sockaddr_in bound;
    int len = sizeof bound;
    relay->cluster = cluster;
    relay->to = to;
    LIST_INIT(&relay->pairs);
    (void)uv_tcp_init(&cluster->loop, &relay->listener);
    relay->listener.data = relay;
    cr_assert_eq(uv_tcp_bind(&relay->listener, (const struct sockaddr *)&address, 0),
                 0);
    cr_assert_eq(uv_listen((uv_stream_t *)&relay->listener, 64, on_relay_connection),
                 0);
    (void)uv_tcp_getsockname(&relay->listener, (struct sockaddr *)&bound, &len);
    relay->port = ntohs(bound.sin_port);
}

static void relay_close(struct store_relay *relay)
{
    struct store_relay_pair *pair;
    LIST_FOREACH(pair, &relay->pairs, entry)
    {
        pair_close(pair, true);
    }
    uv_close((uv_handle_t *)&relay->listener, NULL);
}

static void relay_set_stalled(struct store_relay *relay, bool stalled)
{
    struct store_relay_pair *pair;
    relay->stalled = stalled;
    LIST_FOREACH(pair, &relay->pairs, entry)
    {
        if (!stalled && !pair->dialled)
            pair_dial(pair);
        else
            pair_set_reading(pair, !stalled);
    }
}

struct store_session {
    struct store_cluster *cluster;
    int fd;
    bool closed;
    struct store_buffer in, answer;
};

struct store_session *store_session_open(struct store_cluster *cluster, size_t node)
{
    struct sockaddr_storage address = loopback(cluster->ports[node]);
    struct store_session *session = xcalloc(1, sizeof *session);
    session->cluster = cluster;
    session->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(connect(session->fd, (const struct sockaddr *)&address,
                         sizeof(struct sockaddr_in)),
                 0, "n%zu does not listen", node + 1);
    int on = 1;
    (void)setsockopt(session->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return session;
}

void store_session_close(struct store_session *session)
{
    if (!session)
        return;
    close(session->fd);
    store_buffer_free(&session->in);
    store_buffer_free(&session->answer);
    free(session);
}

void store_session_send(struct store_session *session, const char *bytes, size_t n)
{
    uint64_t deadline_ns = now_ns() + patience_ns;
    while (n > 0) {
        ssize_t sent = send(session->fd, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL);
        cr_assert(now_ns() < deadline_ns, "sending takes too long");
        if (sent < 0 && errno == EAGAIN) {
            store_cluster_turn(session->cluster);
            continue;
        }
        if (sent < 0)
            return; /* closed: hearing will tell */
        bytes += sent;
        n -= (size_t)sent;
    }
}

void store_session_tell(struct store_session *session, const char *line)
{
    store_session_send(session, line, strlen(line));
    store_session_send(session, "\r\n", 2);
}

/* Writes the reply at *at to answer; false when it is not whole yet. */
static bool read_reply(struct store_session *session, size_t *at)
{
    const char *start = session->in.data + *at;
    const char *end =
        session->in.len > *at ? memchr(start, '\n', session->in.len - *at) : NULL;
    if (!end)
        return false;
    int line = (int)(end - start - 1);
    *at += (size_t)line + 2;
    long n = strtol(start + 1, NULL, 10);
    if (start[0] == '$' && n >= 0) {
        if (session->in.len - *at < (size_t)n + 2)
            return false;
        store_buffer_format(&session->answer, "$%.*s", (int)n, session->in.data + *at);
        *at += (size_t)n + 2;
    } else if (start[0] == '*') {
        store_buffer_append(&session->answer, "[", 1);
        for (long i = 0; i < n; i++) {
            if (i > 0)
                store_buffer_append(&session->answer, ",", 1);
            if (!read_reply(session, at))
                return false;
        }
        store_buffer_append(&session->answer, "]", 1);
    } else {
        store_buffer_format(&session->answer, "%.*s", line, start);
    }
    return true;
}

static void receive(struct store_session *session)
{
    char *room = store_buffer_reserve(&session->in, 64 * 1024);
    ssize_t n = recv(session->fd, room, 64 * 1024, MSG_DONTWAIT);
    if (n > 0)
        session->in.len += (size_t)n;
    else if (n == 0 || errno != EAGAIN)
        session->closed = true;
}

static bool take_answer(struct store_session *session)
{
    size_t at = 0;
    receive(session);
    session->answer.len = 0;
    bool whole = read_reply(session, &at);
    if (!whole && session->closed)
        store_buffer_format(&session->answer, "closed");
    else if (!whole)
        return false;
    else
        store_buffer_consume(&session->in, at);
    store_buffer_append(&session->answer, "", 1);
    return true;
}

const char *store_session_hear(struct store_session *session)
{
    uint64_t deadline_ns = now_ns() + patience_ns;
    while (!take_answer(session)) {
        cr_assert(now_ns() < deadline_ns, "no answer in time");
        store_cluster_turn(session->cluster);
    }
    return session->answer.data;
}

bool store_session_has_answer(struct store_session *session)
{
    size_t at = 0;
    receive(session);
    session->answer.len = 0;
    return session->closed || read_reply(session, &at);
}

const char *store_ask(struct store_cluster *cluster, size_t node, const char *line)
{
    if (!cluster->sessions[node])
        cluster->sessions[node] = store_session_open(cluster, node);
    store_session_tell(cluster->sessions[node], line);
    return store_session_hear(cluster->sessions[node]);
}

void store_await(struct store_cluster *cluster, size_t node, const char *line,
                 const char *answer)
{
    uint64_t deadline_ns = now_ns() + patience_ns;
    for (;;) {
        const char *got = store_ask(cluster, node, line);
        if (strncmp(got, answer, strlen(answer)) == 0)
            return;
        cr_assert(now_ns() < deadline_ns, "n%zu: %s: still %.200s, not %s", node + 1,
                  line, got, answer);
        store_cluster_turn(cluster);
    }
}

uint64_t store_info(struct store_cluster *cluster, size_t node, const char *key)
{
    char word[64];
    (void)snprintf(word, sizeof word, "\n%s:", key);
    const char *at = strstr(store_ask(cluster, node, "INFO"), word);
    cr_assert(at, "INFO has no %s", key);
    return strtoull(at + strlen(word), NULL, 10);
}

void store_await_info(struct store_cluster *cluster, size_t node, const char *key,
                      uint64_t value)
{
    char line[96];
    (void)snprintf(line, sizeof line, "%s:%llu", key, (unsigned long long)value);
    store_await_line(cluster, node, line);
}

void store_await_line(struct store_cluster *cluster, size_t node, const char *line)
{
    char word[96];
    uint64_t deadline_ns = now_ns() + patience_ns;
    (void)snprintf(word, sizeof word, "\n%s\r", line);
    while (!strstr(store_ask(cluster, node, "INFO"), word)) {
        cr_assert(now_ns() < deadline_ns, "n%zu never says %s, but %s", node + 1, line,
                  store_ask(cluster, node, "INFO"));
        store_cluster_turn(cluster);
    }
}

void store_cluster_turn(struct store_cluster *cluster)
{
    (void)uv_run(&cluster->loop, UV_RUN_ONCE); /* the pulse ends it */
}

void store_cluster_run_ms(struct store_cluster *cluster, uint64_t ms)
{
    uint64_t end_ns = now_ns() + ms * NS_PER_MS;
    while (now_ns() < end_ns)
        store_cluster_turn(cluster);
}

const char *store_cluster_dir(struct store_cluster *cluster, size_t node)
{
    static char path[TEMPDIR_PATH_MAX + 8];
    (void)snprintf(path, sizeof path, "%s/n%zu", cluster->dir, node + 1);
    return path;
}

void store_cluster_start(struct store_cluster *cluster, size_t node)
{
    static const char *const names[] = {"n1", "n2", "n3", "n4", "n5"};
    struct store_peer_config peers[STORE_CLUSTER_MAX];
    struct store_config config = cluster->config;
    struct errmsg err = {""};
    config.name = names[node];
    config.dir = store_cluster_dir(cluster, node);
    config.listen = loopback(cluster->ports[node]);
    config.peers = peers;
    config.primary = node == 0;
    for (size_t to = 0; to < cluster->n; to++)
        if (to != node)
            peers[config.n_peers++] = (struct store_peer_config){
                names[to], loopback(cluster->relays[node][to].port)};
    int e = store_node_open(&cluster->nodes[node], &cluster->loop, &config, &err);
    cr_assert_eq(e, 0, "starting n%zu: %s", node + 1, err.text);
}

void store_cluster_kill(struct store_cluster *cluster, size_t node)
{
    store_node_close(cluster->nodes[node]);
    cluster->nodes[node] = NULL;
    store_session_close(cluster->sessions[node]);
    cluster->sessions[node] = NULL;
    for (int i = 0; i < 3; i++)
        (void)uv_run(&cluster->loop, UV_RUN_NOWAIT); /* closing takes a turn */
}

static void reserve_port(struct store_cluster *cluster, size_t node)
{
    struct sockaddr_in address;
    socklen_t len = sizeof address;
    struct sockaddr_storage any = loopback(0);
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_geq(fd, 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    cr_assert_eq(bind(fd, (struct sockaddr *)&any, sizeof address), 0);
    (void)getsockname(fd, (struct sockaddr *)&address, &len);
    cluster->reserved[node] = fd;
    cluster->ports[node] = ntohs(address.sin_port);
}

static void on_pulse(uv_timer_t *timer)
{
    (void)timer; /* that it came is all */
}

void store_cluster_open(struct store_cluster *cluster, size_t n, const char *mode,
                        const char *defect)
{
    struct errmsg err = {""};
    *cluster = (struct store_cluster){.n = n};
    (void)signal(SIGPIPE, SIG_IGN);
    log_set_level(LOG_ERROR); /* terms change here all the time */
    (void)uv_loop_init(&cluster->loop);
    (void)uv_timer_init(&cluster->loop, &cluster->pulse);
    (void)uv_timer_start(&cluster->pulse, on_pulse, 20, 20);
    cr_assert_eq(tempdir_make("store-test", cluster->dir, &err), 0, "%s", err.text);
    store_config_init(&cluster->config);
    cluster->config.mode = store_mode_find(mode);
    cluster->config.fsync_every_ns = UINT64_MAX; /* a disk may be slow */
    cluster->config.heartbeat_ns = 25 * NS_PER_MS;
    cluster->config.peer_timeout_ns = 500 * NS_PER_MS;
    cluster->config.promote_timeout_ns = NS_PER_S;
    if (defect)
        cr_assert_eq(store_defect_add(&cluster->config.defects, defect), 0);
    for (size_t i = 0; i < n; i++) {
        reserve_port(cluster, i);
        cr_assert_eq(mkdir(store_cluster_dir(cluster, i), 0700), 0);
        for (size_t k = 0; k < n; k++)
            if (k != i)
                relay_open(cluster, i, k);
    }
    for (size_t i = n; i-- > 0;)
        store_cluster_start(cluster, i);
    store_await_info(cluster, 0, "connected_slaves", n - 1);
    for (size_t i = 0; i < n; i++)
        store_await_info(cluster, i, "applied_index", 1);
}

void store_cluster_close(struct store_cluster *cluster)
{
    for (size_t i = 0; i < cluster->n; i++) {
        store_node_close(cluster->nodes[i]);
        store_session_close(cluster->sessions[i]);
        close(cluster->reserved[i]);
        for (size_t k = 0; k < cluster->n; k++)
            if (k != i)
                relay_close(&cluster->relays[i][k]);
    }
    uv_close((uv_handle_t *)&cluster->pulse, NULL);
    (void)uv_run(&cluster->loop, UV_RUN_DEFAULT);
    cr_assert_eq(uv_loop_close(&cluster->loop), 0, "handles are left on the loop");
    cr_assert_eq(tempdir_remove(cluster->dir), 0);
}

static void set_stalled(struct store_cluster *cluster, size_t node, bool stalled)
{
    for (size_t i = 0; i < cluster->n; i++) {
        if (i == node)
            continue;
        relay_set_stalled(&cluster->relays[node][i], stalled);
        relay_set_stalled(&cluster->relays[i][node], stalled);
    }
}

void store_cluster_isolate(struct store_cluster *cluster, size_t node)
{
    set_stalled(cluster, node, true);
}

void store_cluster_heal(struct store_cluster *cluster)
{
    for (size_t i = 0; i < cluster->n; i++)
        set_stalled(cluster, i, false);
}

void store_cluster_reset(struct store_cluster *cluster, size_t node)
{
    struct store_relay_pair *pair;
    for (size_t i = 0; i < cluster->n; i++) {
        if (i == node)
            continue;
        LIST_FOREACH(pair, &cluster->relays[node][i].pairs, entry)
        {
            pair_close(pair, true);
        }
        LIST_FOREACH(pair, &cluster->relays[i][node].pairs, entry)
        {
            pair_close(pair, true);
        }
    }
}
