/* SPDX-License-Identifier: MIT */
/* PROMOTE. In async and semisync, and with FORCE, the node takes a term above all it
 * knows and leads with the log it has. In quorum and sync it makes sure first that it
 * leads with everything that was acknowledged:
 *
 *   asking     connects to all others. Nothing changes anywhere yet, so a promotion
 *              that can not succeed leaves a working primary alone.
 *   promising  takes a new term and has a majority promise it. From then on no older
 *              primary can commit: its records would need one of these nodes.
 *   fetching   takes over the longest log of that majority, by (term, index) of its
 *              end. Every acknowledged write is in it (Raft 5.4.1): acknowledged means
 *              in a majority, or on all members, and members are a majority.
 *
 * Once there is a majority the others get GRACE_NS to answer too; nodes named in
 * WITHOUT are not waited for. Fails with -NOQUORUM at the deadline and with -STALETERM
 * when somebody else takes a higher term. */
#include "scenarios/store/inside.h"
#include "scenarios/store/term.h"
#include "proxy/base/log.h"
#include "proxy/base/now.h"

#include <assert.h>
#include <string.h>

static const uint64_t grace_ns = 300 * NS_PER_MS;

static void answer_clients(struct store_node *node, const char *error)
{
    for (struct store_client *client = LIST_FIRST(&node->clients); client;
         client = LIST_NEXT(client, entry)) {
        if (!client->promoting)
            continue;
        client->promoting = false;
        if (error)
            store_resp_error(&client->channel.out, "%s", error);
        else
            store_resp_simple(&client->channel.out, "OK");
        store_client_touch(client);
    }
}

static void lead(struct store_node *node, uint64_t term)
{
    node->promotion.phase = STORE_PROMOTION_NONE;
    store_role_lead(node, term, node->promotion.without);
    answer_clients(node, NULL);
}

void store_promote_abort(struct store_node *node, const char *error)
{
    log_line(LOG_WARN, "node=%s is not promoted: %s", node->config.name, error);
    node->promotion.phase = STORE_PROMOTION_NONE;
    node->role = STORE_REPLICA;
    for (size_t rank = 0; rank < node->n; rank++)
        if (rank != node->self)
            store_peer_stop(&node->peers[rank]);
    answer_clients(node, error);
}

static void enter(struct store_node *node, enum store_promotion_phase phase)
{
    node->promotion.phase = phase;
    node->promotion.phase_since_ns = now_ns();
}

void store_promote_begin(struct store_node *node, const bool *without, bool force)
{
    struct store_promotion *promotion = &node->promotion;
    if (node->role == STORE_CANDIDATE && !force)
        return; /* its answer is this one's too */
    memcpy(promotion->without, without, sizeof promotion->without);
    bool takeover = node->config.mode->takeover && !force &&
                    !store_node_has(node, STORE_DEFECT_SKIP_TAKEOVER);
    if (!takeover) {
        lead(node, store_term_promote(node->meta.term, node->self, node->n));
        return;
    }
    node->role = STORE_CANDIDATE;
    promotion->deadline_ns = now_ns() + node->config.promote_timeout_ns;
    enter(node, STORE_PROMOTION_ASKING);
    for (size_t rank = 0; rank < node->n; rank++)
        if (rank != node->self)
            store_peer_start(&node->peers[rank]);
}

static bool is_ready(const struct store_peer *peer)
{
    return peer->state == STORE_PEER_READY;
}

static bool has_promised(const struct store_peer *peer)
{
    return is_ready(peer) && peer->said_term == peer->node->promotion.term;
}

/* Whether the phase is over: everyone asked has answered, or a majority and the grace
 * is past. We count as one that answered. */
static bool is_answered(const struct store_node *node,
                        bool (*answered)(const struct store_peer *))
{
    size_t yes = 1, open = 0;
    for (size_t rank = 0; rank < node->n; rank++) {
        if (rank == node->self)
            continue;
        if (answered(&node->peers[rank]))
            yes++;
        else if (!node->promotion.without[rank])
            open++;
    }
    bool is_late = now_ns() - node->promotion.phase_since_ns >= grace_ns;
    return yes > node->n / 2 && (open == 0 || is_late);
}

static void begin_promising(struct store_node *node)
{
    struct store_promotion *promotion = &node->promotion;
    promotion->term = store_term_promote(node->meta.term, node->self, node->n);
    enter(node, STORE_PROMOTION_PROMISING);
    store_role_set_term(node, promotion->term, false);
    for (size_t rank = 0; rank < node->n; rank++)
        if (rank != node->self && is_ready(&node->peers[rank]))
            store_peer_send_promise(&node->peers[rank], promotion->term);
}

/* Leads if our log is the longest of those that promised, else fetches the longest. */
static void choose_log(struct store_node *node)
{
    struct store_promotion *promotion = &node->promotion;
    uint64_t index = store_wal_last_index(&node->wal);
    uint64_t term = store_wal_last_term(&node->wal);
    promotion->source = node->self;
    for (size_t rank = 0; rank < node->n; rank++) {
        const struct store_peer *peer = &node->peers[rank];
        if (rank == node->self || !has_promised(peer) || peer->said_last_term < term ||
            (peer->said_last_term == term && peer->said_last_index <= index))
            continue;
        promotion->source = rank;
        term = peer->said_last_term;
        index = peer->said_last_index;
    }
    if (promotion->source == node->self) {
        lead(node, promotion->term);
        return;
    }
    promotion->source_last_index = index;
    enter(node, STORE_PROMOTION_FETCHING);
    uint64_t ours = store_wal_last_index(&node->wal);
    store_peer_send_fetch(&node->peers[promotion->source], ours < index ? ours : index);
}

void store_promote_step(struct store_node *node)
{
    const struct store_promotion *promotion = &node->promotion;
    switch (promotion->phase) {
    case STORE_PROMOTION_NONE:
        return;
    case STORE_PROMOTION_ASKING:
        if (is_answered(node, is_ready))
            begin_promising(node);
        break;
    case STORE_PROMOTION_PROMISING:
        if (is_answered(node, has_promised))
            choose_log(node);
        break;
    case STORE_PROMOTION_FETCHING:
        if (!is_ready(&node->peers[promotion->source]))
            enter(node, STORE_PROMOTION_PROMISING); /* another may have it too */
        break;
    }
    if (promotion->phase != STORE_PROMOTION_NONE && now_ns() >= promotion->deadline_ns)
        store_promote_abort(node, "NOQUORUM too few nodes answered in time");
}

static bool is_source(const struct store_peer *peer)
{
    const struct store_promotion *promotion = &peer->node->promotion;
    return promotion->phase == STORE_PROMOTION_FETCHING &&
           promotion->source == peer->rank;
}

void store_promote_on_mismatch(struct store_peer *peer, uint64_t index)
{
    if (is_source(peer))
        store_peer_send_fetch(peer, index);
}

void store_promote_on_records(struct store_peer *peer, uint64_t prev_index,
                              struct store_slice records)
{
    struct store_node *node = peer->node;
    uint64_t index = prev_index;
    if (!is_source(peer))
        return;
    if (store_apply_records(node, records, &index) != 0) {
        if (!node->closing)
            store_promote_abort(node, "NOQUORUM the longest log could not be read");
        return;
    }
    if (index < node->promotion.source_last_index) {
        store_peer_send_fetch(peer, index);
        return;
    }
    /* Nothing of ours is behind it: its end has a higher term, or it is the longer. */
    assert(store_wal_last_index(&node->wal) == index);
    lead(node, node->promotion.term);
}
