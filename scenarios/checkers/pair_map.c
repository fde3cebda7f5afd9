/* SPDX-License-Identifier: MIT */
/* Open addressing with linear probing, at most half full; nothing is ever removed. */
#include "scenarios/checkers/pair_map.h"
#include "proxy/base/memory.h"

#include <stdlib.h>

/* The finaliser of splitmix64 (Steele, Lea, Flood, OOPSLA 2014). */
static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static size_t find(const struct pair_map *map, int64_t a, int64_t b)
{
    size_t mask = map->size - 1;
    size_t i = (size_t)mix(mix((uint64_t)a) + (uint64_t)b) & mask;
    while (map->slots[i].value != PAIR_MAP_NONE &&
           (map->slots[i].a != a || map->slots[i].b != b))
        i = (i + 1) & mask;
    return i;
}

static void grow(struct pair_map *map)
{
    struct pair_map old = *map;
    map->size = old.size ? 2 * old.size : 64;
    map->slots = xcalloc(map->size, sizeof *map->slots);
    for (size_t i = 0; i < map->size; i++)
        map->slots[i].value = PAIR_MAP_NONE;
    for (size_t i = 0; i < old.size; i++)
        if (old.slots[i].value != PAIR_MAP_NONE)
            map->slots[find(map, old.slots[i].a, old.slots[i].b)] = old.slots[i];
    free(old.slots);
}

size_t pair_map_get(const struct pair_map *map, int64_t a, int64_t b)
{
    return map->size ? map->slots[find(map, a, b)].value : PAIR_MAP_NONE;
}

size_t *pair_map_at(struct pair_map *map, int64_t a, int64_t b)
{
    if (2 * (map->used + 1) > map->size)
        grow(map);
    struct pair_map_slot *slot = &map->slots[find(map, a, b)];
    if (slot->value == PAIR_MAP_NONE) {
        slot->a = a;
        slot->b = b;
        map->used++;
    }
    return &slot->value;
}

void pair_map_free(struct pair_map *map)
{
    free(map->slots);
    *map = (struct pair_map){0};
}
