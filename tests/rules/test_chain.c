/* SPDX-License-Identifier: MIT */
#include "tests/rules/world.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void expect_story(const struct stream *stream, size_t first, const char *wanted)
{
    char text[4096];
    cr_expect_str_eq(stream_story(stream, first, text, sizeof text), wanted,
                     "%s, not %s", text, wanted);
}

static struct world world;
static struct stream stream;

static void begin(void)
{
    world_init(&world, "a b c");
}

static void end(void)
{
    stream_close(&stream);
    world_close(&world);
}

TestSuite(chain, .init = begin, .fini = end);

static void open_with(const char *what)
{
    world_inject(&world, "base", "rule", "a", "b", what);
    world_compile(&world, 0);
    stream_open(&stream, &world, TO_SERVER, 0);
}

Test(chain, without_faults_passes_all_at_once_and_is_transparent)
{
    world_compile(&world, 0);
    stream_open(&stream, &world, TO_SERVER, 0);
    cr_expect(chain_is_transparent(&stream.chain));
    cr_expect_eq(chain_room(&stream.chain), SIZE_MAX);
    stream_take(&stream, 100);
    chain_bypass(&stream.chain, 50);
    stream_fin(&stream);
    expect_story(&stream, 0, "0s:100 0s:fin");
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
    open_with("delay=10ms");
    cr_expect_not(chain_is_transparent(&stream.chain));
    stream_take(&stream, 100);
    stream_run(&stream, 5 * MS);
    stream_fin(&stream);
    stream_run(&stream, SECOND);
    expect_story(&stream, 0, "10ms:100 15ms:fin");
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

Test(chain, a_changed_delay_acts_at_once_on_what_waits)
{
    open_with("delay=10s");
    stream_take(&stream, 100);
    stream_run(&stream, SECOND);
    cr_expect_eq(stream.sent, 0);
    world_inject(&world, "base", "rule", "a", "b", "delay=1500ms");
    world_compile(&world, SECOND);
    stream_update(&stream, &world);
    stream_run(&stream, 10 * SECOND);
    expect_story(&stream, 0, "1.5s:100");
}

Test(chain, a_delay_taken_away_does_not_backdate_the_next)
{
    world_inject(&world, "base", "one", "a", "b", "delay=10s");
    world_inject(&world, "base", "two", "a", "b", "delay=5s");
    world_compile(&world, 0);
    stream_open(&stream, &world, TO_SERVER, 0);
    stream_take(&stream, 100);
    stream_run(&stream, 8 * SECOND);
    world_remove(&world, "base", "one");
    world_compile(&world, 8 * SECOND);
    stream_update(&stream, &world);
    stream_run(&stream, 60 * SECOND);
    expect_story(&stream, 0, "13s:100");
}

Test(chain, a_shortened_delay_does_not_backdate_the_next)
{
    world_inject(&world, "base", "one", "a", "b", "delay=10s");
    world_inject(&world, "base", "two", "a", "b", "delay=5s");
    world_compile(&world, 0);
    stream_open(&stream, &world, TO_SERVER, 0);
    stream_take(&stream, 100);
    stream_run(&stream, 8 * SECOND);
    world_inject(&world, "base", "one", "a", "b", "delay=1s");
    world_compile(&world, 8 * SECOND);
    stream_update(&stream, &world);
    stream_run(&stream, 60 * SECOND);
    expect_story(&stream, 0, "13s:100");
}

Test(chain, an_unrelated_change_leaves_the_waiting_bytes_alone)
{
    open_with("delay=10ms");
    stream_take(&stream, 100);
    stream_run(&stream, 4 * MS);
    world_inject(&world, "base", "other", "a", "c", "stall=true");
    world_compile(&world, 4 * MS);
    stream_update(&stream, &world);
    stream_run(&stream, SECOND);
    expect_story(&stream, 0, "10ms:100");
}

Test(chain, removal_releases_at_once_in_order)
{
    open_with("stall=true");
    stream_take(&stream, 100);
    stream_run(&stream, SECOND);
    stream_take(&stream, 50);
    stream_fin(&stream);
    world_remove(&world, "base", "rule");
    world_compile(&world, SECOND);
    stream_update(&stream, &world);
    expect_story(&stream, 0, "1s:150 1s:fin");
    cr_expect(chain_is_transparent(&stream.chain));
}

Test(chain, a_stall_reads_up_to_its_hold)
{
    open_with("stall=true hold=1000B");
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
    open_with("delay=1s");
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
    open_with("delay=10s hold=1MiB");
    uint64_t n = 0;
    for (; chain_room(&stream.chain) > 0; n++) {
        stream_take(&stream, 1);
        stream.now_ns++;
        cr_assert_lt(n, 1 << 20, "never full");
    }
    cr_expect_lt(n * sizeof(struct chain_mark), 1 << 20);
    cr_expect_gt(n, 10000);
}

Test(chain, a_partition_gates_both_ends_and_lets_time_pass_inside)
{
    open_with("delay=10ms");
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
    expect_story(&stream, 0, "1s:100");
    cr_expect_gt(chain_room(&stream.chain), 0);
}

Test(chain, a_partition_that_goes_on_counts_nothing_twice)
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

Test(chain, a_cut_that_resets_ends_live_connections)
{
    open_with("delay=10ms");
    stream_take(&stream, 100);
    world_link_rule(&world, "base", "gone", RULE_CUT, "a / b", HOW_REFUSE, "");
    world_compile(&world, MS);
    stream.now_ns = MS;
    stream_update(&stream, &world);
    expect_story(&stream, 0, "1ms:reset");
    cr_expect_eq(stream.ends[world_rule(&world, "gone")->slot], 1);
}

Test(chain, a_fin_that_has_to_wait_is_a_touch_without_bytes)
{
    open_with("stall=true");
    stream_fin(&stream);
    stream_run(&stream, SECOND);
    cr_expect_eq(stream.firsts[0], 1);
    cr_expect_eq(stream.touch[0].held_bytes, 0);
    cr_expect_not(stream.is_over);
}

Test(chain, a_delay_of_nothing_touches_nothing)
{
    open_with("delay=0s");
    stream_take(&stream, 100);
    cr_expect_eq(stream.firsts[0], 0);
    expect_story(&stream, 0, "0s:100");
}

Test(chain, a_connection_touched_in_both_streams_counts_once)
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

Test(chain, bytes_count_once_a_rule_however_many_faults_it_has)
{
    open_with("delay=10ms rate=100kB/s");
    stream_take(&stream, 1000);
    stream_run(&stream, SECOND);
    cr_expect_eq(stream.touch[0].held_bytes, 1000);
    cr_expect_eq(stream.touch[0].passed_bytes, 1000);
}

Test(chain, discarded_bytes_leave_in_their_turn_and_heal_resets)
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
    expect_story(&stream, 0, "1s:reset");
}

Test(chain, a_discard_that_discarded_nothing_heals_without_a_reset)
{
    open_with("discard=true");
    world_remove(&world, "base", "rule");
    world_compile(&world, 0);
    stream_update(&stream, &world);
    cr_expect_not(stream.is_over);
}

Test(chain, discard_keeps_fin_until_heal)
{
    open_with("discard=true");
    stream_fin(&stream);
    stream_run(&stream, SECOND);
    cr_expect_not(stream.is_over);
    world_remove(&world, "base", "rule");
    world_compile(&world, SECOND);
    stream_update(&stream, &world);
    expect_story(&stream, 0, "1s:fin");
}

Test(chain, reset_ends_behind_so_many_bytes)
{
    open_with("reset.after=100B delay=10ms");
    stream_take(&stream, 60);
    stream_run(&stream, 5 * MS);
    stream_take(&stream, 60);
    stream_run(&stream, SECOND);
    expect_story(&stream, 0, "10ms:60 15ms:40 15ms:reset");
    cr_expect_eq(stream.ends[0], 1);
}

Test(chain, reset_behind_bytes_waits_until_they_are_sent)
{
    open_with("reset.after=100B");
    stream.blocked = true;
    stream_take(&stream, 150);
    stream_run(&stream, SECOND);
    cr_expect_not(stream.is_over);
    stream.blocked = false;
    stream_run(&stream, 2 * SECOND);
    expect_story(&stream, 0, "1s:100 1s:reset");
}

Test(chain, close_comes_a_time_after_the_later_of_connection_and_rule)
{
    world_inject(&world, "base", "rule", "a", "b", "close.after=1s after=4s");
    world_compile(&world, 0);
    stream_open(&stream, &world, TO_SERVER, 2 * SECOND);
    stream_run(&stream, 4 * SECOND);
    stream_update(&stream, &world);
    stream_take(&stream, 10);
    stream_run(&stream, 60 * SECOND);
    expect_story(&stream, 0, "4s:10 5s:close");
    stream_close(&stream);
    stream_open(&stream, &world, TO_SERVER, 30 * SECOND);
    stream_run(&stream, 60 * SECOND);
    expect_story(&stream, 0, "31s:close");
}

Test(chain, what_cannot_be_sent_counts_against_the_room)
{
    open_with("delay=0s hold=1000B");
    stream.blocked = true;
    stream_take(&stream, 900);
    cr_expect_eq(chain_room(&stream.chain), 100);
    stream.blocked = false;
    stream_run(&stream, MS);
    cr_expect_eq(chain_room(&stream.chain), 1000);
}

Test(chain, partial_writes_leave_the_rest)
{
    open_with("delay=1ms");
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

Test(chain, rules_that_change_places_keep_bytes_and_state)
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

/* A fault that lets all pass and checks what it is told: consecutive offsets, times
 * that never run backwards, no more than arrived. */
struct probe_state {
    uint64_t offset, arrival_ns;
};

static struct fault_answer probe_step(const struct fault_stream *view, uint64_t now_ns,
                                      const struct chunk *chunk)
{
    struct probe_state *state = view->state;
    cr_assert_eq(chunk->offset, state->offset);
    cr_assert_geq(chunk->arrival_ns, state->arrival_ns);
    cr_assert_leq(chunk->arrival_ns, now_ns);
    cr_assert_eq(chunk->kind == CHUNK_DATA, chunk->length > 0);
    state->offset += chunk->length;
    state->arrival_ns = chunk->arrival_ns;
    return (struct fault_answer){.bytes = chunk->length, .at_ns = chunk->arrival_ns};
}

static const struct fault probe = {
    .name = "probe",
    .params_bytes = 1,
    .state_bytes = sizeof(struct probe_state),
    .step = probe_step,
};

/* A rule of its own layer, behind all others. */
static void add_probe(void)
{
    static const char params[1];
    static const struct rule_fault fault = {.fault = &probe, .params = params};
    world_inject(&world, "probe", "probe", "a", "b", "");
    struct rule *rule = (struct rule *)world_layer(&world, "probe")->rules.rules;
    rule->faults = &fault;
    rule->n_faults = 1;
}

Test(chain, what_is_poured_does_not_make_times_run_backwards)
{
    world_inject(&world, "base", "stays", "a", "b", "delay=10ms");
    world_inject(&world, "base", "goes", "a", "b", "delay=50ms");
    add_probe();
    world_compile(&world, 0);
    stream_open(&stream, &world, TO_SERVER, 0);
    stream_take(&stream, 1);
    stream_run(&stream, MS);
    stream_take(&stream, 1);
    stream_run(&stream, 10 * MS);
    stream.now_ns = 20 * MS; /* late: the second byte was due at 11 ms */
    world_remove(&world, "base", "goes");
    world_compile(&world, 20 * MS);
    stream_update(&stream, &world);
    expect_story(&stream, 0, "20ms:2");
}

/* Anything may be put on, changed and taken off while bytes come in pieces, and
 * sockets block: as long as nothing discards, every byte and the fin come out. */
static const char *const keepers[] = {
    "delay=10ms",
    "delay=40ms jitter=30ms distribution=pareto",
    "delay=5ms jitter=20ms distribution=normal correlation=50%",
    "rate=1MB/s",
    "rate=200kB/s burst=10kB scope=link",
    "slice.size=100B slice.gap=1ms",
    "slice.size=1000B",
    "stall=true",
    "delay=3ms rate=500kB/s slice.size=700B",
    "delay=3ms probability=50%",
    "delay=20ms after=30ms for=50ms every=100ms",
    "stall=true after=10ms for=20ms every=70ms",
};

static uint64_t pick(uint64_t seed, uint64_t *n, uint64_t below)
{
    return rng_below(rng_seed(seed), (*n)++, below);
}

static void change_rules(uint64_t seed, uint64_t *n)
{
    static const char *const names[] = {"one", "two", "three"};
    const char *name = names[pick(seed, n, 3)];
    uint64_t kind = pick(seed, n, 4);
    if (kind == 0)
        world_remove(&world, "base", name);
    else if (kind == 1)
        world_layer(&world, "cuts")->links_off =
            !world_layer(&world, "cuts")->links_off;
    else
        world_inject(&world, "base", name, "a", "b", keepers[pick(seed, n, 12)]);
    world_compile(&world, stream.now_ns);
}

static void live_a_little(uint64_t seed, uint64_t *n)
{
    uint64_t until_ns = stream.now_ns + 1 + pick(seed, n, 30 * MS);
    for (;;) {
        uint64_t edge_ns = plan_next_edge(world.plan, stream.now_ns);
        if (edge_ns > until_ns)
            break;
        stream_run(&stream, edge_ns);
        stream_update(&stream, &world);
    }
    stream_run(&stream, until_ns);
}

static void check_one_life(uint64_t seed)
{
    uint64_t n = 0;
    world_link_rule(&world, "cuts", "split", RULE_PARTITION, "a / b", HOW_STALL, "");
    world_layer(&world, "cuts")->links_off = true;
    add_probe();
    world_compile(&world, 0);
    stream_open(&stream, &world, TO_SERVER, 0);
    for (int i = 0; i < 200; i++) {
        size_t room = chain_room(&stream.chain);
        uint64_t take = pick(seed, &n, 3) ? pick(seed, &n, 3000) + 1 : 1;
        if (room)
            stream_take(&stream, take < room ? take : room);
        stream.blocked = pick(seed, &n, 4) == 0;
        stream.late_ns = pick(seed, &n, 2) * pick(seed, &n, 5 * MS);
        if (pick(seed, &n, 3) == 0)
            change_rules(seed, &n);
        stream_update(&stream, &world);
        live_a_little(seed, &n);
        cr_assert_eq(stream.chain.fifo_bytes, stream.taken - stream.sent,
                     "seed %llu: the FIFO lost count", (unsigned long long)seed);
    }
    stream_fin(&stream);
    stream.blocked = false;
    world_layer(&world, "base")->rules_off = true;
    world_layer(&world, "cuts")->links_off = true;
    world_compile(&world, stream.now_ns);
    stream_update(&stream, &world);
    cr_assert_eq(stream.sent, stream.taken, "seed %llu", (unsigned long long)seed);
    cr_assert(stream.is_over, "seed %llu", (unsigned long long)seed);
    cr_assert_eq(stream.over_by, CHAIN_FIN, "seed %llu", (unsigned long long)seed);
}

Test(chain, whatever_changes_all_bytes_and_the_fin_come_out_after_heal)
{
    for (uint64_t seed = 1; seed <= 200; seed++) {
        check_one_life(seed);
        end();
        begin();
    }
    world_compile(&world, 0);
    stream_open(&stream, &world, TO_SERVER, 0);
}

/* The allocator fails from the nth call on. */
struct failing {
    size_t calls, fails_at, live;
};

static void *fail_at(void *context, size_t bytes)
{
    struct failing *failing = context;
    if (++failing->calls > failing->fails_at)
        return NULL;
    failing->live++;
    return malloc(bytes);
}

static void give(void *context, void *block)
{
    struct failing *failing = context;
    failing->live -= block != NULL;
    free(block);
}

Test(chain, without_memory_an_update_changes_nothing)
{
    world_inject(&world, "base", "one", "a", "b", "delay=10ms");
    world_compile(&world, 0);
    stream_open(&stream, &world, TO_SERVER, 0);
    static struct failing failing = {.live = 100}; /* what malloc gave before */
    static const struct allocator allocator = {fail_at, give, &failing};
    stream_take(&stream, 100);
    stream.chain.config.allocator = &allocator;
    world_inject(&world, "base", "one", "a", "b", "delay=20ms");
    world_compile(&world, MS);
    const struct match *match = path_match(stream.path, world.plan);
    cr_expect_eq(chain_update(&stream.chain, match, MS), -ENOMEM);
    stream_run(&stream, 10 * MS);
    expect_story(&stream, 0, "10ms:100");
}

Test(chain, without_memory_for_a_mark_the_connection_is_reset)
{
    open_with("stall=true");
    static struct failing failing = {.live = 100}; /* what malloc gave before */
    static const struct allocator allocator = {fail_at, give, &failing};
    stream.chain.config.allocator = &allocator;
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

Test(chain, nothing_leaks_wherever_memory_runs_out)
{
    world_inject(&world, "base", "one", "a", "b", "delay=10ms rate=1B/s scope=link");
    world_inject(&world, "base", "two", "a", "b", "rate=1MB/s scope=link");
    world_compile(&world, 0);
    stream_open(&stream, &world, TO_SERVER, 0);
    bool through = false;
    for (size_t i = 0; !through; i++) {
        struct failing failing = {.fails_at = i};
        const struct allocator allocator = {fail_at, give, &failing};
        through = live_on(&allocator);
        cr_assert_eq(failing.live, 0, "call %zu: %zu left", i, failing.live);
        cr_assert(through || failing.calls > i);
    }
}
