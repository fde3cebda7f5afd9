/* SPDX-License-Identifier: MIT */
/* Rules of nftables about packets that are no business of a socket of ours: the first
 * packets of attempts, and those of connections that pass the proxy by. */
#ifndef NETSPLIT_PROXY_PACKET_RULES_H
#define NETSPLIT_PROXY_PACKET_RULES_H

#include <stdbool.h>
#include <stdint.h>

struct buffer;
struct endpoints;
struct intercept_site;
struct plan;

/* Writes, to an empty buffer, chains that do to packets in the site's namespace what the
 * rules in force say, and the counters that they use. Returns whether there is anything
 * to do; else what is written takes the chains away that are there. */
bool packet_rules_write(const struct intercept_site *site, const struct plan *plan,
                        const struct endpoints *endpoints, uint64_t now_ns,
                        struct buffer *out);

/* Of a counter's name: whose packets it counts. False: it is none of ours. */
struct packet_counted {
    uint32_t slot; /* of the rule */
    uint32_t link; /* its place among the rule's links */
    bool refused;  /* they were answered by a reset; else they vanished */
};
bool packet_rules_read(const char *name, struct packet_counted *out);

#endif
