/* SPDX-License-Identifier: MIT */
/* Memory that is freed at once: trees and texts that live and die together. */
#ifndef NETSPLIT_RULES_ARENA_H
#define NETSPLIT_RULES_ARENA_H

#include <stddef.h>

/* Where memory comes from. Everything in rules/ that allocates takes one; NULL means
 * malloc and free. Tests pass one that fails at the nth call. */
struct allocator {
    void *(*allocate)(void *context, size_t bytes); /* NULL when there is none left */
    void (*release)(void *context, void *block);    /* block may be NULL */
    void *context;                                  /* borrowed */
};

struct arena_block;

struct arena {
    const struct allocator *allocator; /* borrowed until arena_close; NULL = malloc */
    struct arena_block *blocks;        /* owned; the newest first */
};

/* An arena of zeroes is one on malloc: this only names the allocator. */
void arena_init(struct arena *arena, const struct allocator *allocator);

/* Zeroed memory for n objects of the size, aligned for any object, valid until
 * arena_close. NULL when there is none, or when n * bytes does not fit. n may be 0. */
void *arena_alloc(struct arena *arena, size_t n, size_t bytes);

/* A copy of text[0..length-1] with a NUL behind it, or NULL. */
char *arena_copy(struct arena *arena, const char *text, size_t length);

/* A formatted string, or NULL. */
char *arena_print(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Takes everything back but keeps one block for what comes next. */
void arena_reset(struct arena *arena);

/* Frees everything; the arena is then empty and may be used again. */
void arena_close(struct arena *arena);

/* The two calls of an allocator, for memory that lives outside an arena. */
void *allocator_take(const struct allocator *allocator, size_t bytes);
void allocator_give(const struct allocator *allocator, void *block);

#endif
