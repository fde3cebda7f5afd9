/* SPDX-License-Identifier: MIT */
/* Faults on what nodes say to each other: a proxy that stands between clients and nodes
 * only is passed by there, and a cut that touches nothing must not look like one. */
#ifndef NETSPLIT_SCENARIOS_PLAYBOOK_BETWEEN_H
#define NETSPLIT_SCENARIOS_PLAYBOOK_BETWEEN_H

#include "scenarios/playbook/cluster.h"

/* Whether what the node a says to b, and b to a, passes the proxy. */
typedef bool (*between_passes_fn)(void *context, size_t a, size_t b);

/* The first two nodes, named by one of the rules on either side, whose link does not
 * pass; false if there are none. primary: the node that the word stands for. Clients
 * are no nodes here, nor is `any` a name. */
bool between_find(const struct cluster *cluster, const struct rules *rules,
                  size_t primary, between_passes_fn passes, void *context, size_t *a,
                  size_t *b);

/* Whether the rule is about what nodes say to each other at all. */
bool between_is_meant(const struct cluster *cluster, const struct rule *rule,
                      size_t primary);

/* Whether one of the rules is about anybody's bytes, those of nodes to nodes included,
 * without naming nodes on both sides. */
bool between_is_implied(const struct cluster *cluster, const struct rules *rules);

/* Whether one of the rules names clients. */
bool between_names_clients(const struct rules *rules);

#endif
