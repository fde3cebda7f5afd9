/* SPDX-License-Identifier: MIT */
/* A plan: what a proxy runs on. Rule files compiled: names resolved to nodes, rules
 * indexed by link, times counted from when each rule became active. A plan never
 * changes and is shared by reference; a reload compiles the next one and swaps a
 * pointer. It copies all it needs: the rules it came from may go at once. */
#ifndef NETSPLIT_RULES_PLAN_PLAN_H
#define NETSPLIT_RULES_PLAN_PLAN_H

#include "rules/faults/fault.h"
#include "rules/language/rule.h"

/* One layer of rules. layers[0] is the base, whose nodes, groups, paths and seed hold;
 * the others are overlays, of which only the rules count. */
struct plan_layer {
    const char *name; /* "base", or the overlay's; unique */
    const struct rules *rules;
    bool rules_off; /* after `clear`: none of its rules applies */
    bool links_off; /* after `heal`: none of its link rules applies */
};

/* What the kernel can do for this proxy, here and now. A rule that needs what it cannot
 * is compiled to its fallback, or the plan is refused with the reason. */
struct plan_kernel {
    bool drop;         /* packets of live connections, for how: drop */
    bool packet_loss;  /* drop some of them at random */
    bool packet_rate;  /* a token bucket of packets (tbf) */
    bool packet_delay; /* netem */
    bool ports_all;    /* packets of no connection of the proxy's */
    const char *why;   /* why not: "needs CAP_NET_ADMIN"; NULL where all are true */
};

struct plan_input {
    const struct plan_layer *layers; /* all borrowed until the call returns */
    size_t n_layers;                 /* at least 1 */
    const struct plan *previous; /* what runs now; NULL at the start: a rule found there
                                    with the same layer, name and content goes on, all
                                    others become active at now_ns */
    uint64_t now_ns;
    uint64_t seed;
    struct plan_kernel kernel;
    const struct allocator *allocator; /* NULL = malloc; outlives the plan */
};

/* A node's number is its place in the plan's nodes, plus one; it is good for this plan
 * only. 0 stands for whoever has no name. */
typedef uint32_t plan_node_id;
#define PLAN_ANY 0

struct plan_node {
    const char *name;
    struct address address;
    struct ports ports;
    struct place place;
    struct owner owner;
};

/* A link that a rule is about. */
struct plan_link {
    plan_node_id from, to;
    uint16_t port; /* of the server at either end; 0: all that is intercepted */
};

/* Nodes that a link rule names together; a single PLAN_ANY is everyone. */
struct plan_part {
    const plan_node_id *nodes;
    size_t n;
};

struct plan_listener {
    const char *name;       /* unique: "wal", or FROM>TO */
    struct address address; /* to bind */
    uint16_t port;          /* 0: the kernel's choice */
    const char *from;       /* NULL: whoever the source address says */
    const char *to;
    uint16_t to_port;
    struct address to_address; /* of the node `to` */
};

struct plan_fault {
    const struct fault *fault;
    const void *params; /* fault->params_bytes */
};

struct plan_rule {
    const char *layer; /* with name: the rule's identity across plans */
    const char *name;
    uint32_t slot; /* the identity as a small number, see struct plan_identity */
    enum rule_kind kind;
    enum rule_how how;             /* of link rules; what is really done */
    bool ports_all;                /* every packet of its links, in the kernel */
    const char *fell_back;         /* why it does its fallback instead; else NULL */
    const struct plan_link *links; /* all of them, each once */
    size_t n_links;
    const struct plan_part *parts; /* of link rules, as of struct rule; of a shape those
                                      drawn: two nodes in no part together are cut */
    size_t n_parts;
    enum rule_state state;           /* of the connections */
    uint64_t hold_bytes;             /* 0: the default */
    uint32_t probability_ppm;        /* of connections */
    uint64_t since_ns;               /* when it entered the running plan */
    struct rule_when when;           /* counted from since_ns */
    const struct plan_fault *faults; /* in the order in which a chunk passes them */
    size_t n_faults;
    struct rng_key key; /* of seed, layer and name: what its draws begin with */
    uint64_t content;   /* hash of all that makes two rules the same but the name */
    uint32_t rank;      /* its place among the plan's rules: the order of application */
};

/* Every rule that a plan or the ones before it knew has a slot for good, also while it
 * does not apply and when it comes back: what counters are indexed by. */
struct plan_identity {
    const char *layer;
    const char *name;
};

struct plan_index;

struct plan {
    uint64_t seed;
    uint64_t serial; /* 1, 2, ... in the order of succession */
    enum rule_intercept intercept;
    struct ports ports; /* intercepted; n == 0: those of the nodes */
    const struct plan_node *nodes;
    size_t n_nodes;
    const struct plan_listener *listeners;
    size_t n_listeners;
    const struct plan_rule *rules; /* those that apply, layer by layer in file order */
    size_t n_rules;
    const struct plan_identity *identities; /* by slot */
    uint32_t n_identities;

    /* Private. */
    struct arena arena; /* owns all of the above */
    const struct plan_index *index;
    _Atomic uint32_t references;
};

/* Returns 0 and *out with one reference; -ENOMEM; or with reasons in diag -EINVAL, a
 * rule names a node that the base does not have (any more), or -ENOTSUP, a rule without
 * a fallback needs what the kernel cannot do here. */
int plan_compile(const struct plan_input *input, struct diag *diag, struct plan **out);

/* Both are cheap, take NULL, and may be called from any thread. The last put frees the
 * plan. */
struct plan *plan_get(struct plan *plan);
void plan_put(struct plan *plan);

/* The node of that name, or PLAN_ANY. */
plan_node_id plan_find_node(const struct plan *plan, const char *name);

/* The name of the node with the longest prefix over the address (ADDRESS_IPV4 or
 * _IPV6; an IPv4 address mapped into IPv6 counts as IPv4); NULL if no node has one.
 * Borrowed from the plan. */
const char *plan_node_of_address(const struct plan *plan, enum address_kind kind,
                                 const uint8_t *bytes);

/* The node that is the server at that address and port: of those with the longest
 * prefix over the address the one that names the port, else the first that names none;
 * NULL if there is none. With port 0 as plan_node_of_address. */
const struct plan_node *plan_server_of_address(const struct plan *plan,
                                               enum address_kind kind,
                                               const uint8_t *bytes, uint16_t port);

/* Whether connections to that port of the node are intercepted: it is among the node's
 * own ports, or it has none and the port is among the plan's. node NULL: an address
 * that is no node's. Never in mode listen. */
bool plan_intercepts(const struct plan *plan, const struct plan_node *node,
                     uint16_t port);

struct buffer;

/* Appends whom the link rule cuts, with what was drawn: "n1 / n2, n3", "n1 -> n2",
 * "n1 / all other nodes". Nothing for other rules. */
void plan_rule_describe(const struct plan *plan, const struct plan_rule *rule,
                        struct buffer *out);

/* Is the rule in force at that time? In [after + k * every, after + k * every + for)
 * from since_ns on. */
bool plan_rule_is_active(const struct plan_rule *rule, uint64_t now_ns);

/* When it is in force for the first time; FAULT_NEVER: beyond all time. */
uint64_t plan_rule_first_start(const struct plan_rule *rule);

/* When the window began that now_ns lies in; only for a rule in force. */
uint64_t plan_rule_active_since(const struct plan_rule *rule, uint64_t now_ns);

/* The next time after now_ns at which some rule's window opens or closes: the proxy
 * then calls chain_update for every stream. FAULT_NEVER: none does. */
uint64_t plan_next_edge(const struct plan *plan, uint64_t now_ns);
uint64_t plan_rule_next_edge(const struct plan_rule *rule, uint64_t now_ns);

#endif
