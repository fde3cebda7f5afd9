/* SPDX-License-Identifier: MIT */
/* Diagnostics as the control API and netsplit ctl --json write them (proxy/api/api.h). */
#ifndef NETSPLIT_PROXY_DIAG_JSON_H
#define NETSPLIT_PROXY_DIAG_JSON_H

#include "rules/diag.h"

#include <jansson.h>

/* A list with an object for each, in the order of the text. New reference; without
 * memory it holds fewer, or is NULL. */
json_t *diag_to_json(const struct diag *diag);

#endif
