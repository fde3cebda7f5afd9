/* SPDX-License-Identifier: MIT */
/* What the cluster_*.c files that read a cluster file share; nothing else includes this.
 * Each complains into diag and goes on; texts are borrowed from the file's tree, which
 * the cluster's arena owns. */
#ifndef NETSPLIT_SCENARIOS_PLAYBOOK_CLUSTER_INSIDE_H
#define NETSPLIT_SCENARIOS_PLAYBOOK_CLUSTER_INSIDE_H

#include "scenarios/playbook/cluster.h"

struct yaml_node;

/* cluster_env.c: an environment; NULL for map is none. */
struct cluster_variables cluster_read_env(struct cluster *cluster,
                                          const struct yaml_node *map,
                                          struct diag *diag);

/* cluster_driver.c: the cluster's driver, its setting and its program; and a mode's
 * setting and program, which are the cluster's own if map is NULL. */
void cluster_read_driver(struct cluster *cluster, const struct yaml_node *map,
                         struct diag *diag);
void cluster_read_setting(struct cluster *cluster, const struct yaml_node *map,
                          struct cluster_mode *mode, struct diag *diag);

/* cluster_modes.c: `modes:`; NULL = the file has none. Nodes must have been read. */
void cluster_read_modes(struct cluster *cluster, const struct yaml_node *map,
                        struct diag *diag);

/* cluster_whole.c: what goes with what. given is what stands at `intercept:`, or
 * CLUSTER_INTERCEPT_NOT_GIVEN; nodes and lab must have been read. */
enum { CLUSTER_INTERCEPT_NOT_GIVEN = INTERCEPT_NETNS + 1 };
void cluster_settle_intercept(struct cluster *cluster, const struct yaml_node *root,
                              unsigned given, struct diag *diag);
void cluster_check_whole(const struct cluster *cluster, const struct yaml_node *root,
                         struct diag *diag);

#endif
