/* SPDX-License-Identifier: MIT */
/* Which classes (tc.h) a plan wants in one namespace, and the rules of nftables that
 * give them their packets. For qdisc.c. */
#ifndef NETSPLIT_KERNEL_QDISC_CLASSES_H
#define NETSPLIT_KERNEL_QDISC_CLASSES_H

#include "proxy/kernel/tc.h"

#include <stddef.h>

struct buffer;
struct endpoints;
struct intercept_site;
struct plan;
struct plan_rule;

/* Of one link of a rule, on one device. The same link has the same minor on all. */
struct qdisc_class {
    uint32_t slot; /* of the rule */
    size_t link;   /* its place among the rule's links */
    int device;
    uint32_t minor;
    struct tc_shape shape;
    uint64_t seen_bytes, seen_dropped; /* what it said when it was read last */
    bool is_kept;                      /* scratch: it is in both of two lists */
};

/* Zeroes: none. */
struct qdisc_classes {
    struct qdisc_class *items; /* owned */
    size_t n;
    size_t capacity;
};

/* What the rule does to packets; false: nothing. */
bool qdisc_rule_shape(const struct plan_rule *rule, struct tc_shape *out);

/* What the plan wants at the site at that time (FAULT_NEVER: whenever), without minors;
 * devices are looked up by the socket, in the site's namespace. 0, or a negative errno
 * and out is empty. */
int qdisc_classes_want(struct nl_sock *socket, const struct intercept_site *site,
                       const struct plan *plan, const struct endpoints *endpoints,
                       uint64_t now_ns, struct qdisc_classes *out);

/* Those that are in the old list as well become its equals, and are marked in both; the
 * others get minors that are free. -ENOSPC: there are none left. */
int qdisc_classes_number(struct qdisc_classes *wanted, struct qdisc_classes *old);

bool qdisc_classes_have(const struct qdisc_classes *classes, int device);

/* Appends the chain that puts packets into them; without any, what takes it away.
 * -ENOMEM. */
int qdisc_classes_write(const struct qdisc_classes *classes,
                        const struct intercept_site *site, const struct plan *plan,
                        const struct endpoints *endpoints, struct buffer *out);

void qdisc_classes_close(struct qdisc_classes *classes);

#endif
