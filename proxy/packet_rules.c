/* SPDX-License-Identifier: MIT */
/* Attempts are decided by their first packet, on its way to be intercepted: refused by
 * a reset, dropped, or lost by chance. An attempt needs both directions, so that a cut of
 * either drops it. The strongest answer of all rules comes first (rules/match.h).
 *
 * Connections that were there before the proxy pass it by, and are cut by address here:
 * what is not a first packet and belongs to no socket of ours. With `ports: all` it is
 * every packet between the nodes, but for ssh, by which somebody may have to come to
 * help, and ICMPv6, without which they would not find each other again.
 *
 * Where a node's network holds another node, that one's address is left out of it. What
 * is drawn for each connection, or depends on its age, is not done here: the proxy
 * answers those.
 *
 * Where: with tproxy as packets come in, with netns as they leave a node, with redirect
 * both. Nodes that are told by who connects are known by that as openers only. */
#include "proxy/packet_rules.h"
#include "proxy/intercept_internal.h"
#include "proxy/intercept_nat.h"
#include "proxy/nft.h"
#include "rules/buffer.h"
#include "rules/match.h"
#include "rules/match_packets.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

/* Behind conntrack (-200), so that it is known what was turned already, and before all
 * that intercepts (-150, -100). */
#define PRIORITY "-180"

/* What is being written: of one link of one rule. */
struct writing {
    const struct intercept_site *site;
    const struct plan *plan;
    const struct endpoints *endpoints;
    const struct plan_rule *rule;
    size_t link;
    const char *chain;
    bool leaves;         /* of packets that leave: who sends them is known */
    const char *verdict; /* "drop" */
    struct buffer *out;
    bool any; /* something was written */
};

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
static void match_address(struct writing *writing, const char *side, const char *node,
                          const struct address *address)
{
    struct buffer *out = writing->out;
    const struct endpoints *endpoints = writing->endpoints;
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

static void begin_rule(struct writing *writing)
{
    buffer_print(writing->out, "add rule inet %s %s ", nft_table(writing->site->nft),
                 writing->chain);
}

static void end_rule(struct writing *writing)
{
    buffer_print(writing->out, "%s\n", writing->verdict);
    writing->any = true;
}

/* One rule: between the opener's end and the server's, whose node has the server; NULL:
 * any server of the family. */
static void write_one(struct writing *writing, const struct end *opener,
                      enum address_kind kind, const struct endpoint_server *server,
                      bool to_server)
{
    struct buffer *out = writing->out;
    uint16_t port = writing->rule->links[writing->link].port;
    begin_rule(writing);
    if (opener->door)
        nat_write_owner(opener->door, out);
    else if (opener->address)
        match_address(writing, to_server ? "saddr" : "daddr", opener->address->node,
                      &opener->address->address);
    const char *side = to_server ? "daddr" : "saddr";
    const char *at = to_server ? "dport" : "sport";
    if (server) {
        match_address(writing, side, server->node, &server->address);
        buffer_print(out, "tcp %s %u ", at, server->port);
    } else {
        buffer_print(out, "%s %s . tcp %s @servers%d ", ip_of(kind), side, at,
                     kind == ADDRESS_IPV6 ? 6 : 4);
        if (port)
            buffer_print(out, "tcp %s %u ", at, port);
    }
    end_rule(writing);
}

static void write_servers(struct writing *writing, const struct end *opener,
                          enum address_kind kind, plan_node_id to, bool to_server)
{
    uint16_t port = writing->rule->links[writing->link].port;
    if (to == PLAN_ANY) {
        write_one(writing, opener, kind, NULL, to_server);
        return;
    }
    const char *node = writing->plan->nodes[to - 1].name;
    for (size_t i = 0; i < writing->endpoints->n_servers; i++) {
        const struct endpoint_server *each = &writing->endpoints->servers[i];
        if (each->address.kind == kind && strcmp(each->node, node) == 0 &&
            (port == 0 || each->port == port))
            write_one(writing, opener, kind, each, to_server);
    }
}

/* Packets between all that the opener may be and all that the server may be. */
static void write_pair(struct writing *writing, plan_node_id opener,
                       plan_node_id server, bool to_server)
{
    if (opener == PLAN_ANY) {
        const struct end anybody = {0};
        write_servers(writing, &anybody, ADDRESS_IPV4, server, to_server);
        write_servers(writing, &anybody, ADDRESS_IPV6, server, to_server);
        return;
    }
    const char *node = writing->plan->nodes[opener - 1].name;
    for (size_t i = 0; i < writing->endpoints->n_addresses; i++) {
        const struct endpoint_address *each = &writing->endpoints->addresses[i];
        const struct end end = {.address = each};
        if (!each->owned && strcmp(each->node, node) == 0)
            write_servers(writing, &end, each->address.kind, server, to_server);
    }
    const struct intercept_door *door = writing->site->doors;
    for (; door && writing->leaves && to_server; door = door->next) {
        const struct end end = {.door = door};
        if (door->opener && strcmp(door->opener, node) == 0)
            write_servers(writing, &end,
                          door->family == AF_INET6 ? ADDRESS_IPV6 : ADDRESS_IPV4,
                          server, to_server);
    }
}

static bool has_link(const struct plan_rule *rule, plan_node_id from, plan_node_id to)
{
    for (size_t i = 0; i < rule->n_links; i++)
        if (rule->links[i].from == from && rule->links[i].to == to)
            return true;
    return false;
}

enum { VERDICT_BYTES = 128 };

/* "counter name "d3-0" drop"; the counter is made. before: what else must be. */
static void set_verdict(struct writing *writing, bool refuses, const char *before,
                        char text[VERDICT_BYTES])
{
    char name[32];
    (void)snprintf(name, sizeof name, "%c%u-%zu", refuses ? 'r' : 'd',
                   writing->rule->slot, writing->link);
    buffer_print(writing->out, "add counter inet %s %s\n",
                 nft_table(writing->site->nft), name);
    (void)snprintf(text, VERDICT_BYTES, "%scounter name \"%s\" %s", before, name,
                   refuses ? "reject with tcp reset" : "drop");
    writing->verdict = text;
}

/* First packets of one rule, whose answer it is. */
static void write_attempts(struct writing *writing, enum admit_verb verb,
                           const char *before)
{
    const struct plan_rule *rule = writing->rule;
    for (writing->link = 0; writing->link < rule->n_links; writing->link++) {
        const struct plan_link *link = &rule->links[writing->link];
        char verdict[VERDICT_BYTES] = "return";
        writing->verdict = verdict;
        if (verb != ADMIT_RESET)
            set_verdict(writing, verb == ADMIT_REFUSE, before, verdict);
        write_pair(writing, link->from, link->to, true);
        if (rule->kind != RULE_INJECT && !has_link(rule, link->to, link->from))
            write_pair(writing, link->to, link->from, true);
    }
}

static void write_answers(struct writing *writing, uint64_t now_ns)
{
    static const enum admit_verb strongest_first[] = {ADMIT_REFUSE, ADMIT_RESET,
                                                      ADMIT_IGNORE};
    const struct plan *plan = writing->plan;
    for (size_t k = 0; k < sizeof strongest_first / sizeof *strongest_first; k++)
        for (size_t i = 0; i < plan->n_rules; i++) {
            writing->rule = &plan->rules[i];
            if (match_rule_admits_all(writing->rule, TO_SERVER, now_ns) ==
                strongest_first[k])
                write_attempts(writing, strongest_first[k], "");
        }
}

static void write_losses(struct writing *writing, uint64_t now_ns)
{
    for (size_t i = 0; i < writing->plan->n_rules; i++) {
        const struct plan_rule *rule = &writing->plan->rules[i];
        uint32_t loss_ppm = match_rule_loss(rule);
        if (loss_ppm == 0 || rule->probability_ppm < 1000000 ||
            rule->state == STATE_ESTABLISHED || !plan_rule_is_active(rule, now_ns))
            continue;
        char chance[64];
        (void)snprintf(chance, sizeof chance, "numgen random mod 1000000 <= %u ",
                       loss_ppm - 1);
        writing->rule = rule;
        write_attempts(writing, ADMIT_IGNORE, chance);
    }
}

static bool drops(const struct plan_rule *rule, uint64_t now_ns)
{
    return rule->kind != RULE_INJECT && rule->how == HOW_DROP &&
           plan_rule_is_active(rule, now_ns);
}

/* Of connections that pass by, either end may be the server. */
static void write_rest(struct writing *writing, uint64_t now_ns)
{
    for (size_t i = 0; i < writing->plan->n_rules; i++) {
        const struct plan_rule *rule = writing->rule = &writing->plan->rules[i];
        for (writing->link = 0; drops(rule, now_ns) && writing->link < rule->n_links;
             writing->link++) {
            const struct plan_link *link = &rule->links[writing->link];
            char verdict[VERDICT_BYTES];
            set_verdict(writing, false, "", verdict);
            write_pair(writing, link->from, link->to, true);
            write_pair(writing, link->to, link->from, false);
        }
    }
}

static void write_both_addresses(struct writing *writing,
                                 const struct endpoint_address *from,
                                 const struct endpoint_address *to)
{
    begin_rule(writing);
    match_address(writing, "saddr", from->node, &from->address);
    match_address(writing, "daddr", to->node, &to->address);
    end_rule(writing);
}

/* Every packet of the link, between two named nodes. */
static void write_all_of(struct writing *writing, const char *from, const char *to)
{
    const struct endpoints *endpoints = writing->endpoints;
    for (size_t i = 0; i < endpoints->n_addresses; i++)
        for (size_t k = 0; k < endpoints->n_addresses; k++) {
            const struct endpoint_address *one = &endpoints->addresses[i];
            const struct endpoint_address *other = &endpoints->addresses[k];
            if (strcmp(one->node, from) == 0 && strcmp(other->node, to) == 0 &&
                one->address.kind == other->address.kind && !one->owned &&
                !other->owned)
                write_both_addresses(writing, one, other);
        }
}

/* ssh and ICMPv6 go back to the chain that came here. (Not by two != in one rule, which
 * nft 1.0.6 takes for one comparison of both.) */
static void write_all_ports(struct writing *writing, uint64_t now_ns)
{
    const char *table = nft_table(writing->site->nft);
    buffer_print(writing->out,
                 "add rule inet %s packet-all tcp sport 22 return\n"
                 "add rule inet %s packet-all tcp dport 22 return\n"
                 "add rule inet %s packet-all meta l4proto ipv6-icmp return\n",
                 table, table, table);
    for (size_t i = 0; i < writing->plan->n_rules; i++) {
        const struct plan_rule *rule = writing->rule = &writing->plan->rules[i];
        bool cuts = rule->ports_all && drops(rule, now_ns);
        for (writing->link = 0; cuts && writing->link < rule->n_links;
             writing->link++) {
            const struct plan_link *link = &rule->links[writing->link];
            char verdict[VERDICT_BYTES];
            if (link->from == PLAN_ANY || link->to == PLAN_ANY)
                continue;
            set_verdict(writing, false, "", verdict);
            write_all_of(writing, writing->plan->nodes[link->from - 1].name,
                         writing->plan->nodes[link->to - 1].name);
        }
    }
}

/* What is ours is left alone: its sockets are told what they lose. */
static void write_own(struct writing *writing)
{
    uint32_t mask = INTERCEPT_MARK_MASK | INTERCEPT_MARK_OWN;
    uint32_t own = intercept_mark(writing->site->number, INTERCEPT_MARK_OWN);
    const char *table = nft_table(writing->site->nft);
    if (writing->site->mode == &intercept_tproxy)
        buffer_print(writing->out,
                     "add rule inet %s packet-rest socket transparent 1 return\n",
                     table);
    else
        buffer_print(writing->out,
                     "add rule inet %s packet-rest ct status & dnat == dnat return\n"
                     "add rule inet %s packet-rest socket mark & 0x%08x == 0x%08x "
                     "return\n",
                     table, table, mask, own);
}

static void write_base(struct writing *writing, const char *chain, const char *hook,
                       uint64_t now_ns)
{
    const char *table = nft_table(writing->site->nft);
    uint32_t mask = INTERCEPT_MARK_MASK | INTERCEPT_MARK_OWN;
    struct buffer *out = writing->out;
    buffer_print(out,
                 "add chain inet %s %s { type filter hook %s priority " PRIORITY "; }\n"
                 "flush chain inet %s %s\n"
                 "add rule inet %s %s meta mark & 0x%08x == 0x%08x return\n",
                 table, chain, hook, table, chain, table, chain, mask,
                 intercept_mark(writing->site->number, INTERCEPT_MARK_OWN));
    writing->chain = chain;
    writing->leaves = strcmp(hook, "output") == 0;
    if (!writing->leaves)
        buffer_print(out, "add rule inet %s %s iif lo return\n", table, chain);
    buffer_print(out,
                 "add rule inet %s %s jump packet-all\n"
                 "add rule inet %s %s meta l4proto != tcp return\n"
                 "add rule inet %s %s " INTERCEPT_NOT_SYN "goto packet-rest\n",
                 table, chain, table, chain, table, chain);
    write_answers(writing, now_ns);
    write_losses(writing, now_ns);
}

static void remove_chains(const struct writing *writing, bool enters, bool leaves)
{
    const char *const names[] = {enters ? "packet-in" : NULL,
                                 leaves ? "packet-out" : NULL, "packet-rest",
                                 "packet-all"};
    const char *table = nft_table(writing->site->nft);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i])
            buffer_print(writing->out,
                         "flush chain inet %s %s\ndelete chain inet %s %s\n", table,
                         names[i], table, names[i]);
}

bool packet_rules_write(const struct intercept_site *site, const struct plan *plan,
                        const struct endpoints *endpoints, uint64_t now_ns,
                        struct buffer *out)
{
    struct writing writing = {
        .site = site, .plan = plan, .endpoints = endpoints, .out = out};
    bool enters = site->mode != &intercept_netns;
    bool leaves = site->mode != &intercept_tproxy;
    const char *table = nft_table(site->nft);
    buffer_print(out,
                 "add chain inet %s packet-rest\nflush chain inet %s packet-rest\n"
                 "add chain inet %s packet-all\nflush chain inet %s packet-all\n",
                 table, table, table, table);
    if (enters)
        write_base(&writing, "packet-in", "prerouting", now_ns);
    if (leaves)
        write_base(&writing, "packet-out", "output", now_ns);
    writing.chain = "packet-rest";
    writing.leaves = false;
    write_own(&writing);
    write_rest(&writing, now_ns);
    writing.chain = "packet-all";
    write_all_ports(&writing, now_ns);
    if (!writing.any)
        remove_chains(&writing, enters, leaves);
    return writing.any;
}

bool packet_rules_read(const char *name, struct packet_counted *out)
{
    char kind;
    if (sscanf(name, "%c%u-%u", &kind, &out->slot, &out->link) != 3 ||
        (kind != 'r' && kind != 'd'))
        return false;
    out->refused = kind == 'r';
    return true;
}
