/* SPDX-License-Identifier: MIT */
/* By libnl-route: one socket a call, because calls are few. libnl's error numbers are
 * its own (NLE_*); they become errno here and go no further.
 *
 * The rule is made first and removed last: who finds it finds all there is. */
#include "proxy/kernel/policy_route.h"
#include "proxy/base/errmsg.h"
#include "proxy/base/netlink.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <net/if.h>
#include <netlink/errno.h>
#include <netlink/netlink.h>
#include <netlink/route/link.h>
#include <netlink/route/route.h>
#include <netlink/route/rule.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

/* Before the main table (32766), after the local one (0). */
enum { PRIORITY = 0x4e53 };

static struct rtnl_rule *make_rule(int family, uint32_t mark, uint32_t mask,
                                   uint32_t table)
{
    struct rtnl_rule *rule = rtnl_rule_alloc();
    if (!rule)
        return NULL;
    rtnl_rule_set_family(rule, family);
    rtnl_rule_set_action(rule, FR_ACT_TO_TBL);
    rtnl_rule_set_prio(rule, PRIORITY);
    rtnl_rule_set_mark(rule, mark);
    rtnl_rule_set_mask(rule, mask);
    rtnl_rule_set_table(rule, table);
    return rule;
}

static int change_rule(struct nl_sock *socket, int family, uint32_t mark, uint32_t mask,
                       uint32_t table, bool add)
{
    struct rtnl_rule *rule = make_rule(family, mark, mask, table);
    if (!rule)
        return -ENOMEM;
    int status = add ? rtnl_rule_add(socket, rule, NLM_F_CREATE | NLM_F_EXCL)
                     : rtnl_rule_delete(socket, rule, 0);
    rtnl_rule_put(rule);
    return netlink_errno(status);
}

/* local default dev lo. NULL: no memory, or the family is unknown. */
static struct rtnl_route *make_route(int family, uint32_t table)
{
    static const unsigned char zeroes[16];
    size_t bytes = family == AF_INET6 ? 16 : 4;
    struct rtnl_route *route = rtnl_route_alloc();
    struct rtnl_nexthop *hop = rtnl_route_nh_alloc();
    struct nl_addr *everywhere = nl_addr_build(family, zeroes, bytes);
    if (route && hop && everywhere) {
        nl_addr_set_prefixlen(everywhere, 0);
        (void)rtnl_route_set_family(route, (uint8_t)family);
        (void)rtnl_route_set_dst(route, everywhere);
        (void)rtnl_route_set_type(route, RTN_LOCAL);
        rtnl_route_set_scope(route, RT_SCOPE_HOST);
        rtnl_route_set_table(route, table);
        rtnl_route_nh_set_ifindex(hop, (int)if_nametoindex("lo"));
        rtnl_route_add_nexthop(route, hop); /* takes it over */
        hop = NULL;
    } else {
        rtnl_route_put(route);
        route = NULL;
    }
    if (hop)
        rtnl_route_nh_free(hop);
    nl_addr_put(everywhere);
    return route;
}

static int change_route(struct nl_sock *socket, int family, uint32_t table, bool add)
{
    struct rtnl_route *route = make_route(family, table);
    if (!route)
        return -ENOMEM;
    int status = add ? rtnl_route_add(socket, route, NLM_F_CREATE | NLM_F_EXCL)
                     : rtnl_route_delete(socket, route, 0);
    rtnl_route_put(route);
    return netlink_errno(status);
}

static bool lo_is_down(struct nl_sock *socket)
{
    struct rtnl_link *lo = NULL;
    if (rtnl_link_get_kernel(socket, 0, "lo", &lo) != 0)
        return false;
    bool down = !(rtnl_link_get_flags(lo) & IFF_UP);
    rtnl_link_put(lo);
    return down;
}

static void explain(int status, struct errmsg *err)
{
    if (status == -EPERM)
        errmsg_set(err, "policy routing: not permitted (needs CAP_NET_ADMIN)");
    else if (status == -ENETDOWN)
        errmsg_set(err, "policy routing: the loopback interface is down: "
                        "ip link set lo up");
    else
        errmsg_set(err, "policy routing: %s", strerror(-status));
}

int policy_route_add(int family, uint32_t mark, uint32_t mask, uint32_t table,
                     struct errmsg *err)
{
    struct nl_sock *socket;
    int status = netlink_open(&socket);
    if (status == 0) {
        if (lo_is_down(socket))
            status = -ENETDOWN;
        if (status == 0)
            status = change_rule(socket, family, mark, mask, table, true);
        if (status == 0 || status == -EEXIST)
            status = change_route(socket, family, table, true);
        nl_socket_free(socket);
    }
    if (status == -EEXIST)
        status = 0; /* of a run that was killed */
    if (status != 0)
        explain(status, err);
    return status;
}

int policy_route_remove(int family, uint32_t mark, uint32_t mask, uint32_t table)
{
    struct nl_sock *socket;
    int status = netlink_open(&socket);
    if (status != 0)
        return status;
    status = change_route(socket, family, table, false);
    /* Also when the route was gone. */
    int of_rule = change_rule(socket, family, mark, mask, table, false);
    nl_socket_free(socket);
    return status == -EPERM || of_rule != -ENOENT ? of_rule : 0;
}

int policy_route_each(policy_route_fn visit, void *context)
{
    struct nl_sock *socket;
    struct nl_cache *rules;
    int status = netlink_open(&socket);
    if (status != 0)
        return status;
    status = netlink_errno(rtnl_rule_alloc_cache(socket, AF_UNSPEC, &rules));
    nl_socket_free(socket);
    if (status != 0)
        return status;
    for (struct nl_object *each = nl_cache_get_first(rules); each;
         each = nl_cache_get_next(each)) {
        struct rtnl_rule *rule = (struct rtnl_rule *)each;
        visit(context, rtnl_rule_get_family(rule), rtnl_rule_get_mark(rule),
              rtnl_rule_get_mask(rule), rtnl_rule_get_table(rule));
    }
    nl_cache_free(rules);
    return 0;
}
