/* SPDX-License-Identifier: MIT */
/* Rules that come, change and go while bytes are under way. */
#include "tests/rules/one_stream.h"

#include <criterion/criterion.h>

TestSuite(chain_update, .init = one_stream_begin, .fini = one_stream_end);

Test(chain_update, a_changed_delay_acts_at_once_on_what_waits)
{
    one_stream_open_with("delay=10s");
    stream_take(&stream, 100);
    stream_run(&stream, SECOND);
    cr_expect_eq(stream.sent, 0);
    world_inject(&world, "base", "rule", "a", "b", "delay=1500ms");
    world_compile(&world, SECOND);
    stream_update(&stream, &world);
    stream_run(&stream, 10 * SECOND);
    one_stream_expect(0, "1.5s:100");
}

/* 100 bytes have waited 8 s for the 10 s of `one`; `two` adds 5 s. */
static void wait_under_two_delays(void)
{
    world_inject(&world, "base", "one", "a", "b", "delay=10s");
    world_inject(&world, "base", "two", "a", "b", "delay=5s");
    world_compile(&world, 0);
    stream_open(&stream, &world, TO_SERVER, 0);
    stream_take(&stream, 100);
    stream_run(&stream, 8 * SECOND);
}

static void expect_at_13_s(void)
{
    world_compile(&world, 8 * SECOND);
    stream_update(&stream, &world);
    stream_run(&stream, 60 * SECOND);
    one_stream_expect(0, "13s:100");
}

Test(chain_update, a_delay_taken_away_does_not_backdate_the_next)
{
    wait_under_two_delays();
    world_remove(&world, "base", "one");
    expect_at_13_s();
}

Test(chain_update, a_shortened_delay_does_not_backdate_the_next)
{
    wait_under_two_delays();
    world_inject(&world, "base", "one", "a", "b", "delay=1s");
    expect_at_13_s();
}

Test(chain_update, an_unrelated_change_leaves_the_waiting_bytes_alone)
{
    one_stream_open_with("delay=10ms");
    stream_take(&stream, 100);
    stream_run(&stream, 4 * MS);
    world_inject(&world, "base", "other", "a", "c", "stall=true");
    world_compile(&world, 4 * MS);
    stream_update(&stream, &world);
    stream_run(&stream, SECOND);
    one_stream_expect(0, "10ms:100");
}

Test(chain_update, removal_releases_at_once_in_order)
{
    one_stream_open_with("stall=true");
    stream_take(&stream, 100);
    stream_run(&stream, SECOND);
    stream_take(&stream, 50);
    stream_fin(&stream);
    world_remove(&world, "base", "rule");
    world_compile(&world, SECOND);
    stream_update(&stream, &world);
    one_stream_expect(0, "1s:150 1s:fin");
    cr_expect(chain_is_transparent(&stream.chain));
}

Test(chain_update, rules_that_change_places_keep_bytes_and_state)
{
    world_inject(&world, "base", "one", "a", "b", "delay=10ms");
    world_inject(&world, "base", "two", "a", "b", "stall=true");
    world_compile(&world, 0);
    stream_open(&stream, &world, TO_SERVER, 0);
    stream_take(&stream, 100);
    stream_run(&stream, 20 * MS);
    stream_take(&stream, 50);
    world_remove(&world, "base", "one");
    world_inject(&world, "base", "one", "a", "b", "delay=10ms");
    world_compile(&world, 20 * MS);
    stream_update(&stream, &world);
    stream_run(&stream, SECOND);
    cr_expect_leq(stream.sent, 100); /* the 50 were ahead of the stall's new place */
    world_layer(&world, "base")->rules_off = true;
    world_compile(&world, SECOND);
    stream_update(&stream, &world);
    cr_expect_eq(stream.sent, 150);
    cr_expect(chain_is_transparent(&stream.chain));
}
