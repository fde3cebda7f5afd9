/* SPDX-License-Identifier: MIT */
/* By libnl-route, in the namespace: one dump of the kernel's addresses. */
#include "proxy/kernel/netns_addresses.h"
#include "proxy/base/netlink.h"
#include "proxy/kernel/endpoints.h"
#include "proxy/kernel/netns.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

struct dump {
    const char *node;
    struct endpoints *out;
};

static int add(const struct dump *dump, struct rtnl_addr *each)
{
    struct nl_addr *local = rtnl_addr_get_local(each);
    bool six = rtnl_addr_get_family(each) == AF_INET6;
    struct address address = {.kind = six ? ADDRESS_IPV6 : ADDRESS_IPV4,
                              .prefix = six ? 128 : 32};
    if (!local || rtnl_addr_get_scope(each) != RT_SCOPE_UNIVERSE ||
        nl_addr_get_len(local) != address.prefix / 8u)
        return 0;
    memcpy(address.bytes, nl_addr_get_binary_addr(local), address.prefix / 8u);
    return endpoints_add_address(dump->out, dump->node, &address, false);
}

static int dump_addresses(void *context)
{
    const struct dump *dump = context;
    struct nl_cache *cache;
    struct nl_sock *socket;
    int status = netlink_open(&socket);
    if (status != 0)
        return status;
    status = netlink_errno(rtnl_addr_alloc_cache(socket, &cache));
    if (status == 0) {
        for (struct nl_object *each = nl_cache_get_first(cache); each && status == 0;
             each = nl_cache_get_next(each))
            status = add(dump, (struct rtnl_addr *)each);
        nl_cache_free(cache);
    }
    nl_socket_free(socket);
    return status;
}

int netns_addresses(const struct netns *netns, const char *node, struct endpoints *out)
{
    struct dump dump = {node, out};
    return netns_run(netns, dump_addresses, &dump);
}
