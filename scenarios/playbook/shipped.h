/* SPDX-License-Identifier: MIT */
/* What comes with netsplit, found by name: the cluster "store" is
 * scenarios/clusters/store.yaml of the source tree, or what was installed of it. */
#ifndef NETSPLIT_SCENARIOS_PLAYBOOK_SHIPPED_H
#define NETSPLIT_SCENARIOS_PLAYBOOK_SHIPPED_H

#include <stddef.h>

enum shipped {
    SHIPPED_CLUSTER = 0,
    SHIPPED_PLAYBOOK,
};

/* Writes the path of what a user's word means: the word itself if it is a path (it has a
 * slash or the suffix of its kind), else that of the shipped file of the name. 0, or
 * -ENOENT if there is none of the name, or the path does not fit. */
int shipped_find(enum shipped kind, const char *word, char *path, size_t path_bytes);

#endif
