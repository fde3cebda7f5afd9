/* SPDX-License-Identifier: MIT */
/* half_open: one peer is gone and the other has not heard of it, as when a machine
 * loses power. The gone side's socket is reset; the other's stays, and what it sends
 * is acknowledged, read and thrown away. When the rule goes the peer is "back" and
 * knows nothing of the connection: then the side that stayed is reset too. */
#include "rules/faults/rows.h"

static enum direction half_open_gone(const void *params)
{
    return ((const struct half_open_params *)params)->gone;
}

static const char *const directions[] = {
    [TO_SERVER] = "to_server", [TO_CLIENT] = "to_client", NULL};

static const struct field half_open_fields[] = {
    {.name = "half_open",
     .kind = FIELD_WORD,
     .offset = offsetof(struct half_open_params, gone),
     .words = directions,
     .help = "whose socket is reset; the other side's stays open and hears nothing"},
    {0},
};

const struct fault fault_half_open = {
    .name = "half_open",
    .help = "one side is dropped without telling the other; on heal the other is reset",
    .fidelity =
        "the side that stays sees a silent peer whose kernel still acknowledges, "
        "so its keepalives are answered; the other side sees a true RST",
    .fields = half_open_fields,
    .params_bytes = sizeof(struct half_open_params),
    .gone = half_open_gone,
};
