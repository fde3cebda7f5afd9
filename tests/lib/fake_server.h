/* SPDX-License-Identifier: MIT */
/* A server that does what a script says, for tests of clients: each request that
 * arrives, on whatever connection, takes the next step of the script. */
#ifndef NETSPLIT_TESTS_FAKE_SERVER_H
#define NETSPLIT_TESTS_FAKE_SERVER_H

#include <stdint.h>
#include <uv.h>

enum fake_action {
    FAKE_ANSWER = 0, /* writes text */
    FAKE_HANG,       /* says nothing */
    FAKE_RESET,      /* writes text, if any, then sends RST */
    FAKE_CLOSE,      /* writes text, if any, then sends FIN */
};

struct fake_step {
    enum fake_action action;
    const char *text; /* may be NULL */
    size_t bytes;     /* 0: as long as text is up to its NUL */
};

enum { FAKE_STEPS = 16 };

struct fake_connection;

struct fake_server {
    uv_loop_t *loop; /* borrowed */
    uv_tcp_t listener;
    uint16_t port;
    const struct fake_step *steps; /* borrowed; beyond the last all hang */
    size_t n_steps;
    char farewell;   /* requests that begin with it take no step; 0 = none */
    size_t taken;    /* steps */
    size_t accepted; /* connections */
    char requests[FAKE_STEPS][2048];     /* what took step i, with a NUL behind it */
    size_t request_bytes[FAKE_STEPS];    /* its length */
    struct fake_connection *connections; /* owned: those open */
};

/* Listens on a port of 127.0.0.1 that was free. */
void fake_server_init(struct fake_server *server, uv_loop_t *loop,
                      const struct fake_step *steps, size_t n_steps);

/* Writes to the newest connection, unasked. */
void fake_server_say(struct fake_server *server, const char *text);

/* Closes the listener and what is open; the loop must run after it. */
void fake_server_close(struct fake_server *server);

/* A port of 127.0.0.1 that refuses for as long as *fd, a socket, is not closed. */
uint16_t fake_refusing_port(int *fd);

#endif
