/* SPDX-License-Identifier: MIT */
/* A write and the reads of its value are a cluster: in any order they stand together.
 * Let f be the first end and s the last beginning in it. If f < s the register must
 * hold the value all through [f, s], a forward zone; else some moment in [s, f] will
 * do, a backward zone. There is an order if and only if no read ended before its write
 * began, no two forward zones overlap, and no backward zone lies inside a forward one.
 *
 * A write with an unknown outcome ends never: unread, it is a backward zone without an
 * end, which lies inside nothing, as if it had not been. The initial nil is a cluster
 * whose write ended before everything. Moments are indices of records, so that no two
 * are equal. */
#include "scenarios/checkers/zones.h"
#include "proxy/base/memory.h"

#include <stdlib.h>

/* Moments are shifted by one: 0 is before all records. */
struct cluster {
    size_t first_end, last_begin;
    uint32_t last; /* the operation that began last */
};

struct zone {
    size_t low, high;
    uint32_t last;
};

struct zones {
    struct zone *forward, *backward; /* owned */
    size_t forward_n, backward_n;
};

static size_t end_of(const struct operation *operation)
{
    return operation->type == HISTORY_OK ? operation->complete_index + 1 : SIZE_MAX;
}

static void add_to_cluster(struct cluster *cluster, const struct operation *operation,
                           uint32_t index)
{
    if (end_of(operation) < cluster->first_end)
        cluster->first_end = end_of(operation);
    if (operation->invoke_index + 1 > cluster->last_begin) {
        cluster->last_begin = operation->invoke_index + 1;
        cluster->last = index;
    }
}

/* Index 0 is the initial nil, i + 1 the i-th write of the key. */
static struct cluster *begin_clusters(const struct operation *ops,
                                      const struct view_key *key,
                                      struct pair_map *cluster_of)
{
    struct cluster *clusters = xcalloc(key->writes.n + 1, sizeof *clusters);
    for (size_t i = 0; i < key->writes.n; i++) {
        uint32_t write = key->writes.items[i];
        const struct operation *operation = &ops[write];
        clusters[i + 1].first_end = SIZE_MAX;
        add_to_cluster(&clusters[i + 1], operation, write);
        *pair_map_at(cluster_of, write, 0) = i + 1;
    }
    return clusters;
}

/* False if the read shows what it cannot: nobody's value, a failed write's, or one
 * whose write began after it. */
static bool add_read(const struct check_input *input, struct cluster *clusters,
                     const struct pair_map *cluster_of, uint32_t read)
{
    const struct operation *ops = input->operations->items;
    struct view_seen seen = input->view->seen[read];
    size_t cluster = 0;
    if (seen.n) {
        uint32_t write = seen.writes[0];
        if (write == VIEW_NOBODY || ops[write].type == HISTORY_FAIL ||
            ops[read].complete_index < ops[write].invoke_index)
            return false;
        cluster = pair_map_get(cluster_of, write, 0);
    }
    add_to_cluster(&clusters[cluster], &ops[read], read);
    return true;
}

static void sort_into_zones(const struct cluster *clusters, size_t n,
                            struct zones *zones)
{
    zones->forward = xcalloc(n, sizeof *zones->forward);
    zones->backward = xcalloc(n, sizeof *zones->backward);
    for (size_t i = 0; i < n; i++) {
        const struct cluster *cluster = &clusters[i];
        size_t f = cluster->first_end, s = cluster->last_begin;
        if (f < s)
            zones->forward[zones->forward_n++] = (struct zone){f, s, cluster->last};
        else
            zones->backward[zones->backward_n++] = (struct zone){s, f, cluster->last};
    }
}

static int by_low(const void *a, const void *b)
{
    const struct zone *x = a, *y = b;
    return x->low < y->low ? -1 : x->low > y->low;
}

/* The last forward zone that begins before the moment, or NULL. */
static const struct zone *forward_before(const struct zones *zones, size_t moment)
{
    size_t low = 0, high = zones->forward_n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (zones->forward[middle].low < moment)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? &zones->forward[low - 1] : NULL;
}

static enum verdict compare_zones(const struct zones *zones, uint32_t *offender)
{
    qsort(zones->forward, zones->forward_n, sizeof *zones->forward, by_low);
    for (size_t i = 1; i < zones->forward_n; i++) {
        if (zones->forward[i].low > zones->forward[i - 1].high)
            continue;
        *offender = zones->forward[i - 1].last;
        return VERDICT_INVALID;
    }
    for (size_t i = 0; i < zones->backward_n; i++) {
        const struct zone *backward = &zones->backward[i];
        const struct zone *around = forward_before(zones, backward->low);
        if (!around || backward->high > around->high)
            continue;
        *offender = around->last;
        return VERDICT_INVALID;
    }
    return VERDICT_VALID;
}

enum verdict zones_judge(const struct check_input *input, const struct view_key *key,
                         uint32_t *offender)
{
    const struct operation *ops = input->operations->items;
    struct pair_map cluster_of = {0};
    struct zones zones = {0};
    enum verdict verdict = VERDICT_VALID;
    struct cluster *clusters = begin_clusters(ops, key, &cluster_of);
    for (size_t i = 0; i < key->reads.n && verdict == VERDICT_VALID; i++) {
        uint32_t read = key->reads.items[i];
        if (!operation_is_workload(&ops[read]) ||
            add_read(input, clusters, &cluster_of, read))
            continue;
        *offender = read;
        verdict = VERDICT_INVALID;
    }
    if (verdict == VERDICT_VALID) {
        sort_into_zones(clusters, key->writes.n + 1, &zones);
        verdict = compare_zones(&zones, offender);
    }
    free(zones.forward);
    free(zones.backward);
    free(clusters);
    pair_map_free(&cluster_of);
    return verdict;
}
