/* SPDX-License-Identifier: MIT */
/* The nodes are shuffled, each by a draw of its own name, so that another node changes
 * nothing of the order of the rest; then the shuffled row is cut into parts.
 *
 *     one              a | b c d e
 *     minority         a b | c d e         1 to less than half of them, at least one
 *     halves           a b | c d e
 *     bridge           a b c | a d e       a is the bridge
 *     majorities-ring  a b | b c | c d | d e | e a
 *
 * In the ring a node reaches k neighbours on either side, the fewest with which it sees
 * a majority. Jepsen's ring is directed and cuts what a node hears; a connection needs
 * both ways, so here the links are, too. Three nodes make a row, not a ring: the one in
 * the middle sees both others, the two ends do not see each other. */
#include "rules/plan/shape.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct drawn {
    uint64_t draw;
    plan_node_id id;
};

static int compare_drawn(const void *a, const void *b)
{
    const struct drawn *one = a, *other = b;
    if (one->draw != other->draw)
        return one->draw < other->draw ? -1 : 1;
    return (one->id > other->id) - (one->id < other->id);
}

/* The shuffled row, twice: so that parts that go around the end are one piece. */
static const plan_node_id *shuffle(struct plan *plan, struct rng_key key,
                                   const plan_node_id *nodes, size_t n)
{
    struct drawn *drawn = arena_alloc(&plan->arena, n, sizeof *drawn);
    plan_node_id *row = arena_alloc(&plan->arena, 2 * n, sizeof *row);
    if (!drawn || !row)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        const char *name = plan->nodes[nodes[i] - 1].name;
        drawn[i] = (struct drawn){rng_draw(rng_mix_text(key, name), 0), nodes[i]};
    }
    if (n > 0)
        qsort(drawn, n, sizeof *drawn, compare_drawn);
    for (size_t i = 0; i < n; i++)
        row[i] = row[n + i] = drawn[i].id;
    return row;
}

/* row[0..first-1] and the rest. */
static int split(const plan_node_id *row, size_t first, size_t n,
                 struct plan_part *parts)
{
    parts[0] = (struct plan_part){row, first};
    parts[1] = (struct plan_part){row + first, n - first};
    return 2;
}

/* row[0] with each half of the others; the second ends with its second place in the
 * doubled row. */
static int bridge(const plan_node_id *row, size_t n, struct plan_part *parts)
{
    size_t half = n > 0 ? (n - 1) / 2 : 0;
    parts[0] = (struct plan_part){row, n > 0 ? 1 + half : 0};
    parts[1] = (struct plan_part){row + 1 + half, n > 0 ? n - half : 0};
    return 2;
}

static int ring(const plan_node_id *row, size_t n, struct plan_part *parts)
{
    size_t majority = n / 2 + 1, neighbours = majority / 2;
    size_t n_parts = n > 3 ? n : n - neighbours;
    for (size_t i = 0; i < n_parts; i++)
        parts[i] = (struct plan_part){row + i, neighbours + 1};
    return (int)n_parts;
}

static size_t draw_minority(struct rng_key key, size_t n)
{
    size_t most = n > 2 ? (n - 1) / 2 : 1;
    return 1 + (size_t)rng_below(key, 0, most);
}

int shape_draw(struct plan *plan, enum rule_shape shape, struct rng_key key,
               const plan_node_id *nodes, size_t n, const struct plan_part **parts)
{
    key = rng_mix_text(key, "shape");
    struct plan_part *out =
        arena_alloc(&plan->arena, n > 2 ? n : 2, sizeof(struct plan_part));
    const plan_node_id *row = shuffle(plan, key, nodes, n);
    if (!out || !row)
        return -ENOMEM;
    *parts = out;
    if (n < 2)
        return split(row, n, n, out);
    switch (shape) {
    case SHAPE_HALVES:
        return split(row, n / 2, n, out);
    case SHAPE_MAJORITIES_RING:
        return ring(row, n, out);
    case SHAPE_BRIDGE:
        return bridge(row, n, out);
    case SHAPE_ONE:
        return split(row, 1, n, out);
    case SHAPE_MINORITY:
        return split(row, draw_minority(key, n), n, out);
    }
    return 0;
}
