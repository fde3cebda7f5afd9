/* SPDX-License-Identifier: MIT */
/* Which rules apply to a connection. A path (opener, server, port) is matched once a
 * plan; its connections share the result, so that neither the number of rules nor that
 * of connections costs anything here.
 *
 * A path has two links: from opener to server, which carries the stream to_server, and
 * back, which carries to_client. `port` is the server's for both. */
#ifndef NETSPLIT_RULES_PLAN_MATCH_H
#define NETSPLIT_RULES_PLAN_MATCH_H

#include "rules/plan/plan.h"

/* All paths a loop has seen; not shared between threads. */
struct paths;
struct shared;

/* The rules of one link in their order. */
struct match_list {
    const struct plan_rule *const *rules;
    size_t n;
};

/* What a plan says about a path, at any time: windows and chance are not looked at.
 * Good until the path is matched with another plan, or the plan goes. */
struct match {
    struct plan *plan;         /* borrowed */
    uint64_t serial;           /* of the plan */
    struct match_list link[2]; /* by enum direction */
    size_t looked_at;          /* rules that were considered to find these */
};

/* Interned: one object for (opener, server, port), as long as the paths live. */
struct path {
    struct paths *paths; /* borrowed: what it is in */
    const char *opener;  /* a node's name, or "any" */
    const char *server;
    uint16_t port;
    struct rng_key key; /* of opener and server */
    struct match match; /* of the plan it was last matched with: see path_match */
};

/* NULL: no memory. The allocator (NULL = malloc) and what the paths have in common with
 * those of other threads (rules/plan/shared.h; NULL = nothing) are borrowed until destroy.
 */
struct paths *paths_create(const struct allocator *allocator, struct shared *shared);

/* After the last chain was closed. NULL is fine. */
void paths_destroy(struct paths *paths);

/* The path; opener NULL is whoever has no name. Names are copied. NULL: no memory. */
struct path *paths_find(struct paths *paths, const char *opener, const char *server,
                        uint16_t port);

/* The rules of the path in the plan; cheap if it was matched with that plan before.
 * NULL: no memory, and then the path has no match. */
const struct match *path_match(struct path *path, struct plan *plan);

/* A connection, as far as rules are concerned; a value, made once when it arrives. */
struct match_connection {
    struct path *path;
    uint64_t ordinal;   /* of the connections between this opener and this server */
    uint64_t opened_ns; /* when it arrived */
};

/* The next connection of the path. Connections that are to be reproducible must be
 * made in the order in which they arrive. */
struct match_connection path_open(struct path *path, uint64_t now_ns);

/* The key of the rule's draws for the connection; probability is its draw 0. Streams
 * mix their direction in. */
struct rng_key match_key(const struct plan_rule *rule,
                         const struct match_connection *connection);

/* Is the rule in force for the connection: its window open, the connection of the state
 * that it is about, and its chance drawn? */
bool match_applies(const struct plan_rule *rule,
                   const struct match_connection *connection, uint64_t now_ns);

/* What becomes of an attempt: the strongest answer of the rules in force, and of
 * those that answer alike the one that holds longest, then the first. */
struct match_verdict {
    enum admit_verb verb;
    uint64_t until_ns; /* ADMIT_HOLD, ADMIT_IGNORE: ask again then; FAULT_NEVER: after a
                          change */
    const struct plan_rule *rule; /* whose answer it is; NULL: accepted */
};

/* Partitions need both links open; faults of the attempt match opener to server. Ask
 * at arrival, and for one that is held at until_ns and after each change of plan or
 * edge of a window. */
struct match_verdict match_admit(const struct match *match,
                                 const struct match_connection *connection,
                                 uint64_t now_ns);

/* Does a rule in force, on either link, make one side vanish? The first such rule, and
 * *gone: the stream whose receiver it is. NULL: none, and *gone is as it was. */
const struct plan_rule *match_half_open(const struct match *match,
                                        const struct match_connection *connection,
                                        uint64_t now_ns, enum direction *gone);

/* What becomes of every attempt on the path now, whatever is drawn: ADMIT_REFUSE or
 * ADMIT_IGNORE, and then a listener that serves only this path had better not answer,
 * and *rule is the first that says so; else ADMIT_ACCEPT, which says nothing. For one
 * without `from` ask with the path whose opener is NULL. */
enum admit_verb match_admits_all(const struct match *match, uint64_t now_ns,
                                 const struct plan_rule **rule);

/* The same of one rule, of attempts whose link of the direction (to server, or back) it
 * is about; any verb. */
enum admit_verb match_rule_admits_all(const struct plan_rule *rule,
                                      enum direction direction, uint64_t now_ns);

/* For chains: what the streams of the rule share on the link that carries the
 * direction; as long as the paths live. NULL: no memory. */
struct bucket *path_bucket(struct path *path, const struct plan_rule *rule,
                           enum direction direction);

#endif
