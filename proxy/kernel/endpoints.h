/* SPDX-License-Identifier: MIT */
/* Where the nodes of a plan are: which addresses and ports are intercepted, and which
 * node an address is of. */
#ifndef NETSPLIT_KERNEL_ENDPOINTS_H
#define NETSPLIT_KERNEL_ENDPOINTS_H

#include "rules/plan/plan.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct buffer;
struct errmsg;

/* An address or a network of a node. */
struct endpoint_address {
    const char *node; /* interned */
    struct address address;
    bool owned; /* the node is told by who connects, not by its address */
};

/* A port of one of them that is intercepted. */
struct endpoint_server {
    const char *node;
    struct address address;
    uint16_t port;
    bool named; /* by the node itself, not by the file for all */
};

/* Zeroes: none. */
struct endpoints {
    struct endpoint_address *addresses; /* owned */
    size_t n_addresses;
    struct endpoint_server *servers; /* owned */
    size_t n_servers;
};

/* The node is also at the address. 0 or -ENOMEM. */
int endpoints_add_address(struct endpoints *endpoints, const char *node,
                          const struct address *address, bool owned);

/* The ports of each node are intercepted at its addresses: its own, or the plan's if it
 * says none. A node without an address has none. 0 or -ENOMEM. */
int endpoints_add_servers(struct endpoints *endpoints, const struct plan *plan);

/* The node that is connected to at address and port: of those intercepted there the one
 * with the longest prefix, of those alike the one that names the port, then the first.
 * NULL: none. Borrowed. */
const char *endpoints_server(const struct endpoints *endpoints,
                             const struct sockaddr_storage *address);

/* The node that connects from the address: longest prefix, those told by who connects
 * left out; the first of several at one address. NULL: none. */
const char *endpoints_opener(const struct endpoints *endpoints,
                             const struct sockaddr_storage *address);

/* Does the node have this very address? */
bool endpoints_has(const struct endpoints *endpoints, const char *node,
                   const struct sockaddr_storage *address);

/* Elements of an nftables set of (address . port) of the kind, separated by commas: all
 * but those of the node (NULL: all), none inside another. Returns how many. */
size_t endpoints_write(const struct endpoints *endpoints, enum address_kind kind,
                       const char *but, struct buffer *out);

/* The first that an address and port of the other would take too; NULL: none. but: as
 * above. */
const struct endpoint_server *endpoints_overlap(const struct endpoints *endpoints,
                                                const char *but,
                                                const struct address *address,
                                                uint16_t port);

/* Does the network contain the address (or network)? */
bool endpoints_contains(const struct address *network, const struct address *address);

void endpoints_close(struct endpoints *endpoints);

#endif
