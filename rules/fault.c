/* SPDX-License-Identifier: MIT */
/* The rows of the catalogue: what may be written in `inject`, and what it means. */
#include "rules/fault.h"

#include <string.h>

static const char *const distributions[] = {"uniform", "normal", "pareto",
                                            "paretonormal", NULL};
static const char *const scopes[] = {"connection", "link", NULL};
static const char *const needs_jitter[] = {"jitter", NULL};

enum {
    DAY_S = 86400,
};
#define DAY_NS (DAY_S * UINT64_C(1000000000))

static const struct field slice_members[] = {
    {.name = "size",
     .kind = FIELD_BYTES,
     .offset = offsetof(struct slice_params, size_bytes),
     .required = true,
     .min = 1,
     .max = 1 << 20,
     .help = "bytes of one small write"},
    {.name = "gap",
     .kind = FIELD_DURATION,
     .offset = offsetof(struct slice_params, gap_ns),
     .max = DAY_NS,
     .standard = "0s",
     .help = "pause between two of them"},
    {0},
};

static const struct field slice_fields[] = {
    {.name = "slice",
     .kind = FIELD_MAP,
     .members = slice_members,
     .help = "bytes go out in small writes, with gaps"},
    {0},
};

static const struct field delay_fields[] = {
    {.name = "delay",
     .kind = FIELD_DURATION,
     .offset = offsetof(struct delay_params, delay_ns),
     .max = DAY_NS,
     .help = "each chunk is released this long after its arrival"},
    {.name = "jitter",
     .kind = FIELD_DURATION,
     .offset = offsetof(struct delay_params, jitter_ns),
     .max = DAY_NS,
     .standard = "0s",
     .help = "how far the delay varies"},
    {.name = "distribution",
     .kind = FIELD_WORD,
     .offset = offsetof(struct delay_params, distribution),
     .words = distributions,
     .standard = "uniform",
     .needs = needs_jitter,
     .help = "how the jitter is distributed"},
    {.name = "correlation",
     .kind = FIELD_PERCENT,
     .offset = offsetof(struct delay_params, correlation_ppm),
     .standard = "0%",
     .needs = needs_jitter,
     .help = "how much a draw resembles the one before"},
    {0},
};

static const struct field rate_fields[] = {
    {.name = "rate",
     .kind = FIELD_RATE,
     .offset = offsetof(struct rate_params, bytes_per_s),
     .help = "bytes pass at most at this rate"},
    {.name = "burst",
     .kind = FIELD_BYTES,
     .offset = offsetof(struct rate_params, burst_bytes),
     .min = 1,
     .standard = "16KiB",
     .help = "bytes that pass at once after a pause"},
    {.name = "scope",
     .kind = FIELD_WORD,
     .offset = offsetof(struct rate_params, scope),
     .words = scopes,
     .standard = "connection",
     .help = "whether each connection has the rate, or all of a link share it"},
    {0},
};

static const struct field stall_fields[] = {
    {.name = "stall",
     .kind = FIELD_TRUE,
     .offset = offsetof(struct switch_params, on),
     .help = "nothing moves, senders feel back-pressure, all is delivered on heal"},
    {0},
};

static const struct field discard_fields[] = {
    {.name = "discard",
     .kind = FIELD_TRUE,
     .offset = offsetof(struct switch_params, on),
     .help = "bytes are read and thrown away; the connection is reset on heal"},
    {0},
};

static const struct field refuse_fields[] = {
    {.name = "refuse",
     .kind = FIELD_TRUE,
     .offset = offsetof(struct switch_params, on),
     .help = "new connections get ECONNREFUSED"},
    {0},
};

static const struct field end_members[] = {
    {.name = "after",
     .kind = FIELD_AFTER,
     .offset = offsetof(struct end_params, after),
     .required = true,
     .help = "how long after connection and rule began, or after how many bytes"},
    {0},
};

static const struct field reset_fields[] = {
    {.name = "reset",
     .kind = FIELD_MAP,
     .members = end_members,
     .help = "the connection ends with RST"},
    {0},
};

static const struct field close_fields[] = {
    {.name = "close",
     .kind = FIELD_MAP,
     .members = end_members,
     .help = "the connection ends with FIN"},
    {0},
};

static const struct fault refuse = {.name = "refuse",
                                    .help = "new connections are refused",
                                    .fields = refuse_fields,
                                    .params_bytes = sizeof(struct switch_params)};
static const struct fault slice = {.name = "slice",
                                   .help = "small writes with gaps",
                                   .fields = slice_fields,
                                   .params_bytes = sizeof(struct slice_params)};
static const struct fault delay = {.name = "delay",
                                   .help = "bytes arrive later, in order",
                                   .fields = delay_fields,
                                   .params_bytes = sizeof(struct delay_params)};
static const struct fault rate = {.name = "rate",
                                  .help = "a token bucket limits the bytes",
                                  .fields = rate_fields,
                                  .params_bytes = sizeof(struct rate_params)};
static const struct fault stall = {.name = "stall",
                                   .help = "nothing moves until heal",
                                   .fields = stall_fields,
                                   .params_bytes = sizeof(struct switch_params)};
static const struct fault discard = {.name = "discard",
                                     .help = "bytes are thrown away",
                                     .fields = discard_fields,
                                     .params_bytes = sizeof(struct switch_params)};
static const struct fault reset = {.name = "reset",
                                   .help = "the connection is reset",
                                   .fields = reset_fields,
                                   .params_bytes = sizeof(struct end_params)};
static const struct fault close_fault = {.name = "close",
                                         .help = "the connection is closed",
                                         .fields = close_fields,
                                         .params_bytes = sizeof(struct end_params)};

const struct fault *const *fault_catalogue(void)
{
    static const struct fault *const rows[] = {
        &refuse, &slice, &delay, &rate, &stall, &discard, &reset, &close_fault, NULL};
    return rows;
}

const struct fault *fault_find(const char *name)
{
    for (const struct fault *const *row = fault_catalogue(); *row; row++)
        if (strcmp((*row)->name, name) == 0)
            return *row;
    return NULL;
}
