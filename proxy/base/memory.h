/* SPDX-License-Identifier: MIT */
/* Allocation for the short-lived side (drill, checkers, report): it may abort when
 * memory runs out. rules/ and the proxy's data path return -ENOMEM instead and must
 * not use this. */
#ifndef NETSPLIT_BASE_MEMORY_H
#define NETSPLIT_BASE_MEMORY_H

#include <stddef.h>

struct allocator;

/* Zeroed memory for n objects of the size; aborts with a line on stderr. free() it. */
void *xcalloc(size_t n, size_t size);

/* Grows to n objects of the size; what is new is not zeroed. Aborts likewise. */
void *xreallocarray(void *old, size_t n, size_t size);

char *xstrdup(const char *text);

/* A formatted string, owned by the caller. */
char *xasprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* malloc and free, aborting likewise: for an arena (rules/arena.h), whose calls then
 * never return NULL. */
extern const struct allocator xallocator;

#endif
