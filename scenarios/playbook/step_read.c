/* SPDX-License-Identifier: MIT */
/* A step: its verb, the options behind that, and its block by its verb's own reader. All
 * of them complain into the diag and go on, so that a playbook with ten mistakes shows
 * ten. */
#include "scenarios/playbook/step_read.h"
#include "scenarios/playbook/step_expect.h"
#include "scenarios/playbook/step_fault.h"
#include "scenarios/playbook/step_table.h"
#include "scenarios/playbook/variables.h"

#include "rules/unit.h"
#include "rules/language/yaml.h"

#include <stdio.h>
#include <string.h>

static struct mark mark_word(const struct step_context *context,
                             const struct playbook_block *block, size_t at, size_t n)
{
    uint32_t column = block->header_column + (uint32_t)at;
    return (struct mark){context->source, block->header_line, column,
                         block->header_line, column + (uint32_t)n};
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
        (void)step_check_node(context, &value_at, value); /* it is told */
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
        step_read_expect(context, root, step);
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
        step_read_table(context, root, step);
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
