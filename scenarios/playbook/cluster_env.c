/* SPDX-License-Identifier: MIT */
/* An environment in a cluster file: names of variables, and their texts. What is wrong with
 * one is told, and the others are read all the same. */
#include "scenarios/playbook/cluster_inside.h"

#include "rules/language/yaml.h"

#include <string.h>

struct cluster_variables cluster_read_env(struct cluster *cluster,
                                          const struct yaml_node *map,
                                          struct diag *diag)
{
    if (!map)
        return (struct cluster_variables){NULL, 0};
    struct cluster_variable *items =
        arena_alloc(&cluster->arena, map->n, sizeof *items);
    for (size_t i = 0; i < map->n; i++) {
        const struct yaml_node *key = map->pairs[i].key;
        if (map->pairs[i].value->kind != YAML_SCALAR)
            diag_error(diag, &map->pairs[i].value->at,
                       "the variable \"%s\" must be text", key->text);
        if (strspn(key->text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != key->length)
            diag_error(diag, &key->at,
                       "a variable's name is capitals, digits and _: \"%s\"",
                       key->text);
        items[i] = (struct cluster_variable){key->text, map->pairs[i].value->text};
    }
    return (struct cluster_variables){items, map->n};
}
