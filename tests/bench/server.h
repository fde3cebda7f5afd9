/* SPDX-License-Identifier: MIT */
/* The server behind all systems: one thread of this process, so that one clock times
 * both ends. A connection begins with one byte that says what it is for. */
#ifndef NETSPLIT_BENCH_SERVER_H
#define NETSPLIT_BENCH_SERVER_H

#include <stddef.h>
#include <stdint.h>

enum {
    SERVER_SINKS = 'B',  /* all bytes are counted and thrown away */
    SERVER_ECHOES = 'E', /* what comes goes back */
    SERVER_TIMES = 'T',  /* the arrival of each message is noted */
    SERVER_METERS = 'R', /* bytes are counted by the millisecond they arrive in */
};

enum {
    MESSAGE_BYTES = 64, /* a SERVER_TIMES message: its ordinal (uint32_t), then zeros */
    MESSAGES_MAX = 1024,
    METER_SLOTS = 4096,
};

/* Starts the thread on a port of the kernel's choice of 127.0.0.1; returns the port.
 * Exits with a message when it cannot. Once a process. */
uint16_t server_start(void);

/* Bytes that sinks have taken so far. */
uint64_t server_sunk_bytes(void);

/* Returns when no sink or meter is connected any more, or after a few seconds. */
void server_await_quiet(void);

/* Forgets all arrivals, the number of which server_arrived returns from then on. */
void server_forget_arrivals(void);
size_t server_arrived(void);
uint64_t server_arrival_ns(uint32_t ordinal);

/* Begins to count bytes of the meter that connects next, in slots of 1 ms; those after
 * METER_SLOTS are not counted. server_slot returns what came in one of them. */
void server_meter_begin(void);
uint64_t server_slot(size_t slot);

#endif
