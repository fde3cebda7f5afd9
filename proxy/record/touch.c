/* SPDX-License-Identifier: MIT */
/* A chain reports in sums, so all this costs is a lookup for each report; the counts of
 * a rule are found by its slot, those of a rule on a link by a hash. Names in events
 * are those of the counters, which outlive every plan.
 *
 * Out of memory here means that something is not counted; the bytes go on. */
#include "proxy/record/touch.h"
#include "proxy/base/now.h"
#include "proxy/wire/connection.h"
#include "proxy/instance.h"
#include "proxy/record/journal.h"

#include <stdlib.h>

struct counters_rule *touch_rule(struct proxy *proxy, const struct plan_rule *rule)
{
    struct proxy_rule_note *note = &proxy->notes[rule->slot];
    if (!note->counts)
        note->counts = counters_rule(proxy->config.counters, rule->layer, rule->name);
    return note->counts;
}

static const struct plan_rule *find_rule(const struct plan *plan, uint32_t slot)
{
    for (size_t i = 0; i < plan->n_rules; i++)
        if (plan->rules[i].slot == slot)
            return &plan->rules[i];
    return NULL;
}

static const char *node_name(const struct plan *plan, plan_node_id node)
{
    return node == PLAN_ANY ? "any" : plan->nodes[node - 1].name;
}

struct counters_touch *touch_link(struct proxy *proxy, uint32_t slot, size_t link)
{
    const struct plan *plan = proxy->plan;
    const struct plan_rule *rule = find_rule(plan, slot);
    if (!rule || link >= rule->n_links)
        return NULL;
    struct counters *counters = proxy->config.counters;
    struct counters_rule *counts = touch_rule(proxy, rule);
    struct counters_link *on =
        counters_link(counters, node_name(plan, rule->links[link].from),
                      node_name(plan, rule->links[link].to));
    return counts && on ? counters_touch(counters, counts, on) : NULL;
}

/* The connection's counts of a rule, made at its first touch; NULL: no memory. */
static struct connection_touch *find(struct connection *connection,
                                     struct counters_rule *counts)
{
    size_t n = connection->n_touches; /* O(n), fine: few rules touch one connection */
    for (size_t i = 0; i < n; i++)
        if (connection->touches[i].rule == counts)
            return &connection->touches[i];
    struct connection_touch *touches =
        reallocarray(connection->touches, n + 1, sizeof *touches);
    if (!touches || !counts)
        return NULL;
    touches[n] = (struct connection_touch){.rule = counts};
    connection->touches = touches;
    connection->n_touches = n + 1;
    return &touches[n];
}

/* The rule's counts on the link that carries the direction; NULL: no memory. */
static struct counters_touch *on_link(struct connection *connection,
                                      struct connection_touch *touch,
                                      enum direction direction)
{
    struct counters_link *link = direction == TO_SERVER ? connection->counts.to_server
                                                        : connection->counts.to_client;
    if (!touch->link[direction])
        touch->link[direction] =
            counters_touch(connection->proxy->config.counters, touch->rule, link);
    return touch->link[direction];
}

static void journal_first(struct proxy *proxy, const struct counters_touch *touch)
{
    struct journal_event event = {
        .type = JOURNAL_TOUCHED,
        .rule = touch->rule->name,
        .origin = touch->rule->origin,
        .from = touch->link->from,
        .to = touch->link->to,
    };
    (void)journal_add(proxy->config.journal, &event);
}

static void count_moves(struct connection_touch *own, const struct chain_touch *touch)
{
    uint64_t gone = touch->passed_bytes + touch->discarded_bytes;
    uint64_t before = own->held_bytes;
    own->held_bytes += touch->held_bytes;
    own->held_bytes -= gone < own->held_bytes ? gone : own->held_bytes;
    own->rule->held_bytes_now += own->held_bytes - before; /* wraps back if less */
    own->rule->released_bytes += touch->passed_bytes;
    own->rule->discarded_bytes += touch->discarded_bytes;
}

void touch_stream(struct connection *connection, enum direction direction,
                  const struct plan_rule *rule, const struct chain_touch *touch)
{
    struct connection_touch *own =
        find(connection, touch_rule(connection->proxy, rule));
    struct counters_touch *counts = own ? on_link(connection, own, direction) : NULL;
    if (!counts)
        return;
    uint64_t now = now_ns();
    uint64_t bytes = touch->held_bytes + touch->discarded_bytes + touch->sliced_bytes +
                     touch->changed_bytes;
    bool first = counters_touch_bytes(counts, bytes, now);
    count_moves(own, touch);
    if (touch->first && !own->counted) {
        first |= counters_touch_connection(counts, now);
        own->counted = true;
    }
    if (touch->ended)
        own->rule->connections_reset++;
    if (first)
        journal_first(connection->proxy, counts);
}

void touch_packets(struct connection *connection, enum direction direction,
                   struct counters_rule *rule, uint64_t packets)
{
    struct connection_touch *own = packets > 0 ? find(connection, rule) : NULL;
    struct counters_touch *counts = own ? on_link(connection, own, direction) : NULL;
    if (!counts)
        return;
    uint64_t now = now_ns();
    bool first = counters_touch_packets(counts, packets, now);
    if (!own->counted)
        first |= counters_touch_connection(counts, now);
    own->counted = true;
    if (first)
        journal_first(connection->proxy, counts);
}

void touch_unanswered(struct proxy *proxy, struct counters_touch *counts,
                      uint64_t packets)
{
    if (counters_touch_packets(counts, packets, now_ns()))
        journal_first(proxy, counts);
}

void touch_refused(struct proxy *proxy, struct counters_touch *counts,
                   uint64_t attempts)
{
    bool first = false;
    for (uint64_t i = 0; i < attempts; i++)
        first |= counters_touch_attempt(counts, ATTEMPT_REFUSED, now_ns());
    if (first)
        journal_first(proxy, counts);
}

void touch_shaped(struct proxy *proxy, struct counters_touch *counts, uint64_t bytes,
                  uint64_t packets)
{
    uint64_t now = now_ns();
    bool first = counters_touch_bytes(counts, bytes, now);
    first |= counters_touch_packets(counts, packets, now);
    if (first)
        journal_first(proxy, counts);
}

void touch_attempt(struct connection *connection, const struct plan_rule *rule,
                   enum counters_attempt outcome)
{
    struct connection_touch *own =
        find(connection, touch_rule(connection->proxy, rule));
    struct counters_touch *counts = own ? on_link(connection, own, TO_SERVER) : NULL;
    if (counts && counters_touch_attempt(counts, outcome, now_ns()))
        journal_first(connection->proxy, counts);
}

static bool is_in_force(struct connection *connection, const struct match *match,
                        const struct counters_rule *counts, uint64_t now_ns)
{
    for (int way = TO_SERVER; way <= TO_CLIENT; way++)
        for (size_t i = 0; i < match->link[way].n; i++) {
            const struct plan_rule *rule = match->link[way].rules[i];
            if (touch_rule(connection->proxy, rule) == counts)
                return match_applies(rule, &connection->match, now_ns);
        }
    return false;
}

void touch_update(struct connection *connection, const struct match *match,
                  uint64_t now_ns)
{
    for (size_t i = 0; i < connection->n_touches; i++) {
        struct connection_touch *own = &connection->touches[i];
        if (own->held_bytes == 0 || is_in_force(connection, match, own->rule, now_ns))
            continue;
        own->rule->held_bytes_now -= own->held_bytes;
        own->rule->released_bytes += own->held_bytes;
        own->held_bytes = 0;
    }
}

void touch_forget(struct connection *connection)
{
    for (size_t i = 0; i < connection->n_touches; i++)
        connection->touches[i].rule->held_bytes_now -=
            connection->touches[i].held_bytes;
    free(connection->touches);
    connection->touches = NULL;
    connection->n_touches = 0;
}

void touch_decision(struct connection *connection, enum direction direction,
                    const struct chain_decision *decision)
{
    struct proxy *proxy = connection->proxy;
    const struct counters_rule *rule = touch_rule(proxy, decision->rule);
    if (!rule)
        return;
    bool of_connection = decision->kind == DECISION_APPLIES;
    struct journal_event event = {
        .type = JOURNAL_DECISION,
        .direction = of_connection            ? JOURNAL_NO_DIRECTION
                     : direction == TO_SERVER ? JOURNAL_TO_SERVER
                                              : JOURNAL_TO_CLIENT,
        .connection = connection->counts.number,
        .connection_ordinal = connection->counts.ordinal,
        .rule = rule->name,
        .origin = rule->origin,
        .from = connection->counts.to_server->from,
        .to = connection->counts.to_server->to,
        .draw = of_connection ? "probability" : decision->fault->name,
        .ordinal = decision->ordinal,
        .outcome = decision->outcome,
    };
    (void)journal_add(proxy->config.journal, &event);
}
