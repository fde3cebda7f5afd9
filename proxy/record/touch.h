/* SPDX-License-Identifier: MIT */
/* What rules did and decided, from where it happens to the counters and the journal. */
#ifndef NETSPLIT_PROXY_RECORD_TOUCH_H
#define NETSPLIT_PROXY_RECORD_TOUCH_H

#include "proxy/record/counters.h"
#include "rules/chain/chain.h"

struct connection;
struct proxy;

/* What one rule did to one connection. */
struct connection_touch {
    struct counters_rule *rule;     /* the counters' */
    struct counters_touch *link[2]; /* likewise, by direction; NULL = not touched yet */
    uint64_t held_bytes;            /* both ways, now */
    bool counted;                   /* as one of the rule's connections */
};

/* The counts of a rule of the running plan; NULL when out of memory. */
struct counters_rule *touch_rule(struct proxy *proxy, const struct plan_rule *rule);

/* The counts of a rule of the running plan, by its slot, on one of its links, by its
 * place; NULL when there is none (any more), or out of memory. */
struct counters_touch *touch_link(struct proxy *proxy, uint32_t slot, size_t link);

/* A rule did this to a stream of the connection (chain_hooks.on_touch). */
void touch_stream(struct connection *connection, enum direction direction,
                  const struct plan_rule *rule, const struct chain_touch *touch);

/* So many packets of a stream of the connection vanished by the rule. */
void touch_packets(struct connection *connection, enum direction direction,
                   struct counters_rule *rule, uint64_t packets);

/* So many SYNs were left unanswered, for a rule on a link. */
void touch_unanswered(struct proxy *proxy, struct counters_touch *counts,
                      uint64_t packets);

/* So many attempts were refused by the kernel, for a rule on a link. */
void touch_refused(struct proxy *proxy, struct counters_touch *counts,
                   uint64_t attempts);

/* The kernel has let so many bytes pass at the pace of a rule, and dropped so many
 * packets that were too many for it. */
void touch_shaped(struct proxy *proxy, struct counters_touch *counts, uint64_t bytes,
                  uint64_t packets);

/* A rule answered the connection's attempt; for each attempt and answer once. */
void touch_attempt(struct connection *connection, const struct plan_rule *rule,
                   enum counters_attempt outcome);

/* The match is on the connection's streams now: what rules held that are not in force
 * any more went on. */
void touch_update(struct connection *connection, const struct match *match,
                  uint64_t now_ns);

/* The connection ends: what rules hold of it is held no longer. */
void touch_forget(struct connection *connection);

/* A decision for the journal (chain_hooks.on_decision). */
void touch_decision(struct connection *connection, enum direction direction,
                    const struct chain_decision *decision);

#endif
