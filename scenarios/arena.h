/* SPDX-License-Identifier: MIT */
/* Memory that is given out piece by piece and taken back at once. */
#ifndef NETSPLIT_SCENARIOS_ARENA_H
#define NETSPLIT_SCENARIOS_ARENA_H

#include <stddef.h>

struct arena_block;

struct arena {
    struct arena_block *blocks; /* owned; the newest first */
};

/* Aligned for any object, not zeroed; aborts when memory runs out. Stays in place
 * until the arena is reset or freed. A zeroed arena is empty. */
void *arena_take(struct arena *arena, size_t bytes);

/* A NUL-terminated copy of length bytes. */
char *arena_copy_text(struct arena *arena, const char *text, size_t length);

/* Takes everything back, keeping one block for what comes next. */
void arena_reset(struct arena *arena);
void arena_free(struct arena *arena);

#endif
