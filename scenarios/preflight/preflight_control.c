/* SPDX-License-Identifier: MIT */
/* A proxy that runs already (`control:`), which the drill will use in place of one of
 * its own: whether it answers, knows the nodes by the names of the cluster file, has a
 * way for clients to each of them and between those that the playbook parts, and what
 * others have in force there. Only questions are put to it. */
#include "proxy/base/control_client.h"
#include "rules/language/parse.h"
#include "scenarios/playbook/between.h"
#include "scenarios/playbook/playbook.h"
#include "scenarios/preflight/preflight.h"

#include <errno.h>
#include <inttypes.h>
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

/* The one from a name of its own to a node; NULL = there is none. */
static const json_t *find(const struct preflight *preflight, const char *from,
                          const char *to)
{
    const json_t *all = json_object_get(preflight->proxy, "listeners");
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *row = json_array_get(all, i);
        if (strcmp(text_of(row, "from"), from) == 0 &&
            strcmp(text_of(row, "to"), to) == 0)
            return row;
    }
    return NULL;
}

/* One that listens everywhere is reached at home. */
static bool read_address(const char *text, struct driver_endpoint *out)
{
    char address[64];
    unsigned port = 0;
    if (sscanf(text, "[%63[^]]]:%u", address, &port) != 2 &&
        sscanf(text, "%63[^:]:%u", address, &port) != 2)
        return false;
    *out = (struct driver_endpoint){.port = (uint16_t)port};
    (void)snprintf(out->address, sizeof out->address, "%s",
                   strcmp(address, "0.0.0.0") == 0 ? "127.0.0.1"
                   : strcmp(address, "::") == 0    ? "::1"
                                                   : address);
    return true;
}

bool preflight_find_listener(const struct preflight *preflight, const char *node,
                             struct driver_endpoint *out)
{
    char own[80];
    (void)snprintf(own, sizeof own, "clients.%s", node);
    const json_t *row = find(preflight, own, node);
    if (!row)
        row = find(preflight, "clients", node);
    if (!row)
        row = find(preflight, "any", node);
    return row && read_address(text_of(row, "address"), out);
}

bool preflight_is_listener(const struct preflight *preflight, const char *address,
                           unsigned port)
{
    const json_t *all = json_object_get(preflight->proxy, "listeners");
    char words[80];
    (void)snprintf(words, sizeof words, strchr(address, ':') ? "[%s]:%u" : "%s:%u",
                   address, port);
    for (size_t i = 0; i < json_array_size(all); i++)
        if (strcmp(text_of(json_array_get(all, i), "address"), words) == 0)
            return true;
    return false;
}

static bool names_clients(const struct playbook *playbook)
{
    for (size_t i = 0; playbook && i < playbook->n_steps; i++)
        if (playbook->steps[i].rules && between_names_clients(playbook->steps[i].rules))
            return true;
    return false;
}

/* Without a listener for them the drill's clients connect to the node itself. */
static void judge_clients(struct preflight *preflight, size_t node)
{
    const char *name = preflight->cluster->nodes[node];
    const struct cluster_place *place = &preflight->cluster->places[node];
    struct driver_endpoint way;
    if (preflight_find_listener(preflight, name, &way)) {
        preflight_add(preflight, PREFLIGHT_OK, node,
                      "the proxy knows it, and listens for its clients");
        return;
    }
    preflight_add(
        preflight,
        names_clients(preflight->playbook) ? PREFLIGHT_MISSING : PREFLIGHT_NOTE, node,
        "the proxy has no listener for its clients, who go past it: faults "
        "on them are not felt");
    preflight_mend(preflight,
                   "in its rules, then SIGHUP to it: listen: - { address: "
                   "\"127.0.0.1:0\", to: %s } # the server is at %s port %u",
                   name, place->address, place->port);
}

static void judge_node(struct preflight *preflight, const struct rules *rules,
                       size_t node)
{
    if (!rules_find_node(rules, preflight->cluster->nodes[node]))
        tell_unknown(preflight, rules, node);
    else if (rules->intercept == INTERCEPT_LISTEN)
        judge_clients(preflight, node);
    else
        preflight_add(preflight, PREFLIGHT_OK, node,
                      "the proxy knows it, and intercepts: %s",
                      rule_intercept_name(rules->intercept));
}

/* Whoever opens the connection between the two. */
static bool passes(void *context, size_t a, size_t b)
{
    const struct preflight *preflight = context;
    const char *const *nodes = preflight->cluster->nodes;
    return find(preflight, nodes[a], nodes[b]) || find(preflight, nodes[b], nodes[a]);
}

static void judge_faults(struct preflight *preflight, const struct rules *rules)
{
    const struct playbook *playbook = preflight->playbook;
    const struct cluster *cluster = preflight->cluster;
    size_t a = 0, b = 0;
    if (rules->intercept != INTERCEPT_LISTEN)
        return;
    for (size_t i = 0; playbook && i < playbook->n_steps; i++) {
        const struct step *step = &playbook->steps[i];
        if (!step->rules ||
            !between_find(cluster, step->rules, 0, passes, preflight, &a, &b))
            continue;
        preflight_add(preflight, PREFLIGHT_MISSING, PREFLIGHT_HERE,
                      "line %" PRIu32 " of the playbook is about what %s and %s say to "
                      "each other; the proxy has no listener from the one to the other",
                      step->at.line, cluster->nodes[a], cluster->nodes[b]);
        preflight_mend(preflight,
                       "in its rules, then SIGHUP to it: listen: - { address: "
                       "\"ADDRESS:7101\", from: %s, to: %s } # and let %s connect to "
                       "that address",
                       cluster->nodes[b], cluster->nodes[a], cluster->nodes[b]);
    }
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
    if (rules)
        judge_faults(preflight, rules);
    if (preflight->proxy)
        judge_state(preflight);
    rules_destroy(rules);
    json_decref(body);
}
