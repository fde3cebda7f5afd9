/* SPDX-License-Identifier: MIT */
/* One driver client on a loop of its own: asks, runs the loop until it is answered, and
 * keeps the answer. */
#ifndef NETSPLIT_TESTS_CLIENT_FIXTURE_H
#define NETSPLIT_TESTS_CLIENT_FIXTURE_H

#include "scenarios/drivers/driver.h"

struct client_fixture {
    uv_loop_t loop;
    const struct driver *driver;
    struct driver_client *client;  /* NULL after client_fixture_drop() */
    struct driver_program program; /* of clients that are opened from now on */
    const char *mark;              /* likewise; NULL at first */
    bool take_over, keeps_data;    /* likewise */
    size_t asked;                  /* invocations, in all */
    size_t answers;                /* calls of on_done, in all */
    struct driver_outcome outcome; /* the last; text and list point to what follows */
    char text[256];                /* "" if there was none */
    int64_t items[256];
};

/* With a loop, without a client. */
void client_fixture_init(struct client_fixture *fixture, const char *driver);

/* A client of n1 at 127.0.0.1:port, in schema netsplit_test. */
void client_fixture_open(struct client_fixture *fixture, uint16_t port,
                         enum history_f writes, uint16_t direct, const char *setting);

/* Asks, and returns when it was answered. */
void client_fixture_ask(struct client_fixture *fixture, enum history_f f, int64_t key,
                        struct history_value value, uint64_t within_ns);
/* The same in two parts. */
void client_fixture_begin(struct client_fixture *fixture, enum history_f f, int64_t key,
                          struct history_value value, uint64_t within_ns);
void client_fixture_await(struct client_fixture *fixture);
/* For those that hold one integer. */
void client_fixture_write(struct client_fixture *fixture, enum history_f f, int64_t key,
                          int64_t integer);
void client_fixture_read(struct client_fixture *fixture, int64_t key);
void client_fixture_setup(struct client_fixture *fixture, uint64_t keys);
void client_fixture_teardown(struct client_fixture *fixture, uint64_t keys);

/* Closes the client, if there is one. */
void client_fixture_drop(struct client_fixture *fixture);

/* Closes all, runs the loop until it is empty, and returns uv_loop_close()'s result: 0
 * if nothing was left behind. */
int client_fixture_close(struct client_fixture *fixture);

#endif
