/* SPDX-License-Identifier: MIT */
/* A list of parts. The last one takes what comes as long as it comes in the same way; a
 * part goes when its last byte has gone. A pipe may be full after any number of bytes
 * (it counts fragments), and splice does not say whether the pipe or the socket was the
 * reason: the socket is asked.
 *
 * Bytes in pipes cannot be seen. Where one has to be changed, its whole part, a pipe
 * full, is brought into memory; the order of parts stays. */
#include "proxy/wire/hold.h"
#include "proxy/wire/pipes.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum {
    PIECES = 16,
    DRAIN_BYTES = 16 << 10,
    LEAST_FILL_BYTES =
        128 << 10, /* less while more is waiting: the pipe is filling up */
    NO_MEMORY = -2,
};

static size_t part_length(const struct hold_part *part)
{
    return part->pipe ? part->pipe->length : part->ring.length;
}

static struct hold_part *add_part(struct hold *hold, struct pipe *pipe)
{
    struct hold_part *part = malloc(sizeof *part);
    if (!part)
        return NULL;
    *part = (struct hold_part){.pipe = pipe};
    if (hold->last)
        hold->last->next = part;
    else
        hold->first = part;
    hold->last = part;
    return part;
}

static void free_part(struct hold_part *part, struct pipes *pipes)
{
    if (part->pipe)
        pipes_give(pipes, part->pipe);
    ring_clear(&part->ring);
    free(part);
}

static void drop_first_part(struct hold *hold, struct pipes *pipes)
{
    struct hold_part *part = hold->first;
    hold->first = part->next;
    if (!hold->first)
        hold->last = NULL;
    free_part(part, pipes);
}

/* A last part that got nothing. */
static void drop_empty_last(struct hold *hold, struct pipes *pipes)
{
    if (part_length(hold->last) > 0)
        return;
    if (hold->last == hold->first) {
        drop_first_part(hold, pipes);
        return;
    }
    struct hold_part *before = hold->first;
    while (before->next != hold->last)
        before = before->next; /* O(parts), at a read that brought nothing */
    free_part(hold->last, pipes);
    before->next = NULL;
    hold->last = before;
}

/* The part that takes bytes in memory. */
static struct hold_part *memory_part(struct hold *hold)
{
    return hold->last && !hold->last->pipe ? hold->last : add_part(hold, NULL);
}

int hold_append(struct hold *hold, const void *bytes, size_t length)
{
    struct hold_part *part = memory_part(hold);
    if (!part)
        return -ENOMEM;
    int status = ring_append(&part->ring, bytes, length);
    if (status == 0)
        hold->length += length;
    drop_empty_last(hold, NULL);
    return status;
}

ssize_t hold_receive(struct hold *hold, int fd, size_t wanted)
{
    size_t room;
    struct hold_part *part = memory_part(hold);
    void *to = part ? ring_reserve(&part->ring, wanted, &room) : NULL;
    if (!to) {
        if (part)
            drop_empty_last(hold, NULL);
        return NO_MEMORY;
    }
    ssize_t n = recv(fd, to, room, 0);
    int error = errno;
    ring_commit(&part->ring, n > 0 ? (size_t)n : 0);
    if (n > 0)
        hold->length += (size_t)n;
    drop_empty_last(hold, NULL);
    errno = error;
    return n;
}

static bool has_more(int fd)
{
    int waiting = 0;
    return ioctl(fd, FIONREAD, &waiting) == 0 && waiting > 0;
}

int hold_adopt(struct hold *hold, struct pipe *pipe)
{
    if (!add_part(hold, pipe))
        return -ENOMEM;
    hold->length += pipe->length;
    return 0;
}

size_t hold_splice(struct hold *hold, struct pipes *pipes, int fd, size_t wanted)
{
    size_t n = 0;
    if (hold->last && hold->last->pipe) {
        n = pipe_fill(hold->last->pipe, fd, wanted);
        hold->length += n;
        if (n == wanted || n >= LEAST_FILL_BYTES || !has_more(fd))
            return n;
    }
    struct pipe *pipe = pipes_take(pipes);
    if (!pipe)
        return n;
    if (!add_part(hold, pipe)) {
        pipes_give(pipes, pipe);
        return n;
    }
    size_t more = pipe_fill(pipe, fd, wanted - n);
    hold->length += more;
    drop_empty_last(hold, pipes);
    return n + more;
}

static ssize_t send_memory(const struct ring *ring, int fd, size_t length,
                           size_t *asked)
{
    struct iovec pieces[PIECES];
    int n = ring_peek(ring, 0, length, pieces, PIECES);
    *asked = 0;
    for (int i = 0; i < n; i++)
        *asked += pieces[i].iov_len;
    const struct msghdr message = {.msg_iov = pieces, .msg_iovlen = (size_t)n};
    ssize_t sent = n == 1 ? send(fd, pieces->iov_base, *asked, MSG_NOSIGNAL)
                          : sendmsg(fd, &message, MSG_NOSIGNAL);
    if (sent < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    return sent;
}

ssize_t hold_send(struct hold *hold, struct pipes *pipes, int fd, size_t length,
                  size_t *asked)
{
    struct hold_part *part = hold->first;
    size_t has = part_length(part);
    *asked = length < has ? length : has;
    ssize_t sent = part->pipe ? pipe_send(part->pipe, fd, *asked)
                              : send_memory(&part->ring, fd, *asked, asked);
    if (sent <= 0)
        return sent;
    if (!part->pipe)
        ring_drop(&part->ring, (size_t)sent);
    hold->length -= (size_t)sent;
    if (part_length(part) == 0)
        drop_first_part(hold, pipes);
    return sent;
}

/* Of a pipe, but not all that is in it. */
static void drain(struct pipe *pipe, size_t length)
{
    unsigned char gone[DRAIN_BYTES];
    while (length > 0) {
        size_t n = length < sizeof gone ? length : sizeof gone;
        int status = pipe_take_out(pipe, gone, n);
        assert(status == 0); /* it is there */
        (void)status;
        length -= n;
    }
}

void hold_drop(struct hold *hold, struct pipes *pipes, size_t length)
{
    assert(length <= hold->length);
    hold->length -= length;
    while (length > 0) {
        struct hold_part *part = hold->first;
        size_t has = part_length(part);
        if (length >= has) {
            length -= has;
            drop_first_part(hold, pipes);
            continue;
        }
        if (part->pipe)
            drain(part->pipe, length);
        else
            ring_drop(&part->ring, length);
        return;
    }
}

/* Moves a part's bytes from its pipe into memory. */
static int bring_in(struct hold_part *part, struct pipes *pipes)
{
    while (part->pipe->length > 0) {
        size_t room;
        void *to = ring_reserve(&part->ring, part->pipe->length, &room);
        int status = to ? pipe_take_out(part->pipe, to, room) : -ENOMEM;
        if (to)
            ring_commit(&part->ring, status == 0 ? room : 0);
        if (status != 0)
            return status;
    }
    pipes_give(pipes, part->pipe);
    part->pipe = NULL;
    return 0;
}

int hold_flip(struct hold *hold, struct pipes *pipes, size_t place, uint8_t bits)
{
    struct hold_part *part = hold->first;
    while (place >= part_length(part)) {
        place -= part_length(part);
        part = part->next;
    }
    int status = part->pipe ? bring_in(part, pipes) : 0;
    if (status != 0)
        return status;
    struct iovec piece;
    int n = ring_peek(&part->ring, place, 1, &piece, 1);
    assert(n == 1); /* what is held lies there */
    if (n == 1)
        *(unsigned char *)piece.iov_base ^= bits;
    return 0;
}
