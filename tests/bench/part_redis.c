/* SPDX-License-Identifier: MIT */
/* redis-benchmark with 50 clients in front of a Redis of its own: a request at a time,
 * and 16 in a pipeline. It counts; what it prints is read. */
#include "tests/bench/bench.h"
#include "tests/bench/process.h"
#include "tests/lib/server_process.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTHS = 2, OUTPUT_BYTES = 4096 };

static const struct {
    const char *depth, *requests; /* about half a second's */
} loads[DEPTHS] = {{"1", "25000"}, {"16", "200000"}};

enum { RATE_1 = 0, CPU_1, RATE_16, CPU_16, FIGURES };

static const struct figure_spec specs[FIGURES] = {
    [RATE_1] = {.part = "redis",
                .name = "redis-benchmark -P 1, 50 clients",
                .unit = "1/s",
                .subject = SUT_NETSPLIT,
                .gates = {[SUT_HAPROXY] = GATE(1.0)},
                .series = sut_names},
    [CPU_1] = {.part = "redis",
               .name = "redis-benchmark -P 1: CPU of the proxy",
               .unit = "us each",
               .subject = SUT_NETSPLIT,
               .low_is_good = true,
               .series = sut_names},
    [RATE_16] = {.part = "redis",
                 .name = "redis-benchmark -P 16, 50 clients",
                 .unit = "1/s",
                 .subject = SUT_NETSPLIT,
                 .gates = {[SUT_HAPROXY] = GATE(1.0)},
                 .series = sut_names},
    [CPU_16] = {.part = "redis",
                .name = "redis-benchmark -P 16: CPU of the proxy",
                .unit = "us each",
                .subject = SUT_NETSPLIT,
                .low_is_good = true,
                .series = sut_names},
};

static double requests_per_s(const struct sut *sut, int load)
{
    char port[8], output[OUTPUT_BYTES];
    (void)snprintf(port, sizeof port, "%u", sut->port);
    const char *argv[] = {"redis-benchmark",
                          "-h",
                          "127.0.0.1",
                          "-p",
                          port,
                          "-c",
                          "50",
                          "-t",
                          "get",
                          "--csv",
                          "-n",
                          loads[load].requests,
                          "-P",
                          loads[load].depth,
                          NULL};
    static const char line[] = "\"GET\",\"";
    const char *row =
        process_capture(argv, output, sizeof output) ? strstr(output, line) : NULL;
    if (!row)
        errx(1, "redis-benchmark through %s: %s", sut->name, output);
    return strtod(row + strlen(line), NULL);
}

static void measure(void *context, const struct sut *sut)
{
    struct figure **figures = context;
    for (int i = 0; i < DEPTHS; i++) {
        uint64_t cpu_ns = sut_cpu_ns(sut);
        figure_keep(figures[2 * i], sut->kind, requests_per_s(sut, i));
        cpu_ns = sut_cpu_ns(sut) - cpu_ns;
        if (sut->kind != SUT_DIRECT)
            figure_keep(figures[2 * i + 1], sut->kind,
                        (double)cpu_ns / 1000 / atof(loads[i].requests));
    }
}

void part_redis(struct bench *bench)
{
    struct figure *figures[FIGURES];
    struct sut suts[SUT_COUNT];
    struct server_process server;
    if (!process_finds("redis-benchmark") || !server_process_redis(&server)) {
        bench_leave_out(bench, "redis", "redis-server or redis-benchmark is lacking");
        return;
    }
    for (int i = 0; i < FIGURES; i++)
        figures[i] = bench_figure(bench, &specs[i]);
    sut_start_all(suts, ~(1u << SUT_HAPROXY_SPLICE), bench->netsplit, bench->directory,
                  server.port);
    bench_take_turns(bench, suts, measure, figures);
    sut_stop_all(suts);
    server_process_close(&server);
}
