/* SPDX-License-Identifier: MIT */
/* An echo server, and clients that keep a proxy in front of it busy: each sends blocks
 * of bytes that only it sends, and compares what comes back. All run in threads of the
 * test. Whatever goes wrong fails the test. */
#ifndef NETSPLIT_TESTS_TRAFFIC_H
#define NETSPLIT_TESTS_TRAFFIC_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TRAFFIC_CLIENTS = 24, TRAFFIC_PATIENCE_MS = 30000 };

struct traffic_client {
    pthread_t thread;
    int fd;
    uint64_t number;
    _Atomic uint64_t rounds; /* blocks that came back whole */
    _Atomic bool broken;     /* lost its connection, or got other bytes */
    _Atomic uint64_t bytes;  /* sent, and come back */
};

struct traffic {
    int listener; /* of the server, which lives as long as the test */
    uint16_t port;
    pthread_t server;
    struct traffic_client clients[TRAFFIC_CLIENTS];
    size_t n;
};

void traffic_init(struct traffic *traffic);

/* A blocking connection to a port of 127.0.0.1; -1 and errno. */
int traffic_connect(uint16_t port);

/* So many clients more, through that port. */
void traffic_add(struct traffic *traffic, uint16_t port, size_t n);

/* Waits until every client has done so many rounds more. */
void traffic_wait(struct traffic *traffic, uint64_t rounds);

/* Ends the clients, of which none may be broken. Returns what they sent, in bytes. */
uint64_t traffic_stop(struct traffic *traffic);

#endif
