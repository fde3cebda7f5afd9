/* SPDX-License-Identifier: MIT */
/* The block of `expect`: for each mode, or for all, measures and a sentence about each.
 * Every condition that is wrong is told; the others are read all the same. */
#include "scenarios/playbook/step_expect.h"

#include "rules/language/yaml.h"

#include <string.h>

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

void step_read_expect(const struct step_context *context, const struct yaml_node *root,
                      struct step *step)
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
