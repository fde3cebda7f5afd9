/* SPDX-License-Identifier: MIT */
/* The sum of what several threads counted, for status pages: each counts for itself, so
 * that an increment stays an addition. Entries are found by their names and made where
 * they are missing; amounts are added, and of moments the first or the last is kept.
 *
 * Fails when memory runs out, half-way: such a sum is to be thrown away. The lists of
 * connections are not merged, because a connection is in one list only. */
#include "proxy/record/counters.h"

#include <errno.h>

static uint64_t earlier(uint64_t a_ns, uint64_t b_ns)
{
    return a_ns == 0 || (b_ns != 0 && b_ns < a_ns) ? b_ns : a_ns;
}

static int add_rules(struct counters *counters, const struct counters *other)
{
    for (const struct counters_rule *from = other->rules; from; from = from->next) {
        struct counters_rule *to = counters_rule(counters, from->origin, from->name);
        if (!to)
            return -ENOMEM;
        to->touched_bytes += from->touched_bytes;
        to->held_bytes_now += from->held_bytes_now;
        to->released_bytes += from->released_bytes;
        to->discarded_bytes += from->discarded_bytes;
        to->connections += from->connections;
        to->connections_reset += from->connections_reset;
        to->attempts_held += from->attempts_held;
        to->attempts_held_now += from->attempts_held_now;
        to->attempts_refused += from->attempts_refused;
        to->attempts_reset += from->attempts_reset;
        to->packets_dropped += from->packets_dropped;
        to->first_touched_ns = earlier(to->first_touched_ns, from->first_touched_ns);
        if (from->last_touched_ns > to->last_touched_ns)
            to->last_touched_ns = from->last_touched_ns;
    }
    return 0;
}

static int add_links(struct counters *counters, const struct counters *other)
{
    for (const struct counters_link *from = other->links; from; from = from->next) {
        struct counters_link *to = counters_link(counters, from->from, from->to);
        if (!to)
            return -ENOMEM;
        to->passed_bytes += from->passed_bytes;
        to->spliced_bytes += from->spliced_bytes;
        to->held_bytes_now += from->held_bytes_now;
        to->discarded_bytes += from->discarded_bytes;
        to->connections_open_now += from->connections_open_now;
        to->connections += from->connections;
        to->attempts += from->attempts;
        to->attempts_held_now += from->attempts_held_now;
        to->attempts_failed += from->attempts_failed;
        to->attempts_unresolved += from->attempts_unresolved;
    }
    return 0;
}

/* The counters' own touch of the same names; its rule and link are there already. */
static struct counters_touch *touch_like(struct counters *counters,
                                         const struct counters_touch *touch)
{
    struct counters_rule *rule =
        counters_rule(counters, touch->rule->origin, touch->rule->name);
    struct counters_link *link =
        counters_link(counters, touch->link->from, touch->link->to);
    return rule && link ? counters_touch(counters, rule, link) : NULL;
}

static int add_touches(struct counters *counters, const struct counters *other)
{
    for (const struct counters_touch *from = other->touches; from; from = from->next) {
        struct counters_touch *to = touch_like(counters, from);
        if (!to)
            return -ENOMEM;
        to->bytes += from->bytes;
        to->attempts += from->attempts;
        to->packets_dropped += from->packets_dropped;
        to->first_ns = earlier(to->first_ns, from->first_ns);
    }
    return 0;
}

static void add_budgets(struct counters *counters, const struct counters *other)
{
    for (int kind = 0; kind < BUDGET_KINDS; kind++) {
        struct counters_budget *to = &counters->budgets[kind];
        const struct counters_budget *from = &other->budgets[kind];
        to->limit += from->limit;
        to->used_now += from->used_now;
        to->peak += from->peak;
        to->reached += from->reached;
    }
}

int counters_add(struct counters *counters, const struct counters *other)
{
    int status = add_rules(counters, other);
    if (status == 0)
        status = add_links(counters, other);
    if (status == 0)
        status = add_touches(counters, other);
    add_budgets(counters, other);
    return status;
}
