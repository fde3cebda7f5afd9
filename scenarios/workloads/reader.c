/* SPDX-License-Identifier: MIT */
/* The reader of one node.
 *
 * Final reads: one key after the other; a key that failed is tried again when the
 * others have been tried, after a short wait, until all were read or the time is over.
 *
 * Probes: rounds of all keys. A round in which a read failed is void, and so is what
 * was known before it: the node may have been away, and come back with less.
 *
 * It does not compare nodes; that is processes_converged(). */
#include "scenarios/workloads/reader.h"

#include "proxy/base/memory.h"
#include "proxy/base/now.h"

#include <stdlib.h>

#define RETRY_NS (20 * NS_PER_MS)

static void on_answer(struct slot *slot, const struct driver_outcome *outcome);
static void on_timer(uv_timer_t *timer);

void reader_init(struct reader *reader, struct slot_pool *pool, int32_t process,
                 size_t node, const struct driver_endpoint *endpoint, size_t keys,
                 uint64_t deadline_ns)
{
    *reader = (struct reader){
        .node = node,
        .endpoint = endpoint,
        .keys = keys,
        .deadline_ns = deadline_ns,
    };
    slot_init(&reader->slot, pool, process, on_answer);
    (void)uv_timer_init(pool->loop, &reader->timer); /* cannot fail */
    reader->timer.data = reader;
    reader->was_read = xcalloc(keys, sizeof *reader->was_read);
    for (size_t i = 0; i < 3; i++)
        snapshot_init(&reader->rounds[i], keys, pool->writes);
}

static void wait_for(struct reader *reader, uint64_t span_ns)
{
    uv_update_time(reader->slot.pool->loop);
    (void)uv_timer_start(&reader->timer, on_timer, now_ns_to_ms_up(span_ns), 0);
}

static void read_key(struct reader *reader, uint64_t within_ns)
{
    struct driver_operation read = {.f = HISTORY_READ, .key = (int64_t)reader->key};
    slot_invoke(&reader->slot, reader->node, reader->endpoint, reader->endpoint, &read,
                within_ns);
}

static void final_step(struct reader *reader)
{
    uint64_t now = now_ns();
    if (reader->unread == 0 || now >= reader->until_ns) {
        reader->state = READER_IDLE;
        reader->on_final(reader, reader->unread);
        return;
    }
    if (!slot_ready(&reader->slot, reader->node, now)) {
        wait_for(reader, RETRY_NS);
        return;
    }
    while (reader->was_read[reader->key])
        reader->key = (reader->key + 1) % reader->keys;
    uint64_t left_ns = reader->until_ns - now;
    read_key(reader, left_ns < reader->deadline_ns ? left_ns : reader->deadline_ns);
}

static void on_final_answer(struct reader *reader, bool ok)
{
    if (ok) {
        reader->was_read[reader->key] = true;
        reader->unread--;
    }
    reader->key = (reader->key + 1) % reader->keys;
    if (ok)
        final_step(reader);
    else
        wait_for(reader, RETRY_NS);
}

void reader_begin_final(struct reader *reader, uint64_t within_ns,
                        reader_done_fn on_final, void *context)
{
    reader_stop(reader);
    reader->state = READER_FINAL;
    reader->slot.final = true;
    reader->slot.probe = false;
    reader->on_final = on_final;
    reader->context = context;
    reader->until_ns = now_ns() + within_ns;
    reader->key = 0;
    reader->unread = reader->keys;
    for (size_t i = 0; i < reader->keys; i++)
        reader->was_read[i] = false;
    wait_for(reader, 0);
}

static void next_round(struct reader *reader)
{
    uint64_t spent_ns = now_ns() - reader->round_ns;
    wait_for(reader, spent_ns < READER_ROUND_NS ? READER_ROUND_NS - spent_ns : 0);
}

static void forget_rounds(struct reader *reader)
{
    for (size_t i = 0; i < 3; i++)
        reader->rounds[i].whole = false;
}

static void begin_round(struct reader *reader)
{
    reader->round_ns = now_ns();
    reader->key = 0;
    if (slot_ready(&reader->slot, reader->node, reader->round_ns))
        read_key(reader, reader->deadline_ns);
    else
        next_round(reader);
}

static void on_probe_answer(struct reader *reader, const struct driver_outcome *outcome)
{
    if (outcome->type != HISTORY_OK) {
        forget_rounds(reader);
        next_round(reader);
        return;
    }
    struct snapshot *filling = &reader->rounds[2];
    snapshot_set(filling, reader->key++, &outcome->value);
    if (reader->key < reader->keys) {
        read_key(reader, reader->deadline_ns);
        return;
    }
    struct snapshot oldest = reader->rounds[1];
    filling->whole = true;
    reader->rounds[1] = reader->rounds[0];
    reader->rounds[0] = *filling;
    reader->rounds[2] = oldest; /* its memory is used again */
    next_round(reader);
}

void reader_begin_probes(struct reader *reader)
{
    reader_stop(reader);
    reader->state = READER_PROBING;
    reader->slot.probe = true;
    reader->slot.final = false;
    forget_rounds(reader);
    begin_round(reader);
}

static void on_answer(struct slot *slot, const struct driver_outcome *outcome)
{
    struct reader *reader = (struct reader *)slot; /* its first member */
    if (reader->state == READER_FINAL)
        on_final_answer(reader, outcome->type == HISTORY_OK);
    else
        on_probe_answer(reader, outcome);
}

static void on_timer(uv_timer_t *timer)
{
    struct reader *reader = timer->data;
    if (reader->state == READER_FINAL)
        final_step(reader);
    else
        begin_round(reader);
}

void reader_stop(struct reader *reader)
{
    (void)uv_timer_stop(&reader->timer); /* cannot fail */
    reader->state = READER_IDLE;
    slot_abandon(&reader->slot, "the reads were stopped");
}

const struct snapshot *reader_newest(const struct reader *reader)
{
    return reader->rounds[0].whole ? &reader->rounds[0] : NULL;
}

const struct snapshot *reader_before(const struct reader *reader)
{
    return reader->rounds[1].whole ? &reader->rounds[1] : NULL;
}

void reader_close(struct reader *reader)
{
    reader_stop(reader);
    slot_close(&reader->slot, "");
    free(reader->was_read);
    reader->was_read = NULL;
    for (size_t i = 0; i < 3; i++)
        snapshot_close(&reader->rounds[i]);
}
