/* SPDX-License-Identifier: MIT */
/* The cluster as a proxy that runs already knows it: nodes by their names, clients as
 * `clients.NODE` or, all in one, as `clients`. Clients connect to its listeners where it
 * has some for them, else to the node itself, which an intercepting proxy sees.
 *
 * What a fault of the playbook names and the proxy cannot touch is refused here, before
 * anything is: a node or clients that it does not know, and in mode listen a link that
 * no listener of it is on. */
#include "scenarios/playbook/between.h"
#include "scenarios/drill/drill_inside.h"

#include "rules/buffer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

const char *theirs_clients(const struct drill_mode *mode, size_t home)
{
    const struct rules *rules = mode->theirs->rules;
    char name[80];
    (void)snprintf(name, sizeof name, "clients.%s", mode_node_name(mode, home));
    const struct rule_node *node = rules_find_node(rules, name);
    if (!node)
        node = rules_find_node(rules, "clients");
    return node ? node->name.text : NULL;
}

/* The one of the list that leads from a name of theirs to another; NULL = there is none.
 */
static const json_t *find_between(const json_t *all, const char *from, const char *to)
{
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *one = json_array_get(all, i);
        if (strcmp(text_of(one, "from"), from) == 0 &&
            strcmp(text_of(one, "to"), to) == 0)
            return one;
    }
    return NULL;
}

static const json_t *find_listener(const struct drill_mode *mode, const char *from,
                                   const char *to)
{
    return find_between(mode->theirs->listeners, from, to);
}

/* One that listens everywhere is reached at home. */
static bool read_address(const char *text, struct driver_endpoint *out)
{
    const char *colon = strrchr(text, ':');
    bool bracketed = text[0] == '[';
    if (!colon || colon - text < 1 + 2 * bracketed)
        return false;
    (void)snprintf(out->address, sizeof out->address, "%.*s",
                   (int)(colon - text) - 2 * bracketed, text + bracketed);
    if (strcmp(out->address, "0.0.0.0") == 0)
        (void)snprintf(out->address, sizeof out->address, "127.0.0.1");
    if (strcmp(out->address, "::") == 0)
        (void)snprintf(out->address, sizeof out->address, "::1");
    out->port = (uint16_t)strtoul(colon + 1, NULL, 10);
    return out->port > 0;
}

static const json_t *find_way(const struct drill_mode *mode, size_t home, size_t node)
{
    const char *from = theirs_clients(mode, home), *to = mode_node_name(mode, node);
    const json_t *listener = from ? find_listener(mode, from, to) : NULL;
    return listener ? listener : find_listener(mode, "any", to);
}

static void set_path(struct drill_mode *mode, size_t home, size_t node)
{
    struct driver_endpoint *path =
        &mode->client_paths[home * mode->drill->cluster->n_nodes + node];
    const json_t *listener = find_way(mode, home, node);
    if (!listener || !read_address(text_of(listener, "address"), path))
        *path = lab_direct(mode, node);
}

/* "db, web": the names that it has. */
static const char *list_names(struct drill_mode *mode)
{
    const struct rules *rules = mode->theirs->rules;
    struct buffer text = {0};
    for (size_t i = 0; i < rules->n_nodes; i++)
        buffer_print(&text, "%s%s", i ? ", " : "", rules->nodes[i].name.text);
    const char *kept = drill_keep(mode->drill, rules->n_nodes ? buffer_text(&text)
                                                              : "no nodes at all");
    buffer_close(&text);
    return kept;
}

static bool knows_nodes(struct drill_mode *mode)
{
    for (size_t i = 0; i < mode->drill->cluster->n_nodes; i++)
        if (!rules_find_node(mode->theirs->rules, mode_node_name(mode, i))) {
            mode_fail(mode, "the proxy at %s knows no node \"%s\"; it has: %s",
                      mode->control_path, mode_node_name(mode, i), list_names(mode));
            return false;
        }
    return true;
}

/* Whoever opened the connection between the two. */
static bool passes(void *context, size_t a, size_t b)
{
    const struct drill_mode *mode = context;
    return mode->theirs->rules->intercept != INTERCEPT_LISTEN ||
           find_listener(mode, mode_node_name(mode, a), mode_node_name(mode, b)) ||
           find_listener(mode, mode_node_name(mode, b), mode_node_name(mode, a));
}

static bool reaches_clients(struct drill_mode *mode, uint32_t line)
{
    size_t n = mode->drill->cluster->n_nodes;
    for (size_t i = 0; i < n * n; i++) {
        const char *from = theirs_clients(mode, i / n),
                   *to = mode_node_name(mode, i % n);
        if (!from) {
            mode_fail(mode,
                      "line %" PRIu32 " of the playbook names clients; the proxy at %s "
                      "has no node \"clients.%s\" and none called \"clients\"; it has: "
                      "%s",
                      line, mode->control_path, mode_node_name(mode, i / n),
                      list_names(mode));
            return false;
        }
        if (mode->theirs->rules->intercept == INTERCEPT_LISTEN &&
            !find_listener(mode, from, to)) {
            mode_fail(mode,
                      "line %" PRIu32 " of the playbook names clients; the proxy at %s "
                      "has no listener from %s to %s, so they would go past it",
                      line, mode->control_path, from, to);
            return false;
        }
    }
    return true;
}

static bool reaches_fault(struct drill_mode *mode, const struct step *step)
{
    size_t a = 0, b = 0;
    if (between_find(mode->drill->cluster, step->rules, mode->primary, passes, mode, &a,
                     &b)) {
        mode_fail(mode,
                  "line %" PRIu32
                  " of the playbook is about what %s and %s say to each "
                  "other; the proxy at %s has no listener from the one to the other",
                  step->at.line, mode_node_name(mode, a), mode_node_name(mode, b),
                  mode->control_path);
        return false;
    }
    return !between_names_clients(step->rules) || reaches_clients(mode, step->at.line);
}

/* Those of one home cannot be cut off without those of another. */
static void tell_shared_clients(struct drill_mode *mode)
{
    const char *first = theirs_clients(mode, 0);
    for (size_t i = 1; first && i < mode->drill->cluster->n_nodes; i++) {
        const char *name = theirs_clients(mode, i);
        if (!name || strcmp(first, name) != 0)
            continue;
        term_progress_say(&mode->drill->progress,
                          "%s: \"%s\" is one node at the proxy: a fault on the "
                          "clients of one home is on those of all",
                          mode->mode->name, name);
        return;
    }
}

static bool reaches_faults(struct drill_mode *mode)
{
    const struct playbook *playbook = mode->drill->playbook;
    bool names_clients = false;
    for (size_t i = 0; i < playbook->n_steps; i++) {
        const struct step *step = &playbook->steps[i];
        if (!step->rules)
            continue;
        if (!reaches_fault(mode, step))
            return false;
        names_clients |= between_names_clients(step->rules);
    }
    if (names_clients)
        tell_shared_clients(mode);
    return true;
}

bool theirs_settle_paths(struct drill_mode *mode)
{
    size_t n = mode->drill->cluster->n_nodes;
    if (!knows_nodes(mode) || !reaches_faults(mode))
        return false;
    for (size_t i = 0; i < n * n; i++)
        set_path(mode, i / n, i % n);
    return true;
}

const json_t *theirs_link_before(const struct drill_mode *mode, const char *from,
                                 const char *to)
{
    return find_between(mode->theirs->links, from, to);
}

static bool is_ours(const struct drill_mode *mode, const char *name)
{
    for (size_t i = 0; i < mode->drill->cluster->n_nodes; i++) {
        const char *clients = theirs_clients(mode, i);
        if (strcmp(mode_node_name(mode, i), name) == 0 ||
            (clients && strcmp(clients, name) == 0))
            return true;
    }
    return false;
}

bool theirs_is_ours(const struct drill_mode *mode, const char *from, const char *to)
{
    return is_ours(mode, from) && is_ours(mode, to);
}
