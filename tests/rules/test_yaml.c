/* SPDX-License-Identifier: MIT */
/* Trees and their places, what is refused, and what is left of a text cut by an error.
 */
#include "support.h"

#include "rules/language/yaml.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

struct reading {
    struct arena arena;
    struct diag diag;
    struct source source;
    const struct yaml_node *root;
};

static void read_text(struct reading *reading, const char *text)
{
    memset(reading, 0, sizeof *reading);
    reading->source = (struct source){"t.yaml", text, strlen(text)};
    struct yaml_input input = {.source = &reading->source,
                               .text = text,
                               .length = strlen(text),
                               .first_line = 1};
    reading->root = yaml_read(&reading->arena, &input, &reading->diag);
}

static void end(struct reading *reading)
{
    arena_close(&reading->arena);
    diag_close(&reading->diag);
}

static void expect_mark(const struct yaml_node *node, uint32_t line, uint32_t column,
                        uint32_t end_column)
{
    cr_expect_eq(node->at.line, line, "line %u", node->at.line);
    cr_expect_eq(node->at.column, column, "column %u", node->at.column);
    cr_expect_eq(node->at.end_column, end_column, "end %u", node->at.end_column);
}

Test(yaml, every_node_knows_its_place)
{
    struct reading reading;
    read_text(&reading, "a: 1\nlong: { x: [1, zwei] }\nb:\n  - ü: \"q\"\n");
    const struct yaml_node *root = reading.root;
    cr_assert_eq(root->kind, YAML_MAP);
    cr_assert_eq(root->n, 3);
    expect_mark(root, 1, 1, 2);
    expect_mark(yaml_find(root, "a"), 1, 4, 5);
    const struct yaml_node *flow = yaml_find(root, "long");
    expect_mark(flow, 2, 7, 23);
    expect_mark(yaml_find(flow, "x"), 2, 12, 21);
    expect_mark(yaml_find(flow, "x")->items[1], 2, 16, 20);
    const struct yaml_node *item = yaml_find(root, "b")->items[0];
    expect_mark(item, 4, 5, 6);
    expect_mark(yaml_find(item, "ü"), 4, 8, 11);
    cr_expect(yaml_find(item, "ü")->quoted);
    end(&reading);
}

Test(yaml, a_block_of_a_document_has_the_places_of_the_document)
{
    struct reading reading;
    static const char document[] = "# A drill\n\n1. First\n\n   for: 5s\n   what: {\n";
    memset(&reading, 0, sizeof reading);
    reading.source = (struct source){"drill.md", document, strlen(document)};
    struct yaml_input input = {.source = &reading.source,
                               .text = "for: 5s\nwhat: {\n",
                               .length = 16,
                               .first_line = 5,
                               .indent = 3};
    reading.root = yaml_read(&reading.arena, &input, &reading.diag);
    expect_mark(yaml_find(reading.root, "for"), 5, 9, 11);
    cr_assert_eq(reading.diag.n, 1);
    cr_expect_eq(reading.diag.items[0]->line, 6);
    cr_expect_str_eq(reading.diag.items[0]->excerpt, "   what: {");
    cr_expect_eq(reading.diag.items[0]->column, 10, "%u",
                 reading.diag.items[0]->column);
    end(&reading);
}

Test(yaml, scalars_stay_text)
{
    struct reading reading;
    read_text(&reading, "no: off\n1:30: 1:30\nx: 0x10\ny: ~\nz:\nq: ''\n");
    cr_expect_str_eq(yaml_find(reading.root, "no")->text, "off");
    cr_expect_str_eq(yaml_find(reading.root, "1:30")->text, "1:30");
    cr_expect_str_eq(yaml_find(reading.root, "x")->text, "0x10");
    cr_expect_str_eq(yaml_find(reading.root, "y")->text, "~");
    cr_expect(yaml_is_empty(yaml_find(reading.root, "z")));
    cr_expect_not(yaml_is_empty(yaml_find(reading.root, "q")));
    cr_expect_eq(reading.diag.n, 0);
    end(&reading);
}

Test(yaml, an_empty_text_is_an_empty_map)
{
    struct reading reading;
    read_text(&reading, "# only a remark\n");
    cr_assert_not_null(reading.root);
    cr_expect_eq(reading.root->kind, YAML_MAP);
    cr_expect_eq(reading.root->n, 0);
    cr_expect_eq(reading.root->at.line, 1);
    cr_expect_eq(reading.diag.n, 0);
    end(&reading);
}

Test(yaml, a_syntax_error_leaves_the_tree_of_all_before_it)
{
    struct reading reading;
    read_text(&reading, "a: 1\nb: { c: 2, d: [3, 4\ne: 5\n");
    cr_expect_eq(reading.diag.n_errors, 1);
    cr_assert_not_null(reading.root);
    cr_expect(reading.root->cut);
    cr_expect_str_eq(yaml_find(reading.root, "a")->text, "1");
    const struct yaml_node *b = yaml_find(reading.root, "b");
    cr_expect(b->cut);
    cr_expect_str_eq(yaml_find(b, "c")->text, "2");
    cr_expect_eq(yaml_find(b, "d")->n, 2);
    end(&reading);
}

Test(yaml, of_equal_keys_the_first_stays)
{
    struct reading reading;
    read_text(&reading, "b: 1\na: 1\nb: 2\nc: 3\nb: 4\n");
    cr_expect_eq(reading.diag.n_errors, 2);
    cr_expect_eq(reading.root->n, 3);
    cr_expect_str_eq(reading.root->pairs[0].value->text, "1");
    cr_expect_str_eq(reading.root->pairs[2].key->text, "c");
    end(&reading);
}

Test(yaml, depth_and_number_are_limited)
{
    char deep[200];
    struct reading reading;
    memset(deep, '[', sizeof deep);
    deep[sizeof deep - 1] = '\0';
    read_text(&reading, deep);
    cr_assert_geq(reading.diag.n, 1);
    cr_expect_str_eq(reading.diag.items[0]->text, "more than 32 levels deep");
    end(&reading);
}

Test(yaml, a_byte_order_mark_is_no_character)
{
    struct reading reading;
    read_text(&reading, "\xEF\xBB\xBF"
                        "a: 1\n");
    expect_mark(yaml_find(reading.root, "a"), 1, 4, 5);
    end(&reading);
}

Test(yaml, bad_bytes_cut_the_text_before_their_line)
{
    struct reading reading;
    read_text(&reading, "a: 1\nb: 2\nc: \xFF\nd: 4\n");
    cr_assert_eq(reading.diag.n, 1);
    cr_expect_eq(reading.diag.items[0]->line, 3);
    cr_expect_eq(reading.diag.items[0]->column, 4);
    cr_expect_str_eq(yaml_find(reading.root, "b")->text, "2");
    cr_expect(reading.root->cut);
    end(&reading);
}

struct target {
    const char *name;
    uint64_t wait;
    const struct yaml_node *list;
};

static const char *const needs_name[] = {"name", NULL};
static const struct field fields[] = {
    {.name = "name",
     .kind = FIELD_TEXT,
     .offset = offsetof(struct target, name),
     .required = true,
     .help = "what it is called"},
    {.name = "wait",
     .kind = FIELD_DURATION,
     .offset = offsetof(struct target, wait),
     .needs = needs_name},
    {.name = "list", .kind = FIELD_LIST, .offset = offsetof(struct target, list)},
    {0},
};
static const struct field_stranger strangers[] = {
    {"title", "name", NULL, false},
    {"magic", NULL, "there is none", true},
    {NULL, NULL, NULL, false},
};
static const struct yaml_table table = {
    .what = "a thing", .fields = fields, .strangers = strangers};

/* What is told, first errors only, joined by "|". */
static const char *told(const char *text, struct target *target)
{
    static char all[1024];
    struct reading reading;
    read_text(&reading, text);
    *target = (struct target){.name = NULL};
    bool good = yaml_read_map(reading.root, &table, target, &reading.diag);
    cr_expect_eq(good, reading.diag.n == 0);
    all[0] = '\0';
    for (size_t i = 0; i < reading.diag.n; i++)
        (void)snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s (%s)",
                       i > 0 ? "|" : "", reading.diag.items[i]->text,
                       reading.diag.items[i]->hint ? reading.diag.items[i]->hint : "");
    if (good && target->name)
        target->name = strcmp(target->name, "x") == 0 ? "x" : "?";
    end(&reading);
    return all;
}

Test(yaml, maps_are_read_by_their_table)
{
    struct target target;
    cr_expect_str_eq(told("{ name: x, wait: 5ms, list: [] }", &target), "");
    cr_expect_str_eq(target.name, "x");
    cr_expect_eq(target.wait, 5000000);
}

Test(yaml, what_does_not_fit_the_table_is_told_by_name)
{
    struct target target;
    cr_expect_str_eq(told("wait: 5ms", &target),
                     "a thing lacks the key \"name\" (name: what it is called)|"
                     "\"wait\" means nothing without \"name\" ()");
    cr_expect_str_eq(told("name: [a]", &target),
                     "\"name\" does not take a list (it takes: text)");
    cr_expect_str_eq(told("name:", &target), "\"name\" has no value (it takes: text)");
    cr_expect_str_eq(told("nmae: a", &target),
                     "unknown key \"nmae\" in a thing (did you mean \"name\"? one of: "
                     "name, wait, list)");
    cr_expect_str_eq(told("Title: a", &target),
                     "unknown key \"Title\" in a thing (here it is called \"name\")");
    cr_expect_str_eq(told("{ name: x, magic: 1 }", &target),
                     "\"magic\" is not available in this version (there is none)");
    cr_expect_str_eq(told("- a", &target),
                     "a thing is a map of keys and values, not a list (one of: name, "
                     "wait, list)");
    cr_expect_str_eq(told("name:x", &target),
                     "a thing is a map of keys and values, not \"name:x\" (\"key: "
                     "value\", with a space behind the \":\")");
}

Test(yaml, what_a_syntax_error_may_have_hidden_is_not_missed)
{
    struct target target;
    cr_expect_str_eq(told("wait: 5ms\nlist: [", &target),
                     "this bracket is never closed ()");
}
