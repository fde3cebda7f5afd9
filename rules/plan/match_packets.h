/* SPDX-License-Identifier: MIT */
/* What the kernel is to do to the packets of a connection: for sockets of the proxy's
 * own, whose packets it can have dropped one by one. Whole links, of connections that
 * the proxy does not have, are in plan_rule.links. */
#ifndef NETSPLIT_RULES_PLAN_MATCH_PACKETS_H
#define NETSPLIT_RULES_PLAN_MATCH_PACKETS_H

#include "rules/plan/match.h"

/* The first rule in force by which the packets that carry the stream of that direction
 * vanish (how: drop); NULL: none. */
const struct plan_rule *match_drop(const struct match *match,
                                   const struct match_connection *connection,
                                   enum direction direction, uint64_t now_ns);

/* The share of these packets, in parts per million, that some rule of packet_loss in
 * force drops: each loses its own share, independently of the others. The rules that
 * have part in it come to rules[0..], at most *n of them (room), in their order; *n is
 * how many there are, though there be no room for all. */
uint32_t match_packet_loss(const struct match *match,
                           const struct match_connection *connection,
                           enum direction direction, uint64_t now_ns,
                           const struct plan_rule **rules, size_t *n);

/* The share that one rule's packet_loss drops; 0: it has none. */
uint32_t match_rule_loss(const struct plan_rule *rule);

#endif
