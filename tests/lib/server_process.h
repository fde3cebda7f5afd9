/* SPDX-License-Identifier: MIT */
/* Real servers for tests: each in a temporary directory of its own, on a port of
 * 127.0.0.1 that is reserved for it, killed by the kernel if the test dies. */
#ifndef NETSPLIT_TESTS_SERVER_PROCESS_H
#define NETSPLIT_TESTS_SERVER_PROCESS_H

#include "proxy/base/tempdir.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct server_process {
    pid_t pid; /* 0 = it does not run */
    uint16_t port;
    int end_signal; /* what ends it at once */
    int reserved;   /* a socket bound to the port, so that nobody else gets it */
    char directory[TEMPDIR_PATH_MAX];
};

/* Start it, and return when it answers. False if the program is not installed; what
 * else goes wrong aborts. PostgreSQL has one superuser, "drill", without a password,
 * and runs as nobody if we are root. */
bool server_process_redis(struct server_process *server);
bool server_process_postgres(struct server_process *server);

/* Ends it at once, as a crash would; returns when it is gone. */
void server_process_kill(struct server_process *server);

/* Kills it, if it runs, and removes its directory. */
void server_process_close(struct server_process *server);

#endif
