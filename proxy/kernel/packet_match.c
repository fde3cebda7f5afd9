/* SPDX-License-Identifier: MIT */
/* An element for each pair of endpoints, O(links x addresses), in few sets: the kernel
 * looks there for first packets only, and for what belongs to no socket of ours.
 *
 * A network is a condition, so that there is a rule for each of a plan's networks.
 * Where it holds another node, that one's address is left out of it, as the longest
 * prefix decides. */
#include "proxy/kernel/packet_match.h"
#include "proxy/kernel/intercept_internal.h"
#include "proxy/kernel/intercept_nat.h"
#include "rules/buffer.h"

#include <arpa/inet.h>
#include <stdio.h>
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

static bool is_whole(const struct address *address)
{
    return address->prefix == (address->kind == ADDRESS_IPV6 ? 128 : 32);
}

static void write_address(const struct address *address, char text[INET6_ADDRSTRLEN])
{
    (void)inet_ntop(address->kind == ADDRESS_IPV6 ? AF_INET6 : AF_INET, address->bytes,
                    text, INET6_ADDRSTRLEN); /* it fits */
}

static void print_network(const struct address *address, struct buffer *out)
{
    char text[INET6_ADDRSTRLEN];
    write_address(address, text);
    buffer_print(out, "%s/%u", text, address->prefix);
}

/* "ip saddr 10.77.9.0/24 ip saddr != { 10.77.9.5/32 } ". */
static void tell_network(struct packet_writer *writer, const char *side,
                         const char *node, const struct address *address)
{
    struct buffer *out = &writer->told.conditions;
    const struct endpoints *endpoints = writer->endpoints;
    buffer_print(out, "%s %s ", ip_of(address->kind), side);
    print_network(address, out);
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
        print_network(&inner->address, out);
    }
    buffer_print(out, n ? " } " : " ");
}

/* side is saddr or daddr. */
static void tell_address(struct packet_writer *writer, const char *side,
                         const char *node, const struct address *address)
{
    if (!is_whole(address)) {
        tell_network(writer, side, node, address);
        return;
    }
    char key[16], text[INET6_ADDRSTRLEN];
    (void)snprintf(key, sizeof key, "%s %s", ip_of(address->kind), side);
    write_address(address, text);
    packet_told_add(&writer->told, key, "%s", text);
}

/* Who sends what leaves: users are values, cgroups are conditions. */
static void tell_owner(struct packet_writer *writer, const struct intercept_door *door)
{
    if (door->has_uid && !door->cgroup)
        packet_told_add(&writer->told, "meta skuid", "%u", door->uid);
    else
        nat_write_owner(door, &writer->told.conditions);
}

/* A set has a key: what has no other one has its family. */
static void gather(struct packet_writer *writer, enum address_kind kind)
{
    struct packet_told *told = &writer->told;
    if (told->key.length == 0)
        packet_told_add(told, "meta nfproto", "%s",
                        kind == ADDRESS_IPV6 ? "ipv6" : "ipv4");
    packet_groups_add(&writer->groups, told, writer->link);
    packet_told_clear(told);
}

/* Between the opener's end and the server's, whose node has the server; NULL: any
 * server of the family. */
static void match_one(struct packet_writer *writer, const struct end *opener,
                      enum address_kind kind, const struct endpoint_server *server,
                      bool to_server)
{
    uint16_t port = server ? server->port : writer->rule->links[writer->link].port;
    if (opener->door)
        tell_owner(writer, opener->door);
    else if (opener->address)
        tell_address(writer, to_server ? "saddr" : "daddr", opener->address->node,
                     &opener->address->address);
    const char *side = to_server ? "daddr" : "saddr";
    const char *at = to_server ? "tcp dport" : "tcp sport";
    if (server)
        tell_address(writer, side, server->node, &server->address);
    else
        buffer_print(&writer->told.conditions, "%s %s . %s @servers%d ", ip_of(kind),
                     side, at, kind == ADDRESS_IPV6 ? 6 : 4);
    if (port)
        packet_told_add(&writer->told, at, "%u", port);
    gather(writer, kind);
}

static void match_servers(struct packet_writer *writer, const struct end *opener,
                          enum address_kind kind, plan_node_id to, bool to_server)
{
    uint16_t port = writer->rule->links[writer->link].port;
    if (to == PLAN_ANY) {
        match_one(writer, opener, kind, NULL, to_server);
        return;
    }
    const char *node = writer->plan->nodes[to - 1].name;
    for (size_t i = 0; i < writer->endpoints->n_servers; i++) {
        const struct endpoint_server *each = &writer->endpoints->servers[i];
        if (each->address.kind == kind && strcmp(each->node, node) == 0 &&
            (port == 0 || each->port == port))
            match_one(writer, opener, kind, each, to_server);
    }
}

void packet_match_pair(struct packet_writer *writer, plan_node_id opener,
                       plan_node_id server, bool to_server)
{
    if (opener == PLAN_ANY) {
        const struct end anybody = {0};
        match_servers(writer, &anybody, ADDRESS_IPV4, server, to_server);
        match_servers(writer, &anybody, ADDRESS_IPV6, server, to_server);
        return;
    }
    const char *node = writer->plan->nodes[opener - 1].name;
    for (size_t i = 0; i < writer->endpoints->n_addresses; i++) {
        const struct endpoint_address *each = &writer->endpoints->addresses[i];
        const struct end end = {.address = each};
        if (!each->owned && strcmp(each->node, node) == 0)
            match_servers(writer, &end, each->address.kind, server, to_server);
    }
    const struct intercept_door *door = writer->site->doors;
    for (; door && writer->leaves && to_server; door = door->next) {
        const struct end end = {.door = door};
        if (door->opener && strcmp(door->opener, node) == 0)
            match_servers(writer, &end,
                          door->family == AF_INET6 ? ADDRESS_IPV6 : ADDRESS_IPV4,
                          server, to_server);
    }
}

static void match_both(struct packet_writer *writer,
                       const struct endpoint_address *from,
                       const struct endpoint_address *to)
{
    tell_address(writer, "saddr", from->node, &from->address);
    tell_address(writer, "daddr", to->node, &to->address);
    gather(writer, from->address.kind);
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
                match_both(writer, one, other);
        }
}
