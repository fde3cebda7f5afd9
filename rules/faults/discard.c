/* SPDX-License-Identifier: MIT */
/* discard: bytes are read and thrown away. A stream with a hole cannot be healed, so
 * the connection is reset when the rule goes; until then FIN and RST wait. */
#include "rules/faults/rows.h"

struct discard_state {
    bool has_hole;
};

static struct fault_answer discard_step(const struct fault_stream *stream,
                                        uint64_t now_ns, const struct chunk *chunk)
{
    (void)now_ns;
    struct discard_state *state = stream->state;
    if (chunk->kind != CHUNK_DATA)
        return (struct fault_answer){FAULT_HOLD, .at_ns = FAULT_NEVER};
    state->has_hole = true;
    return (struct fault_answer){FAULT_DISCARD, .bytes = chunk->length};
}

static bool discard_leave(const struct fault_stream *stream)
{
    return ((const struct discard_state *)stream->state)->has_hole;
}

static const struct field discard_fields[] = {
    {.name = "discard",
     .kind = FIELD_TRUE,
     .offset = offsetof(struct switch_params, on),
     .help = "bytes are read and thrown away; the connection is reset on heal"},
    {0},
};

const struct fault fault_discard = {
    .name = "discard",
    .help = "bytes are read and thrown away; the connection is reset on heal",
    .fidelity = "a black hole that acknowledges: the sender believes that its bytes "
                "arrived, which no real network does",
    .fields = discard_fields,
    .params_bytes = sizeof(struct switch_params),
    .state_bytes = sizeof(struct discard_state),
    .step = discard_step,
    .leave = discard_leave,
};
