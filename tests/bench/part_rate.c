/* SPDX-License-Identifier: MIT */
/* A rate limit should give what it says, and evenly: not in lumps with pauses between. */
#include "tests/bench/bench.h"
#include "tests/bench/load.h"

#include <math.h>
#include <stdio.h>

enum { RATES = 3, ERROR = 0, EMPTY, FIGURES };

static const char *const names[SERIES_MAX] = {"100kB/s", "10MB/s", "1GB/s"};
static const double rates[RATES] = {1e5, 1e7, 1e9};

static const struct figure_spec specs[FIGURES] = {
    [ERROR] = {.part = "rate",
               .name = "error of a rate limit",
               .unit = "%",
               .absolute = true,
               .low_is_good = true,
               .gates = {GATE(0.5), GATE(0.5), GATE(0.5)},
               .series = names},
    [EMPTY] = {.part = "rate",
               .name = "10 ms without a byte under a rate limit",
               .unit = "of 100",
               .absolute = true,
               .low_is_good = true,
               .exact = true,
               .gates = {GATE(0), GATE(0), GATE(0)},
               .series = names},
};

void part_rate(struct bench *bench)
{
    struct figure *figures[FIGURES];
    struct sut suts[RATES];
    unsigned order[RATES];
    for (int i = 0; i < FIGURES; i++)
        figures[i] = bench_figure(bench, &specs[i]);
    for (int i = 0; i < RATES; i++) {
        char inject[64];
        (void)snprintf(inject, sizeof inject, "rate: %s", names[i]);
        suts[i] = sut_start_fault(bench->netsplit, bench->directory, bench->server_port,
                                  inject);
    }
    for (unsigned i = 0; i < bench->repeats; i++) {
        bench_note_busy(bench);
        bench_shuffle(order, RATES);
        for (int k = 0; k < RATES; k++) {
            unsigned which = order[k];
            struct load_rate rate = load_rate(&suts[which]);
            figure_keep(figures[ERROR], which,
                        100 * fabs(rate.bytes_per_s / rates[which] - 1));
            figure_keep(figures[EMPTY], which, rate.empty);
        }
    }
    for (int i = 0; i < RATES; i++)
        sut_stop(&suts[i]);
}
