/* SPDX-License-Identifier: MIT */
/* NAT looks at the first packet of what it takes for a connection. One that was there
 * before conntrack was is first met in its middle; so only SYNs are turned. */
#include "proxy/kernel/intercept_nat.h"
#include "proxy/wire/dial.h"
#include "proxy/kernel/intercept_internal.h"
#include "proxy/kernel/nft.h"
#include "rules/buffer.h"

#include <errno.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <netinet/in.h>
#include <string.h>

void nat_door_address(int family, struct sockaddr_storage *out)
{
    *out = (struct sockaddr_storage){.ss_family = (sa_family_t)family}; /* any */
}

static bool is_loopback(const struct sockaddr_storage *address)
{
    const uint8_t *bytes = NULL;
    if (sockaddress_bytes(address, &bytes) == ADDRESS_IPV6)
        return memcmp(bytes, &in6addr_loopback, sizeof in6addr_loopback) == 0;
    return bytes && bytes[0] == 127;
}

/* What leaves from here is redirected to the loopback, what comes through to the
 * address of the interface that it came by. */
int nat_find_server(const struct intercept_door *door, int fd, struct intercepted *out)
{
    bool six = door->family == AF_INET6;
    struct sockaddr_storage own;
    socklen_t length = sizeof out->server, own_length = sizeof own;
    if (getsockopt(fd, six ? IPPROTO_IPV6 : IPPROTO_IP,
                   six ? IP6T_SO_ORIGINAL_DST : SO_ORIGINAL_DST, &out->server,
                   &length) != 0 ||
        getsockname(fd, (struct sockaddr *)&own, &own_length) != 0)
        return -errno;
    out->is_from_here = is_loopback(&own);
    return sockaddress_equal(&out->server, &own) ? -ENOENT : 0;
}

/* The client's port is taken: by the client, in this very namespace. An address of
 * another host's could be bound to where the host allows that, and would hear nothing.
 */
void nat_fill_source(const struct intercepted *intercepted, struct dial_source *out)
{
    if (!intercepted->is_from_here)
        return;
    out->address = intercepted->client;
    sockaddress_set_port(&out->address, 0);
}

/* The level of a cgroup: how many names its path has. */
static unsigned cgroup_level(const char *path)
{
    unsigned level = 0;
    for (const char *at = path; *at; at++)
        level += *at != '/' && (at == path || at[-1] == '/');
    return level;
}

void nat_write_owner(const struct intercept_door *door, struct buffer *out)
{
    if (door->has_uid)
        buffer_print(out, "meta skuid %u ", door->uid);
    if (door->cgroup)
        buffer_print(out, "socket cgroupv2 level %u \"%s%s\" ",
                     cgroup_level(door->cgroup), door->cgroup_root, door->cgroup);
}

void nat_write_door(const struct intercept_site *site, const char *chain,
                    const struct intercept_door *door, struct buffer *out)
{
    if (!door)
        return;
    bool six = door->family == AF_INET6;
    buffer_print(out, "add rule inet %s %s ", nft_table(site->nft), chain);
    nat_write_owner(door, out);
    buffer_print(out, "%s daddr . tcp dport @servers%d redirect to :%u\n",
                 six ? "ip6" : "ip", six ? 6 : 4, door->port);
}

static void write_input(const struct intercept_site *site, struct buffer *out)
{
    const char *table = nft_table(site->nft);
    nft_write_chain(site->nft, "input", "type filter hook input priority filter", out);
    /* Conntrack is on for as long as a rule asks for it, and NAT with it: this one does
     * when no connection is taken any more and some are still carried on. */
    buffer_print(out, "add rule inet %s input ct status dnat accept\n", table);
    for (const struct intercept_door *each = site->doors; each; each = each->next)
        buffer_print(out,
                     "add rule inet %s input meta nfproto ipv%d " INTERCEPT_SYN
                     "tcp dport %u reject with tcp reset\n",
                     table, each->family == AF_INET6 ? 6 : 4, each->port);
}

/* Who asks for more comes first. */
void nat_write_output(const struct intercept_site *site, struct buffer *out)
{
    const char *table = nft_table(site->nft);
    nft_write_chain(site->nft, "output", "type nat hook output priority -100", out);
    buffer_print(out,
                 "add rule inet %s output meta mark & 0x%08x == 0x%08x return\n"
                 "add rule inet %s output " INTERCEPT_NOT_SYN "return\n",
                 table, INTERCEPT_MARK_MASK | INTERCEPT_MARK_OWN,
                 intercept_mark(site->number, INTERCEPT_MARK_OWN), table);
    if (site->node) /* what it says to itself is its own affair */
        buffer_print(out, "add rule inet %s output oif lo return\n", table);
    for (int conditions = 2; conditions >= 0; conditions--)
        for (const struct intercept_door *each = site->doors; each; each = each->next)
            if (each->has_uid + (each->cgroup != NULL) == conditions)
                nat_write_door(site, "output", each, out);
    write_input(site, out);
}
