/* SPDX-License-Identifier: MIT */
/* Reads playbooks: front matter, then each marked block in document order, then what
 * fits together. What is wrong ends in errors, what is unwise (playbook_lint.c) in
 * warnings; both at the Markdown file's own lines. */
#include "scenarios/playbook/playbook.h"

#include "proxy/base/memory.h"
#include "proxy/base/text_file.h"
#include "rules/language/yaml.h"
#include "scenarios/playbook/playbook_block.h"
#include "scenarios/playbook/playbook_lint.h"
#include "scenarios/playbook/shipped.h"
#include "scenarios/playbook/step_read.h"
#include "scenarios/playbook/variables.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FRONT(member) offsetof(struct playbook_front, member)

static const struct field abort_fields[] = {
    {.name = "no_ok_write",
     .kind = FIELD_DURATION,
     .offset = FRONT(no_ok_write_ns),
     .min = 1,
     .help = "ends the drill when no write was acknowledged for so long"},
    {.name = "duration",
     .kind = FIELD_DURATION,
     .offset = FRONT(duration_ns),
     .min = 1,
     .help = "ends it when a mode takes longer"},
    {0},
};

static const struct field front_fields[] = {
    {.name = "playbook",
     .kind = FIELD_TEXT,
     .offset = FRONT(title),
     .required = true,
     .help = "what breaks, in one line"},
    {.name = "owner",
     .kind = FIELD_TEXT,
     .offset = FRONT(owner),
     .help = "who keeps it true"},
    {.name = "cluster",
     .kind = FIELD_TEXT,
     .offset = FRONT(cluster),
     .help = "a cluster that comes with netsplit, or a path"},
    {.name = "modes",
     .kind = FIELD_LIST,
     .offset = FRONT(modes),
     .help = "those of the cluster that are run, in this order"},
    {.name = "abort",
     .kind = FIELD_MAP,
     .members = abort_fields,
     .help = "stop conditions"},
    {.name = "vars",
     .kind = FIELD_TREE,
     .offset = FRONT(vars),
     .help = "{ NAME: VALUE }: $NAME stands for it in blocks; --set gives another"},
    {.name = "assumptions",
     .kind = FIELD_LIST,
     .offset = FRONT(assumptions),
     .help = "what is taken for granted"},
    {.name = "risk",
     .kind = FIELD_TREE,
     .offset = FRONT(risk),
     .help = "{ signal: what shows it, worst: what it can do }"},
    {.name = "control",
     .kind = FIELD_TEXT,
     .offset = FRONT(control),
     .help = "\"none because ...\": why nothing here demands harm"},
    {0},
};

static const struct field_stranger front_strangers[] = {
    {"title", "playbook", NULL, false}, {"name", "playbook", NULL, false},
    {"mode", "modes", NULL, false},     {"stop", "abort", NULL, false},
    {"variables", "vars", NULL, false}, {"owners", "owner", NULL, false},
    {"risks", "risk", NULL, false},     {NULL, NULL, NULL, false},
};

static const struct yaml_table front_table = {
    .what = "the front matter", .fields = front_fields, .strangers = front_strangers};

static void *take(struct playbook *playbook, size_t n, size_t bytes)
{
    return arena_alloc(&playbook->arena, n, bytes);
}

static char *keep(struct playbook *playbook, const char *text, size_t length)
{
    return arena_copy(&playbook->arena, text, length);
}

/* The variables first: the rest may be made of them. */
static void read_root(struct playbook *playbook, const struct yaml_node *root,
                      const struct cluster_variables *sets,
                      struct playbook_front *front, struct diag *diag)
{
    struct mark top = {&playbook->source, 1, 1, 1, 4};
    const struct yaml_node *vars = yaml_find(root, "vars");
    playbook->variables =
        variables_read(&playbook->arena, vars && vars->kind == YAML_MAP ? vars : NULL,
                       sets, &top, diag);
    root = variables_expand_tree(&playbook->variables, &playbook->arena, root, diag);
    (void)yaml_read_map(root, &front_table, front, diag); /* all is told */
}

static void read_front(struct playbook *playbook, const struct playbook_blocks *blocks,
                       const struct cluster_variables *sets,
                       struct playbook_front *front, struct diag *diag)
{
    if (!blocks->front && strncmp(playbook->source.text, "---", 3) == 0)
        return; /* never closed: told already */
    if (!blocks->front) {
        struct mark at = {&playbook->source, 1, 1, 1, 2};
        diag_error(diag, &at, "a playbook begins with front matter");
        diag_hint(diag, "---, then lines such as playbook: What breaks, then ---");
        return;
    }
    struct yaml_input input = {&playbook->source, blocks->front, blocks->front_bytes, 2,
                               0};
    const struct yaml_node *root = yaml_read(&playbook->arena, &input, diag);
    if (root)
        read_root(playbook, root, sets, front, diag);
    playbook->title = front->title ? front->title : blocks->title;
    playbook->owner = front->owner;
    playbook->cluster_word = front->cluster;
    playbook->no_ok_write_ns = front->no_ok_write_ns;
    playbook->duration_ns = front->duration_ns;
    playbook->no_control = front->control;
}

static void suggest_mode(const struct cluster *cluster, const char *word,
                         struct diag *diag)
{
    const char *names[32];
    size_t n = 0;
    for (; n < cluster->n_modes && n < 32; n++)
        names[n] = cluster->modes[n].name;
    diag_suggest(diag, word, names, n);
}

static const char *read_mode(const struct yaml_node *item,
                             const struct cluster *cluster, struct diag *diag)
{
    if (item->kind != YAML_SCALAR) {
        diag_error(diag, &item->at, "a mode is a name");
        return "";
    }
    if (cluster && !cluster->places && !cluster_find_mode(cluster, item->text)) {
        diag_error(diag, &item->at, "the cluster \"%s\" has no mode \"%s\"",
                   cluster->name, item->text);
        suggest_mode(cluster, item->text, diag);
    }
    return item->text;
}

/* The modes that the front matter names; all of the cluster's if it names none. A
 * cluster that runs already is taken as it is unless --mode asks for another of its
 * modes: what is expected of other modes is not looked at then. */
static void read_modes(struct playbook *playbook, const struct yaml_node *list,
                       const struct cluster *cluster, struct diag *diag)
{
    bool as_is = cluster && cluster->places;
    size_t n = as_is ? 1 : list ? list->n : cluster ? cluster->n_modes : 0;
    const char **modes = take(playbook, n, sizeof *modes);
    for (size_t i = 0; list && i < list->n; i++) {
        const char *mode = read_mode(list->items[i], cluster, diag);
        if (!as_is)
            modes[i] = mode;
    }
    for (size_t i = 0; (!list || as_is) && cluster && i < n; i++)
        modes[i] = cluster->modes[i].name;
    playbook->modes = modes;
    playbook->n_modes = n;
}

/* Nodes, and the words that stand for some: primary, clients.n1, ... */
static const char *const *list_names(struct playbook *playbook,
                                     const struct cluster *cluster, size_t *n)
{
    static const char *const words[] = {"primary", "standbys", "clients",
                                        "clients.primary", "clients.standbys"};
    size_t n_words = sizeof words / sizeof *words;
    size_t nodes = cluster ? cluster->n_nodes : 0;
    const char **names = take(playbook, n_words + 2 * nodes, sizeof *names);
    *n = 0;
    for (size_t i = 0; i < n_words; i++)
        names[(*n)++] = words[i];
    for (size_t i = 0; i < nodes; i++) {
        names[(*n)++] = cluster->nodes[i];
        names[(*n)++] = arena_print(&playbook->arena, "clients.%s", cluster->nodes[i]);
    }
    return names;
}

/* Text with a second word is somebody else's, unless it asks a person. */
static bool is_ours(const struct playbook_block *block)
{
    if (!block->header)
        return false;
    if (strcmp(block->language, "text") == 0)
        return strncmp(block->header, "manual", 6) == 0 &&
               strchr(" \t", block->header[6]); /* NUL is found, too */
    return strcmp(block->language, "yaml") == 0 || strcmp(block->language, "sh") == 0;
}

static void read_steps(struct playbook *playbook, const struct playbook_blocks *blocks,
                       const struct cluster *cluster, struct diag *diag)
{
    struct step_context context = {
        .source = &playbook->source,
        .arena = &playbook->arena,
        .cluster = cluster,
        .modes = playbook->modes,
        .n_modes = cluster && cluster->places ? 0 : playbook->n_modes,
        .variables = &playbook->variables,
        .diag = diag};
    context.names = list_names(playbook, cluster, &context.n_names);
    playbook->steps = take(playbook, blocks->n, sizeof *playbook->steps);
    for (size_t i = 0; i < blocks->n; i++) {
        const struct playbook_block *block = &blocks->items[i];
        if (!is_ours(block) ||
            !step_read(&context, block, &playbook->steps[playbook->n_steps]))
            continue;
        playbook->n_steps++;
        playbook_lint_block(&playbook->source, block, diag);
    }
}

struct playbook *playbook_parse(const char *name, const char *text, size_t length,
                                const struct cluster *cluster,
                                const struct cluster_variables *sets, struct diag *diag)
{
    struct playbook *playbook = xcalloc(1, sizeof *playbook);
    arena_init(&playbook->arena, &xallocator);
    struct playbook_blocks blocks;
    struct playbook_front front = {.title = NULL};
    const char *own_text = keep(playbook, text, length);
    const char *own_name = keep(playbook, name, strlen(name));
    playbook->source = (struct source){own_name, own_text, length};
    size_t wrong = diag->n_errors + diag->n_lacking;
    playbook_read_blocks(&playbook->arena, &playbook->source, &blocks, diag);
    read_front(playbook, &blocks, sets, &front, diag);
    read_modes(playbook, front.modes, cluster, diag);
    read_steps(playbook, &blocks, cluster, diag);
    bool whole = diag->n_errors + diag->n_lacking == wrong;
    playbook_lint(playbook, &front, cluster, whole, diag);
    if (!diag->out_of_memory && diag->n_errors + diag->n_lacking == wrong)
        return playbook;
    playbook_destroy(playbook);
    return NULL;
}

/* The cluster that the front matter names, before anything else is read. */
static void peek_cluster(const char *text, size_t length, char *word, size_t word_bytes)
{
    struct diag silent;
    struct arena arena = {.allocator = &xallocator};
    struct source source = {"", text, length};
    struct playbook_blocks blocks;
    diag_init(&silent, NULL);
    playbook_read_blocks(&arena, &source, &blocks, &silent);
    struct yaml_input input = {&source, blocks.front, blocks.front_bytes, 2, 0};
    const struct yaml_node *root =
        blocks.front ? yaml_read(&arena, &input, &silent) : NULL;
    const struct yaml_node *value = root ? yaml_find(root, "cluster") : NULL;
    (void)snprintf(word, word_bytes, "%s",
                   value && value->kind == YAML_SCALAR ? value->text : "store");
    arena_close(&arena);
    diag_close(&silent);
}

/* A path in a playbook is looked for beside it first: so the two can move together. */
static void prefer_beside(const char *playbook, char *path, size_t path_bytes)
{
    char beside[PATH_MAX];
    const char *slash = strrchr(playbook, '/');
    if (path[0] == '/' || !slash)
        return;
    int n = snprintf(beside, sizeof beside, "%.*s/%s", (int)(slash - playbook),
                     playbook, strncmp(path, "./", 2) == 0 ? path + 2 : path);
    if (n < (int)sizeof beside && access(beside, R_OK) == 0)
        (void)snprintf(path, path_bytes, "%s", beside);
}

struct cluster *playbook_load_cluster(const char *name, const char *text, size_t length,
                                      const char *cluster_word, struct diag *diag)
{
    char word[PATH_MAX], path[PATH_MAX];
    if (cluster_word)
        (void)snprintf(word, sizeof word, "%s", cluster_word);
    else
        peek_cluster(text, length, word, sizeof word);
    if (shipped_find(SHIPPED_CLUSTER, word, path, sizeof path) == 0) {
        if (!cluster_word && strchr(word, '/'))
            prefer_beside(name, path, sizeof path);
        return cluster_load(path, diag);
    }
    struct source source = {name, "", 0};
    struct mark whole = {.source = &source};
    diag_error(diag, &whole, "there is no cluster \"%s\"", word);
    diag_hint(diag, "a name in scenarios/clusters/, or a path with a slash in it");
    return NULL;
}

struct playbook *playbook_load(const char *word, const char *cluster_word,
                               const struct cluster_variables *sets,
                               struct cluster **used, struct diag *diag)
{
    size_t length = 0;
    char found[PATH_MAX];
    bool is_found = shipped_find(SHIPPED_PLAYBOOK, word, found, sizeof found) == 0;
    const char *path = is_found ? found : word;
    char *text = text_file_read(path, &length, diag);
    *used = NULL;
    if (!text && !is_found)
        diag_hint(diag,
                  "a path, or the name of a playbook that ships: primary-cut-off");
    if (!text)
        return NULL;
    *used = playbook_load_cluster(path, text, length, cluster_word, diag);
    struct playbook *playbook = playbook_parse(path, text, length, *used, sets, diag);
    free(text);
    if (playbook && *used)
        return playbook;
    playbook_destroy(playbook);
    return NULL;
}

const char *playbook_promotes_again(const struct playbook *playbook)
{
    const char *first = NULL, *last = NULL;
    for (size_t i = 0; i < playbook->n_steps; i++) {
        if (playbook->steps[i].verb->kind != STEP_PROMOTE)
            continue;
        last = playbook->steps[i].node;
        first = first ? first : last;
    }
    return first && strcmp(first, last) == 0 ? first : NULL;
}

void playbook_destroy(struct playbook *playbook)
{
    if (!playbook)
        return;
    for (size_t i = 0; i < playbook->n_steps; i++)
        rules_destroy(playbook->steps[i].rules);
    arena_close(&playbook->arena);
    free(playbook);
}
