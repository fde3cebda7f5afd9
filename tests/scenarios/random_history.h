/* SPDX-License-Identifier: MIT */
/* Seeded histories: of a store that behaves, of one that does what it is told to do
 * wrong, and of one that answers at random. */
#ifndef NETSPLIT_TESTS_SCENARIOS_RANDOM_HISTORY_H
#define NETSPLIT_TESTS_SCENARIOS_RANDOM_HISTORY_H

#include "scenarios/history/history.h"

struct random_shape {
    uint64_t seed;
    unsigned operations, processes, keys, nodes;
    bool registers;        /* writes instead of appends */
    bool gibberish;        /* reads show any elements of their key, in any order */
    unsigned reads;        /* percent; the same for all below */
    unsigned info, failed; /* of writes; half of the unknown ones take effect */
    unsigned lost;         /* acknowledged, never applied */
    unsigned ghost;        /* failed, and yet applied */
    unsigned twice;        /* applied twice */
    unsigned stale;        /* of reads: lack a write that had ended before */
};

/* What was done wrong, as counts; the checkers must find the same. */
struct random_truth {
    uint64_t acked, lost, recovered, ghosts, duplicates, stale;
};

/* Ends with a final read of every key on every node. The caller owns the history. */
struct history *random_history(const struct random_shape *shape,
                               struct random_truth *truth);

/* The next number of a sequence (splitmix64), below n. */
uint64_t random_below(uint64_t *state, uint64_t n);

#endif
