/* SPDX-License-Identifier: MIT */
/* What the parts of the benchmark share: the systems, the repeats, the figures. */
#ifndef NETSPLIT_BENCH_BENCH_H
#define NETSPLIT_BENCH_BENCH_H

#include "tests/bench/figure.h"
#include "tests/bench/sample.h"
#include "tests/bench/sut.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FIGURES_MAX = 64, BUSY_MAX = 64 };

struct bench {
    const char *netsplit;  /* the program */
    const char *directory; /* for the systems' files; not ours to remove */
    unsigned repeats;
    uint16_t server_port;       /* of the load's server (server.h) */
    struct sut suts[SUT_COUNT]; /* in front of it */
    const char *why_not;        /* no figure may be judged, for this reason; or NULL */
    struct figure figures[FIGURES_MAX];
    size_t n_figures;
    double
        busy[BUSY_MAX]; /* of the part that runs: what others took of the CPUs, 0..1 */
    size_t n_busy;
    bool lacking; /* a part could not run */
};

/* Measures one system; context is the part's. */
typedef void (*bench_measure_fn)(void *context, const struct sut *sut);

/* One that has no values yet. It stays where it is. */
struct figure *bench_figure(struct bench *bench, const struct figure_spec *spec);

/* Lets all present systems take turns: each repeat visits them in a new random order. */
void bench_take_turns(struct bench *bench, const struct sut *suts,
                      bench_measure_fn measure, void *context);

/* Puts 0..n-1 (n up to 16) in random order. */
void bench_shuffle(unsigned *order, unsigned n);

/* Stands still for a moment and notes what others take of the CPUs; once a repeat. */
void bench_note_busy(struct bench *bench);

/* The part that runs is left out, for this reason. */
void bench_leave_out(struct bench *bench, const char *part, const char *why);

/* The parts. Each adds its figures; what a part starts it stops. */
void part_bulk(struct bench *bench);
void part_latency(struct bench *bench);
void part_connections(struct bench *bench);
void part_redis(struct bench *bench);
void part_pgbench(struct bench *bench);
void part_idle(struct bench *bench);
void part_rules(struct bench *bench);
void part_held(struct bench *bench);
void part_delay(struct bench *bench);
void part_rate(struct bench *bench);
void part_size(struct bench *bench);

#endif
