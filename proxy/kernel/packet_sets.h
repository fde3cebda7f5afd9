/* SPDX-License-Identifier: MIT */
/* Sets of nftables: the packets of all links of a rule of the plan are told by one rule
 * of nftables and a set, whose elements count. For packet_rules.c and packet_tables.c. */
#ifndef NETSPLIT_KERNEL_PACKET_SETS_H
#define NETSPLIT_KERNEL_PACKET_SETS_H

#include "rules/buffer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PACKET_KEY_BYTES = 64 };

/* How packets are told: conditions, and the value that a key of theirs has. The parts of
 * both are divided by dots. Zeroes: by nothing yet. */
struct packet_told {
    struct buffer conditions; /* "ip saddr 10.77.9.0/24 ", or nothing */
    struct buffer key;        /* "ip daddr . tcp dport" */
    struct buffer value;      /* "10.77.2.2 . 5432" */
};

/* Those of one set: they have their conditions and the key in common. */
struct packet_group {
    struct buffer conditions, key;
    struct buffer elements; /* their values, each with the place of its link */
};

/* Zeroes: none. */
struct packet_groups {
    struct packet_group *items; /* owned, with what is in them */
    size_t n, capacity;
    bool out_of_memory; /* something was left out */
};

/* What the elements of one link have counted. */
struct packet_counted {
    uint64_t packets; /* as the kernel said last */
    uint64_t seen;    /* what of that was taken */
};

/* A set that rules use. */
struct packet_set {
    uint32_t slot; /* of the rule of the plan */
    bool refused;  /* its packets were answered by a reset; else they vanished */
    struct packet_counted
        *links; /* owned: one for each of the rule's; NULL: whatever its
                                   packets count is not wanted */
    size_t n_links;
    char key[PACKET_KEY_BYTES];
    size_t elements_at, elements_length; /* where they are in the text */
};

/* All that a text makes: items[I] is "packetN", N being first + I. Zeroes: none. */
struct packet_sets {
    struct packet_set *items; /* owned, with what is in them */
    size_t n, capacity;
    size_t first;
};

/* One more part of the key, and of the value. */
void packet_told_add(struct packet_told *told, const char *key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void packet_told_clear(struct packet_told *told);
void packet_told_close(struct packet_told *told);

/* The packets of the link are those, too. */
void packet_groups_add(struct packet_groups *groups, const struct packet_told *told,
                       size_t link);
void packet_groups_close(struct packet_groups *groups);

/* Writes the set of the group, unless the text has the same one already, and returns its
 * number N; or -ENOMEM. wanted: whose it is; its links are made if it has n_links. */
int packet_sets_write(struct packet_sets *sets, const struct packet_group *group,
                      const struct packet_set *wanted, const char *table,
                      struct buffer *out);

/* The set of that name; NULL: it is none of these. */
struct packet_set *packet_sets_find(const struct packet_sets *sets, const char *name);

/* What the same text has had taken of it already. */
void packet_sets_continue(struct packet_sets *sets, const struct packet_sets *old);

/* Writes what deletes them, once no rule uses them. */
void packet_sets_delete(const struct packet_sets *sets, const char *table,
                        struct buffer *out);

void packet_sets_close(struct packet_sets *sets);

#endif
