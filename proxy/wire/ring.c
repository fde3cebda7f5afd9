/* SPDX-License-Identifier: MIT */
/* A stream holds nothing most of its life, a few bytes when its receiver is slow, and
 * megabytes under a delay. So blocks are small at first and double up to 256 KiB; each
 * is freed when its last byte has gone, the last one too.
 *
 * Memory can run out only in ring_append and ring_reserve, which then leave the ring as
 * it was. The ring knows no budgets: its owner asks before it appends. */
#include "proxy/wire/ring.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* With the allocator's own words a power of two, which wastes least. */
enum {
    BLOCK_OVERHEAD = 64,
    BLOCK_FIRST_BYTES = 4096 - BLOCK_OVERHEAD,
    BLOCK_MOST_BYTES = (256 << 10) - BLOCK_OVERHEAD,
};

struct ring_block {
    struct ring_block *next;
    size_t begin, end; /* bytes[begin..end-1] are held */
    size_t capacity;
    unsigned char bytes[];
};

/* A block for at least `least` bytes behind the last one. */
static struct ring_block *add_block(struct ring *ring, size_t least)
{
    size_t capacity = BLOCK_FIRST_BYTES;
    if (ring->last)
        capacity = (ring->last->capacity + BLOCK_OVERHEAD) * 2 - BLOCK_OVERHEAD;
    if (capacity > BLOCK_MOST_BYTES)
        capacity = BLOCK_MOST_BYTES;
    if (capacity < least)
        capacity = least;
    struct ring_block *block = malloc(sizeof *block + capacity);
    if (!block)
        return NULL;
    *block = (struct ring_block){.capacity = capacity};
    if (ring->last)
        ring->last->next = block;
    else
        ring->first = block;
    ring->last = block;
    return block;
}

static size_t free_bytes(const struct ring_block *block)
{
    return block ? block->capacity - block->end : 0;
}

void *ring_reserve(struct ring *ring, size_t wanted, size_t *room)
{
    struct ring_block *block = ring->last;
    if (free_bytes(block) == 0)
        block = add_block(ring, wanted);
    if (!block)
        return NULL;
    *room = wanted < free_bytes(block) ? wanted : free_bytes(block);
    return block->bytes + block->end;
}

static void drop_first_block(struct ring *ring)
{
    struct ring_block *block = ring->first;
    ring->first = block->next;
    if (!ring->first)
        ring->last = NULL;
    free(block);
}

/* A last block that was reserved but got nothing. */
static void drop_empty_last(struct ring *ring)
{
    struct ring_block *block = ring->last;
    if (!block || block->end > block->begin)
        return;
    if (block == ring->first) {
        drop_first_block(ring);
        return;
    }
    struct ring_block *before = ring->first;
    while (before->next != block)
        before = before->next; /* O(blocks), at a read that brought nothing */
    before->next = NULL;
    ring->last = before;
    free(block);
}

void ring_commit(struct ring *ring, size_t length)
{
    assert(length <= free_bytes(ring->last));
    ring->last->end += length;
    ring->length += length;
    if (length == 0)
        drop_empty_last(ring);
}

static void fill(struct ring_block *block, const unsigned char *bytes, size_t length)
{
    if (length == 0)
        return;
    memcpy(block->bytes + block->end, bytes, length);
    block->end += length;
}

int ring_append(struct ring *ring, const void *bytes, size_t length)
{
    struct ring_block *block = ring->last;
    size_t fits = free_bytes(block) < length ? free_bytes(block) : length;
    struct ring_block *more = NULL;
    if (fits < length) {
        more = add_block(ring, length - fits);
        if (!more)
            return -ENOMEM;
    }
    fill(block, bytes, fits);
    fill(more, (const unsigned char *)bytes + fits, length - fits);
    ring->length += length;
    return 0;
}

int ring_peek(const struct ring *ring, size_t offset, size_t length,
              struct iovec *pieces, int most)
{
    int n = 0;
    for (struct ring_block *block = ring->first; block && length > 0 && n < most;
         block = block->next) {
        size_t held = block->end - block->begin;
        if (offset >= held) {
            offset -= held;
            continue;
        }
        size_t take = held - offset < length ? held - offset : length;
        pieces[n++] = (struct iovec){block->bytes + block->begin + offset, take};
        length -= take;
        offset = 0;
    }
    return n;
}

void ring_drop(struct ring *ring, size_t length)
{
    assert(length <= ring->length);
    ring->length -= length;
    while (length > 0) {
        struct ring_block *block = ring->first;
        size_t held = block->end - block->begin;
        if (length < held) {
            block->begin += length;
            return;
        }
        length -= held;
        drop_first_block(ring);
    }
}

void ring_clear(struct ring *ring)
{
    while (ring->first)
        drop_first_block(ring);
    ring->length = 0;
}
