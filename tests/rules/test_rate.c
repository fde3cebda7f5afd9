/* SPDX-License-Identifier: MIT */
/* That a rate is kept to, and by whom it is shared. */
#include "tests/rules/one_stream.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>

TestSuite(rate, .init = one_stream_begin, .fini = one_stream_end);

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
Test(rate, rate_is_exact_from_kilobytes_to_gigabytes)
{
    for (size_t i = 0; i < sizeof rate_cases / sizeof *rate_cases; i++) {
        const struct rate_case *row = &rate_cases[i];
        char what[64];
        snprintf(what, sizeof what, "rate=%s", row->rate);
        one_stream_open_with(what);
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
        one_stream_renew();
    }
}

Test(rate, rate_makes_up_for_20_ms_and_no_more)
{
    one_stream_open_with("rate=1MB/s");
    stream_take(&stream, 1000000);
    stream.now_ns = 500 * MS; /* nobody asked for half a second */
    stream_run(&stream, 500 * MS);
    cr_expect_leq(stream.sent, 21500);
    cr_expect_geq(stream.sent, 18500);
    stream_run(&stream, 600 * MS);
    cr_expect_leq(stream.sent, 121500);
    cr_expect_geq(stream.sent, 118500);
}

Test(rate, a_raised_rate_acts_at_once_and_gives_no_burst)
{
    one_stream_open_with("rate=1B/s"); /* the first byte takes a second */
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

Test(rate, scope_link_is_shared_fairly_and_connection_is_not)
{
    static const char *const scopes[] = {"connection", "link"};
    for (int i = 0; i < 2; i++) {
        char what[64];
        snprintf(what, sizeof what, "rate=1MB/s scope=%s", scopes[i]);
        one_stream_open_with(what);
        stream_open(&second, &world, TO_SERVER, 0);
        stream_take(&stream, 5000000);
        stream_take(&second, 5000000);
        share(SECOND);
        double sum = (double)(stream.sent + second.sent);
        cr_expect_lt(fabs(sum - (i ? 1e6 : 2e6)), 5000, "%s: %g", scopes[i], sum);
        cr_expect_lt(fabs((double)stream.sent - sum / 2), 5000);
        one_stream_renew();
    }
}

Test(rate, scope_link_is_one_bucket_for_each_direction)
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

Test(rate, the_lowest_rate_wins)
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
