/* SPDX-License-Identifier: MIT */
/* Whether the operations on each register fit one order that respects real time. Keys
 * are judged one by one: a history is linearizable if it is for each (Herlihy, Wing,
 * TOPLAS 1990).
 *
 * The search is Wing and Gong's with Lowe's memory (CCPE 2017): calls and returns stand
 * in a doubly linked list in the order of the record. At a call, if the register allows
 * the operation and this set of done operations has not been met with this value, the
 * operation is done: its call and return are lifted out, and the search starts over
 * from the head. At a return everything in front of it has been tried: the last
 * operation done is put back and the search goes on behind it. With nothing left to
 * put back there is no such order.
 *
 * Operations that ended in info may take effect at any later time or never: they have
 * no return, and need not be done. Reads with an unknown outcome say nothing and are
 * left out, as are operations that failed.
 *
 * Registers with unique values and no compare-and-set are judged by zones.c instead.
 * The search can be exponential in the operations that are open at once; after
 * STEPS_LIMIT steps for a key the verdict is unknown. */
#include "proxy/base/memory.h"
#include "scenarios/checkers/catalogue.h"
#include "scenarios/checkers/zones.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEPS_LIMIT        UINT64_C(20000000)
#define MEMORY_LIMIT_BYTES (UINT64_C(1) << 30)
enum { NO_ENTRY = 0 }; /* entry 0 is the head of the list */

/* A call, or a return. */
struct entry {
    uint32_t previous, next;
    uint32_t match;     /* call: its return, NO_ENTRY if it never returned */
    uint32_t operation; /* index into the key's */
    bool is_call;
};

struct value {
    bool known; /* false: nothing was written yet (nil) */
    int64_t integer;
};

struct done {
    uint32_t call;
    struct value before;
};

struct search {
    const struct operation *const *ops; /* the key's; borrowed */
    size_t n;
    size_t must;           /* operations that returned and are not done yet */
    struct entry *entries; /* owned */
    size_t words;          /* of a bitset of the operations */
    uint64_t *bits;        /* owned; the operations that are done */
    struct value value;
    struct done *stack; /* owned */
    size_t depth;
    /* Met before: hashes to offsets in seen, where a value and a bitset lie. */
    uint64_t *seen; /* owned; records of words + 1 */
    size_t seen_n, seen_size;
    uint32_t *table; /* owned; 1 + record; size is a power of two */
    size_t table_size;
    uint64_t steps;
    uint32_t stuck; /* the operation whose return was the furthest that stopped it */
    size_t furthest;
};

static bool linearizable_applies(const struct check_input *input)
{
    for (size_t i = 0; i < input->view->key_count; i++)
        if (!input->view->keys[i].is_list && input->view->keys[i].writes.n)
            return true;
    return false;
}

/* Does the register allow it? Fills the value behind it. */
static bool allows(struct value before, const struct operation *operation,
                   struct value *after)
{
    *after = before;
    switch (operation->f) {
    case HISTORY_READ:
        return operation->result.kind == HISTORY_NIL
                   ? !before.known
                   : before.known && before.integer == operation->result.integer;
    case HISTORY_WRITE:
        *after = (struct value){true, operation->argument.integer};
        return true;
    case HISTORY_CAS:
        *after = (struct value){true, operation->argument.pair.to};
        return before.known && before.integer == operation->argument.pair.from;
    case HISTORY_APPEND:
    case HISTORY_ADD:
    case HISTORY_EVENT:
        break;
    }
    return false;
}

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static uint64_t hash_record(const uint64_t *record, size_t words)
{
    uint64_t hash = 0;
    for (size_t i = 0; i < words; i++)
        hash = mix(hash + record[i] + 1);
    return hash;
}

static uint32_t *find_seen(struct search *s, const uint64_t *record)
{
    size_t words = s->words + 1, mask = s->table_size - 1;
    size_t i = (size_t)hash_record(record, words) & mask;
    while (s->table[i] && memcmp(s->seen + (s->table[i] - 1) * words, record,
                                 words * sizeof *record) != 0)
        i = (i + 1) & mask;
    return &s->table[i];
}

static void grow_table(struct search *s)
{
    free(s->table);
    s->table_size = s->table_size ? 2 * s->table_size : 1024;
    s->table = xcalloc(s->table_size, sizeof *s->table);
    for (size_t i = 0; i < s->seen_n; i++)
        *find_seen(s, s->seen + i * (s->words + 1)) = (uint32_t)i + 1;
}

/* Remembers what would be: the bits with one more, and the value. False if it was met
 * before. */
static bool remember(struct search *s, uint32_t operation, struct value value)
{
    size_t words = s->words + 1;
    if (2 * (s->seen_n + 1) > s->table_size)
        grow_table(s);
    if (s->seen_n == s->seen_size) {
        s->seen_size = s->seen_size ? 2 * s->seen_size : 64;
        s->seen = xreallocarray(s->seen, s->seen_size * words, sizeof *s->seen);
    }
    uint64_t *record = s->seen + s->seen_n * words;
    memcpy(record, s->bits, s->words * sizeof *record);
    record[operation / 64] |= UINT64_C(1) << operation % 64;
    record[s->words] = (uint64_t)value.integer; /* known or not: the bits say it */
    uint32_t *slot = find_seen(s, record);
    if (*slot)
        return false;
    *slot = (uint32_t)++s->seen_n;
    return true;
}

static void unlink_entry(struct search *s, uint32_t at)
{
    struct entry *entry = &s->entries[at];
    s->entries[entry->previous].next = entry->next;
    if (entry->next)
        s->entries[entry->next].previous = entry->previous;
}

static void relink_entry(struct search *s, uint32_t at)
{
    struct entry *entry = &s->entries[at];
    s->entries[entry->previous].next = at;
    if (entry->next)
        s->entries[entry->next].previous = at;
}

static void lift(struct search *s, uint32_t call, struct value after)
{
    struct entry *entry = &s->entries[call];
    s->stack[s->depth++] = (struct done){.call = call, .before = s->value};
    s->bits[entry->operation / 64] |= UINT64_C(1) << entry->operation % 64;
    s->value = after;
    unlink_entry(s, call);
    if (entry->match) {
        unlink_entry(s, entry->match);
        s->must--;
    }
}

/* Puts the last operation back; returns its call. */
static uint32_t put_back(struct search *s)
{
    struct done done = s->stack[--s->depth];
    struct entry *entry = &s->entries[done.call];
    s->bits[entry->operation / 64] &= ~(UINT64_C(1) << entry->operation % 64);
    s->value = done.before;
    if (entry->match) {
        relink_entry(s, entry->match);
        s->must++;
    }
    relink_entry(s, done.call);
    return done.call;
}

static void note_stuck(struct search *s, uint32_t at)
{
    if (s->depth < s->furthest)
        return;
    s->furthest = s->depth;
    s->stuck = s->entries[at].operation;
}

static enum verdict search_key(struct search *s)
{
    uint32_t at = s->entries[NO_ENTRY].next;
    while (s->must) {
        const struct entry *entry = &s->entries[at];
        struct value after;
        if (++s->steps > STEPS_LIMIT ||
            s->seen_n * (s->words + 1) * sizeof *s->seen > MEMORY_LIMIT_BYTES)
            return VERDICT_UNKNOWN;
        if (at != NO_ENTRY && entry->is_call) {
            if (allows(s->value, s->ops[entry->operation], &after) &&
                remember(s, entry->operation, after)) {
                lift(s, at, after);
                at = s->entries[NO_ENTRY].next;
            } else {
                at = entry->next;
            }
            continue;
        }
        if (at != NO_ENTRY)
            note_stuck(s, at);
        if (s->depth == 0)
            return VERDICT_INVALID;
        at = s->entries[put_back(s)].next;
    }
    return VERDICT_VALID;
}

struct moment {
    size_t record; /* index in the history */
    uint32_t operation;
    bool is_call;
};

static int by_record(const void *a, const void *b)
{
    const struct moment *x = a, *y = b;
    return x->record < y->record ? -1 : x->record > y->record;
}

static void link_entries(struct search *s)
{
    struct moment *moments = xcalloc(2 * s->n, sizeof *moments);
    uint32_t *calls = xcalloc(s->n, sizeof *calls);
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++) {
        moments[n++] = (struct moment){s->ops[i]->invoke_index, (uint32_t)i, true};
        if (s->ops[i]->type != HISTORY_OK)
            continue;
        moments[n++] = (struct moment){s->ops[i]->complete_index, (uint32_t)i, false};
        s->must++;
    }
    qsort(moments, n, sizeof *moments, by_record);
    s->entries = xcalloc(n + 1, sizeof *s->entries);
    s->entries[NO_ENTRY].next = n ? 1 : NO_ENTRY;
    for (size_t i = 0; i < n; i++) {
        uint32_t at = (uint32_t)i + 1;
        s->entries[at] = (struct entry){
            .previous = at - 1,
            .next = i + 1 < n ? at + 1 : NO_ENTRY,
            .operation = moments[i].operation,
            .is_call = moments[i].is_call,
        };
        if (moments[i].is_call)
            calls[moments[i].operation] = at;
        else
            s->entries[calls[moments[i].operation]].match = at;
    }
    free(moments);
    free(calls);
}

static enum verdict judge_operations(const struct operation *const *ops, size_t n,
                                     const struct operation **stuck)
{
    struct search s = {.ops = ops, .n = n, .words = (n + 63) / 64};
    s.bits = xcalloc(s.words, sizeof *s.bits);
    s.stack = xcalloc(n, sizeof *s.stack);
    link_entries(&s);
    enum verdict verdict = search_key(&s);
    *stuck = n ? ops[s.stuck] : NULL;
    free(s.entries);
    free(s.bits);
    free(s.stack);
    free(s.seen);
    free(s.table);
    return verdict;
}

/* Final reads and probes look at one node: the cluster does not promise them. */
static bool takes_part(const struct operation *operation)
{
    return operation_is_workload(operation) && operation->type != HISTORY_FAIL;
}

static void add_finding(const struct check_input *input, struct check_output *output,
                        const struct operation *stuck)
{
    struct finding finding = {
        .kind = FINDING_NOT_LINEARIZABLE,
        .operation = (size_t)(stuck - input->operations->items),
        .other = SIZE_MAX,
        .key = stuck->key,
        .node = stuck->node,
        .other_node = HISTORY_NO_NODE,
        .at_ns = stuck->complete_ns,
    };
    evidence_add(output->evidence, &finding);
}

static enum verdict search_order(const struct check_input *input,
                                 const struct view_key *key, uint32_t *offender)
{
    const struct operation *items = input->operations->items, *stuck = NULL;
    const struct operation **ops = xcalloc(key->writes.n + key->reads.n, sizeof *ops);
    size_t n = 0;
    for (size_t i = 0; i < key->writes.n; i++)
        if (takes_part(&items[key->writes.items[i]]))
            ops[n++] = &items[key->writes.items[i]];
    for (size_t i = 0; i < key->reads.n; i++)
        if (takes_part(&items[key->reads.items[i]]))
            ops[n++] = &items[key->reads.items[i]];
    enum verdict verdict = judge_operations(ops, n, &stuck);
    if (stuck)
        *offender = (uint32_t)(stuck - items);
    free(ops);
    return verdict;
}

static bool fits_zones(const struct check_input *input, const struct view_key *key)
{
    for (size_t i = 0; i < key->writes.n; i++)
        if (input->operations->items[key->writes.items[i]].f != HISTORY_WRITE)
            return false;
    return input->view->repeated == SIZE_MAX;
}

static enum verdict judge_key(const struct check_input *input,
                              struct check_output *output, const struct view_key *key)
{
    uint32_t offender = 0;
    enum verdict verdict = fits_zones(input, key) ? zones_judge(input, key, &offender)
                                                  : search_order(input, key, &offender);
    if (verdict == VERDICT_INVALID)
        add_finding(input, output, &input->operations->items[offender]);
    return verdict;
}

static struct check_result linearizable_check(const struct check_input *input,
                                              struct check_output *output)
{
    struct check_result result = {.verdict = VERDICT_VALID};
    size_t counts[VERDICT_INVALID + 1] = {0};
    for (size_t i = 0; i < input->view->key_count; i++) {
        if (input->view->keys[i].is_list)
            continue;
        enum verdict verdict = judge_key(input, output, &input->view->keys[i]);
        counts[verdict]++;
        if (verdict > result.verdict)
            result.verdict = verdict;
    }
    if (result.verdict != VERDICT_UNKNOWN)
        measure_set(output->measures, MEASURE_LINEARIZABLE,
                    result.verdict == VERDICT_VALID);
    if (result.verdict == VERDICT_INVALID)
        (void)snprintf(result.why, sizeof result.why, "%zu of %zu keys fit no order",
                       counts[VERDICT_INVALID], input->view->key_count);
    else if (result.verdict == VERDICT_UNKNOWN)
        (void)snprintf(result.why, sizeof result.why,
                       "the search for %zu keys was given up: too many operations at "
                       "once",
                       counts[VERDICT_UNKNOWN]);
    return result;
}

const struct checker checker_linearizable = {
    .name = "linearizable",
    .help =
        "reads, writes and compare-and-set of a register fit one order in real time",
    .applies = linearizable_applies,
    .check = linearizable_check,
};
