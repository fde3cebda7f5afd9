/* SPDX-License-Identifier: MIT */
/* The two sockets of a connection: their events become calls of its streams, and its
 * state becomes what they are watched for. Every event is stored first; connection_step
 * then does what follows from it.
 *
 * A reset is the awkward one. Poll reports it once and then gives the socket up, while
 * bytes that came before it can still be read: so a failed side is marked, and the step
 * reads it to its end. With nothing to read or write a socket is watched for
 * UV_PRIORITIZED alone, which in epoll means errors and little else: watching for the
 * peer's FIN (UV_DISCONNECT) would fire for ever once it has come. */
#include "proxy/wire/side.h"
#include "proxy/base/now.h"
#include "proxy/wire/connection.h"
#include "proxy/wire/half_open.h"
#include "proxy/instance.h"
#include "proxy/wire/watch.h"

#include <errno.h>
#include <sys/socket.h>

void side_close(struct side *side, bool reset)
{
    if (!side->watch)
        return;
    if (reset) {
        static const struct linger now = {.l_onoff = 1, .l_linger = 0};
        (void)setsockopt(watch_fd(side->watch), SOL_SOCKET, SO_LINGER, &now,
                         sizeof now); /* a socket has it */
    } else {
        packet_socket_release(&side->packets, watch_fd(side->watch));
    }
    watch_close(side->watch);
    side->watch = NULL;
}

static struct stream *stream_from(struct side *side)
{
    struct connection *connection = side->connection;
    return side == &connection->client ? &connection->to_server
                                       : &connection->to_client;
}

static struct stream *stream_towards(struct side *side)
{
    struct connection *connection = side->connection;
    return side == &connection->client ? &connection->to_client
                                       : &connection->to_server;
}

/* Poll gave the socket up: what is left to know is in SO_ERROR, and behind the bytes
 * that can still be read. */
static void note_failure(struct side *side)
{
    int error = 0;
    socklen_t length = sizeof error;
    (void)getsockopt(watch_fd(side->watch), SOL_SOCKET, SO_ERROR, &error, &length);
    side->failed = true;
    side->reset = true;
}

static void receive(struct side *side, uint64_t now_ns)
{
    if (stream_receive(stream_from(side), now_ns) == -ENOMEM)
        connection_finish(side->connection, END_NO_MEMORY, NULL);
}

/* Reads on after a rule has closed the connection, so that its FIN arrives and not the
 * RST that unread bytes would cause; or where a peer is gone. Returns how much. */
static size_t read_away(struct side *side)
{
    struct stream *stream = stream_from(side);
    ssize_t n = recv(watch_fd(side->watch), side->connection->proxy->buffer,
                     PROXY_READ_BYTES, 0);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        stream->input = n == 0 ? STREAM_INPUT_FIN : STREAM_INPUT_RST;
    return n > 0 ? (size_t)n : 0;
}

static void take_what_came(struct side *side, uint64_t now_ns)
{
    struct connection *connection = side->connection;
    switch (connection->state) {
    case CONNECTION_OPEN:
        receive(side, now_ns);
        break;
    case CONNECTION_HALF_OPEN:
        half_open_discard(connection, read_away(side));
        break;
    case CONNECTION_FINISHING:
        (void)read_away(side); /* nobody counts them */
        break;
    case CONNECTION_HELD:
    case CONNECTION_CONNECTING:
    case CONNECTION_CLOSED:
        break;
    }
}

void side_on_event(void *context, int events, bool failed)
{
    struct side *side = context;
    struct connection *connection = side->connection;
    uint64_t now = now_ns();
    if (failed)
        note_failure(side);
    if (events & UV_WRITABLE)
        stream_towards(side)->blocked = false;
    if (events & UV_READABLE)
        side->deaf = false;
    if (events & UV_READABLE)
        take_what_came(side, now);
    if (events == UV_PRIORITIZED)
        side->deaf = true; /* urgent data: would be reported until it is read */
    connection_step(connection, now);
}

/* What to listen for follows from the state, here and nowhere else. With nothing to
 * read or write a side is still watched for the end of its TCP connection. */
static int side_interest(struct side *side)
{
    const struct connection *connection = side->connection;
    const struct stream *from = stream_from(side), *towards = stream_towards(side);
    int events = 0;
    switch (connection->state) {
    case CONNECTION_OPEN:
        if (stream_room(from) > 0)
            events |= UV_READABLE;
        if (towards->blocked)
            events |= UV_WRITABLE;
        if (from->input != STREAM_INPUT_OPEN && towards->output != STREAM_OUTPUT_OPEN)
            return events; /* both ways are over: the kernel would say so for ever */
        break;
    case CONNECTION_HALF_OPEN:
        events = from->input == STREAM_INPUT_OPEN ? UV_READABLE : 0;
        break;
    case CONNECTION_FINISHING:
        return from->input == STREAM_INPUT_OPEN ? UV_READABLE : 0;
    case CONNECTION_HELD:
    case CONNECTION_CONNECTING:
        break;
    case CONNECTION_CLOSED:
        return 0;
    }
    return events || side->deaf ? events : UV_PRIORITIZED;
}

void side_watch_both(struct connection *connection)
{
    if (connection->client.watch)
        watch_set(connection->client.watch, side_interest(&connection->client));
    if (connection->server.watch)
        watch_set(connection->server.watch, side_interest(&connection->server));
}
