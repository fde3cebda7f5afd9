/* SPDX-License-Identifier: MIT */
/* Connect, one request, close: what a client without a pool does. One client at a time
 * waits for every step of the proxy; with 32 there is always work to do. */
#include "tests/bench/bench.h"
#include "tests/bench/load.h"

enum { SERIAL = 0, SERIAL_CPU, MANY, MANY_CPU, FIGURES };

enum { MANY_CLIENTS = 32 };

static const struct figure_spec specs[FIGURES] = {
    [SERIAL] = {.part = "connections",
                .name = "connections, 1 at a time",
                .unit = "1/s",
                .subject = SUT_NETSPLIT,
                .gates = {[SUT_HAPROXY] = GATE(0.95)},
                .series = sut_names},
    [SERIAL_CPU] = {.part = "connections",
                    .name = "connections, 1 at a time: CPU of the proxy",
                    .unit = "us each",
                    .subject = SUT_NETSPLIT,
                    .low_is_good = true,
                    .series = sut_names},
    [MANY] = {.part = "connections",
              .name = "connections, 32 at a time",
              .unit = "1/s",
              .subject = SUT_NETSPLIT,
              .gates = {[SUT_HAPROXY] = GATE(0.95)},
              .series = sut_names},
    [MANY_CPU] = {.part = "connections",
                  .name = "connections, 32 at a time: CPU of the proxy",
                  .unit = "us each",
                  .subject = SUT_NETSPLIT,
                  .low_is_good = true,
                  .series = sut_names},
};

static void measure_with(const struct sut *sut, unsigned clients, struct figure *rate,
                         struct figure *cpu)
{
    struct load_churn churn = load_churn(sut, clients);
    figure_keep(rate, sut->kind, churn.per_s);
    if (sut->kind != SUT_DIRECT && churn.cpu_us > 0)
        figure_keep(cpu, sut->kind, churn.cpu_us);
}

static void measure(void *context, const struct sut *sut)
{
    struct figure **figures = context;
    measure_with(sut, 1, figures[SERIAL], figures[SERIAL_CPU]);
    measure_with(sut, MANY_CLIENTS, figures[MANY], figures[MANY_CPU]);
}

void part_connections(struct bench *bench)
{
    struct figure *figures[FIGURES];
    for (int i = 0; i < FIGURES; i++)
        figures[i] = bench_figure(bench, &specs[i]);
    bench_take_turns(bench, bench->suts, measure, figures);
}
