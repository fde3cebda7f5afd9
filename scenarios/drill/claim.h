/* SPDX-License-Identifier: MIT */
/* A drill's claim on a cluster that runs already: while it holds, no other drill of
 * this machine, whoever's it is, begins on any of the same nodes. */
#ifndef NETSPLIT_SCENARIOS_DRILL_CLAIM_H
#define NETSPLIT_SCENARIOS_DRILL_CLAIM_H

#include "proxy/base/errmsg.h"
#include "scenarios/playbook/cluster.h"

#include <jansson.h>

struct claim {
    int fds[CLUSTER_NODES_MAX]; /* owned: a socket a node */
    size_t n;
};

/* Claims every node of the cluster, or none. A cluster that the drill starts itself is
 * nobody else's, and needs no claim. 0; -EBUSY when another drill has one of the nodes:
 * err says which node, who drills it and since when; -EUCLEAN when one of this user's that
 * is dead still owes one of them what `netsplit clean` would undo; or what else went
 * wrong. */
int claim_take(const struct cluster *cluster, struct claim *out, struct errmsg *err);

/* The nodes' names in claims, a new reference: what a drill notes in its record as
 * CLAIM_NOTE, to be known by when it is dead. */
#define CLAIM_NOTE "claims"
json_t *claim_list(const struct cluster *cluster);

/* The end of it, which the end of the process is, too. */
void claim_release(struct claim *claim);

#endif
