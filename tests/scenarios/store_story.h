/* SPDX-License-Identifier: MIT */
/* A story of failures, told by processes: three nodes of `netsplit store`, all paths
 * between them and from the clients through a `netsplit proxy`, and a pool of processes
 * that appends to lists and reads them. At its end the history is judged.
 *
 * It is what a drill does, in C: for tests of what the checkers say of a store. The
 * program is $NETSPLIT. Nodes are numbered 0 to 2 and named n1 to n3; n1 begins as
 * primary. Clients at home on a node are clients.n1 to clients.n3 in rules.
 *
 * Whatever waits gives up after twenty seconds and fails the test, which names the
 * seed; store_story_close() in the suite's .fini ends everything even then. */
#ifndef NETSPLIT_TESTS_STORE_STORY_H
#define NETSPLIT_TESTS_STORE_STORY_H

#include "proxy/base/tempdir.h"
#include "scenarios/checkers/judge.h"
#include "scenarios/workloads/processes.h"

#include <uv.h>

enum { STORY_NODES = 3, STORY_TEXT_BYTES = 4096 };

struct child;

struct store_story {
    const char *mode;   /* borrowed */
    const char *defect; /* borrowed; of all nodes; NULL = none */
    uint64_t seed;      /* of the workload and the proxy */
    bool open;
    uv_loop_t loop;
    uv_timer_t pulse; /* so that waits look again */
    char dir[TEMPDIR_PATH_MAX];
    int reserved[STORY_NODES];        /* sockets that hold the ports */
    struct child *nodes[STORY_NODES]; /* owned; NULL while down */
    struct child *proxy;              /* owned */
    char ready[STORY_TEXT_BYTES];     /* what the proxy said */
    size_t ready_bytes;
    char control[TEMPDIR_PATH_MAX + 16];
    struct driver_endpoint direct[STORY_NODES];
    struct driver_endpoint node_paths[STORY_NODES][STORY_NODES];
    struct driver_endpoint client_paths[STORY_NODES * STORY_NODES];
    struct history *history;    /* owned */
    struct processes *pool;     /* owned */
    bool judged;                /* judgement holds something */
    struct judgement judgement; /* of store_story_judge() */
};

/* Starts everything, waits until n1 streams to both others, and lets the pool begin. */
void store_story_open(struct store_story *story, const char *mode, const char *defect,
                      uint64_t seed);

/* Ends everything that runs; nothing if it is not open. */
void store_story_close(struct store_story *story);

/* Sends a command to the node itself and returns its answer as it came; "" when the
 * node is down. Valid until the next call. The pool works on meanwhile. */
const char *store_story_ask(struct store_story *story, size_t node,
                            const char *command);
/* Asks for INFO until it has this line. */
void store_story_await_info(struct store_story *story, size_t node, const char *line);

/* Waits until from now on n writes sent to the node were acknowledged; or have ended,
 * well or not. */
void store_story_await_acked(struct store_story *story, size_t node, size_t n);
void store_story_await_ended(struct store_story *story, size_t node, size_t n);

/* kill -9, and the same node again. */
void store_story_kill(struct store_story *story, size_t node);
void store_story_start(struct store_story *story, size_t node);

/* Applies a rule: "partition: [[n1], [n2, n3]]". heal removes all of them. */
void store_story_fault(struct store_story *story, const char *rule);
void store_story_heal(struct store_story *story);

/* PROMOTE with what follows it ("WITHOUT n1", or ""), which must be answered OK. */
void store_story_promote(struct store_story *story, size_t node, const char *words);
/* Points processes at the node: those with homes[i], NULL = all. */
void store_story_move(struct store_story *story, size_t to, const bool *homes);

/* Stops the pool, waits for the nodes to agree (with a defect at most two seconds),
 * reads everything on every node, and fills judgement. */
void store_story_judge(struct store_story *story);

/* What the judgement says; fails the test when the measure is not known. */
uint64_t store_story_measure(const struct store_story *story, enum measure measure);

#endif
