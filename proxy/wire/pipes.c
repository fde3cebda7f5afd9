/* SPDX-License-Identifier: MIT */
/* The happy path: a pipe is taken from the pool, filled from one socket, emptied into
 * the other and given back in the same turn; the pool then holds one pipe or two, and
 * nothing is allocated. Under a delay many are taken, and closed as they come back.
 *
 * A pipe counts places, not bytes: one of 1 MiB has 256, and a place holds a fragment
 * of any size, on fast paths 32 KiB, so that it takes more than its size; but one call
 * moves 4 KiB for each free place at most. A user
 * without privileges may have fs.pipe-user-pages-soft of them in all; beyond that, and
 * beyond the budget of descriptors, callers fall back to memory, which is said once.
 *
 * splice(2) raises SIGPIPE, which the program ignores. */
#include "proxy/wire/pipes.h"
#include "proxy/base/log.h"
#include "proxy/wire/budget.h"
#include "proxy/instance.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    PIPE_BYTES = 1 << 20,
    POOLED_MOST = 8,
};

struct pipes {
    struct proxy *proxy; /* borrowed: it owns this */
    struct pipe *free;   /* owned */
    size_t n_free;
    size_t n_open; /* in the pool or out of it */
    bool said;     /* that there was no pipe to be had */
};

struct pipes *pipes_create(struct proxy *proxy)
{
    struct pipes *pipes = calloc(1, sizeof *pipes);
    if (pipes)
        pipes->proxy = proxy;
    return pipes;
}

static void close_pipe(struct pipes *pipes, struct pipe *pipe)
{
    (void)close(pipe->read_fd);
    (void)close(pipe->write_fd);
    free(pipe);
    pipes->n_open--;
    budget_release_pipe(pipes->proxy);
}

void pipes_trim(struct pipes *pipes)
{
    while (pipes->free) {
        struct pipe *next = pipes->free->next;
        close_pipe(pipes, pipes->free);
        pipes->free = next;
    }
    pipes->n_free = 0;
}

void pipes_destroy(struct pipes *pipes)
{
    if (!pipes)
        return;
    pipes_trim(pipes);
    free(pipes);
}

/* 0, or a negative errno. */
static int open_pipe(struct pipe *pipe)
{
    int fds[2];
    if (pipe2(fds, O_NONBLOCK | O_CLOEXEC) != 0)
        return -errno;
    *pipe = (struct pipe){.read_fd = fds[0], .write_fd = fds[1]};
    if (fcntl(fds[1], F_SETPIPE_SZ, PIPE_BYTES) >= PIPE_BYTES)
        return 0;
    int error = errno; /* EPERM: the user's share of pages is used up */
    (void)close(fds[0]);
    (void)close(fds[1]);
    return -error;
}

/* Copies instead of splicing from now on, until pipes come back. */
static struct pipe *do_without(struct pipes *pipes, int error)
{
    if (!pipes->said)
        log_line(LOG_WARN, "proxy no pipe to be had (%s): bytes are copied%s",
                 strerror(error),
                 error == EPERM ? "; see fs.pipe-user-pages-soft (said once)"
                                : " (said once)");
    pipes->said = true;
    return NULL;
}

struct pipe *pipes_take(struct pipes *pipes)
{
    struct pipe *pipe = pipes->free;
    if (pipe) {
        pipes->free = pipe->next;
        pipes->n_free--;
        return pipe;
    }
    if (!budget_take_pipe(pipes->proxy, pipes->n_open))
        return do_without(pipes, EMFILE);
    pipe = malloc(sizeof *pipe);
    int status = pipe ? open_pipe(pipe) : -ENOMEM;
    if (status == 0) {
        pipes->n_open++;
        return pipe;
    }
    free(pipe);
    budget_release_pipe(pipes->proxy);
    return do_without(pipes, -status);
}

void pipes_give(struct pipes *pipes, struct pipe *pipe)
{
    if (pipe->length > 0 || pipes->n_free >= POOLED_MOST) {
        close_pipe(pipes, pipe);
        return;
    }
    pipe->next = pipes->free;
    pipes->free = pipe;
    pipes->n_free++;
}

size_t pipe_fill(struct pipe *pipe, int fd, size_t most)
{
    ssize_t n =
        splice(fd, NULL, pipe->write_fd, NULL, most, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (n <= 0)
        return 0;
    pipe->length += (size_t)n;
    return (size_t)n;
}

ssize_t pipe_send(struct pipe *pipe, int fd, size_t length)
{
    assert(length <= pipe->length);
    ssize_t n = splice(pipe->read_fd, NULL, fd, NULL, length,
                       SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    pipe->length -= (size_t)n;
    return n;
}

int pipe_take_out(struct pipe *pipe, void *to, size_t length)
{
    assert(length <= pipe->length);
    for (size_t done = 0; done < length;) {
        ssize_t n = read(pipe->read_fd, (char *)to + done, length - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        done += (size_t)n;
        pipe->length -= (size_t)n;
    }
    return 0;
}
