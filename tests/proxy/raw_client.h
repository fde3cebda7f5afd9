/* SPDX-License-Identifier: MIT */
/* A client of a Unix socket that sends what bytes it likes: for what a client of ours
 * would be too polite to say. */
#ifndef NETSPLIT_TESTS_RAW_CLIENT_H
#define NETSPLIT_TESTS_RAW_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

/* A socket, to be closed by the caller; and one that is connected to the path. */
int raw_make(void);
void raw_join(int fd, const char *path);
int raw_connect(const char *path);

/* As far as the server takes it at once. */
void raw_send(int fd, const char *bytes, size_t n);

/* What the server said. */
struct raw {
    uv_poll_t poll;
    bool ended;
    size_t len;
    char text[1 << 20]; /* begun anew when it is full */
};

/* Turns the loop until the server has closed the connection, and closes fd. */
void raw_read_to_end(uv_loop_t *loop, int fd, struct raw *raw);

#endif
