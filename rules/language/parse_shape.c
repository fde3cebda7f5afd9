/* SPDX-License-Identifier: MIT */
/* Shapes: a partition that is drawn from the seed when the plan is compiled. Here it is
 * only read which one, and of whom. */
#include "rules/language/parser.h"

#include <string.h>

static const char *const shapes[] = {
    [SHAPE_HALVES] = "halves",     [SHAPE_MAJORITIES_RING] = "majorities-ring",
    [SHAPE_BRIDGE] = "bridge",     [SHAPE_ONE] = "one",
    [SHAPE_MINORITY] = "minority", NULL};

/* Jepsen's other names, and plain English. */
static const struct {
    const char *word;
    enum rule_shape shape;
} foreign[] = {
    {"half", SHAPE_HALVES},
    {"random-halves", SHAPE_HALVES},
    {"split", SHAPE_HALVES},
    {"ring", SHAPE_MAJORITIES_RING},
    {"majorities", SHAPE_MAJORITIES_RING},
    {"majority-ring", SHAPE_MAJORITIES_RING},
    {"majorities_ring", SHAPE_MAJORITIES_RING},
    {"bridged", SHAPE_BRIDGE},
    {"random-node", SHAPE_ONE},
    {"single", SHAPE_ONE},
    {"isolate", SHAPE_ONE},
    {"minority-third", SHAPE_MINORITY},
};

static bool complain_foreign(struct parser *parser, const struct yaml_node *value)
{
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        if (value->kind != YAML_SCALAR || strcmp(foreign[i].word, value->text) != 0)
            continue;
        diag_error(parser->diag, &value->at, "unknown shape \"%s\"", value->text);
        diag_hint(parser->diag, "here it is called \"%s\"", shapes[foreign[i].shape]);
        return true;
    }
    return false;
}

static void read_word(struct parser *parser, const struct yaml_node *value,
                      struct rule *rule)
{
    static const struct field field = {.name = "shape",
                                       .kind = FIELD_WORD,
                                       .words = shapes,
                                       .offset = offsetof(struct rule, shape)};
    if (!complain_foreign(parser, value))
        (void)yaml_read_value(value, &field, NULL, rule, parser->diag); /* told */
}

/* What the context says in the place of `of`. */
static void take_standard(struct parser *parser, const struct yaml_node *shape,
                          struct words *out)
{
    const struct parse_context *context = parser->context;
    struct word *items = parser_alloc(parser, context->n_shape_of, sizeof *items);
    if (!items)
        return;
    for (size_t i = 0; i < context->n_shape_of; i++)
        items[i] = (struct word){context->shape_of[i], shape->at};
    *out = (struct words){items, context->n_shape_of};
}

/* How many nodes the words stand for at most; false: they may be any number. */
static bool count_nodes(const struct parser *parser, const struct words *words,
                        size_t *n)
{
    *n = 0;
    for (size_t i = 0; i < words->n; i++) {
        const struct known *known = parser_find_name(parser, words->items[i].text);
        if (!known || known->kind == KNOWN_EXTRA)
            return false;
        *n += known->kind == KNOWN_GROUP ? known->group->members.n : 1;
    }
    return true;
}

static void check_count(struct parser *parser, const struct yaml_node *at,
                        enum rule_shape shape, size_t n)
{
    static const size_t fewest[] = {[SHAPE_HALVES] = 2,
                                    [SHAPE_MAJORITIES_RING] = 3,
                                    [SHAPE_BRIDGE] = 3,
                                    [SHAPE_ONE] = 2,
                                    [SHAPE_MINORITY] = 2};
    if (n < fewest[shape])
        diag_error(parser->diag, &at->at,
                   "the shape \"%s\" takes %zu nodes or more, not %zu", shapes[shape],
                   fewest[shape], n);
}

static void read_of(struct parser *parser, const struct yaml_node *of,
                    enum rule_shape shape, struct words *out)
{
    size_t n = 0;
    if (parser_read_names(parser, "of", of, false, out) && count_nodes(parser, out, &n))
        check_count(parser, of, shape, n);
}

void parser_read_shape(struct parser *parser, const struct link_draft *draft,
                       struct rule *rule)
{
    struct words *parts = parser_make_parts(parser, 1, rule);
    if (!parts)
        return;
    read_word(parser, draft->shape, rule);
    if (draft->of) {
        read_of(parser, draft->of, rule->shape, parts);
    } else if (parser->context->shape_of) {
        take_standard(parser, draft->shape, parts);
        check_count(parser, draft->shape, rule->shape, parser->context->n_shape_of);
    } else if (!parser->context->names_are_open) {
        diag_error(parser->diag, &draft->shape->at,
                   "\"shape\" lacks \"of\": the nodes that it is drawn from");
        diag_hint(parser->diag, "of: a group, or a list of nodes");
    }
}
