/* SPDX-License-Identifier: MIT */
/* Rules of nftables about packets that are no business of a socket of ours: the first
 * packets of attempts, and those of connections that pass the proxy by. */
#ifndef NETSPLIT_KERNEL_PACKET_RULES_H
#define NETSPLIT_KERNEL_PACKET_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buffer;
struct endpoints;
struct intercept_site;
struct plan;

/* Whose packets a counter counts. */
struct packet_counted {
    uint32_t slot; /* of the rule */
    size_t link;   /* its place among the rule's links */
    bool refused;  /* they were answered by a reset; else they vanished */
    uint64_t seen; /* what it said when it was read last */
};

/* The counters that rules use: items[I] is "packetN", N being first + I. Zeroes: none. */
struct packet_counters {
    struct packet_counted *items; /* owned */
    size_t n;
    size_t capacity;
    size_t first;
};

/* Writes, to an empty buffer, chains that do to packets in the site's namespace what the
 * rules in force say, with the counters that they use, from counters->first on. 1: there is something to do; 0:
 * there is not, and what is written takes the chains away that are there; or -ENOMEM. */
int packet_rules_write(const struct intercept_site *site, const struct plan *plan,
                       const struct endpoints *endpoints, uint64_t now_ns,
                       struct buffer *out, struct packet_counters *counters);

/* The counter of that name; NULL: it is none of these. */
struct packet_counted *packet_counters_find(struct packet_counters *counters,
                                            const char *name);

/* Writes what deletes them, once no rule uses them. */
void packet_counters_delete(const struct packet_counters *counters, const char *table,
                            struct buffer *out);

void packet_counters_close(struct packet_counters *counters);

#endif
