/* SPDX-License-Identifier: MIT */
/* Everything that can fail comes first: compiling, binding the listeners that are new,
 * memory for notes about rules. Then the commit, which cannot: listeners of the old
 * plan that the new one has too are kept (their sockets never stop listening), the
 * others retire; the plan is swapped; what became of each rule is journalled; every
 * listener and every connection is looked at again. All of it happens between two turns
 * of the loop, so that no connection sees half a plan: with several threads, while all
 * of them are frozen (fleet.h), from before the moment that the commit bears.
 *
 * Live connections are matched one after the other: O(connections). A path's match is
 * computed once for all of its connections (rules/plan/match.h). */
#include "proxy/change.h"
#include "proxy/base/errmsg.h"
#include "proxy/base/now.h"
#include "proxy/wire/connection.h"
#include "proxy/fleet.h"
#include "proxy/instance.h"
#include "proxy/kernel/intercept.h"
#include "proxy/record/journal.h"
#include "proxy/wire/listener.h"
#include "proxy/kernel/packet.h"
#include "proxy/kernel/packet_tables.h"
#include "proxy/record/touch.h"
#include "rules/buffer.h"
#include "rules/diag.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Listeners of a plan, in its order, for one shard: kept ones of its own, new ones
 * bound. */
struct prepared {
    struct listener **items; /* owned array */
    bool *is_new;            /* owned array; new ones are owned */
    size_t n;
};

static struct listener *find_kept(const struct proxy *proxy,
                                  const struct prepared *prepared,
                                  const struct plan_listener *plan)
{
    for (struct listener *each = proxy->listeners; each; each = each->next) {
        bool taken = false;
        for (size_t i = 0; i < prepared->n; i++)
            taken |= prepared->items[i] == each;
        if (!taken && listener_is_same(each, plan))
            return each;
    }
    return NULL;
}

/* The running listener that has the address of a new one: it is to go, because no two
 * entries of a plan have one address. */
static const struct listener *find_holder(const struct proxy *proxy,
                                          const struct plan_listener *plan)
{
    for (const struct listener *each = proxy->listeners; each; each = each->next)
        if (listener_has_address(each, plan))
            return each;
    return NULL;
}

static void unprepare_one(struct prepared *prepared, bool destroy_new)
{
    for (size_t i = 0; i < prepared->n && destroy_new; i++)
        if (prepared->is_new[i])
            listener_destroy(prepared->items[i]);
    free(prepared->items);
    free(prepared->is_new);
}

static void unprepare(struct prepared *all, size_t n, bool destroy_new)
{
    for (size_t i = 0; all && i < n; i++)
        unprepare_one(&all[i], destroy_new);
    free(all);
}

/* leaders: the front's listeners, or NULL for the front itself. */
static int prepare_one(struct proxy *proxy, const struct plan *plan,
                       const struct prepared *leaders, struct prepared *prepared,
                       struct errmsg *err)
{
    prepared->items = calloc(plan->n_listeners + 1, sizeof(struct listener *));
    prepared->is_new = calloc(plan->n_listeners + 1, sizeof(bool));
    if (!prepared->items || !prepared->is_new)
        return -ENOMEM;
    for (size_t i = 0; i < plan->n_listeners; i++) {
        struct listener *listener = find_kept(proxy, prepared, &plan->listeners[i]);
        prepared->is_new[i] = !listener;
        if (!listener) {
            int status = listener_create(&listener, proxy, &plan->listeners[i],
                                         find_holder(proxy, &plan->listeners[i]),
                                         leaders ? leaders->items[i] : NULL, err);
            if (status != 0)
                return status;
        }
        prepared->items[prepared->n++] = listener;
    }
    return 0;
}

/* Of all shards: the front comes first, because it finds the ports. */
static int prepare(struct proxy *front, const struct plan *plan, struct prepared **out,
                   struct errmsg *err)
{
    size_t n = fleet_size(front);
    struct prepared *all = calloc(n, sizeof *all);
    int status = all ? 0 : -ENOMEM;
    for (size_t i = 0; i < n && status == 0; i++)
        status = prepare_one(fleet_shard(front, i), plan, i > 0 ? &all[0] : NULL,
                             &all[i], err);
    *out = all;
    return status;
}

static void journal_listener(struct proxy *proxy, const struct listener *listener)
{
    char text[JOURNAL_TEXT_BYTES];
    (void)snprintf(text, sizeof text, "%s=%s", listener->name, listener->text);
    struct journal_event event = {
        .type = JOURNAL_LISTENER_OPENED,
        .from = listener->from ? listener->from : "any",
        .to = listener->to,
        .text = journal_text(proxy->config.journal, text),
    };
    (void)journal_add(proxy->config.journal, &event);
}

static void retire(struct proxy *proxy, struct listener *listener)
{
    listener_retire(listener);
    if (listener->n_connections == 0) {
        listener_destroy(listener);
        return;
    }
    listener->next = proxy->retired;
    proxy->retired = listener;
}

/* The prepared listeners become the proxy's. */
static void take_listeners(struct proxy *proxy, const struct prepared *prepared)
{
    for (struct listener *each = proxy->listeners, *next; each; each = next) {
        next = each->next;
        bool kept = false;
        for (size_t i = 0; i < prepared->n; i++)
            kept |= prepared->items[i] == each;
        if (!kept)
            retire(proxy, each);
    }
    struct listener **end = &proxy->listeners;
    for (size_t i = 0; i < prepared->n; i++) {
        struct listener *listener = prepared->items[i];
        listener_adopt(listener, &proxy->plan->listeners[i]);
        if (prepared->is_new[i] && proxy == proxy->front)
            journal_listener(proxy, listener);
        *end = listener;
        end = &listener->next;
    }
    *end = NULL;
}

static int grow_notes_of_one(struct proxy *proxy, size_t n)
{
    if (n <= proxy->n_notes)
        return 0;
    struct proxy_rule_note *notes = reallocarray(proxy->notes, n, sizeof *notes);
    if (!notes)
        return -ENOMEM;
    memset(notes + proxy->n_notes, 0, (n - proxy->n_notes) * sizeof *notes);
    proxy->notes = notes;
    proxy->n_notes = n;
    return 0;
}

static int grow_notes(struct proxy *front, size_t n)
{
    int status = 0;
    for (size_t i = 0; i < fleet_size(front) && status == 0; i++)
        status = grow_notes_of_one(fleet_shard(front, i), n);
    return status;
}

/* How many links the rule cuts, of those that listeners serve. */
static size_t count_links(struct proxy *proxy, const struct plan_rule *rule)
{
    size_t links = 0;
    for (struct listener *each = proxy->listeners; each; each = each->next) {
        const struct match *match =
            each->path ? instance_match(proxy, each->path) : NULL;
        for (int way = TO_SERVER; match && way <= TO_CLIENT; way++)
            for (size_t i = 0; i < match->link[way].n; i++)
                links += match->link[way].rules[i] == rule;
    }
    return links;
}

/* "stall", or "stall (fallback: needs CAP_NET_ADMIN)"; NULL: as the rule says. */
static const char *what_is_done(struct proxy *proxy, const struct plan_rule *rule)
{
    const char *done = rule->kind == RULE_INJECT ? "model" : rule_how_name(rule->how);
    if (!rule->fell_back)
        return rule->kind == RULE_INJECT ? NULL : done;
    char text[JOURNAL_TEXT_BYTES];
    (void)snprintf(text, sizeof text, "%s (fallback: %s)", done, rule->fell_back);
    return journal_text(proxy->config.journal, text);
}

static void journal_rule(struct proxy *proxy, const struct plan_rule *rule, bool active,
                         const char *why)
{
    const struct counters_rule *names = touch_rule(proxy, rule);
    if (!names)
        return;
    bool is_link = rule->kind != RULE_INJECT;
    struct journal_event event = {
        .type = active ? JOURNAL_RULE_ACTIVE : JOURNAL_RULE_INACTIVE,
        .rule = names->name,
        .origin = names->origin,
        .text = active ? what_is_done(proxy, rule) : why,
    };
    (void)journal_add(proxy->config.journal, &event);
    if (!is_link)
        return;
    event.type = active ? JOURNAL_PARTITIONED : JOURNAL_HEALED;
    event.text = active ? what_is_done(proxy, rule) : why; /* an event's own copy */
    event.count = count_links(proxy, rule);
    (void)journal_add(proxy->config.journal, &event);
}

/* What a shape was drawn as: two nodes in no part together are cut. */
static void journal_drawn(struct proxy *proxy, const struct plan_rule *rule)
{
    const struct counters_rule *names = touch_rule(proxy, rule);
    struct buffer parts = {0};
    plan_rule_describe(proxy->plan, rule, &parts);
    const struct journal_event event = {
        .type = JOURNAL_DRAWN,
        .rule = names ? names->name : NULL,
        .origin = names ? names->origin : NULL,
        .text = journal_intern(proxy->config.journal, buffer_text(&parts)),
    };
    (void)journal_add(proxy->config.journal, &event);
    buffer_close(&parts);
}

/* Journals what rules of the plan became active or inactive. */
static void note_activity(struct proxy *proxy, uint64_t now_ns)
{
    for (size_t i = 0; i < proxy->plan->n_rules; i++) {
        const struct plan_rule *rule = &proxy->plan->rules[i];
        struct proxy_rule_note *note = &proxy->notes[rule->slot];
        bool active = plan_rule_is_active(rule, now_ns);
        if (active != note->active)
            journal_rule(proxy, rule, active, "time");
        if (active && !note->active && rule->kind == RULE_SHAPE)
            journal_drawn(proxy, rule);
        note->active = active;
    }
}

/* Journals the rules of the running plan that the next one does not have. */
static void note_departures(struct proxy *proxy, const struct plan *next)
{
    for (size_t i = 0; i < proxy->n_notes; i++)
        proxy->notes[i].seen = false;
    for (size_t i = 0; i < next->n_rules; i++)
        proxy->notes[next->rules[i].slot].seen = true;
    for (size_t i = 0; proxy->plan && i < proxy->plan->n_rules; i++) {
        const struct plan_rule *rule = &proxy->plan->rules[i];
        struct proxy_rule_note *note = &proxy->notes[rule->slot];
        if (note->seen)
            continue;
        if (note->active)
            journal_rule(proxy, rule, false, "removed");
        note->active = false;
    }
}

static void journal_commit(struct proxy *proxy, const struct change *change,
                           uint64_t now_ns)
{
    struct journal_event event = {
        .at_ns = now_ns,
        .type = JOURNAL_COMMITTED,
        .origin = change->origin,
        .text = change->what,
        .count = proxy->plan->n_rules,
    };
    (void)journal_add(proxy->config.journal, &event);
}

static void look_again(struct proxy *proxy, uint64_t now_ns)
{
    for (struct listener *each = proxy->listeners; each; each = each->next)
        listener_update(each, now_ns);
    for (struct connection *each = proxy->oldest, *newer; each; each = newer) {
        newer = each->newer;
        connection_rematch(each, now_ns);
    }
    timer_set(proxy->timers, &proxy->sample, now_ns);
}

void change_pass_edges(struct proxy *proxy, uint64_t now_ns)
{
    note_activity(proxy, now_ns);
    for (size_t i = fleet_size(proxy); i-- > 0;) /* the front last: see listener.c */
        look_again(fleet_shard(proxy, i), now_ns);
    packet_tables_follow(proxy, now_ns);
    timer_set(proxy->timers, &proxy->edge, plan_next_edge(proxy->plan, now_ns));
}

static void swap(struct proxy *proxy, struct change *change, struct plan *plan,
                 const struct prepared *prepared, uint64_t now_ns)
{
    note_departures(proxy, plan);
    packet_tables_read(proxy); /* what is there is of the old plan */
    struct plan *old_plan = plan_get(proxy->plan);
    struct layers old_layers = proxy->layers;
    proxy->layers = change->next;
    proxy->generation++;
    for (size_t i = 0; i < fleet_size(proxy); i++) {
        struct proxy *shard = fleet_shard(proxy, i);
        plan_put(shard->plan);
        shard->plan = plan_get(plan);
        take_listeners(shard, &prepared[i]);
    }
    plan_put(plan); /* the shards have it now */
    intercept_resume(proxy->interceptor);
    journal_commit(proxy, change, now_ns);
    change_pass_edges(proxy, now_ns);
    timer_set(proxy->timers, &proxy->lease, layers_next_end(&proxy->layers));
    layers_close_but(&old_layers, &proxy->layers);
    plan_put(old_plan);
}

static int compile(struct proxy *proxy, const struct layers *layers, uint64_t now_ns,
                   struct diag *diag, struct plan **out)
{
    struct plan_layer *items = calloc(layers->n, sizeof *items);
    if (!items)
        return -ENOMEM;
    layers_to_plan(layers, items);
    struct plan_input input = {
        .layers = items,
        .n_layers = layers->n,
        .previous = proxy->plan,
        .now_ns = now_ns,
        .seed = proxy->seed,
    };
    packet_probe(proxy, layers, &input.kernel);
    int status = plan_compile(&input, diag, out);
    free(items);
    return status;
}

/* The last that can fail: what it has done is in force. Overlays have neither nodes nor
 * ports, so that nothing is to be done for them. */
static int change_intercept(struct proxy *proxy, const struct change *change,
                            const struct plan *plan, struct errmsg *err)
{
    if (proxy->plan && change->next.items[0].rules == proxy->layers.items[0].rules)
        return intercept_check(proxy, plan, err);
    if (proxy->plan && proxy->plan->intercept != plan->intercept) {
        errmsg_set(err,
                   "intercept: %s cannot become %s while the proxy runs: end it "
                   "and start it again",
                   rule_intercept_name(proxy->plan->intercept),
                   rule_intercept_name(plan->intercept));
        return -EINVAL;
    }
    return intercept_change(proxy, plan, err);
}

/* Before a rule is blamed for what the whole file needs. */
static int check_permitted(const struct layers *layers, struct errmsg *err)
{
    enum rule_intercept intercept = layers->items[0].rules->intercept;
    return intercept == INTERCEPT_LISTEN
               ? 0
               : intercept_check_permitted(rule_intercept_name(intercept), err);
}

static int commit_frozen(struct proxy *proxy, struct change *change,
                         struct proxy_commit *commit, struct diag *diag,
                         struct errmsg *err)
{
    struct plan *plan = NULL;
    struct prepared *prepared = NULL;
    uint64_t now = now_ns();
    int status = check_permitted(&change->next, err);
    if (status == 0)
        status = compile(proxy, &change->next, now, diag, &plan);
    if (status == 0)
        status = prepare(proxy, plan, &prepared, err);
    if (status == 0)
        status = grow_notes(proxy, plan->n_identities);
    if (status == 0)
        status = packet_prepare(proxy, plan, err);
    if (status == 0)
        status = change_intercept(proxy, change, plan, err);
    if (status != 0) {
        if (status == -ENOMEM)
            errmsg_set(err, "out of memory");
        unprepare(prepared, fleet_size(proxy), true);
        plan_put(plan);
        layers_close_but(&change->next, &proxy->layers);
        return status;
    }
    swap(proxy, change, plan, prepared, now);
    packet_settle(proxy);
    unprepare(prepared, fleet_size(proxy), false);
    if (commit)
        *commit = (struct proxy_commit){now, proxy->generation};
    return 0;
}

int change_commit(struct proxy *proxy, struct change *change,
                  struct proxy_commit *commit, struct diag *diag, struct errmsg *err)
{
    fleet_freeze(proxy->fleet);
    int status = commit_frozen(proxy, change, commit, diag, err);
    fleet_thaw(proxy->fleet);
    return status;
}
