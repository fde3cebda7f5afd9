/* SPDX-License-Identifier: MIT */
/* Text to rules: syntax, names, types, ranges and what fits together, all errors at
 * once. What parses compiles: the plan adds no errors of its own but -ENOMEM, and what
 * the kernel cannot do here (-ENOTSUP). */
#ifndef NETSPLIT_RULES_LANGUAGE_PARSE_H
#define NETSPLIT_RULES_LANGUAGE_PARSE_H

#include "rules/language/rule.h"

struct yaml_node;

/* What a text may refer to without saying it. All zeroes: nothing. Borrowed until the
 * call returns. */
struct parse_context {
    const struct rules *base; /* whose nodes and groups are known; or NULL */
    const char *const *names; /* further known names: "primary", "clients.n1" */
    size_t n_names;
    bool names_are_open;         /* any name may be written: who resolves them
                                          later knows them all (`ctl add`) */
    const char *const *shape_of; /* for blocks: what a shape without `of` is drawn
                                          of; NULL: `of` is required */
    size_t n_shape_of;
    const char *rule_name;             /* for blocks: what an unnamed rule is called; a
                                          second one gets "-2"; NULL: each has a name */
    const struct allocator *allocator; /* NULL = malloc; for tests */
};

/* All four return 0 and *out, to be destroyed by the caller; or -EINVAL or -ENOTSUP
 * (see diag_status) with the reasons in diag, or -ENOMEM, and then leave *out alone.
 * Warnings may be there in any case. context may be NULL. */

/* A rule file: `netsplit: 1` and all the rest. name is used in diagnostics only. */
int parse_file(const char *name, const char *text, size_t length,
               const struct parse_context *context, struct diag *diag,
               struct rules **out);

/* An overlay: `netsplit: 1` and `rules:`. It sees the nodes of context->base. */
int parse_overlay(const char *name, const char *text, size_t length,
                  const struct parse_context *context, struct diag *diag,
                  struct rules **out);

/* One rule, or a list of them, out of a tree that was read already: a playbook's fault
 * block. Names and marks go on pointing into the tree and its source, which must
 * outlive the rules. */
int parse_block(const struct yaml_node *node, const struct parse_context *context,
                struct diag *diag, struct rules **out);

/* `ctl add`: words[0] is the rule's name, [1] FROM, [2] TO (each NAME[,NAME...]), and
 * the rest KEY=VALUE: the keys of inject, of when (after, for, every), port and
 * probability; a member of a map is "slice.size=100B". Diagnostics show the words as a
 * line of a source called "arguments". */
int parse_words(const char *const *words, size_t n, const struct parse_context *context,
                struct diag *diag, struct rules **out);

#endif
