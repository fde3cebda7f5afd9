/* SPDX-License-Identifier: MIT */
/* What the processes*.c files share; nothing else includes this. processes.c makes the
 * pool, gives the workers their turns and hears their answers; processes_count.c keeps
 * what they say, processes_move.c stops and moves them, processes_reads.c reads past
 * them. */
#ifndef NETSPLIT_SCENARIOS_WORKLOADS_PROCESSES_INSIDE_H
#define NETSPLIT_SCENARIOS_WORKLOADS_PROCESSES_INSIDE_H

#include "scenarios/workloads/processes.h"
#include "scenarios/workloads/reader.h"
#include "scenarios/workloads/slot.h"

enum { NO_NODE = -1 };

/* A slot of the workload. */
struct worker {
    struct slot slot; /* first: a slot is its worker */
    struct processes *processes;
    uv_timer_t timer; /* to the next turn */
    uint32_t index;
    size_t home, primary;
    uint64_t turn;    /* the next one */
    uint64_t ordinal; /* of the next operation */
    bool awaited;     /* moved, and not yet answered by where it moved to */
    int64_t *known;   /* owned: of registers, by key; NULL = not needed */
};

/* The move under way. */
struct move {
    bool under_way;
    size_t to;
    uint64_t start_ns;
    struct processes_moved counts;
    processes_moved_fn on_moved;
    void *context;
};

enum pool_state { POOL_NEW = 0, POOL_RUNNING, POOL_STOPPING, POOL_STOPPED };

struct processes {
    struct processes_config config; /* paths and direct point to the copies below */
    struct driver_endpoint *paths;  /* owned: nodes * nodes */
    struct driver_endpoint *direct; /* owned: nodes */
    struct slot_pool pool;          /* what slots share */
    struct worker *workers;         /* owned: plan.settings.processes */
    struct reader *readers;         /* owned: nodes */
    size_t n_workers;
    enum pool_state state;
    uint64_t start_ns;
    int pointed_to; /* the node that the last move named; NO_NODE = none did */
    struct processes_statistics statistics;

    uv_timer_t stop_timer; /* tells on_stopped when nothing is open */
    processes_done_fn on_stopped;
    void *stop_context;

    uv_timer_t move_timer; /* gives the move up, or tells that it is done */
    struct move move;

    size_t reading; /* readers whose final reads are not over */
    size_t *unread; /* owned: by node */
    processes_final_fn on_read;
    void *read_context;

    size_t closing; /* timers whose close is awaited */
    processes_done_fn on_closed;
    void *close_context;
};

/* processes_count.c: the answer is counted, and is what the process knows now; or it
 * knows nothing any more. */
void processes_count(struct processes *p, enum history_f f,
                     const struct driver_outcome *outcome);
void processes_learn(struct worker *worker, const struct driver_outcome *outcome);
void processes_forget(struct worker *worker);

/* processes_move.c: tells the owner, soon, that nothing is open any more, if that is so.
 * The other hears of every answer, for the move that may be under way. */
void processes_check_stopped(struct processes *p);
void processes_note_move(struct worker *worker, const struct driver_outcome *outcome);

#endif
