/* SPDX-License-Identifier: MIT */
/* One node of the reference store: a small replicated key-value store that speaks RESP.
 * Several nodes may live on one loop.
 *
 * Which reads are stale. Every node answers reads from what it has applied; nobody is
 * asked.
 *   async      A replica misses what is on its way; after a cut, everything since.
 *   semisync   The same on the replicas that a write did not wait for.
 *   quorum     A replica shows only what it was told is committed, one message after
 *              the primary acknowledged it; one outside the majority misses more.
 *   sync       A member shows a write before it is acknowledged, so no later read on a
 *              member misses it, though one may see it earlier than the primary shows
 *              it.
 * In every mode a node that was cut off and replaced goes on answering reads from its
 * past until it hears of the new primary, as PostgreSQL's standbys do. The primary
 * itself shows a write when it acknowledges it, never before.
 *
 * What a client is told. "Definite" means that nothing happened or ever will; after an
 * indefinite answer, as after a closed connection, a write may or may not survive.
 *
 *   -ERR ...         definite    unknown or wrong command, a value that does not fit it
 *   -READONLY ...    definite    a write on a node that is not the primary
 *   -LOADING ...     definite    a read on a node that restarted, or was promoted, and
 *                                does not know yet which of its records are committed
 *   -NOQUORUM ...    definite    PROMOTE: too few nodes answered, or WITHOUT would leave
 *                                too few; this node is no primary
 *   -STALETERM ...   definite    PROMOTE: another node was promoted meanwhile
 *   -INDOUBT ...     indefinite  a write was waiting for its acknowledgement when the
 *                                node stopped being primary */
#ifndef NETSPLIT_STORE_NODE_H
#define NETSPLIT_STORE_NODE_H

#include "proxy/base/errmsg.h"
#include "scenarios/store/mode.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <uv.h>

enum { STORE_NAME_MAX_BYTES = 32 };

struct store_peer_config {
    const char *name;
    struct sockaddr_storage address; /* how this node reaches the peer */
};

struct store_config {
    const char *name;               /* of this node; at most 31 bytes, as all names */
    const char *dir;                /* exists; holds its log and meta */
    struct sockaddr_storage listen; /* port 0 = the kernel's choice */
    const struct store_peer_config *peers; /* all other nodes of the cluster */
    size_t n_peers;                        /* below STORE_NODES_MAX */
    const struct store_mode *mode;         /* borrowed, static; the same on all nodes */
    bool primary;             /* leads when dir is empty; later dir remembers */
    uint64_t fsync_every_ns;  /* 0 = before each acknowledgement, UINT64_MAX = never */
    uint64_t heartbeat_ns;    /* of a primary to each replica */
    uint64_t peer_timeout_ns; /* silence after which a connection is given up */
    uint64_t promote_timeout_ns; /* for PROMOTE to reach a majority and catch up */
    size_t max_clients;
    size_t max_command_bytes;
    uint32_t defects; /* store_defect_add */

    /* SHUTDOWN was asked for (error 0): close the node. Or its log or meta can no
     * longer be written or read (negative errno): it closes itself, do not close it
     * again. NULL is fine: then it closes itself in both cases. */
    void (*on_stop)(void *context, int error);
    void *context;
};

struct store_node;

/* Every setting but name, dir, listen, peers and mode at its default. */
void store_config_init(struct store_config *config);

/* Opens the directory, replays the log, and listens. The configuration is copied, its
 * texts too. Returns 0 or a negative errno with *out untouched. The loop must run on
 * until handles that were begun are closed, also after a failure. */
int store_node_open(struct store_node **out, uv_loop_t *loop,
                    const struct store_config *config, struct errmsg *err);

/* Closes listener, connections and files; writes that wait for acknowledgement are left
 * to fate, as their clients see from the closed connection. Asynchronous: the node is
 * freed when its last handle is closed. NULL is fine. */
void store_node_close(struct store_node *node);

/* The port it listens on. */
uint16_t store_node_port(const struct store_node *node);

#endif
