/* SPDX-License-Identifier: MIT */
/* What one node answered when all its keys were read, and whether another holds as
 * much. */
#ifndef NETSPLIT_SCENARIOS_WORKLOADS_SNAPSHOT_H
#define NETSPLIT_SCENARIOS_WORKLOADS_SNAPSHOT_H

#include "scenarios/history/history.h"

struct snapshot_list {
    int64_t *items; /* owned; of a set: sorted; of a register: its value, if any */
    size_t n, room;
};

struct snapshot {
    struct snapshot_list *lists; /* owned: one for each key */
    size_t keys;
    enum history_f writes; /* append, add or write: what the values are */
    bool whole;            /* all keys were read */
};

void snapshot_init(struct snapshot *snapshot, size_t keys, enum history_f writes);
void snapshot_close(struct snapshot *snapshot);

/* The value that was read at the key: nil, an integer or a list. */
void snapshot_set(struct snapshot *snapshot, size_t key,
                  const struct history_value *value);

/* Whether a holds at each key what b holds: lists begin with b's list, sets contain b's
 * set, registers are equal. Both must be whole. */
bool snapshot_holds(const struct snapshot *a, const struct snapshot *b);

#endif
