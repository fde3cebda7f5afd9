/* SPDX-License-Identifier: MIT */
/* Mode netns, for nodes that live in network namespaces of their own (containers, pods,
 * labs, systemd services): in each of them what it opens to the others is redirected to
 * an accept socket inside, and the socket to the server is made inside too. So both
 * ends see the addresses they would see without us, whatever lies between, and nothing
 * but the opener's namespace is touched. The port on the server's side is another.
 *
 * Connections that come into a namespace from outside all nodes are not taken. */
#include "proxy/kernel/intercept_internal.h"
#include "proxy/kernel/intercept_nat.h"

const struct intercept_mode intercept_netns = {
    .name = "netns",
    .sees_clients = true,
    .door_address = nat_door_address,
    .write_chains = nat_write_output,
    .find_server = nat_find_server,
    .fill_source = nat_fill_source,
};
