/* SPDX-License-Identifier: MIT */
/* Plans that follow one another, their windows, and what they copy. */
#include "rules/buffer.h"
#include "rules/language/parse.h"
#include "tests/rules/support.h"
#include "tests/rules/world.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct world world;

static void begin(void)
{
    world_init(&world, "a b c d");
}

static void end(void)
{
    world_close(&world);
}

TestSuite(plan, .init = begin, .fini = end);

static uint64_t since(const char *name)
{
    const struct plan_rule *rule = world_rule(&world, name);
    cr_assert(rule, "%s is not in the plan", name);
    return rule->since_ns;
}

Test(plan, an_unchanged_rule_goes_on_and_a_changed_one_begins_anew)
{
    world_inject(&world, "base", "same", "a", "b", "delay=10ms");
    world_inject(&world, "base", "changed", "a", "b", "delay=10ms");
    world_compile(&world, 5);
    world_inject(&world, "base", "changed", "a", "b", "delay=11ms");
    world_inject(&world, "base", "added", "a", "b", "delay=10ms");
    world_compile(&world, 9);
    cr_expect_eq(since("same"), 5);
    cr_expect_eq(since("changed"), 9);
    cr_expect_eq(since("added"), 9);
}

/* Each of these makes another rule of it. */
Test(plan, a_rule_is_changed_by_whatever_it_says)
{
    static const char *const whats[] = {
        "delay=10ms",
        "delay=11ms",
        "delay=10ms jitter=1ms",
        "delay=10ms rate=1MB/s",
        "delay=10ms port=1",
        "delay=10ms port=2",
        "delay=10ms port=1 port=2",
        "delay=10ms after=1s",
        "delay=10ms for=1s",
        "delay=10ms for=1s every=2s",
        "delay=10ms probability=50%",
        "delay=10ms hold=1kB",
        "delay=10ms both=true",
        "stall=true",
        "discard=true",
    };
    size_t n = sizeof whats / sizeof *whats;
    uint64_t contents[sizeof whats / sizeof *whats];
    for (size_t i = 0; i < n; i++) {
        world_inject(&world, "base", "rule", "a", "b", whats[i]);
        world_compile(&world, i);
        contents[i] = world_rule(&world, "rule")->content;
        for (size_t j = 0; j < i; j++)
            cr_expect_neq(contents[i], contents[j], "%s and %s", whats[i], whats[j]);
    }
    world_inject(&world, "base", "rule", "a", "c", whats[0]);
    world_compile(&world, n);
    cr_expect_neq(world_rule(&world, "rule")->content, contents[0]);
}

Test(plan, neither_the_order_of_names_nor_of_nodes_changes_a_rule)
{
    world_inject(&world, "base", "rule", "a,b", "c", "delay=10ms");
    world_compile(&world, 1);
    struct rule_node *nodes =
        (struct rule_node *)world_layer(&world, "base")->rules.nodes;
    struct rule_node first = nodes[0];
    nodes[0] = nodes[3];
    nodes[3] = first;
    world_inject(&world, "base", "rule", "b,a", "c", "delay=10ms");
    world_compile(&world, 2);
    cr_expect_eq(since("rule"), 1);
}

Test(plan, layers_keep_rules_of_one_name_apart)
{
    world_inject(&world, "base", "rule", "a", "b", "delay=10ms");
    world_inject(&world, "one", "rule", "a", "b", "delay=10ms");
    world_compile(&world, 0);
    cr_assert_eq(world.plan->n_rules, 2);
    const struct plan_rule *rules = world.plan->rules;
    cr_expect_neq(rules[0].slot, rules[1].slot);
    cr_expect_neq(rules[0].key.hash, rules[1].key.hash);
    cr_expect_str_eq(rules[0].layer, "base");
    cr_expect_str_eq(rules[1].layer, "one");
}

Test(plan, a_slot_outlives_the_rule)
{
    world_inject(&world, "base", "first", "a", "b", "delay=10ms");
    world_inject(&world, "base", "rule", "a", "b", "delay=10ms");
    world_compile(&world, 0);
    uint32_t slot = world_rule(&world, "rule")->slot;
    world_remove(&world, "base", "rule");
    world_inject(&world, "base", "other", "a", "b", "delay=10ms");
    world_compile(&world, 1);
    cr_expect_neq(world_rule(&world, "other")->slot, slot);
    cr_expect_str_eq(world.plan->identities[slot].name, "rule");
    cr_expect_str_eq(world.plan->identities[slot].layer, "base");
    world_inject(&world, "base", "rule", "a", "b", "delay=12ms");
    world_compile(&world, 2);
    cr_expect_eq(world_rule(&world, "rule")->slot, slot);
    cr_expect_eq(world.plan->n_identities, 3);
}

Test(plan, clear_and_heal_switch_rules_off)
{
    world_inject(&world, "base", "slow", "a", "b", "delay=10ms");
    world_link_rule(&world, "base", "split", RULE_PARTITION, "a / b", HOW_STALL, "");
    world_layer(&world, "base")->links_off = true;
    world_compile(&world, 0);
    cr_expect(world_rule(&world, "slow"));
    cr_expect_null(world_rule(&world, "split"));
    world_layer(&world, "base")->rules_off = true;
    world_compile(&world, 1);
    cr_expect_eq(world.plan->n_rules, 0);
    world_layer(&world, "base")->rules_off = false;
    world_compile(&world, 2);
    cr_expect_eq(since("slow"), 2, "it comes back as a new one");
}

Test(plan, says_which_names_the_base_does_not_have_and_keeps_the_old_plan)
{
    world_inject(&world, "base", "rule", "a", "b", "delay=10ms");
    world_compile(&world, 0);
    world_inject(&world, "one", "rule", "x", "y", "delay=10ms");
    world_link_rule(&world, "one", "split", RULE_PARTITION, "a,z / b", HOW_STALL, "");
    struct diag diag;
    diag_init(&diag, NULL);
    struct plan *before = world.plan;
    cr_expect_eq(world_try(&world, &diag, 1), -EINVAL);
    cr_expect_eq(world.plan, before);
    cr_expect_eq(diag.n_errors, 3, "%zu", diag.n_errors);
    diag_close(&diag);
}

/* When a rule is in force, second by second. */
static const struct {
    const char *what;
    const char *active;
} windows[] = {
    {"stall=true", "############"},
    {"stall=true after=3s", "...#########"},
    {"stall=true for=2s", "##.........."},
    {"stall=true after=1s for=2s", ".##........."},
    {"stall=true after=1s for=2s every=4s", ".##..##..##."},
    {"stall=true for=1s every=3s", "#..#..#..#.."},
};

Test(plan, rules_are_in_force_in_their_windows)
{
    for (size_t i = 0; i < sizeof windows / sizeof *windows; i++) {
        world_inject(&world, "base", "rule", "a", "b", windows[i].what);
        world_compile(&world, 100 * SECOND);
        const struct plan_rule *rule = world_rule(&world, "rule");
        char active[13] = "............";
        for (uint64_t s = 0; s < 12; s++) {
            uint64_t at_ns = (100 + s) * SECOND;
            bool is_active = plan_rule_is_active(rule, at_ns);
            cr_expect_eq(plan_rule_is_active(rule, at_ns + SECOND - 1), is_active);
            if (is_active)
                active[s] = '#';
            /* Nothing changes before the next edge, and at it something does. */
            uint64_t edge_ns = plan_next_edge(world.plan, at_ns);
            cr_expect_gt(edge_ns, at_ns);
            if (edge_ns != FAULT_NEVER) {
                cr_expect_eq(plan_rule_is_active(rule, edge_ns - 1), is_active);
                cr_expect_neq(plan_rule_is_active(rule, edge_ns), is_active);
            }
        }
        cr_expect_str_eq(active, windows[i].active, "%s: %s", windows[i].what, active);
        world_remove(&world, "base", "rule");
        world_compile(&world, 100 * SECOND);
    }
}

Test(plan, a_reload_does_not_restart_a_window)
{
    world_inject(&world, "base", "rule", "a", "b",
                 "stall=true after=1s for=2s every=10s");
    world_compile(&world, 0);
    world_inject(&world, "base", "other", "a", "b", "delay=1s");
    world_compile(&world, 2 * SECOND);
    const struct plan_rule *rule = world_rule(&world, "rule");
    cr_expect(plan_rule_is_active(rule, 2 * SECOND));
    cr_expect_eq(plan_rule_active_since(rule, 2 * SECOND), SECOND);
    cr_expect_eq(plan_next_edge(world.plan, 2 * SECOND), 3 * SECOND);
    cr_expect_eq(plan_next_edge(world.plan, 3 * SECOND), 11 * SECOND);
    cr_expect_eq(plan_rule_active_since(rule, 12 * SECOND), 11 * SECOND);
}

static const char site[] =
    "netsplit: 1\n"
    "nodes:\n"
    "  pg1: 10.77.1.2:5432\n"
    "  pg2: { address: pg2.internal, ports: [5432] }\n"
    "  apps: 10.77.0.0/16\n"
    "  near: 10.77.1.0/24\n"
    "  six: \"fd00::/8\"\n"
    "  client: {}\n"
    "listen:\n"
    "  - { name: wal, address: 127.0.0.1:7101, from: pg1, to: pg2 }\n"
    "  - { address: 127.0.0.1:0, to: pg1 }\n"
    "rules:\n"
    "  - { name: slow, inject: { delay: 40ms } }\n";

static struct plan *compile(const struct rules *rules,
                            const struct allocator *allocator, int *status)
{
    const struct plan_layer layer = {.name = "base", .rules = rules};
    const struct plan_input input = {
        .layers = &layer, .n_layers = 1, .seed = 3, .allocator = allocator};
    struct diag diag;
    diag_init(&diag, NULL);
    struct plan *plan = NULL;
    *status = plan_compile(&input, &diag, &plan);
    diag_close(&diag);
    return plan;
}

Test(plan, copies_paths_and_nodes_and_needs_the_rules_no_more)
{
    struct rules *rules = parse_good(site);
    int status = 0;
    struct plan *plan = compile(rules, NULL, &status);
    rules_destroy(rules);
    cr_assert(plan);
    cr_assert_eq(plan->n_listeners, 2);
    const struct plan_listener *wal = &plan->listeners[0];
    cr_expect_str_eq(wal->name, "wal");
    cr_expect_str_eq(wal->from, "pg1");
    cr_expect_str_eq(wal->to, "pg2");
    cr_expect_eq(wal->port, 7101);
    cr_expect_eq(wal->to_port, 5432);
    cr_expect_eq(wal->to_address.kind, ADDRESS_HOST);
    cr_expect_str_eq(wal->to_address.text, "pg2.internal");
    cr_expect_null(plan->listeners[1].from);
    cr_expect_eq(plan_find_node(plan, "nobody"), PLAN_ANY);
    cr_expect_str_eq(plan->nodes[plan_find_node(plan, "near") - 1].name, "near");
    plan_put(plan);
}

Test(plan, finds_the_node_with_the_longest_prefix)
{
    struct rules *rules = parse_good(site);
    int status = 0;
    struct plan *plan = compile(rules, NULL, &status);
    cr_assert(plan);
    static const struct {
        enum address_kind kind;
        uint8_t bytes[16];
        const char *node;
    } rows[] = {
        {ADDRESS_IPV4, {10, 77, 1, 2}, "pg1"},
        {ADDRESS_IPV4, {10, 77, 1, 3}, "near"},
        {ADDRESS_IPV4, {10, 77, 2, 3}, "apps"},
        {ADDRESS_IPV4, {10, 78, 1, 2}, NULL},
        {ADDRESS_IPV6, {0xfd, 1}, "six"},
        {ADDRESS_IPV6, {0xfe, 1}, NULL},
        {ADDRESS_IPV6, {[10] = 0xff, 0xff, 10, 77, 1, 2}, "pg1"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *node = plan_node_of_address(plan, rows[i].kind, rows[i].bytes);
        if (rows[i].node)
            cr_expect_str_eq(node ? node : "none", rows[i].node, "row %zu", i);
        else
            cr_expect_null(node, "row %zu", i);
    }
    plan_put(plan);
    rules_destroy(rules);
}

static const char host[] =
    "netsplit: 1\n"
    "intercept: redirect\n"
    "ports: [80, 443]\n"
    "nodes:\n"
    "  app: { address: 127.0.0.1, uid: app, cgroup: /a/b/ }\n"
    "  db: { address: 127.0.0.1, ports: [5432, 5433] }\n"
    "  cache: { address: 127.0.0.1, ports: [6379], uid: 33 }\n"
    "  net: 127.0.0.0/8\n"
    "groups: { all: [app, db, cache, net] }\n"
    "rules:\n"
    "  - { name: split, partition: [[app], [db, cache]], ports: [5432, 6379] }\n"
    "  - { name: ring, shape: majorities-ring, of: all }\n"
    "  - name: slow\n"
    "    match: { between: [app, db] }\n"
    "    inject: { packet_delay: 1ms, packet_loss: 1% }\n"
    "    fallback: model\n";

static struct plan *compile_host(const struct allocator *allocator, int *status,
                                 struct rules *rules)
{
    const struct plan_layer layer = {.name = "base", .rules = rules};
    const struct plan_input input = {
        .layers = &layer,
        .n_layers = 1,
        .seed = 3,
        .kernel = {.drop = true, .packet_loss = true, .why = "no netem"},
        .allocator = allocator};
    struct diag diag;
    diag_init(&diag, NULL);
    struct plan *plan = NULL;
    *status = plan_compile(&input, &diag, &plan);
    diag_close(&diag);
    return plan;
}

Test(plan, copies_what_kernel_modes_know_of_nodes_and_ports)
{
    struct rules *rules = parse_good(host);
    int status = 0;
    struct plan *plan = compile_host(NULL, &status, rules);
    rules_destroy(rules);
    cr_assert(plan);
    cr_expect_eq(plan->intercept, INTERCEPT_REDIRECT);
    cr_assert_eq(plan->ports.n, 2);
    cr_expect_eq(plan->ports.items[1], 443);
    const struct plan_node *app = &plan->nodes[plan_find_node(plan, "app") - 1];
    cr_expect_str_eq(app->owner.uid, "app");
    cr_expect_str_eq(app->owner.cgroup, "a/b");
    cr_expect_str_eq(plan->rules[2].fell_back, "no netem");
    plan_put(plan);
}

Test(plan, tells_servers_of_one_address_by_their_ports)
{
    struct rules *rules = parse_good(host);
    int status = 0;
    struct plan *plan = compile_host(NULL, &status, rules);
    cr_assert(plan);
    static const struct {
        uint8_t last;
        uint16_t port;
        const char *node;
        bool intercepted;
    } rows[] = {
        {1, 5432, "db", true},   {1, 5433, "db", true},   {1, 6379, "cache", true},
        {1, 80, "app", true},    {1, 5434, "app", false}, {2, 443, "net", true},
        {2, 5432, "net", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const uint8_t bytes[16] = {127, 0, 0, rows[i].last};
        const struct plan_node *node =
            plan_server_of_address(plan, ADDRESS_IPV4, bytes, rows[i].port);
        cr_assert(node);
        cr_expect_str_eq(node->name, rows[i].node, "row %zu", i);
        cr_expect_eq(plan_intercepts(plan, node, rows[i].port), rows[i].intercepted,
                     "row %zu", i);
    }
    cr_expect(plan_intercepts(plan, NULL, 80), "an address that is no node's");
    cr_expect_not(plan_intercepts(plan, NULL, 5432));
    plan_put(plan);
    rules_destroy(rules);
}

Test(plan, a_rule_has_each_of_its_links_once)
{
    world_inject(&world, "base", "rule", "a,b", "b,a", "delay=1ms both=true port=7");
    world_link_rule(&world, "base", "split", RULE_PARTITION, "a / b,c", HOW_STALL,
                    "port=1 port=2");
    world_inject(&world, "base", "all", NULL, NULL, "delay=1ms");
    world_compile(&world, 0);
    const struct plan_rule *rule = world_rule(&world, "rule");
    cr_assert_eq(rule->n_links, 4, "a node may be a network: it has one with itself");
    for (size_t i = 0; i < 4; i++) {
        cr_expect_eq(rule->links[i].from, 1 + i / 2);
        cr_expect_eq(rule->links[i].to, 1 + i % 2);
        cr_expect_eq(rule->links[i].port, 7);
    }
    cr_expect_eq(world_rule(&world, "split")->n_links, 8);
    const struct plan_rule *all = world_rule(&world, "all");
    cr_assert_eq(all->n_links, 1);
    cr_expect_eq(all->links[0].from, PLAN_ANY);
    cr_expect_eq(all->links[0].to, PLAN_ANY);
    cr_expect_eq(all->links[0].port, 0);
}

static void run_out(const char *text)
{
    struct rules *rules = parse_good(text);
    for (size_t i = 0;; i++) {
        struct failing_allocator failing;
        failing_allocator_init(&failing, i);
        int status = 0;
        struct plan *plan = compile_host(&failing.allocator, &status, rules);
        cr_assert_eq(status, plan ? 0 : -ENOMEM);
        plan_put(plan);
        cr_assert_eq(failing.n_live, 0, "call %zu: %zu left", i, failing.n_live);
        if (plan) {
            cr_expect_gt(i, 2);
            break;
        }
    }
    rules_destroy(rules);
}

/* Two halves of n nodes each, cut apart. */
static int compile_halves(unsigned n, size_t *errors)
{
    struct buffer text = {0}, parts[2] = {{0}, {0}};
    buffer_print(&text, "netsplit: 1\nnodes:\n");
    for (unsigned i = 0; i < 2 * n; i++) {
        buffer_print(&text, "  n%u:\n", i);
        buffer_print(&parts[i < n], "%sn%u", i % n ? ", " : "", i);
    }
    buffer_print(&text, "rules:\n  - { name: halves, partition: [[%s], [%s]] }\n",
                 buffer_text(&parts[0]), buffer_text(&parts[1]));
    struct rules *rules = parse_good(buffer_text(&text));
    const struct plan_layer layer = {.name = "base", .rules = rules};
    const struct plan_input input = {.layers = &layer, .n_layers = 1};
    struct plan *plan = NULL;
    struct diag diag;
    diag_init(&diag, NULL);
    int status = plan_compile(&input, &diag, &plan);
    *errors = diag.n_errors;
    diag_close(&diag);
    plan_put(plan);
    rules_destroy(rules);
    buffer_close(&text);
    buffer_close(&parts[0]);
    buffer_close(&parts[1]);
    return status;
}

Test(plan, more_links_than_can_be_compiled_in_a_moment_are_refused)
{
    size_t errors;
    cr_expect_eq(compile_halves(400, &errors), 0);
    cr_expect_eq(compile_halves(600, &errors), -EINVAL);
    cr_expect_eq(errors, 1);
}

Test(plan, without_memory_leaves_nothing_behind_whenever_it_runs_out)
{
    run_out(site);
    run_out(host);
}
