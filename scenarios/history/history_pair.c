/* SPDX-License-Identifier: MIT */
/* One pass over the records with a map from a process to the operation it has open.
 * A history that does not fit together is refused: every checker would otherwise
 * guess differently. */
#include "proxy/base/memory.h"
#include "scenarios/history/history.h"
#include "scenarios/checkers/pair_map.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

enum { NO_OPEN = 0 }; /* values of the map: 0 = nothing open, i + 1 = operation i */

struct pairing {
    const struct history *history;
    struct operations *out;
    size_t size;
    struct pair_map open;
    struct pair_map retired; /* process -> the operation that ended in info */
};

static int complain_open(const struct pairing *pairing, size_t index,
                         const struct operation *operation, struct errmsg *err)
{
    bool retired = operation->complete_index != SIZE_MAX;
    errmsg_set(err, "record %zu: process %" PRId32 " %s record %zu %s", index,
               history_get(pairing->history, index)->process,
               retired ? "goes on after its write of"
                       : "invokes while its operation of",
               operation->invoke_index,
               retired ? "ended in info; it must be retired" : "is open");
    return -EINVAL;
}

static struct operation *add_operation(struct pairing *pairing)
{
    if (pairing->out->n == pairing->size) {
        pairing->size = pairing->size ? 2 * pairing->size : 1024;
        pairing->out->items = xreallocarray(pairing->out->items, pairing->size,
                                            sizeof *pairing->out->items);
    }
    return &pairing->out->items[pairing->out->n++];
}

static int open_operation(struct pairing *pairing, size_t index, struct errmsg *err)
{
    const struct history_record *record = history_get(pairing->history, index);
    size_t *open = pair_map_at(&pairing->open, record->process, 0);
    if (*open == PAIR_MAP_NONE)
        *open = NO_OPEN;
    if (*open != NO_OPEN)
        return complain_open(pairing, index, &pairing->out->items[*open - 1], err);
    size_t retired = pair_map_get(&pairing->retired, record->process, 0);
    if (retired != PAIR_MAP_NONE)
        return complain_open(pairing, index, &pairing->out->items[retired], err);
    *open = pairing->out->n + 1;
    *add_operation(pairing) = (struct operation){
        .invoke_ns = record->time_ns,
        .complete_ns = HISTORY_NEVER,
        .invoke_index = index,
        .complete_index = SIZE_MAX,
        .process = record->process,
        .f = record->f,
        .type = HISTORY_INFO,
        .node = record->node,
        .final = record->final,
        .probe = record->probe,
        .key = record->key,
        .argument = record->value,
        .error = record->error,
    };
    return 0;
}

static int complain_mismatch(const struct operation *operation, size_t index,
                             const struct history_record *record, struct errmsg *err)
{
    errmsg_set(err,
               "record %zu: %s of key %" PRId64 " completes the %s of key %" PRId64
               " of record %zu",
               index, history_f_name(record->f), record->key,
               history_f_name(operation->f), operation->key, operation->invoke_index);
    return -EINVAL;
}

static int close_operation(struct pairing *pairing, size_t index, struct errmsg *err)
{
    const struct history_record *record = history_get(pairing->history, index);
    size_t open = pair_map_get(&pairing->open, record->process, 0);
    if (open == PAIR_MAP_NONE || open == NO_OPEN) {
        errmsg_set(err,
                   "record %zu: process %" PRId32 " completes what it never "
                   "invoked",
                   index, record->process);
        return -EINVAL;
    }
    struct operation *operation = &pairing->out->items[open - 1];
    if (operation->f != record->f || operation->key != record->key)
        return complain_mismatch(operation, index, record, err);
    *pair_map_at(&pairing->open, record->process, 0) = NO_OPEN;
    operation->type = record->type;
    operation->complete_ns = record->time_ns;
    operation->complete_index = index;
    operation->final |= record->final;
    operation->probe |= record->probe;
    if (record->node != HISTORY_NO_NODE)
        operation->node = record->node;
    if (record->error)
        operation->error = record->error;
    if (record->type == HISTORY_OK && record->f == HISTORY_READ)
        operation->result = record->value;
    if (record->type == HISTORY_INFO && operation_writes(operation))
        *pair_map_at(&pairing->retired, record->process, 0) = open - 1;
    return 0;
}

int history_pair(const struct history *history, struct operations *out,
                 struct errmsg *err)
{
    struct operations operations = {0};
    struct pairing pairing = {.history = history, .out = &operations};
    int status = 0;
    for (size_t i = 0; i < history_length(history) && status == 0; i++) {
        const struct history_record *record = history_get(history, i);
        if (record->f == HISTORY_EVENT)
            continue;
        status = record->type == HISTORY_INVOKE ? open_operation(&pairing, i, err)
                                                : close_operation(&pairing, i, err);
    }
    pair_map_free(&pairing.open);
    pair_map_free(&pairing.retired);
    if (status)
        operations_free(&operations);
    else
        *out = operations;
    return status;
}

void operations_free(struct operations *operations)
{
    free(operations->items);
    *operations = (struct operations){0};
}

bool operation_writes(const struct operation *operation)
{
    return operation->f != HISTORY_READ;
}

bool operation_is_workload(const struct operation *operation)
{
    return !operation->final && !operation->probe;
}
