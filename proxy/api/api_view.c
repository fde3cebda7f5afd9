/* SPDX-License-Identifier: MIT */
/* What there is, as JSON: the shapes are in api.h. Everything is read at once between
 * two turns of the loop, or of all loops, so that the numbers of one answer belong
 * together. */
#include "proxy/api/api_internal.h"
#include "proxy/base/now.h"
#include "proxy/record/counters.h"
#include "proxy/proxy.h"

#include <string.h>
#include <unistd.h>

extern const char netsplit_version[];

/* A moment that may not have come: null for 0. */
static json_t *moment(uint64_t at_ns)
{
    return at_ns ? json_integer((json_int_t)at_ns) : json_null();
}

static const char *what_is_off(const struct proxy_layer_view *view)
{
    return view->rules_off ? "all" : view->links_off ? "links" : "nothing";
}

static json_t *remaining_ms(const struct proxy_layer_view *view)
{
    uint64_t now = now_ns();
    if (view->ends_ns == UINT64_MAX)
        return json_null();
    return json_integer(
        view->ends_ns > now ? (json_int_t)((view->ends_ns - now) / NS_PER_MS) : 0);
}

struct layers {
    json_t *object;   /* gets "base" */
    json_t *overlays; /* borrowed from object */
    bool with_text;
};

static json_t *text_of(const struct proxy_layer_view *view)
{
    return json_stringn(view->text, view->length);
}

static void add_layer(void *context, const struct proxy_layer_view *view)
{
    struct layers *layers = context;
    json_t *row = json_pack("{s:s?, s:I, s:s}", "file", view->file, "committed_ns",
                            (json_int_t)view->committed_ns, "off", what_is_off(view));
    if (layers->with_text)
        (void)json_object_set_new(row, "text", text_of(view));
    if (view->name) {
        (void)json_object_set_new(row, "name", json_string(view->name));
        (void)json_object_set_new(row, "remaining_ms", remaining_ms(view));
        (void)json_array_append_new(layers->overlays, row);
    } else {
        (void)json_object_set_new(layers->object, "base", row);
    }
}

/* Adds "base" and "overlays". */
static void add_layers(json_t *object, const struct proxy *proxy, bool with_text)
{
    struct layers layers = {
        .object = object, .overlays = json_array(), .with_text = with_text};
    (void)json_object_set_new(object, "overlays", layers.overlays);
    proxy_each_layer(proxy, add_layer, &layers);
}

static void add_listener(void *context, const struct proxy_listener_view *view)
{
    (void)json_array_append_new(
        context,
        json_pack("{s:s, s:s, s:s, s:s, s:b, s:b, s:I}", "name", view->name, "address",
                  view->address, "from", view->from, "to", view->to, "refusing",
                  (int)view->refusing, "ignoring", (int)view->ignoring,
                  "connections_open", (json_int_t)view->connections));
}

static json_t *links_of_rule(const struct counters *counters,
                             const struct counters_rule *rule)
{
    json_t *links = json_array();
    for (const struct counters_touch *touch = counters->touches; touch;
         touch = touch->next)
        if (touch->rule == rule && touch->first_ns)
            (void)json_array_append_new(
                links,
                json_pack("{s:s, s:s, s:I, s:I, s:I}", "from", touch->link->from, "to",
                          touch->link->to, "touched_bytes", (json_int_t)touch->bytes,
                          "attempts", (json_int_t)touch->attempts, "packets_dropped",
                          (json_int_t)touch->packets_dropped));
    return links;
}

struct number {
    const char *key;
    uint64_t value;
};

static void set_numbers(json_t *object, const struct number *numbers, size_t n)
{
    for (size_t i = 0; i < n; i++)
        (void)json_object_set_new(object, numbers[i].key,
                                  json_integer((json_int_t)numbers[i].value));
}

static json_t *rule_row(const struct counters *counters,
                        const struct counters_rule *rule, const char *state,
                        const char *how, const char *fallback)
{
    const struct number numbers[] = {
        {"touched_bytes", rule->touched_bytes},
        {"held_bytes", rule->held_bytes_now},
        {"released_bytes", rule->released_bytes},
        {"discarded_bytes", rule->discarded_bytes},
        {"connections", rule->connections},
        {"connections_reset", rule->connections_reset},
        {"attempts_held", rule->attempts_held},
        {"attempts_held_now", rule->attempts_held_now},
        {"attempts_refused", rule->attempts_refused},
        {"attempts_reset", rule->attempts_reset},
        {"packets_dropped", rule->packets_dropped},
    };
    json_t *row = json_pack(
        "{s:s, s:s, s:s, s:s?, s:s?, s:b, s:o, s:o, s:o}", "name", rule->name, "origin",
        rule->origin, "state", state, "how", how, "fallback", fallback, "touched",
        (int)counters_rule_was_touched(rule), "first_touched_ns",
        moment(rule->first_touched_ns), "last_touched_ns",
        moment(rule->last_touched_ns), "links", links_of_rule(counters, rule));
    if (row)
        set_numbers(row, numbers, sizeof numbers / sizeof *numbers);
    return row;
}

struct rules {
    struct counters *counters;
    json_t *rows;
};

static void add_rule(void *context, const struct proxy_rule_view *view)
{
    struct rules *rules = context;
    const struct counters_rule *rule =
        counters_rule(rules->counters, view->origin, view->name);
    if (rule)
        (void)json_array_append_new(rules->rows,
                                    rule_row(rules->counters, rule,
                                             proxy_rule_state_name(view->state),
                                             view->how, view->fallback));
}

static bool is_listed(const json_t *rows, size_t n, const struct counters_rule *rule)
{
    for (size_t i = 0; i < n; i++) {
        const json_t *row = json_array_get(rows, i);
        if (strcmp(json_string_value(json_object_get(row, "name")), rule->name) == 0 &&
            strcmp(json_string_value(json_object_get(row, "origin")), rule->origin) ==
                0)
            return true;
    }
    return false;
}

/* Those that run, then those that are gone and were felt. */
static json_t *list_rules(const struct proxy *proxy, struct counters *counters)
{
    struct rules rules = {.counters = counters, .rows = json_array()};
    proxy_each_rule(proxy, add_rule, &rules);
    size_t n = json_array_size(rules.rows);
    for (const struct counters_rule *rule = rules.counters->rules; rule;
         rule = rule->next)
        if (counters_rule_was_touched(rule) && !is_listed(rules.rows, n, rule))
            (void)json_array_append_new(
                rules.rows, rule_row(rules.counters, rule, "removed", NULL, NULL));
    return rules.rows;
}

static json_t *link_row(const struct counters_link *link)
{
    const struct number numbers[] = {
        {"passed_bytes", link->passed_bytes},
        {"spliced_bytes", link->spliced_bytes},
        {"held_bytes", link->held_bytes_now},
        {"discarded_bytes", link->discarded_bytes},
        {"connections", link->connections},
        {"connections_open", link->connections_open_now},
        {"attempts", link->attempts},
        {"attempts_held_now", link->attempts_held_now},
        {"attempts_failed", link->attempts_failed},
        {"attempts_unresolved", link->attempts_unresolved},
    };
    json_t *row = json_pack("{s:s, s:s}", "from", link->from, "to", link->to);
    if (row)
        set_numbers(row, numbers, sizeof numbers / sizeof *numbers);
    return row;
}

static json_t *sum_links(const struct counters *counters)
{
    struct counters_link sum = {.from = "", .to = ""};
    for (const struct counters_link *link = counters->links; link; link = link->next) {
        sum.passed_bytes += link->passed_bytes;
        sum.spliced_bytes += link->spliced_bytes;
        sum.held_bytes_now += link->held_bytes_now;
        sum.discarded_bytes += link->discarded_bytes;
        sum.connections += link->connections;
        sum.connections_open_now += link->connections_open_now;
        sum.attempts += link->attempts;
        sum.attempts_held_now += link->attempts_held_now;
        sum.attempts_failed += link->attempts_failed;
        sum.attempts_unresolved += link->attempts_unresolved;
    }
    json_t *row = link_row(&sum);
    (void)json_object_del(row, "from");
    (void)json_object_del(row, "to");
    return row;
}

static json_t *list_links(const struct counters *counters)
{
    json_t *rows = json_array();
    for (const struct counters_link *link = counters->links; link; link = link->next)
        (void)json_array_append_new(rows, link_row(link));
    return rows;
}

static json_t *list_budgets(const struct counters *counters)
{
    json_t *rows = json_array();
    for (int i = 0; i < BUDGET_KINDS; i++) {
        const struct counters_budget *budget = &counters->budgets[i];
        (void)json_array_append_new(
            rows,
            json_pack("{s:s, s:I, s:I, s:I, s:I}", "name", budget->name, "limit",
                      (json_int_t)budget->limit, "used", (json_int_t)budget->used_now,
                      "peak", (json_int_t)budget->peak, "reached",
                      (json_int_t)budget->reached));
    }
    return rows;
}

static json_t *show_status(const struct api *api, size_t bypassing)
{
    const struct proxy *proxy = api->proxy;
    struct counters *counters = proxy_counters(proxy);
    struct proxy_status status;
    if (!counters)
        return NULL;
    proxy_status(proxy, &status);
    json_t *listeners = json_array();
    proxy_each_listener(proxy, add_listener, listeners);
    json_t *object = json_pack(
        "{s:i, s:s, s:I, s:I, s:I, s:I, s:b, s:b, s:b, s:i, s:s, s:I, s:o, s:o, s:o, "
        "s:o, s:o}",
        "pid", (int)getpid(), "version", netsplit_version, "seed",
        (json_int_t)status.seed, "generation", (json_int_t)status.generation, "now_ns",
        (json_int_t)now_ns(), "started_ns", (json_int_t)status.started_ns, "halted",
        (int)api->halted, "accepting", (int)status.accepting, "stopping",
        (int)status.stopping, "threads", (int)status.threads, "intercept",
        proxy_intercept(proxy), "bypassing", (json_int_t)bypassing, "listeners",
        listeners, "rules", list_rules(proxy, counters), "links", list_links(counters),
        "totals", sum_links(counters), "budgets", list_budgets(counters));
    if (object)
        add_layers(object, proxy, false);
    return object;
}

enum MHD_Result api_get_status(struct api_request *request)
{
    struct proxy *proxy = request->api->proxy;
    /* What the kernel is asked for takes its time, in which the others go on. */
    size_t bypassing = proxy_each_bypassing(proxy, NULL, NULL);
    proxy_sample(proxy);
    proxy_freeze(proxy);
    json_t *object = show_status(request->api, bypassing);
    proxy_thaw(proxy);
    return api_answer(request, MHD_HTTP_OK, object);
}

enum MHD_Result api_get_rules(struct api_request *request)
{
    json_t *object = json_object();
    if (object)
        add_layers(object, request->api->proxy, true);
    return api_answer(request, MHD_HTTP_OK, object);
}

static void add_rule_of(void *context, const char *origin, const char *name)
{
    (void)json_array_append_new(
        context, json_pack("{s:s, s:s}", "name", name, "origin", origin));
}

static json_t *rules_of(const struct counters_connection *connection, uint64_t now)
{
    json_t *rules = json_array();
    proxy_each_rule_of(connection, now, add_rule_of, rules);
    return rules;
}

static json_t *leg_row(const struct proxy_leg_view *leg)
{
    if (!leg->connected)
        return json_null();
    return json_pack("{s:I, s:I, s:s}", "rtt_us", (json_int_t)leg->rtt_us,
                     "retransmits", (json_int_t)leg->retransmits, "proxy", leg->own);
}

static void add_legs(json_t *row, const struct counters_connection *connection)
{
    struct proxy_connection_view view;
    proxy_view_connection(connection, &view);
    (void)json_object_set_new(row, "to_client", leg_row(&view.client));
    (void)json_object_set_new(row, "to_server", leg_row(&view.server));
}

static json_t *connection_row(const struct counters_connection *connection)
{
    const struct number numbers[] = {
        {"number", connection->number},
        {"ordinal", connection->ordinal},
        {"opened_ns", connection->opened_ns},
        {"passed_bytes_to_server", connection->passed_bytes_to_server},
        {"passed_bytes_to_client", connection->passed_bytes_to_client},
        {"held_bytes_to_server", connection->held_bytes_to_server_now},
        {"held_bytes_to_client", connection->held_bytes_to_client_now},
    };
    json_t *row = json_pack("{s:s, s:s, s:s, s:s, s:s?, s:s, s:o}", "listener",
                            connection->listener, "from", connection->to_server->from,
                            "to", connection->to_server->to, "client",
                            connection->client, "server", connection->server, "state",
                            connection->state, "rules", rules_of(connection, now_ns()));
    if (!row)
        return NULL;
    set_numbers(row, numbers, sizeof numbers / sizeof *numbers);
    add_legs(row, connection);
    return row;
}

static void add_bypassing(void *context, const struct proxy_bypassing_view *view)
{
    (void)json_array_append_new(
        context, json_pack("{s:s, s:s, s:s, s:s}", "from", view->from, "to", view->to,
                           "client", view->client, "server", view->server));
}

static void add_connection(void *context, const struct counters_connection *connection)
{
    (void)json_array_append_new(context, connection_row(connection));
}

enum MHD_Result api_get_connections(struct api_request *request)
{
    const struct proxy *proxy = request->api->proxy;
    json_t *rows = json_array(), *bypassing = json_array();
    (void)proxy_each_bypassing(proxy, add_bypassing, bypassing);
    proxy_each_connection(proxy, add_connection, rows);
    return api_answer(request, MHD_HTTP_OK,
                      json_pack("{s:I, s:o, s:o}", "now_ns", (json_int_t)now_ns(),
                                "connections", rows, "bypassing", bypassing));
}
