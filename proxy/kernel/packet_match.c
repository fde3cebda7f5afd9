/* SPDX-License-Identifier: MIT */
/* A rule for each pair of endpoints, O(links x addresses): the kernel looks at them for
 * first packets only, and for what belongs to no socket of ours.
 *
 * Where a node's network holds another node, that one's address is left out of it, as
 * the longest prefix decides. */
#include "proxy/kernel/packet_match.h"
#include "proxy/kernel/intercept_internal.h"
#include "proxy/kernel/intercept_nat.h"
#include "proxy/kernel/nft.h"
#include "rules/buffer.h"

#include <arpa/inet.h>
#include <string.h>

/* Who is at one end: the endpoint, or all of a node's, or (NULL) anybody. */
struct end {
    const struct endpoint_address *address;
    const struct intercept_door *door; /* instead: known by who it is */
};

static const char *ip_of(enum address_kind kind)
{
    return kind == ADDRESS_IPV6 ? "ip6" : "ip";
}

static void write_address(const struct address *address, struct buffer *out)
{
    bool six = address->kind == ADDRESS_IPV6;
    char text[INET6_ADDRSTRLEN];
    (void)inet_ntop(six ? AF_INET6 : AF_INET, address->bytes, text, sizeof text);
    buffer_print(out, "%s", text); /* it fits */
    if (address->prefix < (six ? 128 : 32))
        buffer_print(out, "/%u", address->prefix);
}

/* "ip saddr 10.77.9.0/24 ip saddr != { 10.77.9.5 } ": side is saddr or daddr. */
static void match_address(struct packet_writer *writer, const char *side,
                          const char *node, const struct address *address)
{
    struct buffer *out = writer->out;
    const struct endpoints *endpoints = writer->endpoints;
    buffer_print(out, "%s %s ", ip_of(address->kind), side);
    write_address(address, out);
    size_t n = 0;
    for (size_t i = 0; i < endpoints->n_addresses; i++) {
        const struct endpoint_address *inner = &endpoints->addresses[i];
        if (strcmp(inner->node, node) == 0 ||
            inner->address.prefix <= address->prefix ||
            !endpoints_contains(address, &inner->address))
            continue;
        if (n++ == 0)
            buffer_print(out, " %s %s != { ", ip_of(address->kind), side);
        else
            buffer_print(out, ", ");
        write_address(&inner->address, out);
    }
    buffer_print(out, n ? " } " : " ");
}

static void begin_rule(struct packet_writer *writer)
{
    buffer_print(writer->out, "add rule inet %s %s ", nft_table(writer->site->nft),
                 writer->chain);
}

static void end_rule(struct packet_writer *writer)
{
    buffer_print(writer->out, "%s\n", writer->verdict);
    writer->any = true;
}

/* One rule: between the opener's end and the server's, whose node has the server; NULL:
 * any server of the family. */
static void write_one(struct packet_writer *writer, const struct end *opener,
                      enum address_kind kind, const struct endpoint_server *server,
                      bool to_server)
{
    struct buffer *out = writer->out;
    uint16_t port = writer->rule->links[writer->link].port;
    begin_rule(writer);
    if (opener->door)
        nat_write_owner(opener->door, out);
    else if (opener->address)
        match_address(writer, to_server ? "saddr" : "daddr", opener->address->node,
                      &opener->address->address);
    const char *side = to_server ? "daddr" : "saddr";
    const char *at = to_server ? "dport" : "sport";
    if (server) {
        match_address(writer, side, server->node, &server->address);
        buffer_print(out, "tcp %s %u ", at, server->port);
    } else {
        buffer_print(out, "%s %s . tcp %s @servers%d ", ip_of(kind), side, at,
                     kind == ADDRESS_IPV6 ? 6 : 4);
        if (port)
            buffer_print(out, "tcp %s %u ", at, port);
    }
    end_rule(writer);
}

static void write_servers(struct packet_writer *writer, const struct end *opener,
                          enum address_kind kind, plan_node_id to, bool to_server)
{
    uint16_t port = writer->rule->links[writer->link].port;
    if (to == PLAN_ANY) {
        write_one(writer, opener, kind, NULL, to_server);
        return;
    }
    const char *node = writer->plan->nodes[to - 1].name;
    for (size_t i = 0; i < writer->endpoints->n_servers; i++) {
        const struct endpoint_server *each = &writer->endpoints->servers[i];
        if (each->address.kind == kind && strcmp(each->node, node) == 0 &&
            (port == 0 || each->port == port))
            write_one(writer, opener, kind, each, to_server);
    }
}

void packet_match_pair(struct packet_writer *writer, plan_node_id opener,
                       plan_node_id server, bool to_server)
{
    if (opener == PLAN_ANY) {
        const struct end anybody = {0};
        write_servers(writer, &anybody, ADDRESS_IPV4, server, to_server);
        write_servers(writer, &anybody, ADDRESS_IPV6, server, to_server);
        return;
    }
    const char *node = writer->plan->nodes[opener - 1].name;
    for (size_t i = 0; i < writer->endpoints->n_addresses; i++) {
        const struct endpoint_address *each = &writer->endpoints->addresses[i];
        const struct end end = {.address = each};
        if (!each->owned && strcmp(each->node, node) == 0)
            write_servers(writer, &end, each->address.kind, server, to_server);
    }
    const struct intercept_door *door = writer->site->doors;
    for (; door && writer->leaves && to_server; door = door->next) {
        const struct end end = {.door = door};
        if (door->opener && strcmp(door->opener, node) == 0)
            write_servers(writer, &end,
                          door->family == AF_INET6 ? ADDRESS_IPV6 : ADDRESS_IPV4,
                          server, to_server);
    }
}

static void write_both_addresses(struct packet_writer *writer,
                                 const struct endpoint_address *from,
                                 const struct endpoint_address *to)
{
    begin_rule(writer);
    match_address(writer, "saddr", from->node, &from->address);
    match_address(writer, "daddr", to->node, &to->address);
    end_rule(writer);
}

void packet_match_nodes(struct packet_writer *writer, plan_node_id from,
                        plan_node_id to)
{
    const char *from_name = writer->plan->nodes[from - 1].name;
    const char *to_name = writer->plan->nodes[to - 1].name;
    const struct endpoints *endpoints = writer->endpoints;
    for (size_t i = 0; i < endpoints->n_addresses; i++)
        for (size_t k = 0; k < endpoints->n_addresses; k++) {
            const struct endpoint_address *one = &endpoints->addresses[i];
            const struct endpoint_address *other = &endpoints->addresses[k];
            if (strcmp(one->node, from_name) == 0 &&
                strcmp(other->node, to_name) == 0 &&
                one->address.kind == other->address.kind && !one->owned &&
                !other->owned)
                write_both_addresses(writer, one, other);
        }
}
