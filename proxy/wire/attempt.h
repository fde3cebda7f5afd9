/* SPDX-License-Identifier: MIT */
/* A connection before it is open: what rules say of the attempt, and the dial. */
#ifndef NETSPLIT_PROXY_WIRE_ATTEMPT_H
#define NETSPLIT_PROXY_WIRE_ATTEMPT_H

#include <stdint.h>

struct connection;

/* Asks the rules about a connection that is HELD: it stays so, ends, or is dialled. */
void attempt_admit(struct connection *connection, uint64_t now_ns);

/* Dials for a connection that is CONNECTING. It becomes OPEN, or ends. */
void attempt_dial(struct connection *connection, uint64_t now_ns);

/* For one whose dial takes its time, at the alarm that was set for it: goes on to the
 * server's next address. May free the connection. */
void attempt_press(struct connection *connection, uint64_t now_ns);

/* No rule holds it any more; nothing if none did. */
void attempt_let_go(struct connection *connection);

#endif
