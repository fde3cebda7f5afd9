/* SPDX-License-Identifier: MIT */
/* 64 bytes there and back on one connection. With everything on one CPU the result is
 * the cost of the path and nothing else. Where the scheduler is free, waking a thread on
 * another CPU can cost more than the whole path, and whether it does is luck: that
 * figure is printed, and not judged. */
#include "tests/bench/bench.h"
#include "tests/bench/load.h"

enum { PINNED_P50 = 0, PINNED_P99, FREE_P50, FREE_P99, FIGURES };

static const struct figure_spec specs[FIGURES] = {
    [PINNED_P50] = {.part = "latency",
                    .name = "64 B round trip on one CPU, p50",
                    .unit = "us",
                    .subject = SUT_NETSPLIT,
                    .low_is_good = true,
                    .gates = {[SUT_HAPROXY] = GATE(1.0)},
                    .series = sut_names},
    [PINNED_P99] = {.part = "latency",
                    .name = "64 B round trip on one CPU, p99",
                    .unit = "us",
                    .subject = SUT_NETSPLIT,
                    .low_is_good = true,
                    .series = sut_names},
    [FREE_P50] = {.part = "latency",
                  .name = "64 B round trip, p50",
                  .unit = "us",
                  .subject = SUT_NETSPLIT,
                  .low_is_good = true,
                  .series = sut_names},
    [FREE_P99] = {.part = "latency",
                  .name = "64 B round trip, p99",
                  .unit = "us",
                  .subject = SUT_NETSPLIT,
                  .low_is_good = true,
                  .series = sut_names},
};

static void measure(void *context, const struct sut *sut)
{
    struct figure **figures = context;
    for (int pinned = 1; pinned >= 0; pinned--) {
        int first = pinned ? PINNED_P50 : FREE_P50;
        sut_pin(sut, pinned);
        struct quantiles trip = load_latency(sut);
        figure_keep(figures[first], sut->kind, trip.p50);
        figure_keep(figures[first + 1], sut->kind, trip.p99);
    }
}

void part_latency(struct bench *bench)
{
    struct figure *figures[FIGURES];
    for (int i = 0; i < FIGURES; i++)
        figures[i] = bench_figure(bench, &specs[i]);
    bench_take_turns(bench, bench->suts, measure, figures);
}
