/* SPDX-License-Identifier: MIT */
/* packet_delay: packets leave later (tc-netem(8)), those of the handshake and the
 * acknowledgements too, so that the endpoints' TCP sees the longer round trip. */
#include "rules/faults/rows.h"

static void to_delay(const void *params, void *model_params)
{
    const struct packet_delay_params *packets = params;
    struct delay_params *model = model_params;
    model->delay_ns = packets->delay_ns;
    model->jitter_ns = packets->jitter_ns;
}

static const struct field packet_delay_fields[] = {
    {.name = "packet_delay",
     .kind = FIELD_DURATION,
     .offset = offsetof(struct packet_delay_params, delay_ns),
     .max = FAULT_LONGEST_NS,
     .help = "each packet of the link leaves this much later; needs the kernel, with "
             "netem"},
    {.name = "packet_jitter",
     .kind = FIELD_DURATION,
     .offset = offsetof(struct packet_delay_params, jitter_ns),
     .max = FAULT_LONGEST_NS,
     .standard = "0s",
     .help =
         "how far the delay varies, evenly, drawn for each packet: it reorders them"},
    {0},
};

const struct fault fault_packet_delay = {
    .name = "packet_delay",
    .help = "packets leave later, in the kernel",
    .fidelity = "a long path as TCP sees it: handshakes take longer, and the sender's "
                "round trip and window are those of the path",
    .fields = packet_delay_fields,
    .params_bytes = sizeof(struct packet_delay_params),
    .in_kernel = true,
    .model = "delay",
    .to_model = to_delay,
};
