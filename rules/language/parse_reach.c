/* SPDX-License-Identifier: MIT */
/* Rules that are right, and yet can never be felt: a match that no path of the file
 * fits, a partition that separates nobody. These are warnings: a later overlay may be
 * what gives them sense. */
#include "rules/language/parser.h"

#include <string.h>

enum { COMPARED_MOST = 1000 * 1000 }; /* rules times paths; not worth more time */

static bool is_same(const struct word *word, const char *name)
{
    return name && strcmp(word->text, name) == 0;
}

/* Whether the words stand for the node; name NULL is an opener that is not known, which
 * may be any. Words that only the context knows may be anyone. */
static bool covers(const struct parser *parser, const struct words *words,
                   const char *name)
{
    if (words->n == 0 || !name)
        return true;
    for (size_t i = 0; i < words->n; i++) {
        const struct known *known = parser_find_name(parser, words->items[i].text);
        if (!known || known->kind == KNOWN_EXTRA || is_same(&words->items[i], name))
            return true;
        if (known->kind != KNOWN_GROUP)
            continue;
        for (size_t j = 0; j < known->group->members.n; j++)
            if (is_same(&known->group->members.items[j], name))
                return true;
    }
    return false;
}

static bool has_port(const struct ports *ports, uint16_t port)
{
    for (size_t i = 0; i < ports->n; i++)
        if (ports->items[i] == port)
            return true;
    return ports->n == 0;
}

/* Whether bytes of one of the path's two links match. */
static bool matches(const struct parser *parser, const struct rule *rule,
                    const struct rule_listen *path)
{
    if (!has_port(&rule->ports, path->to_port))
        return false;
    const char *opener = path->from.text, *server = path->to.text;
    bool to_server =
        covers(parser, &rule->from, opener) && covers(parser, &rule->to, server);
    bool to_client =
        covers(parser, &rule->from, server) && covers(parser, &rule->to, opener);
    return to_server || to_client;
}

static void check_rule(struct parser *parser, const struct rule *rule,
                       const struct rules *base)
{
    for (size_t i = 0; i < base->n_listens; i++)
        if (matches(parser, rule, &base->listens[i]))
            return;
    diag_warning(parser->diag, &rule->name.at,
                 "no path of \"listen\" is matched by the rule \"%s\"",
                 rule->name.text);
    diag_hint(parser->diag, "nothing will be felt of it");
}

/* Whether some two nodes stand in different parts, and in no part together. */
static bool separates(const struct parser *parser, const struct rule *rule,
                      const struct rules *base)
{
    for (size_t i = 0; i < base->n_listens; i++) {
        const char *opener = base->listens[i].from.text;
        const char *server = base->listens[i].to.text;
        bool apart = false, together = false;
        for (size_t j = 0; j < rule->n_parts; j++) {
            bool has_server = covers(parser, &rule->parts[j], server);
            bool has_opener = covers(parser, &rule->parts[j], opener);
            together = together || (opener && has_server && has_opener);
            for (size_t k = 0; k < rule->n_parts; k++)
                apart = apart || (k != j && has_server &&
                                  covers(parser, &rule->parts[k], opener));
        }
        if (apart && !together && has_port(&rule->ports, base->listens[i].to_port))
            return true;
    }
    return false;
}

/* A node that is left out keeps all its links: said where others of its group are in.
 */
static void check_left_out(struct parser *parser, const struct rule *rule,
                           const struct rule_group *group)
{
    const struct word *missing = NULL;
    size_t n_inside = 0;
    for (size_t i = 0; i < group->members.n; i++) {
        bool inside = false;
        for (size_t j = 0; j < rule->n_parts; j++)
            inside =
                inside || covers(parser, &rule->parts[j], group->members.items[i].text);
        n_inside += inside;
        if (!inside && !missing)
            missing = &group->members.items[i];
    }
    if (!missing || n_inside == 0)
        return;
    diag_warning(parser->diag, &rule->at,
                 "\"%s\" is in no part of \"%s\": it keeps all its links",
                 missing->text, rule->name.text);
    diag_hint(parser->diag, "others of the group \"%s\" are in one", group->name.text);
}

static void check_partition(struct parser *parser, const struct rule *rule,
                            const struct rules *base)
{
    if (!separates(parser, rule, base)) {
        diag_warning(parser->diag, &rule->name.at,
                     "no path of \"listen\" is cut by the partition \"%s\"",
                     rule->name.text);
        diag_hint(parser->diag, "nothing will be felt of it");
    }
    for (size_t i = 0; i < base->n_groups; i++)
        check_left_out(parser, rule, &base->groups[i]);
}

/* Whether connections to that port come to the proxy: by interception, or by a path. */
static bool is_intercepted(const struct rules *base, uint16_t port)
{
    for (size_t i = 0; i < base->n_listens; i++)
        if (base->listens[i].to_port == port)
            return true;
    for (size_t i = 0; i < base->n_nodes; i++)
        if (base->nodes[i].ports.n > 0 && has_port(&base->nodes[i].ports, port))
            return true;
    return base->ports.n > 0 && has_port(&base->ports, port);
}

/* In kernel modes there are no paths to compare with, but ports. */
static void check_ports(struct parser *parser, const struct rule *rule,
                        const struct rules *base)
{
    for (size_t i = 0; i < rule->ports.n; i++) {
        if (is_intercepted(base, rule->ports.items[i]))
            continue;
        diag_warning(parser->diag, &rule->name.at,
                     "port %u of the rule \"%s\" is not intercepted",
                     (unsigned)rule->ports.items[i], rule->name.text);
        diag_hint(parser->diag,
                  "nothing will be felt of it; add it to \"ports\" at the "
                  "top of the file");
    }
}

static void check_in_kernel(struct parser *parser, const struct rules *rules,
                            const struct rules *base)
{
    for (size_t i = 0; i < rules->n_rules; i++) {
        const struct rule *rule = &rules->rules[i];
        check_ports(parser, rule, base);
        for (size_t j = 0; rule->kind == RULE_PARTITION && j < base->n_groups; j++)
            check_left_out(parser, rule, &base->groups[j]);
    }
}

void parser_check_reach(struct parser *parser)
{
    const struct rules *rules = parser->rules;
    const struct rules *base = parser->context->base ? parser->context->base : rules;
    if (parser->intercept != INTERCEPT_LISTEN) {
        check_in_kernel(parser, rules, base);
        return;
    }
    if (base->n_listens == 0 || rules->n_rules > COMPARED_MOST / base->n_listens)
        return;
    for (size_t i = 0; i < rules->n_rules; i++) {
        const struct rule *rule = &rules->rules[i];
        if (rule->kind == RULE_INJECT)
            check_rule(parser, rule, base);
        else if (rule->kind == RULE_PARTITION)
            check_partition(parser, rule, base);
    }
}
