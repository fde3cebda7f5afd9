/* SPDX-License-Identifier: MIT */
/* The marks of one stage: a ring that grows by doubling and begins inside the queue, so
 * that a stream at rest allocates nothing. */
#include "rules/chain/chain_stage.h"

#include "rules/arena.h"

#include <string.h>

static struct chain_mark *marks_of(struct chain_queue *queue)
{
    return queue->marks ? queue->marks : queue->few;
}

static uint32_t capacity_of(const struct chain_queue *queue)
{
    return queue->marks ? queue->capacity : CHAIN_INLINE_MARKS;
}

static struct chain_mark *mark_at(struct chain_queue *queue, uint32_t i)
{
    uint32_t place = queue->head + i, capacity = capacity_of(queue);
    return &marks_of(queue)[place < capacity ? place : place - capacity];
}

struct chain_mark *chain_queue_head(struct chain_queue *queue)
{
    return mark_at(queue, 0);
}

static bool grow(struct chain *chain, struct chain_queue *queue)
{
    uint32_t capacity = capacity_of(queue) < 8 ? 8 : capacity_of(queue) * 2;
    struct chain_mark *marks =
        allocator_take(chain->config.allocator, capacity * sizeof *marks);
    if (!marks)
        return false;
    for (uint32_t i = 0; i < queue->n; i++)
        marks[i] = *mark_at(queue, i);
    allocator_give(chain->config.allocator, queue->marks);
    queue->marks = marks;
    queue->capacity = capacity;
    queue->head = 0;
    return true;
}

/* Behind the last stage times say nothing more. */
static bool can_join(const struct chain *chain, const struct chain_queue *queue,
                     const struct chain_mark *last, const struct chain_mark *mark)
{
    bool is_data = mark->kind == MARK_DATA || mark->kind == MARK_DEAD;
    return is_data && last->kind == mark->kind && !last->alone && !mark->alone &&
           (queue == &chain->ready || last->arrival_ns == mark->arrival_ns);
}

void chain_queue_push(struct chain *chain, struct chain_queue *queue,
                      struct chain_mark mark)
{
    if (queue->n) {
        struct chain_mark *last = mark_at(queue, queue->n - 1);
        if (mark.arrival_ns < last->arrival_ns)
            mark.arrival_ns = last->arrival_ns;
        if (can_join(chain, queue, last, &mark)) {
            last->bytes += mark.bytes;
            queue->bytes += mark.bytes;
            return;
        }
    }
    if (queue->n == capacity_of(queue) && !grow(chain, queue)) {
        chain->is_broken = true;
        return;
    }
    queue->n++;
    queue->bytes += mark.bytes;
    *mark_at(queue, queue->n - 1) = mark;
}

void chain_queue_pop(struct chain_queue *queue, uint64_t n)
{
    struct chain_mark *head = chain_queue_head(queue);
    head->bytes -= n;
    queue->bytes -= n;
    if (head->bytes)
        return;
    queue->head = queue->head + 1 < capacity_of(queue) ? queue->head + 1 : 0;
    queue->n--;
}

void chain_queue_close(struct chain *chain, struct chain_queue *queue)
{
    allocator_give(chain->config.allocator, queue->marks);
    memset(queue, 0, sizeof *queue);
}
