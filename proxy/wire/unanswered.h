/* SPDX-License-Identifier: MIT */
/* How many connection attempts a listener left without an answer, and by which rule:
 * counted by SYNs, of which one attempt sends several. */
#ifndef NETSPLIT_PROXY_WIRE_UNANSWERED_H
#define NETSPLIT_PROXY_WIRE_UNANSWERED_H

#include <stdbool.h>
#include <stdint.h>

struct counters_touch;
struct listener;
struct plan_rule;

/* To be embedded in the listener; zeroes: all are answered. */
struct unanswered {
    struct counters_touch *touch; /* the counters'; NULL: not counted */
    uint32_t seen;                /* the kernel's count, as of the last look */
};

/* The listener answers nobody from now on, by that rule of the running plan. */
void unanswered_begin(struct listener *listener, const struct plan_rule *rule);

/* Counts what came since the last look. True while it answers nobody. */
bool unanswered_sample(struct listener *listener);

/* It answers again, or for another rule: counts what is left. */
void unanswered_end(struct listener *listener);

#endif
