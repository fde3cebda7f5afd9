/* SPDX-License-Identifier: MIT */
/* Workloads: what the processes ask. A workload is one row: a name, its parameters as a
 * table, and a pure function from (seed, slot, ordinal) to the operation, so that the
 * nth operation of a slot is the same in every run, whatever the network did to those
 * before it.
 *
 * Every written value is used once in a history, and never sent twice: what may have
 * happened is not tried again. So a value that is read says which operation wrote it.
 */
#ifndef NETSPLIT_SCENARIOS_WORKLOADS_WORKLOAD_H
#define NETSPLIT_SCENARIOS_WORKLOADS_WORKLOAD_H

#include "rules/diag.h"
#include "rules/field.h"
#include "scenarios/drivers/driver.h"

struct yaml_node;

enum workload_reads {
    WORKLOAD_READS_HOME = 0, /* of the process's home node */
    WORKLOAD_READS_PRIMARY,  /* of the primary that the process knows */
    WORKLOAD_READS_ANY,      /* of a node drawn for each read */
};

/* The parameters of all workloads; a workload reads those of its table. */
struct workload_settings {
    uint64_t keys;        /* 1.. */
    uint64_t processes;   /* 1..; logical clients at any one time */
    uint64_t rate;        /* operations in 1000 s, all processes together */
    uint32_t reads_ppm;   /* of the operations, 0..1e6 */
    uint32_t cas_ppm;     /* of the operations that write, 0..1e6; register */
    uint32_t reads_from;  /* enum workload_reads */
    uint64_t deadline_ns; /* of each operation */
};

/* Whose operation: slot is the place in the pool, 0..processes-1; a process that is
 * retired leaves it to its successor, who goes on with the next ordinal. */
struct workload_position {
    uint64_t seed;
    uint32_t slot;
    uint64_t ordinal; /* of the operation in its slot, from 0 */
};

struct workload_plan;

struct workload {
    const char *name;           /* "append" */
    const char *help;           /* one sentence */
    const struct field *fields; /* into struct workload_settings; ends without a name */
    enum history_f write;       /* what writes */
    bool shows_loss; /* lost, recovered, ghost and duplicates can be judged */
    /* As workload_next(). */
    void (*next)(const struct workload_plan *plan, struct workload_position position,
                 const int64_t *known, struct driver_operation *out);
};

/* A workload with its parameters: what a playbook's `workload` block says. */
struct workload_plan {
    const struct workload *workload; /* a row */
    struct workload_settings settings;
};

/* The row of the name, or NULL with *near the nearest name or NULL. near may be NULL.
 */
const struct workload *workload_find(const char *name, const char **near);
/* The rows in order of their names; NULL beyond the last. */
const struct workload *workload_get(size_t i);

/* Reads a block: a map with one key, the workload's name, whose value is the map of its
 * parameters (or empty). What is wrong goes to diag, every mistake of it; *out is
 * complete only if true is returned. */
bool workload_read(const struct yaml_node *block, struct workload_plan *out,
                   struct diag *diag);

/* The plan with every parameter at its default. */
void workload_default(const struct workload *workload, struct workload_plan *out);

/* Whether the plan asks the driver for operations that it has; else err says which it
 * lacks. 0 or -ENOTSUP. */
int workload_check(const struct workload_plan *plan, const struct driver *driver,
                   struct errmsg *err);

/* The operation at the position. known is the value that the process last read or wrote
 * at each of the keys (a cas starts from it; INT64_MIN = none: it writes instead);
 * NULL = it knows none. Written values are from 1. */
void workload_next(const struct workload_plan *plan, struct workload_position position,
                   const int64_t *known, struct driver_operation *out);

/* When the slot has its turns: the nth is start + workload_turn_ns(n). The rate is
 * spread evenly over slots and time; each turn is drawn within the middle half of its
 * period, so that slots do not march in step. Grows with n. */
uint64_t workload_turn_ns(const struct workload_plan *plan, uint64_t seed,
                          uint32_t slot, uint64_t n);

/* The node read from with reads_from: any, 0..nodes-1. */
size_t workload_any_node(struct workload_position position, size_t nodes);

#endif
