/* SPDX-License-Identifier: MIT */
/* Rules of nftables about packets that are no business of a socket of ours: the first
 * packets of attempts, and those of connections that pass the proxy by. */
#ifndef NETSPLIT_KERNEL_PACKET_RULES_H
#define NETSPLIT_KERNEL_PACKET_RULES_H

#include <stdint.h>

struct buffer;
struct endpoints;
struct intercept_site;
struct packet_sets;
struct plan;

/* Writes, to an empty buffer, chains that do to packets in the site's namespace what
 * the rules in force say. What sets they use comes to sets, empty but for next: those
 * that the site has already stay. 1: there is something to do; 0: there is not, and
 * what is written takes the chains away that are there; or -ENOMEM. */
int packet_rules_write(const struct intercept_site *site, const struct plan *plan,
                       const struct endpoints *endpoints, uint64_t now_ns,
                       struct buffer *out, struct packet_sets *sets);

#endif
