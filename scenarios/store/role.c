/* SPDX-License-Identifier: MIT */
/* Terms, roles and members.
 *
 *     replica --PROMOTE--> candidate --a majority, its longest log--> primary
 *        |  \------------- async, semisync, FORCE --------------------^  |
 *        ^-------------------- a higher term is heard -------------------'
 *
 * A primary begins its term with a record that names the members. Nothing of earlier
 * terms counts as committed before that record is (Raft, section 5.4.2): a majority
 * that holds an old record may still lose it to a longer log.
 *
 * Members matter to mode sync only. PROMOTE WITHOUT takes nodes out; one that was out
 * and has caught up with the end of the log is made a member again, by another record.
 */
#include "scenarios/store/inside.h"
#include "scenarios/store/term.h"
#include "proxy/base/log.h"
#include "proxy/base/memory.h"

#include <string.h>

/* A node this near to the end of the log has caught up: it is there within a message.
 */
enum { CAUGHT_UP_RECORDS = 100 };

const char *store_role_primary_name(const struct store_node *node)
{
    if (node->meta.term == 0)
        return "?";
    return node->peers[store_term_owner(node->meta.term, node->n)].name;
}

const bool *store_role_members(const struct store_node *node)
{
    return node->members[node->n_members - 1].member;
}

static struct store_members *push_members(struct store_node *node, uint64_t index)
{
    node->members =
        xreallocarray(node->members, node->n_members + 1, sizeof *node->members);
    struct store_members *top = &node->members[node->n_members++];
    *top = (struct store_members){.index = index};
    return top;
}

void store_role_on_record(struct store_node *node, uint64_t index,
                          const struct store_command *command)
{
    if (!store_slice_is(command->args[0], "MEMBERS"))
        return;
    struct store_members *top = push_members(node, index);
    for (size_t i = 1; i < command->n; i++)
        for (size_t rank = 0; rank < node->n; rank++)
            top->member[rank] |=
                store_slice_is(command->args[i], node->peers[rank].name);
}

void store_role_on_truncate(struct store_node *node, uint64_t kept)
{
    while (node->n_members > 1 && node->members[node->n_members - 1].index > kept)
        node->n_members--;
}

static void append_members(struct store_node *node, const bool *member)
{
    struct store_command command = {.n = 1, .args = {{"MEMBERS", 7}}};
    struct store_buffer payload = {0};
    for (size_t rank = 0; rank < node->n; rank++) {
        const char *name = node->peers[rank].name;
        if (member[rank])
            command.args[command.n++] = (struct store_slice){name, strlen(name)};
    }
    store_resp_command(&payload, &command);
    store_wal_append(&node->wal, node->meta.term, payload.data, payload.len);
    store_role_on_record(node, store_wal_last_index(&node->wal), &command);
    store_buffer_free(&payload);
}

void store_role_exclude(struct store_node *node, const bool *without)
{
    bool member[STORE_NODES_MAX] = {false};
    const bool *now = store_role_members(node);
    for (size_t rank = 0; rank < node->n; rank++)
        member[rank] = rank == node->self || (now[rank] && !without[rank]);
    append_members(node, member);
}

void store_role_set_term(struct store_node *node, uint64_t term, bool primary)
{
    if (term != node->meta.term) {
        node->verified = 0;
        node->heard_committed = 0;
    }
    node->meta = (struct store_meta){term, primary};
    int e = store_meta_save(node->config.dir, &node->meta);
    if (e)
        store_node_fail(node, e, "writing meta");
}

static void stop_peers(struct store_node *node)
{
    for (size_t rank = 0; rank < node->n; rank++)
        if (rank != node->self)
            store_peer_stop(&node->peers[rank]);
}

void store_role_hear(struct store_node *node, uint64_t term)
{
    if (term <= node->meta.term)
        return;
    if (node->role == STORE_PRIMARY) {
        if (store_node_has(node, STORE_DEFECT_FORGET_FENCE))
            return;
        log_line(LOG_WARN, "node=%s steps down: term %llu was heard, its own is %llu",
                 node->config.name, (unsigned long long)term,
                 (unsigned long long)node->meta.term);
        node->role = STORE_REPLICA;
        stop_peers(node);
        store_client_fail_pending(
            node, "INDOUBT this node is no longer primary; the write may survive");
    }
    store_role_set_term(node, term, false);
    if (node->role == STORE_CANDIDATE &&
        node->promotion.phase != STORE_PROMOTION_ASKING)
        store_promote_abort(node, "STALETERM another node was promoted meanwhile");
}

void store_role_lead(struct store_node *node, uint64_t term, const bool *without)
{
    uint64_t last = store_wal_last_index(&node->wal);
    node->role = STORE_PRIMARY;
    node->feeder = NULL;
    store_role_set_term(node, term, true);
    if (node->closing)
        return;
    node->loading = node->applied < last;
    node->committed = node->applied;
    node->start_index = last + 1;
    store_role_exclude(node, without);
    log_line(LOG_WARN, "node=%s is primary of term %llu from index %llu",
             node->config.name, (unsigned long long)term,
             (unsigned long long)node->start_index);
    for (size_t rank = 0; rank < node->n; rank++)
        if (rank != node->self)
            store_peer_lead(&node->peers[rank]);
}

/* Makes nodes members again that were out and have caught up. What a node acknowledged
 * before it was taken out says nothing, so it must have acknowledged that record. */
static void readmit(struct store_node *node)
{
    const struct store_members *now = &node->members[node->n_members - 1];
    uint64_t last = store_wal_last_index(&node->wal);
    bool member[STORE_NODES_MAX];
    bool changed = false;
    for (size_t rank = 0; rank < node->n; rank++) {
        const struct store_peer *peer = &node->peers[rank];
        bool back = !now->member[rank] && peer->state == STORE_PEER_READY &&
                    !peer->probing && peer->acked_index >= now->index &&
                    peer->acked_index + CAUGHT_UP_RECORDS >= last;
        member[rank] = now->member[rank] || back;
        changed |= back;
    }
    if (!changed)
        return;
    append_members(node, member);
    log_line(LOG_WARN, "node=%s made a node that caught up a member again",
             node->config.name);
}

void store_role_advance(struct store_node *node)
{
    uint64_t acked[STORE_NODES_MAX];
    if (node->role != STORE_PRIMARY)
        return;
    for (size_t rank = 0; rank < node->n; rank++)
        acked[rank] = node->peers[rank].acked_index;
    acked[node->self] = store_wal_last_index(&node->wal);
    uint64_t committed = acked[node->self];
    if (!store_node_has(node, STORE_DEFECT_ACKNOWLEDGE_EARLY))
        committed = node->config.mode->committed(acked, store_role_members(node),
                                                 node->n, node->self);
    if (committed >= node->start_index && committed > node->committed)
        node->committed = committed;
    readmit(node);
}
