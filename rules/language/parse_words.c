/* SPDX-License-Identifier: MIT */
/* A rule from the words of a command line. The words become the tree that the same rule
 * in a file would have been, with marks into the words, and are read like any block. */
#include "rules/language/parser.h"
#include "rules/utf8.h"

#include <errno.h>
#include <string.h>

enum { WORDS_FIXED = 3 }; /* NAME FROM TO */

/* A map that is being made; the room for pairs is given beforehand. */
struct map_draft {
    struct yaml_node node;
    struct yaml_pair *pairs;
};

struct words_job {
    struct arena *arena;
    struct diag *diag;
    const struct source *source;
    struct map_draft rule, match, when, inject;
};

static void *take(struct words_job *job, size_t n, size_t bytes)
{
    void *memory = arena_alloc(job->arena, n, bytes);
    if (!memory)
        job->diag->out_of_memory = true;
    return memory;
}

/* The place of bytes of the source's one line. */
static struct mark place(const struct words_job *job, const char *start, size_t length)
{
    const char *at = job->source->text;
    uint32_t column = 1, width = 0;
    while (at < start) {
        (void)utf8_next(&at, start); /* only counted */
        column++;
    }
    while (at < start + length) {
        (void)utf8_next(&at, start + length);
        width++;
    }
    return (struct mark){job->source, 1, column, 1, column + width};
}

static struct yaml_node *make_scalar(struct words_job *job, const char *start,
                                     size_t length)
{
    struct yaml_node *node = take(job, 1, sizeof *node);
    const char *text = arena_copy(job->arena, start, length);
    if (!node || !text) {
        job->diag->out_of_memory = true;
        return NULL;
    }
    *node = (struct yaml_node){.kind = YAML_SCALAR,
                               .at = place(job, start, length),
                               .text = text,
                               .length = length};
    return node;
}

/* "a,b" as the list [a, b]; one name as itself. */
static struct yaml_node *make_names(struct words_job *job, const char *start,
                                    size_t length)
{
    const char *end = start + length;
    size_t n = 1;
    for (const char *at = start; at < end; at++)
        n += *at == ',';
    if (n == 1)
        return make_scalar(job, start, length);
    struct yaml_node *list = take(job, 1, sizeof *list);
    const struct yaml_node **items = take(job, n, sizeof(struct yaml_node *));
    if (!list || !items)
        return NULL;
    *list = (struct yaml_node){.kind = YAML_LIST,
                               .at = place(job, start, length),
                               .text = "",
                               .items = items,
                               .n = n};
    for (size_t i = 0; i < n; i++) {
        const char *comma = memchr(start, ',', (size_t)(end - start));
        const char *item_end = comma ? comma : end;
        items[i] = make_scalar(job, start, (size_t)(item_end - start));
        if (!items[i])
            return NULL;
        start = item_end + 1;
    }
    return list;
}

static bool init_map(struct words_job *job, struct map_draft *map, size_t most)
{
    map->pairs = take(job, most, sizeof *map->pairs);
    map->node = (struct yaml_node){.kind = YAML_MAP,
                                   .at = place(job, job->source->text, 0),
                                   .text = "",
                                   .pairs = map->pairs};
    return map->pairs != NULL;
}

/* The same key again is an error. */
static void add_pair(struct words_job *job, struct map_draft *map,
                     const struct yaml_node *key, const struct yaml_node *value)
{
    if (!key || !value)
        return;
    if (yaml_find(&map->node, key->text)) {
        diag_error(job->diag, &key->at, "\"%s\" is given twice", key->text);
        return;
    }
    if (map->node.n == 0)
        map->node.at = key->at;
    map->pairs[map->node.n++] = (struct yaml_pair){key, value};
}

/* A key that stands for a place rather than a word: name, from, to. */
static void add_named(struct words_job *job, struct map_draft *map, const char *name,
                      const struct yaml_node *value)
{
    struct yaml_node *key = value ? take(job, 1, sizeof *key) : NULL;
    if (!key)
        return;
    *key = (struct yaml_node){
        .kind = YAML_SCALAR, .at = value->at, .text = name, .length = strlen(name)};
    add_pair(job, map, key, value);
}

static struct map_draft *home_of(struct words_job *job, const char *key)
{
    static const char *const of_when[] = {"after", "for", "every"};
    for (size_t i = 0; i < sizeof of_when / sizeof *of_when; i++)
        if (strcmp(key, of_when[i]) == 0)
            return &job->when;
    if (strcmp(key, "port") == 0 || strcmp(key, "state") == 0)
        return &job->match;
    bool is_of_rule = strcmp(key, "probability") == 0 || strcmp(key, "fallback") == 0;
    return is_of_rule ? &job->rule : &job->inject;
}

/* "slice.size=100B": the map is made at its first member. */
static void add_member(struct words_job *job, const char *word, size_t dot,
                       const struct yaml_node *member, const struct yaml_node *value,
                       size_t most)
{
    struct yaml_node *key = make_scalar(job, word, dot);
    if (!key)
        return;
    const struct yaml_node *found = yaml_find(&job->inject.node, key->text);
    struct map_draft *map = NULL;
    if (found && found->kind == YAML_MAP) {
        map = (struct map_draft *)(uintptr_t)found; /* its first member; ours */
    } else {
        map = take(job, 1, sizeof *map);
        if (!map || !init_map(job, map, most))
            return;
        map->node.at = key->at;
        add_pair(job, &job->inject, key, &map->node);
    }
    struct mark at = map->node.at;
    add_pair(job, map, member, value);
    map->node.at = at;
}

static void read_setting(struct words_job *job, const char *word, size_t length,
                         size_t most)
{
    const char *equals = memchr(word, '=', length);
    if (!equals || equals == word) {
        struct mark at = place(job, word, length);
        diag_error(job->diag, &at, "\"%.*s\" is not KEY=VALUE", (int)length, word);
        const struct yaml_node *key = make_scalar(job, word, length);
        if (key && parser_is_inject_word(key->text))
            diag_hint(job->diag, "%s=...", key->text);
        return;
    }
    size_t key_length = (size_t)(equals - word);
    const char *dot = memchr(word, '.', key_length);
    size_t skipped = dot ? (size_t)(dot - word) + 1 : 0;
    struct yaml_node *key = make_scalar(job, word + skipped, key_length - skipped);
    const char *value_start = equals + 1;
    size_t value_length = length - key_length - 1;
    if (!key)
        return;
    struct map_draft *home = dot ? NULL : home_of(job, key->text);
    bool is_list = home == &job->match && strcmp(key->text, "state") != 0;
    struct yaml_node *value = is_list ? make_names(job, value_start, value_length)
                                      : make_scalar(job, value_start, value_length);
    if (home)
        add_pair(job, home, key, value);
    else
        add_member(job, word, skipped - 1, key, value, most);
}

/* The words as one line, and where each begins in it. */
static const struct source *join(struct arena *arena, const char *const *words,
                                 size_t n, const char **starts)
{
    size_t length = 0;
    for (size_t i = 0; i < n; i++)
        length += strlen(words[i]) + 1;
    char *text = arena_alloc(arena, length + 1, 1);
    struct source *source = arena_alloc(arena, 1, sizeof *source);
    if (!text || !source)
        return NULL;
    char *at = text;
    for (size_t i = 0; i < n; i++) {
        starts[i] = at;
        at = stpcpy(at, words[i]);
        *at++ = ' ';
    }
    *source = (struct source){SOURCE_WORDS, text, length > 0 ? length - 1 : 0};
    return source;
}

static void build(struct words_job *job, const char *const *words,
                  const char *const *starts, size_t n)
{
    if (!init_map(job, &job->rule, n + 4) || !init_map(job, &job->match, n) ||
        !init_map(job, &job->when, n) || !init_map(job, &job->inject, n))
        return;
    add_named(job, &job->rule, "name", make_scalar(job, starts[0], strlen(words[0])));
    add_named(job, &job->match, "from", make_names(job, starts[1], strlen(words[1])));
    add_named(job, &job->match, "to", make_names(job, starts[2], strlen(words[2])));
    for (size_t i = WORDS_FIXED; i < n && !job->diag->out_of_memory; i++)
        read_setting(job, starts[i], strlen(words[i]), n);
    add_named(job, &job->rule, "match", &job->match.node);
    if (job->when.node.n > 0)
        add_named(job, &job->rule, "when", &job->when.node);
    if (job->inject.node.n > 0)
        add_named(job, &job->rule, "inject", &job->inject.node);
}

const struct yaml_node *parser_build_words(struct arena *arena,
                                           const char *const *words, size_t n,
                                           struct diag *diag)
{
    const char **starts = arena_alloc(arena, n, sizeof *starts);
    const struct source *source = starts ? join(arena, words, n, starts) : NULL;
    struct words_job *job = arena_alloc(arena, 1, sizeof *job);
    if (!source || !job) {
        diag->out_of_memory = true;
        return NULL;
    }
    *job = (struct words_job){.arena = arena, .diag = diag, .source = source};
    if (n < WORDS_FIXED) {
        struct mark at = place(job, source->text, source->length);
        diag_error(diag, &at, "a rule is NAME FROM TO KEY=VALUE...");
        return NULL;
    }
    build(job, words, starts, n);
    return diag->out_of_memory ? NULL : &job->rule.node;
}
