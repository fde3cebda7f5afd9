/* SPDX-License-Identifier: MIT */
/* Questions to a plan: nodes by name and by address, windows of time. None of them
 * allocates or fails. */
#include "rules/plan.h"

#include "rules/index.h"

#include <string.h>

plan_node_id plan_find_node(const struct plan *plan, const char *name)
{
    size_t low = 0, high = plan->n_nodes;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        uint32_t place = plan->index->by_name[middle];
        int order = strcmp(plan->nodes[place].name, name);
        if (order == 0)
            return place + 1;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return PLAN_ANY;
}

static bool prefix_holds(const struct address *address, const uint8_t *bytes)
{
    size_t whole = address->prefix / 8, rest = address->prefix % 8;
    if (memcmp(address->bytes, bytes, whole) != 0)
        return false;
    if (rest == 0)
        return true;
    uint8_t mask = (uint8_t)(0xff << (8 - rest));
    return ((address->bytes[whole] ^ bytes[whole]) & mask) == 0;
}

/* O(nodes): asked once a connection, and only on paths without `from`. */
const char *plan_node_of_address(const struct plan *plan, enum address_kind kind,
                                 const uint8_t *bytes)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (kind == ADDRESS_IPV6 && memcmp(bytes, mapped, sizeof mapped) == 0) {
        kind = ADDRESS_IPV4;
        bytes += sizeof mapped;
    }
    const struct plan_node *best = NULL;
    for (size_t i = 0; i < plan->n_nodes; i++) {
        const struct plan_node *node = &plan->nodes[i];
        if (node->address.kind != kind || !prefix_holds(&node->address, bytes))
            continue;
        if (!best || node->address.prefix > best->address.prefix)
            best = node;
    }
    return best ? best->name : NULL;
}

static uint64_t add_times(uint64_t a, uint64_t b)
{
    return a > FAULT_NEVER - b ? FAULT_NEVER : a + b;
}

uint64_t plan_rule_first_start(const struct plan_rule *rule)
{
    return add_times(rule->since_ns, rule->when.after_ns);
}

/* How far now_ns is into its period; only from the first start on. */
static uint64_t into_period(const struct plan_rule *rule, uint64_t now_ns)
{
    uint64_t elapsed_ns = now_ns - plan_rule_first_start(rule);
    return rule->when.every_ns ? elapsed_ns % rule->when.every_ns : elapsed_ns;
}

bool plan_rule_is_active(const struct plan_rule *rule, uint64_t now_ns)
{
    if (now_ns < plan_rule_first_start(rule))
        return false;
    return rule->when.for_ns == 0 || into_period(rule, now_ns) < rule->when.for_ns;
}

uint64_t plan_rule_active_since(const struct plan_rule *rule, uint64_t now_ns)
{
    if (rule->when.for_ns == 0)
        return plan_rule_first_start(rule);
    return now_ns - into_period(rule, now_ns);
}

uint64_t plan_rule_next_edge(const struct plan_rule *rule, uint64_t now_ns)
{
    if (now_ns < plan_rule_first_start(rule))
        return plan_rule_first_start(rule);
    if (rule->when.for_ns == 0)
        return FAULT_NEVER;
    uint64_t into_ns = into_period(rule, now_ns);
    if (into_ns < rule->when.for_ns)
        return add_times(now_ns - into_ns, rule->when.for_ns);
    if (rule->when.every_ns)
        return add_times(now_ns - into_ns, rule->when.every_ns);
    return FAULT_NEVER;
}

uint64_t plan_next_edge(const struct plan *plan, uint64_t now_ns)
{
    uint64_t next_ns = FAULT_NEVER;
    for (size_t i = 0; i < plan->index->n_timed; i++) {
        const struct plan_rule *rule = &plan->rules[plan->index->timed[i]];
        uint64_t edge_ns = plan_rule_next_edge(rule, now_ns);
        if (edge_ns < next_ns)
            next_ns = edge_ns;
    }
    return next_ns;
}
