/* SPDX-License-Identifier: MIT */
/* What a node does when another one opens a connection to it and speaks: the acceptor's
 * side of the table in inside.h.
 *
 * Logs match like Raft's (section 5.3): if two logs hold a record of the same index and
 * term, they are the same up to there. A message names the record before its own; if we
 * do not have that one, we name an earlier place to try from; if we have it, records of
 * ours that differ from those that follow are discarded. Acknowledged is what is in our
 * file, and as durable as --fsync says, at the end of the step.
 *
 * Messages may be old: a path that was stalled delivers what it held. An old term is
 * refused, and within a term records never differ, so taking one again changes nothing.
 */
#include "scenarios/store/inside.h"
#include "proxy/base/log.h"

#include <string.h>

enum { FETCH_CHUNK_BYTES = 256 * 1024 };

static int peer_rank(const struct store_node *node, struct store_slice name)
{
    for (size_t rank = 0; rank < node->n; rank++)
        if (rank != node->self && store_slice_is(name, node->peers[rank].name))
            return (int)rank;
    return -1;
}

static void answer_state(struct store_client *client)
{
    const struct store_node *node = client->node;
    struct store_buffer *out = &client->channel.out;
    store_resp_array(out, 4);
    store_resp_text(out, "REPLSTATE");
    store_resp_number(out, node->meta.term);
    store_resp_number(out, store_wal_last_index(&node->wal));
    store_resp_number(out, store_wal_last_term(&node->wal));
}

/* An index, at most prev_index - 1, up to which the logs may match: before all our
 * records of the term that did not match, or our end. */
static uint64_t earlier(const struct store_node *node, uint64_t prev_index)
{
    const struct store_wal *wal = &node->wal;
    if (prev_index > store_wal_last_index(wal))
        return store_wal_last_index(wal);
    uint64_t term = store_wal_term_at(wal, prev_index);
    while (prev_index > 0 && store_wal_term_at(wal, prev_index) == term)
        prev_index--;
    return prev_index;
}

static void answer_mismatch(struct store_client *client, uint64_t prev_index)
{
    const struct store_node *node = client->node;
    struct store_buffer *out = &client->channel.out;
    store_resp_array(out, 3);
    store_resp_text(out, "REPLNACK");
    store_resp_number(out, node->meta.term);
    store_resp_number(out, earlier(node, prev_index));
}

static bool has_record(const struct store_node *node, uint64_t index, uint64_t term)
{
    return index <= store_wal_last_index(&node->wal) &&
           store_wal_term_at(&node->wal, index) == term;
}

static enum store_verdict refuse(struct store_client *client, const char *why)
{
    log_line(LOG_WARN, "node=%s refuses a connection between nodes: %s",
             client->node->config.name, why);
    store_resp_error(&client->channel.out, "ERR %s", why);
    return STORE_CLOSE;
}

enum store_verdict store_follower_hello(struct store_client *client,
                                        const struct store_command *command)
{
    struct store_node *node = client->node;
    uint64_t term;
    int rank = peer_rank(node, command->args[1]);
    if (rank < 0)
        return refuse(client, "REPLHELLO from a node that is no --peer");
    if (!store_slice_is(command->args[2], node->config.mode->name))
        return refuse(client, "REPLHELLO from a node in another mode");
    if (!store_slice_number(command->args[3], &term))
        return refuse(client, "REPLHELLO without a term");
    for (struct store_client *other = LIST_FIRST(&node->clients); other;
         other = LIST_NEXT(other, entry)) {
        if (other != client && other->peer == rank)
            store_channel_close(&other->channel, false);
    }
    client->peer = rank;
    client->channel.max_command_bytes = STORE_RECORD_MAX_BYTES + STORE_CHUNK_BYTES;
    store_role_hear(node, term);
    if (!store_node_flush(node))
        return STORE_CLOSE;
    answer_state(client);
    return STORE_NEXT;
}

struct append {
    uint64_t term, prev_index, prev_term, committed;
    struct store_slice records;
};

static bool parse_append(const struct store_command *command, struct append *append)
{
    append->records = command->args[5];
    return store_slice_number(command->args[1], &append->term) &&
           store_slice_number(command->args[2], &append->prev_index) &&
           store_slice_number(command->args[3], &append->prev_term) &&
           store_slice_number(command->args[4], &append->committed);
}

static enum store_verdict take(struct store_client *client, const struct append *append)
{
    struct store_node *node = client->node;
    uint64_t index = append->prev_index;
    bool is_new_feeder = node->feeder != client;
    node->feeder = client;
    if (!has_record(node, append->prev_index, append->prev_term)) {
        answer_mismatch(client, append->prev_index);
        return STORE_NEXT;
    }
    if (store_apply_records(node, append->records, &index) != 0)
        return node->closing ? STORE_CLOSE : refuse(client, "records that are damaged");
    if (index > node->verified)
        node->verified = index;
    if (append->committed > node->heard_committed)
        node->heard_committed = append->committed;
    client->owes_ack = true;
    if (is_new_feeder && store_node_has(node, STORE_DEFECT_APPLY_TWICE))
        store_apply_last_again(node);
    return STORE_NEXT;
}

enum store_verdict store_follower_append(struct store_client *client,
                                         const struct store_command *command)
{
    struct store_node *node = client->node;
    struct append append;
    if (client->peer < 0 || !parse_append(command, &append))
        return refuse(client, "REPLAPPEND that makes no sense");
    store_role_hear(node, append.term);
    if (node->closing)
        return STORE_CLOSE;
    if (append.term < node->meta.term) {
        answer_state(client);
        return STORE_NEXT;
    }
    if (node->role == STORE_PRIMARY || append.term > node->meta.term)
        return refuse(client, "REPLAPPEND to a primary");
    return take(client, &append);
}

enum store_verdict store_follower_promise(struct store_client *client,
                                          const struct store_command *command)
{
    struct store_node *node = client->node;
    uint64_t term;
    if (client->peer < 0 || !store_slice_number(command->args[1], &term))
        return refuse(client, "REPLPROMISE that makes no sense");
    store_role_hear(node, term);
    if (node->meta.term < term)
        return refuse(client, "REPLPROMISE to a primary that obeys nobody");
    if (!store_node_flush(node))
        return STORE_CLOSE;
    answer_state(client);
    return STORE_NEXT;
}

enum store_verdict store_follower_fetch(struct store_client *client,
                                        const struct store_command *command)
{
    struct store_node *node = client->node;
    struct store_buffer *out = &client->channel.out;
    uint64_t index, term, last = store_wal_last_index(&node->wal);
    if (client->peer < 0 || !store_slice_number(command->args[1], &index) ||
        !store_slice_number(command->args[2], &term))
        return refuse(client, "REPLFETCH that makes no sense");
    if (!has_record(node, index, term)) {
        answer_mismatch(client, index);
        return STORE_NEXT;
    }
    if (!store_node_flush(node))
        return STORE_CLOSE;
    node->scratch.len = 0;
    if (index < last) {
        int e = store_wal_read(&node->wal, index + 1, &last, FETCH_CHUNK_BYTES,
                               &node->scratch);
        if (e) {
            store_node_fail(node, e, "reading the log");
            return STORE_CLOSE;
        }
    }
    store_resp_array(out, 3);
    store_resp_text(out, "REPLRECORDS");
    store_resp_number(out, index);
    store_resp_bulk(out, node->scratch.data, node->scratch.len);
    return STORE_NEXT;
}

void store_follower_acknowledge(struct store_node *node)
{
    struct store_client *feeder = node->feeder;
    if (!feeder || !feeder->owes_ack)
        return;
    feeder->owes_ack = false;
    struct store_buffer *out = &feeder->channel.out;
    store_resp_array(out, 3);
    store_resp_text(out, "REPLACK");
    store_resp_number(out, node->meta.term);
    store_resp_number(out, node->verified);
    store_channel_flush(&feeder->channel);
}
