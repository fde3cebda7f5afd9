/* SPDX-License-Identifier: MIT */
/* The two sockets of a connection: events in, interest out. */
#ifndef NETSPLIT_PROXY_WIRE_SIDE_H
#define NETSPLIT_PROXY_WIRE_SIDE_H

#include "proxy/kernel/packet_socket.h"

#include <stdbool.h>

struct connection;
struct watch;

/* One of the two sockets; embedded in its connection. */
struct side {
    struct connection *connection; /* borrowed: it is embedded there */
    struct watch *watch;           /* owned; NULL: not connected yet, or closed */
    bool failed; /* poll reported an error and tells nothing any more */
    bool reset;  /* an RST or another end of the TCP connection was seen */
    bool deaf;   /* urgent data keep waking us: errors only show when it is read */
    struct packet_socket packets; /* what the kernel does to those of the socket */
};

/* The watch_fn of a side, which is its context. May free the connection. */
void side_on_event(void *context, int events, bool failed);

/* Watches both for what the connection's state asks for. */
void side_watch_both(struct connection *connection);

/* Closes the socket, if there is one; reset: with RST. */
void side_close(struct side *side, bool reset);

#endif
