/* SPDX-License-Identifier: MIT */
/* The bytes a stream holds, first in, first out: a row of blocks that grows at its end
 * and is freed at its front, so that an empty ring owns nothing and no byte is ever
 * moved. */
#ifndef NETSPLIT_PROXY_WIRE_RING_H
#define NETSPLIT_PROXY_WIRE_RING_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct ring_block;

/* A ring of zeroes is an empty one.
 *
 *     first              ...               last
 *     [ gone | held ] -> [ held ] -> [ held | free ] */
struct ring {
    struct ring_block *first, *last; /* owned; NULL while empty */
    size_t length;                   /* bytes held */
};

/* Appends a copy. 0, or -ENOMEM and the ring is as it was. */
int ring_append(struct ring *ring, const void *bytes, size_t length);

/* Room for up to wanted bytes behind the last one, to be filled from outside; *room is
 * at least 1 and at most wanted, as much as lies in one piece. NULL when out of memory.
 * Nothing is held until ring_commit says how much was filled (0 is fine). */
void *ring_reserve(struct ring *ring, size_t wanted, size_t *room);
void ring_commit(struct ring *ring, size_t length);

/* Points pieces[0..n-1] at the bytes from offset on, at most length of them; returns n,
 * at most the given number of pieces. Valid until the ring is changed. */
int ring_peek(const struct ring *ring, size_t offset, size_t length,
              struct iovec *pieces, int most);

/* Frees the first length bytes (at most what is held). */
void ring_drop(struct ring *ring, size_t length);

/* Frees all. */
void ring_clear(struct ring *ring);

#endif
