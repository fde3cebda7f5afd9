/* SPDX-License-Identifier: MIT */
/* Link rules: partition, isolate, cut, and how they cut; shape in parse_shape.c. Only
 * what was written is read here: which links that makes is found when a plan is
 * compiled, in links.c. */
#include "rules/language/parser.h"

#include <stdio.h>
#include <string.h>

/* "n1 / n2,n3", as on the command line. */
static void split_parts(struct parser *parser, const struct yaml_node *value,
                        struct words *parts, size_t n)
{
    const char *text = value->text;
    for (size_t i = 0; i < n; i++) {
        size_t length = strcspn(text, "/");
        (void)parser_split_names(parser, value, text, length, &parts[i]); /* told */
        text += length + 1;
    }
}

static void complain_partition(struct parser *parser, const struct yaml_node *value)
{
    char found[64];
    bool is_pair = value->kind == YAML_LIST && value->n == 1;
    diag_error(parser->diag, &value->at, "a partition has two parts or more, not %s",
               is_pair ? "one" : yaml_describe(value, found, sizeof found));
    diag_hint(parser->diag, "[[a], [b, c]]");
}

/* [a, b] is two parts to some and one part to others. */
static bool is_flat(const struct yaml_node *list)
{
    for (size_t i = 0; i < list->n; i++)
        if (list->items[i]->kind != YAML_SCALAR)
            return false;
    return true;
}

static void read_partition(struct parser *parser, const struct yaml_node *value,
                           struct rule *rule)
{
    size_t n = value->n;
    if (value->kind == YAML_SCALAR) {
        n = 1;
        for (const char *at = value->text; *at; at++)
            n += *at == '/';
    }
    if (value->cut)
        return;
    if (value->kind == YAML_MAP || n < 2) {
        complain_partition(parser, value);
        return;
    }
    if (value->kind == YAML_LIST && is_flat(value)) {
        diag_error(parser->diag, &value->at, "each part of a partition is a list");
        diag_hint(parser->diag, "[[a], [b, c]]");
        return;
    }
    struct words *parts = parser_make_parts(parser, n, rule);
    if (!parts)
        return;
    if (value->kind == YAML_SCALAR)
        split_parts(parser, value, parts, n);
    for (size_t i = 0; value->kind == YAML_LIST && i < n; i++)
        (void)parser_read_names(parser, "partition", value->items[i], false, &parts[i]);
}

static void read_isolate(struct parser *parser, const struct yaml_node *value,
                         struct rule *rule)
{
    struct words *parts = parser_make_parts(parser, 1, rule);
    if (!parts)
        return;
    (void)parser_read_names(parser, "isolate", value, false, parts); /* told */
}

struct cut_draft {
    const struct yaml_node *from, *to;
};

static const struct field cut_fields[] = {
    {.name = "from",
     .kind = FIELD_NODE,
     .offset = offsetof(struct cut_draft, from),
     .required = true,
     .help = "whose bytes are cut"},
    {.name = "to",
     .kind = FIELD_NODE,
     .offset = offsetof(struct cut_draft, to),
     .required = true,
     .help = "whom they do not reach"},
    {0},
};

static const struct field_stranger cut_strangers[] = {
    {"between", NULL, "a cut is one way; partition: [[a], [b]] is both", false},
    {"source", "from", NULL, false},
    {"target", "to", NULL, false},
    {"upstream", "from", NULL, false},
    {"downstream", "to", NULL, false},
    {"port", NULL, "write \"ports\" beside \"cut\"", false},
    {"ports", NULL, "it stands beside \"cut\", not in it", false},
    {"how", NULL, "it stands beside \"cut\", not in it", false},
    {NULL, NULL, NULL, false},
};

const struct yaml_table parser_cut_table = {
    .what = "\"cut\"", .fields = cut_fields, .strangers = cut_strangers};

static void read_cut(struct parser *parser, const struct yaml_node *value,
                     struct rule *rule)
{
    struct cut_draft draft = {NULL, NULL};
    struct words *parts = parser_make_parts(parser, 2, rule);
    if (!parts)
        return;
    (void)yaml_read_map(value, &parser_cut_table, &draft,
                        parser->diag); /* all is told */
    if (draft.from)
        (void)parser_read_names(parser, "from", draft.from, true, &parts[0]);
    if (draft.to)
        (void)parser_read_names(parser, "to", draft.to, true, &parts[1]);
}

static const char *const how_words[] = {[HOW_STALL] = "stall",
                                        [HOW_RESET] = "reset",
                                        [HOW_REFUSE] = "refuse",
                                        [HOW_DROP] = "drop",
                                        NULL};

/* The word's index, or -1. */
static int read_how(struct parser *parser, const struct yaml_node *value,
                    const char *key)
{
    static const struct field_stranger strangers[] = {
        {"pause", "stall", NULL, false},  {"block", "stall", NULL, false},
        {"hang", "stall", NULL, false},   {"blackhole", "stall", NULL, false},
        {"discard", "drop", NULL, false}, {"rst", "reset", NULL, false},
        {"loss", "drop", NULL, false},    {"drop_all", "drop", NULL, false},
        {"close", "reset", NULL, false},  {"reject", "refuse", NULL, false},
        {NULL, NULL, NULL, false},
    };
    unsigned word = 0;
    struct field field = {.name = key, .kind = FIELD_WORD, .words = how_words};
    for (const struct field_stranger *row = strangers; row->word; row++) {
        if (value->kind != YAML_SCALAR || strcmp(row->word, value->text) != 0)
            continue;
        diag_error(parser->diag, &value->at, "unknown %s \"%s\"", key, value->text);
        diag_hint(parser->diag, "here it is called \"%s\"", row->known);
        return -1;
    }
    if ((value->kind == YAML_SCALAR && value->cut) ||
        !yaml_read_value(value, &field, NULL, &word, parser->diag))
        return -1;
    return (int)word;
}

/* Only how: drop may need one. */
static void read_fallback(struct parser *parser, const struct yaml_node *value,
                          bool is_for_drop, struct rule *rule)
{
    int fallback = -1;
    if (value->kind == YAML_SCALAR && strcmp(value->text, "model") == 0) {
        diag_error(parser->diag, &value->at,
                   "\"fallback: model\" is for packet faults");
        diag_hint(parser->diag, "here it is one of: stall, reset, refuse");
    } else {
        fallback = read_how(parser, value, "fallback");
    }
    if (fallback == HOW_DROP) {
        diag_error(parser->diag, &value->at,
                   "\"drop\" is no fallback: stall, reset or refuse");
    } else if (fallback >= 0 && is_for_drop) {
        rule->has_fallback = true;
        rule->fallback = (enum rule_how)fallback;
    } else if (fallback >= 0 && !parser->mode_is_lost) {
        diag_warning(parser->diag, &value->at, "\"fallback\" is only for how: drop");
    }
}

static void choose_how(struct parser *parser, const struct link_draft *draft,
                       struct rule *rule)
{
    int how = draft->how ? read_how(parser, draft->how, "how") : -1;
    bool is_wrong = draft->how && how < 0;
    rule->how = parser->intercept == INTERCEPT_LISTEN ? HOW_STALL : HOW_DROP;
    rule->how_given = draft->how != NULL;
    rule->how_at = draft->how ? draft->how->at : rule->name.at;
    if (how >= 0)
        rule->how = (enum rule_how)how;
    if (draft->fallback)
        read_fallback(parser, draft->fallback, is_wrong || rule->how == HOW_DROP, rule);
}

static void read_link_ports(struct parser *parser, const struct yaml_node *value,
                            struct rule *rule)
{
    if (value->kind != YAML_SCALAR || strcmp(value->text, "all") != 0) {
        (void)parser_read_ports(parser, "ports", value, &rule->ports); /* told */
        return;
    }
    rule->ports_all = true;
    rule->ports_at = value->at;
    if (rule->how == HOW_DROP || (parser->mode_is_lost && !rule->how_given))
        return;
    diag_error(parser->diag, &value->at,
               "\"ports: all\" is every packet: it goes with how: drop only");
    diag_hint(parser->diag, "without \"ports\" all that passes the proxy is cut");
}

void parser_read_link(struct parser *parser, const struct link_draft *draft,
                      struct rule *rule)
{
    if (draft->partition) {
        rule->kind = RULE_PARTITION;
        read_partition(parser, draft->partition, rule);
    } else if (draft->isolate) {
        rule->kind = RULE_ISOLATE;
        read_isolate(parser, draft->isolate, rule);
    } else if (draft->cut) {
        rule->kind = RULE_CUT;
        read_cut(parser, draft->cut, rule);
    } else {
        rule->kind = RULE_SHAPE;
        parser_read_shape(parser, draft, rule);
    }
    choose_how(parser, draft, rule);
    if (draft->ports)
        read_link_ports(parser, draft->ports, rule);
}
