/* SPDX-License-Identifier: MIT */
/* From the log to the data. Every node applies the same way, in a restart, a catch-up
 * or the middle of a write: records are read back from the log in chunks and their
 * commands are applied in order; on the primary the reply goes to the client that waits
 * for it.
 *
 * When records that were applied are removed, the data is built again from the start of
 * the log: O(log), which is fine for a rejoin after a failure. */
#include "scenarios/store/inside.h"
#include "proxy/base/log.h"
#include "proxy/base/now.h"

#include <errno.h>
#include <string.h>

/* Chunks for reading back, larger than those on the wire. */
enum { APPLY_CHUNK_BYTES = 256 * 1024 };

static bool parse_payload(const struct store_record *record,
                          struct store_command *command)
{
    size_t used;
    const char *why;
    return store_resp_parse(record->payload, record->len, STORE_RECORD_MAX_BYTES,
                            command, &used, &why) == STORE_RESP_COMPLETE &&
           command->n > 0;
}

static bool is_members(const struct store_command *command)
{
    return store_slice_is(command->args[0], "MEMBERS");
}

typedef void record_fn(struct store_node *node, const struct store_record *record);

/* Calls each for the records from..to; false when the log can not be read. */
static bool for_each(struct store_node *node, uint64_t from, uint64_t to,
                     record_fn *each)
{
    struct store_buffer *chunk = &node->scratch;
    while (from <= to) {
        uint64_t last = to;
        chunk->len = 0;
        int e = store_wal_read(&node->wal, from, &last, APPLY_CHUNK_BYTES, chunk);
        if (e) {
            store_node_fail(node, e, "reading the log");
            return false;
        }
        struct store_record record;
        size_t used;
        for (size_t at = 0; at < chunk->len; at += used) {
            e = store_record_decode(chunk->data + at, chunk->len - at, &record, &used);
            if (e) {
                store_node_fail(node, e, "reading the log");
                return false;
            }
            each(node, &record);
        }
        from = last + 1;
    }
    return true;
}

uint64_t store_apply_target(const struct store_node *node)
{
    if (node->role == STORE_PRIMARY)
        return node->committed;
    if (node->config.mode->shows_committed_only &&
        node->heard_committed < node->verified)
        return node->heard_committed;
    return node->verified;
}

void store_apply_held(struct store_node *node)
{
    struct store_command command;
    struct store_record record = {.payload = node->held.data, .len = node->held.len};
    if (record.len > 0 && parse_payload(&record, &command))
        store_state_apply(node->state, &command, NULL);
    node->held.len = 0;
}

static void apply_record(struct store_node *node, const struct store_record *record)
{
    struct store_command command;
    struct store_buffer *reply = store_client_answer(node, record->index);
    node->applied = record->index;
    if (!parse_payload(record, &command))
        return; /* the CRC was right: written by a newer version */
    if (store_node_has(node, STORE_DEFECT_APPLY_OUT_OF_ORDER) &&
        node->role != STORE_PRIMARY && node->held.len == 0 && !is_members(&command)) {
        store_buffer_append(&node->held, record->payload, record->len);
        return;
    }
    store_state_apply(node->state, &command, reply);
    store_apply_held(node);
}

void store_apply(struct store_node *node, uint64_t target)
{
    if (target <= node->applied)
        return;
    if (store_node_has(node, STORE_DEFECT_STALE_READS) && node->role != STORE_PRIMARY) {
        if (now_ns() - node->released_at_ns < NS_PER_S)
            return;
        node->released_at_ns = now_ns();
    }
    (void)for_each(node, node->applied + 1, target, apply_record); /* it failed us */
}

static void apply_only(struct store_node *node, const struct store_record *record)
{
    struct store_command command;
    if (parse_payload(record, &command))
        store_state_apply(node->state, &command, NULL);
}

void store_apply_last_again(struct store_node *node)
{
    if (node->applied > 0 && store_node_flush(node))
        (void)for_each(node, node->applied, node->applied, apply_only);
}

static void note_members(struct store_node *node, const struct store_record *record)
{
    struct store_command command;
    if (parse_payload(record, &command))
        store_role_on_record(node, record->index, &command);
}

void store_apply_restart(struct store_node *node)
{
    uint64_t last = store_wal_last_index(&node->wal);
    if (!for_each(node, 1, last, note_members))
        return;
    bool async = strcmp(node->config.mode->name, "async") == 0;
    if (store_node_has(node, STORE_DEFECT_LOSE_ON_RESTART))
        node->applied = last;
    else if (async)
        store_apply(node, last);
    node->loading = !async && last > 0;
}

static void count_discarded(struct store_node *node, const struct store_record *record)
{
    struct store_command command;
    if (parse_payload(record, &command) && !is_members(&command))
        node->discarded_writes++;
}

void store_apply_truncate(struct store_node *node, uint64_t kept)
{
    uint64_t last = store_wal_last_index(&node->wal);
    uint64_t before = node->discarded_writes;
    uint64_t applied = node->applied;
    if (!store_node_flush(node) || !for_each(node, kept + 1, last, count_discarded))
        return;
    int e = store_wal_truncate(&node->wal, kept);
    if (e) {
        store_node_fail(node, e, "truncating the log");
        return;
    }
    store_role_on_truncate(node, kept);
    log_line(LOG_WARN, "node=%s discarded %llu writes behind index %llu of %llu",
             node->config.name, (unsigned long long)(node->discarded_writes - before),
             (unsigned long long)kept, (unsigned long long)last);
    if (applied <= kept)
        return;
    node->applied = kept;
    if (store_node_has(node, STORE_DEFECT_KEEP_DIVERGENT))
        return;
    store_state_destroy(node->state);
    node->state = store_state_create();
    node->applied = 0;
    node->held.len = 0;
    (void)for_each(node, 1, kept, apply_record); /* it failed us */
}

static int take_record(struct store_node *node, const struct store_record *record)
{
    struct store_wal *wal = &node->wal;
    struct store_command command;
    if (!parse_payload(record, &command))
        return -EBADMSG;
    if (record->index <= store_wal_last_index(wal)) {
        if (store_wal_term_at(wal, record->index) == record->term)
            return 0;
        store_apply_truncate(node, record->index - 1);
        if (node->closing)
            return -EIO;
    }
    if (record->term < store_wal_last_term(wal))
        return -EBADMSG;
    store_wal_append(wal, record->term, record->payload, record->len);
    store_role_on_record(node, record->index, &command);
    return 0;
}

int store_apply_records(struct store_node *node, struct store_slice records,
                        uint64_t *index)
{
    struct store_record record;
    size_t used;
    int e = 0;
    for (size_t at = 0; at < records.len && e == 0; at += used) {
        e = store_record_decode(records.data + at, records.len - at, &record, &used);
        if (e)
            return -EBADMSG;
        e = record.index == *index + 1 ? take_record(node, &record) : -EBADMSG;
        if (e == 0)
            *index = record.index;
    }
    return e;
}
