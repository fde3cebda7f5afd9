/* SPDX-License-Identifier: MIT */
/* What the rows of workloads are made of: the parameters that all have, and the draws
 * of an operation. */
#ifndef NETSPLIT_SCENARIOS_WORKLOADS_ROW_H
#define NETSPLIT_SCENARIOS_WORKLOADS_ROW_H

#include "scenarios/workloads/workload.h"

#include <stddef.h>

extern const struct workload workload_append;
extern const struct workload workload_register;
extern const struct workload workload_set;

extern const char *const workload_reads_words[]; /* by enum workload_reads */

/* clang-format off: rows read better one below the other. */
/* The rows of the parameters that every workload has. */
#define WORKLOAD_COMMON_FIELDS                                                         \
    {.name = "keys",                                                                   \
     .kind = FIELD_NUMBER,                                                             \
     .min = 1,                                                                         \
     .max = 10000,                                                                     \
     .standard = "20",                                                                 \
     .offset = offsetof(struct workload_settings, keys),                               \
     .help = "how many keys, drawn evenly"},                                           \
        {.name = "processes",                                                          \
         .kind = FIELD_NUMBER,                                                         \
         .min = 1,                                                                     \
         .max = 1000,                                                                  \
         .standard = "6",                                                              \
         .offset = offsetof(struct workload_settings, processes),                      \
         .help = "logical clients, at home on the nodes in turn"},                     \
        {.name = "rate",                                                               \
         .kind = FIELD_FREQUENCY,                                                      \
         .standard = "400/s",                                                          \
         .offset = offsetof(struct workload_settings, rate),                           \
         .help = "operations of all processes together, at most 1000/s for each"},     \
        {.name = "reads",                                                              \
         .kind = FIELD_PERCENT,                                                        \
         .max = 1000000,                                                               \
         .standard = "50%",                                                            \
         .offset = offsetof(struct workload_settings, reads_ppm),                      \
         .help = "share of the operations that read"},                                 \
        {.name = "reads_from",                                                         \
         .kind = FIELD_WORD,                                                           \
         .words = workload_reads_words,                                                \
         .standard = "home",                                                           \
         .offset = offsetof(struct workload_settings, reads_from),                     \
         .help = "the node that is read: the process's own, the primary, or any"},     \
    {                                                                                  \
        .name = "deadline", .kind = FIELD_DURATION, .min = 10000000,                   \
        .max = 60000000000, .standard = "1s",                                          \
        .offset = offsetof(struct workload_settings, deadline_ns),                     \
        .help = "after which an operation is given up: a write is then info"           \
    }
/* clang-format on */

/* What is drawn for an operation; each draw is independent of the others. */
enum workload_draw {
    WORKLOAD_DRAW_READ = 0, /* whether it reads */
    WORKLOAD_DRAW_KEY,
    WORKLOAD_DRAW_CAS, /* whether a write is a cas */
    WORKLOAD_DRAW_NODE,
    WORKLOAD_DRAW_TURN,
};

/* True for ppm of a million positions. */
bool workload_chance(struct workload_position position, enum workload_draw draw,
                     uint32_t ppm);

/* The key of the position, 0..keys-1. */
int64_t workload_key(const struct workload_plan *plan,
                     struct workload_position position);

/* The value that is written at the position and nowhere else, from 1. */
int64_t workload_value(const struct workload_plan *plan,
                       struct workload_position position);

/* The operation of workloads that have only reads and `write`. */
void workload_read_or_write(const struct workload_plan *plan,
                            struct workload_position position, const int64_t *known,
                            struct driver_operation *out);

#endif
