/* SPDX-License-Identifier: MIT */
/* A hash map from two integers (a key and an element, a process and a key) to the
 * index of something. */
#ifndef NETSPLIT_SCENARIOS_CHECKERS_PAIR_MAP_H
#define NETSPLIT_SCENARIOS_CHECKERS_PAIR_MAP_H

#include <stddef.h>
#include <stdint.h>

#define PAIR_MAP_NONE SIZE_MAX

struct pair_map_slot {
    int64_t a, b;
    size_t value; /* PAIR_MAP_NONE = the slot is free */
};

/* Zeroed = empty. */
struct pair_map {
    struct pair_map_slot *slots; /* owned; size is 0 or a power of two */
    size_t size, used;
};

/* What (a, b) stands for, or PAIR_MAP_NONE. */
size_t pair_map_get(const struct pair_map *map, int64_t a, int64_t b);

/* Where the value of (a, b) is kept; PAIR_MAP_NONE is there if it is new, and the
 * caller writes another value at once. Valid until the next pair_map_at(). */
size_t *pair_map_at(struct pair_map *map, int64_t a, int64_t b);

void pair_map_free(struct pair_map *map);

#endif
