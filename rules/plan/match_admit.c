/* SPDX-License-Identifier: MIT */
/* What becomes of connection attempts: the rules in force give verdicts, the strongest
 * holds. Nothing here allocates or fails. */
#include "rules/plan/match.h"

static struct match_verdict verdict_of_cut(const struct plan_rule *rule)
{
    struct match_verdict verdict = {.rule = rule};
    switch (rule->how) {
    case HOW_STALL:
        verdict.verb = ADMIT_HOLD;
        verdict.until_ns = FAULT_NEVER;
        break;
    case HOW_DROP:
        verdict.verb = ADMIT_IGNORE;
        verdict.until_ns = FAULT_NEVER;
        break;
    case HOW_RESET:
        verdict.verb = ADMIT_RESET;
        break;
    case HOW_REFUSE:
        verdict.verb = ADMIT_REFUSE;
        break;
    }
    return verdict;
}

static struct match_verdict stronger(struct match_verdict a, struct match_verdict b)
{
    if (b.verb > a.verb || (b.verb == a.verb && b.until_ns > a.until_ns))
        return b;
    return a;
}

static struct match_verdict verdict_of_faults(const struct plan_rule *rule,
                                              uint64_t opened_ns, uint64_t now_ns)
{
    struct match_verdict verdict = {0};
    for (size_t i = 0; i < rule->n_faults; i++) {
        const struct plan_fault *fault = &rule->faults[i];
        if (!fault->fault->admit)
            continue;
        struct match_verdict one = {.rule = rule};
        one.verb = fault->fault->admit(fault->params, opened_ns, now_ns, &one.until_ns);
        if (one.verb != ADMIT_ACCEPT)
            verdict = stronger(verdict, one);
    }
    return verdict;
}

struct match_verdict match_admit(const struct match *match,
                                 const struct match_connection *connection,
                                 uint64_t now_ns)
{
    struct match_verdict verdict = {0};
    for (int direction = 0; direction < 2; direction++) {
        const struct match_list *link = &match->link[direction];
        for (size_t i = 0; i < link->n; i++) {
            const struct plan_rule *rule = link->rules[i];
            bool speaks = direction == TO_SERVER || rule->kind != RULE_INJECT;
            if (!speaks || !match_applies(rule, connection, now_ns))
                continue;
            verdict = stronger(
                verdict, rule->kind == RULE_INJECT
                             ? verdict_of_faults(rule, connection->opened_ns, now_ns)
                             : verdict_of_cut(rule));
        }
    }
    return verdict;
}

enum admit_verb match_rule_admits_all(const struct plan_rule *rule,
                                      enum direction direction, uint64_t now_ns)
{
    if (!plan_rule_is_active(rule, now_ns))
        return ADMIT_ACCEPT;
    if (rule->kind != RULE_INJECT)
        return verdict_of_cut(rule).verb;
    if (direction == TO_CLIENT || rule->probability_ppm < 1000000 ||
        rule->state == STATE_ESTABLISHED)
        return ADMIT_ACCEPT;
    return verdict_of_faults(rule, now_ns, now_ns).verb;
}

enum admit_verb match_admits_all(const struct match *match, uint64_t now_ns,
                                 const struct plan_rule **rule)
{
    enum admit_verb strongest = ADMIT_ACCEPT;
    for (int direction = 0; direction < 2; direction++) {
        const struct match_list *link = &match->link[direction];
        for (size_t i = 0; i < link->n; i++) {
            enum admit_verb verb = match_rule_admits_all(
                link->rules[i], (enum direction)direction, now_ns);
            if ((verb != ADMIT_REFUSE && verb != ADMIT_IGNORE) || verb <= strongest)
                continue;
            strongest = verb;
            *rule = link->rules[i];
        }
    }
    return strongest;
}
