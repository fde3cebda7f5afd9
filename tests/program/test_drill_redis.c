/* SPDX-License-Identifier: MIT */
/* Redis in a drill: what it loses, what WAIT keeps, and a primary that dies. */
#include "drill_fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct drill_fixture drill;

#define STOP "abort: { duration: 2m }\n"
#define AFTER                                                                          \
    "```yaml promote\nnode: n2\nwithin: 20s\n```\n"                                    \
    "```yaml wait\nuntil: role n2 primary\n```\n"                                      \
    "```yaml clients\nmove: { to: n2 }\n```\n"                                         \
    "```yaml wait\nuntil: writable\n```\n"                                             \
    "```yaml heal\n```\n"                                                              \
    "```yaml wait\nuntil: role n1 standby\n```\n"                                      \
    "```yaml wait\nuntil: converged\n```\n"

static void run_on_redis(const char *front, const char *steps)
{
    if (system("command -v redis-server >/dev/null") != 0)
        cr_skip_test("redis-server is not installed");
    drill_open(&drill, front, steps);
    drill_use_cluster(&drill, "redis");
    int status = drill_run_whole(&drill, NULL);
    cr_expect_eq(status, 0, "status %d; it told:\n%s", status, drill.told);
    drill_finish(&drill);
}

Test(drill_redis, cut_off_loses_what_no_replica_had_unless_it_was_waited_for,
     .timeout = 240)
{
    run_on_redis(
        "modes: [async, sync]\n" STOP,
        "# Fault\n```yaml fault\n"
        "partition: [[primary, clients.primary], [standbys, clients.standbys]]\n"
        "```\n```yaml run\nfor: 1s\n```\n" AFTER "```yaml expect\n"
        "async: { lost_writes: at least 1 }\n"
        "sync: { lost_writes: none, acked: at least 10 }\n"
        "all: { ghost_writes: none, duplicates: none }\n```\n");
}

Test(drill_redis, a_killed_primary_follows_the_one_that_replaced_it, .timeout = 240)
{
    run_on_redis("modes: [sync]\ncontrol: none because sync loses nothing\n" STOP,
                 "# Fault\n```yaml fault\nkill: primary\n```\n"
                 "```yaml run\nfor: 500ms\n```\n" AFTER "```yaml expect\n"
                 "sync: { lost_writes: none, ghost_writes: none }\n```\n");
}

/* n2 follows nobody for a while, so that only n3 has what was acknowledged meanwhile. */
Test(drill_redis, promotion_takes_over_what_only_another_replica_has, .timeout = 240)
{
    run_on_redis(
        "modes: [sync]\ncontrol: none because sync loses nothing\n" STOP,
        "# Fault\n```sh step\n# netsplit: step on=n2\n"
        "redis-cli -e -h \"$NODE_HOST\" -p \"$NODE_PORT\" REPLICAOF 127.0.0.1 1\n"
        "```\n```yaml run\nfor: 500ms\n```\n"
        "```yaml fault\nkill: primary\n```\n"
        "```yaml run\nfor: 500ms\n```\n"
        "```sh step\n# netsplit: step on=n2\n"
        "redis-cli -e -h \"$NODE_HOST\" -p \"$NODE_PORT\" "
        "REPLICAOF $N1_HOST $N1_PORT\n```\n" AFTER "```yaml expect\n"
        "sync: { lost_writes: none, ghost_writes: none }\n```\n");
}
