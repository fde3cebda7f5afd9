/* SPDX-License-Identifier: MIT */
/* How processes talk to a cluster: { NAME: SETTING }, of the cluster or of a mode. A
 * driver that is a program has a list of words as its setting, or one text of them. */
#ifndef NETSPLIT_SCENARIOS_CLUSTER_DRIVER_H
#define NETSPLIT_SCENARIOS_CLUSTER_DRIVER_H

#include "scenarios/cluster.h"

struct yaml_node;

/* Reads the cluster's driver and its setting. Texts live in the cluster's arena or are
 * borrowed from the tree; what is wrong is told in diag. */
void cluster_read_driver(struct cluster *cluster, const struct yaml_node *map,
                         struct diag *diag);

/* Fills the mode's setting and program: those that map says, of the cluster's driver;
 * NULL = the cluster's own. */
void cluster_read_setting(struct cluster *cluster, const struct yaml_node *map,
                          struct cluster_mode *mode, struct diag *diag);

#endif
