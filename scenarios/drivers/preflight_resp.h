/* SPDX-License-Identifier: MIT */
/* What the parts of preflight's row for RESP share. */
#ifndef NETSPLIT_SCENARIOS_DRIVERS_PREFLIGHT_RESP_H
#define NETSPLIT_SCENARIOS_DRIVERS_PREFLIGHT_RESP_H

#include <stddef.h>

struct preflight;

/* "redis-cli -h 10.0.0.1 -p 6379": how somebody with more rights would come in. */
const char *preflight_resp_cli(const struct preflight *preflight, size_t node,
                               char *text, size_t text_bytes);

/* Of struct preflight_system. */
void preflight_resp_rights(struct preflight *preflight, size_t node);

#endif
