/* SPDX-License-Identifier: MIT */
/* What is shown of a connection beyond its counters: asked of the kernel, and of the
 * rules, when somebody looks, and kept nowhere. Two system calls a socket. */
#include "proxy/wire/connection.h"
#include "proxy/proxy.h"
#include "proxy/wire/sockaddress.h"
#include "proxy/kernel/tcp_socket.h"
#include "proxy/wire/watch.h"

#include <stddef.h>

/* The counts are embedded in it. */
static struct connection *connection_of(const struct counters_connection *counts)
{
    return (struct connection *)((uintptr_t)counts -
                                 offsetof(struct connection, counts));
}

static void look_at(const struct side *side, struct proxy_leg_view *out)
{
    struct tcp_socket_state state;
    if (!side->watch || tcp_socket_ask(watch_fd(side->watch), &state) != 0)
        return;
    out->connected = true;
    out->rtt_us = state.rtt_us;
    out->retransmits = state.retransmits;
    sockaddress_format(&state.own, out->own);
}

void proxy_view_connection(const struct counters_connection *counts,
                           struct proxy_connection_view *out)
{
    const struct connection *connection = connection_of(counts);
    *out = (struct proxy_connection_view){0};
    look_at(&connection->client, &out->client);
    look_at(&connection->server, &out->server);
}

/* The next of both lists in the order of the plan, once; NULL at their ends. */
static const struct plan_rule *take_rule(const struct match *match, size_t next[2])
{
    const struct plan_rule *first = NULL;
    for (int i = 0; i < 2; i++) {
        const struct match_list *list = &match->link[i];
        if (next[i] < list->n && (!first || list->rules[next[i]]->rank < first->rank))
            first = list->rules[next[i]];
    }
    for (int i = 0; i < 2; i++)
        if (next[i] < match->link[i].n && match->link[i].rules[next[i]] == first)
            next[i]++;
    return first;
}

void proxy_each_rule_of(const struct counters_connection *counts, uint64_t now_ns,
                        proxy_rule_of_fn visit, void *context)
{
    struct connection *connection = connection_of(counts);
    const struct match *match = connection_match(connection);
    const struct plan_rule *rule;
    size_t next[2] = {0, 0};
    while (match && (rule = take_rule(match, next)))
        if (match_applies(rule, &connection->match, now_ns))
            visit(context, rule->layer, rule->name);
}
