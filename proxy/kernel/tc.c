/* SPDX-License-Identifier: MIT */
/* Requests are put together here rather than by libnl-route's own functions for each
 * kind, whose rates end at 2 GB/s and whose bursts at 137 s; libnl carries them, and
 * reads what is there.
 *
 * A root of ours is told from others by its handle, and whose it is by the class for
 * unclassified packets: there is none of that number, so that these are not queued at
 * all. Within a class the delay comes first, and the bucket is inside of it.
 *
 * libnl's error numbers are its own (NLE_*); they become errno here and go no further.
 */
#include "proxy/kernel/tc.h"
#include "proxy/base/netlink.h"
#include "rules/language/rule.h"

#include <errno.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/route/link.h>
#include <netlink/route/qdisc.h>
#include <netlink/route/qdisc/htb.h>
#include <netlink/route/route.h>
#include <netlink/route/tc.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum {
    DIRECT_PACKETS = 1000,   /* unclassified ones that wait for a device */
    QUANTUM_BYTES = 200000,  /* irrelevant for classes that never wait for their rate */
    LINK_HEADER = 64,        /* of a packet, before what its device's MTU counts */
    CLASS_BUFFER = 1 << 20,  /* in ticks of 64 ns */
    DELAYED_PACKETS = 100000 /* that wait in one class */
};

#define OWNER UINT32_C(0xff00) /* | N: no class has that number */
#define ROOT  (TC_MAJOR << 16)

/* tc_ratespec's, where the 64-bit attribute has the rate. */
#define RATE_ABOVE UINT32_MAX

int tc_open(struct nl_sock **out)
{
    return netlink_open(out);
}

void tc_close(struct nl_sock *socket)
{
    if (socket)
        nl_socket_free(socket);
}

/* A request about what is below a parent; NULL: no memory. kind may be NULL. */
static struct nl_msg *begin(int type, int flags, const struct tcmsg *head,
                            const char *kind)
{
    struct nl_msg *message = nlmsg_alloc_simple(type, flags);
    struct tcmsg own = *head; /* libnl takes no const */
    if (!message)
        return NULL;
    if (nlmsg_append(message, &own, sizeof own, NLMSG_ALIGNTO) == 0 &&
        (!kind || nla_put_string(message, TCA_KIND, kind) == 0))
        return message;
    nlmsg_free(message);
    return NULL;
}

/* Sends it, if all of it was written, and waits for the answer; frees it. */
static int finish(struct nl_sock *socket, struct nl_msg *message, bool complete)
{
    if (!complete) {
        nlmsg_free(message);
        return -ENOMEM;
    }
    return netlink_errno(nl_send_sync(socket, message)); /* frees it in any case */
}

int tc_knows(struct nl_sock *socket, const char *kind)
{
    const struct tcmsg head = {.tcm_family = AF_UNSPEC,
                               .tcm_ifindex = 1, /* every namespace's loopback */
                               .tcm_parent = TC_H_ROOT};
    struct nl_msg *message =
        begin(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, &head, kind);
    return message && finish(socket, message, true) != -ENOENT;
}

struct root_visit {
    tc_root_fn visit;
    void *context;
};

static void read_root(struct rtnl_qdisc *qdisc, const struct root_visit *visit)
{
    struct rtnl_tc *tc = (struct rtnl_tc *)qdisc;
    const char *kind = rtnl_tc_get_kind(tc);
    uint32_t handle = rtnl_tc_get_handle(tc);
    struct tc_root root = {.device = rtnl_tc_get_ifindex(tc),
                           .is_default = handle == 0};
    if (rtnl_tc_get_parent(tc) != TC_H_ROOT)
        return;
    (void)snprintf(root.kind, sizeof root.kind, "%s", kind ? kind : "qdisc");
    if (handle == ROOT && strcmp(root.kind, "htb") == 0) {
        uint32_t owner = rtnl_htb_get_defcls(qdisc);
        root.is_ours = (owner & OWNER) == OWNER;
        root.number = owner & 0xff;
    }
    visit->visit(visit->context, &root);
}

static int read_qdiscs(struct nl_sock *socket, struct nl_cache **out)
{
    return netlink_errno(rtnl_qdisc_alloc_cache(socket, out));
}

int tc_each_root(struct nl_sock *socket, tc_root_fn visit, void *context)
{
    struct nl_cache *qdiscs;
    const struct root_visit own = {visit, context};
    int status = read_qdiscs(socket, &qdiscs);
    if (status != 0)
        return status;
    for (struct nl_object *each = nl_cache_get_first(qdiscs); each;
         each = nl_cache_get_next(each))
        read_root((struct rtnl_qdisc *)each, &own);
    nl_cache_free(qdiscs);
    return 0;
}

int tc_find_device(struct nl_sock *socket, const struct address *address)
{
    bool six = address->kind == ADDRESS_IPV6;
    struct nl_addr *to =
        nl_addr_build(six ? AF_INET6 : AF_INET, address->bytes, six ? 16 : 4);
    struct rtnl_route *route = NULL;
    if (!to)
        return -ENOMEM;
    int status = netlink_errno(rtnl_route_lookup(socket, to, &route));
    nl_addr_put(to);
    if (status != 0)
        return status == -ENOMEM ? status : 0;
    struct rtnl_nexthop *hop = rtnl_route_nexthop_n(route, 0);
    int device = hop ? rtnl_route_nh_get_ifindex(hop) : 0;
    rtnl_route_put(route);
    return device;
}

int tc_add_root(struct nl_sock *socket, int device, unsigned number)
{
    const struct tcmsg head = {
        .tcm_ifindex = device, .tcm_handle = ROOT, .tcm_parent = TC_H_ROOT};
    struct tc_htb_glob options = {
        .version = 3, .rate2quantum = 10, .defcls = OWNER | number};
    struct nl_msg *message =
        begin(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, &head, "htb");
    struct nlattr *nest = message ? nla_nest_start(message, TCA_OPTIONS) : NULL;
    if (!message)
        return -ENOMEM;
    bool complete = nest &&
                    nla_put(message, TCA_HTB_INIT, sizeof options, &options) == 0 &&
                    nla_put_u32(message, TCA_HTB_DIRECT_QLEN, DIRECT_PACKETS) == 0 &&
                    nla_nest_end(message, nest) == 0;
    return finish(socket, message, complete);
}

struct own_root {
    int device;
    unsigned number;
    bool found;
};

static void find_own(void *context, const struct tc_root *root)
{
    struct own_root *own = context;
    own->found |=
        root->device == own->device && root->is_ours && root->number == own->number;
}

int tc_remove_root(struct nl_sock *socket, int device, unsigned number)
{
    struct own_root own = {device, number, false};
    int status = tc_each_root(socket, find_own, &own);
    if (status != 0 || !own.found)
        return status != 0 ? status : -ENOENT;
    const struct tcmsg head = {
        .tcm_ifindex = device, .tcm_handle = ROOT, .tcm_parent = TC_H_ROOT};
    struct nl_msg *message = begin(RTM_DELQDISC, 0, &head, NULL);
    return message ? finish(socket, message, true) : -ENOMEM;
}

/* A class of any rate: what it holds decides. */
static int add_bare_class(struct nl_sock *socket, int device, uint32_t minor)
{
    const struct tcmsg head = {
        .tcm_ifindex = device, .tcm_handle = ROOT | minor, .tcm_parent = ROOT};
    const struct tc_ratespec rate = {.linklayer = TC_LINKLAYER_ETHERNET,
                                     .rate = RATE_ABOVE};
    struct tc_htb_opt options = {.rate = rate,
                                 .ceil = rate,
                                 .buffer = CLASS_BUFFER,
                                 .cbuffer = CLASS_BUFFER,
                                 .quantum = QUANTUM_BYTES};
    struct nl_msg *message =
        begin(RTM_NEWTCLASS, NLM_F_CREATE | NLM_F_EXCL, &head, "htb");
    struct nlattr *nest = message ? nla_nest_start(message, TCA_OPTIONS) : NULL;
    if (!message)
        return -ENOMEM;
    bool complete = nest &&
                    nla_put(message, TCA_HTB_PARMS, sizeof options, &options) == 0 &&
                    nla_nest_end(message, nest) == 0;
    return finish(socket, message, complete);
}

/* Handles of what is in a class: above ours, by the class and whether it is inside the
 * delay. They need only be unlike any other of the device. */
static uint32_t inner_handle(uint32_t minor, bool inside)
{
    uint32_t major = 2 * minor + inside;
    return (major < TC_MAJOR ? major : major + 1) << 16;
}

/* What the largest packet of the device takes: a smaller bucket would pass none of that
 * size, ever. */
static uint32_t largest_packet(struct nl_sock *socket, int device)
{
    struct rtnl_link *link = NULL;
    if (rtnl_link_get_kernel(socket, device, NULL, &link) != 0)
        return 0;
    uint32_t bytes = rtnl_link_get_mtu(link) + LINK_HEADER;
    rtnl_link_put(link);
    return bytes;
}

static int add_bucket(struct nl_sock *socket, int device, uint32_t minor,
                      uint32_t parent, const struct tc_shape *shape)
{
    const struct tcmsg head = {.tcm_ifindex = device,
                               .tcm_handle = inner_handle(minor, true),
                               .tcm_parent = parent};
    uint64_t rate = shape->bytes_per_s;
    uint32_t least = largest_packet(socket, device);
    uint32_t burst = (uint32_t)shape->burst_bytes;
    struct tc_tbf_qopt options = {
        .rate = {.linklayer = TC_LINKLAYER_ETHERNET,
                 .rate = rate < RATE_ABOVE ? (uint32_t)rate : RATE_ABOVE},
        .limit = (uint32_t)shape->queue_bytes,
    };
    struct nl_msg *message =
        begin(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, &head, "tbf");
    struct nlattr *nest = message ? nla_nest_start(message, TCA_OPTIONS) : NULL;
    if (!message)
        return -ENOMEM;
    bool complete =
        nest && nla_put(message, TCA_TBF_PARMS, sizeof options, &options) == 0 &&
        nla_put_u32(message, TCA_TBF_BURST, burst > least ? burst : least) == 0 &&
        (rate < RATE_ABOVE || nla_put_u64(message, TCA_TBF_RATE64, rate) == 0) &&
        nla_nest_end(message, nest) == 0;
    return finish(socket, message, complete);
}

/* netem's own form: the struct, and attributes behind it. */
static int add_delay(struct nl_sock *socket, int device, uint32_t minor,
                     const struct tc_shape *shape)
{
    const struct tcmsg head = {.tcm_ifindex = device,
                               .tcm_handle = inner_handle(minor, false),
                               .tcm_parent = ROOT | minor};
    struct tc_netem_qopt options = {.limit = DELAYED_PACKETS};
    struct nl_msg *message =
        begin(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, &head, "netem");
    struct nlattr *nest = message ? nla_nest_start(message, TCA_OPTIONS) : NULL;
    if (!message)
        return -ENOMEM;
    bool complete =
        nest && nlmsg_append(message, &options, sizeof options, NLMSG_ALIGNTO) == 0 &&
        nla_put_u64(message, TCA_NETEM_LATENCY64, shape->delay_ns) == 0 &&
        nla_put_u64(message, TCA_NETEM_JITTER64, shape->jitter_ns) == 0 &&
        nla_nest_end(message, nest) == 0;
    return finish(socket, message, complete);
}

int tc_add_class(struct nl_sock *socket, int device, uint32_t minor,
                 const struct tc_shape *shape)
{
    bool delays = shape->delay_ns != 0 || shape->jitter_ns != 0;
    uint32_t parent = delays ? inner_handle(minor, false) | 1 : ROOT | minor;
    int status = add_bare_class(socket, device, minor);
    if (status != 0)
        return status;
    if (delays)
        status = add_delay(socket, device, minor, shape);
    if (status == 0 && shape->bytes_per_s != 0)
        status = add_bucket(socket, device, minor, parent, shape);
    if (status != 0)
        (void)tc_remove_class(socket, device, minor); /* it was made just now */
    return status;
}

int tc_remove_class(struct nl_sock *socket, int device, uint32_t minor)
{
    const struct tcmsg head = {
        .tcm_ifindex = device, .tcm_handle = ROOT | minor, .tcm_parent = ROOT};
    struct nl_msg *message = begin(RTM_DELTCLASS, 0, &head, NULL);
    return message ? finish(socket, message, true) : -ENOMEM;
}

int tc_each_count(struct nl_sock *socket, tc_count_fn visit, void *context)
{
    struct nl_cache *qdiscs;
    int status = read_qdiscs(socket, &qdiscs);
    if (status != 0)
        return status;
    for (struct nl_object *each = nl_cache_get_first(qdiscs); each;
         each = nl_cache_get_next(each)) {
        struct rtnl_tc *tc = (struct rtnl_tc *)each;
        uint32_t parent = rtnl_tc_get_parent(tc);
        const struct tc_count count = {
            .device = rtnl_tc_get_ifindex(tc),
            .minor = parent & 0xffff,
            .bytes = rtnl_tc_get_stat(tc, RTNL_TC_BYTES),
            .dropped = rtnl_tc_get_stat(tc, RTNL_TC_DROPS),
        };
        if (parent >> 16 == TC_MAJOR && count.minor != 0)
            visit(context, &count);
    }
    nl_cache_free(qdiscs);
    return 0;
}
