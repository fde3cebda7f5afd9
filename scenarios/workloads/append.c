/* SPDX-License-Identifier: MIT */
/* Unique elements appended to lists; a read returns the list. The workload that says
 * most: an element that was acknowledged and is in no list is lost, and the order in a
 * list is the order of the writes, so reads show sessions and staleness too. */
#include "scenarios/workloads/row.h"

static const struct field append_fields[] = {WORKLOAD_COMMON_FIELDS, {0}};

const struct workload workload_append = {
    .name = "append",
    .help = "appends unique elements to lists and reads the lists",
    .fields = append_fields,
    .write = HISTORY_APPEND,
    .shows_loss = true,
    .next = workload_read_or_write,
};
