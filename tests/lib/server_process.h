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

/* The parts of it, for those who start a server in another way. Run: the program in the
 * directory, as nobody if it is to be unprivileged and we are root. Reserve: directory
 * and port, and nothing else yet. Find: the directory of PostgreSQL's programs; false if
 * there is none. Start: PostgreSQL on DIRECTORY/data, until it answers. */
pid_t server_process_run(const char *directory, const char *const *argv,
                         bool unprivileged);
void server_process_reserve(struct server_process *server, const char *word);
bool server_process_find_postgres(char *path, size_t path_bytes);
void server_process_start_postgres(struct server_process *server, const char *programs);

/* Ends it at once, as a crash would; returns when it is gone. */
void server_process_kill(struct server_process *server);

/* Kills it, if it runs, and removes its directory. */
void server_process_close(struct server_process *server);

#endif
