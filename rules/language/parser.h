/* SPDX-License-Identifier: MIT */
/* What the parse_*.c files share; the schema reads the tables. */
#ifndef NETSPLIT_RULES_LANGUAGE_PARSER_H
#define NETSPLIT_RULES_LANGUAGE_PARSER_H

#include "rules/language/parse.h"
#include "rules/language/yaml.h"

/* A name that rules may use. */
enum known_kind {
    KNOWN_NODE = 0,
    KNOWN_GROUP,
    KNOWN_EXTRA, /* of the context: resolved by whoever gave it */
};

struct known {
    const char *text;
    enum known_kind kind;
    const struct rule_node *node;   /* of KNOWN_NODE */
    const struct rule_group *group; /* of KNOWN_GROUP */
};

struct parser {
    const struct parse_context *context; /* never NULL */
    struct diag *diag;
    struct rules *rules; /* being filled; its arena holds everything */
    struct known *known; /* sorted by text */
    size_t n_known;
    bool known_is_whole;       /* no syntax error came before the last of the names */
    const char *const *shared; /* two nodes with one address; NULL = none */
    enum rule_intercept intercept; /* of the file, or of the base of an overlay */
    bool mode_is_lost; /* `intercept` is wrong, which is told: it may be any mode */
};

/* Zeroed memory of the rules' arena. NULL when there is none; the diag then knows. */
void *parser_alloc(struct parser *parser, size_t n, size_t bytes);

/* Gives the rule n parts, still empty, and returns them; NULL: no memory, told. */
struct words *parser_make_parts(struct parser *parser, size_t n, struct rule *rule);

/* Objects that must differ in their key, and where each stands. */
struct keyed {
    const char *key; /* NULL: is left out */
    const struct mark *at;
    const void *object; /* the caller's */
};

typedef void (*parser_twins_fn)(struct parser *parser, const struct keyed *first,
                                const struct keyed *again);

/* Calls on_twins for each object whose key an earlier one has. Sorts items. */
void parser_find_twins(struct parser *parser, struct keyed *items, size_t n,
                       parser_twins_fn on_twins);

/* on_twins for names: "there are two rules called "x"". object is the noun in plural.
 */
void parser_on_equal_names(struct parser *parser, const struct keyed *first,
                           const struct keyed *again);

/* parse_name.c */

/* A name that is being given: letters, digits, "-", "_", "."; not any. what: "node". */
bool parser_check_new_name(struct parser *parser, const struct word *name,
                           const char *what);

/* Collects what may be named: nodes and groups of the base and of parser->rules, and
 * the context's names. */
void parser_collect_names(struct parser *parser);

const struct known *parser_find_name(const struct parser *parser, const char *name);

/* Says that the name is unknown, with a suggestion, unless there is reason to think
 * that it may be known. Returns whether it is known. */
bool parser_check_name(struct parser *parser, const struct word *name);

/* A name, a list of them or (if any_is_allowed) `any`, which leaves out->n 0. key is
 * what they stand under. Complains and returns false if they are not that. */
bool parser_read_names(struct parser *parser, const char *key,
                       const struct yaml_node *value, bool any_is_allowed,
                       struct words *out);

/* The same for text such as "n1,n2", which stands in value. */
bool parser_split_names(struct parser *parser, const struct yaml_node *value,
                        const char *text, size_t length, struct words *out);

/* parse_node.c */

void parser_read_nodes(struct parser *parser, const struct yaml_node *map);
void parser_read_groups(struct parser *parser, const struct yaml_node *map);

/* Once the names are collected. */
void parser_check_groups(struct parser *parser);

/* A port, or a list of them. */
bool parser_read_ports(struct parser *parser, const char *key,
                       const struct yaml_node *value, struct ports *out);

/* parse_place.c */

/* The values of a node's keys that only some modes know; NULL: not written. */
struct place_draft {
    const struct yaml_node *netns, *pid, *container; /* netns */
    const struct yaml_node *uid, *cgroup;            /* redirect */
};

/* Into the node's place and owner. map: the node, for its keys' places. */
void parser_read_place(struct parser *parser, const struct yaml_node *map,
                       const struct place_draft *draft, struct rule_node *node);

/* parse_apart.c */

/* Says which nodes have the same address, place or owner and so much else in common
 * that a connection could not be told to be of one or the other. */
void parser_check_addresses(struct parser *parser);

/* Once the paths are read: says which nodes nothing is known of by which a kernel mode
 * could tell their connections. */
void parser_check_found(struct parser *parser);

/* parse_listen.c */
void parser_read_listens(struct parser *parser, const struct yaml_node *list);

/* parse_rule.c */

/* A list of rules, or (for blocks) one rule. */
void parser_read_rules(struct parser *parser, const struct yaml_node *node);

/* parse_inject.c */

void parser_read_inject(struct parser *parser, const struct yaml_node *map,
                        struct rule *rule);

/* Of a rule whose faults are read: `fallback`, and what does not go with packets. The
 * values of its keys, NULL where they were not written; map: the rule. */
void parser_check_packets(struct parser *parser, const struct yaml_node *map,
                          const struct yaml_node *fallback, struct rule *rule);

/* Whether it is a key of inject. */
bool parser_is_inject_word(const char *word);

/* parse_link.c */

/* The values of a link rule's keys; NULL where they were not written. */
struct link_draft {
    const struct yaml_node *partition, *isolate, *cut, *shape;
    const struct yaml_node *of; /* of shape */
    const struct yaml_node *how, *fallback, *ports;
};

void parser_read_link(struct parser *parser, const struct link_draft *draft,
                      struct rule *rule);

/* parse_shape.c */

/* `shape` and `of` into the rule's shape and parts[0]. */
void parser_read_shape(struct parser *parser, const struct link_draft *draft,
                       struct rule *rule);

/* The tables, for the schema. */
extern const struct yaml_table parser_file_table, parser_node_table,
    parser_listen_table, parser_rule_table, parser_match_table, parser_when_table,
    parser_cut_table,
    parser_inject_table; /* this one without fields: they are the catalogue's */

/* parse_words.c */

/* The tree of the one rule that the words say, in arena, with a source of its own; NULL
 * if they cannot be read, which is told. */
const struct yaml_node *parser_build_words(struct arena *arena,
                                           const char *const *words, size_t n,
                                           struct diag *diag);

/* parse_reach.c */

/* Warns of rules that no path of the file can ever feel. */
void parser_check_reach(struct parser *parser);

/* parse_queues.c */

/* Warns of rules whose packets another one takes. */
void parser_check_queues(struct parser *parser);

#endif
