/* SPDX-License-Identifier: MIT */
/* Each fault alone on a stream, under virtual time; the catalogue as a whole. */
#include "rules/faults/rows.h"
#include "rules/unit.h"
#include "tests/rules/world.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct world world;
static struct stream stream, second;

static void begin(void)
{
    world_init(&world, "a b");
}

static void end(void)
{
    stream_close(&stream);
    stream_close(&second);
    world_close(&world);
}

TestSuite(fault, .init = begin, .fini = end);

static void open_with(const char *what)
{
    world_inject(&world, "base", "rule", "a", "b", what);
    world_compile(&world, 0);
    stream_open(&stream, &world, TO_SERVER, 0);
}

Test(fault, rows_are_whole)
{
    for (const struct fault *const *row = fault_catalogue(); *row; row++) {
        const struct fault *fault = *row;
        cr_expect(fault->name && fault->help && fault->fidelity && fault->fields);
        cr_expect_str_eq(fault->fields->name, fault->name, "its first key is its name");
        cr_expect_eq(fault_find(fault->name), fault);
        cr_expect_leq(fault->state_bytes, FAULT_STATE_BYTES);
        bool acts = fault->admit || fault->step || fault->due || fault->gone;
        cr_expect_neq(acts, fault->in_kernel, "%s", fault->name);
        cr_expect_eq(fault->in_kernel, fault->model && fault_find(fault->model));
        cr_expect_eq(fault->in_kernel, fault->to_model != NULL);
        cr_expect_eq(fault->due != NULL, fault->ends != FAULT_ENDS_NOTHING);
    }
    cr_expect_null(fault_find("latency"));
}

/* At which times bytes arrive, and what leaves when. */
struct story {
    const char *what;
    struct {
        uint64_t at_ms, bytes; /* bytes 0: fin; at_ms 0 and bytes 0: no more */
    } arrivals[5];
    const char *leaves;
};

static const struct story stories[] = {
    {"delay=40ms", {{0, 10}, {5, 20}, {30, 0}}, "40ms:10 45ms:20 70ms:fin"},
    {"delay=0s", {{0, 10}, {5, 20}}, "0s:10 5ms:20"},
    {"rate=1kB/s", {{0, 12}}, "5ms:5 10ms:5 12ms:2"},
    {"rate=100kB/s", {{0, 2000}}, "5ms:500 10ms:500 15ms:500 20ms:500"},
    {"rate=1kB/s", {{0, 5}, {100, 5}, {102, 5}}, "5ms:5 105ms:5 110ms:5"},
    {"rate=1kB/s burst=15B", {{0, 15}, {1, 10}}, "0s:15 5ms:5 10ms:5"},
    {"rate=1kB/s burst=15B", {{0, 20}, {1000, 15}}, "0s:15 5ms:5 1s:15"},
    {"rate=1kB/s", {{0, 7}, {1, 0}}, "5ms:5 7ms:2 7ms:fin"},
    {"rate=8kbit/s", {{0, 5}}, "5ms:5"},
    {"corrupt.per_byte=100%", {{0, 10}, {5, 1}, {9, 0}}, "0s:10 5ms:1 9ms:fin"},
    {"slice.size=4B", {{0, 10}}, "0s:4 0s:4 0s:2"},
    {"slice.size=4B slice.gap=3ms", {{0, 10}, {20, 3}}, "0s:4 3ms:4 6ms:2 20ms:3"},
    {"slice.size=4B slice.gap=3ms", {{0, 4}, {1, 4}, {1, 0}}, "0s:4 3ms:4 3ms:fin"},
    {"slice.size=4B delay=10ms", {{0, 6}}, "10ms:4 10ms:2"},
    {"loss=0%", {{0, 5000}, {1, 0}}, "0s:5000 1ms:fin"},
    {"loss=100%", {{0, 10}, {1, 0}}, ""},
    {"stall=true", {{0, 10}, {1, 0}}, ""},
    {"discard=true", {{0, 10}, {1, 0}}, ""},
    {"reset.after=25ms", {{0, 10}, {30, 10}}, "0s:10 25ms:reset"},
    {"close.after=0s", {{1, 10}}, "0s:close"},
    {"close.after=15B", {{0, 10}, {2, 10}}, "0s:10 2ms:5 2ms:close"},
    {"reset.after=20B", {{0, 10}, {2, 10}}, "0s:10 2ms:10 2ms:reset"},
    {"reset.after=0B", {{3, 10}}, "0s:reset"},
    {"reset.after=20B", {{0, 10}, {2, 0}}, "0s:10 2ms:fin"},
    {"refuse=true", {{0, 10}}, "0s:10"},
    {"half_open=to_client", {{0, 10}}, "0s:10"},
    {"unanswered=true", {{0, 10}}, "0s:10"},
    {"accept_delay=5s", {{0, 10}}, "0s:10"},
};

Test(fault, does_to_a_stream_what_its_row_says)
{
    for (size_t i = 0; i < sizeof stories / sizeof *stories; i++) {
        const struct story *story = &stories[i];
        open_with(story->what);
        for (size_t j = 0; j < 5; j++) {
            uint64_t bytes = story->arrivals[j].bytes;
            if (bytes == 0 && story->arrivals[j].at_ms == 0)
                break;
            stream_run(&stream, story->arrivals[j].at_ms * MS);
            if (bytes && !stream.is_over)
                stream_take(&stream, bytes);
            else if (!stream.is_over)
                stream_fin(&stream);
        }
        stream_run(&stream, 60 * SECOND);
        char text[1024];
        cr_expect_str_eq(stream_story(&stream, 0, text, sizeof text), story->leaves,
                         "%s: %s, not %s", story->what, text, story->leaves);
        end();
        begin();
    }
}

Test(fault, an_end_beyond_all_time_never_comes)
{
    world_inject(&world, "base", "rule", "a", "b", "reset.after=5124000h");
    world_compile(&world, 0);
    stream_open(&stream, &world, TO_SERVER, 400000 * SECOND);
    stream_run(&stream, 500000 * SECOND);
    cr_expect_not(stream.is_over);
}

Test(fault, refuse_speaks_of_attempts_only)
{
    world_inject(&world, "base", "rule", "a", "b", "refuse=true");
    world_compile(&world, 0);
    struct path *path = paths_find(world.paths, "a", "b", 1);
    struct match_connection connection = path_open(path, 0);
    struct match_verdict verdict =
        match_admit(path_match(path, world.plan), &connection, 0);
    cr_expect_eq(verdict.verb, ADMIT_REFUSE);
    cr_expect_eq(verdict.rule, world_rule(&world, "rule"));
}

Test(fault, accept_delay_holds_an_attempt_for_its_time_and_no_longer)
{
    world_inject(&world, "base", "short", "a", "b", "accept_delay=1s");
    world_inject(&world, "base", "rule", "a", "b", "accept_delay=3s for=10s");
    world_compile(&world, 0);
    static const struct {
        uint64_t opened_ns, now_ns;
        enum admit_verb verb;
        uint64_t until_ns;
        const char *rule;
    } rows[] = {
        {2 * SECOND, 2 * SECOND, ADMIT_HOLD, 5 * SECOND, "rule"},
        {2 * SECOND, 5 * SECOND - 1, ADMIT_HOLD, 5 * SECOND, "rule"},
        {2 * SECOND, 5 * SECOND, ADMIT_ACCEPT, 0, NULL},
        {9 * SECOND, 10 * SECOND, ADMIT_ACCEPT, 0, NULL}, /* the window is over */
        {10 * SECOND, 10 * SECOND, ADMIT_HOLD, 11 * SECOND, "short"},
    };
    struct path *path = paths_find(world.paths, "a", "b", 1);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct match_connection connection = path_open(path, rows[i].opened_ns);
        struct match_verdict verdict =
            match_admit(path_match(path, world.plan), &connection, rows[i].now_ns);
        cr_expect_eq(verdict.verb, rows[i].verb, "row %zu", i);
        cr_expect_eq(verdict.until_ns, rows[i].until_ns, "row %zu", i);
        cr_expect_eq(verdict.rule,
                     rows[i].rule ? world_rule(&world, rows[i].rule) : NULL, "row %zu",
                     i);
    }
}

Test(fault, half_open_says_whose_side_is_gone_on_either_link)
{
    static const struct {
        const char *opener, *what;
        uint64_t now_ns;
        bool found;
        enum direction gone;
    } rows[] = {
        {"a", "half_open=to_server", 0, true, TO_SERVER},
        {"a", "half_open=to_client", 0, true, TO_CLIENT},
        {"b", "half_open=to_client", 0, true, TO_CLIENT}, /* by the link back */
        {"b", "half_open=to_server after=1s for=1s", SECOND - 1, false, TO_SERVER},
        {"b", "half_open=to_server after=1s for=1s", SECOND, true, TO_SERVER},
        {"b", "half_open=to_server after=1s for=1s", 2 * SECOND, false, TO_SERVER},
        {"a", "half_open=to_server probability=0%", 0, false, TO_SERVER},
        {"a", "delay=1s", 0, false, TO_SERVER},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        world_inject(&world, "base", "rule", "a", "b", rows[i].what);
        world_compile(&world, 0);
        bool is_opener = *rows[i].opener == 'a';
        struct path *path =
            paths_find(world.paths, is_opener ? "a" : "b", is_opener ? "b" : "a", 1);
        struct match_connection connection = path_open(path, 0);
        enum direction gone = !rows[i].gone;
        const struct plan_rule *rule = match_half_open(
            path_match(path, world.plan), &connection, rows[i].now_ns, &gone);
        cr_expect_eq(rule != NULL, rows[i].found, "row %zu", i);
        cr_expect_eq(gone,
                     rows[i].found ? rows[i].gone : (enum direction) !rows[i].gone,
                     "row %zu", i);
        end();
        begin();
    }
}

enum { CORRUPTED = 100000 };

/* The stream of CORRUPTED bytes in chunks of the size, first the given number of bytes
 * without the rule. */
static void corrupt_in_chunks(const char *what, uint64_t size, uint64_t before)
{
    world.seed = 5;
    world_inject(&world, "base", "rule", "a", "b", before ? "delay=0s" : what);
    world_compile(&world, 0);
    stream_open(&stream, &world, TO_SERVER, 0);
    if (before) {
        stream_take(&stream, before);
        world_inject(&world, "base", "rule", "a", "b", what);
        world_compile(&world, 0);
        stream_update(&stream, &world);
    }
    while (stream.taken < CORRUPTED)
        stream_take(&stream,
                    CORRUPTED - stream.taken < size ? CORRUPTED - stream.taken : size);
    stream_run(&stream, 60 * SECOND);
    cr_expect_eq(stream.sent, CORRUPTED, "%zu", (size_t)stream.sent);
}

Test(fault, corrupt_flips_the_same_bits_whatever_the_chunks)
{
    static const struct {
        const char *what;
        uint64_t size, before;
    } rows[] = {
        {"corrupt.per_byte=0.2%", CORRUPTED, 0},
        {"corrupt.per_byte=0.2%", 1, 0},
        {"corrupt.per_byte=0.2%", 1460, 0},
        {"corrupt.per_byte=0.2% delay=3ms slice.size=7B", 4096, 0},
        {"corrupt.per_byte=0.2%", 333, 50000},
    };
    struct stream_flip first[512];
    size_t n = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        corrupt_in_chunks(rows[i].what, rows[i].size, rows[i].before);
        if (i == 0) {
            n = stream.n_flips;
            memcpy(first, stream.flips, sizeof first);
            cr_assert(n > 140 && n < 260, "%zu of 200", n);
        }
        size_t skipped = 0;
        while (skipped < n && first[skipped].offset < rows[i].before)
            skipped++;
        cr_assert_eq(stream.n_flips, n - skipped, "row %zu", i);
        cr_expect_eq(stream.n_decisions, n - skipped, "each is in the journal");
        cr_expect_eq(stream.touch[0].changed_bytes, n - skipped);
        for (size_t j = 0; j < stream.n_flips; j++) {
            const struct stream_flip *flip = &stream.flips[j];
            cr_expect_eq(flip->offset, first[skipped + j].offset, "row %zu", i);
            cr_expect_eq(flip->bits, first[skipped + j].bits, "row %zu", i);
            cr_expect_eq(stream.decisions[j].ordinal, flip->offset);
            cr_expect_eq(1 << stream.decisions[j].outcome, flip->bits);
        }
        end();
        begin();
    }
}

Test(fault, corrupt_flips_every_bit_of_a_byte_alike)
{
    size_t bits[8] = {0};
    for (uint64_t seed = 0; seed < 20; seed++) {
        world.seed = seed;
        open_with("corrupt.per_byte=100%");
        stream_take(&stream, 400);
        cr_assert_eq(stream.n_flips, 400);
        for (size_t i = 0; i < stream.n_flips; i++) {
            unsigned byte = stream.flips[i].bits;
            cr_assert(byte && (byte & (byte - 1)) == 0, "one bit");
            bits[__builtin_ctz(byte)]++;
        }
        end();
        begin();
    }
    for (int i = 0; i < 8; i++)
        cr_expect(bits[i] > 850 && bits[i] < 1150, "bit %d: %zu of 1000", i, bits[i]);
}

enum { SEGMENTS = 20000 };

/* How often each segment was lost, as the journal tells; chunks of the size, one each
 * step_ns. */
static void lose(const char *what, uint64_t size, uint64_t step_ns, uint8_t *losses)
{
    const uint64_t total = SEGMENTS / 100 * 1460;
    memset(losses, 0, SEGMENTS);
    for (uint64_t seed = 0; seed < 100; seed++) {
        world.seed = seed;
        open_with(what);
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
        end();
        begin();
    }
}

Test(fault, loss_is_drawn_for_each_1460_bytes_whatever_the_chunks)
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
Test(fault, what_is_lost_waits_for_its_timeouts_and_all_behind_it_too)
{
    open_with("loss=60%");
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

Test(fault, losses_on_their_way_together_wait_together)
{
    open_with("loss=40%");
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

Test(fault, a_loss_that_is_lowered_lets_go_of_what_is_not_lost_any_more)
{
    open_with("loss=100%");
    stream_take(&stream, 14600);
    stream_run(&stream, 3600 * SECOND);
    cr_expect_eq(stream.sent, 0);
    world_inject(&world, "base", "rule", "a", "b", "loss=0%");
    world_compile(&world, 3600 * SECOND);
    stream_update(&stream, &world);
    cr_expect_eq(stream.sent, 14600);
}

/* What the share p of draws lies below, in jitters. */
static double quantile(enum distribution distribution, double p)
{
    static const double z[] = {-2.3263478740408408, -0.6744897501960817, 0,
                               0.6744897501960817, 2.3263478740408408};
    double normal = z[p < 0.1 ? 0 : p < 0.4 ? 1 : p < 0.6 ? 2 : p < 0.9 ? 3 : 4];
    double pareto = (pow(1 - p, -1.0 / 3) - 1.5) * 4 / 3;
    switch (distribution) {
    case DISTRIBUTION_UNIFORM:
        return 2 * p - 1;
    case DISTRIBUTION_NORMAL:
        return normal;
    case DISTRIBUTION_PARETO:
        return pareto;
    case DISTRIBUTION_PARETONORMAL:
        return normal / 4 + pareto * 3 / 4;
    }
    return 0;
}

static int compare_doubles(const void *a, const void *b)
{
    double one = *(const double *)a, two = *(const double *)b;
    return (one > two) - (one < two);
}

enum { WINDOWS = 100000 };

/* One chunk in each window of 10 ms; the jitter of each, in jitters. */
static void draw_jitters(const struct delay_params *params, double *out)
{
    unsigned char state[FAULT_STATE_BYTES] = {0};
    const struct fault_stream view = {
        .params = params, .state = state, .key = rng_seed(11)};
    for (uint64_t i = 0; i < WINDOWS; i++) {
        const struct chunk chunk = {.length = 1, .arrival_ns = i * 10 * MS};
        struct fault_answer answer = fault_delay.step(&view, chunk.arrival_ns, &chunk);
        cr_assert(answer.drew);
        cr_assert_eq(answer.at_ns - chunk.arrival_ns,
                     params->delay_ns + (uint64_t)answer.draw_outcome);
        out[i] = (double)answer.draw_outcome / (double)params->jitter_ns;
    }
}

static double correlation(const double *x)
{
    double mean = 0, variance = 0, covariance = 0;
    for (size_t i = 0; i < WINDOWS; i++)
        mean += x[i] / WINDOWS;
    for (size_t i = 1; i < WINDOWS; i++) {
        variance += (x[i] - mean) * (x[i] - mean);
        covariance += (x[i] - mean) * (x[i - 1] - mean);
    }
    return covariance / variance;
}

Test(fault, jitter_has_the_distribution_it_says_correlated_or_not)
{
    static double x[WINDOWS];
    static const double shares[] = {0.01, 0.25, 0.5, 0.75, 0.99};
    for (unsigned i = 0; i < 8; i++) {
        const struct delay_params params = {.delay_ns = SECOND,
                                            .jitter_ns = 10 * MS,
                                            .distribution = (enum distribution)(i % 4),
                                            .correlation_ppm = i < 4 ? 0 : 500000};
        draw_jitters(&params, x);
        double rho = correlation(x);
        cr_expect_lt(fabs(rho - (i < 4 ? 0 : 0.48)), i < 4 ? 0.02 : 0.08, "%u: %g", i,
                     rho);
        qsort(x, WINDOWS, sizeof *x, compare_doubles);
        cr_expect(x[0] >= -4 && x[WINDOWS - 1] <= 4);
        for (size_t j = 0; j < 5; j++) {
            double got = x[(size_t)(shares[j] * WINDOWS)];
            double want = quantile(params.distribution, shares[j]);
            cr_expect_lt(fabs(got - want), 0.02 + 0.05 * fabs(want),
                         "%u %g%%: %g, not %g", i, shares[j] * 100, got, want);
        }
    }
}

Test(fault, jitter_is_drawn_once_for_10_ms_and_never_backwards)
{
    open_with("delay=20ms jitter=15ms");
    for (int i = 0; i < 400; i++) {
        stream_run(&stream, (uint64_t)i * MS);
        stream_take(&stream, 1);
    }
    stream_run(&stream, SECOND);
    cr_expect_eq(stream.n_decisions, 40);
    for (size_t i = 0; i < stream.n_decisions; i++) {
        cr_expect_eq(stream.decisions[i].ordinal, i);
        cr_expect_eq(stream.decisions[i].kind, DECISION_DRAW);
        cr_expect_leq(llabs(stream.decisions[i].outcome), 15 * (int64_t)MS);
    }
    cr_expect_eq(stream.sent, 400);
}

Test(fault, jitter_beyond_the_delay_is_no_delay)
{
    open_with("delay=1ms jitter=50ms");
    for (int i = 0; i < 100; i++) {
        stream_run(&stream, (uint64_t)i * 10 * MS);
        stream_take(&stream, 1);
        cr_expect_geq(stream.now_ns, (uint64_t)i * 10 * MS);
    }
    stream_run(&stream, 60 * SECOND);
    cr_expect_eq(stream.sent, 100);
}

struct rate_case {
    const char *rate;
    double bytes_per_s;
    uint64_t for_ns, late_ns;
};

static const struct rate_case rate_cases[] = {
    {"1kB/s", 1e3, 60 * SECOND, 0},        {"1kB/s", 1e3, 60 * SECOND, 7 * MS},
    {"100kB/s", 1e5, 20 * SECOND, 3 * MS}, {"1MB/s", 1e6, 10 * SECOND, 0},
    {"1MB/s", 1e6, 10 * SECOND, 15 * MS},  {"333333B/s", 333333, 10 * SECOND, MS},
    {"100MB/s", 1e8, 2 * SECOND, MS / 2},  {"1GB/s", 1e9, SECOND, MS / 10},
};

/* A sender that always has more; late timers must cost nothing. */
Test(fault, rate_is_exact_from_kilobytes_to_gigabytes)
{
    for (size_t i = 0; i < sizeof rate_cases / sizeof *rate_cases; i++) {
        const struct rate_case *row = &rate_cases[i];
        char what[64];
        snprintf(what, sizeof what, "rate=%s", row->rate);
        open_with(what);
        stream.late_ns = row->late_ns;
        uint64_t step_ns = row->for_ns / 1000;
        double fed = row->bytes_per_s * (double)step_ns / 1e9 * 2;
        for (uint64_t at_ns = 0; at_ns <= row->for_ns; at_ns += step_ns) {
            stream_run(&stream, at_ns);
            stream_take(&stream, (uint64_t)fed);
        }
        double seconds = (double)stream.now_ns / 1e9;
        double got = (double)stream.sent / seconds / row->bytes_per_s;
        double slack = 0.0005 + ((double)row->late_ns / 1e9 + 0.021) / seconds;
        cr_expect(got <= 1.0 + 1e-6 && got >= 1 - slack, "%s late %g ms: %g of it",
                  row->rate, (double)row->late_ns / 1e6, got);
        end();
        begin();
    }
}

Test(fault, rate_makes_up_for_20_ms_and_no_more)
{
    open_with("rate=1MB/s");
    stream_take(&stream, 1000000);
    stream.now_ns = 500 * MS; /* nobody asked for half a second */
    stream_run(&stream, 500 * MS);
    cr_expect_leq(stream.sent, 21500);
    cr_expect_geq(stream.sent, 18500);
    stream_run(&stream, 600 * MS);
    cr_expect_leq(stream.sent, 121500);
    cr_expect_geq(stream.sent, 118500);
}

Test(fault, a_raised_rate_acts_at_once_and_gives_no_burst)
{
    open_with("rate=1B/s"); /* the first byte takes a second */
    stream_take(&stream, 60000);
    stream_run(&stream, 30 * MS);
    world_inject(&world, "base", "rule", "a", "b", "rate=1MB/s burst=50kB");
    world_compile(&world, 30 * MS);
    stream_update(&stream, &world);
    stream_run(&stream, 40 * MS);
    cr_expect_geq(stream.sent, 8000);
    cr_expect_leq(stream.sent, 12000);
}

static void share(uint64_t until_ns)
{
    for (uint64_t at_ns = stream.now_ns; at_ns <= until_ns; at_ns += MS) {
        stream_run(&stream, at_ns);
        stream_run(&second, at_ns);
    }
}

Test(fault, scope_link_is_shared_fairly_and_connection_is_not)
{
    static const char *const scopes[] = {"connection", "link"};
    for (int i = 0; i < 2; i++) {
        char what[64];
        snprintf(what, sizeof what, "rate=1MB/s scope=%s", scopes[i]);
        open_with(what);
        stream_open(&second, &world, TO_SERVER, 0);
        stream_take(&stream, 5000000);
        stream_take(&second, 5000000);
        share(SECOND);
        double sum = (double)(stream.sent + second.sent);
        cr_expect_lt(fabs(sum - (i ? 1e6 : 2e6)), 5000, "%s: %g", scopes[i], sum);
        cr_expect_lt(fabs((double)stream.sent - sum / 2), 5000);
        end();
        begin();
    }
}

Test(fault, scope_link_is_one_bucket_for_each_direction)
{
    world_inject(&world, "base", "rule", "a", "b", "rate=1MB/s scope=link both=true");
    world_compile(&world, 0);
    stream_open(&stream, &world, TO_SERVER, 0);
    stream_open(&second, &world, TO_CLIENT, 0);
    stream_take(&stream, 5000000);
    stream_take(&second, 5000000);
    share(SECOND);
    cr_expect_lt(fabs((double)stream.sent - 1e6), 5000);
    cr_expect_lt(fabs((double)second.sent - 1e6), 5000);
}

Test(fault, the_lowest_rate_wins)
{
    world_inject(&world, "base", "one", "a", "b", "rate=3MB/s");
    world_inject(&world, "base", "two", "a", "b", "rate=1MB/s");
    world_inject(&world, "base", "three", "a", "b", "rate=2MB/s");
    world_compile(&world, 0);
    stream_open(&stream, &world, TO_SERVER, 0);
    stream_take(&stream, 5000000);
    stream_run(&stream, SECOND);
    cr_expect_lt(fabs((double)stream.sent - 1e6), 5000, "%g", (double)stream.sent);
}

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
    end();
    begin();
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
Test(fault, decisions_depend_on_the_seed_and_not_on_other_rules)
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

Test(fault, probability_is_drawn_once_a_connection_for_both_streams)
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
