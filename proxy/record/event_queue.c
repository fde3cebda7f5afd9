/* SPDX-License-Identifier: MIT */
/* A ring with two counts: how many events were ever pushed, which only the writer
 * changes, and how many were popped, which only the reader does. Whoever sees the
 * other's count move also sees what was done before it (release and acquire), and so
 * never meets a slot that is being written or read. The two lie in cache lines apart.
 *
 * When it is full new events are lost and old ones kept: the reader may be looking at
 * those. How many were lost is known to the reader, but not in which place. */
#include "proxy/record/event_queue.h"
#include "proxy/record/journal.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { CACHE_LINE_BYTES = 64 };

struct slot {
    struct journal_event event;
    char text[JOURNAL_TEXT_BYTES];
};

struct event_queue {
    struct slot *slots; /* owned */
    size_t mask;        /* their number - 1 */
    _Atomic uint64_t pushed;
    _Atomic uint64_t missed;
    char apart[CACHE_LINE_BYTES];
    _Atomic uint64_t popped;
};

struct event_queue *event_queue_create(size_t events)
{
    assert(events > 0 && (events & (events - 1)) == 0);
    struct event_queue *queue = calloc(1, sizeof *queue);
    struct slot *slots = calloc(events, sizeof *slots);
    if (!queue || !slots) {
        free(queue);
        free(slots);
        return NULL;
    }
    queue->slots = slots;
    queue->mask = events - 1;
    return queue;
}

void event_queue_destroy(struct event_queue *queue)
{
    if (!queue)
        return;
    free(queue->slots);
    free(queue);
}

void event_queue_push(struct event_queue *queue, const struct journal_event *event)
{
    uint64_t n = atomic_load_explicit(&queue->pushed, memory_order_relaxed);
    if (n - atomic_load_explicit(&queue->popped, memory_order_acquire) > queue->mask) {
        atomic_fetch_add_explicit(&queue->missed, 1, memory_order_relaxed);
        return;
    }
    struct slot *slot = &queue->slots[n & queue->mask];
    slot->event = *event;
    if (event->text) {
        size_t length = strnlen(event->text, JOURNAL_TEXT_BYTES - 1);
        memcpy(slot->text, event->text, length);
        slot->text[length] = '\0';
        slot->event.text = slot->text;
    }
    atomic_store_explicit(&queue->pushed, n + 1, memory_order_release);
}

const struct journal_event *event_queue_front(const struct event_queue *queue)
{
    uint64_t n = atomic_load_explicit(&queue->popped, memory_order_relaxed);
    if (n == atomic_load_explicit(&queue->pushed, memory_order_acquire))
        return NULL;
    return &queue->slots[n & queue->mask].event;
}

void event_queue_pop(struct event_queue *queue)
{
    uint64_t n = atomic_load_explicit(&queue->popped, memory_order_relaxed);
    atomic_store_explicit(&queue->popped, n + 1, memory_order_release);
}

uint64_t event_queue_take_missed(struct event_queue *queue)
{
    return atomic_exchange_explicit(&queue->missed, 0, memory_order_relaxed);
}
