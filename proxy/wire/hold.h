/* SPDX-License-Identifier: MIT */
/* The bytes that a stream holds, first in, first out: what was read into memory, and
 * what waits in pipes without having been copied. */
#ifndef NETSPLIT_PROXY_WIRE_HOLD_H
#define NETSPLIT_PROXY_WIRE_HOLD_H

#include "proxy/wire/ring.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct pipe;
struct pipes;

/* Consecutive bytes that lie in one way. */
struct hold_part {
    struct hold_part *next;
    struct pipe *pipe; /* owned; NULL: they are in the ring */
    struct ring ring;
};

/* One of zeroes is empty and owns nothing.
 *
 *     first                            last
 *     [ pipe ] -> [ ring ] -> ... -> [ pipe ] */
struct hold {
    struct hold_part *first, *last; /* owned; NULL while empty */
    size_t length;                  /* bytes */
};

/* Appends a copy. 0, or -ENOMEM and all is as it was. */
int hold_append(struct hold *hold, const void *bytes, size_t length);

/* Appends up to wanted bytes (at least 1) of what the socket has, copied. Returns what
 * recv(2) says, with errno; or -2: no memory. */
ssize_t hold_receive(struct hold *hold, int fd, size_t wanted);

/* The same without copying. Returns how many; 0: nothing can be had in this way, for
 * which reason hold_receive must tell. */
size_t hold_splice(struct hold *hold, struct pipes *pipes, int fd, size_t wanted);

/* Appends what is in the pipe, which is taken over. 0, or -ENOMEM. */
int hold_adopt(struct hold *hold, struct pipe *pipe);

/* Sends the first bytes, up to length (at least 1, at most what is held), and drops
 * what was sent. Returns how many, 0 if the socket takes none now, or a negative errno:
 * the connection is gone. *asked is how many it was given: fewer sent means that it is
 * full. */
ssize_t hold_send(struct hold *hold, struct pipes *pipes, int fd, size_t length,
                  size_t *asked);

/* Drops the first length bytes (at most what is held). */
void hold_drop(struct hold *hold, struct pipes *pipes, size_t length);

/* Inverts these bits of the byte that lies so far behind the first. 0, or -ENOMEM: it
 * lies in a pipe and could not be brought into memory. */
int hold_flip(struct hold *hold, struct pipes *pipes, size_t place, uint8_t bits);

#endif
