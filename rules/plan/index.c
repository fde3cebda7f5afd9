/* SPDX-License-Identifier: MIT */
/* A sorted array and binary search. A rule that names 3 openers and 2 servers is 6
 * edges, a partition one for each ordered pair that it cuts: what a lookup finds are
 * rules that apply, and no others are looked at. */
#include "rules/plan/index.h"

#include "rules/arena.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_EDGES = 64 };

static int grow(struct index_builder *builder)
{
    size_t capacity = builder->capacity ? builder->capacity * 2 : FIRST_EDGES;
    struct index_edge *edges =
        allocator_take(builder->allocator, capacity * sizeof *edges);
    if (!edges)
        return -ENOMEM;
    if (builder->n)
        memcpy(edges, builder->edges, builder->n * sizeof *edges);
    allocator_give(builder->allocator, builder->edges);
    builder->edges = edges;
    builder->capacity = capacity;
    return 0;
}

int index_add(struct index_builder *builder, const struct index_edge *edge)
{
    if (builder->n == builder->capacity && grow(builder) != 0)
        return -ENOMEM;
    builder->edges[builder->n++] = *edge;
    return 0;
}

static int compare_numbers(uint32_t a, uint32_t b)
{
    return (a > b) - (a < b);
}

static int compare_links(const struct index_edge *a, const struct index_edge *b)
{
    int order = compare_numbers(a->from, b->from);
    if (order == 0)
        order = compare_numbers(a->to, b->to);
    return order ? order : compare_numbers(a->port, b->port);
}

static int compare_edges(const void *a, const void *b)
{
    const struct index_edge *one = a, *two = b;
    int order = compare_links(one, two);
    return order ? order : compare_numbers(one->rank, two->rank);
}

void index_sort(struct index_builder *builder)
{
    if (builder->n == 0)
        return;
    qsort(builder->edges, builder->n, sizeof *builder->edges, compare_edges);
    size_t kept = 1;
    for (size_t i = 1; i < builder->n; i++)
        if (compare_edges(&builder->edges[kept - 1], &builder->edges[i]) != 0)
            builder->edges[kept++] = builder->edges[i];
    builder->n = kept;
}

void index_close(struct index_builder *builder)
{
    allocator_give(builder->allocator, builder->edges);
    *builder = (struct index_builder){.allocator = builder->allocator};
}

/* The first edge that is not below the link. */
static size_t lower_bound(const struct plan_index *index, const struct index_edge *link)
{
    size_t low = 0, high = index->n_edges;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_links(&index->edges[middle], link) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct index_edge *index_find(const struct plan_index *index, uint32_t from,
                                    uint32_t to, uint16_t port, size_t *n)
{
    const struct index_edge link = {.from = from, .to = to, .port = port};
    size_t first = lower_bound(index, &link), end = first;
    while (end < index->n_edges && compare_links(&index->edges[end], &link) == 0)
        end++;
    *n = end - first;
    return index->edges + first;
}
