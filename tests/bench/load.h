/* SPDX-License-Identifier: MIT */
/* The load: one server for all systems, and the four things that are measured. */
#ifndef NETSPLIT_BENCH_LOAD_H
#define NETSPLIT_BENCH_LOAD_H

#include <stdint.h>

/* Starts the server's thread on a port of the kernel's choice; returns the port. Its
 * connections begin with one byte that says what they are for: 'B' sink, 'E' echo,
 * 'T' messages whose one-way time is taken. */
uint16_t load_start_server(void);

/* Bytes that `connections` connections carried to the server in span_ns, after a
 * warm-up. span_ns is set to the time really measured. */
uint64_t load_bulk(uint16_t port, unsigned connections, uint64_t *span_ns);

struct load_quantiles {
    double p50, p99;
};

/* Round trips of 64 bytes on one connection, microseconds. */
struct load_quantiles load_latency(uint16_t port);

/* Connections per second: connect, 64 bytes there and back, close; 16 at a time. */
double load_churn(uint16_t port);

/* One-way time minus delay_ns of messages sent every 2 ms, microseconds. */
struct load_quantiles load_delay(uint16_t port, uint64_t delay_ns);

#endif
