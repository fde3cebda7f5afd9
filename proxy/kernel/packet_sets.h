/* SPDX-License-Identifier: MIT */
/* Sets of nftables: the packets of all links of a rule of the plan are told by one rule
 * of nftables and a set, whose elements count. For packet_rules.c and packet_tables.c.
 */
#ifndef NETSPLIT_KERNEL_PACKET_SETS_H
#define NETSPLIT_KERNEL_PACKET_SETS_H

#include "rules/buffer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PACKET_KEY_BYTES = 64 };

/* How packets are told: conditions, and the value that a key of theirs has. The parts
 * of both are divided by dots. Zeroes: by nothing yet. */
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

/* A set that rules use: "packetN". */
struct packet_set {
    size_t number; /* N */
    uint32_t slot; /* of the rule of the plan */
    bool refused;  /* its packets were answered by a reset; else they vanished */
    struct packet_counted *links; /* owned: one for each of the rule's; NULL while it is
                                     another's, which is to be replaced */
    size_t n_links;               /* 0: whatever its packets count is not wanted */
    char key[PACKET_KEY_BYTES];
    char *elements; /* owned: as text */
};

/* All that the chains of one text use. Zeroes: none. */
struct packet_sets {
    struct packet_set *items; /* owned, with what is in them */
    size_t n, capacity;
    size_t next;        /* the number of the next one that is made */
    struct buffer made; /* owned: the text that makes those that were not there */
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

/* The group's set: one that there is already, of this text or of the one that it is to
 * replace (old), or a new one. Returns its number or -ENOMEM. wanted: whose it is. */
int packet_sets_add(struct packet_sets *sets, const struct packet_sets *old,
                    const struct packet_group *group, const struct packet_set *wanted,
                    const char *table);

/* The set of that number, or name; NULL: it is none of these. */
struct packet_set *packet_sets_find(const struct packet_sets *sets, size_t number);
struct packet_set *packet_sets_find_name(const struct packet_sets *sets,
                                         const char *name);

/* They have replaced the old ones: what those that stay have counted is theirs now. */
void packet_sets_take(struct packet_sets *sets, struct packet_sets *old);

/* Writes what deletes the old ones that do not stay, once no rule uses them. */
void packet_sets_delete(const struct packet_sets *sets, const struct packet_sets *old,
                        const char *table, struct buffer *out);

void packet_sets_close(struct packet_sets *sets);

#endif
