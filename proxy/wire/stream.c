/* SPDX-License-Identifier: MIT */
/* The happy path: the sender's socket is readable; one recv into the loop's buffer, one
 * send to the receiver, done. What the receiver does not take is held, and reading
 * pauses until it has left.
 *
 * A stream that keeps filling what it is read into carries bulk: it is then spliced
 * through a pipe, so that the proxy copies nothing, until reads become small again.
 * Small messages are cheaper to copy. A fault that looks at bytes has them copied.
 *
 * With a fault on the stream the bytes are held and the chain counts them;
 * chain_next says what leaves and when to ask again. Reading pauses when the rule's
 * `hold` or the instance's budget is used up, or a partition stalls: the sender then
 * feels a full window, as it would of a receiver that does not read.
 *
 * FIN becomes shutdown() on the receiver, behind all bytes. RST is handed to the
 * connection when all bytes before it were acknowledged by the receiver, or after a
 * second: SO_LINGER 0 throws away what the kernel still holds. A receiver that is gone
 * breaks the stream: what it holds is dropped, and the other stream brings the RST.
 *
 * It does not decide when a connection is over, and never waits. */
#include "proxy/wire/stream.h"
#include "proxy/base/now.h"
#include "proxy/wire/budget.h"
#include "proxy/wire/connection.h"
#include "proxy/instance.h"
#include "proxy/wire/pipes.h"
#include "proxy/wire/watch.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum {
    /* So that one busy stream does not keep the others waiting. */
    READS_A_TURN = 4,
    BYTES_A_TURN = 1 << 20,
    HELD_READ_BYTES = 64 << 10, /* larger blocks are costly to allocate */
    SPLICE_BYTES = 1 << 20,
    BULK_READ_BYTES = 64 << 10, /* a read of so much is a full one */
    BULK_READS = 2,             /* so many of them are bulk */
    BULK_LEAST_BYTES = 16 << 10,
};

#define RESET_PATIENCE_NS NS_PER_S
#define RESET_FIRST_NS    (200 * NS_PER_US)

void stream_init(struct stream *stream, struct connection *connection,
                 enum direction direction, timer_fn on_wake)
{
    bool to_server = direction == TO_SERVER;
    struct counters_connection *counts = &connection->counts;
    *stream = (struct stream){
        .connection = connection,
        .sender = to_server ? &connection->client : &connection->server,
        .receiver = to_server ? &connection->server : &connection->client,
        .link = to_server ? counts->to_server : counts->to_client,
        .passed_bytes = to_server ? &counts->passed_bytes_to_server
                                  : &counts->passed_bytes_to_client,
        .held_bytes_now = to_server ? &counts->held_bytes_to_server_now
                                    : &counts->held_bytes_to_client_now,
        .direction = direction,
    };
    timer_init(&stream->wake, on_wake, connection);
}

static struct proxy *proxy_of(const struct stream *stream)
{
    return stream->connection->proxy;
}

static void count_held(struct stream *stream, size_t bytes)
{
    *stream->held_bytes_now += bytes;
    stream->link->held_bytes_now += bytes;
    budget_hold(proxy_of(stream), bytes);
}

static void uncount_held(struct stream *stream, size_t bytes)
{
    *stream->held_bytes_now -= bytes;
    stream->link->held_bytes_now -= bytes;
    budget_release(proxy_of(stream), bytes);
}

static void drop_held(struct stream *stream, size_t bytes)
{
    hold_drop(&stream->hold, proxy_of(stream)->pipes, bytes);
    uncount_held(stream, bytes);
}

static void count_passed(struct stream *stream, size_t bytes)
{
    *stream->passed_bytes += bytes;
    stream->link->passed_bytes += bytes;
}

void stream_close(struct stream *stream)
{
    drop_held(stream, stream->hold.length);
    timer_clear(proxy_of(stream)->timers, &stream->wake);
    if (stream->chain)
        chain_close(stream->chain);
}

/* The receiver is gone. */
static void break_off(struct stream *stream)
{
    stream_close(stream);
    stream->output = STREAM_OUTPUT_BROKEN;
    stream->blocked = false;
    stream->receiver->reset = true;
}

size_t stream_room(const struct stream *stream)
{
    if (stream->input != STREAM_INPUT_OPEN || stream->output != STREAM_OUTPUT_OPEN)
        return 0;
    size_t room = stream->chain ? chain_room(stream->chain) : SIZE_MAX;
    if (room == SIZE_MAX && stream->hold.length > 0)
        return 0; /* no fault: hold no more than the receiver refused once */
    size_t budget = budget_room(proxy_of(stream), stream->hold.length);
    return room < budget ? room : budget;
}

static bool is_direct(const struct stream *stream)
{
    return stream->hold.length == 0 &&
           (!stream->chain || chain_is_transparent(stream->chain));
}

/* n of recv, not above 0: what it says about the sender. */
static void take_end(struct stream *stream, ssize_t n, uint64_t now_ns)
{
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    bool reset = n < 0 || stream->sender->reset;
    stream->sender->reset = reset;
    stream->input = reset ? STREAM_INPUT_RST : STREAM_INPUT_FIN;
    if (!stream->chain)
        return;
    if (reset)
        chain_rst(stream->chain, now_ns);
    else
        chain_fin(stream->chain, now_ns);
}

/* The receiver took so many of the bytes it was given; negative: it is gone. */
static void note_sent(struct stream *stream, ssize_t sent, size_t given)
{
    if (sent < 0) {
        break_off(stream);
        return;
    }
    stream->blocked = (size_t)sent < given;
    if (sent > 0)
        stream->reset_since_ns = 0; /* it still reads */
    count_passed(stream, (size_t)sent);
}

/* A read brought n bytes: what does the stream carry? */
static void note_read(struct stream *stream, size_t n)
{
    if (n >= BULK_READ_BYTES) {
        if (stream->full_reads < BULK_READS)
            stream->full_reads++;
        stream->is_bulk = stream->full_reads == BULK_READS;
    } else {
        stream->full_reads = 0;
        stream->is_bulk = stream->is_bulk && n >= BULK_LEAST_BYTES;
    }
}

/* left of n bytes that were read are held now. */
static void note_left(struct stream *stream, size_t n, size_t left, uint64_t now_ns)
{
    if (stream->chain && left < n)
        chain_bypass(stream->chain, n - left);
    if (left == 0)
        return;
    count_held(stream, left);
    if (stream->chain)
        chain_data(stream->chain, left, now_ns);
}

static ssize_t receive_direct(struct stream *stream, size_t room, uint64_t now_ns)
{
    unsigned char *buffer = proxy_of(stream)->buffer;
    size_t wanted = room < PROXY_READ_BYTES ? room : PROXY_READ_BYTES;
    ssize_t n = recv(watch_fd(stream->sender->watch), buffer, wanted, 0);
    if (n <= 0) {
        take_end(stream, n, now_ns);
        return 0;
    }
    note_read(stream, (size_t)n);
    ssize_t sent =
        send(watch_fd(stream->receiver->watch), buffer, (size_t)n, MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR))
        sent = 0;
    note_sent(stream, sent, (size_t)n);
    if (sent < 0)
        return n;
    size_t left = (size_t)(n - sent);
    if (left > 0 && hold_append(&stream->hold, buffer + sent, left) != 0)
        return -ENOMEM;
    note_left(stream, (size_t)n, left, now_ns);
    return n;
}

/* 0: nothing can be had without copying. */
static ssize_t splice_direct(struct stream *stream, size_t room, uint64_t now_ns)
{
    struct pipes *pipes = proxy_of(stream)->pipes;
    struct pipe *pipe = pipes_take(pipes);
    if (!pipe)
        return 0;
    size_t wanted = room < SPLICE_BYTES ? room : SPLICE_BYTES;
    size_t n = pipe_fill(pipe, watch_fd(stream->sender->watch), wanted);
    ssize_t sent = 0;
    if (n > 0) {
        note_read(stream, n);
        stream->link->spliced_bytes += n;
        sent = pipe_send(pipe, watch_fd(stream->receiver->watch), n);
        note_sent(stream, sent, n);
    }
    size_t left = pipe->length;
    if (left == 0 || sent < 0) {
        pipes_give(pipes, pipe);
    } else if (hold_adopt(&stream->hold, pipe) != 0) {
        pipes_give(pipes, pipe);
        return -ENOMEM;
    }
    if (n > 0 && sent >= 0)
        note_left(stream, n, left, now_ns);
    return (ssize_t)n;
}

static ssize_t receive_held(struct stream *stream, size_t room, uint64_t now_ns)
{
    size_t wanted = room < HELD_READ_BYTES ? room : HELD_READ_BYTES;
    ssize_t n = hold_receive(&stream->hold, watch_fd(stream->sender->watch), wanted);
    if (n < -1)
        return -ENOMEM;
    if (n <= 0) {
        take_end(stream, n, now_ns);
        return 0;
    }
    note_read(stream, (size_t)n);
    note_left(stream, (size_t)n, (size_t)n, now_ns);
    return n;
}

/* 0: nothing can be had without copying. */
static ssize_t splice_held(struct stream *stream, size_t room, uint64_t now_ns)
{
    size_t n = hold_splice(&stream->hold, proxy_of(stream)->pipes,
                           watch_fd(stream->sender->watch),
                           room < SPLICE_BYTES ? room : SPLICE_BYTES);
    if (n == 0)
        return 0;
    note_read(stream, n);
    stream->link->spliced_bytes += n;
    note_left(stream, n, n, now_ns);
    return (ssize_t)n;
}

/* A socket that failed is read to its end in the one way that tells how it ended. */
static bool may_splice(const struct stream *stream)
{
    return stream->is_bulk && !stream->sender->failed &&
           !(stream->chain && chain_changes_bytes(stream->chain));
}

static ssize_t receive(struct stream *stream, size_t room, uint64_t now_ns)
{
    bool direct = is_direct(stream);
    if (may_splice(stream)) {
        ssize_t n = direct ? splice_direct(stream, room, now_ns)
                           : splice_held(stream, room, now_ns);
        if (n != 0)
            return n;
        stream->is_bulk = false; /* the end, urgent data, or no pipe: recv tells */
        stream->full_reads = 0;
    }
    return direct ? receive_direct(stream, room, now_ns)
                  : receive_held(stream, room, now_ns);
}

/* Says once that a stream has become full. */
static void note_fullness(struct stream *stream)
{
    bool is_full = stream->chain && chain_is_full(stream->chain);
    if (is_full && !stream->was_full)
        budget_note_full_stream(proxy_of(stream), stream->hold.length,
                                stream->chain->hold_bytes);
    stream->was_full = is_full;
}

ssize_t stream_receive(struct stream *stream, uint64_t now_ns)
{
    /* Of a socket that failed poll says nothing more: all that is left is read now. It
     * cannot be more than the kernel holds. */
    const int turns = stream->sender->failed ? INT_MAX : READS_A_TURN;
    ssize_t total = 0;
    for (int i = 0; i < turns; i++) {
        size_t room = stream_room(stream);
        if (room == 0)
            break;
        ssize_t n = receive(stream, room, now_ns);
        if (n < 0)
            return n;
        total += n;
        bool drained = (size_t)n < room && (size_t)n < BULK_READ_BYTES;
        if (n == 0 || ((drained || total >= BYTES_A_TURN) && !stream->sender->failed))
            break;
    }
    note_fullness(stream);
    return total;
}

void stream_note_reset(struct stream *stream, uint64_t now_ns)
{
    if (stream->input != STREAM_INPUT_FIN || stream->output == STREAM_OUTPUT_BROKEN)
        return; /* an open one finds it behind its bytes */
    stream->input = STREAM_INPUT_RST;
    if (stream->chain)
        chain_rst(stream->chain, now_ns);
}

/* What chain_next would say of a stream without rules. */
static struct chain_action next_plain(const struct stream *stream)
{
    struct chain_action action = {.verb = CHAIN_IDLE, .wake_ns = FAULT_NEVER};
    if (stream->hold.length > 0) {
        action.verb = CHAIN_SEND;
        action.bytes = stream->hold.length;
    } else if (stream->input == STREAM_INPUT_RST) {
        action.verb = CHAIN_RST;
    } else if (stream->input == STREAM_INPUT_FIN &&
               stream->output == STREAM_OUTPUT_OPEN) {
        action.verb = CHAIN_FIN;
    }
    return action;
}

/* Sends the front of what is held. False: enough for now. */
static bool send_held(struct stream *stream, size_t length)
{
    if (stream->blocked)
        return false;
    size_t given;
    ssize_t sent = hold_send(&stream->hold, proxy_of(stream)->pipes,
                             watch_fd(stream->receiver->watch), length, &given);
    if (sent > 0)
        uncount_held(stream, (size_t)sent);
    note_sent(stream, sent, given);
    if (sent < 0)
        return false;
    if (stream->chain)
        chain_sent(stream->chain, CHAIN_SEND, (size_t)sent);
    return !stream->blocked;
}

static void discard_held(struct stream *stream, size_t length)
{
    drop_held(stream, length);
    stream->link->discarded_bytes += length;
    chain_sent(stream->chain, CHAIN_DISCARD, length);
}

static void pass_fin(struct stream *stream)
{
    /* Fails only if the receiver is gone: the other stream brings that. */
    (void)shutdown(watch_fd(stream->receiver->watch), SHUT_WR);
    stream->output = STREAM_OUTPUT_FIN;
    if (stream->chain)
        chain_sent(stream->chain, CHAIN_FIN, 0);
}

/* An RST waits for the receiver: true when its patience is over. Else pumps again at
 * at_ns, or when it is. */
static bool lose_patience(struct stream *stream, uint64_t now_ns, uint64_t at_ns)
{
    if (stream->reset_since_ns == 0)
        stream->reset_since_ns = now_ns;
    uint64_t end_ns = stream->reset_since_ns + RESET_PATIENCE_NS;
    if (now_ns >= end_ns)
        return true;
    timer_set(proxy_of(stream)->timers, &stream->wake, at_ns < end_ns ? at_ns : end_ns);
    return false;
}

/* Has the receiver acknowledged all that was written, or had its time? Else asks again,
 * soon at first. */
static bool may_pass_rst(struct stream *stream, uint64_t now_ns)
{
    int unacknowledged = 0;
    uint64_t since_ns = stream->reset_since_ns ? stream->reset_since_ns : now_ns;
    return ioctl(watch_fd(stream->receiver->watch), SIOCOUTQ, &unacknowledged) != 0 ||
           unacknowledged == 0 ||
           lose_patience(stream, now_ns,
                         now_ns + RESET_FIRST_NS + (now_ns - since_ns) / 2);
}

enum stream_verdict stream_pump(struct stream *stream, uint64_t now_ns,
                                const struct plan_rule **rule)
{
    while (stream->output != STREAM_OUTPUT_BROKEN) {
        struct chain_action action =
            stream->chain ? chain_next(stream->chain, now_ns) : next_plain(stream);
        if (stream->is_broken) {
            *rule = NULL;
            return STREAM_RULE_RESETS;
        }
        timer_set(proxy_of(stream)->timers, &stream->wake, action.wake_ns);
        switch (action.verb) {
        case CHAIN_IDLE:
            return STREAM_GOES_ON;
        case CHAIN_SEND:
            if (send_held(stream, action.bytes))
                break;
            /* A sender that was reset must not hang behind a receiver that never reads.
             */
            return stream->blocked && stream->sender->reset &&
                           lose_patience(stream, now_ns, action.wake_ns)
                       ? STREAM_PASSES_RST
                       : STREAM_GOES_ON;
        case CHAIN_DISCARD:
            discard_held(stream, action.bytes);
            break;
        case CHAIN_FIN:
            pass_fin(stream);
            break;
        case CHAIN_RST:
            return may_pass_rst(stream, now_ns) ? STREAM_PASSES_RST : STREAM_GOES_ON;
        case CHAIN_RESET:
            *rule = action.rule;
            return STREAM_RULE_RESETS;
        case CHAIN_CLOSE:
            *rule = action.rule;
            return STREAM_RULE_CLOSES;
        }
    }
    return STREAM_GOES_ON;
}

void stream_take_chain(struct stream *stream, struct chain *chain, uint64_t now_ns)
{
    stream->chain = chain;
    if (stream->output == STREAM_OUTPUT_BROKEN)
        return;
    if (*stream->passed_bytes > 0)
        chain_bypass(chain, *stream->passed_bytes);
    if (stream->hold.length > 0)
        chain_data(chain, stream->hold.length, now_ns);
    if (stream->input == STREAM_INPUT_FIN && stream->output == STREAM_OUTPUT_OPEN)
        chain_fin(chain, now_ns);
    if (stream->input == STREAM_INPUT_RST)
        chain_rst(chain, now_ns);
}

void stream_flip(struct stream *stream, uint64_t place, uint8_t bits)
{
    if (hold_flip(&stream->hold, proxy_of(stream)->pipes, place, bits) != 0)
        stream->is_broken = true;
}

int stream_update(struct stream *stream, const struct match *match, uint64_t now_ns)
{
    if (!stream->chain || stream->output == STREAM_OUTPUT_BROKEN)
        return 0;
    stream_sample_unread(stream);
    return chain_update(stream->chain, match, now_ns);
}

void stream_sample_unread(struct stream *stream)
{
    if (!stream->chain || stream->output == STREAM_OUTPUT_BROKEN ||
        stream->input != STREAM_INPUT_OPEN || !chain_gate(stream->chain))
        return;
    int unread = 0;
    if (ioctl(watch_fd(stream->sender->watch), FIONREAD, &unread) == 0 && unread > 0)
        chain_unread(stream->chain, (size_t)unread);
}

bool stream_is_done(const struct stream *stream)
{
    if (stream->output == STREAM_OUTPUT_BROKEN)
        return true;
    return stream->output == STREAM_OUTPUT_FIN && stream->input == STREAM_INPUT_FIN;
}
