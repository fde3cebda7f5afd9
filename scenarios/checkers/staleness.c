/* SPDX-License-Identifier: MIT */
/* How far reads were behind: Delta-atomicity (Golab, Li, Shah, PODC 2011). An ok read
 * is stale if it misses a write that was acknowledged before the read began; it was
 * behind by the time since the first such acknowledgement.
 *
 * Lists. A write is missed if its element is not in the list. A write that survives,
 * one in some node's final read, may always be missed. A lost one may be missed until
 * the last of the processes' reads that still saw it began: so long it was there for
 * one and not for another, which is what stale means. After that it is lost, and
 * counted as that alone; else every later read of its key would be stale for ever, and
 * growing staler. Elements of a read are marked, then the writes are walked in the
 * order of their acknowledgements to the first that is missed: those passed are in the
 * list, or are lost by now and never walked again, so the cost is linear.
 *
 * Registers. Without version numbers only what real time proves is held against a
 * read: w2 is newer than w1 if it began after w1 had ended. A read of w1 is stale if a
 * newer write ended before it began. Found by binary search: O(n log n). Losses cannot
 * be told from overwriting, so a read may be stale here because a write was lost.
 *
 * Final reads and probes are not judged: they look at one node on purpose. */
#include "proxy/base/memory.h"
#include "scenarios/checkers/catalogue.h"
#include "scenarios/checkers/quantile.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct staleness {
    const struct check_input *input;
    struct check_output *output;
    const struct operation *ops; /* borrowed */
    uint32_t *stamp;             /* owned; of each write: 1 + the read that marked it */
    uint64_t *last_read_ns; /* owned; of each write: when the last that saw it began */
    uint64_t *spans;        /* owned; of the stale reads so far */
    size_t n;
    uint64_t reads; /* judged */
};

/* A write that may be missed, with the soonest end of it and of all behind it. */
struct ended {
    uint64_t begin_ns, end_ns;
    uint64_t until_ns; /* reads that begin later do not miss it: it is lost */
    uint32_t write;
    uint32_t next;    /* index of the one acknowledged after it; n at the end */
    uint32_t soonest; /* index, of the least end_ns from here to the array's end */
};

static bool staleness_applies(const struct check_input *input)
{
    for (size_t i = 0; i < input->view->key_count; i++)
        if (input->view->keys[i].writes.n && input->view->keys[i].reads.n)
            return true;
    return false;
}

static void add_stale(struct staleness *s, uint32_t read, uint32_t write)
{
    const struct operation *operation = &s->ops[read];
    struct finding finding = {
        .kind = FINDING_STALE,
        .operation = read,
        .other = write,
        .key = operation->key,
        .element = view_element(&s->ops[write]),
        .node = operation->node,
        .other_node = s->ops[write].node,
        .at_ns = operation->invoke_ns,
        .span_ns = operation->invoke_ns - s->ops[write].complete_ns,
    };
    evidence_add(s->output->evidence, &finding);
    s->output->fates[read] = FATE_STALE;
    s->spans[s->n++] = finding.span_ns;
}

static int by_end(const void *a, const void *b)
{
    const struct ended *x = a, *y = b;
    if (x->end_ns != y->end_ns)
        return x->end_ns < y->end_ns ? -1 : 1;
    return x->write < y->write ? -1 : x->write > y->write;
}

/* Until when a write may be missed; 0: never. */
static uint64_t missable_until(const struct staleness *s, const struct view_key *key,
                               uint32_t write)
{
    if (s->ops[write].type != HISTORY_OK)
        return 0;
    if (!key->is_list || s->output->fates[write] == FATE_KEPT)
        return HISTORY_NEVER;
    return s->output->fates[write] == FATE_LOST ? s->last_read_ns[write] : 0;
}

/* The writes of a key that may be missed. *out is owned by the caller. */
static size_t collect_writes(const struct staleness *s, const struct view_key *key,
                             struct ended **out)
{
    struct ended *writes = xcalloc(key->writes.n, sizeof *writes);
    size_t n = 0;
    for (size_t i = 0; i < key->writes.n; i++) {
        uint32_t write = key->writes.items[i];
        const struct operation *operation = &s->ops[write];
        uint64_t until_ns = missable_until(s, key, write);
        if (until_ns == 0)
            continue;
        writes[n++] = (struct ended){.begin_ns = operation->invoke_ns,
                                     .end_ns = operation->complete_ns,
                                     .until_ns = until_ns,
                                     .write = write};
    }
    *out = writes;
    return n;
}

/* *first is the head of the chain of those that are not lost yet. */
static void judge_list_read(struct staleness *s, uint32_t read, struct ended *writes,
                            size_t n, uint32_t *first)
{
    struct view_seen seen = s->input->view->seen[read];
    uint64_t invoke_ns = s->ops[read].invoke_ns;
    for (size_t i = 0; i < seen.n; i++)
        if (seen.writes[i] != VIEW_NOBODY)
            s->stamp[seen.writes[i]] = read + 1;
    for (uint32_t *link = first; *link < n && writes[*link].end_ns < invoke_ns;) {
        struct ended *write = &writes[*link];
        if (write->until_ns <= invoke_ns) {
            *link = write->next; /* reads come in the order of their beginnings */
        } else if (s->stamp[write->write] == read + 1) {
            link = &write->next;
        } else {
            add_stale(s, read, write->write);
            return;
        }
    }
}

static void chain_by_end(struct ended *writes, size_t n)
{
    qsort(writes, n, sizeof *writes, by_end);
    for (size_t i = 0; i < n; i++)
        writes[i].next = (uint32_t)i + 1;
}

static void point_to_soonest(struct ended *writes, size_t n)
{
    for (size_t i = n; i-- > 0;) {
        writes[i].soonest = (uint32_t)i;
        if (i + 1 < n && writes[writes[i + 1].soonest].end_ns < writes[i].end_ns)
            writes[i].soonest = writes[i + 1].soonest;
    }
}

/* writes are in the order of their beginnings. */
static void judge_register_read(struct staleness *s, uint32_t read,
                                const struct ended *writes, size_t n)
{
    struct view_seen seen = s->input->view->seen[read];
    if (seen.n && seen.writes[0] == VIEW_NOBODY)
        return;
    uint64_t seen_end_ns = 0;
    bool initial = seen.n == 0;
    if (!initial)
        seen_end_ns = s->ops[seen.writes[0]].type == HISTORY_OK
                          ? s->ops[seen.writes[0]].complete_ns
                          : HISTORY_NEVER;
    size_t low = 0, high = n;
    while (low < high) { /* the first that began after what was seen had ended */
        size_t middle = low + (high - low) / 2;
        if (initial || writes[middle].begin_ns > seen_end_ns)
            high = middle;
        else
            low = middle + 1;
    }
    if (low == n)
        return;
    const struct ended *missed = &writes[writes[low].soonest];
    if (missed->end_ns < s->ops[read].invoke_ns)
        add_stale(s, read, missed->write);
}

static void judge_key(struct staleness *s, const struct view_key *key)
{
    struct ended *writes;
    size_t n = collect_writes(s, key, &writes);
    uint32_t first = 0;
    if (key->is_list)
        chain_by_end(writes, n);
    else
        point_to_soonest(writes, n);
    for (size_t i = 0; i < key->reads.n; i++) {
        uint32_t read = key->reads.items[i];
        if (!operation_is_workload(&s->ops[read]))
            continue;
        s->reads++;
        if (key->is_list)
            judge_list_read(s, read, writes, n, &first);
        else
            judge_register_read(s, read, writes, n);
    }
    free(writes);
}

static void find_last_reads(struct staleness *s)
{
    for (size_t i = 0; i < s->input->operations->n; i++) {
        struct view_seen seen = s->input->view->seen[i];
        if (!operation_is_workload(&s->ops[i]))
            continue;
        for (size_t k = 0; k < seen.n; k++)
            if (seen.writes[k] != VIEW_NOBODY &&
                s->last_read_ns[seen.writes[k]] < s->ops[i].invoke_ns)
                s->last_read_ns[seen.writes[k]] = s->ops[i].invoke_ns;
    }
}

static void fill_measures(struct staleness *s)
{
    struct measures *measures = s->output->measures;
    quantile_sort(s->spans, s->n);
    measure_set(measures, MEASURE_STALE_READS, s->n);
    measure_set(measures, MEASURE_STALENESS_P50, quantile_of(s->spans, s->n, 50));
    measure_set(measures, MEASURE_STALENESS_P99, quantile_of(s->spans, s->n, 99));
    measure_set(measures, MEASURE_STALENESS_MAX, quantile_of(s->spans, s->n, 100));
}

static struct check_result staleness_check(const struct check_input *input,
                                           struct check_output *output)
{
    struct check_result result = {.verdict = VERDICT_UNKNOWN};
    struct staleness s = {.input = input, .output = output};
    if (input->view->repeated != SIZE_MAX) {
        (void)snprintf(result.why, sizeof result.why,
                       "a value is written twice: what a read saw is not known");
        return result;
    }
    s.ops = input->operations->items;
    s.stamp = xcalloc(input->operations->n, sizeof *s.stamp);
    s.last_read_ns = xcalloc(input->operations->n, sizeof *s.last_read_ns);
    s.spans = xcalloc(input->operations->n, sizeof *s.spans);
    find_last_reads(&s);
    for (size_t i = 0; i < input->view->key_count; i++)
        judge_key(&s, &input->view->keys[i]);
    fill_measures(&s);
    result.verdict = s.n ? VERDICT_INVALID : VERDICT_VALID;
    if (s.n)
        (void)snprintf(result.why, sizeof result.why,
                       "%zu of %" PRIu64 " reads missed a write acknowledged before "
                       "they began",
                       s.n, s.reads);
    free(s.stamp);
    free(s.last_read_ns);
    free(s.spans);
    return result;
}

const struct checker checker_staleness = {
    .name = "staleness",
    .help =
        "no read misses a write that was acknowledged before it began and is not lost",
    .applies = staleness_applies,
    .check = staleness_check,
};
