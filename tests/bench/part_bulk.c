/* SPDX-License-Identifier: MIT */
/* Bytes as fast as they go, one way, over one connection and over eight. Client, server
 * and proxy share the CPUs, so that a ratio below 1 to direct is built in; the CPU
 * seconds that the proxy takes for a GiB do not depend on that. */
#include "proxy/base/now.h"
#include "tests/bench/bench.h"
#include "tests/bench/load.h"

enum { RATE_1 = 0, CPU_1, RATE_8, CPU_8, FIGURES };

static const struct figure_spec specs[FIGURES] = {
    [RATE_1] = {.part = "bulk",
                .name = "bulk, 1 connection",
                .unit = "GB/s",
                .subject = SUT_NETSPLIT,
                .gates = {[SUT_DIRECT] = GATE(0.65),
                          [SUT_HAPROXY] = GATE(2.0),
                          [SUT_HAPROXY_SPLICE] = GATE(1.1)},
                .series = sut_names},
    [CPU_1] = {.part = "bulk",
               .name = "bulk, 1 connection: CPU of the proxy",
               .unit = "s/GiB",
               .subject = SUT_NETSPLIT,
               .low_is_good = true,
               .gates = {[SUT_NETSPLIT] = GATE(0.08), [SUT_HAPROXY] = GATE(0.25)},
               .series = sut_names},
    [RATE_8] = {.part = "bulk",
                .name = "bulk, 8 connections",
                .unit = "GB/s",
                .subject = SUT_NETSPLIT,
                .gates = {[SUT_DIRECT] = GATE(0.75), [SUT_HAPROXY] = GATE(1.7)},
                .series = sut_names},
    [CPU_8] = {.part = "bulk",
               .name = "bulk, 8 connections: CPU of the proxy",
               .unit = "s/GiB",
               .subject = SUT_NETSPLIT,
               .low_is_good = true,
               .gates = {[SUT_NETSPLIT] = GATE(0.08), [SUT_HAPROXY] = GATE(0.25)},
               .series = sut_names},
};

static const uint64_t warmup_ns = 150 * NS_PER_MS;

static void measure_with(const struct sut *sut, unsigned connections,
                         struct figure *rate, struct figure *cpu)
{
    struct load_bulk bulk = load_bulk(sut, connections, warmup_ns);
    figure_keep(rate, sut->kind, (double)bulk.bytes / (double)bulk.span_ns);
    if (sut->kind != SUT_DIRECT && bulk.bytes > 0)
        figure_keep(cpu, sut->kind, load_bulk_cpu_s_per_gib(&bulk));
}

static void measure(void *context, const struct sut *sut)
{
    struct figure **figures = context;
    measure_with(sut, 1, figures[RATE_1], figures[CPU_1]);
    measure_with(sut, 8, figures[RATE_8], figures[CPU_8]);
}

void part_bulk(struct bench *bench)
{
    struct figure *figures[FIGURES];
    for (int i = 0; i < FIGURES; i++)
        figures[i] = bench_figure(bench, &specs[i]);
    bench_take_turns(bench, bench->suts, measure, figures);
}
