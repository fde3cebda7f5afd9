/* SPDX-License-Identifier: MIT */
/* Shapes by what they promise, for every number of nodes and many seeds: nothing here
 * knows how they are drawn. */
#include "tests/rules/world.h"
#include "rules/buffer.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NODES_MOST = 9, SEEDS = 40 };

static const char *const names = "a b c d e f g h i";

/* reaches[i][j]: no link of the rule goes from the one to the other. */
struct drawn {
    struct world world;
    size_t n;
    bool reaches[NODES_MOST][NODES_MOST];
};

static void draw_shape(struct drawn *drawn, const char *shape, size_t n, uint64_t seed)
{
    char nodes[32], parts[32], what[64];
    (void)snprintf(nodes, sizeof nodes, "%.*s x", (int)(2 * n - 1), names);
    (void)snprintf(parts, sizeof parts, "%.*s", (int)(2 * n - 1), names);
    for (char *at = parts; *at; at++)
        if (*at == ' ')
            *at = ',';
    (void)snprintf(what, sizeof what, "shape=%s", shape);
    world_init(&drawn->world, nodes);
    drawn->world.seed = seed;
    world_link_rule(&drawn->world, "base", "rule", RULE_SHAPE, parts, HOW_STALL, what);
    world_compile(&drawn->world, 0);
    const struct plan_rule *rule = world_rule(&drawn->world, "rule");
    drawn->n = n;
    memset(drawn->reaches, true, sizeof drawn->reaches);
    for (size_t i = 0; i < rule->n_links; i++) {
        cr_assert_leq(rule->links[i].from, n, "x is not of the shape");
        cr_assert_leq(rule->links[i].to, n, "x is not of the shape");
        drawn->reaches[rule->links[i].from - 1][rule->links[i].to - 1] = false;
    }
}

static void done(struct drawn *drawn)
{
    world_close(&drawn->world);
}

/* The nodes that it sees, itself among them, as bits. */
static unsigned seen_by(const struct drawn *drawn, size_t node)
{
    unsigned seen = 0;
    for (size_t i = 0; i < drawn->n; i++)
        if (drawn->reaches[i][node])
            seen |= 1U << i;
    return seen;
}

static size_t count(unsigned bits)
{
    return (size_t)__builtin_popcount(bits);
}

static void expect_both_ways(const struct drawn *drawn)
{
    for (size_t i = 0; i < drawn->n; i++) {
        cr_expect(drawn->reaches[i][i]);
        for (size_t j = 0; j < drawn->n; j++)
            cr_expect_eq(drawn->reaches[i][j], drawn->reaches[j][i]);
    }
}

static void expect_ring(struct drawn *drawn, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned seen = seen_by(drawn, i);
        cr_expect_geq(count(seen), n / 2 + 1, "%zu nodes: %x", n, seen);
        for (size_t j = 0; j < i; j++)
            cr_expect_neq(seen, seen_by(drawn, j), "%zu nodes", n);
    }
}

Test(shape, in_a_ring_each_node_sees_a_majority_and_no_two_the_same)
{
    for (size_t n = 3; n <= NODES_MOST; n++) {
        for (uint64_t seed = 0; seed < SEEDS; seed++) {
            struct drawn drawn;
            draw_shape(&drawn, "majorities-ring", n, seed);
            expect_both_ways(&drawn);
            expect_ring(&drawn, n);
            done(&drawn);
        }
    }
}

/* Shapes of two parts without a bridge: how many nodes may be in the smaller one. */
static const struct {
    const char *shape;
    size_t least, most; /* of 9 nodes */
} splits[] = {{"halves", 4, 4}, {"one", 1, 1}, {"minority", 1, 4}};

Test(shape, halves_one_and_minority_are_two_parts_of_the_right_sizes)
{
    for (size_t i = 0; i < sizeof splits / sizeof *splits; i++) {
        unsigned sizes = 0;
        for (uint64_t seed = 0; seed < SEEDS; seed++) {
            struct drawn drawn;
            draw_shape(&drawn, splits[i].shape, 9, seed);
            expect_both_ways(&drawn);
            unsigned first = seen_by(&drawn, 0), second = 0x1ff & ~first;
            size_t smaller =
                count(first) < count(second) ? count(first) : count(second);
            for (size_t node = 0; node < 9; node++)
                cr_expect_eq(seen_by(&drawn, node),
                             first & 1U << node ? first : second);
            cr_expect_geq(smaller, splits[i].least, "%s", splits[i].shape);
            cr_expect_leq(smaller, splits[i].most, "%s", splits[i].shape);
            sizes |= 1U << smaller;
            done(&drawn);
        }
        cr_expect_eq(count(sizes), splits[i].most - splits[i].least + 1,
                     "%s: every size is drawn at some time", splits[i].shape);
    }
}

Test(shape, a_bridge_is_the_one_node_that_two_halves_have_in_common)
{
    for (size_t n = 3; n <= NODES_MOST; n++) {
        for (uint64_t seed = 0; seed < SEEDS; seed++) {
            struct drawn drawn;
            draw_shape(&drawn, "bridge", n, seed);
            expect_both_ways(&drawn);
            size_t bridges = 0;
            for (size_t i = 0; i < n; i++) {
                size_t seen = count(seen_by(&drawn, i));
                bridges += seen == n;
                cr_expect(seen == n || seen == (n - 1) / 2 + 1 || seen == n / 2 + 1,
                          "%zu nodes: %zu", n, seen);
            }
            cr_expect_eq(bridges, 1, "%zu nodes", n);
            done(&drawn);
        }
    }
}

Test(shape, fewer_nodes_than_it_takes_are_left_together)
{
    static const char *const shapes[] = {"majorities-ring", "bridge"};
    for (size_t i = 0; i < 2; i++) {
        struct drawn drawn;
        draw_shape(&drawn, shapes[i], 2, 0);
        cr_expect_eq(seen_by(&drawn, 0), 3);
        done(&drawn);
        draw_shape(&drawn, shapes[i], 1, 0);
        cr_expect_eq(world_rule(&drawn.world, "rule")->n_links, 0);
        done(&drawn);
    }
}

/* What was drawn, in words; to be freed. */
static char *describe(const struct world *world)
{
    struct buffer out = {0};
    plan_rule_describe(world->plan, world_rule(world, "rule"), &out);
    return out.text;
}

/* Names within a part may stand in any order: of both texts, here "a, b / c, d, e". */
static void expect_same_parts(const char *one, const char *other)
{
    const char *slash = strchr(one, '/'), *other_slash = strchr(other, '/');
    cr_assert(slash && other_slash);
    for (const char *at = one; *at; at++) {
        const char *found = *at >= 'a' && *at <= 'e' ? strchr(other, *at) : NULL;
        if (*at >= 'a' && *at <= 'e')
            cr_expect(found && (found < other_slash) == (at < slash), "%s, not %s", one,
                      other);
    }
}

Test(shape, is_a_function_of_seed_and_names_alone)
{
    struct drawn one, again = {.n = 5};
    char *texts[SEEDS];
    size_t different = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        draw_shape(&one, "halves", 5, seed);
        texts[seed] = describe(&one.world);
        done(&one);
        different += seed > 0 && strcmp(texts[seed], texts[0]) != 0;
    }
    cr_expect_gt(different, SEEDS / 2);
    world_init(&again.world, "x e b a d c");
    again.world.seed = 7;
    world_link_rule(&again.world, "base", "rule", RULE_SHAPE, "e,b,a,d,c", HOW_STALL,
                    "shape=halves");
    world_compile(&again.world, 5);
    char *text = describe(&again.world);
    expect_same_parts(text, texts[7]);
    free(text);
    done(&again);
    for (size_t i = 0; i < SEEDS; i++)
        free(texts[i]);
}

Test(shape, what_link_rules_cut_is_said_with_what_was_drawn)
{
    static const struct {
        enum rule_kind kind;
        const char *parts, *what, *said;
    } rows[] = {
        {RULE_PARTITION, "a / b,c", "", "a / b, c"},
        {RULE_ISOLATE, "a", "", "a / all other nodes"},
        {RULE_CUT, "a / any", "", "a -> any"},
        {RULE_SHAPE, "a,b,c", "shape=majorities-ring", "b, c / c, a"},
        {RULE_SHAPE, "a,b,c", "shape=one", "b / c, a"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct world world;
        world_init(&world, "a b c d");
        world_link_rule(&world, "base", "rule", rows[i].kind, rows[i].parts, HOW_STALL,
                        rows[i].what);
        world_compile(&world, 0);
        char *said = describe(&world);
        cr_expect_str_eq(said, rows[i].said, "row %zu: %s", i, said);
        free(said);
        world_close(&world);
    }
}
