/* SPDX-License-Identifier: MIT */
/* Blocks in a list, filled from the front; a large object gets a block of its own size.
 * Nothing is freed singly. */
#include "rules/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_BYTES = 16 * 1024 };

struct arena_block {
    struct arena_block *next;
    size_t used, capacity; /* bytes of memory[] */
    max_align_t memory[];
};

void *allocator_take(const struct allocator *allocator, size_t bytes)
{
    if (allocator)
        return allocator->allocate(allocator->context, bytes);
    return malloc(bytes);
}

void allocator_give(const struct allocator *allocator, void *block)
{
    if (allocator)
        allocator->release(allocator->context, block);
    else
        free(block);
}

void arena_init(struct arena *arena, const struct allocator *allocator)
{
    *arena = (struct arena){.allocator = allocator};
}

static struct arena_block *add_block(struct arena *arena, size_t bytes)
{
    size_t capacity = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;
    if (capacity > SIZE_MAX - sizeof(struct arena_block))
        return NULL;
    struct arena_block *block =
        allocator_take(arena->allocator, sizeof *block + capacity);
    if (!block)
        return NULL;
    *block = (struct arena_block){.next = arena->blocks, .capacity = capacity};
    arena->blocks = block;
    return block;
}

void *arena_alloc(struct arena *arena, size_t n, size_t bytes)
{
    size_t wanted = 0;
    if (__builtin_mul_overflow(n, bytes, &wanted) ||
        wanted > SIZE_MAX - alignof(max_align_t))
        return NULL;
    wanted = (wanted + alignof(max_align_t) - 1) / alignof(max_align_t) *
             alignof(max_align_t);
    struct arena_block *block = arena->blocks;
    if (!block || block->capacity - block->used < wanted)
        block = add_block(arena, wanted);
    if (!block)
        return NULL;
    char *object = (char *)block->memory + block->used;
    block->used += wanted;
    memset(object, 0, wanted);
    return object;
}

char *arena_copy(struct arena *arena, const char *text, size_t length)
{
    if (length == SIZE_MAX)
        return NULL;
    char *copy = arena_alloc(arena, length + 1, 1);
    if (copy && length > 0)
        memcpy(copy, text, length);
    return copy;
}

char *arena_print(struct arena *arena, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    char *text = length < 0 ? NULL : arena_alloc(arena, (size_t)length + 1, 1);
    if (text)
        (void)vsnprintf(text, (size_t)length + 1, format, again); /* it fits */
    va_end(again);
    va_end(args);
    return text;
}

/* Frees the blocks from the newest on, up to last. */
static void free_blocks(struct arena *arena, const struct arena_block *last)
{
    while (arena->blocks != last) {
        struct arena_block *block = arena->blocks;
        arena->blocks = block->next;
        allocator_give(arena->allocator, block);
    }
}

void arena_reset(struct arena *arena)
{
    struct arena_block *oldest = arena->blocks;
    while (oldest && oldest->next)
        oldest = oldest->next;
    free_blocks(arena, oldest);
    if (oldest)
        oldest->used = 0;
}

void arena_close(struct arena *arena)
{
    free_blocks(arena, NULL);
}
