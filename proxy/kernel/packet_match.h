/* SPDX-License-Identifier: MIT */
/* How packets of a link are told in nftables: by the addresses and ports of its nodes,
 * or by who sends them. For packet_rules.c and qdisc_classes.c. */
#ifndef NETSPLIT_KERNEL_PACKET_MATCH_H
#define NETSPLIT_KERNEL_PACKET_MATCH_H

#include "proxy/kernel/packet_sets.h"
#include "rules/plan/plan.h"

struct endpoints;
struct intercept_site;

/* What is being written: rules of one chain, about one link of a rule of the plan. */
struct packet_writer {
    const struct intercept_site *site; /* all borrowed */
    const struct plan *plan;
    const struct endpoints *endpoints;
    const struct plan_rule *rule;
    size_t link; /* its place among the rule's */
    const char *chain;
    bool leaves;                 /* of packets that leave: who sends them is known */
    struct packet_told told;     /* scratch, owned */
    struct packet_groups groups; /* owned: what was matched and is not written yet */
    struct packet_sets *sets;    /* borrowed */
    struct buffer *out;
};

/* Gathers packets between all that the opener may be and all servers that the
 * other node may be, those that the link's port allows: towards the servers, or from
 * them. Nodes that are told by who connects are known only as openers of what leaves.
 */
void packet_match_pair(struct packet_writer *writer, plan_node_id opener,
                       plan_node_id server, bool to_server);

/* Gathers every packet from the one node to the other, neither of them any. */
void packet_match_nodes(struct packet_writer *writer, plan_node_id from,
                        plan_node_id to);

#endif
