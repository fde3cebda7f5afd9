/* SPDX-License-Identifier: MIT */
/* The replica follows its primary before the drill begins: one that is still loading
 * would be no cluster that runs. */
#include "theirs.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FRONT                                                                          \
    "modes: [async, sync]\ncontrol: none because nothing is lost here\n"               \
    "abort: { duration: 1m }\n"

void theirs_write(const struct theirs *theirs, const char *name, const char *text,
                  mode_t mode)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", theirs->drill.dir, name);
    FILE *to = fopen(path, "we");
    cr_assert_not_null(to);
    fputs(text, to);
    cr_assert_eq(fclose(to), 0);
    cr_assert_eq(chmod(path, mode), 0);
}

const char *theirs_ask(const struct theirs *theirs, size_t server, const char *words)
{
    static char line[256];
    char command[256];
    (void)snprintf(command, sizeof command, "redis-cli -p %u %s",
                   theirs->servers[server].port, words);
    FILE *from = popen(command, "r");
    line[0] = '\0';
    cr_assert_not_null(from);
    (void)fgets(line, sizeof line, from); /* it may say nothing */
    (void)pclose(from);                   /* what it said is looked at */
    line[strcspn(line, "\r\n")] = '\0';
    return line;
}

void theirs_await(const struct theirs *theirs, size_t server, const char *words,
                  const char *wanted)
{
    for (int i = 0; i < 500 && strcmp(theirs_ask(theirs, server, words), wanted) != 0;
         i++)
        (void)usleep(20000); /* to poll */
    cr_assert_str_eq(theirs_ask(theirs, server, words), wanted);
}

void theirs_write_cluster(const struct theirs *theirs, const char *environment,
                          const char *commands)
{
    char text[4096];
    (void)snprintf(text, sizeof text,
                   "cluster: 1\nname: theirs\nenvironment: %s\n"
                   "driver: { resp: \"redis://\" }\ndata: { schema: drilled }\n"
                   "nodes:\n"
                   "  r1: { address: 127.0.0.1, ports: [%u], exec: ./away r1 }\n"
                   "  r2: { address: 127.0.0.1, ports: [%u], exec: ./away r2 }\n"
                   "role: |\n  redis-cli -p \"$NODE_PORT\" ROLE | awk 'NR == 1 { print "
                   "$1 == \"master\" ? \"primary\" : $1 == \"slave\" ? \"standby\" : "
                   "$0 }'\n"
                   "commands:\n%s%s",
                   environment, theirs->servers[0].port, theirs->servers[1].port,
                   strstr(commands, "ready:")
                       ? ""
                       : "  ready: redis-cli -e -p \"$NODE_PORT\" PING\n",
                   commands);
    theirs_write(theirs, "cluster.yaml", text, 0644);
}

void theirs_open(struct theirs *theirs, const char *environment, const char *commands,
                 const char *steps)
{
    char text[512];
    if (!server_process_redis(&theirs->servers[0]))
        cr_skip_test("redis-server is not installed");
    cr_assert(server_process_redis(&theirs->servers[1]));
    (void)theirs_ask(theirs, 0, "CONFIG SET repl-diskless-sync-delay 0");
    (void)snprintf(text, sizeof text, "REPLICAOF 127.0.0.1 %u",
                   theirs->servers[0].port);
    (void)theirs_ask(theirs, 1, text);
    theirs_await(theirs, 1, "ROLE | sed -n 4p", "connected");
    theirs_await(theirs, 0, "INFO replication | grep -o state=online", "state=online");
    drill_open(&theirs->drill, FRONT, steps);
    theirs_write_cluster(theirs, environment, commands);
    theirs_write(theirs, "away",
                 "#!/bin/sh\n# NODE COMMAND...\necho \"$1\" >> away.log\nshift\n"
                 "exec env -i PATH=\"$PATH\" NETSPLIT_TEST=1 \"$@\"\n",
                 0755);
    for (size_t i = 0; i < 2; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "r%zu.pid", i + 1);
        (void)snprintf(text, sizeof text, "%d\n", (int)theirs->servers[i].pid);
        theirs_write(theirs, name, text, 0644);
    }
}

void theirs_close(struct theirs *theirs)
{
    cr_expect(drill_wait_unmarked(&theirs->drill), "processes are left");
    cr_expect_eq(drill_count_left(&theirs->drill), 0,
                 "directories or records are left");
    for (size_t i = 0; i < 2; i++) {
        theirs_await(theirs, i, "KEYS drilled:\\*", ""); /* a replica hears of it */
        server_process_close(&theirs->servers[i]);
    }
    drill_close(&theirs->drill);
}
