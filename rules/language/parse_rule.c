/* SPDX-License-Identifier: MIT */
/* One rule: what it is called, what it matches, when, and what it does; the last in
 * parse_inject.c and parse_link.c.
 *
 * A key that is wrong is told and left out, and the rule is read on and stays in the
 * list: so all that is wrong with it is found at once, and nobody misses its name. That
 * the rules as a whole are no good then is what diag_status says. */
#include "rules/language/parser.h"

#include <stdio.h>
#include <string.h>

struct rule_draft {
    const char *name;
    const struct yaml_node *match, *inject, *when;
    const struct yaml_node *probability;
    struct link_draft link;
};

#define DRAFT(member) offsetof(struct rule_draft, member)

static const struct field rule_fields[] = {
    {.name = "name",
     .kind = FIELD_TEXT,
     .offset = DRAFT(name),
     .help = "what it is called; unique"},
    {.name = "match",
     .kind = FIELD_NODE,
     .offset = DRAFT(match),
     .help = "which bytes it acts on: from, to, between, port; everything otherwise"},
    {.name = "inject",
     .kind = FIELD_NODE,
     .offset = DRAFT(inject),
     .help = "the faults"},
    {.name = "partition",
     .kind = FIELD_NODE,
     .offset = DRAFT(link.partition),
     .help = "parts that do not reach each other: [[a], [b, c]]"},
    {.name = "isolate",
     .kind = FIELD_NODE,
     .offset = DRAFT(link.isolate),
     .help = "a node that is cut from all others"},
    {.name = "cut",
     .kind = FIELD_NODE,
     .offset = DRAFT(link.cut),
     .help = "one way: { from: a, to: b }"},
    {.name = "shape",
     .kind = FIELD_NODE,
     .offset = DRAFT(link.shape),
     .help = "a partition drawn from the seed: halves, majorities-ring, bridge, one or "
             "minority"},
    {.name = "of",
     .kind = FIELD_NODE,
     .offset = DRAFT(link.of),
     .help = "the nodes that a shape is drawn from: a group or a list"},
    {.name = "how",
     .kind = FIELD_NODE,
     .offset = DRAFT(link.how),
     .help = "how a link is cut: stall, reset, refuse or drop"},
    {.name = "fallback",
     .kind = FIELD_NODE,
     .offset = DRAFT(link.fallback),
     .help = "what is done where the kernel cannot: stall, reset or refuse instead of "
             "how: drop; model instead of packet_loss, packet_rate and packet_delay"},
    {.name = "ports",
     .kind = FIELD_NODE,
     .offset = DRAFT(link.ports),
     .help = "the servers' ports that are cut, or all (with how: drop), which is every "
             "packet; those that pass the proxy otherwise"},
    {.name = "when",
     .kind = FIELD_NODE,
     .offset = DRAFT(when),
     .help = "after, for, every: from the moment the rule became active"},
    {.name = "probability",
     .kind = FIELD_NODE,
     .offset = DRAFT(probability),
     .help = "the share of connections it acts on"},
    {0},
};

static const struct field_stranger rule_strangers[] = {
    {"toxicity", "probability", "as a percentage", false},
    {"chance", "probability", NULL, false},
    {"prob", "probability", NULL, false},
    {"id", "name", NULL, false},
    {"label", "name", NULL, false},
    {"faults", "inject", NULL, false},
    {"fault", "inject", NULL, false},
    {"toxics", "inject", NULL, false},
    {"toxic", "inject", NULL, false},
    {"attributes", "inject", NULL, false},
    {"action", "inject", NULL, false},
    {"effect", "inject", NULL, false},
    {"where", "match", NULL, false},
    {"link", "match", NULL, false},
    {"links", "match", NULL, false},
    {"filter", "match", NULL, false},
    {"schedule", "when", NULL, false},
    {"mode", "how", NULL, false},
    {"duration", NULL, "write when: { for: ... }", false},
    {"upstream", NULL, "write match: { from: CLIENT, to: SERVER }", false},
    {"downstream", NULL, "write match: { from: SERVER, to: CLIENT }", false},
    {"stream", NULL, "directions are said by match: { from: ..., to: ... }", false},
    {"direction", NULL, "directions are said by match: { from: ..., to: ... }", false},
    {"type", NULL, "the keys of \"inject\" name the faults", false},
    {"reorder", NULL, "not possible in a byte stream", false},
    {"latency", NULL, "write inject: { delay: ... }", false},
    {"bandwidth", NULL, "write inject: { rate: ... }", false},
    {"split", "partition", NULL, false},
    {"grudge", "partition", "or \"shape\"", false},
    {"nemesis", "shape", NULL, false},
    {"disconnect", "isolate", NULL, false},
    {"enabled", NULL, "leave the rule out, or use \"when\"", false},
    {"nodes", NULL, "it stands at the top of the file, not in a rule", false},
    {NULL, NULL, NULL, false},
};

static const char *belongs(const char *key)
{
    static const char *const rows[][2] = {
        {"from", "match"},  {"to", "match"},   {"between", "match"}, {"port", "match"},
        {"state", "match"}, {"after", "when"}, {"for", "when"},      {"every", "when"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(rows[i][0], key) == 0)
            return rows[i][1];
    return parser_is_inject_word(key) ? "inject" : NULL;
}

const struct yaml_table parser_rule_table = {.what = "a rule",
                                             .fields = rule_fields,
                                             .strangers = rule_strangers,
                                             .belongs = belongs};

struct match_draft {
    const struct yaml_node *from, *to, *between, *port;
    enum rule_state state;
};

static const char *const states[] = {[STATE_ANY] = "any",
                                     [STATE_NEW] = "new",
                                     [STATE_ESTABLISHED] = "established",
                                     NULL};

static const struct field match_fields[] = {
    {.name = "from",
     .kind = FIELD_NODE,
     .offset = offsetof(struct match_draft, from),
     .help = "whose bytes: a node, a group or a list; any otherwise"},
    {.name = "to",
     .kind = FIELD_NODE,
     .offset = offsetof(struct match_draft, to),
     .help = "to whom they travel"},
    {.name = "between",
     .kind = FIELD_LIST,
     .offset = offsetof(struct match_draft, between),
     .help = "[a, b]: both ways"},
    {.name = "port",
     .kind = FIELD_NODE,
     .offset = offsetof(struct match_draft, port),
     .help = "the server's port, or a list of them"},
    {.name = "state",
     .kind = FIELD_WORD,
     .offset = offsetof(struct match_draft, state),
     .words = states,
     .help = "connections opened since the rule became active, or those from before"},
    {0},
};

static const struct field_stranger match_strangers[] = {
    {"ports", "port", NULL, false},
    {"source", "from", NULL, false},
    {"src", "from", NULL, false},
    {"sender", "from", NULL, false},
    {"destination", "to", NULL, false},
    {"dest", "to", NULL, false},
    {"dst", "to", NULL, false},
    {"target", "to", NULL, false},
    {"receiver", "to", NULL, false},
    {"both", "between", NULL, false},
    {"nodes", "between", NULL, false},
    {"upstream", NULL, "from: CLIENT, to: SERVER", false},
    {"downstream", NULL, "from: SERVER, to: CLIENT", false},
    {"direction", NULL, "\"from\" and \"to\" say it", false},
    {"stream", NULL, "\"from\" and \"to\" say it", false},
    {"client", NULL, "name the node under \"from\" or \"to\"", false},
    {"server", NULL, "name the node under \"from\" or \"to\"", false},
    {"probability", NULL, "it stands beside \"match\", not in it", false},
    {NULL, NULL, NULL, false},
};

const struct yaml_table parser_match_table = {
    .what = "\"match\"", .fields = match_fields, .strangers = match_strangers};

static void read_between(struct parser *parser, const struct yaml_node *list,
                         struct rule *rule)
{
    rule->both_ways = true;
    if (list->cut)
        return;
    if (list->n != 2) {
        diag_error(parser->diag, &list->at, "\"between\" takes two, not %zu", list->n);
        diag_hint(parser->diag, "[a, b]; each may be a group or a list");
        return;
    }
    (void)parser_read_names(parser, "between", list->items[0], true, &rule->from);
    (void)parser_read_names(parser, "between", list->items[1], true, &rule->to);
}

static void read_match(struct parser *parser, const struct yaml_node *map,
                       struct rule *rule)
{
    struct match_draft draft = {.from = NULL};
    (void)yaml_read_map(map, &parser_match_table, &draft,
                        parser->diag); /* all is told */
    if (draft.between && (draft.from || draft.to))
        diag_error(parser->diag, &yaml_find_pair(map, "between")->key->at,
                   "\"between\" stands without \"from\" and \"to\"");
    else if (draft.between)
        read_between(parser, draft.between, rule);
    if (draft.from && !draft.between)
        (void)parser_read_names(parser, "from", draft.from, true, &rule->from);
    if (draft.to && !draft.between)
        (void)parser_read_names(parser, "to", draft.to, true, &rule->to);
    rule->state = draft.state;
    if (draft.port)
        (void)parser_read_ports(parser, "port", draft.port, &rule->ports);
}

static const struct field when_fields[] = {
    {.name = "after",
     .kind = FIELD_DURATION,
     .offset = offsetof(struct rule_when, after_ns),
     .help = "begins this long after the rule became active; at once otherwise"},
    {.name = "for",
     .kind = FIELD_DURATION,
     .offset = offsetof(struct rule_when, for_ns),
     .min = 1,
     .help = "lasts this long; until the rule is removed otherwise"},
    {.name = "every",
     .kind = FIELD_DURATION,
     .offset = offsetof(struct rule_when, every_ns),
     .min = 1,
     .help = "begins again this long after it began; once otherwise"},
    {0},
};

static const struct field_stranger when_strangers[] = {
    {"duration", "for", NULL, false},   {"lasts", "for", NULL, false},
    {"length", "for", NULL, false},     {"timeout", "for", NULL, false},
    {"until", "for", NULL, false},      {"end", "for", NULL, false},
    {"stop", "for", NULL, false},       {"start", "after", NULL, false},
    {"delay", "after", NULL, false},    {"at", "after", NULL, false},
    {"begin", "after", NULL, false},    {"wait", "after", NULL, false},
    {"interval", "every", NULL, false}, {"period", "every", NULL, false},
    {"repeat", "every", NULL, false},   {"cycle", "every", NULL, false},
    {NULL, NULL, NULL, false},
};

const struct yaml_table parser_when_table = {
    .what = "\"when\"", .fields = when_fields, .strangers = when_strangers};

static void check_when(struct parser *parser, const struct yaml_node *map,
                       const struct rule_when *when)
{
    const struct yaml_pair *every = yaml_find_pair(map, "every");
    const struct yaml_pair *lasts = yaml_find_pair(map, "for");
    if (every && !lasts && !map->cut) {
        diag_error(parser->diag, &every->key->at,
                   "\"every\" means nothing without \"for\"");
        diag_hint(parser->diag, "what never ends cannot begin again");
    } else if (!every || !lasts || when->every_ns == 0) {
        return;
    } else if (when->for_ns > when->every_ns) {
        diag_error(parser->diag, &lasts->value->at,
                   "\"for\" is longer than \"every\" (%s): it would never end",
                   every->value->text);
        diag_hint(parser->diag, "\"every\" counts from one beginning to the next");
    } else if (when->for_ns == when->every_ns) {
        diag_warning(parser->diag, &lasts->value->at,
                     "\"for\" is as long as \"every\": there is no pause between");
    }
}

static void read_when(struct parser *parser, const struct yaml_node *map,
                      struct rule *rule)
{
    struct rule_when when = {0, 0, 0};
    if (map->kind == YAML_MAP && map->n == 0 && !map->cut) {
        diag_error(parser->diag, &map->at, "\"when\" is empty");
        diag_hint(parser->diag, "after, for, every; leave it out for always");
    } else if (yaml_read_map(map, &parser_when_table, &when, parser->diag)) {
        check_when(parser, map, &when);
    }
    rule->when = when;
}

/* The keys that say what the rule does: one of them. */
static const char *const doing[] = {"inject", "partition", "isolate", "cut", "shape"};

static bool check_doing(struct parser *parser, const struct yaml_node *map)
{
    const struct yaml_pair *first = NULL;
    for (size_t i = 0; i < map->n; i++) {
        const struct yaml_pair *pair = &map->pairs[i];
        for (size_t j = 0; j < sizeof doing / sizeof *doing; j++) {
            if (strcmp(pair->key->text, doing[j]) != 0)
                continue;
            if (first) {
                diag_error(parser->diag, &pair->key->at,
                           "a rule does one thing: \"%s\" or \"%s\"", first->key->text,
                           doing[j]);
                diag_hint(parser->diag, "make it a rule of its own");
            }
            first = first ? first : pair;
        }
    }
    return first != NULL;
}

/* Whether a key that was not known stands for what the rule does. */
static bool has_unknown_key(const struct yaml_node *map)
{
    for (size_t i = 0; i < map->n; i++)
        if (!field_find(rule_fields, map->pairs[i].key->text))
            return true;
    return false;
}

static void refuse_keys(struct parser *parser, const struct yaml_node *map,
                        const char *const *keys, size_t n, const char *kind)
{
    for (size_t i = 0; i < n; i++) {
        const struct yaml_pair *pair = yaml_find_pair(map, keys[i]);
        if (!pair)
            continue;
        diag_error(parser->diag, &pair->key->at, "\"%s\" does not go with \"%s\"",
                   keys[i], kind);
        if (strcmp(keys[i], "ports") == 0)
            diag_hint(parser->diag, "write match: { port: ... }");
        else if (strcmp(keys[i], "match") == 0)
            diag_hint(parser->diag, "\"%s\" says itself which links it cuts", kind);
        else if (strcmp(keys[i], "probability") == 0)
            diag_hint(parser->diag, "a link is cut or it is not");
        else if (strcmp(keys[i], "of") == 0)
            diag_hint(parser->diag, "it says what a \"shape\" is drawn from");
    }
}

static void read_name(struct parser *parser, const struct yaml_node *map,
                      const char *name, size_t index, struct rule *rule)
{
    const char *standard = parser->context->rule_name;
    if (name) {
        rule->name = (struct word){name, yaml_find(map, "name")->at};
        if (!parser_check_new_name(parser, &rule->name, "rule"))
            rule->name.text = NULL;
    } else if (standard && !yaml_find(map, "name")) {
        rule->name.at = map->at;
        rule->name.text = index == 0 ? standard
                                     : arena_print(&parser->rules->arena, "%s-%zu",
                                                   standard, index + 1);
        if (!rule->name.text)
            parser->diag->out_of_memory = true;
    }
}

/* In a file rules have names; a block gives those without one its own. */
static void read_keys(struct parser *parser, const struct yaml_node *map,
                      struct rule_draft *draft)
{
    struct field fields[sizeof rule_fields / sizeof *rule_fields];
    struct yaml_table table = parser_rule_table;
    memcpy(fields, rule_fields, sizeof rule_fields);
    fields[0].required = !parser->context->rule_name;
    table.fields = fields;
    (void)yaml_read_map(map, &table, draft, parser->diag); /* all is told */
}

static void read_injecting(struct parser *parser, const struct yaml_node *map,
                           const struct rule_draft *draft, struct rule *rule)
{
    static const char *const others[] = {"how", "ports", "of"};
    static const struct field probability = {
        .name = "probability",
        .kind = FIELD_PERCENT,
        .offset = offsetof(struct rule, probability_ppm)};
    rule->kind = RULE_INJECT;
    refuse_keys(parser, map, others, 3, "inject");
    parser_read_inject(parser, draft->inject, rule);
    parser_check_packets(parser, map, draft->link.fallback, rule);
    if (!draft->probability)
        return;
    bool good =
        yaml_read_value(draft->probability, &probability, NULL, rule, parser->diag);
    if (good && rule->probability_ppm == 0)
        diag_warning(parser->diag, &draft->probability->at,
                     "with a probability of 0%% the rule never acts");
}

static void read_linking(struct parser *parser, const struct yaml_node *map,
                         const struct rule_draft *draft, struct rule *rule)
{
    static const char *const others[] = {"match", "probability", "of"};
    const char *kind = draft->link.partition ? "partition"
                       : draft->link.isolate ? "isolate"
                       : draft->link.cut     ? "cut"
                                             : "shape";
    refuse_keys(parser, map, others, draft->link.shape ? 2 : 3, kind);
    parser_read_link(parser, &draft->link, rule);
}

static void read_rule(struct parser *parser, const struct yaml_node *map, size_t index,
                      struct rule *rule)
{
    struct rule_draft draft = {.name = NULL};
    *rule = (struct rule){.at = map->at, .probability_ppm = 1000000};
    read_keys(parser, map, &draft);
    if (map->kind != YAML_MAP)
        return;
    read_name(parser, map, draft.name, index, rule);
    if (!check_doing(parser, map) && !map->cut && !has_unknown_key(map)) {
        diag_error(parser->diag, &map->at, "the rule does nothing");
        diag_hint(parser->diag, "add one of: inject, partition, isolate, cut, shape");
    }
    if (draft.match)
        read_match(parser, draft.match, rule);
    if (draft.when)
        read_when(parser, draft.when, rule);
    if (draft.inject)
        read_injecting(parser, map, &draft, rule);
    else if (draft.link.partition || draft.link.isolate || draft.link.cut ||
             draft.link.shape)
        read_linking(parser, map, &draft, rule);
}

static void check_names(struct parser *parser, const struct rule *rules, size_t n)
{
    struct keyed *items = parser_alloc(parser, n, sizeof *items);
    if (!items)
        return;
    for (size_t i = 0; i < n; i++)
        items[i] = (struct keyed){rules[i].name.text, &rules[i].name.at, "rules"};
    parser_find_twins(parser, items, n, parser_on_equal_names);
}

void parser_read_rules(struct parser *parser, const struct yaml_node *node)
{
    bool is_list = node->kind == YAML_LIST;
    size_t n = is_list ? node->n : 1;
    struct rule *rules = parser_alloc(parser, n, sizeof *rules);
    if (!rules)
        return;
    for (size_t i = 0; i < n; i++)
        read_rule(parser, is_list ? node->items[i] : node, i, &rules[i]);
    parser->rules->rules = rules;
    parser->rules->n_rules = n;
    check_names(parser, rules, n);
}
