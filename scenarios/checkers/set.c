/* SPDX-License-Identifier: MIT */
/* What became of each element that was appended or added, by the final reads of every
 * node: Jepsen's set checker (jepsen.checker/set), with one final read a node.
 *
 * lost        ok, and in no node's final read
 * recovered   info, and in some node's final read
 * ghost       fail, and yet in an ok read of any time; or read and never written by
 *             anyone, or read before its write began
 * duplicate   more than once in a final read; per element the node with the most
 *             counts, since the same accident is replicated to all
 *
 * An element that is absent from the final reads there are, while some node's final
 * read of its key is missing, may be lost or not: then losses are not known, and why
 * is said. A history of others, that names no nodes and marks no read as final, is
 * judged by the last ok read of each key.
 *
 * Registers are not judged: an overwritten value looks like a lost one. */
#include "proxy/base/memory.h"
#include "scenarios/checkers/catalogue.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct set {
    const struct check_input *input;
    struct check_output *output;
    const struct operation *ops; /* borrowed */
    const struct view *view;     /* borrowed */
    size_t nodes;                /* final reads that each key should have */
    uint32_t *finals;            /* owned; key * nodes + node: 1 + the read, 0 = none */
    bool *present;               /* owned; of each write */
    uint32_t *stamp;             /* owned; of each write: the read that saw it last */
    uint32_t *position;          /* owned; where that read saw it */
    uint64_t *copies;            /* owned; of each write: appearances in that read */
    uint64_t *most;              /* owned; of each write: the largest of these */
    struct pair_map unexpected;  /* key, element */
    uint64_t lost, recovered, ghosts, duplicates, disordered, undecided;
    size_t undecided_key; /* a key that lacks a final read */
};

static bool set_applies(const struct check_input *input)
{
    for (size_t i = 0; i < input->view->key_count; i++)
        if (input->view->keys[i].is_list && input->view->keys[i].writes.n)
            return true;
    return false;
}

static bool has_final_reads(const struct operations *operations)
{
    for (size_t i = 0; i < operations->n; i++)
        if (operations->items[i].final)
            return true;
    return false;
}

static void init(struct set *set, const struct check_input *input,
                 struct check_output *output)
{
    size_t n = input->operations->n;
    *set = (struct set){
        .input = input,
        .output = output,
        .ops = input->operations->items,
        .view = input->view,
        .present = xcalloc(n, sizeof *set->present),
        .stamp = xcalloc(n, sizeof *set->stamp),
        .position = xcalloc(n, sizeof *set->position),
        .copies = xcalloc(n, sizeof *set->copies),
        .most = xcalloc(n, sizeof *set->most),
    };
}

static void release(struct set *set)
{
    free(set->finals);
    free(set->present);
    free(set->stamp);
    free(set->position);
    free(set->copies);
    free(set->most);
    pair_map_free(&set->unexpected);
}

/* The last ok final read of each key on each node. */
static void choose_finals(struct set *set)
{
    size_t known = history_node_count(set->input->history);
    bool flagged = known > 0 || has_final_reads(set->input->operations);
    set->nodes = known ? known : 1;
    set->finals = xcalloc(set->view->key_count * set->nodes, sizeof *set->finals);
    for (size_t i = 0; i < set->view->completed_count; i++) {
        uint32_t read = set->view->completed[i];
        const struct operation *operation = &set->ops[read];
        if (operation->f != HISTORY_READ || operation->type != HISTORY_OK ||
            operation->final != flagged)
            continue;
        size_t node =
            operation->node >= 0 && set->nodes > 1 ? (size_t)operation->node : 0;
        set->finals[set->view->key_of[read] * set->nodes + node] = read + 1;
    }
}

static void add_finding(struct set *set, enum finding_kind kind, size_t operation,
                        size_t other, int64_t element, uint64_t count)
{
    const struct operation *about = &set->ops[operation];
    struct finding finding = {
        .kind = kind,
        .operation = operation,
        .other = other,
        .key = about->key,
        .element = element,
        .node = about->node,
        .other_node = other == SIZE_MAX ? HISTORY_NO_NODE : set->ops[other].node,
        .at_ns = about->complete_ns,
        .count = count,
    };
    evidence_add(set->output->evidence, &finding);
}

/* Counts appearances in one final read. */
static void look_into_final(struct set *set, uint32_t read)
{
    struct view_seen seen = set->view->seen[read];
    for (size_t i = 0; i < seen.n; i++) {
        uint32_t write = seen.writes[i];
        if (write == VIEW_NOBODY)
            continue;
        set->present[write] = true;
        set->copies[write] = set->stamp[write] == read + 1 ? set->copies[write] + 1 : 1;
        set->stamp[write] = read + 1;
        if (set->copies[write] <= set->most[write])
            continue;
        set->most[write] = set->copies[write];
        if (set->copies[write] < 2)
            continue;
        set->duplicates++;
        if (set->copies[write] == 2)
            add_finding(set, FINDING_DUPLICATE, read, write,
                        view_element(&set->ops[write]), 2);
    }
}

static void note_positions(struct set *set, uint32_t read)
{
    struct view_seen seen = set->view->seen[read];
    for (size_t i = 0; i < seen.n; i++) {
        if (seen.writes[i] == VIEW_NOBODY)
            continue;
        set->stamp[seen.writes[i]] = read + 1;
        set->position[seen.writes[i]] = (uint32_t)i;
    }
}

/* Elements that two final reads have in common must come in the same order. The
 * positions in first are noted. */
static void compare_order(struct set *set, uint32_t first, uint32_t second)
{
    struct view_seen seen = set->view->seen[second];
    uint32_t last = 0;
    for (size_t i = 0; i < seen.n; i++) {
        uint32_t write = seen.writes[i];
        if (write == VIEW_NOBODY || set->stamp[write] != first + 1)
            continue;
        if (set->position[write] < last) {
            set->disordered++;
            add_finding(set, FINDING_ORDER, first, second,
                        view_element(&set->ops[write]), 1);
            return;
        }
        last = set->position[write];
    }
}

/* Every node's with every other's: what two of them disagree on may be missing on the
 * third. */
static void compare_orders(struct set *set, const uint32_t *finals)
{
    for (size_t node = 0; node < set->nodes; node++) {
        if (!finals[node])
            continue;
        note_positions(set, finals[node] - 1);
        for (size_t other = node + 1; other < set->nodes; other++)
            if (finals[other])
                compare_order(set, finals[node] - 1, finals[other] - 1);
    }
}

static void look_into_finals(struct set *set)
{
    for (size_t key = 0; key < set->view->key_count; key++) {
        const uint32_t *finals = set->finals + key * set->nodes;
        for (size_t node = 0; node < set->nodes; node++)
            if (finals[node])
                look_into_final(set, finals[node] - 1);
        if (set->view->keys[key].is_ordered)
            compare_orders(set, finals);
    }
}

static bool key_is_complete(const struct set *set, size_t key)
{
    for (size_t node = 0; node < set->nodes; node++)
        if (!set->finals[key * set->nodes + node])
            return false;
    return true;
}

static void judge_ok_write(struct set *set, uint32_t write, bool complete)
{
    enum fate *fate = &set->output->fates[write];
    if (set->present[write])
        *fate = FATE_KEPT;
    else if (complete) {
        *fate = FATE_LOST;
        set->lost++;
        add_finding(set, FINDING_LOST, write, SIZE_MAX, view_element(&set->ops[write]),
                    1);
    } else {
        *fate = FATE_UNKNOWN;
        set->undecided++;
        set->undecided_key = set->view->key_of[write];
    }
}

static void judge_writes(struct set *set)
{
    for (size_t i = 0; i < set->view->key_count; i++) {
        const struct view_key *key = &set->view->keys[i];
        bool complete = key_is_complete(set, i);
        for (size_t j = 0; key->is_list && j < key->writes.n; j++) {
            uint32_t write = key->writes.items[j];
            if (set->ops[write].type == HISTORY_OK)
                judge_ok_write(set, write, complete);
            if (set->ops[write].type != HISTORY_INFO || !set->present[write])
                continue;
            set->output->fates[write] = FATE_RECOVERED;
            set->recovered++;
            add_finding(set, FINDING_RECOVERED, write, SIZE_MAX,
                        view_element(&set->ops[write]), 1);
        }
    }
}

static void note_unexpected(struct set *set, uint32_t read, size_t i)
{
    const struct history_value *result = &set->ops[read].result;
    int64_t element =
        result->kind == HISTORY_LIST ? result->list.items[i] : result->integer;
    size_t *known = pair_map_at(&set->unexpected, set->view->key_of[read], element);
    if (*known != PAIR_MAP_NONE)
        return;
    *known = read;
    set->ghosts++;
    add_finding(set, FINDING_UNEXPECTED, read, SIZE_MAX, element, 1);
}

static void look_for_ghost(struct set *set, uint32_t read, size_t i)
{
    uint32_t write = set->view->seen[read].writes[i];
    if (write == VIEW_NOBODY ||
        set->ops[write].invoke_index > set->ops[read].complete_index) {
        note_unexpected(set, read, i);
        return;
    }
    enum fate *fate = &set->output->fates[write];
    if (set->ops[write].type != HISTORY_FAIL || *fate == FATE_GHOST)
        return;
    *fate = FATE_GHOST;
    set->ghosts++;
    add_finding(set, FINDING_GHOST, write, read, view_element(&set->ops[write]), 1);
}

/* In the order of completions, so that the first read that shows an element is also
 * the earliest. What a read has in common with the longest list of its key so far was
 * looked at before. */
static void look_for_ghosts(struct set *set)
{
    uint32_t *longest = xcalloc(set->view->key_count, sizeof *longest);
    for (size_t i = 0; i < set->view->completed_count; i++) {
        uint32_t read = set->view->completed[i];
        struct view_seen seen = set->view->seen[read];
        uint32_t *before = &longest[set->view->key_of[read]];
        if (seen.n == 0 || !set->view->keys[set->view->key_of[read]].is_list)
            continue;
        struct view_seen old =
            *before ? set->view->seen[*before - 1] : (struct view_seen){0};
        size_t n = old.n < seen.n ? old.n : seen.n;
        bool extends =
            n == 0 || memcmp(old.writes, seen.writes, n * sizeof *seen.writes) == 0;
        for (size_t j = extends ? n : 0; j < seen.n; j++)
            look_for_ghost(set, read, j);
        if (seen.n >= old.n)
            *before = read + 1;
    }
    free(longest);
}

/* From the first lost write to the last acknowledged one before the heal, both at one
 * node: the old primary, or the node of the first lost write if that lost none. */
static uint64_t rpo_ns(const struct set *set)
{
    int node = check_old_primary(set->input);
    uint64_t first_lost = HISTORY_NEVER, last_ok = 0;
    int first_node = HISTORY_NO_NODE;
    uint64_t first_any = HISTORY_NEVER;
    for (size_t i = 0; i < set->input->operations->n; i++) {
        uint64_t at_ns = set->ops[i].complete_ns;
        if (set->output->fates[i] != FATE_LOST)
            continue;
        if (at_ns < first_any) {
            first_any = at_ns;
            first_node = set->ops[i].node;
        }
        if (set->ops[i].node == node && at_ns < first_lost)
            first_lost = at_ns;
    }
    if (first_lost == HISTORY_NEVER) {
        first_lost = first_any;
        node = first_node;
    }
    for (size_t i = 0; i < set->input->operations->n; i++) {
        const struct operation *operation = &set->ops[i];
        if (operation_writes(operation) && operation->type == HISTORY_OK &&
            operation->node == node && operation->complete_ns > last_ok &&
            (operation->complete_ns <= set->input->heal_ns))
            last_ok = operation->complete_ns;
    }
    return last_ok > first_lost ? last_ok - first_lost : 0;
}

static void fill_measures(const struct set *set)
{
    struct measures *measures = set->output->measures;
    measure_set(measures, MEASURE_RECOVERED_WRITES, set->recovered);
    measure_set(measures, MEASURE_GHOST_WRITES, set->ghosts);
    measure_set(measures, MEASURE_DUPLICATES, set->duplicates);
    if (set->undecided)
        return;
    measure_set(measures, MEASURE_LOST_WRITES, set->lost);
    measure_set(measures, MEASURE_RPO, set->lost ? rpo_ns(set) : 0);
}

static struct check_result conclude(const struct set *set)
{
    struct check_result result = {.verdict = VERDICT_VALID};
    if (set->lost || set->ghosts || set->duplicates || set->disordered) {
        result.verdict = VERDICT_INVALID;
        (void)snprintf(result.why, sizeof result.why,
                       "%" PRIu64 " acknowledged writes lost, %" PRIu64
                       " ghosts, %" PRIu64 " duplicates, %" PRIu64
                       " differences of order%s",
                       set->lost, set->ghosts, set->duplicates, set->disordered,
                       set->undecided ? "; more may be lost" : "");
    } else if (set->undecided) {
        result.verdict = VERDICT_UNKNOWN;
        (void)snprintf(result.why, sizeof result.why,
                       "key %" PRId64 " lacks a final read of a node, and %" PRIu64
                       " acknowledged writes are in none of the others",
                       set->view->keys[set->undecided_key].key, set->undecided);
    }
    return result;
}

static struct check_result set_check(const struct check_input *input,
                                     struct check_output *output)
{
    struct check_result repeated = {.verdict = VERDICT_UNKNOWN};
    struct set set;
    if (input->view->repeated != SIZE_MAX) {
        const struct operation *operation =
            &input->operations->items[input->view->repeated];
        (void)snprintf(repeated.why, sizeof repeated.why,
                       "%" PRId64 " is written twice to key %" PRId64
                       ": elements must be unique",
                       view_element(operation), operation->key);
        return repeated;
    }
    init(&set, input, output);
    choose_finals(&set);
    look_into_finals(&set);
    judge_writes(&set);
    look_for_ghosts(&set);
    fill_measures(&set);
    struct check_result result = conclude(&set);
    release(&set);
    return result;
}

const struct checker checker_set = {
    .name = "set",
    .help = "every acknowledged element is in a final read, once, and no other is",
    .applies = set_applies,
    .check = set_check,
};
