/* SPDX-License-Identifier: MIT */
/* Strict YAML to a tree in which every key and value knows its place, and maps read
 * by tables. Rule files, cluster files and the blocks of playbooks are read by this. */
#ifndef NETSPLIT_RULES_LANGUAGE_YAML_H
#define NETSPLIT_RULES_LANGUAGE_YAML_H

#include "rules/diag.h"
#include "rules/field.h"

enum yaml_kind {
    YAML_SCALAR = 0,
    YAML_LIST,
    YAML_MAP,
};

struct yaml_pair {
    const struct yaml_node *key; /* always a scalar; keys of a map differ */
    const struct yaml_node *value;
};

/* Everything is owned by the arena the tree was read into. */
struct yaml_node {
    enum yaml_kind kind;
    struct mark at; /* a block map or list: its first key or item; else all of it */
    bool quoted;    /* scalar: was in quotes or a block; so "" may be meant */
    bool cut;       /* part of it was lost to an error that is told: it may hold more */
    const char *text; /* scalar: as written, unquoted; "" where nothing was written */
    size_t length;    /* scalar: bytes of text, which may hold no NUL */
    const struct yaml_node *const *items; /* list: n of them */
    const struct yaml_pair *pairs;        /* map: n of them, in order */
    size_t n;
};

enum {
    YAML_DEEPEST = 32,               /* levels */
    YAML_LONGEST = 16 * 1024 * 1024, /* bytes of text */
    YAML_MOST = 1024 * 1024,         /* nodes */
};

/* Where the text stands in its source: a whole file is { source, text, length, 1, 0 };
 * a block of a Markdown file begins at a line of it, with each line's first `indent`
 * columns already removed. Marks are those of the source. */
struct yaml_input {
    const struct source *source; /* borrowed; outlives the tree */
    const char *text;            /* borrowed until yaml_read returns */
    size_t length;               /* bytes */
    uint32_t first_line;         /* line of the source on which text begins; 1.. */
    uint32_t indent;             /* columns before it on every line */
};

/* Reads one document. What is wrong goes to diag: bad syntax, duplicate keys, anchors,
 * aliases, tags, merge keys, a second document, bad UTF-8, limits. A syntax error ends
 * the tree where it is, with `cut` on what was open there, so that the caller can go on
 * and find what is wrong before it. An empty text is an empty map at the source's first
 * line. Returns the tree, owned by arena; NULL if there is nothing to go on with (no
 * memory: diag->out_of_memory is set; or not even a first token). */
const struct yaml_node *yaml_read(struct arena *arena, const struct yaml_input *input,
                                  struct diag *diag);

/* The value of a key of a map, or NULL. yaml_find_pair: with its key. */
const struct yaml_node *yaml_find(const struct yaml_node *map, const char *key);
const struct yaml_pair *yaml_find_pair(const struct yaml_node *map, const char *key);

/* Nothing was written here: "key:" and then no value. */
bool yaml_is_empty(const struct yaml_node *node);

/* What a map is read by. A file's kinds of map are constant tables of this. */
struct yaml_table {
    const char *what;                        /* "a rule", "inject": for the errors */
    const struct field *fields;              /* ends with a row without a name */
    const struct field_stranger *strangers;  /* ends with one without a word; or NULL */
    const char *(*belongs)(const char *key); /* the key under which the word does have a
                                                meaning ("inject"), or NULL; the
                                                function may be NULL */
};

/* Reads the map into the struct at target, and says everything that is wrong with it:
 * it is no map, an unknown key (with a suggestion, or the stranger's answer), a value
 * of the wrong type or out of range, a required key missing, a key without one it
 * needs. Keys that are wrong leave their member as it is. Call field_store_standards
 * first if the table has standards. Returns whether nothing was wrong; all is told in
 * diag. */
bool yaml_read_map(const struct yaml_node *map, const struct yaml_table *table,
                   void *target, struct diag *diag);

/* One value by one row, as yaml_read_map does. siblings: the table the row is of, for
 * hints; may be NULL. */
bool yaml_read_value(const struct yaml_node *value, const struct field *field,
                     const struct field *siblings, void *target, struct diag *diag);

/* For maps whose keys come from several tables: says of a key that the n names are the
 * ones known here; table gives the rest of the answer, its fields are not looked at. */
void yaml_complain_unknown(const struct yaml_node *key, const struct yaml_table *table,
                           const char *const *names, size_t n, struct diag *diag);

/* "a map", "a list", "nothing", "\"40ms\"": what stands there, for errors. */
const char *yaml_describe(const struct yaml_node *node, char *text, size_t text_bytes);

#endif
