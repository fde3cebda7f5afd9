/* SPDX-License-Identifier: MIT */
/* The links that a rule is about: its words resolved to nodes, its parts taken apart
 * into ordered pairs. A step of compiling a plan. */
#ifndef NETSPLIT_RULES_PLAN_LINKS_H
#define NETSPLIT_RULES_PLAN_LINKS_H

#include "rules/plan/index.h"
#include "rules/plan/plan.h"

struct links_context {
    struct plan *plan;        /* its nodes and index->by_name are filled */
    const struct rules *base; /* whose groups are known */
    struct arena *scratch;    /* for sets; may grow with each call */
    struct diag *diag;
};

/* Adds an edge for each link and port of the rule, whose rank and key are known, and
 * fills its links and parts. Returns 0, -ENOMEM, or -EINVAL, with the reason in diag: a
 * word is neither a node nor a group, or there are more links than a plan may have. */
int links_add(const struct links_context *context, const struct rule *written,
              struct plan_rule *rule, struct index_builder *out);

#endif
