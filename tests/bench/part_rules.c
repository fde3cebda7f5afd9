/* SPDX-License-Identifier: MIT */
/* A rule that is not about a connection must cost it nothing, however many there are:
 * throughput and round trips through files of 1, 100 and 10,000 rules about what other
 * nodes send to the server. */
#include "proxy/base/now.h"
#include "tests/bench/bench.h"
#include "tests/bench/load.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>

enum { FILES = 3, MOST = 2, OTHERS = 100, BULK = 0, TRIP, FIGURES };

static const unsigned counts[FILES] = {1, 100, 10000};
static const char *const names[SERIES_MAX] = {"1 rule", "100 rules", "10,000 rules"};

static const struct figure_spec specs[FIGURES] = {
    [BULK] = {.part = "rules",
              .name = "bulk, 1 connection, with many rules",
              .unit = "GB/s",
              .subject = MOST,
              .gates = {GATE(1.0)},
              .series = names},
    [TRIP] = {.part = "rules",
              .name = "64 B round trip on one CPU, p50, with many rules",
              .unit = "us",
              .subject = MOST,
              .low_is_good = true,
              .gates = {GATE(1.0)},
              .series = names},
};

static const uint64_t warmup_ns = 150 * NS_PER_MS;

static void write_rules(FILE *to, uint16_t server_port, unsigned n)
{
    fprintf(to,
            "netsplit: 1\nnodes:\n"
            "  server: { address: 127.0.0.1, ports: [%u] }\n",
            server_port);
    for (unsigned i = 0; i < OTHERS; i++)
        fprintf(to, "  n%u: { address: 10.0.0.%u, ports: [80] }\n", i, i + 1);
    fputs("listen: [{ name: path, address: \"127.0.0.1:0\", to: server }]\nrules:\n",
          to);
    for (unsigned i = 0; i < n; i++)
        fprintf(to,
                "  - name: r%u\n    match: { from: n%u, to: server }\n"
                "    inject: { delay: 1ms }\n",
                i, i % OTHERS);
}

static struct sut start(const struct bench *bench, unsigned n)
{
    char *text = NULL;
    size_t length = 0;
    FILE *to = open_memstream(&text, &length);
    if (!to)
        errx(1, "out of memory");
    write_rules(to, bench->server_port, n);
    if (fclose(to) != 0)
        errx(1, "out of memory");
    struct sut sut = sut_start_rules(bench->netsplit, bench->directory, text);
    free(text);
    return sut;
}

static void measure(const struct sut *sut, unsigned which, struct figure **figures)
{
    struct load_bulk bulk = load_bulk(sut, 1, warmup_ns);
    figure_keep(figures[BULK], which, (double)bulk.bytes / (double)bulk.span_ns);
    sut_pin(sut, true);
    figure_keep(figures[TRIP], which, load_latency(sut).p50);
    sut_pin(sut, false);
}

void part_rules(struct bench *bench)
{
    struct figure *figures[FIGURES];
    struct sut suts[FILES];
    unsigned order[FILES];
    for (int i = 0; i < FIGURES; i++)
        figures[i] = bench_figure(bench, &specs[i]);
    for (int i = 0; i < FILES; i++)
        suts[i] = start(bench, counts[i]);
    for (unsigned i = 0; i < bench->repeats; i++) {
        bench_note_busy(bench);
        bench_shuffle(order, FILES);
        for (int k = 0; k < FILES; k++)
            measure(&suts[order[k]], order[k], figures);
    }
    for (int i = 0; i < FILES; i++)
        sut_stop(&suts[i]);
}
