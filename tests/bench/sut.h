/* SPDX-License-Identifier: MIT */
/* The systems that the benchmark compares: nothing in between, netsplit, HAProxy. Each
 * is started once, forwards to the same server and stays up to the end. */
#ifndef NETSPLIT_BENCH_SUT_H
#define NETSPLIT_BENCH_SUT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { SUT_DIRECT = 0, SUT_NETSPLIT, SUT_HAPROXY, SUT_COUNT };

struct sut {
    const char *name;
    bool present;  /* false: not installed, left out */
    pid_t pid;     /* 0 for direct */
    uint16_t port; /* where clients connect to, on 127.0.0.1 */
};

/* Moves into a network namespace with reno, if it may. Writes what is in force to
 * algorithm (at least 32 bytes). Returns whether figures may be gated. */
bool sut_enter_namespace(char *algorithm);

/* Starts all that are installed in front of the server at server_port; files go into
 * directory. Exits with a message when netsplit itself cannot be started. */
void sut_start_all(struct sut *suts, const char *netsplit, const char *directory,
                   uint16_t server_port);

/* A netsplit of its own with rules, for delays. */
struct sut sut_start_rules(const char *netsplit, const char *directory,
                           const char *rules);
void sut_stop(struct sut *sut);

/* CPU time of all threads of a process so far, ns. 0 for pid 0. */
uint64_t sut_cpu_ns(pid_t pid);

#endif
