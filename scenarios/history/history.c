/* SPDX-License-Identifier: MIT */
/* The record in memory: an array of records, an arena for their lists and texts, a
 * table of node names; and, if asked, a file that grows with it.
 *
 * When the file cannot be written, recording goes on in memory and the error waits for
 * history_flush(): a full disk must not end a drill that is under way. */
#include "scenarios/history/history.h"
#include "proxy/base/memory.h"
#include "proxy/base/now.h"
#include "rules/arena.h"
#include "scenarios/history/history_write.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FLUSH_EVERY_NS (100 * NS_PER_MS)
enum { NODES_MOST = INT16_MAX };

struct history {
    struct history_record *records; /* owned; their texts and lists are the arena's */
    size_t n, size;
    struct arena arena;
    const char **nodes; /* owned; names are the arena's */
    size_t node_count;
    uint64_t base_ns;
    bool unkeyed;
    FILE *file;          /* owned; NULL = memory only */
    uint64_t flushed_ns; /* time of the last record that was flushed */
    int file_error;      /* the first errno of the file; 0 = none */
};

struct history *history_create(void)
{
    struct history *history = xcalloc(1, sizeof *history);
    arena_init(&history->arena, &xallocator);
    return history;
}

void history_destroy(struct history *history)
{
    if (!history)
        return;
    (void)history_flush(history, NULL); /* who cares for the file has asked before */
    if (history->file)
        (void)fclose(history->file);
    arena_close(&history->arena);
    free(history->records);
    free(history->nodes);
    free(history);
}

static void note_file_error(struct history *history)
{
    if (history->file_error == 0 && ferror(history->file))
        history->file_error = errno ? errno : EIO;
}

static void write_record(struct history *history, size_t index)
{
    errno = 0;
    history_write_record(history, index, HISTORY_EDN, history->file);
    note_file_error(history);
    const struct history_record *record = &history->records[index];
    if (record->f != HISTORY_EVENT &&
        record->time_ns - history->flushed_ns < FLUSH_EVERY_NS)
        return;
    history->flushed_ns = record->time_ns;
    (void)history_flush(history, NULL); /* the error is kept for the next flush */
}

int history_write_to(struct history *history, const char *path, struct errmsg *err)
{
    history->file = fopen(path, "we");
    if (!history->file) {
        int status = -errno;
        errmsg_set(err, "writing the history %s: %s", path, strerror(-status));
        return status;
    }
    for (size_t i = 0; i < history->n; i++)
        write_record(history, i);
    return history_flush(history, err);
}

int history_flush(struct history *history, struct errmsg *err)
{
    if (!history->file)
        return 0;
    errno = 0;
    if (fflush(history->file) != 0 && history->file_error == 0)
        history->file_error = errno ? errno : EIO;
    if (history->file_error)
        errmsg_set(err, "writing the history: %s", strerror(history->file_error));
    return -history->file_error;
}

void history_begin(struct history *history, uint64_t base_ns, const char *const *nodes,
                   size_t n)
{
    history->base_ns = base_ns;
    for (size_t i = 0; i < n; i++)
        (void)history_node(history, nodes[i]);
    (void)history_record_event(history, 0, HISTORY_EVENT_START, NULL);
}

uint64_t history_time_ns(const struct history *history, uint64_t monotonic_ns)
{
    return monotonic_ns > history->base_ns ? monotonic_ns - history->base_ns : 0;
}

uint64_t history_base_ns(const struct history *history)
{
    return history->base_ns;
}

static const char *keep_text(struct history *history, const char *text)
{
    return text ? arena_copy(&history->arena, text, strlen(text)) : NULL;
}

static struct history_value keep_value(struct history *history,
                                       struct history_value value)
{
    if (value.kind == HISTORY_TEXT) {
        value.text = keep_text(history, value.text ? value.text : "");
    } else if (value.kind == HISTORY_LIST) {
        size_t n = value.list.n;
        int64_t *items = arena_alloc(&history->arena, n, sizeof *items);
        if (n > 0)
            memcpy(items, value.list.items, n * sizeof *items);
        value.list.items = items;
    }
    return value;
}

size_t history_record(struct history *history, const struct history_record *record)
{
    if (history->n == history->size) {
        history->size = history->size ? 2 * history->size : 1024;
        history->records =
            xreallocarray(history->records, history->size, sizeof *history->records);
    }
    struct history_record kept = *record;
    kept.value = keep_value(history, kept.value);
    kept.event = keep_text(history, kept.event);
    kept.error = keep_text(history, kept.error);
    if (history->n && kept.time_ns < history->records[history->n - 1].time_ns)
        kept.time_ns = history->records[history->n - 1].time_ns;
    size_t index = history->n++;
    history->records[index] = kept;
    if (history->file)
        write_record(history, index);
    return index;
}

size_t history_record_event(struct history *history, uint64_t time_ns,
                            const char *event, const char *text)
{
    struct history_record record = {
        .time_ns = time_ns,
        .process = HISTORY_NEMESIS,
        .type = HISTORY_INFO,
        .f = HISTORY_EVENT,
        .node = HISTORY_NO_NODE,
        .event = event,
    };
    if (text)
        record.value = (struct history_value){.kind = HISTORY_TEXT, .text = text};
    return history_record(history, &record);
}

size_t history_length(const struct history *history)
{
    return history->n;
}

const struct history_record *history_get(const struct history *history, size_t index)
{
    return &history->records[index];
}

bool history_keyed(const struct history *history)
{
    return !history->unkeyed;
}

void history_set_keyed(struct history *history, bool keyed)
{
    history->unkeyed = !keyed;
}

size_t history_node_count(const struct history *history)
{
    return history->node_count;
}

const char *history_node_name(const struct history *history, int node)
{
    return node >= 0 && (size_t)node < history->node_count ? history->nodes[node]
                                                           : NULL;
}

int history_node(struct history *history, const char *name)
{
    for (size_t i = 0; i < history->node_count; i++) /* O(nodes): there are few */
        if (strcmp(history->nodes[i], name) == 0)
            return (int)i;
    if (history->node_count == NODES_MOST)
        return HISTORY_NO_NODE;
    history->nodes =
        xreallocarray(history->nodes, history->node_count + 1, sizeof *history->nodes);
    history->nodes[history->node_count] = keep_text(history, name);
    return (int)history->node_count++;
}

const char *history_type_name(enum history_type type)
{
    static const char *const names[] = {
        [HISTORY_INVOKE] = "invoke",
        [HISTORY_OK] = "ok",
        [HISTORY_FAIL] = "fail",
        [HISTORY_INFO] = "info",
    };
    return names[type];
}

const char *history_f_name(enum history_f f)
{
    static const char *const names[] = {
        [HISTORY_READ] = "read", [HISTORY_APPEND] = "append", [HISTORY_WRITE] = "write",
        [HISTORY_CAS] = "cas",   [HISTORY_ADD] = "add",       [HISTORY_EVENT] = NULL,
    };
    return names[f];
}
