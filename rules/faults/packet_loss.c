/* SPDX-License-Identifier: MIT */
/* packet_loss: the kernel drops some packets of the link, and the endpoints' own TCP
 * finds out and repairs it. Several rules lose independently of each other. */
#include "rules/faults/rows.h"

static void to_loss(const void *params, void *model_params)
{
    const struct packet_loss_params *packets = params;
    struct loss_params *model = model_params;
    model->loss_ppm = packets->loss_ppm;
}

static const struct field packet_loss_fields[] = {
    {.name = "packet_loss",
     .kind = FIELD_PERCENT,
     .offset = offsetof(struct packet_loss_params, loss_ppm),
     .help = "the share of packets that the kernel drops at random; needs the kernel"},
    {0},
};

const struct fault fault_packet_loss = {
    .name = "packet_loss",
    .help = "packets are dropped at random in the kernel; real TCP repairs it",
    .fidelity = "true loss: retransmissions, duplicate acknowledgements and smaller "
                "windows are those of the kernels at both ends; what is lost differs "
                "from run to run, whatever the seed",
    .fields = packet_loss_fields,
    .params_bytes = sizeof(struct packet_loss_params),
    .in_kernel = true,
    .model = "loss",
    .to_model = to_loss,
};
