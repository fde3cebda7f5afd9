/* SPDX-License-Identifier: MIT */
/* One pass over the rules of the link. Nothing here allocates or fails. */
#include "rules/plan/match_packets.h"

#include "rules/faults/rows.h"

#define WHOLE_PPM UINT64_C(1000000)

const struct plan_rule *match_drop(const struct match *match,
                                   const struct match_connection *connection,
                                   enum direction direction, uint64_t now_ns)
{
    const struct match_list *link = &match->link[direction];
    for (size_t i = 0; i < link->n; i++) {
        const struct plan_rule *rule = link->rules[i];
        if (rule->kind != RULE_INJECT && rule->how == HOW_DROP &&
            match_applies(rule, connection, now_ns))
            return rule;
    }
    return NULL;
}

uint32_t match_rule_loss(const struct plan_rule *rule)
{
    for (size_t i = 0; i < rule->n_faults; i++)
        if (rule->faults[i].fault == &fault_packet_loss)
            return ((const struct packet_loss_params *)rule->faults[i].params)
                ->loss_ppm;
    return 0;
}

uint32_t match_packet_loss(const struct match *match,
                           const struct match_connection *connection,
                           enum direction direction, uint64_t now_ns,
                           const struct plan_rule **rules, size_t *n)
{
    const struct match_list *link = &match->link[direction];
    const size_t room = *n;
    uint64_t kept = WHOLE_PPM * WHOLE_PPM; /* the share that arrives, in 1e-12 */
    *n = 0;
    for (size_t i = 0; i < link->n; i++) {
        const struct plan_rule *rule = link->rules[i];
        uint32_t loss_ppm = match_rule_loss(rule);
        if (loss_ppm == 0 || !match_applies(rule, connection, now_ns))
            continue;
        kept = kept / WHOLE_PPM * (WHOLE_PPM - loss_ppm) +
               kept % WHOLE_PPM * (WHOLE_PPM - loss_ppm) / WHOLE_PPM;
        if (*n < room)
            rules[*n] = rule;
        ++*n;
    }
    return (uint32_t)(WHOLE_PPM - (kept + WHOLE_PPM / 2) / WHOLE_PPM);
}
