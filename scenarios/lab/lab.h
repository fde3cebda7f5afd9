/* SPDX-License-Identifier: MIT */
/* A lab: a network namespace for each node, joined by a router or a bridge, and joined
 * to nothing else. Made in this process and held by it: a lab is a handful of
 * descriptors, and when they and the processes inside are gone, the kernel has removed
 * all of it.
 *
 *     router                                      bridge
 *     n1 eth0 10.77.1.2/24 -- 10.77.1.1           n1 eth0 10.77.0.1/16 --+
 *     n2 eth0 10.77.2.2/24 -- 10.77.2.1 router    n2 eth0 10.77.0.2/16 --+ bridge
 *
 * and likewise fd77:0:0:1::2/64 or fd77::1/64, where the kernel has IPv6. Labs do not
 * see each other, so all have the same addresses. */
#ifndef NETSPLIT_SCENARIOS_LAB_LAB_H
#define NETSPLIT_SCENARIOS_LAB_LAB_H

#include "proxy/base/errmsg.h"

#include <stdbool.h>
#include <stddef.h>

enum { LAB_NODES_MAX = 64, LAB_NAME_BYTES = 48 };

struct lab_node {
    char name[LAB_NAME_BYTES];
    char address[16];  /* "10.77.1.2" */
    char gateway[16];  /* "10.77.1.1"; "" with a bridge */
    char address6[40]; /* "fd77:0:0:1::2"; "" without IPv6 */
    int netns_fd;
};

struct lab {
    bool has_bridge;
    int middle_fd; /* the namespace of the router or the bridge */
    struct lab_node nodes[LAB_NODES_MAX];
    size_t n;
};

/* Makes the namespaces, the wires between them, addresses and routes. The names (1 to
 * LAB_NODES_MAX, shorter than LAB_NAME_BYTES) are copied. The process needs
 * CAP_SYS_ADMIN and CAP_NET_ADMIN, if only in its user namespace. 0; or a negative
 * errno with err, and nothing is left. */
int lab_make(struct lab *lab, const char *const *names, size_t n, bool has_bridge,
             struct errmsg *err);

/* Sets up lo where the calling thread is; 0, or a negative errno with err. */
int lab_raise_loopback(struct errmsg *err);

/* Lets go of the namespaces; a zeroed lab is fine. */
void lab_close(struct lab *lab);

/* What the place in the middle is called: "router" or "bridge". */
const char *lab_middle_name(const struct lab *lab);

/* The node of the name, or NULL. */
const struct lab_node *lab_find(const struct lab *lab, const char *name);

#endif
