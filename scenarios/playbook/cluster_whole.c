/* SPDX-License-Identifier: MIT */
/* What of a cluster file goes with what: a system that the drill starts itself, and one
 * that runs already, need and allow different things. */
#include "scenarios/playbook/cluster_inside.h"

#include "rules/language/yaml.h"

#include <string.h>

/* A lab's proxy is its router, or in its namespaces if it has a bridge; elsewhere it is
 * where the clients are told to connect. */
static enum rule_intercept standard_of(const struct cluster *cluster)
{
    if (cluster->has_bridge)
        return INTERCEPT_NETNS;
    return cluster->has_lab ? INTERCEPT_TPROXY : INTERCEPT_LISTEN;
}

static void check_started(const struct cluster *cluster, const struct yaml_node *value,
                          struct diag *diag)
{
    enum rule_intercept standard = standard_of(cluster);
    if (!cluster->has_lab || cluster->intercept == INTERCEPT_REDIRECT) {
        diag_lacking(diag, &value->at,
                     "\"intercept: %s\" is not available in this version%s",
                     rule_intercept_name(cluster->intercept),
                     cluster->has_lab ? "" : " without \"lab: true\"");
        diag_hint(diag, "use \"%s\"", rule_intercept_name(standard));
    } else if (cluster->has_bridge) {
        diag_error(diag, &value->at,
                   "in a lab with a bridge the proxy works in the nodes' namespaces");
        diag_hint(diag, "use \"netns\"");
    }
}

/* Nodes are told apart by their namespaces, or by their addresses. */
static void check_running(const struct cluster *cluster, const struct yaml_node *value,
                          struct diag *diag)
{
    const struct cluster_place *places = cluster->places;
    bool by_place = cluster->intercept == INTERCEPT_NETNS;
    for (size_t i = 0; i < cluster->n_nodes; i++) {
        if (by_place && places[i].netns.kind == PLACE_NONE) {
            diag_error(diag, &value->at,
                       "where is %s? \"intercept: netns\" works in the namespace of "
                       "each node",
                       cluster->nodes[i]);
            diag_hint(diag, "add container: NAME, pid: N or netns: PATH to the node");
        }
        for (size_t k = 0; !by_place && k < i; k++)
            if (places[i].address && places[k].address &&
                strcmp(places[i].address, places[k].address) == 0)
                diag_error(diag, &value->at,
                           "%s and %s share the address %s, and \"intercept: %s\" "
                           "tells nodes apart by theirs",
                           cluster->nodes[k], cluster->nodes[i], places[i].address,
                           rule_intercept_name(cluster->intercept));
    }
}

void cluster_settle_intercept(struct cluster *cluster, const struct yaml_node *root,
                              unsigned given, struct diag *diag)
{
    const struct yaml_node *value = yaml_find(root, "intercept");
    enum rule_intercept standard = standard_of(cluster);
    cluster->intercept =
        given == CLUSTER_INTERCEPT_NOT_GIVEN ? standard : (enum rule_intercept)given;
    if (!value || cluster->intercept == standard)
        return;
    if (cluster->places)
        check_running(cluster, value, diag);
    else
        check_started(cluster, value, diag);
}

static void require(const struct yaml_node *root, const char *key, bool is_there,
                    struct diag *diag)
{
    if (is_there)
        return;
    diag_error(diag, &root->at, "a cluster that the drill starts needs \"%s\"", key);
    diag_hint(diag,
              "one that runs already says where: nodes: { n1: { address: ... } }");
}

/* What only one of the two commands does could not be undone, or was never done. */
static void check_pause(const struct cluster *cluster, const struct yaml_node *root,
                        struct diag *diag)
{
    const struct cluster_commands *commands = &cluster->commands;
    const struct yaml_node *map = yaml_find(root, "commands");
    if (map && !commands->pause != !commands->resume)
        diag_error(diag, &map->at,
                   "pause and resume go together; without both the drill sends the "
                   "signals STOP and CONT itself");
}

/* Whether it starts the system or finds it, the drill's own proxy or another's. */
static void refuse_key(const struct yaml_node *root, const char *key, const char *why,
                       struct diag *diag)
{
    const struct yaml_pair *pair = yaml_find_pair(root, key);
    if (pair)
        diag_error(diag, &pair->key->at, "\"%s\" goes with %s", key, why);
}

/* A namespace that nobody works in would look as if it were drilled in. */
static void check_namespaces(const struct cluster *cluster,
                             const struct yaml_node *root, struct diag *diag)
{
    const struct yaml_node *nodes = yaml_find(root, "nodes");
    for (size_t i = 0; i < cluster->n_nodes; i++)
        if (cluster->places[i].netns.kind != PLACE_NONE &&
            cluster->intercept != INTERCEPT_NETNS) {
            diag_error(diag, &nodes->at,
                       "%s has a namespace, but the proxy does not work in it",
                       cluster->nodes[i]);
            diag_hint(diag, "add intercept: netns");
        }
}

void cluster_check_whole(const struct cluster *cluster, const struct yaml_node *root,
                         struct diag *diag)
{
    check_pause(cluster, root, diag);
    if (cluster->places) {
        refuse_key(root, "lab", "nodes that the drill starts itself", diag);
        if (cluster->control)
            refuse_key(root, "intercept", "the drill's own proxy, not with control",
                       diag);
        check_namespaces(cluster, root, diag);
        return;
    }
    refuse_key(root, "control", "nodes that run already: { n1: { address: ... } }",
               diag);
    require(root, "commands: start", cluster->commands.start, diag);
    require(root, "commands: ready", cluster->commands.ready, diag);
    require(root, "modes", yaml_find(root, "modes"), diag);
    if (cluster->environment != CLUSTER_LAB)
        diag_error(diag, &root->at,
                   "what the drill starts itself is of environment lab");
}
