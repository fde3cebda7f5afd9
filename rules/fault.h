/* SPDX-License-Identifier: MIT */
/* The fault catalogue: one row a fault, in the order in which a chunk passes them. */
#ifndef NETSPLIT_RULES_FAULT_H
#define NETSPLIT_RULES_FAULT_H

#include "rules/field.h"

struct fault {
    const char *name;           /* "delay" */
    const char *help;           /* one sentence, no full stop */
    const struct field *fields; /* its keys of inject, stored into its params; the first
                                   one switches it on, the others need it */
    size_t params_bytes;        /* size of its params */
    const char *(*check)(const void *params); /* what is wrong between the fields, or
                                                 NULL; the function may be NULL */
};

/* The rows, ended by NULL, in the order of one inject. The key `hold` is not among
 * them: it is the stream's budget and belongs to the rule (struct rule). */
const struct fault *const *fault_catalogue(void);

enum distribution {
    DISTRIBUTION_UNIFORM = 0,
    DISTRIBUTION_NORMAL,
    DISTRIBUTION_PARETO,
    DISTRIBUTION_PARETONORMAL,
};

enum rate_scope {
    RATE_SCOPE_CONNECTION = 0,
    RATE_SCOPE_LINK,
};

struct slice_params {
    uint64_t size_bytes; /* 1.. */
    uint64_t gap_ns;
};

struct delay_params {
    uint64_t delay_ns;
    uint64_t jitter_ns; /* 0 = none */
    enum distribution distribution;
    uint32_t correlation_ppm; /* 0..1e6 */
};

struct rate_params {
    uint64_t bytes_per_s; /* 1.. */
    uint64_t burst_bytes; /* 1.. */
    enum rate_scope scope;
};

/* stall, discard, refuse. */
struct switch_params {
    bool on;
};

/* reset, close. */
struct end_params {
    struct field_after after;
};

#endif
