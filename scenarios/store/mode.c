/* SPDX-License-Identifier: MIT */
#include "scenarios/store/mode.h"

#include <string.h>

static uint64_t at_most(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t committed_async(const uint64_t *acked, const bool *member, size_t n,
                                size_t self)
{
    (void)member;
    (void)n;
    return acked[self];
}

static uint64_t committed_semisync(const uint64_t *acked, const bool *member, size_t n,
                                   size_t self)
{
    uint64_t best = 0;
    (void)member;
    for (size_t i = 0; i < n; i++)
        if (i != self && acked[i] > best)
            best = acked[i];
    return at_most(best, acked[self]);
}

/* The highest index that a majority of the whole cluster has; O(n^2), n <= 16. */
static uint64_t committed_quorum(const uint64_t *acked, const bool *member, size_t n,
                                 size_t self)
{
    uint64_t best = 0;
    (void)member;
    for (size_t i = 0; i < n; i++) {
        size_t have = 0;
        for (size_t k = 0; k < n; k++)
            have += acked[k] >= acked[i];
        if (have > n / 2 && acked[i] > best)
            best = acked[i];
    }
    return at_most(best, acked[self]);
}

static uint64_t committed_sync(const uint64_t *acked, const bool *member, size_t n,
                               size_t self)
{
    uint64_t least = acked[self];
    for (size_t i = 0; i < n; i++)
        if (member[i])
            least = at_most(least, acked[i]);
    return least;
}

const struct store_mode store_modes[] = {
    {"async", "acknowledges a write when the primary has it", committed_async, false,
     false, false},
    {"semisync", "acknowledges a write when any one replica has it too",
     committed_semisync, false, false, false},
    {"quorum", "acknowledges a write when a majority of the cluster has it",
     committed_quorum, false, true, true},
    {"sync", "acknowledges a write when every member has it", committed_sync, true,
     true, false},
    {NULL, NULL, NULL, false, false, false},
};

const struct store_mode *store_mode_find(const char *name)
{
    for (const struct store_mode *mode = store_modes; mode->name; mode++)
        if (strcmp(mode->name, name) == 0)
            return mode;
    return NULL;
}
