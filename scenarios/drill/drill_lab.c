/* SPDX-License-Identifier: MIT */
/* Where the parts of a drill are in the network: nodes that run already where they are;
 * else all on 127.0.0.1, or, with `lab: true`, each node and each home of clients in a network namespace of its own, the proxy in the
 * middle of them.
 *
 * The lab is made for one mode and held by the drill's own process, so that it needs no
 * record: killed at any moment, the drill takes it along. Without privilege the drill
 * moves into a user namespace, once, before it has done anything else. */
#include "scenarios/drill/drill_inside.h"
#include "scenarios/lab/lab_user.h"

#include <errno.h>
#include <string.h>

int drill_enter_lab(const struct cluster *cluster, struct errmsg *err)
{
    if (!cluster->has_lab || lab_user_is_privileged())
        return 0;
    int status = lab_user_enter(err);
    if (status == 0)
        status = lab_raise_loopback(err);
    if (status == 0)
        lab_user_hand_on(); /* to the proxy */
    else
        errmsg_wrap(err, "a lab for cluster \"%s\"", cluster->name);
    return status;
}

/* First the nodes, then the clients' homes in the same order. */
bool lab_open(struct drill_mode *mode)
{
    const struct cluster *cluster = mode->drill->cluster;
    const char *names[2 * CLUSTER_NODES_MAX];
    char clients[CLUSTER_NODES_MAX][LAB_NAME_BYTES];
    struct errmsg err = {""};
    size_t n = cluster->n_nodes;
    if (!cluster->has_lab)
        return true;
    for (size_t i = 0; i < n; i++) {
        (void)snprintf(clients[i], sizeof clients[i], "clients.%s", cluster->nodes[i]);
        names[i] = cluster->nodes[i];
        names[n + i] = clients[i];
    }
    if (lab_make(&mode->lab, names, 2 * n, cluster->has_bridge, &err) == 0)
        return true;
    (void)snprintf(mode->error, sizeof mode->error, "making the lab: %s", err.text);
    return false;
}

static const struct lab_node *place_of(const struct drill_mode *mode, size_t node,
                                       bool is_client)
{
    return &mode->lab.nodes[node + (is_client ? mode->drill->cluster->n_nodes : 0)];
}

int lab_netns(const struct drill_mode *mode, size_t node)
{
    return mode->drill->cluster->has_lab ? place_of(mode, node, false)->netns_fd : 0;
}

int lab_client_netns(const struct drill_mode *mode, size_t home)
{
    return mode->drill->cluster->has_lab ? place_of(mode, home, true)->netns_fd : 0;
}

int lab_middle_netns(const struct drill_mode *mode)
{
    return mode->drill->cluster->has_lab ? mode->lab.middle_fd : 0;
}

const char *lab_address(const struct drill_mode *mode, size_t node, bool is_client)
{
    const struct cluster *cluster = mode->drill->cluster;
    if (cluster->places && !is_client)
        return cluster->places[node].address;
    return cluster->has_lab ? place_of(mode, node, is_client)->address : "127.0.0.1";
}

const char *lab_listen_address(const struct drill_mode *mode, size_t from,
                               bool is_client)
{
    return mode->drill->cluster->has_lab ? place_of(mode, from, is_client)->gateway
                                         : "127.0.0.1";
}

/* Within a node its own address is reached past everything. */
struct driver_endpoint lab_direct(const struct drill_mode *mode, size_t node)
{
    struct driver_endpoint endpoint = {.port = mode->nodes[node].port,
                                       .netns_fd = lab_netns(mode, node)};
    (void)snprintf(endpoint.address, sizeof endpoint.address, "%s",
                   lab_address(mode, node, false));
    return endpoint;
}
