/* SPDX-License-Identifier: MIT */
/* Questions to a plan: nodes by name and by address, windows of time. None of them
 * allocates or fails. */
#include "rules/plan/plan.h"

#include "rules/buffer.h"
#include "rules/plan/index.h"

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

static bool has_port(const struct ports *ports, uint16_t port)
{
    for (size_t i = 0; i < ports->n; i++)
        if (ports->items[i] == port)
            return true;
    return false;
}

/* How well the node, whose address holds, fits the port of a server there. */
static int fitness(const struct plan_node *node, uint16_t port)
{
    if (port == 0)
        return 1;
    if (has_port(&node->ports, port))
        return 2;
    return node->ports.n == 0 ? 1 : 0;
}

/* O(nodes): asked once a connection, and only where no path says who they are. */
const struct plan_node *plan_server_of_address(const struct plan *plan,
                                               enum address_kind kind,
                                               const uint8_t *bytes, uint16_t port)
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
        if (!best || node->address.prefix > best->address.prefix ||
            (node->address.prefix == best->address.prefix &&
             fitness(node, port) > fitness(best, port)))
            best = node;
    }
    return best;
}

const char *plan_node_of_address(const struct plan *plan, enum address_kind kind,
                                 const uint8_t *bytes)
{
    const struct plan_node *node = plan_server_of_address(plan, kind, bytes, 0);
    return node ? node->name : NULL;
}

bool plan_intercepts(const struct plan *plan, const struct plan_node *node,
                     uint16_t port)
{
    if (plan->intercept == INTERCEPT_LISTEN)
        return false;
    return has_port(node && node->ports.n > 0 ? &node->ports : &plan->ports, port);
}

static void describe_part(const struct plan *plan, const struct plan_part *part,
                          struct buffer *out)
{
    for (size_t i = 0; i < part->n; i++)
        buffer_print(out, "%s%s", i ? ", " : "",
                     part->nodes[i] == PLAN_ANY ? "any"
                                                : plan->nodes[part->nodes[i] - 1].name);
}

void plan_rule_describe(const struct plan *plan, const struct plan_rule *rule,
                        struct buffer *out)
{
    for (size_t i = 0; i < rule->n_parts; i++) {
        if (i > 0)
            buffer_print(out, "%s", rule->kind == RULE_CUT ? " -> " : " / ");
        describe_part(plan, &rule->parts[i], out);
    }
    if (rule->kind == RULE_ISOLATE)
        buffer_print(out, " / all other nodes");
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
