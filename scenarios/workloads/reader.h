/* SPDX-License-Identifier: MIT */
/* Reads one node past the proxy, all keys of it: once, as final reads, or round after
 * round, as convergence probes. */
#ifndef NETSPLIT_SCENARIOS_WORKLOADS_READER_H
#define NETSPLIT_SCENARIOS_WORKLOADS_READER_H

#include "scenarios/workloads/slot.h"
#include "scenarios/workloads/snapshot.h"

enum reader_state { READER_IDLE = 0, READER_FINAL, READER_PROBING };

struct reader;
/* Final reads are over; unread keys were never answered ok. */
typedef void (*reader_done_fn)(struct reader *reader, size_t unread);

struct reader {
    struct slot slot;
    uv_timer_t timer; /* to the next round, or to the next try */
    enum reader_state state;
    size_t node;
    const struct driver_endpoint *endpoint; /* borrowed: the node itself */
    size_t keys;
    uint64_t deadline_ns;      /* of one read */
    size_t key;                /* that is read, or is next */
    uint64_t until_ns;         /* final: when it is given up */
    bool *was_read;            /* owned; final: by key */
    size_t unread;             /* final */
    uint64_t round_ns;         /* probing: when the round began */
    struct snapshot rounds[3]; /* probing: the newest whole one, the one before it, and
                                  the one being read */
    reader_done_fn on_final;
    void *context; /* borrowed; for the owner */
};

void reader_init(struct reader *reader, struct slot_pool *pool, int32_t process,
                 size_t node, const struct driver_endpoint *endpoint, size_t keys,
                 uint64_t deadline_ns);

/* Tries each key until it was read, going on to the next after a failure, and gives up
 * within_ns from now. */
void reader_begin_final(struct reader *reader, uint64_t within_ns,
                        reader_done_fn on_final, void *context);

/* A round each READER_ROUND_NS; forgets the rounds before. */
#define READER_ROUND_NS UINT64_C(50000000)
void reader_begin_probes(struct reader *reader);

/* Lets go of what is open; on_final is not called. */
void reader_stop(struct reader *reader);

/* The newest whole round of an unbroken series of them, and the one before it; NULL if
 * there is none: then a node could not be read, or not yet. */
const struct snapshot *reader_newest(const struct reader *reader);
const struct snapshot *reader_before(const struct reader *reader);

/* Stops and frees all but the timer, which is for the owner to close. */
void reader_close(struct reader *reader);

#endif
