/* SPDX-License-Identifier: MIT */
/* A network of the benchmark's own, so that the machine's does not decide. */
#ifndef NETSPLIT_BENCH_NAMESPACE_H
#define NETSPLIT_BENCH_NAMESPACE_H

#include <stdbool.h>

enum { NAMESPACE_ALGORITHM_BYTES = 32 };

/* Moves this process into a network namespace with reno and many ports, if it may; an
 * ordinary user through a user namespace. Writes the congestion control in force.
 * Returns whether it moved. Before the first thread. */
bool namespace_enter(char *algorithm);

#endif
