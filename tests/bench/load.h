/* SPDX-License-Identifier: MIT */
/* The loads, each against one system in front of the server (server.h). */
#ifndef NETSPLIT_BENCH_LOAD_H
#define NETSPLIT_BENCH_LOAD_H

#include "tests/bench/sample.h"

#include <stdint.h>

struct sut;

struct load_bulk {
    uint64_t bytes, span_ns;
    uint64_t cpu_ns; /* of the system's processes, in the same span */
};

/* What so many connections carry to the server, after a warm-up. */
struct load_bulk load_bulk(const struct sut *sut, unsigned connections,
                           uint64_t warmup_ns);

/* CPU seconds for a GiB; of bytes > 0. */
double load_bulk_cpu_s_per_gib(const struct load_bulk *bulk);

/* Round trips of 64 bytes on one connection, us. */
struct quantiles load_latency(const struct sut *sut);

struct load_churn {
    double per_s;
    double cpu_us; /* of the system's processes, a connection; 0 if there was none */
};

/* Connect, 64 bytes there and back, close; so many clients at a time (up to 64). */
struct load_churn load_churn(const struct sut *sut, unsigned clients);

/* One-way time minus delay_ns of 64-byte messages sent every 2 ms, us. Negative: early.
 */
struct quantiles load_delay(const struct sut *sut, uint64_t delay_ns);

struct load_rate {
    double bytes_per_s;
    unsigned empty; /* of the 10 ms windows measured, those in which nothing came */
};

/* What one connection carries that always has more to send. */
struct load_rate load_rate(const struct sut *sut);

#endif
