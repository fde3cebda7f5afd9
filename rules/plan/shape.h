/* SPDX-License-Identifier: MIT */
/* Shapes of partitions, drawn: Jepsen's nemeses as parts, in which two nodes that are
 * in no part together are cut. */
#ifndef NETSPLIT_RULES_PLAN_SHAPE_H
#define NETSPLIT_RULES_PLAN_SHAPE_H

#include "rules/plan/plan.h"

/* Draws the shape of the n nodes (numbers of the plan, each once) into *parts, in the
 * plan's arena. The same key and names give the same parts, in whatever order the nodes
 * stand. Fewer nodes than a shape takes are left together. Returns the number of parts,
 * or -ENOMEM. */
int shape_draw(struct plan *plan, enum rule_shape shape, struct rng_key key,
               const plan_node_id *nodes, size_t n, const struct plan_part **parts);

#endif
