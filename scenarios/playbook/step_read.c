/* SPDX-License-Identifier: MIT */
/* Each verb's block by its own reader. All of them complain into the diag and go on, so
 * that a playbook with ten mistakes shows ten. */
#include "scenarios/playbook/step_read.h"
#include "scenarios/playbook/step_fault.h"
#include "scenarios/playbook/variables.h"

#include "rules/language/unit.h"
#include "rules/language/yaml.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct mark mark_word(const struct step_context *context,
                             const struct playbook_block *block, size_t at, size_t n)
{
    uint32_t column = block->header_column + (uint32_t)at;
    return (struct mark){context->source, block->header_line, column,
                         block->header_line, column + (uint32_t)n};
}

static bool check_node(const struct step_context *context, const struct mark *at,
                       const char *name)
{
    if (!context->cluster || cluster_find_node(context->cluster, name) >= 0)
        return true;
    diag_error(context->diag, at, "the cluster has no node \"%s\"", name);
    diag_suggest(context->diag, name, context->cluster->nodes,
                 context->cluster->n_nodes);
    return false;
}

static void read_option(const struct step_context *context,
                        const struct playbook_block *block, struct step *step,
                        const char *word, size_t at)
{
    const struct field *options = step->verb->options;
    size_t key_length = strcspn(word, "=");
    char key[64];
    (void)snprintf(key, sizeof key, "%.*s", (int)key_length, word);
    const struct field *field = field_find(options, key);
    struct mark key_at = mark_word(context, block, at, key_length);
    if (!field) {
        const char *names[16];
        size_t n = field_names(options, names, 16);
        diag_error(context->diag, &key_at, "unknown option \"%s\" of %s", key,
                   step->verb->name);
        if (n > 0)
            diag_suggest(context->diag, key, names, n);
        return;
    }
    if (word[key_length] != '=') {
        diag_error(context->diag, &key_at, "\"%s\" needs a value: %s=...", key, key);
        return;
    }
    const char *value = word + key_length + 1;
    struct mark value_at =
        mark_word(context, block, at + key_length + 1, strlen(value));
    struct unit_error why = {.text = ""};
    value = variables_expand(context->variables, context->arena, value, &value_at,
                             context->diag);
    if (field_store(field, value, step, &why) != 0)
        diag_error(context->diag, &value_at, "%s", why.text);
    else if (strcmp(key, "on") == 0)
        (void)check_node(context, &value_at, value); /* it is told */
}

static void read_options(const struct step_context *context,
                         const struct playbook_block *block, struct step *step)
{
    const char *header = block->header;
    size_t at = strcspn(header, " \t");
    for (;;) {
        at += strspn(header + at, " \t");
        size_t n = strcspn(header + at, " \t");
        if (n == 0)
            return;
        char *word = arena_copy(context->arena, header + at, n);
        read_option(context, block, step, word, at);
        at += n;
    }
}

/* --- What stands in the blocks --- */

static void read_until_role(const struct step_context *context,
                            const struct yaml_node *value, struct step *step)
{
    char node[64] = "", role[64] = "", more = '\0';
    int n = sscanf(value->text, "role %63s %63s %c", node, role, &more);
    bool known = strcmp(role, "primary") == 0 || strcmp(role, "standby") == 0;
    if (n != 2 || !known) {
        diag_error(
            context->diag, &value->at,
            "what is waited for is \"role NODE primary\" or \"role NODE standby\"");
        return;
    }
    step->until = STEP_UNTIL_ROLE;
    step->until_role = strcmp(role, "primary") == 0 ? "primary" : "standby";
    step->node = arena_copy(context->arena, node, strlen(node));
    (void)check_node(context, &value->at, node); /* it is told */
}

static void read_until(const struct step_context *context,
                       const struct yaml_node *value, struct step *step)
{
    static const struct {
        const char *word;
        enum step_until until;
    } words[] = {{"ready", STEP_UNTIL_READY},
                 {"converged", STEP_UNTIL_CONVERGED},
                 {"writable", STEP_UNTIL_WRITABLE}};
    static const char *const names[] = {"ready", "converged", "writable", "acked N",
                                        "role NODE primary"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(words[i].word, value->text) == 0) {
            step->until = words[i].until;
            return;
        }
    }
    unsigned long long acked = 0;
    char more = '\0';
    if (strncmp(value->text, "role", 4) == 0) {
        read_until_role(context, value, step);
    } else if (sscanf(value->text, "acked %llu %c", &acked, &more) == 1 && acked > 0) {
        step->until = STEP_UNTIL_ACKED;
        step->until_acked = acked;
    } else {
        diag_error(context->diag, &value->at, "unknown condition \"%s\"", value->text);
        diag_suggest(context->diag, value->text, names, sizeof names / sizeof *names);
    }
}

struct move_draft {
    const struct yaml_node *to, *of;
};

static const struct field move_fields[] = {
    {.name = "to",
     .kind = FIELD_SCALAR,
     .offset = offsetof(struct move_draft, to),
     .required = true,
     .help = "the node that they take for the primary"},
    {.name = "of",
     .kind = FIELD_SCALAR,
     .offset = offsetof(struct move_draft, of),
     .help = "clients (all), or clients.NODE"},
    {0},
};

static void read_move(const struct step_context *context, const struct yaml_node *value,
                      struct step *step)
{
    static const struct yaml_table table = {.what = "move", .fields = move_fields};
    struct move_draft draft = {NULL, NULL};
    (void)yaml_read_map(value, &table, &draft, context->diag); /* all is told */
    if (draft.to && check_node(context, &draft.to->at, draft.to->text))
        step->node = draft.to->text;
    if (!draft.of || strcmp(draft.of->text, "clients") == 0)
        return;
    step->of = draft.of->text;
    if (strncmp(step->of, "clients.", 8) != 0)
        diag_error(context->diag, &draft.of->at,
                   "whom it moves is \"clients\" or \"clients.NODE\"");
    else
        (void)check_node(context, &draft.of->at, step->of + 8); /* it is told */
}

static void read_condition(const struct step_context *context, const char *mode,
                           const struct yaml_pair *pair, struct step *step)
{
    enum measure measure = MEASURE_ACKED;
    const char *near = NULL;
    if (measure_find(pair->key->text, &measure, &near) != 0) {
        diag_error(context->diag, &pair->key->at, "unknown measure \"%s\"",
                   pair->key->text);
        if (near)
            diag_hint(context->diag, "did you mean \"%s\"?", near);
        return;
    }
    if (pair->value->kind != YAML_SCALAR) {
        diag_error(context->diag, &pair->value->at,
                   "what is expected of \"%s\" is one sentence: at least 1",
                   pair->key->text);
        return;
    }
    struct step_expectation *out = &step->expectations[step->n_expectations];
    struct expect_error why = {.text = ""};
    if (expect_parse(measure, pair->value->text, &out->expectation, &why) != 0) {
        struct mark at = pair->value->at;
        if (at.line == at.end_line && !pair->value->quoted && why.length > 0) {
            at.column += (uint32_t)why.at;
            at.end_column = at.column + (uint32_t)why.length;
        }
        diag_error(context->diag, &at, "%s", why.text);
        if (why.hint[0])
            diag_hint(context->diag, "%s", why.hint);
        return;
    }
    out->mode = mode;
    out->line = pair->key->at.line;
    step->n_expectations++;
}

static bool read_mode_name(const struct step_context *context,
                           const struct yaml_node *key, const char **mode)
{
    *mode = strcmp(key->text, "all") == 0 ? NULL : key->text;
    for (size_t i = 0; *mode && i < context->n_modes; i++)
        if (strcmp(context->modes[i], *mode) == 0)
            return true;
    if (!*mode || context->n_modes == 0 || strcmp(*mode, CLUSTER_AS_IS) == 0)
        return true; /* as-is: of a cluster that runs already */
    diag_error(context->diag, &key->at, "\"%s\" is none of the playbook's modes",
               key->text);
    diag_suggest(context->diag, key->text, context->modes, context->n_modes);
    return false;
}

static void read_expect(const struct step_context *context,
                        const struct yaml_node *root, struct step *step)
{
    size_t room = 0;
    if (root->kind != YAML_MAP) {
        diag_error(context->diag, &root->at,
                   "expect takes a map: MODE or all, and its measures");
        return;
    }
    for (size_t i = 0; i < root->n; i++)
        room += root->pairs[i].value->n;
    step->expectations =
        arena_alloc(context->arena, room + 1, sizeof *step->expectations);
    for (size_t i = 0; i < root->n; i++) {
        const struct yaml_node *map = root->pairs[i].value;
        const char *mode = NULL;
        bool known = read_mode_name(context, root->pairs[i].key, &mode);
        if (map->kind != YAML_MAP)
            diag_error(context->diag, &map->at,
                       "\"%s\" takes a map of measures: { lost_writes: none }",
                       root->pairs[i].key->text);
        for (size_t k = 0; known && map->kind == YAML_MAP && k < map->n; k++)
            read_condition(context, mode, &map->pairs[k], step);
    }
}

static void read_by_table(const struct step_context *context,
                          const struct yaml_node *root, struct step *step)
{
    struct yaml_table table = {.what = step->verb->name, .fields = step->verb->fields};
    (void)yaml_read_map(root, &table, step, context->diag); /* all is told */
    if (step->until_value)
        read_until(context, step->until_value, step);
    if (step->move_value)
        read_move(context, step->move_value, step);
    const struct yaml_node *node = yaml_find(root, "node");
    if (node && step->node)
        (void)check_node(context, &node->at, step->node); /* it is told */
}

static void read_yaml(const struct step_context *context,
                      const struct playbook_block *block, struct step *step)
{
    struct yaml_input input = {context->source, block->text, strlen(block->text),
                               block->text_line, block->indent};
    const struct yaml_node *root = yaml_read(context->arena, &input, context->diag);
    if (!root)
        return;
    root =
        variables_expand_tree(context->variables, context->arena, root, context->diag);
    bool is_empty = root->kind == YAML_MAP ? root->n == 0 : yaml_is_empty(root);
    switch (step->verb->kind) {
    case STEP_WORKLOAD:
        (void)workload_read(root, &step->workload, context->diag); /* all is told */
        break;
    case STEP_FAULT:
        step_read_fault(context, root, step);
        break;
    case STEP_EXPECT:
        read_expect(context, root, step);
        break;
    case STEP_HEAL:
        if (!is_empty)
            diag_lacking(context->diag, &root->at,
                         "healing one fault by its name is not available in this "
                         "version: an empty block heals all");
        break;
    case STEP_RUN:
    case STEP_WAIT:
    case STEP_PROMOTE:
    case STEP_CLIENTS:
        read_by_table(context, root, step);
        break;
    case STEP_SHELL:
    case STEP_PROBE:
    case STEP_MANUAL:
        break; /* they have no YAML */
    }
}

static const struct step_verb *read_verb(const struct step_context *context,
                                         const struct playbook_block *block)
{
    const char *names[16];
    size_t length = strcspn(block->header, " \t"), n = 0;
    char word[64];
    (void)snprintf(word, sizeof word, "%.*s", (int)length, block->header);
    const struct step_verb *verb = step_find_verb(word);
    struct mark at = mark_word(context, block, 0, length);
    if (verb)
        return verb;
    for (const struct step_verb *row = step_verbs; row->name && n < 16; row++)
        names[n++] = row->name;
    diag_error(context->diag, &at, "unknown step \"%s\"", word);
    diag_suggest(context->diag, word, names, n);
    return NULL;
}

static void read_threshold(const struct step_context *context,
                           const struct playbook_block *block, const char *text,
                           struct threshold *out)
{
    if (!text || threshold_parse(text, out) == 0)
        return;
    const char *found = strstr(block->header, text);
    struct mark at = mark_word(
        context, block, found ? (size_t)(found - block->header) : 0, strlen(text));
    diag_error(context->diag, &at, "\"%s\" is no limit", text);
    diag_hint(context->diag, "10 (or more), >10, <3, or <=3");
}

static unsigned language_of(const struct playbook_block *block)
{
    if (strcmp(block->language, "yaml") == 0)
        return STEP_YAML;
    return strcmp(block->language, "sh") == 0 ? STEP_SH : STEP_TEXT;
}

bool step_read(const struct step_context *context, const struct playbook_block *block,
               struct step *step)
{
    unsigned language = language_of(block);
    const struct step_verb *verb = read_verb(context, block);
    if (!verb)
        return false;
    *step = (struct step){.verb = verb,
                          .at = {context->source, block->line, block->indent + 1,
                                 block->line, block->indent + 4},
                          .heading = block->heading,
                          .heading_line = block->heading_line,
                          .text = block->text};
    struct mark at = mark_word(context, block, 0, strlen(verb->name));
    if (!(verb->languages & language)) {
        diag_error(context->diag, &at, "\"%s\" is written in %s, not in %s", verb->name,
                   step_name_languages(verb->languages), block->language);
        return false;
    }
    field_store_standards(verb->options, step);
    read_options(context, block, step);
    read_threshold(context, block, step->alarm_text, &step->alarm);
    read_threshold(context, block, step->abort_text, &step->abort_at);
    if (language == STEP_YAML)
        read_yaml(context, block, step);
    else if (step->text[strspn(step->text, " \t\r\n")] == '\0')
        diag_error(context->diag, &at, "there is nothing to %s in this block",
                   language == STEP_SH ? "run" : "show");
    return true;
}
