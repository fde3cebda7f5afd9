/* SPDX-License-Identifier: MIT */
/* Registers: unique values written, read, and compared and set. Shows whether reads are
 * current, and linearizability; it cannot show loss, because a value that was
 * overwritten looks like one that was lost. A cas starts from what its process last saw
 * at the key, which is what a program does that reads, computes and writes back; while
 * it saw nothing there it writes. */
#include "scenarios/workloads/row.h"

static const struct field register_fields[] = {
    WORKLOAD_COMMON_FIELDS,
    {.name = "cas",
     .kind = FIELD_PERCENT,
     .offset = offsetof(struct workload_settings, cas_ppm),
     .max = 1000000,
     .standard = "0%",
     .help = "share of the writes that compare and set"},
    {0},
};

static void next(const struct workload_plan *plan, struct workload_position position,
                 const int64_t *known, struct driver_operation *out)
{
    workload_read_or_write(plan, position, known, out);
    if (out->f == HISTORY_READ || !known || known[out->key] == INT64_MIN ||
        !workload_chance(position, WORKLOAD_DRAW_CAS, plan->settings.cas_ppm))
        return;
    int64_t to = out->value.integer;
    out->f = HISTORY_CAS;
    out->value = (struct history_value){
        .kind = HISTORY_PAIR,
        .pair = {.from = known[out->key], .to = to},
    };
}

const struct workload workload_register = {
    .name = "register",
    .help = "writes, reads and compares-and-sets registers",
    .fields = register_fields,
    .write = HISTORY_WRITE,
    .shows_loss = false,
    .next = next,
};
