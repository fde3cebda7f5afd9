/* SPDX-License-Identifier: MIT */
/* Mode redirect, for connections that this host opens and those that come through it:
 * the first packet's destination is changed to our accept socket (NAT), the kernel
 * remembers, and tells where it was going (SO_ORIGINAL_DST).
 *
 * Nodes of one host are told by their address or, where that is one for all, by the
 * user or the cgroup of who connects: such a node has accept sockets of its own. Our
 * own connections bear a mark and are let through.
 *
 * What it does not do: the server sees an address of this host, since NAT of a foreign
 * client's connection ends here. A client of this host keeps its address, not its port.
 */
#include "proxy/kernel/bypass.h"
#include "proxy/kernel/intercept_internal.h"
#include "proxy/kernel/intercept_nat.h"
#include "proxy/kernel/nft.h"
#include "rules/buffer.h"

/* Of what comes through, or to, this host from elsewhere; the host's own connections
 * were decided on their way out. */
static void write_prerouting(const struct intercept_site *site, struct buffer *out)
{
    const char *table = nft_table(site->nft);
    nft_write_chain(site->nft, "prerouting", "type nat hook prerouting priority dstnat",
                    out);
    buffer_print(out,
                 "add rule inet %s prerouting iif lo return\n"
                 "add rule inet %s prerouting " INTERCEPT_NOT_SYN "return\n",
                 table, table);
    nat_write_door(site, "prerouting", site_door(site, AF_INET), out);
    nat_write_door(site, "prerouting", site_door(site, AF_INET6), out);
}

/* What comes through and was not redirected. */
static void write_passing(const struct intercept_site *site, struct buffer *out)
{
    nft_write_chain(site->nft, "passing", "type filter hook prerouting priority mangle",
                    out);
    buffer_print(out, "add rule inet %s passing ct status dnat return\n",
                 nft_table(site->nft));
    bypass_write_rules(site, "passing", out);
}

static void write_chains(const struct intercept_site *site, struct buffer *out)
{
    nat_write_output(site, out);
    write_prerouting(site, out);
    write_passing(site, out);
}

const struct intercept_mode intercept_redirect = {
    .name = "redirect",
    .sees_clients = true,
    .sees_passing = true,
    .door_address = nat_door_address,
    .write_chains = write_chains,
    .find_server = nat_find_server,
    .fill_source = nat_fill_source,
};
