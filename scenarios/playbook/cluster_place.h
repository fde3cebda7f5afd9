/* SPDX-License-Identifier: MIT */
/* Where a node is that netsplit did not start: { address, ports, exec }, and
 * the network namespace that it is in. */
#ifndef NETSPLIT_SCENARIOS_PLAYBOOK_CLUSTER_PLACE_H
#define NETSPLIT_SCENARIOS_PLAYBOOK_CLUSTER_PLACE_H

#include "scenarios/playbook/cluster.h"

struct yaml_node;

/* Texts are borrowed from the tree; what is wrong is told in diag. */
void cluster_read_place(const struct yaml_node *value, struct cluster_place *out,
                        struct diag *diag);

#endif
