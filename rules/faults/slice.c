/* SPDX-License-Identifier: MIT */
/* slice: bytes go out in writes of at most `size`, `gap` apart. Finds readers that
 * take one read for one message. The receiver's kernel may still join what lies
 * unread. */
#include "rules/faults/rows.h"

struct slice_state {
    uint64_t next_ns; /* no slice goes before */
};

static struct fault_answer slice_step(const struct fault_stream *stream,
                                      uint64_t now_ns, const struct chunk *chunk)
{
    const struct slice_params *params = stream->params;
    struct slice_state *state = stream->state;
    if (chunk->kind != CHUNK_DATA)
        return (struct fault_answer){FAULT_PASS, .at_ns = chunk->arrival_ns};
    uint64_t at_ns =
        chunk->arrival_ns > state->next_ns ? chunk->arrival_ns : state->next_ns;
    if (at_ns > now_ns)
        return (struct fault_answer){FAULT_HOLD, .at_ns = at_ns};
    state->next_ns = at_ns + params->gap_ns;
    uint64_t n =
        chunk->length < params->size_bytes ? chunk->length : params->size_bytes;
    return (struct fault_answer){FAULT_PASS, .bytes = n, .at_ns = at_ns, .alone = true};
}

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
     .max = FAULT_LONGEST_NS,
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

const struct fault fault_slice = {
    .name = "slice",
    .help = "small writes, with gaps between them",
    .fidelity = "each write is a send of its own; the receiver's kernel joins what its "
                "program has not read",
    .fields = slice_fields,
    .params_bytes = sizeof(struct slice_params),
    .state_bytes = sizeof(struct slice_state),
    .step = slice_step,
};
