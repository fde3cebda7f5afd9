/* SPDX-License-Identifier: MIT */
/* What a rule really does: what it says where the kernel can, else its fallback. A step
 * of compiling a plan. */
#ifndef NETSPLIT_RULES_PLAN_FALLBACK_H
#define NETSPLIT_RULES_PLAN_FALLBACK_H

#include "rules/plan/plan.h"

struct fallback_context {
    struct plan *plan; /* whose arena, and whose mode */
    const struct plan_kernel *kernel;
    struct diag *diag;
};

/* How the link rule cuts if that is as the rule says. */
enum rule_how fallback_wanted_how(const struct plan *plan, const struct rule *rule);

/* Fills out's how, ports_all and fell_back of a link rule, or its faults and fell_back
 * of another. Returns 0, -ENOMEM, or -ENOTSUP with the reason in diag: it has no
 * fallback. */
int fallback_choose_how(const struct fallback_context *context, const struct rule *rule,
                        struct plan_rule *out);
int fallback_choose_faults(const struct fallback_context *context,
                           const struct rule *rule, struct plan_rule *out);

#endif
