/* SPDX-License-Identifier: MIT */
/* Very many connections through a proxy at once, both ends of each in this process, on
 * one epoll. How long each lives, what it carries each way and how it ends (FIN after
 * FIN, or an RST from either side in the middle) is drawn. What an end receives must at
 * all times be what the other one sent, from its first byte on and without a hole: a
 * proxy may end a connection, but never tell a lie. Whatever is wrong fails the test,
 * with the seed. */
#ifndef NETSPLIT_TESTS_SWARM_H
#define NETSPLIT_TESTS_SWARM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SWARM_PATHS = 8 };

struct swarm_config {
    uint64_t seed;
    size_t at_once;      /* connections */
    uint64_t bytes_most; /* of a stream; most have less than 2 KiB */
    bool is_exact;       /* nothing may end early: all bytes arrive, and FIN behind */
};

struct swarm_end;

struct swarm {
    struct swarm_config config;
    uint16_t port;                 /* of the server: what the proxy's paths lead to */
    uint16_t through[SWARM_PATHS]; /* the proxy's ports; set by the test */
    size_t n_through;
    size_t open;    /* clients now */
    size_t begun;   /* connections */
    size_t whole;   /* ended with all bytes and FIN both ways */
    size_t lost;    /* ended by an RST that nobody here sent */
    size_t refused; /* never connected */
    uint64_t bytes; /* received */
    int epoll, listener;
    struct swarm_end *ends; /* both sides' */
};

/* Opens the server; the paths are for the test to fill in. */
void swarm_open(struct swarm *swarm, const struct swarm_config *config);

/* Begins connections until there are at_once (not if most have been begun; SIZE_MAX:
 * always), and moves what can be moved, for at most so many ms. */
void swarm_turn(struct swarm *swarm, size_t most, int timeout_ms);

/* Turns without new connections until every end has ended. Those of whom the kernel
 * has not said yet whether they are connected are given up. */
void swarm_finish(struct swarm *swarm);

void swarm_close(struct swarm *swarm);

#endif
