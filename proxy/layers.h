/* SPDX-License-Identifier: MIT */
/* The texts an instance runs on: the base, and the overlays above it in the order in
 * which they act. Values: a change is made on a copy, which then takes the place of
 * what was there, or is thrown away. */
#ifndef NETSPLIT_PROXY_LAYERS_H
#define NETSPLIT_PROXY_LAYERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct diag;
struct plan_layer;
struct proxy_source;
struct rules;

struct layer {
    const char *name;    /* "base", or the overlay's; interned in the journal */
    char *file;          /* owned: the name its text had */
    char *text;          /* owned: as it was applied */
    size_t length;       /* bytes */
    struct rules *rules; /* owned: what the text says */
    uint64_t committed_ns;
    uint64_t ends_ns; /* UINT64_MAX = stays */
    bool rules_off;   /* `clear` */
    bool links_off;   /* `heal` */
};

/* Zeroes: nothing. items[0] is the base. */
struct layers {
    struct layer *items; /* owned */
    size_t n;
};

/* Reads the source into *out: a rule file if base is NULL, else an overlay over those
 * rules. 0, or what parse.h says. */
int layer_read(struct layer *out, const char *name, const struct proxy_source *source,
               const struct rules *base, struct diag *diag);
void layer_close(struct layer *layer);

/* A copy with room for one layer more. Layers of copies share their texts. 0 or
 * -ENOMEM. */
int layers_copy(const struct layers *layers, struct layers *out);

/* The overlay or the base of that name; NULL: none. */
struct layer *layers_find(const struct layers *layers, const char *name);

/* In a copy: puts it in the place of the one of its name, or behind the last. */
void layers_put(struct layers *copy, const struct layer *layer);
void layers_remove(struct layers *copy, struct layer *layer);

/* Ends a copy, or what a copy replaced: frees the texts that the other does not have,
 * and the list. */
void layers_close_but(struct layers *gone, const struct layers *kept);

/* What plan_compile takes; out has room for layers->n. */
void layers_to_plan(const struct layers *layers, struct plan_layer *out);

/* When the next overlay ends; UINT64_MAX: none does. */
uint64_t layers_next_end(const struct layers *layers);

#endif
