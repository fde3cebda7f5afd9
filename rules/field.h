/* SPDX-License-Identifier: MIT */
/* One row of every table that text is read by: keys of rule files, parameters of
 * faults, keys of cluster files and of playbook blocks. The reader, its errors, the
 * printed catalogues and the JSON Schema all come from the row. */
#ifndef NETSPLIT_RULES_FIELD_H
#define NETSPLIT_RULES_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct yaml_node;

enum field_kind {
    FIELD_NODE = 0,  /* const struct yaml_node *: any value; the caller reads it */
    FIELD_SCALAR,    /* const struct yaml_node *: must be one value, not empty */
    FIELD_LIST,      /* const struct yaml_node *: must be a list */
    FIELD_TREE,      /* const struct yaml_node *: must be a map */
    FIELD_MAP,       /* a map read by `members` into the same struct */
    FIELD_TEXT,      /* const char *: not empty */
    FIELD_WORD,      /* unsigned or an enum: index into `words` */
    FIELD_FLAG,      /* bool: true or false */
    FIELD_TRUE,      /* bool: only true may be written */
    FIELD_NUMBER,    /* uint64_t: decimal, min..max */
    FIELD_DURATION,  /* uint64_t: nanoseconds */
    FIELD_BYTES,     /* uint64_t: bytes */
    FIELD_RATE,      /* uint64_t: bytes per second */
    FIELD_FREQUENCY, /* uint64_t: events in 1000 seconds */
    FIELD_PERCENT,   /* uint32_t: parts per million */
    FIELD_AFTER,     /* struct field_after: a duration or a number of bytes */
};

struct field_after {
    bool is_bytes;
    uint64_t amount; /* bytes if is_bytes, else nanoseconds */
};

/* The value is stored at offset in the struct that the table is read into; a key that
 * is absent leaves it as it is, unless `standard` is given. */
struct field {
    const char *name;            /* as users write it; NULL ends a table */
    enum field_kind kind;        /* what is stored, and so what may be written */
    size_t offset;               /* offsetof(struct, member) */
    bool required;               /* its absence is an error */
    const char *const *words;    /* FIELD_WORD: ends with NULL */
    const struct field *members; /* FIELD_MAP: a table */
    uint64_t min, max;           /* inclusive, in the stored unit; max 0 = no limit */
    const char *standard;     /* what holds when absent, as users write it; or NULL */
    const char *const *needs; /* only together with one of these keys; ends with NULL;
                                 NULL = stands alone */
    const char *help;         /* one sentence without full stop, starts lower case */
};

/* A word that is no key here, but that people write, and what to tell them. */
struct field_stranger {
    const char *word;   /* "latency", in any case; NULL ends a table */
    const char *known;  /* the key of this table that means it; NULL = none */
    const char *answer; /* the hint: "not possible in a byte stream"; may be NULL where
                           known is given */
    bool lacking;       /* a word of the language which this version cannot do: "not
                           available in this version", and answer says what to use */
};

/* The row of the name, or NULL. */
const struct field *field_find(const struct field *fields, const char *name);

/* The words of the table's names into names[0..room-1]; returns how many there are. */
size_t field_names(const struct field *fields, const char **names, size_t room);

/* What may be written, for people: "duration", "bytes", "true", "uniform | normal",
 * "{ size, gap }". Writes at most text_bytes with the NUL; returns text. */
const char *field_describe(const struct field *field, char *text, size_t text_bytes);

struct unit_error;

/* Stores the value that text stands for into the struct at target. Scalar kinds from
 * FIELD_TEXT on only; FIELD_TEXT borrows text. Returns 0, or -EINVAL with why filled
 * and nothing stored. This is what yaml_read_map does for each scalar, and what sets
 * the standards of a row. */
int field_store(const struct field *field, const char *text, void *target,
                struct unit_error *why);

/* Stores every `standard` of the table, members included. The rows' own texts cannot
 * be wrong: a test stores them all. */
void field_store_standards(const struct field *fields, void *target);

struct buffer;

/* Appends the value that is stored for the row in the struct at source, as field_store
 * reads it back exactly. Appends nothing for trees. */
void field_print(const struct field *field, const void *source, struct buffer *out);

#endif
