/* SPDX-License-Identifier: MIT */
/* One session a node, opened by the check `login` and used by those after it. A node
 * without one is named by that check only, and passed over by the others. */
#include "scenarios/preflight/preflight_system.h"

#include "scenarios/drill/claim_mark.h"
#include "scenarios/preflight/preflight.h"

#include <string.h>

static const struct preflight_system *const systems[] = {
    &preflight_postgres,
    &preflight_resp,
};

const struct preflight_system *preflight_find_system(const struct driver *driver)
{
    for (size_t i = 0; i < sizeof systems / sizeof *systems; i++)
        if (strcmp(systems[i]->driver, driver_name(driver)) == 0)
            return systems[i];
    return NULL;
}

void preflight_login(struct preflight *preflight)
{
    const struct cluster *cluster = preflight->cluster;
    if (!cluster->places)
        return; /* nothing runs yet */
    if (!preflight->system) {
        preflight_add(preflight, PREFLIGHT_NOTE, PREFLIGHT_HERE,
                      "what the driver \"%s\" talks to is not asked: login, rights, "
                      "encryption and replication were not looked at",
                      driver_name(cluster->driver));
        return;
    }
    for (size_t i = 0; i < cluster->n_nodes && !preflight_is_over(preflight); i++) {
        struct preflight_node *node = &preflight->nodes[i];
        struct driver_endpoint endpoint = preflight_endpoint(preflight, i);
        if (!node->reached)
            continue; /* `reach` has said so */
        node->session = preflight->system->login(preflight, i, &endpoint);
        if (!node->session)
            continue; /* it was told */
        char text[256];
        preflight->system->describe(node->session, text, sizeof text);
        preflight->system->ask_seen_as(node->session, node->seen_as,
                                       sizeof node->seen_as);
        preflight_add(preflight, PREFLIGHT_OK, i, "%s", text);
    }
}

static void ask_all(struct preflight *preflight,
                    void (*ask)(struct preflight *preflight, size_t node))
{
    for (size_t i = 0; i < preflight->cluster->n_nodes; i++)
        if (preflight->nodes[i].session && !preflight_is_over(preflight))
            ask(preflight, i);
}

void preflight_rights(struct preflight *preflight)
{
    if (preflight->system)
        ask_all(preflight, preflight->system->rights);
}

void preflight_tls(struct preflight *preflight)
{
    if (preflight->system)
        ask_all(preflight, preflight->system->tls);
}

void preflight_sockets(struct preflight *preflight)
{
    if (preflight->system)
        ask_all(preflight, preflight->system->sockets);
}

void preflight_replication(struct preflight *preflight)
{
    if (preflight->system)
        ask_all(preflight, preflight->system->replication);
}

void preflight_connections(struct preflight *preflight)
{
    if (preflight->system)
        ask_all(preflight, preflight->system->connections);
}

/* What a server says of its upstream, against the places of the cluster file. */
void preflight_judge_upstream(struct preflight *preflight, size_t node,
                              const char *address, unsigned port)
{
    const struct cluster *cluster = preflight->cluster;
    int upstream = preflight_find_place(preflight, address, port);
    bool intercepts =
        cluster->intercept != INTERCEPT_LISTEN ||
        (preflight->proxy &&
         strcmp(json_string_value(json_object_get(preflight->proxy, "intercept")),
                "listen") != 0);
    if (preflight_is_listener(preflight, address, port)) {
        preflight_add(preflight, PREFLIGHT_OK, node,
                      "it replicates through the proxy (%s port %u)", address, port);
    } else if (upstream < 0) {
        preflight_add(preflight, PREFLIGHT_NOTE, node,
                      "it replicates from %s port %u, which is no node of %s: a proxy "
                      "of yours, or a node that the file lacks",
                      address, port, cluster->source.name);
        preflight_mend(preflight, "if it is a node: add it to `nodes:` in %s",
                       cluster->source.name);
    } else if (!intercepts) {
        preflight_add(preflight, PREFLIGHT_NOTE, node,
                      "it replicates straight from %s (%s port %u), past the %s "
                      "proxy: faults between clients and nodes are felt, a partition "
                      "between the nodes is not",
                      cluster->nodes[upstream], address, port,
                      cluster->control ? "running" : "drill's");
        preflight_mend(preflight,
                       "netsplit proxy wal=ADDRESS:7101:%s:%u # and let %s replicate "
                       "from ADDRESS port 7101",
                       address, port, cluster->nodes[node]);
    } else {
        preflight_add(preflight, PREFLIGHT_OK, node,
                      "it replicates from %s (%s port %u)", cluster->nodes[upstream],
                      address, port);
    }
}

bool preflight_judge_mark(struct preflight *preflight, size_t node, const char *mark)
{
    char text[CLAIM_TEXT_BYTES];
    if (claim_mark_yields(mark, false, text))
        return false;
    preflight_add(preflight, PREFLIGHT_MISSING, node, "%s", text);
    preflight_mend(preflight, "netsplit drill ... --take-over # if that drill is dead; "
                              "else wait until it has ended");
    return true;
}

void preflight_judge_connections(struct preflight *preflight, size_t node, long n)
{
    const char *are = n == 1 ? "connection of others is" : "connections of others are";
    if (preflight->cluster->intercept == INTERCEPT_LISTEN || n == 0) {
        preflight_add(preflight, PREFLIGHT_OK, node, "%ld %s open%s", n, are,
                      n > 0 ? "; they pass by the drill's proxy and feel no fault"
                            : "");
        return;
    }
    preflight_add(preflight, PREFLIGHT_NOTE, node,
                  "%ld %s open, and bypass the proxy until opened anew", n, are);
    preflight_mend(preflight, "netsplit ctl adopt # once the proxy runs");
}

void preflight_log_out(struct preflight *preflight)
{
    for (size_t i = 0; i < preflight->cluster->n_nodes; i++) {
        if (preflight->nodes[i].session)
            preflight->system->close(preflight->nodes[i].session);
        preflight->nodes[i].session = NULL;
    }
}
