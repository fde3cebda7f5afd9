/* SPDX-License-Identifier: MIT */
/* Names: giving them, collecting them, and looking them up.
 *
 * All that may be named is collected once, sorted, and then searched by halves. An
 * unknown name is told with the nearest known one; but not where a syntax error has cut
 * the text off before the last of them was given: it may have been among the rest. */
#include "rules/nearest.h"
#include "rules/language/parser.h"

#include <stdlib.h>
#include <string.h>

enum {
    NAME_MOST = 63,      /* characters: a name is also a host's label and an API path */
    SUGGESTED_MOST = 512 /* known names that are compared with an unknown one */
};

static const char name_characters[] = "abcdefghijklmnopqrstuvwxyz"
                                      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";

void *parser_alloc(struct parser *parser, size_t n, size_t bytes)
{
    void *memory = arena_alloc(&parser->rules->arena, n, bytes);
    if (!memory)
        parser->diag->out_of_memory = true;
    return memory;
}

struct words *parser_make_parts(struct parser *parser, size_t n, struct rule *rule)
{
    struct words *parts = parser_alloc(parser, n, sizeof *parts);
    if (parts) {
        rule->parts = parts;
        rule->n_parts = n;
    }
    return parts;
}

static int compare_keyed(const void *a, const void *b)
{
    const struct keyed *left = a, *right = b;
    int order = strcmp(left->key, right->key);
    if (order != 0 || left->at->line != right->at->line)
        return order != 0 ? order : left->at->line < right->at->line ? -1 : 1;
    return (left->at->column > right->at->column) -
           (left->at->column < right->at->column);
}

void parser_find_twins(struct parser *parser, struct keyed *items, size_t n,
                       parser_twins_fn on_twins)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (items[i].key)
            items[kept++] = items[i];
    if (kept < 2)
        return;
    qsort(items, kept, sizeof *items, compare_keyed);
    const struct keyed *first = &items[0];
    for (size_t i = 1; i < kept; i++) {
        if (strcmp(first->key, items[i].key) == 0)
            on_twins(parser, first, &items[i]);
        else
            first = &items[i];
    }
}

void parser_on_equal_names(struct parser *parser, const struct keyed *first,
                           const struct keyed *again)
{
    diag_error(parser->diag, again->at, "there are two %s called \"%s\"",
               (const char *)again->object, again->key);
    diag_hint(parser->diag, "the first is on line %u", first->at->line);
}

/* The name with a dash for each character that cannot be in one. */
static void suggest_name(struct parser *parser, const char *name)
{
    char better[NAME_MOST + 1] = "";
    size_t n = 0;
    for (; *name && n < NAME_MOST; name++) {
        if ((unsigned char)*name >= 0x80)
            return; /* what is left of another alphabet is no name */
        bool is_good = strchr(name_characters, *name) != NULL;
        if (is_good || (n > 0 && better[n - 1] != '-'))
            better[n++] = is_good ? *name : '-';
    }
    while (n > 0 && better[n - 1] == '-')
        n--;
    better[n] = '\0';
    if (n > 0 && better[0] != '-' && strcmp(better, "any") != 0)
        diag_hint(parser->diag, "did you mean \"%s\"?", better);
}

bool parser_check_new_name(struct parser *parser, const struct word *name,
                           const char *what)
{
    const char *text = name->text;
    size_t length = strlen(text);
    if (strcmp(text, "any") == 0) {
        diag_error(parser->diag, &name->at, "no %s can be called \"any\"", what);
        diag_hint(parser->diag, "\"any\" stands for whatever there is");
        return false;
    }
    if (length > NAME_MOST) {
        diag_error(parser->diag, &name->at, "a name has at most %d characters",
                   NAME_MOST);
        return false;
    }
    if (length == 0 || text[0] == '-' || text[strspn(text, name_characters)]) {
        diag_error(parser->diag, &name->at,
                   "\"%s\" cannot be a name: letters, digits, \"-\", \"_\" and \".\"",
                   text);
        suggest_name(parser, text);
        return false;
    }
    return true;
}

static int compare_known(const void *a, const void *b)
{
    const struct known *left = a, *right = b;
    int order = strcmp(left->text, right->text);
    return order != 0 ? order : (int)left->kind - (int)right->kind;
}

static size_t count_names(const struct rules *rules)
{
    return rules ? rules->n_nodes + rules->n_groups : 0;
}

static size_t add_names(struct known *known, size_t n, const struct rules *rules)
{
    for (size_t i = 0; rules && i < rules->n_nodes; i++)
        if (strcmp(rules->nodes[i].name.text, "any") != 0)
            known[n++] = (struct known){.text = rules->nodes[i].name.text,
                                        .kind = KNOWN_NODE,
                                        .node = &rules->nodes[i]};
    for (size_t i = 0; rules && i < rules->n_groups; i++)
        if (strcmp(rules->groups[i].name.text, "any") != 0)
            known[n++] = (struct known){.text = rules->groups[i].name.text,
                                        .kind = KNOWN_GROUP,
                                        .group = &rules->groups[i]};
    return n;
}

void parser_collect_names(struct parser *parser)
{
    const struct parse_context *context = parser->context;
    size_t most =
        count_names(context->base) + count_names(parser->rules) + context->n_names;
    struct known *known = parser_alloc(parser, most, sizeof *known);
    if (!known)
        return;
    size_t n = add_names(known, 0, context->base);
    n = add_names(known, n, parser->rules);
    for (size_t i = 0; i < context->n_names; i++)
        known[n++] = (struct known){.text = context->names[i], .kind = KNOWN_EXTRA};
    if (n > 0)
        qsort(known, n, sizeof *known, compare_known);
    parser->known = known;
    parser->n_known = n;
}

const struct known *parser_find_name(const struct parser *parser, const char *name)
{
    size_t first = 0, end = parser->n_known;
    while (first < end) { /* the first that is not before name */
        size_t middle = first + (end - first) / 2;
        if (strcmp(parser->known[middle].text, name) < 0)
            first = middle + 1;
        else
            end = middle;
    }
    bool found =
        first < parser->n_known && strcmp(parser->known[first].text, name) == 0;
    return found ? &parser->known[first] : NULL;
}

static void suggest_known(struct parser *parser, const char *name)
{
    const char *names[SUGGESTED_MOST] = {NULL};
    size_t n = 0;
    for (size_t i = 0; i < parser->n_known && n < SUGGESTED_MOST; i++)
        names[n++] = parser->known[i].text;
    diag_suggest(parser->diag, name, names, n);
    if (n == 0)
        diag_hint(parser->diag, "names are given under \"nodes\"");
}

bool parser_check_name(struct parser *parser, const struct word *name)
{
    if (parser_find_name(parser, name->text))
        return true;
    if (parser->context->names_are_open)
        return parser_check_new_name(parser, name, "node");
    if (!parser->known_is_whole)
        return false;
    diag_error(parser->diag, &name->at, "unknown node or group \"%s\"", name->text);
    if (strpbrk(name->text, ", "))
        diag_hint(parser->diag, "a list is written [a, b]");
    else
        suggest_known(parser, name->text);
    return false;
}

static bool complain_names(struct parser *parser, const char *key,
                           const struct yaml_node *value)
{
    char found[64];
    bool is_empty_list = value->kind == YAML_LIST && value->n == 0;
    diag_error(
        parser->diag, &value->at, "\"%s\" takes a name or a list of names, not %s", key,
        is_empty_list ? "an empty list" : yaml_describe(value, found, sizeof found));
    return false;
}

/* Names that are there twice are harmless, and still not what was meant. */
static void warn_of_twins(struct parser *parser, const struct keyed *first,
                          const struct keyed *again)
{
    (void)first; /* stands right beside it */
    diag_warning(parser->diag, again->at, "\"%s\" is named twice", again->key);
}

static void check_twins(struct parser *parser, const struct words *words)
{
    struct keyed *items = parser_alloc(parser, words->n, sizeof *items);
    for (size_t i = 0; items && i < words->n; i++)
        items[i] =
            (struct keyed){.key = words->items[i].text, .at = &words->items[i].at};
    if (items)
        parser_find_twins(parser, items, words->n, warn_of_twins);
}

static void complain_any(struct parser *parser, const char *key, const struct mark *at)
{
    diag_error(parser->diag, at, "\"%s\" does not take \"any\"", key);
    diag_hint(parser->diag, "name the nodes that are meant; in a proxy without a rule "
                            "file who connects is the node \"client\"");
}

static bool read_list(struct parser *parser, const char *key,
                      const struct yaml_node *list, bool any_is_allowed,
                      struct words *out)
{
    struct word *items = parser_alloc(parser, list->n, sizeof *items);
    if (!items)
        return false;
    size_t n = 0;
    bool good = true;
    for (size_t i = 0; i < list->n; i++) {
        const struct yaml_node *item = list->items[i];
        if (item->kind == YAML_SCALAR && item->cut)
            continue;
        if (item->kind != YAML_SCALAR || item->length == 0) {
            good = complain_names(parser, key, item);
            continue;
        }
        items[n] = (struct word){item->text, item->at};
        if (strcmp(item->text, "any") == 0) {
            if (any_is_allowed)
                diag_error(parser->diag, &item->at,
                           "\"any\" stands alone, not in a list");
            else
                complain_any(parser, key, &item->at);
            good = false;
            continue;
        }
        good = parser_check_name(parser, &items[n]) && good;
        n++;
    }
    *out = (struct words){items, n};
    check_twins(parser, out);
    return good;
}

bool parser_read_names(struct parser *parser, const char *key,
                       const struct yaml_node *value, bool any_is_allowed,
                       struct words *out)
{
    *out = (struct words){.n = 0};
    if (value->kind == YAML_LIST && value->n > 0)
        return read_list(parser, key, value, any_is_allowed, out);
    if (value->cut)
        return false;
    if (value->kind != YAML_SCALAR || value->length == 0)
        return complain_names(parser, key, value);
    if (strcmp(value->text, "any") == 0) {
        if (any_is_allowed)
            return true;
        complain_any(parser, key, &value->at);
        return false;
    }
    struct word *word = parser_alloc(parser, 1, sizeof *word);
    if (!word)
        return false;
    *word = (struct word){value->text, value->at};
    *out = (struct words){word, 1};
    return parser_check_name(parser, word);
}

/* The place of a part of a scalar: exact where the scalar is shown as it is. */
static struct mark part_mark(const struct yaml_node *value, const char *start,
                             size_t length)
{
    struct mark at = value->at;
    if (at.end_line != at.line || start < value->text)
        return at;
    uint32_t offset = (uint32_t)(start - value->text) + (value->quoted ? 1 : 0);
    at.column += offset;
    at.end_column = at.column + (uint32_t)length;
    return at;
}

/* One name of a text of several, without the blanks around it. */
static bool read_part(struct parser *parser, const struct yaml_node *value,
                      const char *start, const char *end, struct word *out)
{
    while (start < end && *start == ' ')
        start++;
    while (end > start && end[-1] == ' ')
        end--;
    size_t length = (size_t)(end - start);
    out->at = part_mark(value, start, length);
    if (length == 0) {
        diag_error(parser->diag, &out->at, "a name is missing here");
        return false;
    }
    out->text = arena_copy(&parser->rules->arena, start, length);
    if (!out->text) {
        parser->diag->out_of_memory = true;
        return false;
    }
    return parser_check_name(parser, out);
}

bool parser_split_names(struct parser *parser, const struct yaml_node *value,
                        const char *text, size_t length, struct words *out)
{
    const char *end = text + length;
    size_t most = 1;
    for (const char *at = text; at < end; at++)
        most += *at == ',';
    struct word *items = parser_alloc(parser, most, sizeof *items);
    if (!items)
        return false;
    bool good = true;
    for (size_t i = 0; i < most; i++) {
        const char *comma = memchr(text, ',', (size_t)(end - text));
        const char *part_end = comma ? comma : end;
        good = read_part(parser, value, text, part_end, &items[i]) && good;
        text = part_end + 1;
    }
    *out = (struct words){items, most};
    check_twins(parser, out);
    return good;
}
