/* SPDX-License-Identifier: MIT */
/* A cluster that netsplit did not start: two Redis servers of the test's own, r1 and its
 * replica r2, a drill's directory with cluster.yaml about them, and `away`, a wrapper
 * that stands for ssh: it hands on nothing of the environment. */
#ifndef NETSPLIT_TESTS_THEIRS_H
#define NETSPLIT_TESTS_THEIRS_H

#include "drill_fixture.h"
#include "tests/lib/server_process.h"

struct theirs {
    struct drill_fixture drill;
    struct server_process servers[2];
};

/* For clusters: both pause by signals to a pid that they are asked for. */
#define THEIRS_PAUSE                                                                   \
    "  pause: kill -STOP $(cat $NODE.pid)\n"                                           \
    "  resume: kill -CONT $(cat $NODE.pid)\n"
#define THEIRS_RUN "```yaml run\nfor: 700ms\n```\n"
#define THEIRS_EXPECT                                                                  \
    "```yaml expect\nall: { ghost_writes: none, acked: at least 10 }\n"                \
    "async: { lost_writes: at least 1 }\n```\n"

/* Starts both, or skips the test. commands: further ones of the cluster file, whose last
 * map they are, so that other keys may follow; steps: of the playbook. */
void theirs_open(struct theirs *theirs, const char *environment, const char *commands,
                 const char *steps);
/* When the drill has left: that nothing is left of it, also in the servers. */
void theirs_close(struct theirs *theirs);

/* Replaces cluster.yaml by one with those. */
void theirs_write_cluster(const struct theirs *theirs, const char *environment,
                          const char *commands);
/* A file in the drill's directory. */
void theirs_write(const struct theirs *theirs, const char *name, const char *text,
                  mode_t mode);

/* What redis-cli says of the server (0: r1); its first line, valid until the next call.
 * await: until it says that. */
const char *theirs_ask(const struct theirs *theirs, size_t server, const char *words);
void theirs_await(const struct theirs *theirs, size_t server, const char *words,
                  const char *wanted);

#endif
