/* SPDX-License-Identifier: MIT */
/* Attempts are decided by their first packet, on its way to be intercepted: refused by
 * a reset, dropped, or lost by chance. An attempt needs both directions, so that a cut
 * of either drops it. The strongest answer of all rules comes first (rules/plan/match.h).
 *
 * Connections that were there before the proxy pass it by, and are cut by address here:
 * what is not a first packet and belongs to no socket of ours. With `ports: all` it is
 * every packet between the nodes, but for ssh, by which somebody may have to come to
 * help, and ICMPv6, without which they would not find each other again.
 *
 * What is drawn for each connection, or depends on its age, is not done here: the proxy
 * answers those.
 *
 * Whatever a rule of the plan does is a rule of nftables in a chain and a set of its
 * packets, so that the number of links makes sets longer and nothing else.
 *
 * Where: with tproxy as packets come in, with netns as they leave a node, with redirect
 * both. Nodes that are told by who connects are known by that as openers only. */
#include "proxy/kernel/packet_rules.h"
#include "proxy/kernel/intercept_internal.h"
#include "proxy/kernel/nft.h"
#include "proxy/kernel/packet_match.h"
#include "rules/buffer.h"
#include "rules/plan/match.h"
#include "rules/plan/match_packets.h"

#include <errno.h>
#include <stdio.h>

/* Behind conntrack (-200), so that it is known what was turned already, and before all
 * that intercepts (-150, -100). */
#define PRIORITY "-180"

static bool has_link(const struct plan_rule *rule, plan_node_id from, plan_node_id to)
{
    for (size_t i = 0; i < rule->n_links; i++)
        if (rule->links[i].from == from && rule->links[i].to == to)
            return true;
    return false;
}

/* What becomes of packets. */
struct verdict {
    const char *chance; /* "" or a condition that is drawn for each packet */
    const char *words;
    bool refuses;
    bool counts;
};

/* One rule of nftables. A set counts when a packet is found in it: so the chance, which
 * not all have, comes before. */
static void write_group(struct packet_writer *writer, const struct packet_group *group,
                        const struct verdict *verdict)
{
    const char *table = nft_table(writer->site->nft);
    const struct packet_set wanted = {
        .slot = writer->rule->slot,
        .refused = verdict->refuses,
        .n_links = verdict->counts ? writer->rule->n_links : 0,
    };
    int number = packet_sets_add(writer->sets, &writer->site->packet_sets, group,
                                 &wanted, table);
    if (number < 0)
        writer->out->out_of_memory = true;
    else
        buffer_print(writer->out, "add rule inet %s %s %s%s%s @packet%d %s\n", table,
                     writer->chain, buffer_text(&group->conditions), verdict->chance,
                     buffer_text(&group->key), number, verdict->words);
}

/* All that was gathered, of the links of one rule. */
static void write_groups(struct packet_writer *writer, const struct verdict *verdict)
{
    writer->out->out_of_memory |= writer->groups.out_of_memory;
    for (size_t i = 0; i < writer->groups.n; i++)
        write_group(writer, &writer->groups.items[i], verdict);
    packet_groups_close(&writer->groups);
}

/* First packets of one rule, whose answer it is. */
static void write_attempts(struct packet_writer *writer, const struct verdict *verdict)
{
    const struct plan_rule *rule = writer->rule;
    for (writer->link = 0; writer->link < rule->n_links; writer->link++) {
        const struct plan_link *link = &rule->links[writer->link];
        packet_match_pair(writer, link->from, link->to, true);
        if (rule->kind != RULE_INJECT && !has_link(rule, link->to, link->from))
            packet_match_pair(writer, link->to, link->from, true);
    }
    write_groups(writer, verdict);
}

static void write_answers(struct packet_writer *writer, uint64_t now_ns)
{
    static const struct {
        enum admit_verb verb;
        struct verdict verdict;
    } strongest_first[] = {
        {ADMIT_REFUSE, {"", "reject with tcp reset", true, true}},
        {ADMIT_RESET, {"", "return", false, false}}, /* the proxy does that */
        {ADMIT_IGNORE, {"", "drop", false, true}},
    };
    const struct plan *plan = writer->plan;
    for (size_t k = 0; k < sizeof strongest_first / sizeof *strongest_first; k++)
        for (size_t i = 0; i < plan->n_rules; i++) {
            writer->rule = &plan->rules[i];
            if (match_rule_admits_all(writer->rule, TO_SERVER, now_ns) ==
                strongest_first[k].verb)
                write_attempts(writer, &strongest_first[k].verdict);
        }
}

static void write_losses(struct packet_writer *writer, uint64_t now_ns)
{
    for (size_t i = 0; i < writer->plan->n_rules; i++) {
        const struct plan_rule *rule = &writer->plan->rules[i];
        uint32_t loss_ppm = match_rule_loss(rule);
        if (loss_ppm == 0 || rule->probability_ppm < 1000000 ||
            rule->state == STATE_ESTABLISHED || !plan_rule_is_active(rule, now_ns))
            continue;
        char chance[64];
        (void)snprintf(chance, sizeof chance, "numgen random mod 1000000 <= %u ",
                       loss_ppm - 1);
        const struct verdict verdict = {chance, "drop", false, true};
        writer->rule = rule;
        write_attempts(writer, &verdict);
    }
}

static bool drops(const struct plan_rule *rule, uint64_t now_ns)
{
    return rule->kind != RULE_INJECT && rule->how == HOW_DROP &&
           plan_rule_is_active(rule, now_ns);
}

static const struct verdict dropped = {"", "drop", false, true};

/* Of connections that pass by, either end may be the server. */
static void write_rest(struct packet_writer *writer, uint64_t now_ns)
{
    for (size_t i = 0; i < writer->plan->n_rules; i++) {
        const struct plan_rule *rule = writer->rule = &writer->plan->rules[i];
        for (writer->link = 0; drops(rule, now_ns) && writer->link < rule->n_links;
             writer->link++) {
            const struct plan_link *link = &rule->links[writer->link];
            packet_match_pair(writer, link->from, link->to, true);
            packet_match_pair(writer, link->to, link->from, false);
        }
        write_groups(writer, &dropped);
    }
}

/* ssh and ICMPv6 go back to the chain that came here. (Not by two != in one rule, which
 * nft 1.0.6 takes for one comparison of both.) */
static void write_all_ports(struct packet_writer *writer, uint64_t now_ns)
{
    const char *table = nft_table(writer->site->nft);
    buffer_print(writer->out,
                 "add rule inet %s packet-all tcp sport 22 return\n"
                 "add rule inet %s packet-all tcp dport 22 return\n"
                 "add rule inet %s packet-all meta l4proto ipv6-icmp return\n",
                 table, table, table);
    for (size_t i = 0; i < writer->plan->n_rules; i++) {
        const struct plan_rule *rule = writer->rule = &writer->plan->rules[i];
        bool cuts = rule->ports_all && drops(rule, now_ns);
        for (writer->link = 0; cuts && writer->link < rule->n_links; writer->link++) {
            const struct plan_link *link = &rule->links[writer->link];
            if (link->from != PLAN_ANY && link->to != PLAN_ANY)
                packet_match_nodes(writer, link->from, link->to);
        }
        write_groups(writer, &dropped);
    }
}

/* What is ours is left alone: its sockets are told what they lose. */
static void write_own(struct packet_writer *writer)
{
    uint32_t mask = INTERCEPT_MARK_MASK | INTERCEPT_MARK_OWN;
    uint32_t own = intercept_mark(writer->site->number, INTERCEPT_MARK_OWN);
    const char *table = nft_table(writer->site->nft);
    if (writer->site->mode == &intercept_tproxy)
        buffer_print(writer->out,
                     "add rule inet %s packet-rest socket transparent 1 return\n",
                     table);
    else
        buffer_print(writer->out,
                     "add rule inet %s packet-rest ct status & dnat == dnat return\n"
                     "add rule inet %s packet-rest socket mark & 0x%08x == 0x%08x "
                     "return\n",
                     table, table, mask, own);
}

static void write_base(struct packet_writer *writer, const char *chain,
                       const char *base, bool leaves, uint64_t now_ns)
{
    const char *table = nft_table(writer->site->nft);
    uint32_t mask = INTERCEPT_MARK_MASK | INTERCEPT_MARK_OWN;
    struct buffer *out = writer->out;
    nft_write_chain(writer->site->nft, chain, base, out);
    buffer_print(out, "add rule inet %s %s meta mark & 0x%08x == 0x%08x return\n",
                 table, chain, mask,
                 intercept_mark(writer->site->number, INTERCEPT_MARK_OWN));
    writer->chain = chain;
    writer->leaves = leaves;
    if (!writer->leaves)
        buffer_print(out, "add rule inet %s %s iif lo return\n", table, chain);
    buffer_print(out,
                 "add rule inet %s %s jump packet-all\n"
                 "add rule inet %s %s meta l4proto != tcp return\n"
                 "add rule inet %s %s " INTERCEPT_NOT_SYN "goto packet-rest\n",
                 table, chain, table, chain, table, chain);
    write_answers(writer, now_ns);
    write_losses(writer, now_ns);
}

static void remove_chains(const struct packet_writer *writer, bool enters, bool leaves)
{
    const char *const names[] = {enters ? "packet-in" : NULL,
                                 leaves ? "packet-out" : NULL, "packet-rest",
                                 "packet-all"};
    const char *table = nft_table(writer->site->nft);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i])
            buffer_print(writer->out,
                         "flush chain inet %s %s\ndelete chain inet %s %s\n", table,
                         names[i], table, names[i]);
}

int packet_rules_write(const struct intercept_site *site, const struct plan *plan,
                       const struct endpoints *endpoints, uint64_t now_ns,
                       struct buffer *out, struct packet_sets *sets)
{
    struct packet_writer writer = {
        .site = site, .plan = plan, .endpoints = endpoints, .sets = sets, .out = out};
    bool enters = site->mode != &intercept_netns;
    bool leaves = site->mode != &intercept_tproxy;
    nft_write_chain(site->nft, "packet-rest", NULL, out);
    nft_write_chain(site->nft, "packet-all", NULL, out);
    if (enters)
        write_base(&writer, "packet-in",
                   "type filter hook prerouting priority " PRIORITY, false, now_ns);
    if (leaves)
        write_base(&writer, "packet-out", "type filter hook output priority " PRIORITY,
                   true, now_ns);
    writer.chain = "packet-rest";
    writer.leaves = false;
    write_own(&writer);
    write_rest(&writer, now_ns);
    writer.chain = "packet-all";
    write_all_ports(&writer, now_ns);
    packet_told_close(&writer.told);
    if (sets->n == 0) {
        buffer_cut(out, 0);
        remove_chains(&writer, enters, leaves);
    }
    return out->out_of_memory ? -ENOMEM : sets->n > 0;
}
