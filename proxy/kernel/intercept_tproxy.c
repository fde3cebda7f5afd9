/* SPDX-License-Identifier: MIT */
/* Mode tproxy, for a router between the nodes. The kernel (tproxy(8), Documentation/
 * networking/tproxy.rst) hands a SYN on its way to a server to our accept socket and
 * leaves its addresses alone: the socket that comes of it has the server's address as
 * its own, and the socket to the server is bound to the client's. Both ends see each
 * other, address and port.
 *
 * Packets of both sockets come in for addresses that are not ours; they are known by
 * their transparent socket, marked, and by a policy rule delivered here. First packets
 * come before that test: tproxy itself knows what to do with one that meets the socket
 * of a connection that is over (TIME_WAIT).
 *
 * What it does not do: connections that this host itself opens (mode redirect does). */
#include "proxy/base/errmsg.h"
#include "proxy/base/log.h"
#include "proxy/kernel/bypass.h"
#include "proxy/wire/dial.h"
#include "proxy/kernel/intercept_internal.h"
#include "proxy/kernel/nft.h"
#include "proxy/kernel/policy_route.h"
#include "rules/buffer.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>

/* Any prefix of ours and the number: as in the marks. */
static uint32_t route_table(const struct intercept_site *site)
{
    return INTERCEPT_ROUTE_TABLE | site->number;
}

static void door_address(int family, struct sockaddr_storage *out)
{
    *out = (struct sockaddr_storage){.ss_family = (sa_family_t)family};
    if (family == AF_INET6)
        ((struct sockaddr_in6 *)out)->sin6_addr = in6addr_loopback;
    else
        ((struct sockaddr_in *)out)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
}

static void write_family(const struct intercept_site *site, int family,
                         struct buffer *out)
{
    const struct intercept_door *door = site_door(site, family);
    bool six = family == AF_INET6;
    if (!door)
        return;
    buffer_print(out,
                 "add rule inet %s intercept " INTERCEPT_SYN
                 "%s daddr . tcp dport @servers%d tproxy %s to %s:%u "
                 "meta mark set 0x%08x accept\n",
                 nft_table(site->nft), six ? "ip6" : "ip", six ? 6 : 4,
                 six ? "ip6" : "ip", six ? "[::1]" : "127.0.0.1", door->port,
                 intercept_mark(site->number, INTERCEPT_MARK_DIVERTED));
}

static void write_chains(const struct intercept_site *site, struct buffer *out)
{
    const char *table = nft_table(site->nft);
    uint32_t own = intercept_mark(site->number, INTERCEPT_MARK_OWN);
    nft_write_chain(site->nft, "intercept",
                    "type filter hook prerouting priority mangle", out);
    buffer_print(out,
                 "add rule inet %s intercept meta mark & 0x%08x == 0x%08x return\n",
                 table, INTERCEPT_MARK_MASK | INTERCEPT_MARK_OWN, own);
    write_family(site, AF_INET, out);
    write_family(site, AF_INET6, out);
    buffer_print(out,
                 "add rule inet %s intercept meta l4proto tcp socket transparent 1 "
                 "meta mark set 0x%08x accept\n",
                 table, intercept_mark(site->number, INTERCEPT_MARK_DIVERTED));
    bypass_write_rules(site, "intercept", out);
}

static int find_server(const struct intercept_door *door, int fd,
                       struct intercepted *out)
{
    struct sockaddr_storage own;
    socklen_t length = sizeof out->server;
    if (getsockname(fd, (struct sockaddr *)&out->server, &length) != 0)
        return -errno;
    door_address(door->family, &own);
    sockaddress_set_port(&own, door->port);
    return sockaddress_equal(&own, &out->server) ? -ENOENT : 0;
}

static void fill_source(const struct intercepted *intercepted, struct dial_source *out)
{
    out->transparent = true;
    out->address = intercepted->client;
}

/* The number in a file of /proc/sys/net; -1: none. */
static int read_setting(const char *name)
{
    char path[128];
    int value = -1;
    (void)snprintf(path, sizeof path, "/proc/sys/net/%s", name);
    FILE *file = fopen(path, "re");
    if (!file)
        return -1;
    if (fscanf(file, "%d", &value) != 1)
        value = -1;
    (void)fclose(file); /* only read */
    return value;
}

/* What the host's settings would make fail: said, since only traffic can prove it. */
static void warn_of_settings(void)
{
    if (read_setting("ipv4/ip_forward") == 0)
        log_line(LOG_WARN, "proxy tproxy: this host does not forward IPv4, so that no "
                           "connection passes through it: "
                           "sysctl -w net.ipv4.ip_forward=1");
    if (read_setting("ipv4/conf/all/src_valid_mark") == 1)
        log_line(LOG_WARN, "proxy tproxy: src_valid_mark makes the kernel drop what is "
                           "diverted: sysctl -w net.ipv4.conf.all.src_valid_mark=0");
    if (read_setting("ipv4/conf/all/rp_filter") == 1)
        log_line(LOG_WARN,
                 "proxy tproxy: rp_filter is strict: packets that come in "
                 "where their answers do not go out are dropped; if paths "
                 "are not symmetric: sysctl -w net.ipv4.conf.all.rp_filter=2");
}

/* IPv6 may be off, on the loopback too; then it is done without. */
static int begin(struct intercept_site *site, struct errmsg *err)
{
    uint32_t mark = intercept_mark(site->number, INTERCEPT_MARK_DIVERTED);
    const uint32_t mask = INTERCEPT_MARK_MASK | INTERCEPT_MARK_DIVERTED;
    int status = policy_route_add(AF_INET, mark, mask, route_table(site), err);
    if (status == 0 && site_door(site, AF_INET6) &&
        policy_route_add(AF_INET6, mark, mask, route_table(site), NULL) != 0)
        site_close_family(site, AF_INET6);
    warn_of_settings();
    return status;
}

static void end(const struct intercept_site *site)
{
    uint32_t mark = intercept_mark(site->number, INTERCEPT_MARK_DIVERTED);
    const uint32_t mask = INTERCEPT_MARK_MASK | INTERCEPT_MARK_DIVERTED;
    /* What cannot be removed does nothing, and `netsplit clean` removes it. */
    (void)policy_route_remove(AF_INET, mark, mask, route_table(site));
    (void)policy_route_remove(AF_INET6, mark, mask, route_table(site));
}

const struct intercept_mode intercept_tproxy = {
    .name = "tproxy",
    .door_address = door_address,
    .transparent = true,
    .sees_passing = true,
    .write_chains = write_chains,
    .find_server = find_server,
    .fill_source = fill_source,
    .begin = begin,
    .end = end,
};
