/* SPDX-License-Identifier: MIT */
/* The four session guarantees (Terry et al., PDIS 1994) in one pass over the
 * completions. A process is a session. For each an ok read of the workload counts at
 * most once, and it counts whenever it breaks the guarantee: after a loss every read
 * that should have shown the write does.
 *
 * read your writes     the read misses an ok write of its own process to its key
 * monotonic reads      it misses what its process has read of the key before
 * monotonic writes     its process has read a write of some process p, and it misses an
 *                      earlier ok write of p to its key; or (append) its list has two
 *                      writes of p in the wrong order
 * writes follow reads  its process has read a write of p, and it misses what p had read
 *                      of the key before it invoked that write
 *
 * "Has read" includes the read itself, and spans keys. A list misses a write whose
 * element is not in it. A register's read misses w if what it saw, or the initial nil,
 * had ended before w began: only what real time proves is held against it.
 *
 * A process and a key make a slot: the process's ok writes to the key, and what it has
 * read of it: the longest list, of which the shorter ones are beginnings as a rule, and
 * extra elements that are not in it. Each change of that is kept with the read that
 * made it, so that what had been read before a write is found by binary search. A walk
 * over elements stops at the first that is missed, and those passed are in the read's
 * list: the cost of a read is its length times the processes that touch its key at
 * worst, and a memcmp for each of them as a rule. */
#include "proxy/base/memory.h"
#include "scenarios/checkers/catalogue.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a process had read of a key, from the read on. */
struct known {
    uint32_t read;
    size_t extra_count; /* of the slot's extras */
    struct view_seen list;
};

struct growing {
    uint32_t *items; /* owned */
    size_t n, size;
};

struct slot {
    uint32_t process;
    struct growing own;   /* ok writes, in the order of the session */
    struct growing extra; /* writes read that are not in the longest list */
    struct known *known;  /* owned; in the order of the session */
    size_t known_count, known_size;
};

struct key_slots {
    struct slot *items; /* owned */
    size_t n;
};

struct sessions {
    const struct check_input *input;
    struct check_output *output;
    const struct operation *ops; /* borrowed */
    const struct view *view;     /* borrowed */
    struct pair_map slot_of;     /* process, key -> index among the key's slots */
    struct key_slots *slots;     /* owned; of each key */
    uint32_t **read_upto; /* owned; [q][p]: 1 + the last write of p that q has read */
    uint32_t *stamp;      /* owned; of each write: 1 + the read that saw it last */
    uint32_t *last_seen;  /* owned; of each process: its last write in this list */
    uint32_t *last_stamp; /* owned; of each process: 1 + the read of last_seen */
    uint64_t reads;
};

static bool sessions_applies(const struct check_input *input)
{
    for (size_t i = 0; i < input->view->key_count; i++)
        if (input->view->keys[i].writes.n && input->view->keys[i].reads.n)
            return true;
    return false;
}

static void grow_by(struct growing *list, uint32_t item)
{
    if (list->n == list->size) {
        list->size = list->size ? 2 * list->size : 4;
        list->items = xreallocarray(list->items, list->size, sizeof *list->items);
    }
    list->items[list->n++] = item;
}

static struct slot *find_slot(struct sessions *s, uint32_t process, uint32_t key)
{
    struct key_slots *slots = &s->slots[key];
    size_t *at = pair_map_at(&s->slot_of, process, key);
    if (*at == PAIR_MAP_NONE) {
        *at = slots->n++;
        slots->items = xreallocarray(slots->items, slots->n, sizeof *slots->items);
        slots->items[*at] = (struct slot){.process = process};
    }
    return &slots->items[*at];
}

static uint32_t *upto_of(struct sessions *s, uint32_t process)
{
    if (!s->read_upto[process])
        s->read_upto[process] = xcalloc(s->view->process_count, sizeof **s->read_upto);
    return s->read_upto[process];
}

static const struct view_key *key_of(const struct sessions *s, uint32_t operation)
{
    return &s->view->keys[s->view->key_of[operation]];
}

static bool misses(const struct sessions *s, uint32_t read, uint32_t write)
{
    if (write == VIEW_NOBODY)
        return false;
    if (key_of(s, read)->is_list)
        return s->stamp[write] != read + 1;
    struct view_seen seen = s->view->seen[read];
    if (seen.n == 0)
        return true;
    if (seen.writes[0] == VIEW_NOBODY)
        return false;
    const struct operation *saw = &s->ops[seen.writes[0]];
    return saw->type == HISTORY_OK && saw->complete_ns < s->ops[write].invoke_ns;
}

/* The first of a list that the read misses, or VIEW_NOBODY. Of a register only the
 * last can be the newest. */
static uint32_t find_missed(const struct sessions *s, uint32_t read,
                            const uint32_t *writes, size_t n)
{
    bool is_list = key_of(s, read)->is_list;
    for (size_t i = is_list || n == 0 ? 0 : n - 1; i < n; i++)
        if (misses(s, read, writes[i]))
            return writes[i];
    return VIEW_NOBODY;
}

static bool begins_with(struct view_seen list, struct view_seen beginning)
{
    return beginning.n <= list.n &&
           (beginning.n == 0 || memcmp(list.writes, beginning.writes,
                                       beginning.n * sizeof *list.writes) == 0);
}

/* What of the slot's reads this one misses, or VIEW_NOBODY. */
static uint32_t find_unknown(const struct sessions *s, uint32_t read,
                             const struct slot *slot, const struct known *known)
{
    uint32_t missed = VIEW_NOBODY;
    bool is_list = key_of(s, read)->is_list;
    if (!is_list || !begins_with(s->view->seen[read], known->list))
        missed = find_missed(s, read, known->list.writes, known->list.n);
    if (missed == VIEW_NOBODY && is_list)
        missed = find_missed(s, read, slot->extra.items, known->extra_count);
    return missed;
}

static void count(struct sessions *s, enum finding_kind kind, uint32_t read,
                  uint32_t missed)
{
    const struct operation *operation = &s->ops[read];
    struct finding finding = {
        .kind = kind,
        .operation = read,
        .other = missed,
        .key = operation->key,
        .element = view_element(&s->ops[missed]),
        .node = operation->node,
        .other_node = s->ops[missed].node,
        .at_ns = operation->complete_ns,
    };
    evidence_add(s->output->evidence, &finding);
}

/* Marks what the list shows, and notes the last write of each process in it. Returns
 * a write that stands behind a later one of its process, or VIEW_NOBODY. */
static uint32_t mark(struct sessions *s, uint32_t read)
{
    struct view_seen seen = s->view->seen[read];
    uint32_t *upto = upto_of(s, s->view->process_of[read]);
    bool is_ordered = key_of(s, read)->is_ordered;
    uint32_t disordered = VIEW_NOBODY;
    for (size_t i = 0; i < seen.n; i++) {
        uint32_t write = seen.writes[i];
        if (write == VIEW_NOBODY)
            continue;
        uint32_t writer = s->view->process_of[write];
        if (is_ordered && s->last_stamp[writer] == read + 1 &&
            s->last_seen[writer] > write && s->stamp[write] != read + 1)
            disordered = write;
        s->last_stamp[writer] = read + 1;
        s->last_seen[writer] = write;
        s->stamp[write] = read + 1;
        if (upto[writer] < write + 1)
            upto[writer] = write + 1;
    }
    return disordered;
}

/* How many of a session's writes came before the given one. */
static size_t count_before(const struct growing *writes, uint32_t write)
{
    size_t low = 0, high = writes->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (writes->items[middle] < write)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* What the slot's process had read when it invoked the write, or NULL. */
static const struct known *known_before(const struct slot *slot, uint32_t write)
{
    size_t low = 0, high = slot->known_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (slot->known[middle].read < write)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? &slot->known[low - 1] : NULL;
}

/* Monotonic writes and writes follow reads, of all whose writes the process knows. */
static void judge_by_others(struct sessions *s, uint32_t read, uint32_t disordered)
{
    uint32_t process = s->view->process_of[read];
    const uint32_t *upto = upto_of(s, process);
    const struct key_slots *slots = &s->slots[s->view->key_of[read]];
    uint32_t unwritten = disordered, unread = VIEW_NOBODY;
    for (size_t i = 0; i < slots->n; i++) {
        const struct slot *slot = &slots->items[i];
        if (upto[slot->process] == 0)
            continue;
        uint32_t last = upto[slot->process] - 1;
        if (unwritten == VIEW_NOBODY)
            unwritten =
                find_missed(s, read, slot->own.items, count_before(&slot->own, last));
        if (unread != VIEW_NOBODY || slot->process == process)
            continue;
        const struct known *known = known_before(slot, last);
        if (known)
            unread = find_unknown(s, read, slot, known);
    }
    if (unwritten != VIEW_NOBODY)
        count(s, FINDING_MONOTONIC_WRITES, read, unwritten);
    if (unread != VIEW_NOBODY)
        count(s, FINDING_WRITES_FOLLOW_READS, read, unread);
}

static void keep_known(struct slot *slot, const struct known *known)
{
    if (slot->known_count == slot->known_size) {
        slot->known_size = slot->known_size ? 2 * slot->known_size : 4;
        slot->known = xreallocarray(slot->known, slot->known_size, sizeof *slot->known);
    }
    slot->known[slot->known_count++] = *known;
}

/* Of the elements of one list those that are not in another go to the extras. */
static void add_extras(struct sessions *s, struct slot *slot, struct view_seen from,
                       struct view_seen other)
{
    uint32_t mark_of_other = VIEW_NOBODY; /* no read's mark: reads are 1 + index */
    for (size_t i = 0; i < other.n; i++)
        if (other.writes[i] != VIEW_NOBODY)
            s->stamp[other.writes[i]] = mark_of_other;
    for (size_t i = 0; i < slot->extra.n; i++)
        s->stamp[slot->extra.items[i]] = mark_of_other;
    for (size_t i = 0; i < from.n; i++)
        if (from.writes[i] != VIEW_NOBODY && s->stamp[from.writes[i]] != mark_of_other)
            grow_by(&slot->extra, from.writes[i]);
    for (size_t i = 0; i < other.n; i++) /* leave no mark behind */
        if (other.writes[i] != VIEW_NOBODY)
            s->stamp[other.writes[i]] = 0;
    for (size_t i = 0; i < slot->extra.n; i++)
        s->stamp[slot->extra.items[i]] = 0;
}

/* The process now knows what this read shows, and all it knew before. */
static void learn(struct sessions *s, struct slot *slot, uint32_t read)
{
    struct view_seen seen = s->view->seen[read];
    struct known known = {.read = read, .list = seen};
    const struct known *before =
        slot->known_count ? &slot->known[slot->known_count - 1] : NULL;
    bool is_list = key_of(s, read)->is_list;
    if (seen.n == 0 || (!is_list && seen.writes[0] == VIEW_NOBODY))
        return;
    if (before && is_list && begins_with(before->list, seen))
        return;
    if (before && !is_list &&
        s->ops[seen.writes[0]].invoke_ns < s->ops[before->list.writes[0]].invoke_ns)
        return;
    if (before && is_list && !begins_with(seen, before->list)) {
        bool longer = seen.n > before->list.n;
        add_extras(s, slot, longer ? before->list : seen, longer ? seen : before->list);
        known.list = longer ? seen : before->list;
    }
    known.extra_count = slot->extra.n;
    keep_known(slot, &known);
}

static void judge_read(struct sessions *s, uint32_t read)
{
    uint32_t disordered = mark(s, read);
    struct slot *slot = find_slot(s, s->view->process_of[read], s->view->key_of[read]);
    uint32_t missed = find_missed(s, read, slot->own.items, slot->own.n);
    s->reads++;
    if (missed != VIEW_NOBODY)
        count(s, FINDING_READ_YOUR_WRITES, read, missed);
    if (slot->known_count) {
        missed = find_unknown(s, read, slot, &slot->known[slot->known_count - 1]);
        if (missed != VIEW_NOBODY)
            count(s, FINDING_MONOTONIC_READS, read, missed);
    }
    judge_by_others(s, read, disordered);
    learn(s, slot, read);
}

static void init(struct sessions *s, const struct check_input *input,
                 struct check_output *output)
{
    const struct view *view = input->view;
    *s = (struct sessions){
        .input = input,
        .output = output,
        .ops = input->operations->items,
        .view = view,
        .slots = xcalloc(view->key_count, sizeof *s->slots),
        .read_upto = xcalloc(view->process_count, sizeof *s->read_upto),
        .stamp = xcalloc(input->operations->n, sizeof *s->stamp),
        .last_seen = xcalloc(view->process_count, sizeof *s->last_seen),
        .last_stamp = xcalloc(view->process_count, sizeof *s->last_stamp),
    };
}

static void release(struct sessions *s)
{
    for (size_t i = 0; i < s->view->key_count; i++) {
        for (size_t j = 0; j < s->slots[i].n; j++) {
            free(s->slots[i].items[j].own.items);
            free(s->slots[i].items[j].extra.items);
            free(s->slots[i].items[j].known);
        }
        free(s->slots[i].items);
    }
    for (size_t i = 0; i < s->view->process_count; i++)
        free(s->read_upto[i]);
    free(s->slots);
    free(s->read_upto);
    free(s->stamp);
    free(s->last_seen);
    free(s->last_stamp);
    pair_map_free(&s->slot_of);
}

static struct check_result conclude(const struct sessions *s)
{
    static const struct {
        enum measure measure;
        enum finding_kind kind;
    } rows[] = {
        {MEASURE_READ_YOUR_WRITES, FINDING_READ_YOUR_WRITES},
        {MEASURE_MONOTONIC_READS, FINDING_MONOTONIC_READS},
        {MEASURE_MONOTONIC_WRITES, FINDING_MONOTONIC_WRITES},
        {MEASURE_WRITES_FOLLOW_READS, FINDING_WRITES_FOLLOW_READS},
    };
    struct check_result result = {.verdict = VERDICT_VALID};
    const uint64_t *total = s->output->evidence->total;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        measure_set(s->output->measures, rows[i].measure, total[rows[i].kind]);
        if (total[rows[i].kind])
            result.verdict = VERDICT_INVALID;
    }
    if (result.verdict == VERDICT_INVALID)
        (void)snprintf(result.why, sizeof result.why,
                       "of %" PRIu64 " reads %" PRIu64
                       " break read-your-writes, %" PRIu64 " monotonic-reads, %" PRIu64
                       " monotonic-writes, %" PRIu64 " writes-follow-reads",
                       s->reads, total[rows[0].kind], total[rows[1].kind],
                       total[rows[2].kind], total[rows[3].kind]);
    return result;
}

static struct check_result sessions_check(const struct check_input *input,
                                          struct check_output *output)
{
    struct sessions s;
    if (input->view->repeated != SIZE_MAX)
        return (struct check_result){
            .verdict = VERDICT_UNKNOWN,
            .why = "a value is written twice: what a read saw is not known"};
    init(&s, input, output);
    for (size_t i = 0; i < input->view->completed_count; i++) {
        uint32_t at = input->view->completed[i];
        const struct operation *operation = &s.ops[at];
        if (operation->type != HISTORY_OK || !operation_is_workload(operation))
            continue;
        if (operation->f == HISTORY_READ)
            judge_read(&s, at);
        else
            grow_by(&find_slot(&s, input->view->process_of[at], input->view->key_of[at])
                         ->own,
                    at);
    }
    struct check_result result = conclude(&s);
    release(&s);
    return result;
}

const struct checker checker_sessions = {
    .name = "sessions",
    .help = "the four session guarantees: read your writes, monotonic reads, monotonic "
            "writes, writes follow reads",
    .applies = sessions_applies,
    .check = sessions_check,
};
