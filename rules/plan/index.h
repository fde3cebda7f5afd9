/* SPDX-License-Identifier: MIT */
/* Finds a plan's rules by link and its nodes by name; what plan.c builds and match.c
 * asks. Nobody else needs it. */
#ifndef NETSPLIT_RULES_PLAN_INDEX_H
#define NETSPLIT_RULES_PLAN_INDEX_H

#include <stddef.h>
#include <stdint.h>

/* One rule applies to one link. 0 in from, to or port stands for any. */
struct index_edge {
    uint32_t from, to; /* plan_node_id */
    uint16_t port;     /* the server's */
    uint32_t rank;     /* of the rule in plan->rules */
};

struct plan_index {
    const struct index_edge *edges; /* sorted by from, to, port, rank; no doubles */
    size_t n_edges;
    const uint32_t *by_name; /* places in plan->nodes, sorted by name */
    const uint32_t *timed;   /* ranks of the rules with windows that open or close */
    size_t n_timed;
};

/* Edges being collected. Zeroes at first. */
struct index_builder {
    struct index_edge *edges; /* owned, by malloc or the allocator */
    size_t n, capacity;
    const struct allocator *allocator; /* borrowed; NULL = malloc */
};

/* Adds an edge. Returns 0 or -ENOMEM. */
int index_add(struct index_builder *builder, const struct index_edge *edge);

/* Sorts the edges and drops doubles. */
void index_sort(struct index_builder *builder);

void index_close(struct index_builder *builder);

/* The edges of exactly this from, to and port: *n of them, in order of rank. */
const struct index_edge *index_find(const struct plan_index *index, uint32_t from,
                                    uint32_t to, uint16_t port, size_t *n);

#endif
