/* SPDX-License-Identifier: MIT */
/* One place in the pool of processes: the process that sits there now, its clients to
 * the nodes, its one open operation, and the history in which both ends of each
 * operation are written down. */
#ifndef NETSPLIT_SCENARIOS_WORKLOADS_SLOT_H
#define NETSPLIT_SCENARIOS_WORKLOADS_SLOT_H

#include "scenarios/drivers/driver.h"
#include "scenarios/history/history.h"

/* What all slots of a pool have in common. */
struct slot_pool {
    uv_loop_t *loop;             /* borrowed */
    struct history *history;     /* borrowed */
    const struct driver *driver; /* a row */
    const char *setting;         /* borrowed */
    const char *schema;          /* borrowed */
    struct driver_program program;
    enum history_f writes; /* what writes at the keys */
    uint64_t seed;
    size_t nodes;
    int32_t width;     /* a retired process's successor has a number higher by this */
    uint64_t connects; /* clients opened, by all slots */
};

struct slot_client {
    struct driver_client *client; /* owned; NULL = none */
    unsigned failures;            /* in a row, of connections */
    uint64_t pause_until_ns;      /* no new one before; 0 = none had failed */
};

struct slot;

/* The operation was answered, and is written down; slot->process is already that of the
 * successor if it was retired. Called once for each slot_invoke(), unless
 * slot_abandon() came first; the slot may be invoked again from here. */
typedef void (*slot_done_fn)(struct slot *slot, const struct driver_outcome *outcome);

struct slot {
    struct slot_pool *pool; /* borrowed */
    int32_t process;
    bool open;                         /* an operation is */
    bool final, probe;                 /* as its records are flagged */
    size_t node;                       /* that it was sent to; of the last one, too */
    struct driver_operation operation; /* likewise */
    slot_done_fn on_done;
    struct slot_client *clients; /* owned: one for each node */
    uint64_t draws;              /* of pauses */
};

void slot_init(struct slot *slot, struct slot_pool *pool, int32_t process,
               slot_done_fn on_done);

/* Whether it may be invoked on the node: nothing is open, and the pause after a failed
 * connection to the node is over. */
bool slot_ready(const struct slot *slot, size_t node, uint64_t now_ns);

/* Asks the node, which is reached at endpoint and listens itself at direct; the
 * invocation is written down. A client is made if there is none. */
void slot_invoke(struct slot *slot, size_t node, const struct driver_endpoint *endpoint,
                 const struct driver_endpoint *direct,
                 const struct driver_operation *operation, uint64_t within_ns);

/* Ends the open operation, if there is one: a write is info and its process retired, a
 * read is fail, and why is the error. Its client is closed; on_done is not called. */
void slot_abandon(struct slot *slot, const char *why);

/* Closes all clients, and forgets pauses. Nothing may be open. */
void slot_disconnect(struct slot *slot);

/* Abandons, disconnects and frees what it owns. */
void slot_close(struct slot *slot, const char *why);

#endif
