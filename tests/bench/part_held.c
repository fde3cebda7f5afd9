/* SPDX-License-Identifier: MIT */
/* Throughput of one connection under a delay: all that arrives within the delay must be
 * kept, and kept cheaply. The rule may hold 1 GiB, so that its limit does not decide. */
#include "proxy/base/now.h"
#include "tests/bench/bench.h"
#include "tests/bench/load.h"

#include <stdio.h>

enum { DELAYS = 2, FIGURES = 2 * DELAYS };

static const unsigned delays_ms[DELAYS] = {10, 100};

static const struct figure_spec specs[FIGURES] = {
    {.part = "held",
     .name = "bulk under 10 ms of delay, 1 connection",
     .unit = "GB/s",
     .subject = SUT_NETSPLIT,
     .gates = {[SUT_DIRECT] = GATE(0.5)},
     .series = sut_names},
    {.part = "held",
     .name = "bulk under 100 ms of delay, 1 connection",
     .unit = "GB/s",
     .subject = SUT_NETSPLIT,
     .gates = {[SUT_DIRECT] = GATE(0.25)},
     .series = sut_names},
    {.part = "held",
     .name = "bulk under 10 ms of delay: CPU of the proxy",
     .unit = "s/GiB",
     .subject = SUT_NETSPLIT,
     .low_is_good = true,
     .series = sut_names},
    {.part = "held",
     .name = "bulk under 100 ms of delay: CPU of the proxy",
     .unit = "s/GiB",
     .subject = SUT_NETSPLIT,
     .low_is_good = true,
     .series = sut_names},
};

static const uint64_t warmup_ns = 300 * NS_PER_MS;

static void measure(const struct sut *sut, struct figure *rate, struct figure *cpu)
{
    struct load_bulk bulk = load_bulk(sut, 1, warmup_ns);
    figure_keep(rate, sut->kind, (double)bulk.bytes / (double)bulk.span_ns);
    if (bulk.bytes > 0)
        figure_keep(cpu, sut->kind, load_bulk_cpu_s_per_gib(&bulk));
}

/* Direct connections are measured once a repeat, and stand in the figure of each delay. */
static void measure_direct(const struct sut *direct, struct figure **figures)
{
    struct load_bulk bulk = load_bulk(direct, 1, warmup_ns);
    for (int i = 0; i < DELAYS; i++)
        figure_keep(figures[i], SUT_DIRECT, (double)bulk.bytes / (double)bulk.span_ns);
}

void part_held(struct bench *bench)
{
    struct figure *figures[FIGURES];
    struct sut suts[DELAYS];
    unsigned order[DELAYS + 1];
    for (int i = 0; i < FIGURES; i++)
        figures[i] = bench_figure(bench, &specs[i]);
    for (int i = 0; i < DELAYS; i++) {
        char inject[64];
        (void)snprintf(inject, sizeof inject, "delay: %ums, hold: 1GiB", delays_ms[i]);
        suts[i] = sut_start_fault(bench->netsplit, bench->directory, bench->server_port,
                                  inject);
    }
    for (unsigned i = 0; i < bench->repeats; i++) {
        bench_note_busy(bench);
        bench_shuffle(order, DELAYS + 1);
        for (int k = 0; k <= DELAYS; k++)
            if (order[k] == DELAYS)
                measure_direct(&bench->suts[SUT_DIRECT], figures);
            else
                measure(&suts[order[k]], figures[order[k]], figures[DELAYS + order[k]]);
    }
    for (int i = 0; i < DELAYS; i++)
        sut_stop(&suts[i]);
}
