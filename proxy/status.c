/* SPDX-License-Identifier: MIT */
/* What an instance shows of itself. Reads only; nothing here is on the data path. */
#include "proxy/base/now.h"
#include "proxy/counters.h"
#include "proxy/instance.h"
#include "proxy/intercept.h"
#include "proxy/listener.h"
#include "proxy/netns.h"
#include "proxy/nft.h"
#include "proxy/proxy.h"
#include "rules/fallback.h"
#include "rules/rule.h"

#include <stdio.h>
#include <string.h>

void proxy_status(const struct proxy *proxy, struct proxy_status *out)
{
    *out = (struct proxy_status){
        .seed = proxy->seed,
        .generation = proxy->generation,
        .started_ns = proxy->started_ns,
        .held_bytes = proxy->config.counters->budgets[BUDGET_HELD_BYTES].used_now,
        .max_bytes = proxy->config.max_bytes,
        .connections = proxy->n_connections,
        .max_connections = proxy->config.max_connections,
        .accepting = proxy->started_ns != 0 && !proxy->paused && !proxy->stopping,
        .stopping = proxy->stopping,
    };
}

void proxy_each_listener(const struct proxy *proxy, proxy_listener_fn visit,
                         void *context)
{
    for (const struct listener *each = proxy->listeners; each; each = each->next) {
        const struct proxy_listener_view view = {
            .name = each->name,
            .from = each->from ? each->from : "any",
            .to = each->to,
            .address = each->text,
            .bound = &each->bound,
            .refusing = each->answer == LISTENER_REFUSES,
            .ignoring = each->answer == LISTENER_IGNORES,
            .connections = each->n_connections,
        };
        visit(context, &view);
    }
}

void proxy_each_layer(const struct proxy *proxy, proxy_layer_fn visit, void *context)
{
    for (size_t i = 0; i < proxy->layers.n; i++) {
        const struct layer *layer = &proxy->layers.items[i];
        const struct proxy_layer_view view = {
            .name = i == 0 ? NULL : layer->name,
            .file = layer->file,
            .text = layer->text,
            .length = layer->length,
            .committed_ns = layer->committed_ns,
            .ends_ns = layer->ends_ns,
            .links_off = layer->links_off,
            .rules_off = layer->rules_off,
        };
        visit(context, &view);
    }
}

const char *proxy_rule_state_name(enum proxy_rule_state state)
{
    static const char *const names[] = {
        [PROXY_RULE_WAITING] = "waiting",
        [PROXY_RULE_ACTIVE] = "active",
        [PROXY_RULE_INACTIVE] = "inactive",
        [PROXY_RULE_OFF] = "off",
    };
    return names[state];
}

static enum proxy_rule_state state_of(const struct plan_rule *rule, uint64_t now_ns)
{
    if (plan_rule_is_active(rule, now_ns))
        return PROXY_RULE_ACTIVE;
    if (now_ns - rule->since_ns < rule->when.after_ns)
        return PROXY_RULE_WAITING;
    return PROXY_RULE_INACTIVE;
}

/* rule: as it runs, or NULL if it is off. */
static const char *how_of(const struct proxy *proxy, const struct rule *written,
                          const struct plan_rule *rule)
{
    if (written->kind == RULE_INJECT)
        return NULL;
    return rule_how_name(rule ? rule->how : fallback_wanted_how(proxy->plan, written));
}

/* Rules of the plan are in the order of the layers and their files, with those that are
 * off left out: so one pass over both finds each. */
void proxy_each_rule(const struct proxy *proxy, proxy_rule_fn visit, void *context)
{
    const uint64_t now = now_ns();
    size_t next = 0;
    for (size_t i = 0; i < proxy->layers.n; i++) {
        const struct layer *layer = &proxy->layers.items[i];
        for (size_t k = 0; k < layer->rules->n_rules; k++) {
            const struct rule *written = &layer->rules->rules[k];
            const struct plan_rule *rule =
                next < proxy->plan->n_rules ? &proxy->plan->rules[next] : NULL;
            bool found = rule && strcmp(rule->layer, layer->name) == 0 &&
                         strcmp(rule->name, written->name.text) == 0;
            next += found;
            const struct proxy_rule_view view = {
                .name = written->name.text,
                .origin = layer->name,
                .state = found ? state_of(rule, now) : PROXY_RULE_OFF,
                .how = how_of(proxy, written, found ? rule : NULL),
                .fallback = found ? rule->fell_back : NULL,
            };
            visit(context, &view);
        }
    }
}

struct kernel_visit {
    proxy_kernel_fn visit;
    void *context;
};

static void show_table(void *context, const struct intercept_table *table)
{
    const struct kernel_visit *to = context;
    char text[256];
    (void)snprintf(text, sizeof text, "table inet %s%s%s, marks 0x%08x",
                   nft_table(table->nft), table->netns ? " in " : "",
                   table->netns ? netns_text(table->netns) : "",
                   intercept_mark(table->number, 0));
    to->visit(to->context, text);
}

void proxy_each_kernel_object(const struct proxy *proxy, proxy_kernel_fn visit,
                              void *context)
{
    struct kernel_visit to = {visit, context};
    intercept_each_table(proxy->interceptor, show_table, &to);
}

struct counters *proxy_counters(const struct proxy *proxy)
{
    return proxy->config.counters;
}

struct journal *proxy_journal(const struct proxy *proxy)
{
    return proxy->config.journal;
}

uv_loop_t *proxy_loop(const struct proxy *proxy)
{
    return proxy->config.loop;
}

const struct plan *proxy_plan(const struct proxy *proxy)
{
    return proxy->plan;
}
