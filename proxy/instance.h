/* SPDX-License-Identifier: MIT */
/* What the parts of one proxy share. A proxy with several threads has one of these for
 * each (proxy/fleet.h): the front, which the user of proxy.h knows, and others that
 * look the same to the data path. Only the files that make up the data path include
 * this; everyone else sees proxy.h. */
#ifndef NETSPLIT_PROXY_INSTANCE_H
#define NETSPLIT_PROXY_INSTANCE_H

#include "proxy/record/counters.h"
#include "proxy/layers.h"
#include "proxy/proxy.h"
#include "proxy/wire/timers.h"
#include "proxy/wire/watch.h"
#include "rules/plan/match.h"

enum {
    /* One buffer a loop: what is read is written at once, and only what the receiver
     * does not take is copied. */
    PROXY_READ_BYTES = 256 << 10,
};

struct connection;
struct counters_rule;
struct interceptor;
struct listener;
struct pipes;
struct packet;

struct proxy_rule_note {
    struct counters_rule *counts; /* NULL = not looked up yet; else counters.h's */
    bool active;                  /* as the journal last said */
    bool seen;                    /* scratch: is in the plan that is being looked at */
};

struct proxy {
    struct proxy_config config; /* defaults filled in; what it borrows stays borrowed */
    struct timers *timers;      /* owned */
    struct watch_group *watches; /* owned: all sockets of the instance */
    struct proxy *front;         /* the shard with rules and budgets; itself if alone */
    struct fleet *fleet;         /* owned by the front; NULL = alone */
    struct shared *shared;       /* owned by the front: of the paths of all shards */
    struct paths *paths;         /* owned */
    struct plan *plan;           /* one reference; NULL before proxy_start */
    struct layers layers;        /* what the plan was compiled from */
    struct listener *listeners;  /* owned, in file order */
    struct listener *retired;    /* owned: closed, but connections still name them */
    struct interceptor *interceptor;    /* owned; NULL: there are listeners only */
    struct connection *oldest, *newest; /* owned, by age */
    struct proxy_rule_note *notes;      /* owned; by slot of a rule */
    size_t n_notes;
    struct packet *packet;   /* owned; NULL = no rule needed it yet */
    unsigned char *buffer;   /* owned: PROXY_READ_BYTES */
    struct pipes *pipes;     /* owned */
    struct timer edge;       /* a window of some rule opens or closes */
    struct timer lease;      /* an overlay ends */
    struct timer sample;     /* looks at what waits unread behind partitions */
    struct timer resume;     /* tries to accept again */
    struct timer drain;      /* patience with connections ends */
    uint64_t tables_read_ns; /* packet_tables.c's: when last; 0 = never */
    uint64_t tables_cost_ns; /* and how long that took */
    uint64_t started_ns;     /* 0 = not started */
    uint64_t generation;
    uint64_t seed;
    _Atomic uint64_t last_connection; /* the front's: a number, from 1 */
    uint32_t n_connections;
    bool paused; /* accepting waits for a budget */
    bool stopping;
    struct match unruled; /* the plan's answer for nobody: no rule */
    /* The front's. */
    _Atomic uint32_t own_mark; /* of connections that are not intercepted; 0: none */
    _Atomic bool over_budget;  /* of held bytes: said, and not yet below again */
    _Atomic uint64_t said_ns[BUDGET_KINDS]; /* journalled last; 0 = never */
};

/* How connections are matched again: the match of the path of one, under the plan that
 * runs, or of no rule at all. NULL when out of memory. */
const struct match *instance_match(struct proxy *proxy, struct path *path);

#endif
