/* SPDX-License-Identifier: MIT */
/* A cluster that netsplit did not start: two Redis servers of the test's own, and a
 * wrapper that stands for ssh, which hands on nothing of the environment. The directory
 * and the program that runs in it are a struct drill_fixture. */
#ifndef NETSPLIT_TESTS_FOREIGN_FIXTURE_H
#define NETSPLIT_TESTS_FOREIGN_FIXTURE_H

#include "drill_fixture.h"
#include "tests/lib/server_process.h"

struct foreign_fixture {
    struct drill_fixture drill;
    struct server_process servers[2]; /* r1, the primary, and r2 */
};

/* Commands of the cluster file: both pause with signals to a pid that they were asked
 * for. */
#define FOREIGN_PAUSE                                                                  \
    "  pause: kill -STOP $(cat $NODE.pid)\n"                                           \
    "  resume: kill -CONT $(cat $NODE.pid)\n"

/* Starts the servers and writes cluster.yaml, of the environment and with the commands,
 * `away`, the wrapper, and playbook.md, whose steps follow a workload and a short
 * baseline. Skips the test where there is no Redis. */
void foreign_open(struct foreign_fixture *fixture, const char *environment,
                  const char *commands, const char *steps);

/* Everything must be as it was before: no process, directory or record is left, and
 * nothing in the servers. Ends them. */
void foreign_close(struct foreign_fixture *fixture);

/* A file in the directory. */
void foreign_write(const struct foreign_fixture *fixture, const char *name,
                   const char *text, unsigned mode);

/* What redis-cli says of the server; its first line, which the next call replaces. */
const char *foreign_ask(const struct server_process *server, const char *words);

#endif
