/* SPDX-License-Identifier: MIT */
/* What a chain says that its rules touched, and how streams end. */
#include "tests/rules/one_stream.h"

#include <criterion/criterion.h>

TestSuite(chain_touch, .init = one_stream_begin, .fini = one_stream_end);

Test(chain_touch, a_partition_gates_both_ends_and_lets_time_pass_inside)
{
    one_stream_open_with("delay=10ms");
    stream_take(&stream, 100);
    world_link_rule(&world, "drill", "split", RULE_PARTITION, "a / b,c", HOW_STALL, "");
    world_compile(&world, 5 * MS);
    stream.now_ns = 5 * MS;
    stream_update(&stream, &world);
    cr_expect_eq(chain_room(&stream.chain), 0);
    cr_expect_eq(chain_gate(&stream.chain), world_rule(&world, "split"));
    stream_run(&stream, SECOND);
    chain_unread(&stream.chain, 40);
    chain_unread(&stream.chain, 60);
    cr_expect_eq(stream.sent, 0);
    const struct plan_rule *split = world_rule(&world, "split");
    cr_expect_eq(stream.touch[split->slot].held_bytes, 160);
    cr_expect_eq(stream.firsts[split->slot], 1);
    world_layer(&world, "drill")->links_off = true;
    world_compile(&world, SECOND);
    stream_update(&stream, &world);
    one_stream_expect(0, "1s:100");
    cr_expect_gt(chain_room(&stream.chain), 0);
}

Test(chain_touch, a_partition_that_goes_on_counts_nothing_twice)
{
    world_link_rule(&world, "base", "split", RULE_PARTITION, "a / b", HOW_STALL, "");
    world_compile(&world, 0);
    stream_open(&stream, &world, TO_SERVER, 0);
    chain_unread(&stream.chain, 100);
    world_inject(&world, "base", "other", "a", "b", "delay=1ms");
    world_compile(&world, 0);
    stream_update(&stream, &world);
    chain_unread(&stream.chain, 100);
    uint32_t slot = world_rule(&world, "split")->slot;
    cr_expect_eq(stream.touch[slot].held_bytes, 100);
    cr_expect_eq(stream.firsts[slot], 1);
}

Test(chain_touch, a_cut_that_resets_ends_live_connections)
{
    one_stream_open_with("delay=10ms");
    stream_take(&stream, 100);
    world_link_rule(&world, "base", "gone", RULE_CUT, "a / b", HOW_REFUSE, "");
    world_compile(&world, MS);
    stream.now_ns = MS;
    stream_update(&stream, &world);
    one_stream_expect(0, "1ms:reset");
    cr_expect_eq(stream.ends[world_rule(&world, "gone")->slot], 1);
}

Test(chain_touch, a_fin_that_has_to_wait_is_a_touch_without_bytes)
{
    one_stream_open_with("stall=true");
    stream_fin(&stream);
    stream_run(&stream, SECOND);
    cr_expect_eq(stream.firsts[0], 1);
    cr_expect_eq(stream.touch[0].held_bytes, 0);
    cr_expect_not(stream.is_over);
}

Test(chain_touch, a_delay_of_nothing_touches_nothing)
{
    one_stream_open_with("delay=0s");
    stream_take(&stream, 100);
    cr_expect_eq(stream.firsts[0], 0);
    one_stream_expect(0, "0s:100");
}

Test(chain_touch, a_connection_touched_in_both_streams_counts_once)
{
    world_inject(&world, "base", "rule", "a", "b", "delay=10ms both=true");
    world_compile(&world, 0);
    static struct stream back;
    stream_open(&stream, &world, TO_SERVER, 0);
    stream_open_on(&back, &world, &stream.chain.config.connection, TO_CLIENT);
    back.chain.config.other = &stream.chain;
    stream.chain.config.other = &back.chain;
    stream_take(&stream, 100);
    stream_take(&back, 100);
    cr_expect_eq(stream.firsts[0] + back.firsts[0], 1);
    cr_expect_eq(back.touch[0].held_bytes, 100);
    stream_close(&back);
}

Test(chain_touch, bytes_count_once_a_rule_however_many_faults_it_has)
{
    one_stream_open_with("delay=10ms rate=100kB/s");
    stream_take(&stream, 1000);
    stream_run(&stream, SECOND);
    cr_expect_eq(stream.touch[0].held_bytes, 1000);
    cr_expect_eq(stream.touch[0].passed_bytes, 1000);
}

Test(chain_touch, discarded_bytes_leave_in_their_turn_and_heal_resets)
{
    world_inject(&world, "base", "slow", "a", "b", "delay=10ms");
    world_inject(&world, "base", "hole", "a", "b", "discard=true after=5ms");
    world_inject(&world, "base", "slower", "a", "b", "delay=20ms");
    world_compile(&world, 0);
    stream_open(&stream, &world, TO_SERVER, 0);
    stream_take(&stream, 100);
    stream_run(&stream, 5 * MS);
    stream_update(&stream, &world);
    stream_take(&stream, 30);
    stream_run(&stream, SECOND);
    cr_expect_eq(stream.sent, 0);
    cr_expect_eq(stream.discarded, 130);
    cr_expect_eq(stream.touch[world_rule(&world, "hole")->slot].discarded_bytes, 130);
    cr_expect(chain_is_empty(&stream.chain));
    world_remove(&world, "base", "hole");
    world_compile(&world, SECOND);
    stream_update(&stream, &world);
    one_stream_expect(0, "1s:reset");
}

Test(chain_touch, a_discard_that_discarded_nothing_heals_without_a_reset)
{
    one_stream_open_with("discard=true");
    world_remove(&world, "base", "rule");
    world_compile(&world, 0);
    stream_update(&stream, &world);
    cr_expect_not(stream.is_over);
}

Test(chain_touch, discard_keeps_fin_until_heal)
{
    one_stream_open_with("discard=true");
    stream_fin(&stream);
    stream_run(&stream, SECOND);
    cr_expect_not(stream.is_over);
    world_remove(&world, "base", "rule");
    world_compile(&world, SECOND);
    stream_update(&stream, &world);
    one_stream_expect(0, "1s:fin");
}

Test(chain_touch, reset_ends_behind_so_many_bytes)
{
    one_stream_open_with("reset.after=100B delay=10ms");
    stream_take(&stream, 60);
    stream_run(&stream, 5 * MS);
    stream_take(&stream, 60);
    stream_run(&stream, SECOND);
    one_stream_expect(0, "10ms:60 15ms:40 15ms:reset");
    cr_expect_eq(stream.ends[0], 1);
}

Test(chain_touch, reset_behind_bytes_waits_until_they_are_sent)
{
    one_stream_open_with("reset.after=100B");
    stream.blocked = true;
    stream_take(&stream, 150);
    stream_run(&stream, SECOND);
    cr_expect_not(stream.is_over);
    stream.blocked = false;
    stream_run(&stream, 2 * SECOND);
    one_stream_expect(0, "1s:100 1s:reset");
}

Test(chain_touch, close_comes_a_time_after_the_later_of_connection_and_rule)
{
    world_inject(&world, "base", "rule", "a", "b", "close.after=1s after=4s");
    world_compile(&world, 0);
    stream_open(&stream, &world, TO_SERVER, 2 * SECOND);
    stream_run(&stream, 4 * SECOND);
    stream_update(&stream, &world);
    stream_take(&stream, 10);
    stream_run(&stream, 60 * SECOND);
    one_stream_expect(0, "4s:10 5s:close");
    stream_close(&stream);
    stream_open(&stream, &world, TO_SERVER, 30 * SECOND);
    stream_run(&stream, 60 * SECOND);
    one_stream_expect(0, "31s:close");
}
