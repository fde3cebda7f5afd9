/* SPDX-License-Identifier: MIT */
/* What the kernel is to do to packets of a connection. */
#include "rules/plan/match_packets.h"
#include "tests/rules/world.h"

#include <criterion/criterion.h>
#include <string.h>

static struct world world;
static struct match_connection connection;

static void begin(void)
{
    world_init(&world, "a b c");
    world.kernel = world_able_kernel;
    connection = path_open(paths_find(world.paths, "a", "b", 80), 0);
}

static void end(void)
{
    world_close(&world);
}

TestSuite(match_packets, .init = begin, .fini = end);

static const char *drop_at(enum direction direction, uint64_t now_ns)
{
    const struct match *match = path_match(connection.path, world.plan);
    const struct plan_rule *rule = match_drop(match, &connection, direction, now_ns);
    return rule ? rule->name : "none";
}

Test(match_packets, the_first_rule_in_force_that_drops_the_direction_is_found)
{
    world_link_rule(&world, "base", "soft", RULE_PARTITION, "a / b", HOW_STALL, "");
    world_link_rule(&world, "base", "http", RULE_PARTITION, "a / b", HOW_DROP,
                    "port=81");
    world_link_rule(&world, "base", "later", RULE_CUT, "a / b", HOW_DROP, "after=5s");
    world_link_rule(&world, "base", "both", RULE_PARTITION, "a / b", HOW_DROP,
                    "after=9s");
    world_compile(&world, 0);
    cr_expect_str_eq(drop_at(TO_SERVER, 0), "none");
    cr_expect_str_eq(drop_at(TO_SERVER, 5 * SECOND), "later");
    cr_expect_str_eq(drop_at(TO_CLIENT, 5 * SECOND), "none", "a cut is one way");
    cr_expect_str_eq(drop_at(TO_SERVER, 9 * SECOND), "later");
    cr_expect_str_eq(drop_at(TO_CLIENT, 9 * SECOND), "both");
}

static uint32_t loss(enum direction direction, uint64_t now_ns, const char *want)
{
    const struct match *match = path_match(connection.path, world.plan);
    const struct plan_rule *rules[2];
    size_t n = 2;
    uint32_t loss_ppm =
        match_packet_loss(match, &connection, direction, now_ns, rules, &n);
    cr_expect_eq(n, strlen(want));
    for (size_t i = 0; i < n && i < 2; i++)
        cr_expect_eq(rules[i]->name[0], want[i], "%s", rules[i]->name);
    return loss_ppm;
}

Test(match_packets, losses_of_several_rules_are_independent)
{
    world_inject(&world, "base", "x", "a", "b", "packet_loss=10%");
    world_inject(&world, "base", "y", "a", "any", "packet_loss=50% delay=1ms after=1s");
    world_inject(&world, "base", "z", "a", "b", "packet_loss=100% after=2s");
    world_inject(&world, "base", "stream", "a", "b", "loss=10%");
    world_inject(&world, "base", "none", "a", "b", "packet_loss=0%");
    world_inject(&world, "base", "back", "b", "a", "packet_loss=0.0001%");
    world_compile(&world, 0);
    cr_expect_eq(loss(TO_SERVER, 0, "x"), 100000);
    cr_expect_eq(loss(TO_SERVER, SECOND, "xy"), 550000);
    cr_expect_eq(loss(TO_SERVER, 2 * SECOND, "xyz"), 1000000);
    cr_expect_eq(loss(TO_CLIENT, 0, "b"), 1);
}

Test(match_packets, many_small_losses_add_up)
{
    char name[] = "r0";
    for (; name[1] <= '9'; name[1]++)
        world_inject(&world, "base", name, "a", "b", "packet_loss=1%");
    world_compile(&world, 0);
    const struct match *match = path_match(connection.path, world.plan);
    size_t n = 0;
    cr_expect_eq(match_packet_loss(match, &connection, TO_SERVER, 0, NULL, &n), 95618,
                 "1 - 0.99^10");
    cr_expect_eq(n, 10);
}

Test(match_packets, an_attempt_under_a_drop_is_ignored_until_heal)
{
    world_link_rule(&world, "base", "split", RULE_CUT, "b / a", HOW_DROP, "");
    world_compile(&world, 0);
    const struct match *match = path_match(connection.path, world.plan);
    struct match_verdict verdict = match_admit(match, &connection, 0);
    cr_expect_eq(verdict.verb, ADMIT_IGNORE, "its answer would not arrive");
    cr_expect_eq(verdict.until_ns, FAULT_NEVER);
    const struct plan_rule *rule = NULL;
    cr_expect_eq(match_admits_all(match, 0, &rule), ADMIT_IGNORE);
    cr_expect_eq(rule, verdict.rule);
}
