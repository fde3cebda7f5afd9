/* SPDX-License-Identifier: MIT */
/* The replication modes: whose acknowledgement a write waits for, what a promotion has
 * to ask, and when a replica shows what it received. Pure. */
#ifndef NETSPLIT_STORE_MODE_H
#define NETSPLIT_STORE_MODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { STORE_NODES_MAX = 16 };

struct store_mode {
    const char *name;
    const char *help; /* one sentence, no full stop */

    /* The highest index that is committed: acked[rank] is how far each of the n nodes
     * has the primary's log durably, acked[self] the primary's own; member[rank]
     * whether it counts. Never more than acked[self]. */
    uint64_t (*committed)(const uint64_t *acked, const bool *member, size_t n,
                          size_t self);

    /* committed() asks who is a member. In other modes that says nothing: WITHOUT names
     * nodes that a promotion does not wait for, and no more. */
    bool counts_members;

    /* PROMOTE asks a majority first and takes over its longest log. */
    bool takeover;

    /* A replica shows a record when the primary has said that it is committed;
     * otherwise as soon as it has it. See node.h for the reads that follow from this.
     */
    bool shows_committed_only;
};

extern const struct store_mode store_modes[]; /* ends with a row whose name is NULL */

/* NULL if there is none of that name. */
const struct store_mode *store_mode_find(const char *name);

#endif
