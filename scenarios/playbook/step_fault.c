/* SPDX-License-Identifier: MIT */
/* Reads fault blocks. A block with one of kill, pause and run is a fault by command and
 * holds nothing else; any other holds rules, in the words of a rule file. What is wrong
 * is told, and reading goes on. */
#include "scenarios/playbook/step_fault.h"

#include "rules/language/parse.h"
#include "rules/language/yaml.h"

#include <string.h>

static void read_rules(const struct step_context *context, const struct yaml_node *root,
                       struct step *step)
{
    char *name = arena_print(context->arena, "fault-%u", step->at.line);
    struct parse_context names = {
        .names = context->names,
        .n_names = context->n_names,
        .names_are_open = !context->cluster,
        .shape_of = context->cluster ? context->cluster->nodes : NULL,
        .n_shape_of = context->cluster ? context->cluster->n_nodes : 0,
        .rule_name = name};
    (void)parse_block(root, &names, context->diag, &step->rules); /* all is told */
}

/* Nodes, and the two words that stand for some; clients are no process of a node. */
static void check_target(const struct step_context *context,
                         const struct yaml_node *value)
{
    const struct cluster *cluster = context->cluster;
    const char *names[CLUSTER_NODES_MAX + 2] = {"primary", "standbys"};
    size_t n = 2;
    if (value->kind != YAML_SCALAR || yaml_is_empty(value)) {
        diag_error(context->diag, &value->at, "what is killed or paused is a node");
        return;
    }
    for (size_t i = 0; cluster && i < cluster->n_nodes; i++)
        names[n++] = cluster->nodes[i];
    for (size_t i = 0; i < n; i++)
        if (!cluster || strcmp(names[i], value->text) == 0)
            return;
    diag_error(context->diag, &value->at, "the cluster has no node \"%s\"",
               value->text);
    diag_suggest(context->diag, value->text, names, n);
}

static void read_targets(const struct step_context *context,
                         const struct yaml_node *value, struct step *step)
{
    const struct yaml_node *one[] = {value};
    bool is_list = value->kind == YAML_LIST;
    const struct yaml_node *const *items = is_list ? value->items : one;
    size_t n = is_list ? value->n : 1;
    const char **targets = arena_alloc(context->arena, n + 1, sizeof *targets);
    for (size_t i = 0; i < n; i++) {
        check_target(context, items[i]);
        targets[i] = items[i]->text ? items[i]->text : "";
    }
    step->targets = targets;
    step->n_targets = n;
    if (n == 0)
        diag_error(context->diag, &value->at, "which node?");
}

static void check_on(const struct step_context *context, const struct yaml_node *root,
                     const struct step *step)
{
    const struct yaml_node *on = yaml_find(root, "on");
    if (!on || !step->on || !context->cluster ||
        cluster_find_node(context->cluster, step->on) >= 0)
        return;
    diag_error(context->diag, &on->at, "the cluster has no node \"%s\"", step->on);
    diag_suggest(context->diag, step->on, context->cluster->nodes,
                 context->cluster->n_nodes);
}

static void read_command(const struct step_context *context,
                         const struct yaml_node *root, struct step *step)
{
    struct yaml_table table = {.what = "a fault by command",
                               .fields = step->verb->fields};
    field_store_standards(step->verb->fields, step);
    (void)yaml_read_map(root, &table, step, context->diag); /* all is told */
    if (!!step->kill_value + !!step->pause_value + !!step->run > 1)
        diag_error(context->diag, &root->at,
                   "one of kill, pause and run is a fault; for two write two blocks");
    if (step->kill_value || step->pause_value)
        read_targets(context, step->kill_value ? step->kill_value : step->pause_value,
                     step);
    check_on(context, root, step);
    if (step->run && !step->undo) {
        diag_error(context->diag, &root->at, "nothing undoes this command");
        diag_hint(context->diag,
                  "add undo: COMMAND; if it ends by itself, undo: \":\"");
    }
}

void step_read_fault(const struct step_context *context, const struct yaml_node *root,
                     struct step *step)
{
    static const struct {
        const char *word;
        enum step_by by;
    } words[] = {
        {"kill", STEP_BY_KILL}, {"pause", STEP_BY_PAUSE}, {"run", STEP_BY_RUN}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (root->kind == YAML_MAP && yaml_find_pair(root, words[i].word)) {
            step->by = words[i].by;
            read_command(context, root, step);
            return;
        }
    read_rules(context, root, step);
}
