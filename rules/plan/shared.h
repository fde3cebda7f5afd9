/* SPDX-License-Identifier: MIT */
/* What the paths of one proxy have in common, though each of its threads has paths of
 * its own: how many connections there have been between two nodes, and the buckets of
 * rules that a link shares. Any thread may call at any time; none ever waits. */
#ifndef NETSPLIT_RULES_PLAN_SHARED_H
#define NETSPLIT_RULES_PLAN_SHARED_H

#include "rules/faults/fault.h"

#include <stdatomic.h>
#include <stdint.h>

struct allocator;
struct shared;

/* NULL: no memory. The allocator (NULL = malloc) is borrowed until destroy, and must be
 * safe to call from every thread that has paths. */
struct shared *shared_create(const struct allocator *allocator);

/* After the last paths that use it. NULL is fine. */
void shared_destroy(struct shared *shared);

/* The next ordinal, from 0, is what it holds: take it by adding one. link: a hash of
 * opener and server. Good until shared_destroy. NULL: no memory. */
_Atomic uint64_t *shared_count(struct shared *shared, uint64_t link);

/* The bucket of the rule with that slot on the link (a hash of from and to); zeroes at
 * first. It is kept to the end: who closes all connections of a link and opens others
 * gets no new burst. NULL: no memory. */
struct bucket *shared_bucket(struct shared *shared, uint32_t slot, uint64_t link);

#endif
