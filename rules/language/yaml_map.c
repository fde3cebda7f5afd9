/* SPDX-License-Identifier: MIT */
/* Maps into structs by tables, and the answers to everything that does not fit. Where a
 * syntax error cut the tree, what may have followed is not missed. */
#include "rules/language/yaml.h"

#include "rules/nearest.h"
#include "rules/unit.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { NAMES_MOST = 64 }; /* more keys in one table are not suggested */

const struct yaml_pair *yaml_find_pair(const struct yaml_node *map, const char *key)
{
    if (map->kind != YAML_MAP)
        return NULL;
    for (size_t i = 0; i < map->n; i++)
        if (strcmp(map->pairs[i].key->text, key) == 0)
            return &map->pairs[i];
    return NULL;
}

const struct yaml_node *yaml_find(const struct yaml_node *map, const char *key)
{
    const struct yaml_pair *pair = yaml_find_pair(map, key);
    return pair ? pair->value : NULL;
}

bool yaml_is_empty(const struct yaml_node *node)
{
    return node->kind == YAML_SCALAR && node->length == 0 && !node->quoted;
}

const char *yaml_describe(const struct yaml_node *node, char *text, size_t text_bytes)
{
    if (node->kind == YAML_MAP)
        (void)snprintf(text, text_bytes, "a map");
    else if (node->kind == YAML_LIST)
        (void)snprintf(text, text_bytes, "a list");
    else if (yaml_is_empty(node))
        (void)snprintf(text, text_bytes, "nothing");
    else
        (void)snprintf(text, text_bytes, "\"%.40s\"", node->text);
    return text;
}

/* The last word of a value that has two, if it stands on one line as it is shown. */
static bool split_tail(const struct yaml_node *value, char *head, size_t head_bytes,
                       struct mark *tail_at, const char **tail)
{
    const char *space = strchr(value->text, ' ');
    size_t length = space ? (size_t)(space - value->text) : 0;
    if (!space || length >= head_bytes || value->quoted ||
        value->at.end_line != value->at.line)
        return false;
    memcpy(head, value->text, length);
    head[length] = '\0';
    *tail = space + strspn(space, " ");
    *tail_at = value->at;
    tail_at->column += (uint32_t)(*tail - value->text);
    return true;
}

/* "jitter: 8ms normal": the rest may be the value of another key of the table. */
static void suggest_key(const char *tail, const struct field *fields, struct diag *diag)
{
    for (const struct field *field = fields; field && field->name; field++) {
        if (field->kind != FIELD_WORD)
            continue;
        size_t n = 0;
        while (field->words[n])
            n++;
        const char *near = nearest_word(tail, field->words, n);
        if (near) {
            diag_hint(diag, "did you mean \"%s: %s\", as a key of its own?",
                      field->name, near);
            return;
        }
    }
}

static bool complain_tail(const struct yaml_node *value, const struct field *field,
                          const struct field *siblings, struct diag *diag)
{
    char head[64];
    struct mark at;
    const char *tail = NULL;
    uint64_t ignored[2];
    struct field head_field = *field;
    head_field.offset = 0;
    if (field->kind < FIELD_NUMBER ||
        !split_tail(value, head, sizeof head, &at, &tail) ||
        field_store(&head_field, head, ignored, NULL) != 0)
        return false;
    diag_error(diag, &at, "\"%s\" is too much: \"%s\" takes one value", tail,
               field->name);
    suggest_key(tail, siblings, diag);
    return true;
}

/* The value does not fit the row; why says what the row's own reader found. */
static void complain_value(const struct yaml_node *value, const struct field *field,
                           const struct field *siblings, const struct unit_error *why,
                           struct diag *diag)
{
    if (complain_tail(value, field, siblings, diag))
        return;
    diag_error(diag, &value->at, "%s", why->text);
    if (field->kind == FIELD_WORD) {
        size_t n = 0;
        while (field->words[n])
            n++;
        diag_suggest(diag, value->text, field->words, n);
    } else if (why->hint[0]) {
        diag_hint(diag, "%s", why->hint);
    }
}

static bool complain_type(const struct yaml_node *value, const struct field *field,
                          struct diag *diag)
{
    char wanted[128], found[64];
    field_describe(field, wanted, sizeof wanted);
    if (yaml_is_empty(value)) {
        diag_error(diag, &value->at, "\"%s\" has no value", field->name);
        diag_hint(diag, "it takes: %s", wanted);
    } else {
        diag_error(diag, &value->at, "\"%s\" does not take %s", field->name,
                   yaml_describe(value, found, sizeof found));
        diag_hint(diag, "it takes: %s", wanted);
    }
    if (field->kind == FIELD_MAP && strcmp(value->at.source->name, SOURCE_WORDS) == 0)
        diag_hint(diag, "such as %s.%s=...", field->name, field->members->name);
    bool is_tree = field->kind == FIELD_LIST || field->kind == FIELD_TREE;
    if (is_tree && field->help)
        diag_hint(diag, "%s", field->help);
    return false;
}

static bool store_node(const struct yaml_node *value, const struct field *field,
                       void *target)
{
    *(const struct yaml_node **)(void *)((char *)target + field->offset) = value;
    return true;
}

bool yaml_read_value(const struct yaml_node *value, const struct field *field,
                     const struct field *siblings, void *target, struct diag *diag)
{
    if (value->kind == YAML_SCALAR && value->cut)
        return true;
    bool is_scalar = value->kind == YAML_SCALAR && !yaml_is_empty(value);
    bool fits = is_scalar;
    if (field->kind == FIELD_NODE)
        fits = true;
    else if (field->kind == FIELD_LIST)
        fits = value->kind == YAML_LIST;
    else if (field->kind == FIELD_TREE || field->kind == FIELD_MAP)
        fits = value->kind == YAML_MAP;
    else if (field->kind == FIELD_TEXT)
        fits = is_scalar && value->length > 0;
    if (!fits)
        return value->cut || complain_type(value, field, diag);
    if (field->kind <= FIELD_TREE)
        return store_node(value, field, target);
    if (field->kind == FIELD_MAP) {
        char what[64];
        struct yaml_table table = {.what = what, .fields = field->members};
        (void)snprintf(what, sizeof what, "\"%s\"", field->name); /* cut if longer */
        return yaml_read_map(value, &table, target, diag);
    }
    struct unit_error why = {.hint = ""};
    if (field_store(field, value->text, target, &why) == 0)
        return true;
    complain_value(value, field, siblings, &why, diag);
    return false;
}

static const struct field_stranger *find_stranger(const struct yaml_table *table,
                                                  const char *word)
{
    for (const struct field_stranger *row = table->strangers; row && row->word; row++)
        if (strcasecmp(row->word, word) == 0)
            return row;
    return NULL;
}

static void complain_stranger(const struct yaml_node *key, const char *what,
                              const struct field_stranger *stranger, struct diag *diag)
{
    if (stranger->lacking)
        diag_lacking(diag, &key->at, "\"%s\" is not available in this version",
                     key->text);
    else
        diag_error(diag, &key->at, "unknown key \"%s\" in %s", key->text, what);
    if (stranger->known)
        diag_hint(diag, "here it is called \"%s\"", stranger->known);
    if (stranger->answer)
        diag_hint(diag, "%s", stranger->answer);
}

void yaml_complain_unknown(const struct yaml_node *key, const struct yaml_table *table,
                           const char *const *names, size_t n, struct diag *diag)
{
    const struct field_stranger *stranger = find_stranger(table, key->text);
    const char *home = table->belongs ? table->belongs(key->text) : NULL;
    if (stranger) {
        complain_stranger(key, table->what, stranger, diag);
        return;
    }
    diag_error(diag, &key->at, "unknown key \"%s\" in %s", key->text, table->what);
    if (strchr(key->text, ':'))
        diag_hint(diag, "\"key: value\", with a space behind the \":\"");
    else if (home)
        diag_hint(diag, "it belongs in \"%s\"", home);
    else
        diag_suggest(diag, key->text, names, n);
}

/* Whether one of the map's unknown keys was probably meant to be this one, or may have
 * been: it was answered, and this one need not be missed as well. */
static bool is_misspelt(const struct yaml_node *map, const struct yaml_table *table,
                        const char *name, const char *const *names, size_t n)
{
    for (size_t i = 0; i < map->n; i++) {
        const char *word = map->pairs[i].key->text;
        if (field_find(table->fields, word))
            continue;
        const struct field_stranger *stranger = find_stranger(table, word);
        const char *meant = stranger ? stranger->known : nearest_word(word, names, n);
        if (meant ? strcmp(meant, name) == 0 : stranger != NULL)
            return true;
    }
    return false;
}

static bool check_required(const struct yaml_node *map, const struct yaml_table *table,
                           const char *const *names, size_t n, struct diag *diag)
{
    bool complete = true;
    for (const struct field *field = table->fields; field->name; field++) {
        if (!field->required || yaml_find(map, field->name))
            continue;
        complete = false;
        if (map->cut || is_misspelt(map, table, field->name, names, n))
            continue;
        diag_error(diag, &map->at, "%s lacks the key \"%s\"", table->what, field->name);
        if (field->help)
            diag_hint(diag, "%s: %s", field->name, field->help);
    }
    return complete;
}

static bool has_one_of(const struct yaml_node *map, const char *const *names)
{
    for (; *names; names++)
        if (yaml_find(map, *names))
            return true;
    return false;
}

static bool check_needs(const struct yaml_node *map, const struct field *fields,
                        struct diag *diag)
{
    bool good = true;
    for (const struct field *field = fields; field->name; field++) {
        const struct yaml_pair *pair = yaml_find_pair(map, field->name);
        if (!pair || !field->needs || map->cut || has_one_of(map, field->needs))
            continue;
        good = false;
        diag_error(diag, &pair->key->at, "\"%s\" means nothing without \"%s\"",
                   field->name, field->needs[0]);
    }
    return good;
}

bool yaml_read_map(const struct yaml_node *map, const struct yaml_table *table,
                   void *target, struct diag *diag)
{
    const char *names[NAMES_MOST];
    size_t known = field_names(table->fields, names, NAMES_MOST);
    size_t n = known < NAMES_MOST ? known : NAMES_MOST;
    if (map->kind != YAML_MAP) {
        char found[64];
        if (map->cut)
            return false;
        diag_error(diag, &map->at, "%s is a map of keys and values, not %s",
                   table->what, yaml_describe(map, found, sizeof found));
        if (map->kind == YAML_SCALAR && strchr(map->text, ':'))
            diag_hint(diag, "\"key: value\", with a space behind the \":\"");
        else
            diag_suggest(diag, "", names, n);
        return false;
    }
    bool good = true;
    for (size_t i = 0; i < map->n; i++) {
        const struct yaml_pair *pair = &map->pairs[i];
        const struct field *field = field_find(table->fields, pair->key->text);
        if (field && yaml_read_value(pair->value, field, table->fields, target, diag))
            continue;
        good = false;
        if (!field)
            yaml_complain_unknown(pair->key, table, names, n, diag);
    }
    good = check_required(map, table, names, n, diag) && good;
    return check_needs(map, table->fields, diag) && good;
}
