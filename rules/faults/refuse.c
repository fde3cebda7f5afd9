/* SPDX-License-Identifier: MIT */
/* refuse: new connections get ECONNREFUSED; live ones go on. How the proxy says so
 * without privilege is its affair (decided where listeners are). */
#include "rules/faults/rows.h"

static enum admit_verb refuse_admit(const void *params, uint64_t attempted_ns,
                                    uint64_t now_ns, uint64_t *until_ns)
{
    (void)params;
    (void)attempted_ns;
    (void)now_ns;
    (void)until_ns;
    return ADMIT_REFUSE;
}

static const struct field refuse_fields[] = {
    {.name = "refuse",
     .kind = FIELD_TRUE,
     .offset = offsetof(struct switch_params, on),
     .help = "new connections get ECONNREFUSED"},
    {0},
};

const struct fault fault_refuse = {
    .name = "refuse",
    .help = "new connections are refused; live ones go on",
    .fidelity =
        "true ECONNREFUSED when all that a listener serves is refused; else the "
        "connection is accepted and reset at once",
    .fields = refuse_fields,
    .params_bytes = sizeof(struct switch_params),
    .admit = refuse_admit,
};
