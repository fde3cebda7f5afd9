/* SPDX-License-Identifier: MIT */
/* What is lost, how often, and how long it waits. */
#include "tests/rules/one_stream.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(loss, .init = one_stream_begin, .fini = one_stream_end);

enum { SEGMENTS = 20000 };

/* How often each segment was lost, as the journal tells; chunks of the size, one each
 * step_ns. */
static void lose(const char *what, uint64_t size, uint64_t step_ns, uint8_t *losses)
{
    const uint64_t total = SEGMENTS / 100 * 1460;
    memset(losses, 0, SEGMENTS);
    for (uint64_t seed = 0; seed < 100; seed++) {
        world.seed = seed;
        one_stream_open_with(what);
        for (uint64_t at_ns = 0; stream.taken < total; at_ns += step_ns) {
            stream_run(&stream, at_ns);
            stream_take(&stream,
                        total - stream.taken < size ? total - stream.taken : size);
        }
        stream_run(&stream, stream.now_ns + 2000 * SECOND);
        for (size_t i = 0; i < stream.n_decisions; i++) {
            uint8_t *place = &losses[seed * 200 + stream.decisions[i].ordinal];
            cr_assert_eq(*place, 0, "told once");
            *place = (uint8_t)stream.decisions[i].outcome;
        }
        one_stream_renew();
    }
}

Test(loss, loss_is_drawn_for_each_1460_bytes_whatever_the_chunks)
{
    static uint8_t first[SEGMENTS], again[SEGMENTS];
    lose("loss=10%", 200 * 1460, 0, first);
    size_t by_times[UINT8_MAX + 1] = {0};
    for (size_t i = 0; i < SEGMENTS; i++)
        by_times[first[i]]++;
    cr_expect(by_times[1] > 1650 && by_times[1] < 1950, "%zu of 1800", by_times[1]);
    cr_expect(by_times[2] > 130 && by_times[2] < 230, "%zu of 180", by_times[2]);
    lose("loss=10%", 777, 3 * MS, again);
    cr_expect_arr_eq(first, again, SEGMENTS);
}

/* How long a segment waits that is lost so often. */
static const uint64_t loss_waits_ms[] = {0,     200,   600,   1400,   3000,   6200,
                                         12600, 25400, 51000, 102200, 162200, 222200};
enum { LOSS_WAITS = sizeof loss_waits_ms / sizeof *loss_waits_ms };

/* Waits are told by those that were drawn, so that no seed is special. */
Test(loss, what_is_lost_waits_for_its_timeouts_and_all_behind_it_too)
{
    one_stream_open_with("loss=60%");
    for (uint64_t segment = 0; segment < 100; segment++) {
        uint64_t since_ns = stream.now_ns;
        size_t told = stream.n_decisions, sent = stream.sent;
        stream_take(&stream, 1000);
        uint64_t losses =
            stream.n_decisions > told ? (uint64_t)stream.decisions[told].outcome : 0;
        cr_assert_lt(losses, LOSS_WAITS);
        uint64_t due_ns = since_ns + loss_waits_ms[losses] * MS;
        stream_run(&stream, since_ns + loss_waits_ms[losses] * MS / 2);
        stream_take(&stream, 460); /* of the same segment, later: not drawn again */
        cr_assert_eq(stream.n_decisions, told + (losses > 0));
        if (losses) {
            stream_run(&stream, due_ns - 1);
            cr_assert_eq(stream.sent, sent);
        }
        stream_run(&stream, due_ns);
        cr_assert_eq(stream.sent, sent + 1460);
        stream_run(&stream, due_ns + MS);
    }
    cr_expect_gt(stream.n_decisions, 40);
}

Test(loss, losses_on_their_way_together_wait_together)
{
    one_stream_open_with("loss=40%");
    stream_take(&stream, 100 * 1460);
    stream_run(&stream, 1000 * SECOND);
    uint64_t longest = 0;
    for (size_t i = 0; i < stream.n_decisions; i++)
        if ((uint64_t)stream.decisions[i].outcome > longest)
            longest = (uint64_t)stream.decisions[i].outcome;
    cr_assert(longest > 2 && longest < LOSS_WAITS, "%zu", (size_t)longest);
    cr_expect_gt(stream.n_decisions, 25);
    cr_expect_eq(stream.sent, 100 * 1460);
    cr_expect_eq(stream.log[stream.n_log - 1].at_ns, loss_waits_ms[longest] * MS);
}

Test(loss, a_loss_that_is_lowered_lets_go_of_what_is_not_lost_any_more)
{
    one_stream_open_with("loss=100%");
    stream_take(&stream, 14600);
    stream_run(&stream, 3600 * SECOND);
    cr_expect_eq(stream.sent, 0);
    world_inject(&world, "base", "rule", "a", "b", "loss=0%");
    world_compile(&world, 3600 * SECOND);
    stream_update(&stream, &world);
    cr_expect_eq(stream.sent, 14600);
}
