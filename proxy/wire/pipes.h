/* SPDX-License-Identifier: MIT */
/* Kernel pipes, through which bytes go from socket to socket, and in which they may
 * wait, without being copied: splice(2). Pooled, and open only while bytes flow. */
#ifndef NETSPLIT_PROXY_WIRE_PIPES_H
#define NETSPLIT_PROXY_WIRE_PIPES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct proxy;
struct pipes;

struct pipe {
    int read_fd, write_fd; /* owned */
    size_t length;         /* bytes in it */
    struct pipe *next;     /* in the pool */
};

/* The pipes of an instance, whose budget of descriptors they count on. NULL: no memory.
 */
struct pipes *pipes_create(struct proxy *proxy);

/* All pipes are back. NULL is fine. */
void pipes_destroy(struct pipes *pipes);

/* An empty pipe; NULL: there is none to be had (descriptors, memory, the user's share
 * of pipe pages), and the caller does without. */
struct pipe *pipes_take(struct pipes *pipes);

/* Gives it back; what is in it is lost. */
void pipes_give(struct pipes *pipes, struct pipe *pipe);

/* Closes those that nobody has. */
void pipes_trim(struct pipes *pipes);

/* Moves up to most bytes from the socket into the pipe. Returns how many; 0: nothing
 * can be had in this way now, for which reason recv(2) must tell. */
size_t pipe_fill(struct pipe *pipe, int fd, size_t most);

/* Moves up to length bytes (at most what is in it) to the socket. Returns how many, 0
 * if it takes none now, or a negative errno: the connection is gone. */
ssize_t pipe_send(struct pipe *pipe, int fd, size_t length);

/* Takes the first length bytes (at most what is in it) out, into memory. 0, or a
 * negative errno, which only a bug could cause. */
int pipe_take_out(struct pipe *pipe, void *to, size_t length);

#endif
