/* SPDX-License-Identifier: MIT */
/* What all checkers share: names, evidence, and the windows of a drill as its history's
 * events tell them. */
#include "scenarios/checkers/checker.h"
#include "proxy/base/memory.h"

#include <stdlib.h>
#include <string.h>

const char *verdict_name(enum verdict verdict)
{
    static const char *const names[] = {
        [VERDICT_VALID] = "valid",
        [VERDICT_UNKNOWN] = "unknown",
        [VERDICT_INVALID] = "invalid",
    };
    return names[verdict];
}

const char *fate_name(enum fate fate)
{
    static const char *const names[] = {
        [FATE_KEPT] = "kept",       [FATE_FAILED] = "failed",
        [FATE_LOST] = "lost",       [FATE_STALE] = "stale",
        [FATE_UNKNOWN] = "unknown", [FATE_RECOVERED] = "recovered",
        [FATE_GHOST] = "ghost",
    };
    return names[fate];
}

const char *finding_name(enum finding_kind kind)
{
    static const char *const names[] = {
        [FINDING_LOST] = "lost",
        [FINDING_RECOVERED] = "recovered",
        [FINDING_GHOST] = "ghost",
        [FINDING_UNEXPECTED] = "unexpected",
        [FINDING_DUPLICATE] = "duplicate",
        [FINDING_ORDER] = "order",
        [FINDING_STALE] = "stale-read",
        [FINDING_READ_YOUR_WRITES] = "read-your-writes",
        [FINDING_MONOTONIC_READS] = "monotonic-reads",
        [FINDING_MONOTONIC_WRITES] = "monotonic-writes",
        [FINDING_WRITES_FOLLOW_READS] = "writes-follow-reads",
        [FINDING_NOT_LINEARIZABLE] = "not-linearizable",
        [FINDING_SPLIT_BRAIN] = "split-brain",
        [FINDING_NOT_CONVERGED] = "not-converged",
    };
    return names[kind];
}

void evidence_add(struct evidence *evidence, const struct finding *finding)
{
    evidence->total[finding->kind]++;
    if (evidence->kept[finding->kind] == FINDING_LIMIT)
        return;
    evidence->kept[finding->kind]++;
    if ((evidence->n & (evidence->n - 1)) == 0) /* full at each power of two */
        evidence->items =
            xreallocarray(evidence->items, evidence->n ? 2 * evidence->n : 1,
                          sizeof *evidence->items);
    evidence->items[evidence->n++] = *finding;
}

void evidence_free(struct evidence *evidence)
{
    free(evidence->items);
    *evidence = (struct evidence){0};
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static bool is_fault(const char *event)
{
    return begins(event, HISTORY_EVENT_FAULT) || strcmp(event, "kill") == 0 ||
           strcmp(event, "pause") == 0;
}

static bool is_heal(const char *event)
{
    return begins(event, HISTORY_EVENT_UNDO) ||
           strcmp(event, HISTORY_EVENT_HEAL) == 0 || strcmp(event, "resume") == 0;
}

static void add_primary(struct check_input *input, uint64_t from_ns, const char *name)
{
    int node = HISTORY_NO_NODE;
    for (size_t i = 0; i < history_node_count(input->history); i++)
        if (strcmp(history_node_name(input->history, (int)i), name) == 0)
            node = (int)i;
    if (node == HISTORY_NO_NODE)
        return;
    size_t n = input->primary_count++;
    struct check_primary *primaries =
        xreallocarray(input->primaries, n + 1, sizeof *primaries);
    primaries[n] = (struct check_primary){.from_ns = from_ns, .node = node};
    input->primaries = primaries;
}

static void note_event(struct check_input *input, const struct history_record *record)
{
    const char *event = record->event;
    if (is_fault(event) && input->fault_ns == HISTORY_NEVER)
        input->fault_ns = record->time_ns;
    else if (is_heal(event) && input->fault_ns != HISTORY_NEVER)
        input->heal_ns = record->time_ns;
    else if (strcmp(event, HISTORY_EVENT_DETECT) == 0 &&
             input->detect_ns == HISTORY_NEVER)
        input->detect_ns = record->time_ns;
    else if (strcmp(event, HISTORY_EVENT_PRIMARY) == 0 &&
             record->value.kind == HISTORY_TEXT)
        add_primary(input, record->time_ns, record->value.text);
    else if (strcmp(event, HISTORY_EVENT_END) == 0)
        input->end_ns = record->time_ns;
}

static uint64_t last_completion(const struct operations *operations)
{
    uint64_t last = 0;
    for (size_t i = 0; i < operations->n; i++) {
        const struct operation *operation = &operations->items[i];
        if (operation_is_workload(operation) &&
            operation->complete_ns != HISTORY_NEVER && operation->complete_ns > last)
            last = operation->complete_ns;
    }
    return last;
}

void check_input_fill(const struct history *history,
                      const struct operations *operations, struct check_input *out)
{
    struct view *view = xcalloc(1, sizeof *view);
    view_build(history, operations, view);
    *out = (struct check_input){
        .history = history,
        .operations = operations,
        .view = view,
        .fault_ns = HISTORY_NEVER,
        .heal_ns = HISTORY_NEVER,
        .end_ns = HISTORY_NEVER,
        .detect_ns = HISTORY_NEVER,
    };
    for (size_t i = 0; i < history_length(history); i++)
        if (history_get(history, i)->f == HISTORY_EVENT)
            note_event(out, history_get(history, i));
    if (out->end_ns == HISTORY_NEVER)
        out->end_ns = last_completion(operations);
}

void check_input_free(struct check_input *input)
{
    if (input->view)
        view_free(input->view);
    free(input->view);
    free(input->primaries);
    *input = (struct check_input){0};
}

int check_old_primary(const struct check_input *input)
{
    int node = HISTORY_NO_NODE;
    for (size_t i = 0; i < input->primary_count; i++)
        if (node == HISTORY_NO_NODE || input->primaries[i].from_ns <= input->fault_ns)
            node = input->primaries[i].node;
    return node;
}

enum measure_window check_window(const struct check_input *input, uint64_t invoke_ns)
{
    if (invoke_ns < input->fault_ns)
        return MEASURE_BEFORE;
    return invoke_ns < input->heal_ns ? MEASURE_DURING : MEASURE_AFTER;
}
