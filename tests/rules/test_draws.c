/* SPDX-License-Identifier: MIT */
/* What decisions depend on, and what they do not. */
#include "tests/rules/one_stream.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(draws, .init = one_stream_begin, .fini = one_stream_end);

enum {
    LIVES = 20,
    ORDINALS = 20,
};
#define NOT_DRAWN INT64_MIN

/* The chance of each connection, and its jitter by ordinal. */
struct fates {
    int64_t chance[LIVES];
    int64_t jitter[LIVES][ORDINALS];
};

static void note_fate(struct fates *fates, int life)
{
    for (size_t i = 0; i < stream.n_decisions; i++) {
        const struct chain_decision *decision = &stream.decisions[i];
        if (strcmp(decision->rule->name, "rule") != 0)
            continue;
        if (decision->kind == DECISION_APPLIES)
            fates->chance[life] = decision->outcome;
        else
            fates->jitter[life][decision->ordinal] = decision->outcome;
    }
}

static void live(uint64_t seed, bool with_another, struct fates *fates)
{
    world.seed = seed;
    if (with_another)
        world_inject(&world, "base", "other", NULL, NULL, "delay=5ms jitter=5ms");
    world_inject(&world, "base", "rule", "a", "b",
                 "delay=5ms jitter=4ms distribution=normal probability=60%");
    world_compile(&world, 0);
    for (int life = 0; life < LIVES; life++) {
        for (int i = 0; i < ORDINALS; i++)
            fates->jitter[life][i] = NOT_DRAWN;
        stream_open(&stream, &world, TO_SERVER, 0);
        for (uint64_t i = 0; i < 10; i++) {
            stream_run(&stream, i * 10 * MS);
            stream_take(&stream, 1);
        }
        stream_run(&stream, SECOND);
        note_fate(fates, life);
        stream_close(&stream);
    }
    one_stream_renew();
}

/* How many fates differ; *compared: how many were drawn in both. */
static size_t compare_fates(const struct fates *a, const struct fates *b,
                            size_t *compared)
{
    size_t different = 0;
    *compared = 0;
    for (int i = 0; i < LIVES; i++) {
        different += a->chance[i] != b->chance[i];
        for (int j = 0; j < ORDINALS; j++) {
            if (a->jitter[i][j] == NOT_DRAWN || b->jitter[i][j] == NOT_DRAWN)
                continue;
            ++*compared;
            different += a->jitter[i][j] != b->jitter[i][j];
        }
    }
    return different;
}

/* Which windows a stream has bytes in is up to time; what is drawn for one is not. */
Test(draws, decisions_depend_on_the_seed_and_not_on_other_rules)
{
    static struct fates first, again, with_another, other_seed;
    size_t n = 0;
    live(7, false, &first);
    live(7, false, &again);
    live(7, true, &with_another);
    live(8, false, &other_seed);
    cr_expect_eq(compare_fates(&first, &again, &n), 0);
    cr_expect_gt(n, 80);
    cr_expect_eq(compare_fates(&first, &with_another, &n), 0);
    cr_expect_gt(n, 60);
    cr_expect_gt(compare_fates(&first, &other_seed, &n), 40);
}

Test(draws, probability_is_drawn_once_a_connection_for_both_streams)
{
    world_inject(&world, "base", "rule", "a", "b",
                 "delay=10ms probability=30% both=true");
    world_compile(&world, 0);
    size_t slow = 0, told = 0;
    for (int i = 0; i < 1000; i++) {
        stream_open(&stream, &world, TO_SERVER, 0);
        stream_open_on(&second, &world, &stream.chain.config.connection, TO_CLIENT);
        bool to_server = !chain_is_transparent(&stream.chain);
        bool to_client = !chain_is_transparent(&second.chain);
        cr_assert_eq(to_server, to_client);
        stream_update(&stream, &world);
        cr_assert_eq(to_server, !chain_is_transparent(&stream.chain));
        cr_assert_eq(stream.n_decisions, 1);
        cr_assert_eq(stream.decisions[0].outcome, to_server);
        slow += to_server;
        told += stream.n_decisions + second.n_decisions;
        stream_close(&stream);
        stream_close(&second);
    }
    cr_expect(slow > 230 && slow < 370, "%zu", slow);
    cr_expect_eq(told, 1000);
}
