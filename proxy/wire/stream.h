/* SPDX-License-Identifier: MIT */
/* One direction of a connection: reads from the sender's socket, holds what faults or a
 * slow receiver keep, writes to the receiver's. FIN and RST travel with the bytes. */
#ifndef NETSPLIT_PROXY_WIRE_STREAM_H
#define NETSPLIT_PROXY_WIRE_STREAM_H

#include "proxy/wire/hold.h"
#include "proxy/wire/timers.h"
#include "rules/chain/chain.h"

#include <stdbool.h>
#include <stdint.h>

struct connection;
struct counters_link;
struct side;

/* What the sender has said so far. */
enum stream_input {
    STREAM_INPUT_OPEN = 0,
    STREAM_INPUT_FIN, /* it will send no more */
    STREAM_INPUT_RST, /* it is gone */
};

/* What the receiver has got so far. */
enum stream_output {
    STREAM_OUTPUT_OPEN = 0,
    STREAM_OUTPUT_FIN,    /* the FIN was passed on */
    STREAM_OUTPUT_BROKEN, /* it is gone: nothing can be passed on any more */
};

/*     sender -> [kernel] -> hold (kept here, counted by the chain) -> [kernel] ->
 *     receiver
 *
 * A stream whose link no rule ever matched has no chain, and one that holds nothing is
 * direct: bytes go from socket to socket in one turn, through the loop's buffer, or,
 * while the stream carries bulk, through a pipe. */
struct stream {
    struct connection *connection;  /* borrowed: it is embedded there */
    struct side *sender, *receiver; /* borrowed, likewise */
    struct chain *chain;            /* owned by the connection; NULL = no rule, ever */
    struct hold hold;
    struct timer wake;          /* the chain wants to be asked again */
    struct counters_link *link; /* borrowed from the counters */
    uint64_t *passed_bytes;     /* borrowed: the connection's counts */
    uint64_t *held_bytes_now;
    uint64_t reset_since_ns; /* an RST waits to be passed on; 0 = none does */
    enum direction direction;
    enum stream_input input;
    enum stream_output output;
    bool blocked;       /* the receiver's socket is full: wait until it is writable */
    bool is_bulk;       /* it carries so much that its bytes had better not be copied */
    bool was_full;      /* it held all it may, and that was said */
    bool is_broken;     /* for want of memory: it must be reset */
    uint8_t full_reads; /* one after the other, up to now */
};

/* What the connection must do after stream_pump. */
enum stream_verdict {
    STREAM_GOES_ON = 0,
    STREAM_PASSES_RST,  /* the sender's RST is due at the receiver */
    STREAM_RULE_RESETS, /* *rule: RST to both sides */
    STREAM_RULE_CLOSES, /* *rule: FIN to both sides */
};

/* on_wake: the connection's, called when the stream is to be pumped again. */
void stream_init(struct stream *stream, struct connection *connection,
                 enum direction direction, timer_fn on_wake);

/* Counts what is still held as gone and frees it. */
void stream_close(struct stream *stream);

/* How many bytes may be read from the sender now; 0 also after its end. */
size_t stream_room(const struct stream *stream);

/* Reads what the sender has, as far as there is room, and writes it on at once where
 * nothing is in the way. Returns how much was read. -ENOMEM: bytes were lost, and the
 * connection must be reset. */
ssize_t stream_receive(struct stream *stream, uint64_t now_ns);

/* The sender's socket has been reset; takes effect behind what can still be read. */
void stream_note_reset(struct stream *stream, uint64_t now_ns);

/* Passes on all that is due. *rule is written for STREAM_RULE_*. */
enum stream_verdict stream_pump(struct stream *stream, uint64_t now_ns,
                                const struct plan_rule **rule);

/* Takes on a chain that was just initialised: tells it what went before. */
void stream_take_chain(struct stream *stream, struct chain *chain, uint64_t now_ns);

/* Inverts these bits of the byte that lies so far behind the front of what it holds. */
void stream_flip(struct stream *stream, uint64_t place, uint8_t bits);

/* Puts the faults of the match on the stream. 0 or -ENOMEM; pump it afterwards. */
int stream_update(struct stream *stream, const struct match *match, uint64_t now_ns);

/* Counts what waits unread behind a partition. */
void stream_sample_unread(struct stream *stream);

/* Nothing more will come out of it: its FIN was passed on, or nobody can get it. */
bool stream_is_done(const struct stream *stream);

#endif
