/* SPDX-License-Identifier: MIT */
/* packet_rate: a token bucket of packets (tc-tbf(8)), shared by all connections of the
 * link, whose queue fills and then drops, as that of a real bottleneck does. */
#include "rules/faults/rows.h"

static void to_rate(const void *params, void *model_params)
{
    const struct packet_rate_params *packets = params;
    struct rate_params *model = model_params;
    model->bytes_per_s = packets->bytes_per_s;
    model->burst_bytes = packets->burst_bytes;
    model->scope = RATE_SCOPE_LINK;
}

static const struct field packet_rate_fields[] = {
    {.name = "packet_rate",
     .kind = FIELD_RATE,
     .offset = offsetof(struct packet_rate_params, bytes_per_s),
     .help =
         "packets of the link pass at most at this rate, headers counted; needs the "
         "kernel"},
    {.name = "packet_burst",
     .kind = FIELD_BYTES,
     .offset = offsetof(struct packet_rate_params, burst_bytes),
     .max = UINT64_C(1) << 30,
     .standard = "0B",
     .help = "what passes at once after a pause; 0B is 10 ms of the rate, at least 64 "
             "KiB"},
    {0},
};

const struct fault fault_packet_rate = {
    .name = "packet_rate",
    .help = "packets of a link cross at a limited rate, in the kernel",
    .fidelity = "a queue of packets as at a bottleneck: it adds delay as it fills, and "
                "drops when it is full; counts headers too",
    .fields = packet_rate_fields,
    .params_bytes = sizeof(struct packet_rate_params),
    .in_kernel = true,
    .model = "rate",
    .to_model = to_rate,
};
