/* SPDX-License-Identifier: MIT */
/* The pool of processes: logical clients that do a workload's operations, one at a time
 * each, and write down what they asked and what they were told.
 *
 * A slot is a place in the pool; the process in it has a number. When an operation ends
 * in info the process is retired, as in Jepsen, and the slot goes on as the process
 * whose number is `processes_width()` higher. A process has a home node (slot modulo
 * nodes): its end of every path is `clients.HOME`, it reads there, and it writes to the
 * primary it knows. A process that is told "read only" goes where the last
 * processes_move() pointed.
 *
 * Turns come from the workload's schedule, whether or not earlier operations were
 * answered in time. A turn that finds the operation before it still open, or its node
 * in the pause after a failed connect, is let go and counted (missed); the rate is not
 * made up for later. So a latency is that of an operation that was sent, and the missed
 * turns say what the users of a stalled system could not even ask.
 *
 * One more slot for each node reads it past the proxy: final reads and probes. Their
 * records are flagged. Everything runs on one loop; nothing here blocks. */
#ifndef NETSPLIT_SCENARIOS_WORKLOADS_PROCESSES_H
#define NETSPLIT_SCENARIOS_WORKLOADS_PROCESSES_H

#include "scenarios/drivers/driver.h"
#include "scenarios/history/history.h"
#include "scenarios/workloads/workload.h"

struct processes;

/* Copied by processes_create(), but for what is said to be borrowed. Nodes are numbered
 * as in the history. */
struct processes_config {
    uv_loop_t *loop;               /* borrowed until closed */
    struct history *history;       /* borrowed until closed; begun, with these nodes */
    const struct driver *driver;   /* a row */
    const char *setting;           /* of the driver; borrowed until closed */
    const char *schema;            /* likewise */
    struct driver_program program; /* likewise */
    struct workload_plan plan;
    uint64_t seed;
    size_t nodes;   /* 1.. */
    size_t primary; /* the node that all know as primary at first */
    /* nodes * nodes endpoints: paths[home * nodes + to] is where a client whose end is
     * clients.HOME reaches the node `to`, through the proxy. */
    const struct driver_endpoint *paths;
    const struct driver_endpoint *direct; /* nodes: the nodes themselves */
};

struct processes *processes_create(const struct processes_config *config);

/* From now on turns come. Once. */
void processes_start(struct processes *processes);

/* No more turns; open operations are waited for, to their deadlines. on_stopped is
 * called once, never from within the call; also if nothing was started. */
typedef void (*processes_done_fn)(void *context);
void processes_stop(struct processes *processes, processes_done_fn on_stopped,
                    void *context);

/* Points processes at another primary: their open operations end (info; reads: fail),
 * their connections close, and new ones go to `to`. Those whose home was the node they
 * leave (the primary they knew) have their home at `to` from then on; others keep
 * theirs. homes[i] says whether processes at home on node i move; NULL = all of them.
 * Done when each process that moved has been answered by `to` (ok or fail, but not for
 * want of a connection), or after PROCESSES_MOVE_NS. Moves do not overlap: -EBUSY;
 * else 0. */
#define PROCESSES_MOVE_NS UINT64_C(10000000000)
struct processes_moved {
    size_t moved;       /* processes */
    size_t answered;    /* of these: had an answer of the new primary */
    uint64_t waited_ns; /* until the last of them had, or until it was given up */
};
typedef void (*processes_moved_fn)(void *context, const struct processes_moved *moved);
int processes_move(struct processes *processes, size_t to, const bool *homes,
                   processes_moved_fn on_moved, void *context);

/* Reads every key on every node, past the proxy, each until it was read or within_ns is
 * over; records are flagged final. The processes must have been stopped; probes end.
 * unread counts reads never answered ok, by node (nodes items, borrowed until the
 * callback returns).
 */
typedef void (*processes_final_fn)(void *context, const size_t *unread);
void processes_final_reads(struct processes *processes, uint64_t within_ns,
                           processes_final_fn on_read, void *context);

/* Convergence probes: every PROCESSES_PROBE_NS each node is read past the proxy, all
 * keys of it (a round that takes longer is followed by the next at once); records are
 * flagged probe. Until processes_probe_stop(), which lets go of an open read; start and
 * stop may be repeated. */
#define PROCESSES_PROBE_NS UINT64_C(50000000)
void processes_probe_start(struct processes *processes);
void processes_probe_stop(struct processes *processes);

/* Whether, by the probes since they were last started, every node holds at every key
 * what any node held there one round before: for lists and sets all elements of it, in
 * lists in the same order, so that writes may go on meanwhile; for registers the same
 * value. This is for waiting; the measure comes from the history. */
bool processes_converged(const struct processes *processes);

/* For the progress line and stop conditions. Workload operations only. */
struct processes_statistics {
    uint64_t ok_reads, ok_writes;
    uint64_t fail, info;            /* reads and writes */
    uint64_t missed;                /* turns that were let go */
    uint64_t errors[DRIVER_ERRORS]; /* by enum driver_error */
    char last_error[160];           /* the last text; "" if there was none */
    char first_defect[240]; /* the first text of DRIVER_DEFECT; "" if there was none */
    size_t open;            /* operations */
    uint64_t connects;      /* connections asked for */
    uint64_t last_ok_write_ns; /* CLOCK_MONOTONIC; when started if none was ok */
};
void processes_statistics(const struct processes *processes,
                          struct processes_statistics *out);

/* How long no write has been acknowledged, at now_ns; 0 before the start and after the
 * stop. What `abort: { no_ok_write: ... }` compares with. */
uint64_t processes_no_ok_write_ns(const struct processes *processes, uint64_t now_ns);

/* The primary that the process in the slot knows, and its home. */
size_t processes_primary_of(const struct processes *processes, size_t slot);
size_t processes_home_of(const struct processes *processes, size_t slot);

/* All slots: those of the processes, and one for each node. Process p sits in slot p
 * modulo this. */
size_t processes_width(const struct processes *processes);

/* Ends everything at once: open operations are recorded as info (reads: fail), no
 * callback is called any more but on_closed, when the pool is freed; it may be NULL.
 * Drivers may go on cancelling what was abandoned, so run the loop until it is empty.
 */
void processes_close(struct processes *processes, processes_done_fn on_closed,
                     void *context);

#endif
