/* SPDX-License-Identifier: MIT */
/* unanswered: who connects hears nothing; live connections go on. How the proxy keeps a
 * kernel from answering without privilege is its affair (decided where listeners are).
 */
#include "rules/faults/rows.h"

static enum admit_verb unanswered_admit(const void *params, uint64_t attempted_ns,
                                        uint64_t now_ns, uint64_t *until_ns)
{
    (void)params;
    (void)attempted_ns;
    (void)now_ns;
    *until_ns = FAULT_NEVER;
    return ADMIT_IGNORE;
}

static const struct field unanswered_fields[] = {
    {.name = "unanswered",
     .kind = FIELD_TRUE,
     .offset = offsetof(struct switch_params, on),
     .help = "attempts to connect get no answer"},
    {0},
};

const struct fault fault_unanswered = {
    .name = "unanswered",
    .help = "attempts to connect get no answer; live connections go on",
    .fidelity =
        "true silence when all that a listener serves is unanswered: SYNs are dropped, "
        "and sent again by the client's kernel; else the connection is accepted and "
        "then held, and the server is not dialled",
    .fields = unanswered_fields,
    .params_bytes = sizeof(struct switch_params),
    .admit = unanswered_admit,
};
