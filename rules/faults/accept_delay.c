/* SPDX-License-Identifier: MIT */
/* accept_delay: the server is dialled so much later than the attempt arrived. Several
 * do not add up: they run side by side, and the longest counts. An attempt whose rule
 * goes meanwhile goes on at once. */
#include "rules/faults/rows.h"

static enum admit_verb accept_delay_admit(const void *params, uint64_t attempted_ns,
                                          uint64_t now_ns, uint64_t *until_ns)
{
    const struct accept_delay_params *own = params;
    uint64_t dial_ns = attempted_ns + own->delay_ns;
    if (now_ns >= dial_ns)
        return ADMIT_ACCEPT;
    *until_ns = dial_ns;
    return ADMIT_HOLD;
}

static const struct field accept_delay_fields[] = {
    {.name = "accept_delay",
     .kind = FIELD_DURATION,
     .offset = offsetof(struct accept_delay_params, delay_ns),
     .max = FAULT_LONGEST_NS,
     .help = "the server is dialled this long after the attempt"},
    {0},
};

const struct fault fault_accept_delay = {
    .name = "accept_delay",
    .help = "the connection to the server is opened later; of several the longest "
            "counts",
    .fidelity = "the client's connect succeeds at once, since the kernel has accepted "
                "it; its first bytes wait, as at a server that is slow to accept",
    .fields = accept_delay_fields,
    .params_bytes = sizeof(struct accept_delay_params),
    .admit = accept_delay_admit,
};
