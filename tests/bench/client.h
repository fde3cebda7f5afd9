/* SPDX-License-Identifier: MIT */
/* Clients of the load: blocking sockets, and threads that send without a pause. What
 * fails here ends the benchmark with a message. */
#ifndef NETSPLIT_BENCH_CLIENT_H
#define NETSPLIT_BENCH_CLIENT_H

#include <netinet/in.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <pthread.h>

struct sockaddr_in client_loopback(uint16_t port);
void client_set_nodelay(int fd);
void client_pause_ns(uint64_t ns);

/* A port of 127.0.0.1 that was free a moment ago. */
uint16_t client_free_port(void);

/* Does something listen there? */
bool client_finds(uint16_t port);

/* Connects to a port of 127.0.0.1 and says what for (server.h). */
int client_connect(uint16_t port, char kind);

/* 64 bytes there and back. False: the connection has ended. */
bool client_ping(int fd);

/* A thread that sends on a connection of its own. */
struct sender {
    pthread_t thread;
    int fd;
    uint64_t bytes_per_ms; /* 0 = as fast as it goes */
    _Atomic bool stop;
};

/* The sender must stay where it is until it is stopped. */
void sender_start(struct sender *sender, uint16_t port, char kind,
                  uint64_t bytes_per_ms);

/* Resets the connection, so that what is on its way does not disturb what comes next. */
void sender_stop(struct sender *sender);

#endif
