/* SPDX-License-Identifier: MIT */
/* The catalogue: the rows of rules/faults/ in the order in which they apply. A new
 * fault is a file there, a line in rows.h and one here. */
#include "rules/faults/fault.h"

#include "rules/faults/rows.h"

#include <string.h>

const struct fault *const *fault_catalogue(void)
{
    static const struct fault *const rows[] = {
        /* attempts */
        &fault_refuse,
        &fault_unanswered,
        &fault_accept_delay,
        /* streams */
        &fault_corrupt,
        &fault_slice,
        &fault_delay,
        &fault_loss,
        &fault_rate,
        &fault_stall,
        &fault_discard,
        /* ends of connections: behind all others, so that they count what got through
         */
        &fault_reset,
        &fault_close,
        &fault_half_open,
        /* packets, in the kernel: on the way to the proxy and from it */
        &fault_packet_loss,
        &fault_packet_rate,
        &fault_packet_delay,
        NULL,
    };
    return rows;
}

const struct fault *fault_find(const char *name)
{
    for (const struct fault *const *row = fault_catalogue(); *row; row++)
        if (strcmp((*row)->name, name) == 0)
            return *row;
    return NULL;
}
