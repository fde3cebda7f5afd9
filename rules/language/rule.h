/* SPDX-License-Identifier: MIT */
/* A rule file as it was written: checked, in file order, with names still words. The
 * step from here to what a proxy runs on is rules/plan/plan.h. */
#ifndef NETSPLIT_RULES_LANGUAGE_RULE_H
#define NETSPLIT_RULES_LANGUAGE_RULE_H

#include "rules/language/address.h"
#include "rules/arena.h"
#include "rules/diag.h"

struct fault;

/* A word and where it stands. Borrowed from the struct rules it is in. */
struct word {
    const char *text; /* NULL: was not written */
    struct mark at;
};

struct words {
    const struct word *items;
    size_t n; /* 0: was not written, which in a match means any */
};

struct ports {
    const uint16_t *items; /* 1..65535 */
    size_t n;              /* 0: was not written */
};

/* How a proxy gets at the connections. */
enum rule_intercept {
    INTERCEPT_LISTEN = 0, /* those who connect are told the proxy's address */
    INTERCEPT_REDIRECT,   /* the kernel turns connections of and through this host */
    INTERCEPT_TPROXY,     /* a router takes those through it; both addresses stay */
    INTERCEPT_NETNS,      /* in the network namespace of each node */
};

/* The network namespace that a node lives in (intercept: netns). */
enum place_kind {
    PLACE_NONE = 0,
    PLACE_NETNS,     /* text: the path of a namespace */
    PLACE_PID,       /* that of a process */
    PLACE_CONTAINER, /* text: name or id, Docker's or Podman's */
};

struct place {
    enum place_kind kind;
    const char *text;
    uint32_t pid; /* 1.. */
};

/* Whose sockets are the node's, where nodes of one host share an address (intercept:
 * redirect). */
struct owner {
    const char *uid;    /* a number or a user's name; NULL: was not written */
    const char *cgroup; /* a path below the root of cgroup2; NULL: was not written */
};

/* In mode listen a node is what paths say of it. In the others connections are told by
 * their addresses, so that an address is numeric there; and what is intercepted of
 * those to the node are its own ports if it has some, else the file's. */
struct rule_node {
    struct word name;
    struct address address; /* ADDRESS_NONE: only a name, for who opens a path; or
                               learned from the place, or told by the owner */
    struct ports ports;     /* of the servers at the node */
    struct place place;
    struct owner owner;
    struct mark at; /* of its value */
};

struct rule_group {
    struct word name;
    struct words members; /* nodes; groups hold no groups */
};

/* One path: the proxy listens, and dials a node's port. */
struct rule_listen {
    struct word name;       /* unique; FROM>TO if it was not written */
    struct address address; /* IPv4 or IPv6, a single one, to bind */
    uint16_t port;          /* 0: the kernel's choice */
    struct word from;       /* a node; text NULL: any */
    struct word to;         /* a node with an address */
    uint16_t to_port;       /* of `to: NODE:PORT`, or the node's only port; 1..65535 */
    struct mark at;
};

enum rule_kind {
    RULE_INJECT = 0, /* match and faults */
    RULE_PARTITION,  /* parts[0..n_parts-1] */
    RULE_ISOLATE,    /* parts[0]: cut from every other named node */
    RULE_CUT,        /* parts[0] to parts[1], one way */
    RULE_SHAPE,      /* a partition of parts[0], of that shape, drawn from the seed */
};

/* Jepsen's words. */
enum rule_shape {
    SHAPE_HALVES = 0,      /* two parts, as equal as can be */
    SHAPE_MAJORITIES_RING, /* each node sees a majority, no two the same one */
    SHAPE_BRIDGE,          /* two halves, and one node that both see */
    SHAPE_ONE,             /* one node alone */
    SHAPE_MINORITY,        /* less than half of the nodes, at least one, alone */
};

/* Which connections a rule is about: those opened since it became active, the others,
 * or both. With windows it becomes active anew in each. */
enum rule_state {
    STATE_ANY = 0,
    STATE_NEW,
    STATE_ESTABLISHED,
};

/* How a link rule cuts. */
enum rule_how {
    HOW_STALL = 0, /* nothing is read or written; all is delivered on heal */
    HOW_RESET,     /* RST to both; new attempts are accepted, then RST */
    HOW_REFUSE,    /* RST to both; new attempts get ECONNREFUSED */
    HOW_DROP,      /* packets vanish, in the kernel */
};

/* One fault of an inject. A rule's are in the order of the catalogue, which is the
 * order in which a chunk passes them. */
struct rule_fault {
    const struct fault *fault; /* the catalogue's row */
    const void *params;        /* fault->params_bytes, as the row's fields stored them;
                                  padding is zero, so equal ones compare with memcmp */
    struct mark at;            /* of the key that switches it on */
};

/* Active in [after + k * every, after + k * every + for), counted from the moment the
 * rule entered the running plan. */
struct rule_when {
    uint64_t after_ns; /* 0: at once */
    uint64_t for_ns;   /* 0: until it is removed; else <= every_ns if that is not 0 */
    uint64_t every_ns; /* 0: once */
};

struct rule {
    struct word name; /* unique in its struct rules */
    enum rule_kind kind;
    struct mark at; /* its first key */

    /* Of RULE_INJECT. */
    struct words from, to; /* nodes, groups or any; n == 0: any */
    bool both_ways;        /* `between`: also from `to` to `from` */
    enum rule_state state;
    const struct rule_fault *faults;
    size_t n_faults;
    uint64_t hold_bytes;      /* a stream; 0: the proxy's default */
    uint32_t probability_ppm; /* of connections; 1000000 unless written */

    /* Of the link rules. */
    const struct words *parts;
    size_t n_parts;
    enum rule_shape shape; /* of RULE_SHAPE */
    enum rule_how how;
    bool how_given; /* `how` was written; else it is the default of the mode, and that
                       of the base a plan is compiled with is what counts */
    struct mark how_at; /* of the value of `how`; of the rule's name if not written */

    /* Of all. */
    struct ports ports;   /* of the server; n == 0: all that is intercepted */
    bool ports_all;       /* `ports: all`: every packet, in the kernel */
    struct mark ports_at; /* of the value of `ports`, if ports_all */
    bool has_fallback;    /* what is done where the kernel cannot do what it should: */
    enum rule_how fallback; /* of a link rule: instead of HOW_DROP */
    bool fallback_is_model; /* of an inject: delay, loss and rate of a stream instead
                                of packet_delay, packet_loss and packet_rate */
    struct rule_when when;
};

/* A whole file, an overlay, a block or a command line. Owns all of it, in one arena;
 * the text it was read from is copied in, but that of a block (see parse_block). */
struct rules {
    struct arena arena;
    const struct source *source; /* owned, a block's borrowed; marks point to it */
    bool has_seed;
    uint64_t seed;
    enum rule_intercept intercept;
    struct ports ports; /* intercepted, not in mode listen; n == 0: the nodes' own */
    const struct rule_node *nodes;
    size_t n_nodes;
    const struct rule_group *groups;
    size_t n_groups;
    const struct rule_listen *listens;
    size_t n_listens;
    const struct rule *rules;
    size_t n_rules;
};

struct field;

/* The key `hold` of `inject`, which is no fault: stored into a struct rule. */
extern const struct field rule_hold_field;

/* NULL is fine. */
void rules_destroy(struct rules *rules);

const struct rule_node *rules_find_node(const struct rules *rules, const char *name);
const struct rule_group *rules_find_group(const struct rules *rules, const char *name);

struct buffer;

/* What a name is called in the text that is written: for words such as `primary` that
 * stand for nodes. Returns how many names it stands for and points *out at them
 * (borrowed until the next call); 0: the name itself. */
typedef size_t (*rule_rename_fn)(void *context, const char *name,
                                 const char *const **out);

/* Appends the rules as an overlay (a rule file with `rules:` only) that parses back to
 * the same rules: how a drill or `ctl add` hands a rule to a proxy. rename may be NULL.
 */
void rules_write(const struct rules *rules, rule_rename_fn rename, void *context,
                 struct buffer *out);

const char *rule_kind_name(enum rule_kind kind);    /* "inject", "partition", ... */
const char *rule_state_name(enum rule_state state); /* "any", "new", ... */
const char *rule_how_name(enum rule_how how);       /* "stall", "reset", ... */
const char *rule_intercept_name(enum rule_intercept intercept); /* "listen", ... */
const char *rule_shape_name(enum rule_shape shape);             /* "halves", ... */

#endif
