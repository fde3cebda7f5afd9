/* SPDX-License-Identifier: MIT */
/* One TCP connection that carries commands in and bytes out: a client's, or one between
 * two nodes. It parses what comes, hands over one command at a time, and bounds both
 * directions: a receiver that does not read is not read from either. */
#ifndef NETSPLIT_STORE_CHANNEL_H
#define NETSPLIT_STORE_CHANNEL_H

#include "scenarios/store/resp.h"

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

enum store_verdict {
    STORE_NEXT = 0, /* done with this command */
    STORE_WAIT,     /* not now: it comes again at store_channel_resume */
    STORE_CLOSE,    /* close when what was answered so far is written */
};

struct store_channel;

/* on_command: a whole command; its slices are valid during the call. on_garbage: bytes
 * that are no command, WAIT or CLOSE are its answers. on_end: everything was handed
 * over and no more will come; it is told again at each resume until the channel
 * finishes. on_failed: reading or writing failed; the channel is closing. on_closed:
 * the last callback; the channel's memory may be freed. */
struct store_channel_events {
    enum store_verdict (*on_command)(struct store_channel *,
                                     const struct store_command *);
    enum store_verdict (*on_garbage)(struct store_channel *, const char *why);
    void (*on_end)(struct store_channel *);
    void (*on_failed)(struct store_channel *, int error);
    void (*on_closed)(struct store_channel *);
};

struct store_channel {
    uv_tcp_t tcp;
    uv_write_t write;
    const struct store_channel_events *events; /* borrowed, static */
    struct store_buffer in;                    /* received, not yet handed over */
    struct store_buffer out;                   /* append answers here */
    struct store_buffer sending;               /* with the kernel or libuv */
    size_t max_command_bytes;
    bool started;   /* connected; reads and writes may happen */
    bool reading;   /* uv_read_start is in force */
    bool writing;   /* a uv_write is in flight: at most one */
    bool waiting;   /* what in begins with was told to wait */
    bool ended;     /* the other side sends nothing more */
    bool finishing; /* closes when everything is written */
    bool closing;
};

/* Initialises the handle; from then on the channel must be closed. */
void store_channel_init(struct store_channel *channel, uv_loop_t *loop,
                        const struct store_channel_events *events,
                        size_t max_command_bytes);

/* Begins to read; call it when the socket is connected. */
void store_channel_start(struct store_channel *channel);

/* Hands over commands that were told to wait, then writes what was appended to out. */
void store_channel_resume(struct store_channel *channel);

/* Writes what was appended to out. */
void store_channel_flush(struct store_channel *channel);

/* Bytes not yet taken by the kernel. */
size_t store_channel_queued(const struct store_channel *channel);

/* Closes when everything is written. */
void store_channel_finish(struct store_channel *channel);

/* Closes now; with reset, unsent bytes are thrown away with a RST. Idempotent. */
void store_channel_close(struct store_channel *channel, bool reset);

#endif
