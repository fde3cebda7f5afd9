/* SPDX-License-Identifier: MIT */
/* Which rules apply to a path, and what becomes of attempts on it. */
#include "tests/rules/world.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct world world;

static void begin(void)
{
    world_init(&world, "a b c d clients");
}

static void end(void)
{
    world_close(&world);
}

TestSuite(match, .init = begin, .fini = end);

static void expect_rules(const char *opener, const char *server, uint16_t port,
                         const char *wanted)
{
    char text[512];
    world_matches(&world, opener, server, port, text, sizeof text);
    cr_expect_str_eq(text, wanted, "%s -> %s:%u: \"%s\", not \"%s\"",
                     opener ? opener : "?", server, port, text, wanted);
}

Test(match, finds_rules_by_link_port_and_direction_in_file_order)
{
    world_inject(&world, "base", "all", NULL, NULL, "delay=1ms");
    world_inject(&world, "base", "ab", "a", "b", "delay=1ms");
    world_inject(&world, "base", "to-b", "any", "b", "delay=1ms");
    world_inject(&world, "base", "from-a", "a", NULL, "delay=1ms");
    world_inject(&world, "base", "some", "a,c", "b,d", "delay=1ms");
    world_inject(&world, "base", "port", "a", "b", "delay=1ms port=5432 port=5433");
    world_inject(&world, "base", "between", "b", "a", "delay=1ms both=true");
    world_inject(&world, "base", "odd", "a", "any", "delay=1ms both=true");
    world_inject(&world, "late", "over", "a", "b", "delay=1ms");
    world_compile(&world, 0);
    expect_rules("a", "b", 80,
                 "all ab to-b from-a some between odd over|all between odd");
    expect_rules("a", "b", 5432,
                 "all ab to-b from-a some port between odd over|all between odd");
    expect_rules("b", "a", 5432,
                 "all between odd|all ab to-b from-a some port between "
                 "odd over");
    expect_rules("c", "d", 1, "all some|all");
    expect_rules(NULL, "b", 1, "all to-b|all");
    expect_rules(NULL, "a", 1, "all odd|all from-a odd");
    expect_rules("gone", "gone-too", 1, "all|all");
    expect_rules("a", "a", 1, "all from-a odd|all from-a odd");
}

Test(match, a_rule_that_names_a_link_twice_is_looked_at_once)
{
    world_inject(&world, "base", "rule", "a,b", "b,a", "delay=1ms both=true");
    world_compile(&world, 0);
    struct path *path = paths_find(world.paths, "a", "b", 1);
    cr_expect_eq(path_match(path, world.plan)->looked_at, 2);
    expect_rules("a", "b", 1, "rule|rule");
}

Test(match, groups_stand_for_their_nodes)
{
    struct rules *base = &world_layer(&world, "base")->rules;
    static const struct word inner[] = {{.text = "c"}, {.text = "d"}};
    static const struct word outer[] = {{.text = "b"}, {.text = "inner"}};
    static const struct rule_group groups[] = {
        {.name.text = "inner", .members = {inner, 2}},
        {.name.text = "outer", .members = {outer, 2}},
    };
    base->groups = groups;
    base->n_groups = 2;
    world_inject(&world, "base", "rule", "a", "outer", "delay=1ms");
    world_compile(&world, 0);
    expect_rules("a", "b", 1, "rule|");
    expect_rules("a", "d", 1, "rule|");
    expect_rules("b", "d", 1, "|");
}

Test(match, partitions_cut_what_shares_no_part)
{
    world_link_rule(&world, "base", "split", RULE_PARTITION, "a,d / b,d", HOW_STALL,
                    "");
    world_compile(&world, 0);
    expect_rules("a", "b", 1, "split|split");
    expect_rules("b", "a", 1, "split|split");
    expect_rules("a", "d", 1, "|");
    expect_rules("d", "b", 1, "|");
    expect_rules("a", "c", 1, "|");
    expect_rules("clients", "a", 1, "|");
    expect_rules(NULL, "a", 1, "|");
}

Test(match, isolation_is_from_every_other_named_node)
{
    world_link_rule(&world, "base", "alone", RULE_ISOLATE, "a", HOW_STALL, "");
    world_compile(&world, 0);
    expect_rules("clients", "a", 1, "alone|alone");
    expect_rules("a", "b", 1, "alone|alone");
    expect_rules("b", "c", 1, "|");
    expect_rules(NULL, "a", 1, "|");
}

Test(match, a_cut_is_one_way_and_may_be_of_a_port)
{
    world_link_rule(&world, "base", "cut", RULE_CUT, "a / b", HOW_STALL, "port=5432");
    world_compile(&world, 0);
    expect_rules("a", "b", 5432, "cut|");
    expect_rules("b", "a", 5432, "|cut");
    expect_rules("a", "b", 80, "|");
}

Test(match, looks_at_no_rule_that_does_not_apply)
{
    char names[4096] = "", name[32], node[32];
    size_t used = 0;
    for (int i = 0; i < 200; i++)
        used += (size_t)snprintf(names + used, sizeof names - used, "n%d ", i);
    end();
    world_init(&world, names);
    for (int i = 0; i < 10000; i++) {
        char to[32];
        snprintf(name, sizeof name, "r%d", i);
        snprintf(node, sizeof node, "n%d", i % 200);
        snprintf(to, sizeof to, "n%d", i / 200);
        world_inject(&world, "base", name, node, to,
                     i % 3 ? "delay=1ms port=1" : "delay=1ms");
    }
    world_inject(&world, "base", "all", NULL, NULL, "delay=1ms");
    world_compile(&world, 0);
    struct path *path = paths_find(world.paths, "n7", "n3", 1);
    const struct match *match = path_match(path, world.plan);
    cr_expect_eq(match->link[TO_SERVER].n, 2);
    cr_expect_eq(match->link[TO_CLIENT].n, 2);
    cr_expect_eq(match->looked_at, 4, "%zu", match->looked_at);
    cr_expect_eq(path_match(path, world.plan), match);
    cr_expect_eq(match->looked_at, 4, "the second time costs nothing");
}

Test(match, paths_are_one_for_all_their_connections)
{
    world_compile(&world, 0);
    struct path *path = paths_find(world.paths, "a", "b", 1);
    char names[32];
    for (int i = 0; i < 1000; i++) {
        snprintf(names, sizeof names, "x%d", i);
        cr_assert(paths_find(world.paths, names, "b", 1));
    }
    cr_expect_eq(paths_find(world.paths, "a", "b", 1), path);
    cr_expect_neq(paths_find(world.paths, "a", "b", 2), path);
    cr_expect_neq(paths_find(world.paths, "b", "a", 1), path);
    cr_expect_str_eq(paths_find(world.paths, NULL, "b", 1)->opener, "any");
}

Test(match, connections_are_numbered_between_two_nodes)
{
    struct path *one = paths_find(world.paths, "a", "b", 1);
    struct path *two = paths_find(world.paths, "a", "b", 2);
    struct path *other = paths_find(world.paths, "a", "c", 1);
    cr_expect_eq(path_open(one, 0).ordinal, 0);
    cr_expect_eq(path_open(two, 0).ordinal, 1);
    cr_expect_eq(path_open(one, 0).ordinal, 2);
    cr_expect_eq(path_open(other, 0).ordinal, 0);
}

/* Rules on a -> b, and what becomes of an attempt 1 s after they came. */
struct attempt {
    const char *partition, *cut_back; /* hows, or NULL */
    const char *inject;
    enum admit_verb verb;
    uint64_t until_ns;
    enum admit_verb of_all;
};

static const struct attempt attempts[] = {
    {NULL, NULL, NULL, ADMIT_ACCEPT, 0, ADMIT_ACCEPT},
    {NULL, NULL, "delay=1s", ADMIT_ACCEPT, 0, ADMIT_ACCEPT},
    {NULL, NULL, "refuse=true", ADMIT_REFUSE, 0, ADMIT_REFUSE},
    {NULL, NULL, "refuse=true probability=0%", ADMIT_ACCEPT, 0, ADMIT_ACCEPT},
    {NULL, NULL, "refuse=true after=5s", ADMIT_ACCEPT, 0, ADMIT_ACCEPT},
    {NULL, NULL, "unanswered=true", ADMIT_IGNORE, FAULT_NEVER, ADMIT_IGNORE},
    {NULL, NULL, "refuse=true state=new", ADMIT_REFUSE, 0, ADMIT_REFUSE},
    {NULL, NULL, "refuse=true state=established", ADMIT_ACCEPT, 0, ADMIT_ACCEPT},
    {NULL, NULL, "unanswered=true for=1s", ADMIT_ACCEPT, 0, ADMIT_ACCEPT},
    {NULL, NULL, "unanswered=true probability=0%", ADMIT_ACCEPT, 0, ADMIT_ACCEPT},
    {NULL, NULL, "unanswered=true refuse=true", ADMIT_REFUSE, 0, ADMIT_REFUSE},
    {NULL, "stall", "unanswered=true", ADMIT_IGNORE, FAULT_NEVER, ADMIT_IGNORE},
    {NULL, "reset", "unanswered=true", ADMIT_RESET, 0, ADMIT_IGNORE},
    {"stall", NULL, NULL, ADMIT_HOLD, FAULT_NEVER, ADMIT_ACCEPT},
    {NULL, "stall", NULL, ADMIT_HOLD, FAULT_NEVER, ADMIT_ACCEPT},
    {"reset", NULL, NULL, ADMIT_RESET, 0, ADMIT_ACCEPT},
    {"refuse", NULL, NULL, ADMIT_REFUSE, 0, ADMIT_REFUSE},
    {NULL, "refuse", NULL, ADMIT_REFUSE, 0, ADMIT_REFUSE},
    {"stall", "reset", NULL, ADMIT_RESET, 0, ADMIT_ACCEPT},
    {"stall", "reset", "refuse=true", ADMIT_REFUSE, 0, ADMIT_REFUSE},
};

static enum rule_how how_of(const char *word)
{
    enum rule_how how = HOW_STALL;
    while (strcmp(rule_how_name(how), word) != 0)
        how++;
    return how;
}

Test(match, an_attempt_needs_both_links_and_the_strongest_answer_holds)
{
    for (size_t i = 0; i < sizeof attempts / sizeof *attempts; i++) {
        const struct attempt *row = &attempts[i];
        if (row->partition)
            world_link_rule(&world, "base", "split", RULE_PARTITION, "a / b",
                            how_of(row->partition), "");
        if (row->cut_back)
            world_link_rule(&world, "base", "cut", RULE_CUT, "b / a",
                            how_of(row->cut_back), "");
        if (row->inject)
            world_inject(&world, "base", "rule", "a", "b", row->inject);
        world_compile(&world, 0);
        struct path *path = paths_find(world.paths, "a", "b", 1);
        const struct match *match = path_match(path, world.plan);
        struct match_connection connection = path_open(path, SECOND);
        struct match_verdict verdict = match_admit(match, &connection, SECOND);
        cr_expect_eq(verdict.verb, row->verb, "row %zu", i);
        cr_expect_eq(verdict.until_ns, row->until_ns, "row %zu", i);
        cr_expect_eq(verdict.rule != NULL, row->verb != ADMIT_ACCEPT, "row %zu", i);
        const struct plan_rule *rule = NULL;
        cr_expect_eq(match_admits_all(match, SECOND, &rule), row->of_all, "row %zu", i);
        cr_expect_eq(rule != NULL, row->of_all != ADMIT_ACCEPT, "row %zu", i);
        end();
        begin();
    }
}

/* A rule that came at 10 s, a connection, and whether the rule is in force for it. */
static const struct {
    const char *what;
    uint64_t opened_s, now_s;
    bool applies;
} states[] = {
    {"delay=1s state=new", 9, 11, false},
    {"delay=1s state=new", 10, 10, true},
    {"delay=1s state=new", 11, 12, true},
    {"delay=1s state=established", 9, 11, true},
    {"delay=1s state=established", 10, 11, false},
    {"delay=1s state=new after=5s", 14, 15, false},
    {"delay=1s state=new after=5s", 15, 16, true},
    {"delay=1s state=new after=5s", 15, 14, false},
    {"delay=1s state=established after=5s", 14, 15, true},
    /* of the second window only those since its beginning are new */
    {"delay=1s state=new for=1s every=10s", 10, 20, false},
    {"delay=1s state=new for=1s every=10s", 20, 20, true},
    {"delay=1s state=established for=1s every=10s", 10, 20, true},
    {"delay=1s state=new probability=0%", 11, 12, false},
};

Test(match, a_rule_may_be_about_new_connections_or_about_those_from_before)
{
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        world_inject(&world, "base", "rule", "a", "b", states[i].what);
        world_compile(&world, 10 * SECOND);
        struct path *path = paths_find(world.paths, "a", "b", 1);
        struct match_connection connection =
            path_open(path, states[i].opened_s * SECOND);
        cr_expect_eq(match_applies(world_rule(&world, "rule"), &connection,
                                   states[i].now_s * SECOND),
                     states[i].applies, "row %zu", i);
        end();
        begin();
    }
}

/* A fault that holds attempts for so long. */
static enum admit_verb hold_for(const void *params, uint64_t attempted_ns,
                                uint64_t now_ns, uint64_t *until_ns)
{
    *until_ns = attempted_ns + *(const uint64_t *)params;
    return *until_ns > now_ns ? ADMIT_HOLD : ADMIT_ACCEPT;
}

Test(match, of_several_that_hold_an_attempt_the_longest_counts)
{
    static const struct fault later = {
        .name = "later", .params_bytes = sizeof(uint64_t), .admit = hold_for};
    static const uint64_t params[] = {SECOND, 3 * SECOND, 2 * SECOND};
    static const char *const names[] = {"one", "three", "two"};
    struct rule_fault faults[3];
    for (size_t i = 0; i < 3; i++) {
        faults[i] = (struct rule_fault){.fault = &later, .params = &params[i]};
        world_inject(&world, "base", names[i], "a", "b", "");
        struct rule *rules = (struct rule *)world_layer(&world, "base")->rules.rules;
        rules[i].faults = &faults[i];
        rules[i].n_faults = 1;
    }
    world_compile(&world, 0);
    struct path *path = paths_find(world.paths, "a", "b", 1);
    const struct match *match = path_match(path, world.plan);
    struct match_connection connection = path_open(path, 5 * SECOND);
    struct match_verdict verdict = match_admit(match, &connection, 5 * SECOND);
    cr_expect_eq(verdict.verb, ADMIT_HOLD);
    cr_expect_eq(verdict.until_ns, 8 * SECOND);
    cr_expect_str_eq(verdict.rule->name, "three");
    verdict = match_admit(match, &connection, 8 * SECOND);
    cr_expect_eq(verdict.verb, ADMIT_ACCEPT);
    cr_expect_null(verdict.rule);
}

Test(match, faults_of_attempts_are_about_the_way_to_the_server)
{
    world_inject(&world, "base", "rule", "a", "b", "refuse=true");
    world_compile(&world, 0);
    struct path *back = paths_find(world.paths, "b", "a", 1);
    struct match_connection connection = path_open(back, 0);
    cr_expect_eq(match_admit(path_match(back, world.plan), &connection, 0).verb,
                 ADMIT_ACCEPT);
}

Test(match, a_chance_to_be_refused_is_drawn_for_each_connection)
{
    world_inject(&world, "base", "rule", "a", "b", "refuse=true probability=20%");
    world_compile(&world, 0);
    struct path *path = paths_find(world.paths, "a", "b", 1);
    const struct match *match = path_match(path, world.plan);
    const struct plan_rule *rule = NULL;
    cr_expect_eq(match_admits_all(match, 0, &rule), ADMIT_ACCEPT);
    size_t refused = 0;
    for (int i = 0; i < 1000; i++) {
        struct match_connection connection = path_open(path, 0);
        enum admit_verb verb = match_admit(match, &connection, 0).verb;
        cr_assert_eq(verb, match_admit(match, &connection, 5).verb, "asked again");
        refused += verb == ADMIT_REFUSE;
    }
    cr_expect(refused > 140 && refused < 260, "%zu", refused);
}
