/* SPDX-License-Identifier: MIT */
/* The way of bytes and of a fin through a chain, and who may keep how many. */
#include "tests/rules/one_stream.h"

#include <criterion/criterion.h>

TestSuite(chain, .init = one_stream_begin, .fini = one_stream_end);

Test(chain, without_faults_passes_all_at_once_and_is_transparent)
{
    world_compile(&world, 0);
    stream_open(&stream, &world, TO_SERVER, 0);
    cr_expect(chain_is_transparent(&stream.chain));
    cr_expect_eq(chain_room(&stream.chain), SIZE_MAX);
    stream_take(&stream, 100);
    chain_bypass(&stream.chain, 50);
    stream_fin(&stream);
    one_stream_expect(0, "0s:100 0s:fin");
}

Test(chain, applies_a_link_to_its_own_stream_only)
{
    world_inject(&world, "base", "rule", "a", "b", "delay=10ms");
    world_compile(&world, 0);
    stream_open(&stream, &world, TO_CLIENT, 0);
    cr_expect(chain_is_transparent(&stream.chain));
}

Test(chain, fin_waits_behind_the_bytes_and_takes_the_delay)
{
    one_stream_open_with("delay=10ms");
    cr_expect_not(chain_is_transparent(&stream.chain));
    stream_take(&stream, 100);
    stream_run(&stream, 5 * MS);
    stream_fin(&stream);
    stream_run(&stream, SECOND);
    one_stream_expect(0, "10ms:100 15ms:fin");
}

Test(chain, stages_add_up_exactly_though_timers_are_late)
{
    world_inject(&world, "base", "one", "a", "b", "delay=10ms");
    world_inject(&world, "base", "two", "a", "b", "delay=20ms");
    world_inject(&world, "base", "three", "a", "b", "delay=30ms");
    world_compile(&world, 0);
    stream_open(&stream, &world, TO_SERVER, 0);
    stream.late_ns = 2 * MS;
    for (int i = 0; i < 50; i++) {
        stream_take(&stream, 1000);
        stream_run(&stream, stream.now_ns + MS);
    }
    stream_run(&stream, SECOND);
    cr_expect_eq(stream.sent, 50000);
    uint64_t sent = 0;
    for (size_t i = 0; i < stream.n_log; i++) {
        uint64_t first_ns = sent / 1000 * MS + 60 * MS;
        cr_expect_geq(stream.log[i].at_ns, first_ns);
        cr_expect_leq(stream.log[i].at_ns, first_ns + 2 * MS);
        sent += stream.log[i].bytes;
    }
}

Test(chain, a_stall_reads_up_to_its_hold)
{
    one_stream_open_with("stall=true hold=1000B");
    cr_expect_eq(chain_room(&stream.chain), 1000);
    stream_take(&stream, 600);
    cr_expect_eq(chain_room(&stream.chain), 400);
    stream_take(&stream, 600);
    cr_expect_eq(chain_room(&stream.chain), 0);
    cr_expect_eq(stream.touch[0].held_bytes, 1200);
    cr_expect_eq(stream.firsts[0], 1);
}

Test(chain, the_largest_hold_of_its_rules_is_the_streams)
{
    world_inject(&world, "base", "one", "a", "b", "stall=true hold=1000B");
    world_inject(&world, "base", "two", "a", "b", "delay=1s hold=2000B");
    world_inject(&world, "base", "three", "a", "b", "delay=1s hold=500B");
    world_compile(&world, 0);
    stream_open(&stream, &world, TO_SERVER, 0);
    cr_expect_eq(chain_room(&stream.chain), 2000);
}

Test(chain, the_default_hold_is_for_faults_that_keep)
{
    one_stream_open_with("delay=1s");
    cr_expect_eq(chain_room(&stream.chain), 8 << 20);
    stream_close(&stream);
    world_inject(&world, "base", "rule", "a", "b", "slice.size=10B");
    world_compile(&world, 0);
    stream_open(&stream, &world, TO_SERVER, 0);
    cr_expect_eq(chain_room(&stream.chain), FAULT_QUEUE_BYTES);
    stream_close(&stream);
    world_inject(&world, "base", "rule", "a", "b", "rate=10MB/s");
    world_compile(&world, 0);
    stream_open(&stream, &world, TO_SERVER, 0);
    cr_expect_eq(chain_room(&stream.chain), 500000, "50 ms of it");
    stream_close(&stream);
    world_inject(&world, "base", "rule", "a", "b", "rate=10GB/s");
    world_compile(&world, 0);
    stream_open(&stream, &world, TO_SERVER, 0);
    cr_expect_eq(chain_room(&stream.chain), 8 << 20);
}

Test(chain, tiny_chunks_are_charged_for_their_marks)
{
    one_stream_open_with("delay=10s hold=1MiB");
    uint64_t n = 0;
    for (; chain_room(&stream.chain) > 0; n++) {
        stream_take(&stream, 1);
        stream.now_ns++;
        cr_assert_lt(n, 1 << 20, "never full");
    }
    cr_expect_lt(n * sizeof(struct chain_mark), 1 << 20);
    cr_expect_gt(n, 10000);
}

Test(chain, what_cannot_be_sent_counts_against_the_room)
{
    one_stream_open_with("delay=0s hold=1000B");
    stream.blocked = true;
    stream_take(&stream, 900);
    cr_expect_eq(chain_room(&stream.chain), 100);
    stream.blocked = false;
    stream_run(&stream, MS);
    cr_expect_eq(chain_room(&stream.chain), 1000);
}

Test(chain, partial_writes_leave_the_rest)
{
    one_stream_open_with("delay=1ms");
    stream.blocked = true;
    stream_take(&stream, 100);
    stream_run(&stream, SECOND);
    struct chain_action action = chain_next(&stream.chain, SECOND);
    cr_expect_eq(action.bytes, 100);
    chain_sent(&stream.chain, CHAIN_SEND, 0);
    chain_sent(&stream.chain, CHAIN_SEND, 30);
    action = chain_next(&stream.chain, SECOND);
    cr_expect_eq(action.verb, CHAIN_SEND);
    cr_expect_eq(action.bytes, 70);
}
