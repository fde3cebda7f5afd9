/* SPDX-License-Identifier: MIT */
/* Reads the modes of a cluster file. A system that runs already always has the mode
 * as-is, which changes nothing and comes first; another one is entered and left by its
 * commands, so that the drill can give back what it found. */
#include "scenarios/playbook/cluster_inside.h"

#include "rules/language/yaml.h"

#include <string.h>

struct mode_draft {
    const struct yaml_node *env, *driver;
    const char *enter, *leave, *check;
};

#define MODE(member) offsetof(struct mode_draft, member)

static const struct field mode_fields[] = {
    {.name = "env",
     .kind = FIELD_TREE,
     .offset = MODE(env),
     .help = "environment of all commands in this mode"},
    {.name = "driver",
     .kind = FIELD_TREE,
     .offset = MODE(driver),
     .help = "another setting of the cluster's driver, in this mode"},
    {.name = "enter",
     .kind = FIELD_TEXT,
     .offset = MODE(enter),
     .help = "switches the mode on, on the primary, once all nodes are ready"},
    {.name = "leave",
     .kind = FIELD_TEXT,
     .offset = MODE(leave),
     .help = "switches it off again, where it was entered, if the nodes stay"},
    {.name = "check",
     .kind = FIELD_TEXT,
     .offset = MODE(check),
     .required = true,
     .help = "status 0 proves that it is on; prints the real setting"},
    {0},
};

static const struct yaml_table mode_table = {.what = "a mode", .fields = mode_fields};

static void check_name(const struct cluster *cluster, const struct yaml_pair *pair,
                       struct diag *diag)
{
    const char *name = pair->key->text;
    if (strcmp(name, "all") == 0 || strchr(name, '/'))
        diag_error(diag, &pair->key->at, "a mode cannot be called \"%s\"", name);
    if (cluster->places && strcmp(name, CLUSTER_AS_IS) == 0)
        diag_error(diag, &pair->key->at,
                   "a cluster that runs already has the mode as-is without being "
                   "told, and nothing is done for it");
}

static void read_mode(struct cluster *cluster, const struct yaml_pair *pair,
                      struct cluster_mode *out, struct diag *diag)
{
    struct mode_draft draft = {.check = NULL};
    (void)yaml_read_map(pair->value, &mode_table, &draft, diag); /* all is told */
    check_name(cluster, pair, diag);
    if (cluster->places && draft.enter && !draft.leave) {
        diag_error(diag, &pair->value->at,
                   "nothing leaves the mode \"%s\" again, and these nodes stay",
                   pair->key->text);
        diag_hint(diag, "add leave: COMMAND, which undoes what enter did");
    }
    *out = (struct cluster_mode){
        .name = pair->key->text,
        .env = cluster_read_env(cluster, draft.env, diag),
        .enter = draft.enter,
        .leave = draft.leave,
        .check = draft.check,
    };
    cluster_read_setting(cluster, draft.driver, out, diag);
}

void cluster_read_modes(struct cluster *cluster, const struct yaml_node *map,
                        struct diag *diag)
{
    size_t n = map ? map->n : 0;
    struct cluster_mode *modes = arena_alloc(&cluster->arena, n + 1, sizeof *modes);
    if (cluster->places) {
        modes[0] = (struct cluster_mode){.name = CLUSTER_AS_IS};
        cluster_read_setting(cluster, NULL, &modes[cluster->n_modes++], diag);
    }
    for (size_t i = 0; i < n; i++)
        read_mode(cluster, &map->pairs[i], &modes[cluster->n_modes++], diag);
    if (map && n == 0)
        diag_error(diag, &map->at, "a cluster has at least one mode");
    cluster->modes = modes;
}
