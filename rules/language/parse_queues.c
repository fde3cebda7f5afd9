/* SPDX-License-Identifier: MIT */
/* Rules that want the same packets. A packet has one queue, and the first rule of the
 * plan that wants it has it. A narrow rule before a wide one is how exceptions are
 * written; but of a rule all of whose packets another one has, which stands before it and
 * is always active, nothing is ever felt, and that is a warning. */
#include "rules/language/parser.h"
#include "rules/faults/rows.h"

#include <string.h>

enum { COMPARED_MOST = 1000 }; /* rules with a queue; beyond it nobody reads warnings */

static bool has_queue(const struct rule *rule)
{
    for (size_t i = 0; rule->kind == RULE_INJECT && i < rule->n_faults; i++)
        if (rule->faults[i].fault == &fault_packet_rate ||
            rule->faults[i].fault == &fault_packet_delay)
            return true;
    return false;
}

static bool is_always_active(const struct rule *rule)
{
    return rule->when.after_ns == 0 && rule->when.for_ns == 0;
}

static bool has_word(const struct words *words, const char *text)
{
    for (size_t i = 0; i < words->n; i++)
        if (strcmp(words->items[i].text, text) == 0)
            return true;
    return false;
}

/* The node, by its own name or that of a group. */
static bool has_node(const struct parser *parser, const struct words *words,
                     const char *name)
{
    for (size_t i = 0; i < words->n; i++) {
        const struct known *known = parser_find_name(parser, words->items[i].text);
        if (known && known->kind == KNOWN_GROUP &&
            has_word(&known->group->members, name))
            return true;
    }
    return has_word(words, name);
}

/* Whether all nodes of the second are among the first; none is everybody. */
static bool holds(const struct parser *parser, const struct words *outer,
                  const struct words *inner)
{
    if (outer->n == 0)
        return true;
    for (size_t i = 0; i < inner->n; i++) {
        const char *name = inner->items[i].text;
        const struct known *known = parser_find_name(parser, name);
        const struct words *members =
            known && known->kind == KNOWN_GROUP ? &known->group->members : NULL;
        for (size_t k = 0; members && k < members->n; k++)
            if (!has_node(parser, outer, members->items[k].text))
                return false;
        if (!members && !has_node(parser, outer, name))
            return false;
    }
    return inner->n > 0;
}

static bool holds_ports(const struct ports *outer, const struct ports *inner)
{
    for (size_t i = 0; outer->n > 0 && i < inner->n; i++) {
        bool found = false;
        for (size_t k = 0; k < outer->n; k++)
            found = found || outer->items[k] == inner->items[i];
        if (!found)
            return false;
    }
    return outer->n == 0 || inner->n > 0;
}

/* Whether every link of the second is one of the first. */
static bool holds_links(const struct parser *parser, const struct rule *outer,
                        const struct rule *inner)
{
    bool along = holds(parser, &outer->from, &inner->from) &&
                 holds(parser, &outer->to, &inner->to);
    bool across = holds(parser, &outer->to, &inner->from) &&
                  holds(parser, &outer->from, &inner->to);
    bool all = outer->both_ways   ? along || across
               : inner->both_ways ? along && across
                                  : along;
    return all && holds_ports(&outer->ports, &inner->ports);
}

/* The first of the rules that has all packets of this one, or NULL. */
static const struct rule *find_taker(const struct parser *parser,
                                     const struct rule *rules, size_t n,
                                     const struct rule *rule)
{
    for (size_t i = 0; i < n; i++)
        if (has_queue(&rules[i]) && is_always_active(&rules[i]) &&
            holds_links(parser, &rules[i], rule))
            return &rules[i];
    return NULL;
}

void parser_check_queues(struct parser *parser)
{
    const struct rules *rules = parser->rules, *base = parser->context->base;
    size_t n_base = base ? base->n_rules : 0;
    if (parser->intercept == INTERCEPT_LISTEN || rules->n_rules > COMPARED_MOST ||
        n_base > COMPARED_MOST)
        return;
    for (size_t i = 0; i < rules->n_rules; i++) {
        const struct rule *rule = &rules->rules[i], *taker = NULL;
        if (!has_queue(rule))
            continue;
        taker = find_taker(parser, base ? base->rules : NULL, n_base, rule);
        if (!taker)
            taker = find_taker(parser, rules->rules, i, rule);
        if (!taker)
            continue;
        diag_warning(parser->diag, &rule->name.at,
                     "the rule \"%s\", which comes first, has all packets that \"%s\" "
                     "wants",
                     taker->name.text, rule->name.text);
        diag_hint(parser->diag,
                  "nothing will be felt of it: a packet has one queue; packet_rate and "
                  "packet_delay of a link go into one rule");
    }
}
