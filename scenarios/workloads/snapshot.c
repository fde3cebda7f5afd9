/* SPDX-License-Identifier: MIT */
/* Snapshots of nodes, compared while a drill waits for convergence. A comparison is
 * linear in what is held; sets are sorted when they are stored. */
#include "scenarios/workloads/snapshot.h"

#include "proxy/base/memory.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void snapshot_init(struct snapshot *snapshot, size_t keys, enum history_f writes)
{
    *snapshot = (struct snapshot){.keys = keys, .writes = writes};
    snapshot->lists = xcalloc(keys, sizeof *snapshot->lists);
}

void snapshot_close(struct snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->keys; i++)
        free(snapshot->lists[i].items);
    free(snapshot->lists);
    *snapshot = (struct snapshot){0};
}

static int compare(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

void snapshot_set(struct snapshot *snapshot, size_t key,
                  const struct history_value *value)
{
    struct snapshot_list *list = &snapshot->lists[key];
    const int64_t *items = NULL;
    size_t n = 0;
    if (value->kind == HISTORY_INTEGER) {
        items = &value->integer;
        n = 1;
    } else if (value->kind == HISTORY_LIST) {
        items = value->list.items;
        n = value->list.n;
    }
    if (n > list->room) {
        list->items = xreallocarray(list->items, n * 2, sizeof *list->items);
        list->room = n * 2;
    }
    list->n = n;
    if (n > 0)
        memcpy(list->items, items, n * sizeof *items);
    if (n > 1 && snapshot->writes == HISTORY_ADD)
        qsort(list->items, n, sizeof *list->items, compare);
}

static bool begins_with(const struct snapshot_list *a, const struct snapshot_list *b)
{
    return b->n == 0 ||
           (a->n >= b->n && !memcmp(a->items, b->items, b->n * sizeof *b->items));
}

static bool contains(const struct snapshot_list *a, const struct snapshot_list *b)
{
    size_t at = 0;
    for (size_t i = 0; i < b->n; i++) {
        while (at < a->n && a->items[at] < b->items[i])
            at++;
        if (at == a->n || a->items[at] != b->items[i])
            return false;
    }
    return true;
}

bool snapshot_holds(const struct snapshot *a, const struct snapshot *b)
{
    assert(a->whole && b->whole && a->keys == b->keys);
    for (size_t key = 0; key < a->keys; key++) {
        const struct snapshot_list *ours = &a->lists[key], *theirs = &b->lists[key];
        bool holds = a->writes == HISTORY_ADD ? contains(ours, theirs)
                                              : begins_with(ours, theirs);
        if (a->writes == HISTORY_WRITE)
            holds = holds && ours->n == theirs->n;
        if (!holds)
            return false;
    }
    return true;
}
