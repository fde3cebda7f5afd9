/* SPDX-License-Identifier: MIT */
/* Four passes: keys and processes, the lists of each key, who wrote which element, and
 * what each read saw. */
#include "scenarios/checkers/view.h"
#include "proxy/base/memory.h"

#include <stdlib.h>

int64_t view_element(const struct operation *operation)
{
    return operation->f == HISTORY_CAS ? operation->argument.pair.to
                                       : operation->argument.integer;
}

static bool is_ok_read(const struct operation *operation)
{
    return operation->f == HISTORY_READ && operation->type == HISTORY_OK;
}

static uint32_t find_key(struct view *view, struct pair_map *keys, int64_t key)
{
    size_t *at = pair_map_at(keys, key, 0);
    if (*at != PAIR_MAP_NONE)
        return (uint32_t)*at;
    *at = view->key_count++;
    if ((*at & (*at - 1)) == 0) /* full at each power of two */
        view->keys = xreallocarray(view->keys, *at ? 2 * *at : 1, sizeof *view->keys);
    view->keys[*at] = (struct view_key){.key = key};
    return (uint32_t)*at;
}

static void count_operation(struct view_key *key, const struct operation *operation)
{
    if (operation_writes(operation))
        key->writes.n++;
    else if (is_ok_read(operation))
        key->reads.n++;
    if (operation->f == HISTORY_APPEND || operation->f == HISTORY_ADD ||
        operation->result.kind == HISTORY_LIST)
        key->is_list = true;
    if (operation->f == HISTORY_APPEND)
        key->is_ordered = true;
}

static void number(struct view *view, const struct operations *operations)
{
    struct pair_map keys = {0}, processes = {0};
    for (size_t i = 0; i < operations->n; i++) {
        const struct operation *operation = &operations->items[i];
        view->key_of[i] = find_key(view, &keys, operation->key);
        count_operation(&view->keys[view->key_of[i]], operation);
        size_t *process = pair_map_at(&processes, operation->process, 0);
        if (*process == PAIR_MAP_NONE)
            *process = view->process_count++;
        view->process_of[i] = (uint32_t)*process;
    }
    pair_map_free(&keys);
    pair_map_free(&processes);
}

static void list_by_key(struct view *view, const struct operations *operations)
{
    for (size_t i = 0; i < view->key_count; i++) {
        struct view_key *key = &view->keys[i];
        key->writes.items = xcalloc(key->writes.n, sizeof *key->writes.items);
        key->reads.items = xcalloc(key->reads.n, sizeof *key->reads.items);
        key->writes.n = key->reads.n = 0;
    }
    for (size_t i = 0; i < operations->n; i++) {
        struct view_key *key = &view->keys[view->key_of[i]];
        if (operation_writes(&operations->items[i]))
            key->writes.items[key->writes.n++] = (uint32_t)i;
        else if (is_ok_read(&operations->items[i]))
            key->reads.items[key->reads.n++] = (uint32_t)i;
    }
}

static void find_writers(struct view *view, const struct operations *operations,
                         struct pair_map *writers)
{
    for (size_t i = 0; i < operations->n; i++) {
        const struct operation *operation = &operations->items[i];
        if (!operation_writes(operation))
            continue;
        size_t *writer = pair_map_at(writers, view->key_of[i], view_element(operation));
        if (*writer == PAIR_MAP_NONE)
            *writer = i;
        else if (view->repeated == SIZE_MAX)
            view->repeated = i;
    }
}

static size_t seen_length(const struct operation *operation)
{
    if (!is_ok_read(operation))
        return 0;
    return operation->result.kind == HISTORY_LIST      ? operation->result.list.n
           : operation->result.kind == HISTORY_INTEGER ? 1
                                                       : 0;
}

static void name_seen(struct view *view, const struct operations *operations,
                      const struct pair_map *writers)
{
    size_t total = 0;
    for (size_t i = 0; i < operations->n; i++)
        total += seen_length(&operations->items[i]);
    uint32_t *to = view->seen_items = xcalloc(total, sizeof *to);
    for (size_t i = 0; i < operations->n; i++) {
        const struct history_value *result = &operations->items[i].result;
        size_t n = seen_length(&operations->items[i]);
        view->seen[i] = (struct view_seen){.writes = to, .n = n};
        for (size_t j = 0; j < n; j++) {
            int64_t element =
                result->kind == HISTORY_LIST ? result->list.items[j] : result->integer;
            size_t writer = pair_map_get(writers, view->key_of[i], element);
            *to++ = writer == PAIR_MAP_NONE ? VIEW_NOBODY : (uint32_t)writer;
        }
    }
}

static void order_completions(struct view *view, const struct operations *operations,
                              size_t records)
{
    uint32_t *at_record = xcalloc(records, sizeof *at_record);
    for (size_t i = 0; i < operations->n; i++)
        if (operations->items[i].complete_index != SIZE_MAX)
            at_record[operations->items[i].complete_index] = (uint32_t)i + 1;
    for (size_t i = 0; i < records; i++)
        if (at_record[i])
            view->completed[view->completed_count++] = at_record[i] - 1;
    free(at_record);
}

void view_build(const struct history *history, const struct operations *operations,
                struct view *out)
{
    struct view view = {.repeated = SIZE_MAX};
    struct pair_map writers = {0};
    view.keys = xcalloc(1, sizeof *view.keys);
    view.key_of = xcalloc(operations->n, sizeof *view.key_of);
    view.process_of = xcalloc(operations->n, sizeof *view.process_of);
    view.seen = xcalloc(operations->n, sizeof *view.seen);
    view.completed = xcalloc(operations->n, sizeof *view.completed);
    number(&view, operations);
    list_by_key(&view, operations);
    find_writers(&view, operations, &writers);
    name_seen(&view, operations, &writers);
    order_completions(&view, operations, history_length(history));
    pair_map_free(&writers);
    *out = view;
}

void view_free(struct view *view)
{
    for (size_t i = 0; i < view->key_count; i++) {
        free(view->keys[i].writes.items);
        free(view->keys[i].reads.items);
    }
    free(view->keys);
    free(view->key_of);
    free(view->process_of);
    free(view->seen);
    free(view->seen_items);
    free(view->completed);
    *view = (struct view){0};
}
