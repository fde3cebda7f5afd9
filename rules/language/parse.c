/* SPDX-License-Identifier: MIT */
/* The entries: text or tree in, rules out. A file is read in the order in which its
 * parts need each other (nodes, groups, listen, rules), whatever order it was written
 * in; diagnostics come out in the order of the text. */
#include "rules/language/parse.h"

#include "rules/language/parser.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct file_draft {
    uint64_t version;
    uint64_t seed;
    enum rule_intercept intercept;
    const struct yaml_node *ports, *nodes, *groups, *listen, *rules;
};

#define DRAFT(member) offsetof(struct file_draft, member)

static const char *const intercepts[] = {[INTERCEPT_LISTEN] = "listen",
                                         [INTERCEPT_REDIRECT] = "redirect",
                                         [INTERCEPT_TPROXY] = "tproxy",
                                         [INTERCEPT_NETNS] = "netns",
                                         NULL};

static const struct field file_fields[] = {
    {.name = "netsplit",
     .kind = FIELD_NUMBER,
     .offset = DRAFT(version),
     .required = true,
     .help = "the version of the format, 1"},
    {.name = "seed",
     .kind = FIELD_NUMBER,
     .offset = DRAFT(seed),
     .max = INT64_MAX, /* what JSON can carry */
     .help = "where all random choices come from; drawn and printed otherwise"},
    {.name = "intercept",
     .kind = FIELD_WORD,
     .offset = DRAFT(intercept),
     .words = intercepts,
     .help = "how the proxy gets at connections: listen, which is told to who "
             "connects; the kernel's ways are redirect (this host), tproxy (a router) "
             "and netns (in each node's namespace)"},
    {.name = "ports",
     .kind = FIELD_NODE,
     .offset = DRAFT(ports),
     .help = "servers' ports that are intercepted, where nodes have none of their "
             "own; not for listen"},
    {.name = "nodes",
     .kind = FIELD_TREE,
     .offset = DRAFT(nodes),
     .help = "who there is: name and address"},
    {.name = "groups",
     .kind = FIELD_TREE,
     .offset = DRAFT(groups),
     .help = "names for lists of nodes"},
    {.name = "listen",
     .kind = FIELD_LIST,
     .offset = DRAFT(listen),
     .help = "the paths through the proxy"},
    {.name = "rules",
     .kind = FIELD_LIST,
     .offset = DRAFT(rules),
     .help = "what happens on them"},
    {0},
};

static const struct field_stranger file_strangers[] = {
    {"version", "netsplit", NULL, false}, {"node", "nodes", NULL, false},
    {"hosts", "nodes", NULL, false},      {"servers", "nodes", NULL, false},
    {"upstreams", "nodes", NULL, false},  {"proxies", "listen", NULL, false},
    {"listeners", "listen", NULL, false}, {"links", "listen", NULL, false},
    {"toxics", "rules", NULL, false},     {"faults", "rules", NULL, false},
    {"rule", "rules", NULL, false},       {"group", "groups", NULL, false},
    {"mode", "intercept", NULL, false},   {NULL, NULL, NULL, false},
};

static const char *file_belongs(const char *key)
{
    static const char *const keys[] = {"name", "match", "partition", "isolate",
                                       "cut",  "shape", "of",        "inject",
                                       "when", "how",   "fallback",  "probability"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(keys[i], key) == 0)
            return "rules";
    return parser_is_inject_word(key) ? "inject" : NULL;
}

const struct yaml_table parser_file_table = {.what = "a rule file",
                                             .fields = file_fields,
                                             .strangers = file_strangers,
                                             .belongs = file_belongs};

static const struct field overlay_fields[] = {
    {.name = "netsplit",
     .kind = FIELD_NUMBER,
     .offset = DRAFT(version),
     .required = true,
     .help = "the version of the format, 1"},
    {.name = "rules",
     .kind = FIELD_LIST,
     .offset = DRAFT(rules),
     .required = true,
     .help = "what happens on the paths of the base"},
    {0},
};

static const struct field_stranger overlay_strangers[] = {
    {"nodes", NULL, "an overlay holds rules; nodes are those of the base", false},
    {"groups", NULL, "an overlay holds rules; groups are those of the base", false},
    {"listen", NULL, "an overlay holds rules; paths are those of the base", false},
    {"seed", NULL, "an overlay holds rules; the seed is that of the base", false},
    {"intercept", NULL, "an overlay holds rules", false},
    {"ports", NULL, "an overlay holds rules", false},
    {NULL, NULL, NULL, false},
};

static const struct yaml_table overlay_table = {
    .what = "an overlay", .fields = overlay_fields, .strangers = overlay_strangers};

static void read_top_ports(struct parser *parser, const struct yaml_node *root,
                           const struct yaml_node *value)
{
    struct ports ports = {0};
    if (!parser_read_ports(parser, "ports", value, &ports))
        return;
    if (parser->intercept != INTERCEPT_LISTEN || parser->mode_is_lost) {
        parser->rules->ports = ports;
        return;
    }
    diag_warning(parser->diag, &yaml_find_pair(root, "ports")->key->at,
                 "\"ports\" has no effect with intercept: listen");
    diag_hint(parser->diag, "paths are given under \"listen\"");
}

static bool is_mode_lost(const struct yaml_node *root, enum rule_intercept mode)
{
    const struct yaml_node *value = yaml_find(root, "intercept");
    return value ? strcmp(value->text, intercepts[mode]) != 0 : root->cut;
}

/* In kernel modes something says which ports are intercepted. */
static void check_intercepted(struct parser *parser, const struct yaml_node *root)
{
    const struct rules *rules = parser->rules;
    const struct yaml_node *value = yaml_find(root, "intercept");
    bool is_lost = root->cut || !parser->known_is_whole || yaml_find(root, "ports");
    if (parser->intercept == INTERCEPT_LISTEN || is_lost)
        return;
    for (size_t i = 0; i < rules->n_nodes; i++)
        if (rules->nodes[i].ports.n > 0)
            return;
    diag_error(parser->diag, &value->at,
               "nothing says which ports are to be intercepted");
    diag_hint(parser->diag, "write \"ports: [5432]\" at the top of the file, or "
                            "\"ports\" at the nodes that are servers");
}

/* Whether all names under the key were read, so that none of them can be missing. */
static bool is_whole(const struct yaml_node *root, const char *key)
{
    const struct yaml_node *value = yaml_find(root, key);
    return value ? !value->cut && value->kind == YAML_MAP : !root->cut;
}

static void check_version(struct parser *parser, const struct yaml_node *root,
                          uint64_t version)
{
    if (version == 1)
        return;
    diag_error(parser->diag, &yaml_find(root, "netsplit")->at,
               "format version %llu is not known", (unsigned long long)version);
    diag_hint(parser->diag, "this program reads version 1");
}

static void read_file(struct parser *parser, const struct yaml_node *root)
{
    struct file_draft draft = {.version = 1};
    (void)yaml_read_map(root, &parser_file_table, &draft,
                        parser->diag); /* all is told */
    check_version(parser, root, draft.version);
    parser->known_is_whole = is_whole(root, "nodes") && is_whole(root, "groups");
    parser->rules->has_seed = yaml_find(root, "seed") != NULL;
    parser->rules->seed = draft.seed;
    parser->intercept = parser->rules->intercept = draft.intercept;
    parser->mode_is_lost = is_mode_lost(root, draft.intercept);
    if (draft.ports)
        read_top_ports(parser, root, draft.ports);
    if (draft.nodes)
        parser_read_nodes(parser, draft.nodes);
    check_intercepted(parser, root);
    if (draft.groups)
        parser_read_groups(parser, draft.groups);
    parser_collect_names(parser);
    parser_check_groups(parser);
    if (draft.listen)
        parser_read_listens(parser, draft.listen);
    parser_check_found(parser);
    if (draft.rules)
        parser_read_rules(parser, draft.rules);
}

static void read_overlay(struct parser *parser, const struct yaml_node *root)
{
    struct file_draft draft = {.version = 1};
    (void)yaml_read_map(root, &overlay_table, &draft, parser->diag); /* all is told */
    check_version(parser, root, draft.version);
    parser->known_is_whole = true;
    parser_collect_names(parser);
    if (draft.rules)
        parser_read_rules(parser, draft.rules);
}

static void read_block(struct parser *parser, const struct yaml_node *node)
{
    parser->known_is_whole = true;
    parser_collect_names(parser);
    parser_read_rules(parser, node);
}

/* An empty struct rules in an arena of its own, or NULL. */
static struct rules *create_rules(const struct allocator *allocator)
{
    struct arena arena;
    arena_init(&arena, allocator);
    struct rules *rules = arena_alloc(&arena, 1, sizeof *rules);
    if (rules)
        rules->arena = arena;
    return rules;
}

static const struct source *copy_source(struct arena *arena, const char *name,
                                        const char *text, size_t length)
{
    struct source *source = arena_alloc(arena, 1, sizeof *source);
    char *own_name = arena_copy(arena, name, strlen(name));
    char *own_text = arena_copy(arena, text, length);
    if (!source || !own_name || !own_text)
        return NULL;
    *source = (struct source){own_name, own_text, length};
    return source;
}

typedef void (*read_fn)(struct parser *parser, const struct yaml_node *root);

/* A parse that is under way: the rules being filled, and what was wrong before it. */
struct job {
    const struct parse_context *context; /* never NULL */
    struct diag *diag;
    struct rules *rules;
    size_t errors_before;
};

static size_t count_errors(const struct diag *diag)
{
    return diag->n_errors + diag->n_lacking;
}

static int start(struct job *job, const struct parse_context *context,
                 struct diag *diag)
{
    static const struct parse_context nothing;
    *job = (struct job){.context = context ? context : &nothing,
                        .diag = diag,
                        .errors_before = count_errors(diag)};
    job->rules = create_rules(job->context->allocator);
    if (job->rules)
        return 0;
    diag->out_of_memory = true;
    return -ENOMEM;
}

/* Hands the rules over, or drops them. */
static int finish(struct job *job, struct rules **out)
{
    if (job->diag->out_of_memory || count_errors(job->diag) > job->errors_before) {
        rules_destroy(job->rules);
        return diag_status(job->diag);
    }
    *out = job->rules;
    return 0;
}

/* Runs one of the readers over the tree. */
static void read_tree(struct job *job, const struct yaml_node *root, read_fn read)
{
    const struct rules *base = job->context->base;
    struct parser parser = {.context = job->context,
                            .diag = job->diag,
                            .rules = job->rules,
                            .intercept = base ? base->intercept : INTERCEPT_LISTEN};
    read(&parser, root);
    if (job->diag->out_of_memory || count_errors(job->diag) != job->errors_before)
        return;
    parser_check_reach(&parser);
    parser_check_queues(&parser);
}

static int parse_text(const char *name, const char *text, size_t length,
                      const struct parse_context *context, read_fn read,
                      struct diag *diag, struct rules **out)
{
    struct job job;
    int err = start(&job, context, diag);
    if (err)
        return err;
    job.rules->source = copy_source(&job.rules->arena, name, text, length);
    if (!job.rules->source) {
        diag->out_of_memory = true;
        return finish(&job, out);
    }
    struct yaml_input input = {.source = job.rules->source,
                               .text = job.rules->source->text,
                               .length = length,
                               .first_line = 1};
    const struct yaml_node *root = yaml_read(&job.rules->arena, &input, diag);
    if (root)
        read_tree(&job, root, read);
    return finish(&job, out);
}

int parse_file(const char *name, const char *text, size_t length,
               const struct parse_context *context, struct diag *diag,
               struct rules **out)
{
    return parse_text(name, text, length, context, read_file, diag, out);
}

int parse_overlay(const char *name, const char *text, size_t length,
                  const struct parse_context *context, struct diag *diag,
                  struct rules **out)
{
    return parse_text(name, text, length, context, read_overlay, diag, out);
}

int parse_block(const struct yaml_node *node, const struct parse_context *context,
                struct diag *diag, struct rules **out)
{
    struct job job;
    int err = start(&job, context, diag);
    if (err)
        return err;
    job.rules->source = node->at.source;
    read_tree(&job, node, read_block);
    return finish(&job, out);
}

int parse_words(const char *const *words, size_t n, const struct parse_context *context,
                struct diag *diag, struct rules **out)
{
    struct job job;
    int err = start(&job, context, diag);
    if (err)
        return err;
    const struct yaml_node *rule =
        parser_build_words(&job.rules->arena, words, n, diag);
    if (rule) {
        job.rules->source = rule->at.source;
        read_tree(&job, rule, read_block);
    }
    return finish(&job, out);
}
