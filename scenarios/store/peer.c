/* SPDX-License-Identifier: MIT */
/* The connection that a primary, or a node being promoted, opens to each other node.
 *
 * Happy path: connect, REPLHELLO, REPLSTATE; then a first REPLAPPEND finds where the
 * logs agree (probing, one message at a time, stepping back at each REPLNACK), and from
 * there records stream without waiting for acknowledgements.
 *
 * Back-pressure: at most QUEUE_MAX_BYTES wait in our memory for one peer. A peer that
 * is cut off costs no more than that: what it misses is read from the log when it is
 * back.
 *
 * Failures: a connection that fails, or is silent for peer_timeout_ns, is reset and
 * opened again after a wait that doubles from 50 ms to 1 s. Silence is what a stalled
 * path looks like: connect() may even succeed there, so the wait only returns to 50 ms
 * with an acknowledgement. Nothing is lost by giving up a connection, whatever it still
 * carries: follower.c takes records twice without harm. */
#include "scenarios/store/inside.h"
#include "proxy/base/log.h"
#include "proxy/base/memory.h"
#include "proxy/base/now.h"

#include <stdlib.h>

enum { QUEUE_MAX_BYTES = 256 * 1024 };

static const uint64_t first_backoff_ns = 50 * NS_PER_MS;
static const uint64_t last_backoff_ns = NS_PER_S;

struct store_wire {
    struct store_channel channel; /* first: the events' pointers are cast */
    uv_connect_t connect;
    struct store_node *node; /* borrowed */
    struct store_peer *peer; /* borrowed; NULL when the peer has given it up */
};

static void give_up_wire(struct store_peer *peer)
{
    struct store_wire *wire = peer->wire;
    peer->wire = NULL;
    peer->state = STORE_PEER_IDLE;
    if (!wire)
        return;
    wire->peer = NULL;
    store_channel_close(&wire->channel, true);
}

/* Ends the connection, and tries again later. */
static void drop(struct store_peer *peer, const char *why)
{
    enum log_level level = peer->state == STORE_PEER_READY ? LOG_WARN : LOG_DEBUG;
    log_line(level, "node=%s peer=%s connection ends: %s", peer->node->config.name,
             peer->name, why);
    give_up_wire(peer);
    peer->retry_at_ns = now_ns() + peer->backoff_ns;
    peer->backoff_ns *= 2;
    if (peer->backoff_ns > last_backoff_ns)
        peer->backoff_ns = last_backoff_ns;
}

void store_peer_stop(struct store_peer *peer)
{
    give_up_wire(peer);
    peer->acked_index = 0;
}

static void begin_message(struct store_peer *peer, size_t words, const char *name)
{
    struct store_buffer *out = &peer->wire->channel.out;
    store_resp_array(out, words);
    store_resp_text(out, name);
}

static void on_connect(uv_connect_t *request, int status)
{
    struct store_wire *wire = request->data;
    struct store_peer *peer = wire->peer;
    if (!peer)
        return;
    if (status < 0) {
        drop(peer, uv_strerror(status));
        return;
    }
    const struct store_node *node = wire->node;
    begin_message(peer, 4, "REPLHELLO");
    store_resp_text(&wire->channel.out, node->config.name);
    store_resp_text(&wire->channel.out, node->config.mode->name);
    store_resp_number(&wire->channel.out, node->meta.term);
    store_channel_start(&wire->channel);
}

static const struct store_channel_events wire_events;

static void connect_now(struct store_peer *peer)
{
    struct store_node *node = peer->node;
    struct store_wire *wire = xcalloc(1, sizeof *wire);
    store_channel_init(&wire->channel, node->loop, &wire_events,
                       STORE_RECORD_MAX_BYTES + STORE_CHUNK_BYTES);
    node->handles++;
    wire->node = node;
    wire->peer = peer;
    wire->connect.data = wire;
    peer->wire = wire;
    peer->state = STORE_PEER_CONNECTING;
    peer->heard_at_ns = now_ns();
    int e = uv_tcp_connect(&wire->connect, &wire->channel.tcp,
                           (const struct sockaddr *)&peer->address, on_connect);
    if (e)
        drop(peer, uv_strerror(e));
}

void store_peer_start(struct store_peer *peer)
{
    if (peer->state != STORE_PEER_IDLE)
        return;
    peer->backoff_ns = first_backoff_ns;
    connect_now(peer);
}

/* The peer is there and we are primary: finds out where its log and ours agree. */
static void begin_stream(struct store_peer *peer)
{
    uint64_t last = store_wal_last_index(&peer->node->wal);
    peer->next_index =
        (peer->said_last_index < last ? peer->said_last_index : last) + 1;
    peer->acked_index = 0;
    peer->announced = 0;
    peer->sent_at_ns = 0;
    peer->probing = true;
    peer->probe_sent = false;
}

void store_peer_lead(struct store_peer *peer)
{
    if (peer->state == STORE_PEER_READY)
        begin_stream(peer);
    else
        store_peer_start(peer);
}

void store_peer_tick(struct store_peer *peer)
{
    const struct store_node *node = peer->node;
    if (node->role == STORE_REPLICA)
        return;
    if (peer->state == STORE_PEER_IDLE) {
        if (now_ns() >= peer->retry_at_ns)
            connect_now(peer);
    } else if (now_ns() - peer->heard_at_ns > node->config.peer_timeout_ns) {
        drop(peer, "it is silent");
    }
}

/* Sends the records from next_index on, as many as fit in one message; maybe none. */
static bool send_append(struct store_peer *peer)
{
    struct store_node *node = peer->node;
    struct store_buffer *out = &peer->wire->channel.out;
    uint64_t prev_index = peer->next_index - 1;
    uint64_t last = store_wal_last_index(&node->wal);
    node->scratch.len = 0;
    if (peer->next_index <= last) {
        int e = store_wal_read(&node->wal, peer->next_index, &last, STORE_CHUNK_BYTES,
                               &node->scratch);
        if (e) {
            store_node_fail(node, e, "reading the log");
            return false;
        }
        peer->next_index = last + 1;
    }
    begin_message(peer, 6, "REPLAPPEND");
    store_resp_number(out, node->meta.term);
    store_resp_number(out, prev_index);
    store_resp_number(out, store_wal_term_at(&node->wal, prev_index));
    store_resp_number(out, node->committed);
    store_resp_bulk(out, node->scratch.data, node->scratch.len);
    peer->announced = node->committed;
    peer->sent_at_ns = now_ns();
    peer->probe_sent = peer->probing;
    return true;
}

static bool may_send(const struct store_peer *peer)
{
    return !peer->probe_sent &&
           store_channel_queued(&peer->wire->channel) < QUEUE_MAX_BYTES;
}

void store_peer_pump(struct store_peer *peer)
{
    const struct store_node *node = peer->node;
    if (node->role != STORE_PRIMARY || peer->state != STORE_PEER_READY)
        return;
    while (may_send(peer) && peer->next_index <= store_wal_last_index(&node->wal))
        if (!send_append(peer))
            return;
    bool has_news =
        node->config.mode->shows_committed_only && peer->announced < node->committed;
    bool is_due = now_ns() - peer->sent_at_ns >= node->config.heartbeat_ns;
    if (may_send(peer) && (has_news || is_due) && !send_append(peer))
        return;
    store_channel_flush(&peer->wire->channel);
}

void store_peer_send_promise(struct store_peer *peer, uint64_t term)
{
    begin_message(peer, 2, "REPLPROMISE");
    store_resp_number(&peer->wire->channel.out, term);
    store_channel_flush(&peer->wire->channel);
}

void store_peer_send_fetch(struct store_peer *peer, uint64_t index)
{
    begin_message(peer, 3, "REPLFETCH");
    store_resp_number(&peer->wire->channel.out, index);
    store_resp_number(&peer->wire->channel.out,
                      store_wal_term_at(&peer->node->wal, index));
    store_channel_flush(&peer->wire->channel);
}

static bool take_state(struct store_peer *peer, const struct store_command *command)
{
    struct store_node *node = peer->node;
    if (command->n != 4 || !store_slice_number(command->args[1], &peer->said_term) ||
        !store_slice_number(command->args[2], &peer->said_last_index) ||
        !store_slice_number(command->args[3], &peer->said_last_term))
        return false;
    store_role_hear(node, peer->said_term);
    if (!peer->wire)
        return true; /* we stepped down */
    if (peer->said_term > node->meta.term)
        return false; /* it will never follow us */
    if (peer->state == STORE_PEER_CONNECTING) {
        log_line(LOG_INFO, "node=%s peer=%s is there, its log ends at %llu",
                 node->config.name, peer->name,
                 (unsigned long long)peer->said_last_index);
        peer->state = STORE_PEER_READY;
        if (node->role == STORE_PRIMARY)
            begin_stream(peer);
    }
    return true;
}

static bool take_ack(struct store_peer *peer, const struct store_command *command)
{
    const struct store_node *node = peer->node;
    uint64_t term, index;
    if (command->n != 3 || !store_slice_number(command->args[1], &term) ||
        !store_slice_number(command->args[2], &index) ||
        index > store_wal_last_index(&node->wal))
        return false;
    if (node->role != STORE_PRIMARY || term != node->meta.term)
        return true; /* of before we were primary */
    peer->probing = peer->probe_sent = false;
    peer->backoff_ns = first_backoff_ns;
    if (index > peer->acked_index)
        peer->acked_index = index;
    return true;
}

static bool take_nack(struct store_peer *peer, const struct store_command *command)
{
    const struct store_node *node = peer->node;
    uint64_t term, index;
    if (command->n != 3 || !store_slice_number(command->args[1], &term) ||
        !store_slice_number(command->args[2], &index) ||
        index > store_wal_last_index(&node->wal))
        return false;
    if (node->role == STORE_CANDIDATE) {
        store_promote_on_mismatch(peer, index);
    } else if (node->role == STORE_PRIMARY && term == node->meta.term) {
        peer->next_index = index + 1;
        peer->probing = true;
        peer->probe_sent = false;
    }
    return true;
}

static bool take_records(struct store_peer *peer, const struct store_command *command)
{
    uint64_t index;
    if (command->n != 3 || !store_slice_number(command->args[1], &index))
        return false;
    store_promote_on_records(peer, index, command->args[2]);
    return true;
}

static enum store_verdict on_command(struct store_channel *channel,
                                     const struct store_command *command)
{
    static const struct {
        const char *name;
        bool (*take)(struct store_peer *peer, const struct store_command *command);
    } rows[] = {{"REPLSTATE", take_state},
                {"REPLACK", take_ack},
                {"REPLNACK", take_nack},
                {"REPLRECORDS", take_records}};
    struct store_peer *peer = ((struct store_wire *)channel)->peer;
    if (!peer)
        return STORE_CLOSE;
    peer->heard_at_ns = now_ns();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (store_slice_is(command->args[0], rows[i].name) &&
            rows[i].take(peer, command))
            return STORE_NEXT;
    drop(peer, "it refuses us, or makes no sense");
    return STORE_CLOSE;
}

static enum store_verdict on_garbage(struct store_channel *channel, const char *why)
{
    struct store_peer *peer = ((struct store_wire *)channel)->peer;
    if (peer)
        drop(peer, why);
    return STORE_CLOSE;
}

static void on_end(struct store_channel *channel)
{
    struct store_peer *peer = ((struct store_wire *)channel)->peer;
    if (peer)
        drop(peer, "it closed");
}

static void on_failed(struct store_channel *channel, int error)
{
    struct store_peer *peer = ((struct store_wire *)channel)->peer;
    if (peer)
        drop(peer, uv_strerror(error));
}

static void on_closed(struct store_channel *channel)
{
    struct store_wire *wire = (struct store_wire *)channel;
    struct store_node *node = wire->node;
    free(wire);
    store_node_forget_handle(node);
}

static const struct store_channel_events wire_events = {on_command, on_garbage, on_end,
                                                        on_failed, on_closed};
