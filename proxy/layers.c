/* SPDX-License-Identifier: MIT */
/* Copies are shallow: a list of layers that share their texts with the list they were
 * copied from. Whichever of the two is given up frees what only it has. */
#include "proxy/layers.h"
#include "proxy/proxy.h"
#include "rules/language/parse.h"
#include "rules/plan/plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static char *copy_bytes(const char *bytes, size_t length)
{
    char *copy = malloc(length + 1);
    if (!copy)
        return NULL;
    memcpy(copy, bytes, length);
    copy[length] = '\0';
    return copy;
}

int layer_read(struct layer *out, const char *name, const struct proxy_source *source,
               const struct rules *base, struct diag *diag)
{
    struct layer layer = {
        .name = name, .length = source->length, .ends_ns = UINT64_MAX};
    const struct parse_context context = {.base = base};
    int status = base ? parse_overlay(source->name, source->text, source->length,
                                      &context, diag, &layer.rules)
                      : parse_file(source->name, source->text, source->length, &context,
                                   diag, &layer.rules);
    if (status != 0)
        return status;
    layer.file = copy_bytes(source->name, strlen(source->name));
    layer.text = copy_bytes(source->text, source->length);
    if (!layer.file || !layer.text) {
        layer_close(&layer);
        return -ENOMEM;
    }
    *out = layer;
    return 0;
}

void layer_close(struct layer *layer)
{
    rules_destroy(layer->rules);
    free(layer->file);
    free(layer->text);
}

int layers_copy(const struct layers *layers, struct layers *out)
{
    struct layer *items = calloc(layers->n + 1, sizeof *items);
    if (!items)
        return -ENOMEM;
    if (layers->n > 0)
        memcpy(items, layers->items, layers->n * sizeof *items);
    out->items = items;
    out->n = layers->n;
    return 0;
}

struct layer *layers_find(const struct layers *layers, const char *name)
{
    for (size_t i = 0; i < layers->n; i++)
        if (strcmp(layers->items[i].name, name) == 0)
            return &layers->items[i];
    return NULL;
}

void layers_put(struct layers *copy, const struct layer *layer)
{
    struct layer *place = layers_find(copy, layer->name);
    if (!place)
        place = &copy->items[copy->n++];
    *place = *layer;
}

void layers_remove(struct layers *copy, struct layer *layer)
{
    struct layer *end = copy->items + copy->n--;
    memmove(layer, layer + 1, (size_t)(end - (layer + 1)) * sizeof *layer);
}

static bool has_text(const struct layers *layers, const char *text)
{
    for (size_t i = 0; i < layers->n; i++)
        if (layers->items[i].text == text)
            return true;
    return false;
}

void layers_close_but(struct layers *gone, const struct layers *kept)
{
    for (size_t i = 0; i < gone->n; i++)
        if (!has_text(kept, gone->items[i].text))
            layer_close(&gone->items[i]);
    free(gone->items);
    *gone = (struct layers){0};
}

void layers_to_plan(const struct layers *layers, struct plan_layer *out)
{
    for (size_t i = 0; i < layers->n; i++)
        out[i] = (struct plan_layer){
            .name = layers->items[i].name,
            .rules = layers->items[i].rules,
            .rules_off = layers->items[i].rules_off,
            .links_off = layers->items[i].links_off,
        };
}

uint64_t layers_next_end(const struct layers *layers)
{
    uint64_t first_ns = UINT64_MAX;
    for (size_t i = 0; i < layers->n; i++)
        if (layers->items[i].ends_ns < first_ns)
            first_ns = layers->items[i].ends_ns;
    return first_ns;
}
