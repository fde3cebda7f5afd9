/* SPDX-License-Identifier: MIT */
/* What a chain tells: what rules did to its stream, and what was drawn. To whom is the
 * hooks' business; without hooks nothing is told. */
#include "rules/chain/chain_stage.h"

static bool has_touched(const struct chain *chain, const struct plan_rule *rule)
{
    if (chain->gate && chain->gate->slot == rule->slot && chain->gate_touched)
        return true;
    for (size_t i = 0; i < chain->n_stages; i++)
        if (chain->stages[i].rule->slot == rule->slot && chain->stages[i].touched)
            return true;
    return false;
}

void chain_report(struct chain *chain, const struct plan_rule *rule, bool *touched,
                  struct chain_touch touch)
{
    const struct chain_config *config = &chain->config;
    touch.first = !has_touched(chain, rule) &&
                  !(config->other && has_touched(config->other, rule));
    *touched = true;
    if (config->hooks && config->hooks->on_touch)
        config->hooks->on_touch(config->context, config->direction, rule, &touch);
}

void chain_report_decision(struct chain *chain, const struct chain_decision *decision)
{
    const struct chain_config *config = &chain->config;
    if (config->hooks && config->hooks->on_decision)
        config->hooks->on_decision(config->context, config->direction, decision);
}
