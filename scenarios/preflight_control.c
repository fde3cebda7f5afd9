/* SPDX-License-Identifier: MIT */
/* A proxy that runs already (`control:`), which the drill will use in place of one of
 * its own: whether it answers, knows the nodes by the names of the cluster file, has a
 * way for clients to each of them, and what others have in force there. Only questions
 * are put to it. */
#include "proxy/base/control_client.h"
#include "rules/parse.h"
#include "scenarios/preflight.h"

#include <errno.h>
#include <string.h>

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* The answer to a GET; NULL after a finding. */
static json_t *get(struct preflight *preflight, const char *target)
{
    const char *path = preflight->cluster->control;
    struct errmsg err = {""};
    json_t *body = NULL;
    int status =
        control_call(path, "GET", target, NULL, preflight->within_ns, &body, &err);
    if (status == 200)
        return body;
    json_decref(body);
    preflight_add(preflight, PREFLIGHT_MISSING, PREFLIGHT_HERE,
                  "the proxy at %s does not answer: %s", path, err.text);
    preflight_mend(preflight, "netsplit proxy -f RULES --control %s%s", path,
                   status == -EACCES || status == -EPERM
                       ? " # it runs: as its user, or sudo netsplit preflight ..."
                       : "");
    return NULL;
}

/* --- What it knows --- */

static bool is_listed(const struct rules *rules, const char *name)
{
    return rules_find_node(rules, name) != NULL;
}

static void tell_unknown(struct preflight *preflight, const struct rules *rules,
                         size_t node)
{
    const struct cluster_place *place = &preflight->cluster->places[node];
    char names[256] = "";
    for (size_t i = 0; i < rules->n_nodes; i++) {
        size_t length = strlen(names);
        (void)snprintf(names + length, sizeof names - length, "%s%s", i ? ", " : "",
                       rules->nodes[i].name.text);
    }
    preflight_add(preflight, PREFLIGHT_MISSING, node,
                  "the proxy knows no node of this name; it has: %s", names);
    preflight_mend(preflight,
                   "in its rules, then SIGHUP to it: nodes: { %s: { address: \"%s\", "
                   "ports: [%u] } }",
                   preflight->cluster->nodes[node], place->address, place->port);
}

/* Where a client reaches the node by the proxy; false if there is no such listener. */
bool preflight_find_listener(const struct preflight *preflight, const char *node,
                             struct driver_endpoint *out)
{
    const json_t *listeners = json_object_get(preflight->proxy, "listeners");
    for (size_t i = 0; i < json_array_size(listeners); i++) {
        const json_t *row = json_array_get(listeners, i);
        const char *from = text_of(row, "from");
        char address[64] = "";
        unsigned port = 0;
        if (strcmp(text_of(row, "to"), node) != 0 ||
            cluster_find_node(preflight->cluster, from) >= 0 ||
            (sscanf(text_of(row, "address"), "[%63[^]]]:%u", address, &port) != 2 &&
             sscanf(text_of(row, "address"), "%63[^:]:%u", address, &port) != 2))
            continue;
        *out = (struct driver_endpoint){.port = (uint16_t)port};
        (void)snprintf(out->address, sizeof out->address, "%s", address);
        return true;
    }
    return false;
}

bool preflight_is_listener(const struct preflight *preflight, const char *address,
                           unsigned port)
{
    const json_t *listeners = json_object_get(preflight->proxy, "listeners");
    char words[80];
    (void)snprintf(words, sizeof words, strchr(address, ':') ? "[%s]:%u" : "%s:%u",
                   address, port);
    for (size_t i = 0; i < json_array_size(listeners); i++)
        if (strcmp(text_of(json_array_get(listeners, i), "address"), words) == 0)
            return true;
    return false;
}

static void judge_node(struct preflight *preflight, const struct rules *rules,
                       size_t node)
{
    const char *name = preflight->cluster->nodes[node];
    const struct cluster_place *place = &preflight->cluster->places[node];
    struct driver_endpoint endpoint;
    if (!is_listed(rules, name)) {
        tell_unknown(preflight, rules, node);
        return;
    }
    bool intercepts = rules->intercept != INTERCEPT_LISTEN;
    if (!intercepts && !preflight_find_listener(preflight, name, &endpoint)) {
        preflight_add(preflight, PREFLIGHT_MISSING, node,
                      "the proxy has no listener that leads clients to it");
        preflight_mend(preflight,
                       "in its rules, then SIGHUP to it: listen: - { address: "
                       "\"127.0.0.1:0\", to: %s } # the server is at %s port %u",
                       name, place->address, place->port);
        return;
    }
    preflight_add(preflight, PREFLIGHT_OK, node, "the proxy knows it%s%s",
                  intercepts ? ", and intercepts: " : ", and listens for its clients",
                  intercepts ? rule_intercept_name(rules->intercept) : "");
}

/* The nodes of its base file, as text; NULL after a finding. */
static struct rules *read_base(struct preflight *preflight, const json_t *body)
{
    const char *text = text_of(json_object_get(body, "base"), "text");
    struct rules *rules = NULL;
    struct diag diag;
    diag_init(&diag, NULL);
    if (parse_file("base", text, strlen(text), NULL, &diag, &rules) != 0)
        preflight_add(preflight, PREFLIGHT_NOTE, PREFLIGHT_HERE,
                      "the proxy's rules cannot be read by this netsplit, which is "
                      "perhaps of another version: which nodes it knows is open");
    diag_close(&diag);
    return rules;
}

/* --- What others do there --- */

static void judge_state(struct preflight *preflight)
{
    const json_t *rules = json_object_get(preflight->proxy, "rules");
    const char *path = preflight->cluster->control;
    char names[256] = "";
    size_t n = 0;
    if (json_is_true(json_object_get(preflight->proxy, "halted"))) {
        preflight_add(preflight, PREFLIGHT_MISSING, PREFLIGHT_HERE,
                      "the proxy is halted, and takes no faults");
        preflight_mend(preflight, "netsplit ctl --control %s resume", path);
    }
    for (size_t i = 0; i < json_array_size(rules); i++) {
        const json_t *rule = json_array_get(rules, i);
        size_t length = strlen(names);
        if (strcmp(text_of(rule, "state"), "active") != 0)
            continue;
        (void)snprintf(names + length, sizeof names - length, "%s%s", n ? ", " : "",
                       text_of(rule, "name"));
        n++;
    }
    if (n == 0)
        return;
    preflight_add(preflight, PREFLIGHT_NOTE, PREFLIGHT_HERE,
                  "faults are in force at the proxy that are not the drill's: %s; its "
                  "baseline is measured under them",
                  names);
    preflight_mend(preflight, "netsplit ctl --control %s status # whose? then clear",
                   path);
}

void preflight_control(struct preflight *preflight)
{
    const struct cluster *cluster = preflight->cluster;
    if (!cluster->control)
        return; /* the drill starts a proxy of its own */
    preflight->proxy = get(preflight, "/v1/status");
    json_t *body = preflight->proxy ? get(preflight, "/v1/rules") : NULL;
    struct rules *rules = body ? read_base(preflight, body) : NULL;
    for (size_t i = 0; rules && i < cluster->n_nodes; i++)
        judge_node(preflight, rules, i);
    if (preflight->proxy)
        judge_state(preflight);
    rules_destroy(rules);
    json_decref(body);
}
