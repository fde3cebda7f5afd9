/* SPDX-License-Identifier: MIT */
/* The commands of a drill before there is one: what would be run on a node, with the
 * environment that it would have. */
#ifndef NETSPLIT_SCENARIOS_DRILL_DRILL_PREVIEW_H
#define NETSPLIT_SCENARIOS_DRILL_DRILL_PREVIEW_H

#include "scenarios/drill/drill_inside.h"

struct drill_preview;

/* For a cluster that runs already; both borrowed; playbook NULL = none. */
struct drill_preview *drill_preview_create(const struct cluster *cluster,
                                           const struct playbook *playbook);
/* As drill_command(): drill_command_free() it. */
void drill_preview_command(const struct drill_preview *preview, size_t node,
                           const char *script, struct drill_command *out);
void drill_preview_destroy(struct drill_preview *preview);

#endif
