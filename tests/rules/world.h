/* SPDX-License-Identifier: MIT */
/* For tests of plan, match and chain: rules in a few words, plans that follow one
 * another, and a stream under virtual time. Whatever fails here fails the test. */
#ifndef NETSPLIT_TESTS_RULES_WORLD_H
#define NETSPLIT_TESTS_RULES_WORLD_H

#include "rules/chain/chain.h"

#define MS     UINT64_C(1000000)
#define SECOND UINT64_C(1000000000)

struct world_layer {
    char name[32];
    struct rules rules;
    bool rules_off, links_off;
};

/* layers[0] is the base. */
struct world {
    struct world_layer *layers; /* owned */
    size_t n_layers;
    struct plan *plan; /* a reference; NULL until world_compile */
    struct paths *paths;
    uint64_t seed;
    struct plan_kernel kernel;     /* nothing, unless a test says otherwise */
    enum rule_intercept intercept; /* of the base */
};

/* A world with the nodes that the words name, and no rules. */
void world_init(struct world *world, const char *nodes);
void world_close(struct world *world);

/* The layer of the name, made if need be. */
struct world_layer *world_layer(struct world *world, const char *name);

/* Adds a rule to the layer, or replaces the one of that name. from and to: names with
 * commas, "any", or NULL. what: "delay=40ms slice.size=10B after=10s port=5432
 * probability=50% both=true". */
void world_inject(struct world *world, const char *layer, const char *name,
                  const char *from, const char *to, const char *what);

/* parts: "a,b / c"; what: "after=1s port=5432 fallback=stall ports=all shape=one". */
void world_link_rule(struct world *world, const char *layer, const char *name,
                     enum rule_kind kind, const char *parts, enum rule_how how,
                     const char *what);
void world_remove(struct world *world, const char *layer, const char *name);

/* The next plan; the one before is put. Returns plan_compile's result. */
int world_try(struct world *world, struct diag *diag, uint64_t now_ns);
void world_compile(struct world *world, uint64_t now_ns);

/* All that a kernel can be able to do. */
extern const struct plan_kernel world_able_kernel;

const struct plan_rule *world_rule(const struct world *world, const char *name);

/* The names of the rules on a path, in order: "slow split|split" for the link to the
 * server and the one back. Written to text. */
const char *world_matches(struct world *world, const char *opener, const char *server,
                          uint16_t port, char *text, size_t text_bytes);

struct stream_log {
    uint64_t at_ns;
    enum chain_verb verb;
    uint64_t bytes;
};

struct stream_flip {
    uint64_t offset;
    uint8_t bits;
};

enum {
    STREAM_LOG = 4096,
    STREAM_RULES = 16,
};

/* A stream under virtual time: what the data path would do with it. */
struct stream {
    struct chain chain;
    struct chain_hooks hooks;
    struct path *path;
    uint64_t now_ns;
    uint64_t taken, sent, discarded;
    uint64_t late_ns; /* timers fire this much late */
    bool blocked;     /* the receiver's socket takes nothing */
    bool is_over;     /* fin or rst passed on, reset or closed */
    enum chain_verb over_by;
    struct stream_log log[STREAM_LOG]; /* a ring; n_log in all */
    size_t n_log;
    struct chain_touch touch[STREAM_RULES]; /* sums, by the rule's slot */
    size_t firsts[STREAM_RULES], ends[STREAM_RULES];
    struct chain_decision decisions[512];
    size_t n_decisions;
    struct stream_flip flips[512];
    size_t n_flips;
};

/* A new connection of the path a -> b at `now_ns`, and its stream of the direction. */
void stream_open(struct stream *stream, struct world *world, enum direction direction,
                 uint64_t now_ns);
void stream_open_on(struct stream *stream, struct world *world,
                    const struct match_connection *connection,
                    enum direction direction);
void stream_close(struct stream *stream);

/* Matches it with the world's plan. */
void stream_update(struct stream *stream, struct world *world);

/* Bytes, or a fin, arrive now; then all that can go out goes out. */
void stream_take(struct stream *stream, uint64_t n);
void stream_fin(struct stream *stream);

/* Lets time pass, stopping at each time that the chain asks for. */
void stream_run(struct stream *stream, uint64_t until_ns);

/* "10ms:100 12ms:fin" from log entry `first` on. */
const char *stream_story(const struct stream *stream, size_t first, char *text,
                         size_t text_bytes);

#endif
