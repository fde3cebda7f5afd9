/* SPDX-License-Identifier: MIT */
/* How much later than asked for delayed messages arrive: 64 bytes every 2 ms, alone and
 * with 200 Mbit/s on another connection under the same rule. A message may be late,
 * because machines are; early it must never be, and so the least error is judged, too. */
#include "proxy/base/now.h"
#include "tests/bench/bench.h"
#include "tests/bench/client.h"
#include "tests/bench/load.h"
#include "tests/bench/server.h"

#include <stdio.h>

enum { DELAYS = 4, P50 = 0, P99, LEAST, KINDS, FIGURES = 2 * KINDS };

enum { BESIDE_BYTES_PER_MS = 25000 };

static const char *const names[SERIES_MAX] = {"100us", "1ms", "20ms", "1s"};
static const uint64_t delays_ns[DELAYS] = {100 * NS_PER_US, NS_PER_MS, 20 * NS_PER_MS,
                                           NS_PER_S};

#define SPEC(title, ...)                                                               \
    {                                                                                  \
        .part = "delay", .name = title, .unit = "us", .absolute = true,                \
        .series = names, __VA_ARGS__                                                   \
    }
#define EACH(gate)  .gates = {gate, gate, gate, gate}
#define LATE        .low_is_good = true, EACH(GATE(90))
#define NEVER_EARLY .exact = true, .worst = true, EACH(GATE(0))

static const struct figure_spec specs[FIGURES] = {
    SPEC("error of a delay, p50", LATE),
    SPEC("error of a delay, p99", .low_is_good = true),
    SPEC("error of a delay, least", NEVER_EARLY),
    SPEC("error of a delay beside 200 Mbit/s, p50", LATE),
    SPEC("error of a delay beside 200 Mbit/s, p99", .low_is_good = true),
    SPEC("error of a delay beside 200 Mbit/s, least", NEVER_EARLY),
};

/* Keeps the quantiles in figures[P50], [P99], [LEAST]. */
static void measure(const struct sut *sut, unsigned delay, struct figure **figures)
{
    struct quantiles error = load_delay(sut, delays_ns[delay]);
    figure_keep(figures[P50], delay, error.p50);
    figure_keep(figures[P99], delay, error.p99);
    figure_keep(figures[LEAST], delay, error.least);
}

static void measure_both(const struct sut *sut, unsigned delay, struct figure **figures)
{
    struct sender beside = {0};
    measure(sut, delay, figures);
    sender_start(&beside, sut->port, SERVER_SINKS, BESIDE_BYTES_PER_MS);
    measure(sut, delay, figures + KINDS);
    sender_stop(&beside);
    server_await_quiet();
}

void part_delay(struct bench *bench)
{
    struct figure *figures[FIGURES];
    struct sut suts[DELAYS];
    unsigned order[DELAYS];
    for (int i = 0; i < FIGURES; i++)
        figures[i] = bench_figure(bench, &specs[i]);
    for (int i = 0; i < DELAYS; i++) {
        char inject[64];
        (void)snprintf(inject, sizeof inject, "delay: %s, hold: 64MiB", names[i]);
        suts[i] = sut_start_fault(bench->netsplit, bench->directory, bench->server_port,
                                  inject);
    }
    for (unsigned i = 0; i < bench->repeats; i++) {
        bench_note_busy(bench);
        bench_shuffle(order, DELAYS);
        for (int k = 0; k < DELAYS; k++)
            measure_both(&suts[order[k]], order[k], figures);
    }
    for (int i = 0; i < DELAYS; i++)
        sut_stop(&suts[i]);
}
