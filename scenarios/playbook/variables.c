/* SPDX-License-Identifier: MIT */
/* Values are put into scalars that were read already, never into YAML's text: a value
 * cannot change what a block means, and marks stay those of the file. */
#include "scenarios/playbook/variables.h"

#include "rules/buffer.h"
#include "rules/language/yaml.h"

#include <string.h>

enum { NAMES_MAX = 64 }; /* that are suggested */

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ_";
static const char letters_and_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";

/* What every command finds in its environment already (drill_env.c). */
static bool is_taken(const char *name)
{
    static const char *const taken[] = {"NODE", "NODES", "PRIMARY",
                                        "MODE", "SEED",  "OUT",
                                        "PATH", "HOME",  "NETSPLIT_CONTROL"};
    static const char *const endings[] = {"_HOST", "_PORT", "_DIR"};
    size_t length = strlen(name);
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
        if (strcmp(taken[i], name) == 0)
            return true;
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (length > 4 && strcmp(name + length - strlen(endings[i]), endings[i]) == 0)
            return true;
    return false;
}

static void check_name(const struct yaml_pair *pair, struct diag *diag)
{
    const char *name = pair->key->text;
    if (strspn(name, letters) == 0 || name[strspn(name, letters_and_digits)] != '\0') {
        diag_error(diag, &pair->key->at,
                   "a variable's name is capitals, digits and _: \"%s\"", name);
    } else if (is_taken(name)) {
        diag_error(diag, &pair->key->at, "\"%s\" is one of the drill's own variables",
                   name);
    }
    if (pair->value->kind != YAML_SCALAR || yaml_is_empty(pair->value))
        diag_error(diag, &pair->value->at,
                   "the variable \"%s\" needs the value that it has unless --set gives "
                   "another",
                   name);
}

static struct cluster_variable *find(const struct cluster_variables *variables,
                                     struct cluster_variable *items, const char *name)
{
    for (size_t i = 0; i < variables->n; i++)
        if (strcmp(items[i].name, name) == 0)
            return &items[i];
    return NULL;
}

static void suggest(const struct cluster_variables *variables, const char *name,
                    struct diag *diag)
{
    const char *names[NAMES_MAX];
    size_t n = 0;
    for (; n < variables->n && n < NAMES_MAX; n++)
        names[n] = variables->items[n].name;
    if (n > 0)
        diag_suggest(diag, name, names, n);
    else
        diag_hint(diag, "the front matter has no vars: { NAME: VALUE }");
}

struct cluster_variables variables_read(struct arena *arena,
                                        const struct yaml_node *map,
                                        const struct cluster_variables *sets,
                                        const struct mark *at, struct diag *diag)
{
    size_t n = map ? map->n : 0;
    struct cluster_variable *items = arena_alloc(arena, n + 1, sizeof *items);
    struct cluster_variables variables = {items, n};
    for (size_t i = 0; i < n; i++) {
        const struct yaml_pair *pair = &map->pairs[i];
        const char *value = pair->value->kind == YAML_SCALAR ? pair->value->text : "";
        check_name(pair, diag);
        items[i] = (struct cluster_variable){pair->key->text, value};
    }
    for (size_t i = 0; sets && i < sets->n; i++) {
        struct cluster_variable *variable =
            find(&variables, items, sets->items[i].name);
        if (variable) {
            variable->value = sets->items[i].value;
            continue;
        }
        diag_error(diag, at, "the playbook has no variable \"%s\" to set",
                   sets->items[i].name);
        suggest(&variables, sets->items[i].name, diag);
    }
    return variables;
}

/* The length of "$NAME" or "${NAME}" at the dollar, and the name; 0 = it is a dollar. */
static size_t read_name(const char *at, char *name, size_t name_bytes)
{
    bool braced = at[1] == '{';
    const char *from = at + 1 + braced;
    size_t length = strspn(from, letters) ? strspn(from, letters_and_digits) : 0;
    if (length == 0 || length >= name_bytes || (braced && from[length] != '}'))
        return 0;
    memcpy(name, from, length);
    name[length] = '\0';
    return (size_t)(from - at) + length + braced;
}

static const char *value_of(const struct cluster_variables *variables, const char *name,
                            const struct mark *at, struct diag *diag)
{
    for (size_t i = 0; i < variables->n; i++)
        if (strcmp(variables->items[i].name, name) == 0)
            return variables->items[i].value;
    diag_error(diag, at, "there is no variable \"%s\"", name);
    suggest(variables, name, diag);
    return "";
}

const char *variables_expand(const struct cluster_variables *variables,
                             struct arena *arena, const char *text,
                             const struct mark *at, struct diag *diag)
{
    struct buffer whole = {0};
    char name[64];
    if (!strchr(text, '$'))
        return text;
    while (*text) {
        size_t plain = strcspn(text, "$");
        size_t length = text[plain] ? read_name(text + plain, name, sizeof name) : 0;
        if (text[plain] && length == 0)
            plain++; /* a dollar that names nothing */
        buffer_add(&whole, text, plain);
        text += plain;
        if (length > 0) {
            buffer_print(&whole, "%s", value_of(variables, name, at, diag));
            text += length;
        }
    }
    const char *kept = arena_copy(arena, buffer_text(&whole), whole.length);
    buffer_close(&whole);
    return kept;
}

static bool is_of_the_shell(const struct yaml_node *key)
{
    return strcmp(key->text, "run") == 0 || strcmp(key->text, "undo") == 0 ||
           strcmp(key->text, "felt") == 0;
}

const struct yaml_node *variables_expand_tree(const struct cluster_variables *variables,
                                              struct arena *arena,
                                              const struct yaml_node *node,
                                              struct diag *diag)
{
    struct yaml_node *copy = arena_alloc(arena, 1, sizeof *copy);
    *copy = *node;
    if (node->kind == YAML_SCALAR) {
        size_t wrong = diag->n_errors;
        copy->text = variables_expand(variables, arena, node->text, &node->at, diag);
        copy->length = strlen(copy->text);
        copy->cut |= diag->n_errors > wrong; /* one error is enough */
    } else if (node->kind == YAML_LIST) {
        const struct yaml_node **items = arena_alloc(arena, node->n + 1, sizeof *items);
        for (size_t i = 0; i < node->n; i++)
            items[i] = variables_expand_tree(variables, arena, node->items[i], diag);
        copy->items = items;
    } else {
        struct yaml_pair *pairs = arena_alloc(arena, node->n + 1, sizeof *pairs);
        for (size_t i = 0; i < node->n; i++) {
            pairs[i] = node->pairs[i];
            if (!is_of_the_shell(node->pairs[i].key))
                pairs[i].value =
                    variables_expand_tree(variables, arena, node->pairs[i].value, diag);
        }
        copy->pairs = pairs;
    }
    return copy;
}
