/* SPDX-License-Identifier: MIT */
/* The blocks of the verbs whose keys are rows of a table (step.c): what a key's value says
 * beyond its type is read here, as what is waited for, and who is moved where. All that
 * is wrong is told. */
#include "scenarios/playbook/step_table.h"

#include "rules/language/yaml.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

bool step_check_node(const struct step_context *context, const struct mark *at,
                     const char *name)
{
    if (!context->cluster || cluster_find_node(context->cluster, name) >= 0)
        return true;
    diag_error(context->diag, at, "the cluster has no node \"%s\"", name);
    diag_suggest(context->diag, name, context->cluster->nodes,
                 context->cluster->n_nodes);
    return false;
}

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
    (void)step_check_node(context, &value->at, node); /* it is told */
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
    if (draft.to && step_check_node(context, &draft.to->at, draft.to->text))
        step->node = draft.to->text;
    if (!draft.of || strcmp(draft.of->text, "clients") == 0)
        return;
    step->of = draft.of->text;
    if (strncmp(step->of, "clients.", 8) != 0)
        diag_error(context->diag, &draft.of->at,
                   "whom it moves is \"clients\" or \"clients.NODE\"");
    else
        (void)step_check_node(context, &draft.of->at, step->of + 8); /* it is told */
}

void step_read_table(const struct step_context *context, const struct yaml_node *root,
                     struct step *step)
{
    struct yaml_table table = {.what = step->verb->name, .fields = step->verb->fields};
    (void)yaml_read_map(root, &table, step, context->diag); /* all is told */
    if (step->until_value)
        read_until(context, step->until_value, step);
    if (step->move_value)
        read_move(context, step->move_value, step);
    const struct yaml_node *node = yaml_find(root, "node");
    if (node && step->node)
        (void)step_check_node(context, &node->at, step->node); /* it is told */
}
