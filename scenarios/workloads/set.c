/* SPDX-License-Identifier: MIT */
/* Unique elements added to sets; a read returns the set. Without the order of a list,
 * additions need not wait for one another in a system that locks what it changes; so it
 * shows loss under more concurrency, and nothing about sessions between writes. */
#include "scenarios/workloads/row.h"

static const struct field set_fields[] = {WORKLOAD_COMMON_FIELDS, {0}};

const struct workload workload_set = {
    .name = "set",
    .help = "adds unique elements to sets and reads the sets",
    .fields = set_fields,
    .write = HISTORY_ADD,
    .shows_loss = true,
    .next = workload_read_or_write,
};
