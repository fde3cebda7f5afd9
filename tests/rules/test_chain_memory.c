/* SPDX-License-Identifier: MIT */
/* A chain whose memory runs out. */
#include "tests/rules/one_stream.h"
#include "tests/rules/support.h"

#include <criterion/criterion.h>
#include <errno.h>

TestSuite(chain_memory, .init = one_stream_begin, .fini = one_stream_end);

Test(chain_memory, without_memory_an_update_changes_nothing)
{
    world_inject(&world, "base", "one", "a", "b", "delay=10ms");
    world_compile(&world, 0);
    stream_open(&stream, &world, TO_SERVER, 0);
    static struct failing_allocator failing; /* outlives the stream */
    failing_allocator_init(&failing, 0);
    stream_take(&stream, 100);
    stream.chain.config.allocator = &failing.allocator;
    world_inject(&world, "base", "one", "a", "b", "delay=20ms");
    world_compile(&world, MS);
    const struct match *match = path_match(stream.path, world.plan);
    cr_expect_eq(chain_update(&stream.chain, match, MS), -ENOMEM);
    stream_run(&stream, 10 * MS);
    one_stream_expect(0, "10ms:100");
}

Test(chain_memory, without_memory_for_a_mark_the_connection_is_reset)
{
    one_stream_open_with("stall=true");
    static struct failing_allocator failing; /* outlives the stream */
    failing_allocator_init(&failing, 0);
    stream.chain.config.allocator = &failing.allocator;
    for (int i = 0; i < 10 && !stream.is_over; i++) {
        stream.now_ns++;
        stream_take(&stream, 1);
    }
    cr_expect(stream.is_over);
    cr_expect_eq(stream.over_by, CHAIN_RESET);
}

/* The life of a stream on this allocator. True: it got through. */
static bool live_on(const struct allocator *allocator)
{
    bool through = false;
    struct paths *paths = paths_create(allocator, NULL);
    struct path *path = paths ? paths_find(paths, "a", "b", 1) : NULL;
    const struct match *match = path ? path_match(path, world.plan) : NULL;
    if (match) {
        struct chain chain;
        const struct chain_config config = {.connection = path_open(path, 0),
                                            .hold_bytes = 1000,
                                            .allocator = allocator};
        chain_init(&chain, &config);
        int status = chain_update(&chain, match, 0);
        cr_assert(status == 0 || status == -ENOMEM);
        for (uint64_t i = 0; i < 20; i++)
            chain_data(&chain, 1, i);
        through = status == 0 && chain_next(&chain, 20).verb != CHAIN_RESET;
        chain_close(&chain);
        chain_close(&chain);
    }
    paths_destroy(paths);
    return through;
}

Test(chain_memory, nothing_leaks_wherever_memory_runs_out)
{
    world_inject(&world, "base", "one", "a", "b", "delay=10ms rate=1B/s scope=link");
    world_inject(&world, "base", "two", "a", "b", "rate=1MB/s scope=link");
    world_compile(&world, 0);
    stream_open(&stream, &world, TO_SERVER, 0);
    bool through = false;
    for (size_t i = 0; !through; i++) {
        struct failing_allocator failing;
        failing_allocator_init(&failing, i);
        through = live_on(&failing.allocator);
        cr_assert_eq(failing.n_live, 0, "call %zu: %zu left", i, failing.n_live);
        cr_assert(through || failing.until_failure == 0);
    }
}
