/* SPDX-License-Identifier: MIT */
/* A network of namespaces for one test: the test's own, a router, and nodes around it,
 * all of which go with the test process. Node I (1, 2, ...) has 10.77.I.2 and
 * fd77:I::2, the router 10.77.I.1 and fd77:I::1 on the same line; or all nodes are on
 * one bridge, 10.77.0.I and fd77::I, the router 10.77.0.254 and fd77::fe. */
#ifndef NETSPLIT_TESTS_NETLAB_H
#define NETSPLIT_TESTS_NETLAB_H

#include "tests/proxy/net.h"

#include <stdint.h>

enum { NETLAB_NODES = 4 };

struct netlab {
    int home;                    /* the router's namespace */
    int nodes[NETLAB_NODES + 1]; /* by number, from 1 */
    int n;
    bool bridged;
    uint16_t own_port; /* see netlab_bind_next */
};

/* The test goes on in a new namespace, the router's; or it is skipped, with the reason.
 */
void netlab_open(struct netlab *lab, int nodes);
void netlab_open_bridged(struct netlab *lab, int nodes);
void netlab_close(struct netlab *lab);

/* Of node (0: the router's) in the family: as text, good until the next call of it with
 * this node. */
const char *netlab_address(const struct netlab *lab, int family, int node);

/* Runs shell commands in the node's namespace; they must succeed. */
void netlab_run(const struct netlab *lab, int node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Sockets there, non-blocking. listen: at the node's address, or NULL for any. dial
 * begins to connect to the other node's address, or text. */
int netlab_listen(const struct netlab *lab, int node, int family, uint16_t port);
int netlab_dial(struct netlab *lab, int node, int family, const char *address,
                uint16_t port);

/* The next socket that is made is bound to this port. */
void netlab_bind_next(struct netlab *lab, uint16_t port);

/* connect, and wait for it. */
int netlab_connect(struct netlab *lab, struct net *net, int node, int family,
                   const char *address, uint16_t port);

/* "10.77.1.2:4711": of a socket, its own or its peer's. */
const char *netlab_own(int fd);
const char *netlab_peer(int fd);

#endif
