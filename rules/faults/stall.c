/* SPDX-License-Identifier: MIT */
/* stall: nothing passes until the rule goes. The sender feels it once the stream holds
 * all it may; its FIN and RST wait behind its bytes. */
#include "rules/faults/rows.h"

static struct fault_answer stall_step(const struct fault_stream *stream,
                                      uint64_t now_ns, const struct chunk *chunk)
{
    (void)stream;
    (void)now_ns;
    (void)chunk;
    return (struct fault_answer){FAULT_HOLD, .at_ns = FAULT_NEVER};
}

static const struct field stall_fields[] = {
    {.name = "stall",
     .kind = FIELD_TRUE,
     .offset = offsetof(struct switch_params, on),
     .help = "nothing moves, senders feel back-pressure, all is delivered on heal"},
    {0},
};

const struct fault fault_stall = {
    .name = "stall",
    .help = "nothing moves until heal, then all is delivered",
    .fidelity = "what a peer that stops reading looks like; kernels go on answering "
                "keepalives, so unlike in a cut nobody's TCP gives up",
    .fields = stall_fields,
    .params_bytes = sizeof(struct switch_params),
    .step = stall_step,
    .keeps = true,
};
