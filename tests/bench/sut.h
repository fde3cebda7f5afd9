/* SPDX-License-Identifier: MIT */
/* The systems that the benchmark compares, each a proxy in front of one server: nothing
 * in between, netsplit, HAProxy as it comes and with splicing forced, nginx. They are
 * started once for a part, or for several, and stay up, so that they can take turns. */
#ifndef NETSPLIT_BENCH_SUT_H
#define NETSPLIT_BENCH_SUT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum sut_kind {
    SUT_DIRECT = 0,
    SUT_NETSPLIT,
    SUT_HAPROXY,
    SUT_HAPROXY_SPLICE,
    SUT_NGINX,
    SUT_COUNT,
};

enum { SUT_PROCESSES_MAX = 4 };

struct sut {
    enum sut_kind kind;
    const char *name;
    bool present; /* false: not installed or not asked for; left out */
    pid_t pids
        [SUT_PROCESSES_MAX]; /* the one that was started and its children; 0 = end */
    uint16_t port;           /* where clients connect to, on 127.0.0.1 */
};

/* By kind, for struct figure_spec. */
extern const char *const sut_names[SUT_COUNT];

/* Is its program on PATH? */
bool sut_is_installed(enum sut_kind kind);

/* Starts those of `kinds` (a set of bits 1 << kind) that are installed, in front of a
 * server on server_port; their files go into directories of their own in `directory`.
 * Exits with a message when one that is installed cannot be started. */
void sut_start_all(struct sut *suts, unsigned kinds, const char *netsplit,
                   const char *directory, uint16_t server_port);

/* A netsplit with a rule file of its own; or with one rule for what goes to the server,
 * whose `inject` is given: "delay: 1ms". */
struct sut sut_start_rules(const char *netsplit, const char *directory,
                           const char *rules);
struct sut sut_start_fault(const char *netsplit, const char *directory,
                           uint16_t server_port, const char *inject);

/* Its processes are pid and the children of that. For sut.c. */
void sut_find_processes(struct sut *sut, pid_t pid);

void sut_stop(struct sut *sut);
void sut_stop_all(struct sut *suts);

/* CPU time of all its threads so far, ns. 0 for a direct connection. */
uint64_t sut_cpu_ns(const struct sut *sut);

/* Resident memory of its processes, bytes. */
uint64_t sut_resident_bytes(const struct sut *sut);

/* Puts all its threads, and all of ours, on one CPU; or back on all. */
void sut_pin(const struct sut *sut, bool on_one_cpu);

#endif
