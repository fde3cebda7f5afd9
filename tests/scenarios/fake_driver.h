/* SPDX-License-Identifier: MIT */
/* A driver whose servers are in memory: a port is a node, and each node does what the
 * test says. */
#ifndef NETSPLIT_TESTS_FAKE_DRIVER_H
#define NETSPLIT_TESTS_FAKE_DRIVER_H

#include "scenarios/drivers/driver.h"

enum { FAKE_NODES = 4, FAKE_KEYS = 4, FAKE_ROOM = 4096 };

enum fake_mood {
    FAKE_SERVES = 0,
    FAKE_READ_ONLY, /* refuses writes */
    FAKE_SILENT,    /* takes the request and never answers */
    FAKE_REFUSES,   /* connections */
    FAKE_BREAKS,    /* takes the request and breaks the connection */
    FAKE_DEFECT,    /* the driver's program ends */
};

struct fake_node {
    enum fake_mood mood;
    uint64_t latency_ms;
    size_t reads_to_fail[FAKE_KEYS]; /* so many of the next reads are refused */
    size_t asked;                    /* requests that came */
    char asked_as[16];               /* the node's name in the last of them */
    int32_t asked_by;                /* and its process */
    const char *answers_as;          /* the node that its answers name; NULL = none */
    int64_t items[FAKE_KEYS][FAKE_ROOM];
    size_t n[FAKE_KEYS];
};

/* Of the test's process; Criterion gives each test its own. */
extern struct fake_node fake_nodes[FAKE_NODES];
extern size_t fake_open_now, fake_open_most; /* requests open at the same time */

extern const struct driver driver_fake;

/* A path's port says both ends: 1000 + home * 10 + node; the node itself: 1 + node. The
 * homes that asked a node through their path are bits of fake_paths_used[node]. */
extern unsigned fake_paths_used[FAKE_NODES];

#endif
