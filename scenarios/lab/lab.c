/* SPDX-License-Identifier: MIT */
/* Makes labs through libnl-route, without a program's help.
 *
 * Happy path: a namespace in the middle that forwards (or holds a bridge), and for each
 * node a namespace and a veth pair, whose ends are made where they stay; then addresses
 * and, with a router, a default route. A netlink socket belongs to the namespace that it
 * was opened in, so each namespace is visited once, to open one.
 *
 * Failures: whatever goes wrong, the descriptors are closed, and the kernel takes the
 * rest with them. libnl's codes become errnos here and go no further.
 *
 * Not done here: names in /run/netns, processes, records (lab_home.c); a way out of the
 * lab, which has none. */
#include "scenarios/lab/lab.h"
#include "proxy/base/netlink.h"
#include "proxy/base/namespace.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netlink/errno.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/link/veth.h>
#include <netlink/route/route.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Links are made with indexes of our choice, so that none has to be looked up. */
enum { LO_INDEX = 1, ETH0_INDEX = 2, BRIDGE_INDEX = 2, PORT_INDEX = 10 };

enum { GLOBAL_SCOPE_DEPTH4 = 24, BRIDGE_DEPTH4 = 16, DEPTH6 = 64 };

/* One namespace while it is being furnished. */
struct place {
    int netns_fd;
    struct nl_sock *socket;
    bool has_ipv6;
};

/* What libnl answered; a sentence where it was an error. */
static int told(int code, const char *what, struct errmsg *err)
{
    if (code >= 0)
        return 0;
    errmsg_set(err, "%s: %s", what, nl_geterror(code));
    return netlink_errno(code);
}

static int set_up(struct place *place, int index, struct errmsg *err)
{
    struct rtnl_link *link = rtnl_link_alloc();
    if (!link)
        return -ENOMEM;
    rtnl_link_set_ifindex(link, index);
    rtnl_link_set_flags(link, IFF_UP);
    int code = rtnl_link_change(place->socket, link, link, 0);
    rtnl_link_put(link);
    return told(code, "setting a link up", err);
}

/* A wire: "vethI" in the middle, "eth0" at the node. The far end cannot be made up, only
 * set so, by its own namespace. */
static int add_wire(struct place *middle, struct place *end, int number,
                    bool has_bridge, struct errmsg *err)
{
    struct rtnl_link *link = rtnl_link_veth_alloc();
    char name[IFNAMSIZ];
    if (!link)
        return -ENOMEM;
    struct rtnl_link *peer = rtnl_link_veth_get_peer(link);
    (void)snprintf(name, sizeof name, "veth%d", number);
    rtnl_link_set_name(link, name);
    rtnl_link_set_ifindex(link, PORT_INDEX + number);
    rtnl_link_set_flags(link, IFF_UP);
    rtnl_link_set_name(peer, "eth0");
    rtnl_link_set_ifindex(peer, ETH0_INDEX);
    rtnl_link_set_ns_fd(peer, end->netns_fd);
    if (has_bridge)
        rtnl_link_set_master(link, BRIDGE_INDEX);
    int code = rtnl_link_add(middle->socket, link, NLM_F_CREATE | NLM_F_EXCL);
    rtnl_link_put(peer);
    rtnl_link_put(link);
    int status = told(code, "making a veth pair", err);
    return status < 0 ? status : set_up(end, ETH0_INDEX, err);
}

static int add_bridge(struct place *middle, struct errmsg *err)
{
    struct rtnl_link *link = rtnl_link_alloc();
    if (!link)
        return -ENOMEM;
    int code = rtnl_link_set_type(link, "bridge");
    rtnl_link_set_name(link, "bridge");
    rtnl_link_set_ifindex(link, BRIDGE_INDEX);
    rtnl_link_set_flags(link, IFF_UP);
    if (code >= 0)
        code = rtnl_link_add(middle->socket, link, NLM_F_CREATE | NLM_F_EXCL);
    rtnl_link_put(link);
    return told(code, "making a bridge", err);
}

static struct nl_addr *parse_address(const char *text, unsigned depth)
{
    struct nl_addr *address = NULL;
    if (nl_addr_parse(text, AF_UNSPEC, &address) < 0)
        return NULL;
    nl_addr_set_prefixlen(address, (int)depth);
    return address;
}

static int add_address(struct place *place, int index, const char *text, unsigned depth,
                       struct errmsg *err)
{
    struct nl_addr *local = parse_address(text, depth);
    struct rtnl_addr *address = rtnl_addr_alloc();
    int code = -NLE_NOMEM;
    if (local && address) {
        rtnl_addr_set_ifindex(address, index);
        (void)rtnl_addr_set_local(address, local); /* fails on family mismatch only */
        /* Nobody else can have it, so IPv6 need not look for a second or two. */
        if (nl_addr_get_family(local) == AF_INET6)
            rtnl_addr_set_flags(address, IFA_F_NODAD);
        code = rtnl_addr_add(place->socket, address, NLM_F_EXCL);
    }
    if (address)
        rtnl_addr_put(address);
    if (local)
        nl_addr_put(local);
    if (code >= 0)
        return 0;
    errmsg_set(err, "adding the address %s: %s", text, nl_geterror(code));
    return netlink_errno(code);
}

static int add_default_route(struct place *place, const char *gateway,
                             struct errmsg *err)
{
    struct nl_addr *via = parse_address(gateway, strchr(gateway, ':') ? 128 : 32);
    struct nl_addr *all = parse_address(strchr(gateway, ':') ? "::" : "0.0.0.0", 0);
    struct rtnl_route *route = rtnl_route_alloc();
    struct rtnl_nexthop *hop = rtnl_route_nh_alloc();
    int code = -NLE_NOMEM;
    if (via && all && route && hop) {
        rtnl_route_nh_set_gateway(hop, via);
        rtnl_route_nh_set_ifindex(hop, ETH0_INDEX);
        rtnl_route_add_nexthop(route, hop); /* takes it over */
        hop = NULL;
        (void)rtnl_route_set_dst(route, all); /* fails on family mismatch only */
        code = rtnl_route_add(place->socket, route, NLM_F_EXCL);
    }
    if (hop)
        rtnl_route_nh_free(hop);
    if (route)
        rtnl_route_put(route);
    nl_addr_put(all);
    nl_addr_put(via);
    return told(code, "adding a default route", err);
}

static int write_sysctl(const char *path, const char *value, struct errmsg *err)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : write(fd, value, strlen(value));
    int status = n < 0 ? -errno : 0;
    if (fd >= 0)
        (void)close(fd); /* the write has told */
    if (status < 0)
        errmsg_set(err, "writing %s to %s: %s", value, path, strerror(-status));
    return status;
}

/* The router's switches; those of /proc/sys/net are the caller's namespace's. Replies
 * of a transparent proxy come from addresses that are elsewhere: no reverse path
 * filter. */
static int let_forward(bool has_ipv6, struct errmsg *err)
{
    static const char *const no_filter[] = {
        "/proc/sys/net/ipv4/conf/all/rp_filter",
        "/proc/sys/net/ipv4/conf/default/rp_filter"};
    int status = write_sysctl("/proc/sys/net/ipv4/ip_forward", "1", err);
    for (size_t i = 0; i < 2 && status == 0; i++)
        status = write_sysctl(no_filter[i], "0", err);
    if (has_ipv6 && status == 0)
        status = write_sysctl("/proc/sys/net/ipv6/conf/all/forwarding", "1", err);
    return status;
}

static bool kernel_has_ipv6(void)
{
    char off = '1';
    int fd = open("/proc/sys/net/ipv6/conf/all/disable_ipv6", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, &off, 1);
    (void)close(fd); /* it was only read */
    return n == 1 && off == '0';
}

/* A socket in the place, and what can only be done from within. */
static int furnish(struct place *place, bool forwards, struct errmsg *err)
{
    int home = namespace_visit(place->netns_fd);
    if (home < 0)
        return home;
    place->has_ipv6 = kernel_has_ipv6();
    int status = netlink_open(&place->socket);
    if (status != 0)
        errmsg_set(err, "opening a netlink socket: %s", strerror(-status));
    else if (forwards)
        status = let_forward(place->has_ipv6, err);
    namespace_return(home);
    return status;
}

static int open_place(struct place *place, bool forwards, int *out_fd,
                      struct errmsg *err)
{
    int fd = namespace_make();
    if (fd < 0) {
        errmsg_set(err, "making a network namespace: %s", strerror(-fd));
        return fd;
    }
    *place = (struct place){.netns_fd = *out_fd = fd};
    int status = furnish(place, forwards, err);
    return status < 0 ? status : set_up(place, LO_INDEX, err);
}

static void close_place(struct place *place)
{
    if (place->socket)
        nl_socket_free(place->socket);
}

int lab_raise_loopback(struct errmsg *err)
{
    struct place here = {0};
    int status = furnish(&here, false, err);
    if (status == 0)
        status = set_up(&here, LO_INDEX, err);
    close_place(&here);
    return status;
}

static void number_node(struct lab_node *node, unsigned number, bool has_bridge,
                        bool has_ipv6)
{
    if (has_bridge) {
        (void)snprintf(node->address, sizeof node->address, "10.77.0.%u", number);
        (void)snprintf(node->address6, sizeof node->address6, "fd77::%x", number);
    } else {
        (void)snprintf(node->address, sizeof node->address, "10.77.%u.2", number);
        (void)snprintf(node->gateway, sizeof node->gateway, "10.77.%u.1", number);
        (void)snprintf(node->address6, sizeof node->address6, "fd77:0:0:%x::2", number);
    }
    if (!has_ipv6)
        node->address6[0] = '\0';
}

static int address_bridged(struct place *end, const struct lab_node *node,
                           struct errmsg *err)
{
    int status = add_address(end, ETH0_INDEX, node->address, BRIDGE_DEPTH4, err);
    if (status == 0 && node->address6[0])
        status = add_address(end, ETH0_INDEX, node->address6, DEPTH6, err);
    return status;
}

static int address_routed(struct place *middle, struct place *end,
                          const struct lab_node *node, int number, struct errmsg *err)
{
    char gateway6[sizeof node->address6];
    (void)snprintf(gateway6, sizeof gateway6, "fd77:0:0:%x::1", (unsigned)number);
    int port = PORT_INDEX + number;
    int status = add_address(middle, port, node->gateway, GLOBAL_SCOPE_DEPTH4, err);
    if (status == 0)
        status = add_address(end, ETH0_INDEX, node->address, GLOBAL_SCOPE_DEPTH4, err);
    if (status == 0)
        status = add_default_route(end, node->gateway, err);
    if (status < 0 || !node->address6[0])
        return status;
    status = add_address(middle, port, gateway6, DEPTH6, err);
    if (status == 0)
        status = add_address(end, ETH0_INDEX, node->address6, DEPTH6, err);
    return status < 0 ? status : add_default_route(end, gateway6, err);
}

static int add_node(struct lab *lab, struct place *middle, const char *name,
                    struct errmsg *err)
{
    struct lab_node *node = &lab->nodes[lab->n];
    struct place end = {0};
    int number = (int)lab->n + 1;
    *node = (struct lab_node){.netns_fd = -1};
    lab->n++;
    (void)snprintf(node->name, sizeof node->name, "%s", name);
    number_node(node, (unsigned)number, lab->has_bridge, middle->has_ipv6);
    int status = open_place(&end, false, &node->netns_fd, err);
    if (status == 0)
        status = add_wire(middle, &end, number, lab->has_bridge, err);
    if (status == 0)
        status = lab->has_bridge ? address_bridged(&end, node, err)
                                 : address_routed(middle, &end, node, number, err);
    close_place(&end);
    if (status < 0)
        errmsg_wrap(err, "%s", name);
    return status;
}

int lab_make(struct lab *lab, const char *const *names, size_t n, bool has_bridge,
             struct errmsg *err)
{
    struct place middle = {0};
    *lab = (struct lab){.has_bridge = has_bridge, .middle_fd = -1};
    int status = open_place(&middle, !has_bridge, &lab->middle_fd, err);
    if (status == 0 && has_bridge)
        status = add_bridge(&middle, err);
    for (size_t i = 0; i < n && status == 0; i++)
        status = add_node(lab, &middle, names[i], err);
    close_place(&middle);
    if (status < 0)
        lab_close(lab);
    return status;
}

void lab_close(struct lab *lab)
{
    for (size_t i = 0; i < lab->n; i++)
        if (lab->nodes[i].netns_fd > 0)
            (void)close(lab->nodes[i].netns_fd); /* nothing was written */
    if (lab->middle_fd > 0)
        (void)close(lab->middle_fd); /* likewise */
    *lab = (struct lab){0};
}

const char *lab_middle_name(const struct lab *lab)
{
    return lab->has_bridge ? "bridge" : "router";
}

const struct lab_node *lab_find(const struct lab *lab, const char *name)
{
    for (size_t i = 0; i < lab->n; i++)
        if (strcmp(lab->nodes[i].name, name) == 0)
            return &lab->nodes[i];
    return NULL;
}
