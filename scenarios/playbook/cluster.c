/* SPDX-License-Identifier: MIT */
/* Reads cluster files: one map by a table, then each part that is a map of names. Every
 * mistake is told before NULL is returned; nothing is started or resolved here. */
#include "scenarios/playbook/cluster.h"

#include "proxy/base/errmsg.h"
#include "proxy/base/memory.h"
#include "proxy/base/text_file.h"
#include "rules/nearest.h"
#include "rules/language/yaml.h"
#include "scenarios/playbook/cluster_inside.h"
#include "scenarios/playbook/cluster_place.h"
#include "scenarios/drivers/driver.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct cluster_draft {
    uint64_t version;
    const char *name, *role, *schema, *control;
    unsigned environment, after, intercept;
    const struct yaml_node *driver, *nodes, *env, *programs, *secrets, *lab, *modes;
    bool has_bridge;
    struct cluster_commands commands;
};

#define DRAFT(member) offsetof(struct cluster_draft, member)

/* As enum rule_intercept. */
static const char *const intercepts[] = {"listen", "redirect", "tproxy", "netns", NULL};

static const char *const environments[] = {"lab", "staging", "production", NULL};
static const char *const afters[] = {"drop", "keep", NULL};

static const struct field command_fields[] = {
    {.name = "prepare",
     .kind = FIELD_TEXT,
     .offset = DRAFT(commands.prepare),
     .help = "run once on each node before it starts; NODE_DIR is empty"},
    {.name = "start",
     .kind = FIELD_TEXT,
     .offset = DRAFT(commands.start),
     .help = "the server, in the foreground; it is stopped by its pid"},
    {.name = "ready",
     .kind = FIELD_TEXT,
     .offset = DRAFT(commands.ready),
     .help = "polled until it ends with status 0"},
    {.name = "stop",
     .kind = FIELD_TEXT,
     .offset = DRAFT(commands.stop),
     .help = "in place of SIGTERM"},
    {.name = "kill",
     .kind = FIELD_TEXT,
     .offset = DRAFT(commands.kill),
     .help = "in place of SIGKILL"},
    {.name = "pause",
     .kind = FIELD_TEXT,
     .offset = DRAFT(commands.pause),
     .help = "in place of SIGSTOP"},
    {.name = "resume",
     .kind = FIELD_TEXT,
     .offset = DRAFT(commands.resume),
     .help = "in place of SIGCONT"},
    {.name = "promote",
     .kind = FIELD_TEXT,
     .offset = DRAFT(commands.promote),
     .help = "makes NODE the primary in place of PRIMARY"},
    {.name = "rejoin",
     .kind = FIELD_TEXT,
     .offset = DRAFT(commands.rejoin),
     .help = "makes an old primary, stopped meanwhile, a standby of PRIMARY"},
    {.name = "version",
     .kind = FIELD_TEXT,
     .offset = DRAFT(commands.version),
     .help = "prints the node's version, and below it the settings that matter"},
    {0},
};

static const struct field data_fields[] = {
    {.name = "schema",
     .kind = FIELD_TEXT,
     .offset = DRAFT(schema),
     .help = "the only thing a workload touches"},
    {.name = "after",
     .kind = FIELD_WORD,
     .offset = DRAFT(after),
     .words = afters,
     .help = "what becomes of it"},
    {0},
};

static const struct field needs_fields[] = {
    {.name = "programs",
     .kind = FIELD_LIST,
     .offset = DRAFT(programs),
     .help = "that must be on PATH"},
    {.name = "secrets",
     .kind = FIELD_LIST,
     .offset = DRAFT(secrets),
     .help = "variables that must be set, and whose values are shown nowhere"},
    {0},
};

static const struct field lab_fields[] = {
    {.name = "bridge",
     .kind = FIELD_FLAG,
     .offset = DRAFT(has_bridge),
     .help = "one subnet on a bridge, in place of a router between subnets"},
    {0},
};

static const struct yaml_table lab_table = {.what = "a lab", .fields = lab_fields};

static const struct field cluster_fields[] = {
    {.name = "cluster",
     .kind = FIELD_NUMBER,
     .offset = DRAFT(version),
     .required = true,
     .min = 1,
     .max = 1,
     .help = "the version of the format: 1"},
    {.name = "name",
     .kind = FIELD_TEXT,
     .offset = DRAFT(name),
     .required = true,
     .help = "what reports call it"},
    {.name = "environment",
     .kind = FIELD_WORD,
     .offset = DRAFT(environment),
     .words = environments,
     .help = "what is at stake"},
    {.name = "driver",
     .kind = FIELD_TREE,
     .offset = DRAFT(driver),
     .required = true,
     .help = "how processes talk to it: { resp: \"\" }, { exec: [program, ...] }"},
    {.name = "data",
     .kind = FIELD_MAP,
     .members = data_fields,
     .help = "what a workload may touch"},
    {.name = "nodes",
     .kind = FIELD_NODE,
     .offset = DRAFT(nodes),
     .required = true,
     .help = "names, the first primary first; or { n1: { address, ports, exec } } of a "
             "system that runs"},
    {.name = "needs",
     .kind = FIELD_MAP,
     .members = needs_fields,
     .help = "what must be there"},
    {.name = "lab",
     .kind = FIELD_NODE,
     .offset = DRAFT(lab),
     .help = "each node in a network namespace of its own: true, or { bridge: true }"},
    {.name = "intercept",
     .kind = FIELD_WORD,
     .offset = DRAFT(intercept),
     .words = intercepts,
     .help = "how the proxy sits on the paths; listen, or in a lab tproxy or netns"},
    {.name = "control",
     .kind = FIELD_TEXT,
     .offset = DRAFT(control),
     .help = "the control socket of a proxy that runs, in place of one of the drill's"},
    {.name = "env",
     .kind = FIELD_TREE,
     .offset = DRAFT(env),
     .help = "environment of all commands and steps"},
    {.name = "role",
     .kind = FIELD_TEXT,
     .offset = DRAFT(role),
     .required = true,
     .help = "prints primary or standby; run per node"},
    {.name = "commands",
     .kind = FIELD_MAP,
     .members = command_fields,
     .help = "what may be done to a node"},
    {.name = "modes",
     .kind = FIELD_TREE,
     .offset = DRAFT(modes),
     .help = "replication settings, one column of a report each"},
    {0},
};

static const struct field_stranger cluster_strangers[] = {
    {"version", "cluster", NULL, false},  {"hosts", "nodes", NULL, false},
    {"servers", "nodes", NULL, false},    {"start", "commands", NULL, false},
    {"promote", "commands", NULL, false}, {"mode", "modes", NULL, false},
    {"environ", "env", NULL, false},      {NULL, NULL, NULL, false},
};

static const struct yaml_table cluster_table = {
    .what = "a cluster file", .fields = cluster_fields, .strangers = cluster_strangers};

struct reader {
    struct cluster *cluster;
    struct diag *diag;
};

static void *take(struct reader *reader, size_t n, size_t bytes)
{
    return arena_alloc(&reader->cluster->arena, n, bytes);
}

static char *keep(struct reader *reader, const char *text, size_t length)
{
    return arena_copy(&reader->cluster->arena, text, length);
}

static bool is_scalar(const struct yaml_node *node)
{
    return node->kind == YAML_SCALAR && !yaml_is_empty(node);
}

static bool is_node_name(const char *name)
{
    static const char *const taken[] = {"primary", "standbys", "clients", "any", "all"};
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
        if (strcmp(taken[i], name) == 0)
            return false;
    return islower((unsigned char)name[0]) && strlen(name) <= 31 &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") == strlen(name);
}

static void read_places(struct reader *reader, const struct yaml_node *nodes)
{
    struct cluster_place *places = take(reader, nodes->n + 1, sizeof *places);
    for (size_t i = 0; i < nodes->n; i++)
        cluster_read_place(nodes->pairs[i].value, &places[i], reader->diag);
    reader->cluster->places = places;
}

static void read_nodes(struct reader *reader, const struct yaml_node *list)
{
    const char **names = take(reader, list->n, sizeof *names);
    size_t n = 0;
    if (list->kind == YAML_SCALAR) {
        diag_error(reader->diag, &list->at,
                   "nodes are a list of names, or a map: { n1: { address: ... } }");
        return;
    }
    if (list->kind == YAML_MAP)
        read_places(reader, list);
    for (size_t i = 0; i < list->n; i++) {
        const struct yaml_node *item =
            list->kind == YAML_MAP ? list->pairs[i].key : list->items[i];
        if (!is_scalar(item) || !is_node_name(item->text)) {
            diag_error(reader->diag, &item->at,
                       "a node's name is lower case letters, "
                       "digits, - and _");
            diag_hint(reader->diag,
                      "primary, standbys, clients, any and all are taken");
            continue;
        }
        for (size_t k = 0; k < n; k++)
            if (strcmp(names[k], item->text) == 0)
                diag_error(reader->diag, &item->at, "there are two nodes called \"%s\"",
                           item->text);
        names[n++] = item->text;
    }
    if (list->n < 1 || list->n > CLUSTER_NODES_MAX)
        diag_error(reader->diag, &list->at, "a cluster has 1 to %d nodes",
                   (int)CLUSTER_NODES_MAX);
    reader->cluster->nodes = names;
    reader->cluster->n_nodes = n;
}

static const char *const *read_names(struct reader *reader,
                                     const struct yaml_node *list, const char *what)
{
    const char **names = take(reader, list->n, sizeof *names);
    for (size_t i = 0; i < list->n; i++) {
        if (!is_scalar(list->items[i]))
            diag_error(reader->diag, &list->items[i]->at, "%s is a name", what);
        names[i] = list->items[i]->text;
    }
    return names;
}

static void read_lists(struct reader *reader, const struct cluster_draft *draft)
{
    struct cluster *cluster = reader->cluster;
    if (draft->programs) {
        cluster->programs = read_names(reader, draft->programs, "a program");
        cluster->n_programs = draft->programs->n;
    }
    if (draft->secrets) {
        cluster->secrets = read_names(reader, draft->secrets, "a secret's variable");
        cluster->n_secrets = draft->secrets->n;
    }
}

static const struct mark *mark_schema(const struct yaml_node *root)
{
    const struct yaml_node *data = yaml_find(root, "data");
    const struct yaml_node *schema = data ? yaml_find(data, "schema") : NULL;
    return schema ? &schema->at : &root->at;
}

static void read_lab(struct reader *reader, struct cluster_draft *draft)
{
    struct cluster *cluster = reader->cluster;
    const struct yaml_node *lab = draft->lab;
    if (lab->kind == YAML_MAP)
        cluster->has_lab = yaml_read_map(lab, &lab_table, draft, reader->diag);
    else if (lab->kind == YAML_SCALAR && strcmp(lab->text, "true") == 0)
        cluster->has_lab = true;
    else if (lab->kind != YAML_SCALAR || strcmp(lab->text, "false") != 0)
        diag_error(reader->diag, &lab->at, "a lab is true, or { bridge: true }");
    cluster->has_bridge = draft->has_bridge;
}

static void read_cluster(struct reader *reader, const struct yaml_node *root)
{
    struct cluster *cluster = reader->cluster;
    struct cluster_draft draft = {.schema = "netsplit_drill",
                                  .intercept = CLUSTER_INTERCEPT_NOT_GIVEN};
    struct errmsg err = {""};
    (void)yaml_read_map(root, &cluster_table, &draft, reader->diag); /* all is told */
    cluster->name = draft.name;
    cluster->role = draft.role;
    cluster->schema = draft.schema;
    cluster->commands = draft.commands;
    cluster->control = draft.control;
    if (draft.lab)
        read_lab(reader, &draft);
    cluster->environment = (enum cluster_environment)draft.environment;
    cluster->keeps_data = draft.after != 0;
    if (draft.nodes)
        read_nodes(reader, draft.nodes);
    cluster_settle_intercept(cluster, root, draft.intercept, reader->diag);
    if (draft.driver)
        cluster_read_driver(cluster, draft.driver, reader->diag);
    read_lists(reader, &draft);
    cluster_check_whole(cluster, root, reader->diag);
    cluster_read_modes(cluster, draft.modes, reader->diag);
    cluster->env = cluster_read_env(cluster, draft.env, reader->diag);
    if (driver_check_schema(draft.schema, &err) != 0)
        diag_error(reader->diag, mark_schema(root), "schema: %s", err.text);
}

static const char *directory_of(struct reader *reader, const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return ".";
    return keep(reader, path, slash == path ? 1 : (size_t)(slash - path));
}

/* Read as a cluster file nothing in it would be right: one sentence says more. */
static bool is_playbook(struct reader *reader)
{
    const struct source *source = &reader->cluster->source;
    struct mark whole = {.source = source};
    if (strncmp(source->text, "---\n", 4) != 0 || !strstr(source->text, "\nplaybook:"))
        return false;
    diag_error(reader->diag, &whole, "this is a playbook, not a cluster file");
    diag_hint(reader->diag,
              "\"cluster:\" in its front matter names the one that it is for");
    return true;
}

struct cluster *cluster_parse(const char *name, const char *text, size_t length,
                              struct diag *diag)
{
    struct cluster *cluster = xcalloc(1, sizeof *cluster);
    arena_init(&cluster->arena, &xallocator);
    struct reader reader = {cluster, diag};
    const char *own_text = keep(&reader, text, length);
    const char *own_name = keep(&reader, name, strlen(name));
    cluster->source = (struct source){own_name, own_text, length};
    cluster->directory = directory_of(&reader, name);
    size_t wrong = diag->n_errors + diag->n_lacking;
    struct yaml_input input = {&cluster->source, own_text, length, 1, 0};
    const struct yaml_node *root =
        is_playbook(&reader) ? NULL : yaml_read(&cluster->arena, &input, diag);
    if (root)
        read_cluster(&reader, root);
    if (root && !diag->out_of_memory && diag->n_errors + diag->n_lacking == wrong)
        return cluster;
    cluster_destroy(cluster);
    return NULL;
}

struct cluster *cluster_load(const char *path, struct diag *diag)
{
    size_t length = 0;
    char *text = text_file_read(path, &length, diag);
    if (!text)
        return NULL;
    struct cluster *cluster = cluster_parse(path, text, length, diag);
    free(text);
    return cluster;
}

void cluster_destroy(struct cluster *cluster)
{
    if (!cluster)
        return;
    arena_close(&cluster->arena);
    free(cluster);
}
