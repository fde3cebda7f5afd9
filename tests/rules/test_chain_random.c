/* SPDX-License-Identifier: MIT */
/* Rules that change at random, with a fault in the chain that checks what it is told.
 */
#include "tests/rules/one_stream.h"

#include <criterion/criterion.h>

TestSuite(chain_random, .init = one_stream_begin, .fini = one_stream_end);

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

Test(chain_random, what_is_poured_does_not_make_times_run_backwards)
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
    one_stream_expect(0, "20ms:2");
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

Test(chain_random, whatever_changes_all_bytes_and_the_fin_come_out_after_heal)
{
    for (uint64_t seed = 1; seed <= 200; seed++) {
        check_one_life(seed);
        one_stream_renew();
    }
    world_compile(&world, 0);
    stream_open(&stream, &world, TO_SERVER, 0);
}
