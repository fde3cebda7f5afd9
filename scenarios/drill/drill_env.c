/* SPDX-License-Identifier: MIT */
/* The environment of every command that a drill runs. Later settings win: ours, then
 * the cluster's, the mode's, the playbook's variables, and last what the drill itself
 * knows. */
#include "scenarios/drill/drill_inside.h"

#include "rules/buffer.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

extern char **environ;

struct env {
    char **items; /* owned, NULL-terminated */
    size_t n;
};

/* Takes the text over. */
static void env_put(struct env *env, char *text)
{
    size_t name = strcspn(text, "=") + 1;
    for (size_t i = 0; i < env->n; i++) {
        if (strncmp(env->items[i], text, name) != 0)
            continue;
        free(env->items[i]);
        env->items[i] = text;
        return;
    }
    env->items = xreallocarray(env->items, env->n + 2, sizeof *env->items);
    env->items[env->n++] = text;
    env->items[env->n] = NULL;
}

static void put_all(struct env *env, const struct cluster_variables *variables)
{
    for (size_t i = 0; i < variables->n; i++)
        env_put(env, xasprintf("%s=%s", variables->items[i].name,
                               variables->items[i].value));
}

/* N2_HOST and N2_PORT: the way from the node to n2; its own are direct. */
static void put_nodes(struct env *env, const struct drill_mode *mode, size_t node)
{
    const struct cluster *cluster = mode->drill->cluster;
    const struct driver_endpoint own = lab_direct(mode, node);
    char *names = xstrdup("");
    for (size_t i = 0; i < cluster->n_nodes; i++) {
        char upper[32] = "";
        for (size_t k = 0; cluster->nodes[i][k] && k < sizeof upper - 1; k++)
            upper[k] = cluster->nodes[i][k] == '-'
                           ? '_'
                           : (char)toupper((unsigned char)cluster->nodes[i][k]);
        const struct driver_endpoint there = lab_direct(mode, i);
        const struct driver_endpoint *way = i == node ? &own
                                            : cluster->places
                                                ? &there
                                                : &mode->node_paths[node][i];
        env_put(env, xasprintf("%s_HOST=%s", upper, way->address));
        env_put(env, xasprintf("%s_PORT=%u", upper, way->port));
        char *longer = xasprintf("%s%s%s", names, i ? " " : "", cluster->nodes[i]);
        free(names);
        names = longer;
    }
    env_put(env, xasprintf("NODES=%s", names));
    free(names);
}

static void put_path(struct env *env, const char *exe)
{
    const char *path = getenv("PATH"), *slash = strrchr(exe, '/');
    env_put(env, xasprintf("PATH=%.*s:%s", (int)(slash ? slash - exe : 0), exe,
                           path ? path : "/usr/local/bin:/usr/bin:/bin"));
}

/* What holds wherever the command runs. */
static void put_facts(struct env *env, const struct drill_mode *mode, size_t node)
{
    const struct drill *drill = mode->drill;
    put_all(env, &drill->cluster->env);
    put_all(env, &mode->mode->env);
    put_all(env, &drill->playbook->variables);
    put_nodes(env, mode, node);
    env_put(env, xasprintf("NODE=%s", drill->cluster->nodes[node]));
    env_put(env, xasprintf("NODE_HOST=%s", lab_address(mode, node, false)));
    env_put(env, xasprintf("NODE_PORT=%u", mode->nodes[node].port));
    env_put(env, xasprintf("PRIMARY=%s", drill->cluster->nodes[mode->primary]));
    env_put(env, xasprintf("MODE=%s", mode->mode->name));
    env_put(env, xasprintf("SEED=%" PRIu64, drill->run->seed));
}

char **drill_env(const struct drill_mode *mode, size_t node)
{
    struct env env = {NULL, 0};
    for (char **at = environ; *at; at++)
        env_put(&env, xstrdup(*at));
    put_path(&env, mode->drill->exe);
    put_facts(&env, mode, node);
    env_put(&env, xasprintf("NODE_DIR=%s", mode->nodes[node].dir));
    env_put(&env, xasprintf("OUT=%s", mode->out_dir));
    env_put(&env, xasprintf("NETSPLIT_CONTROL=%s", mode->control_path));
    return env.items;
}

/* export NAME='VALUE' */
static void add_export(struct buffer *text, const char *item)
{
    size_t name = strcspn(item, "=");
    buffer_print(text, "export %.*s='", (int)name, item);
    for (const char *at = item + name + 1; *at; at++)
        if (*at == '\'')
            buffer_print(text, "'\\''");
        else
            buffer_add(text, at, 1);
    buffer_print(text, "'\n");
}

/* The script as a function, so that it is read whole before it runs: what it runs shall
 * not read the rest of it. */
static char *write_script(const struct drill_mode *mode, size_t node,
                          const char *script)
{
    struct env facts = {NULL, 0};
    struct buffer text = {0};
    put_facts(&facts, mode, node);
    for (size_t i = 0; i < facts.n; i++)
        add_export(&text, facts.items[i]);
    buffer_print(&text, "netsplit_step() {\n");
    buffer_add(&text, script, strlen(script));
    buffer_print(&text, "\n}\nnetsplit_step </dev/null\n");
    drill_env_free(facts.items);
    char *kept = xstrdup(buffer_text(&text));
    buffer_close(&text);
    return kept;
}

void drill_command(const struct drill_mode *mode, size_t node, const char *script,
                   struct drill_command *out)
{
    const struct cluster_place *places = mode->drill->cluster->places;
    *out = (struct drill_command){.argv = {"sh", "-eu", "-c", script, NULL},
                                  .env = drill_env(mode, node)};
    if (!places || !places[node].exec)
        return;
    struct env env = {out->env, 0};
    while (env.items[env.n])
        env.n++;
    char *whole = write_script(mode, node, script);
    env_put(&env, xasprintf("NETSPLIT_SCRIPT=%s", whole));
    free(whole);
    out->env = env.items;
    out->text =
        xasprintf("printf %%s \"$NETSPLIT_SCRIPT\" | %s sh -eu -s", places[node].exec);
    out->argv[3] = out->text;
}

void drill_command_free(struct drill_command *command)
{
    drill_env_free(command->env);
    free(command->text);
}

void drill_env_free(char **env)
{
    for (char **at = env; *at; at++)
        free(*at);
    free(env);
}
