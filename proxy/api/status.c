/* SPDX-License-Identifier: MIT */
/* What an instance shows of itself. Reads only; nothing here is on the data path. With
 * several threads the front speaks for all: the rules are its own, and what is counted
 * is added up while the others are frozen. */
#include "proxy/base/now.h"
#include "proxy/record/counters.h"
#include "proxy/fleet.h"
#include "proxy/instance.h"
#include "proxy/kernel/intercept.h"
#include "proxy/wire/listener.h"
#include "proxy/kernel/netns.h"
#include "proxy/kernel/nft.h"
#include "proxy/proxy.h"
#include "rules/plan/fallback.h"
#include "rules/language/rule.h"

#include <stdio.h>
#include <string.h>

void proxy_freeze(struct proxy *proxy)
{
    fleet_freeze(proxy->fleet);
}

void proxy_thaw(struct proxy *proxy)
{
    fleet_thaw(proxy->fleet);
}

void proxy_status(const struct proxy *proxy, struct proxy_status *out)
{
    *out = (struct proxy_status){
        .seed = proxy->seed,
        .generation = proxy->generation,
        .started_ns = proxy->started_ns,
        .held_bytes = proxy->config.counters->budgets[BUDGET_HELD_BYTES].used_now,
        .max_bytes = proxy->config.max_bytes,
        .max_connections = proxy->config.max_connections,
        .threads = proxy->config.threads,
        .accepting = proxy->started_ns != 0 && !proxy->stopping,
        .stopping = proxy->stopping,
    };
    fleet_freeze(proxy->fleet);
    for (size_t i = 0; i < fleet_size(proxy); i++) {
        const struct proxy *shard = fleet_shard(proxy, i);
        out->connections += shard->n_connections;
        out->accepting = out->accepting && !shard->paused;
    }
    fleet_thaw(proxy->fleet);
}

/* Open on the n-th listener of all shards: they have the same ones, in one order. */
static uint32_t count_connections(const struct proxy *proxy, size_t n)
{
    uint32_t connections = 0;
    for (size_t i = 0; i < fleet_size(proxy); i++) {
        const struct listener *listener = fleet_shard(proxy, i)->listeners;
        for (size_t k = 0; k < n; k++)
            listener = listener->next;
        connections += listener->n_connections;
    }
    return connections;
}

void proxy_each_listener(const struct proxy *proxy, proxy_listener_fn visit,
                         void *context)
{
    size_t n = 0;
    fleet_freeze(proxy->fleet);
    for (const struct listener *each = proxy->listeners; each; each = each->next) {
        const struct proxy_listener_view view = {
            .name = each->name,
            .from = each->from ? each->from : "any",
            .to = each->to,
            .address = each->text,
            .bound = &each->bound,
            .refusing = each->answer == LISTENER_REFUSES,
            .ignoring = each->answer == LISTENER_IGNORES,
            .connections = count_connections(proxy, n++),
        };
        visit(context, &view);
    }
    fleet_thaw(proxy->fleet);
}

/* The newest of those that are next in each shard's list, taken off; NULL: none is. */
static const struct counters_connection *
take_newest(const struct counters_connection **next, size_t n)
{
    size_t newest = n;
    for (size_t i = 0; i < n; i++)
        if (next[i] && (newest == n || next[i]->number > next[newest]->number))
            newest = i;
    if (newest == n)
        return NULL;
    const struct counters_connection *connection = next[newest];
    next[newest] = connection->next;
    return connection;
}

void proxy_each_connection(const struct proxy *proxy, proxy_connection_fn visit,
                           void *context)
{
    const struct counters_connection *next[PROXY_THREADS_MAX], *connection;
    size_t n = fleet_size(proxy);
    fleet_freeze(proxy->fleet);
    for (size_t i = 0; i < n; i++)
        next[i] = fleet_shard(proxy, i)->config.counters->connections;
    while ((connection = take_newest(next, n)))
        visit(context, connection);
    fleet_thaw(proxy->fleet);
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
    return proxy->fleet ? fleet_counters(proxy->fleet) : proxy->config.counters;
}

struct journal *proxy_journal(const struct proxy *proxy)
{
    return proxy->fleet ? fleet_journal(proxy->fleet) : proxy->config.journal;
}

uv_loop_t *proxy_loop(const struct proxy *proxy)
{
    return proxy->config.loop;
}

const struct plan *proxy_plan(const struct proxy *proxy)
{
    return proxy->plan;
}
