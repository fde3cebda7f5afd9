/* SPDX-License-Identifier: MIT */
/* Order statistics of what was measured. */
#ifndef NETSPLIT_BENCH_SAMPLE_H
#define NETSPLIT_BENCH_SAMPLE_H

#include <stddef.h>

struct spread {
    double least, median, most;
};

struct quantiles {
    double least, p50, p99;
};

/* Both sort the n > 0 values in place. */
struct spread sample_spread(double *values, size_t n);
struct quantiles sample_quantiles(double *values, size_t n);

#endif
