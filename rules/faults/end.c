/* SPDX-License-Identifier: MIT */
/* reset and close: the connection ends by RST or FIN, a time after the later of its
 * start and the rule's, or behind so many bytes of the stream. They sit behind all
 * other faults of a stream: bytes that were not let through do not count. */
#include "rules/faults/rows.h"

struct end_state {
    uint64_t passed_bytes;
};

static struct fault_answer end_step(const struct fault_stream *stream, uint64_t now_ns,
                                    const struct chunk *chunk)
{
    (void)now_ns;
    const struct end_params *params = stream->params;
    struct end_state *state = stream->state;
    struct fault_answer answer = {FAULT_PASS, .bytes = chunk->length,
                                  .at_ns = chunk->arrival_ns};
    if (chunk->kind != CHUNK_DATA || !params->after.is_bytes)
        return answer;
    uint64_t left = params->after.amount > state->passed_bytes
                        ? params->after.amount - state->passed_bytes
                        : 0;
    answer.ends = chunk->length >= left;
    if (answer.ends)
        answer.bytes = left;
    state->passed_bytes += answer.bytes;
    return answer;
}

static uint64_t end_due(const struct fault_stream *stream)
{
    const struct end_params *params = stream->params;
    uint64_t start_ns =
        stream->opened_ns > stream->since_ns ? stream->opened_ns : stream->since_ns;
    if (params->after.is_bytes)
        return params->after.amount ? FAULT_NEVER : start_ns;
    uint64_t longest_ns = FAULT_NEVER - start_ns;
    return params->after.amount < longest_ns ? start_ns + params->after.amount
                                             : FAULT_NEVER;
}

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

const struct fault fault_reset = {
    .name = "reset",
    .help = "the connection ends with RST, after a time or so many bytes",
    .fidelity = "a true RST to both sides; what was not delivered by then is lost, as "
                "with a crash",
    .fields = reset_fields,
    .params_bytes = sizeof(struct end_params),
    .state_bytes = sizeof(struct end_state),
    .ends = FAULT_ENDS_BY_RESET,
    .step = end_step,
    .due = end_due,
};

const struct fault fault_close = {
    .name = "close",
    .help = "the connection ends with FIN, after a time or so many bytes",
    .fidelity = "a true FIN to both sides, as from a proxy or a firewall that closes",
    .fields = close_fields,
    .params_bytes = sizeof(struct end_params),
    .state_bytes = sizeof(struct end_state),
    .ends = FAULT_ENDS_BY_CLOSE,
    .step = end_step,
    .due = end_due,
};
