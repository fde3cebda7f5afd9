/* SPDX-License-Identifier: MIT */
/* Questions to a cluster that was read. */
#include "scenarios/playbook/cluster.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const struct cluster_mode *cluster_find_mode(const struct cluster *cluster,
                                             const char *name)
{
    for (size_t i = 0; i < cluster->n_modes; i++)
        if (strcmp(cluster->modes[i].name, name) == 0)
            return &cluster->modes[i];
    return NULL;
}

int cluster_find_node(const struct cluster *cluster, const char *name)
{
    for (size_t i = 0; i < cluster->n_nodes; i++)
        if (strcmp(cluster->nodes[i], name) == 0)
            return (int)i;
    return -1;
}

static bool is_on_path(const char *program)
{
    const char *path = getenv("PATH");
    if (strchr(program, '/') || !path)
        return access(program, X_OK) == 0;
    for (const char *at = path; *at;) {
        size_t n = strcspn(at, ":");
        char whole[PATH_MAX];
        (void)snprintf(whole, sizeof whole, "%.*s/%s", (int)n, at, program);
        if (access(whole, X_OK) == 0)
            return true;
        at += n + (at[n] == ':');
    }
    return false;
}

const char *cluster_lacks(const struct cluster *cluster)
{
    for (size_t i = 0; i < cluster->n_programs; i++)
        if (!is_on_path(cluster->programs[i]))
            return cluster->programs[i];
    for (size_t i = 0; i < cluster->n_modes; i++)
        if (cluster->modes[i].program && !is_on_path(cluster->modes[i].program))
            return cluster->modes[i].program;
    return NULL;
}

static bool has_variable(const struct cluster_variables *variables, const char *name)
{
    for (size_t i = 0; i < variables->n; i++)
        if (strcmp(variables->items[i].name, name) == 0)
            return true;
    return false;
}

static bool is_set(const struct cluster *cluster, const char *name)
{
    for (size_t i = 0; i < cluster->n_modes; i++)
        if (has_variable(&cluster->modes[i].env, name))
            return true;
    return has_variable(&cluster->env, name) || getenv(name);
}

const char *cluster_lacks_secret(const struct cluster *cluster)
{
    for (size_t i = 0; i < cluster->n_secrets; i++)
        if (!is_set(cluster, cluster->secrets[i]))
            return cluster->secrets[i];
    return NULL;
}
