/* SPDX-License-Identifier: MIT */
/* How a cluster that runs already is found before a drill, what is refused then, and how
 * it is left: its roles and its modes. */
#include "proxy/base/now.h"
#include "theirs.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CUT                                                                            \
    "# Cut\n```yaml fault\ncut: { from: clients.primary, to: primary "                 \
    "}\n```\n" THEIRS_RUN                                                              \
    "```yaml heal\n```\n```yaml wait\nuntil: writable\n```\n" THEIRS_EXPECT
#define PROMOTE_COMMAND                                                                \
    "  promote: |\n    redis-cli -e -p \"$NODE_PORT\" REPLICAOF NO ONE\n"
#define PROMOTE                                                                        \
    "# Promote\n```yaml promote\nnode: r2\n```\n```yaml clients\nmove: { to: r2 "      \
    "}\n```"                                                                           \
    "\n" THEIRS_RUN THEIRS_EXPECT

static struct theirs theirs;
static struct drill_fixture *const drill = &theirs.drill;

/* As after a failover: r2 is the primary, and r1 its replica. */
static void swap_roles(void)
{
    char words[64];
    (void)snprintf(words, sizeof words, "REPLICAOF 127.0.0.1 %u",
                   theirs.servers[1].port);
    (void)theirs_ask(&theirs, 1, "REPLICAOF NO ONE");
    (void)theirs_ask(&theirs, 0, words);
    theirs_await(&theirs, 0, "ROLE | sed -n 4p", "connected");
}

static void expect_refused(const char *why)
{
    int status = drill_run_whole(drill, NULL);
    cr_expect_eq(status, 3, "status %d; it told:\n%s", status, drill->told);
    cr_expect(strstr(drill->told, why), "%s", drill->told);
    cr_expect(strstr(drill->told, "nothing was touched"), "%s", drill->told);
    theirs_close(&theirs);
}

Test(drill_found, a_primary_that_moved_since_the_last_drill_is_used, .timeout = 120)
{
    theirs_open(&theirs, "staging", "", CUT);
    swap_roles();
    int status = drill_run_whole(drill, NULL);
    cr_expect_eq(status, 0, "status %d; it told:\n%s", status, drill->told);
    cr_expect(strstr(drill->told, "r2 is the primary, not r1, which the file names "
                                  "first"),
              "%s", drill->told);
    cr_expect_not(strstr(drill->told, "nothing moves it back"), "%s", drill->told);
    cr_expect_str_eq(theirs_ask(&theirs, 1, "ROLE"), "master");
    theirs_close(&theirs);
}

Test(drill_found, promoting_the_primary_is_met_before_it_costs, .timeout = 120)
{
    theirs_open(&theirs, "staging", PROMOTE_COMMAND, PROMOTE);
    swap_roles();
    expect_refused("promotes r2, which is the primary by then (r2 is now)");
}

Test(drill_found, a_second_pass_that_would_promote_the_primary_is_not_begun,
     .timeout = 60)
{
    static const char *const words[] = {"drill",     "playbook.md",    "--repeat", "2",
                                        "--cluster", "./cluster.yaml", NULL};
    theirs_open(&theirs, "staging", PROMOTE_COMMAND, PROMOTE);
    drill_spawn(drill, words);
    cr_expect_eq(drill_wait(drill), 2, "%s", drill->told);
    cr_expect(strstr(drill->told, "promotes r2 and leaves it the primary"), "%s",
              drill->told);
    cr_expect_not(strstr(drill->told, "seed"), "nothing was started");
    theirs_close(&theirs);
}

Test(drill_found, two_primaries_are_refused_by_name, .timeout = 120)
{
    theirs_open(&theirs, "staging", "", CUT);
    (void)theirs_ask(&theirs, 1, "REPLICAOF NO ONE");
    expect_refused("several nodes say that they are primary: r1: primary, r2: primary");
}

Test(drill_found, no_primary_is_refused_by_name, .timeout = 120)
{
    theirs_open(&theirs, "staging", "", CUT);
    (void)theirs_ask(&theirs, 0, "REPLICAOF 127.0.0.1 1");
    expect_refused("no node says that it is the primary: r1: standby, r2: standby");
}

Test(drill_found, a_node_that_went_away_is_named_with_its_command, .timeout = 120)
{
    theirs_open(&theirs, "staging", "", CUT);
    server_process_kill(&theirs.servers[1]);
    expect_refused("r2 is not ready: ready, by ./away r2: status 1: Could not connect");
}

Test(drill_found, one_that_says_nothing_is_named_with_its_status, .timeout = 120)
{
    theirs_open(&theirs, "staging", "  ready: '[ $NODE = r1 ] || exit 7'\n", CUT);
    expect_refused("r2 is not ready: ready, by ./away r2: status 7; nothing was");
}

Test(drill_found, a_node_that_does_not_say_its_role_is_named, .timeout = 120)
{
    theirs_open(&theirs, "staging", "  ready: \"true\"\n", CUT);
    server_process_kill(&theirs.servers[1]);
    expect_refused("not every node says its role: r1: primary, r2: Could not connect");
}

Test(drill_found, a_primary_that_the_drill_moved_is_said_at_the_end, .timeout = 120)
{
    theirs_open(&theirs, "staging",
                PROMOTE_COMMAND "    redis-cli -e -p \"$R1_PORT\" REPLICAOF "
                                "\"$NODE_HOST\" \"$NODE_PORT\"\n",
                PROMOTE);
    int status = drill_run_whole(drill, NULL);
    cr_expect_eq(status, 0, "status %d; it told:\n%s", status, drill->told);
    cr_expect(strstr(drill->told, "netsplit drill: as-is: r2 is the primary now; it "
                                  "was r1, and nothing moves it back"),
              "%s", drill->told);
    json_t *mode = drill_read_mode(drill, "as-is");
    cr_expect_str_eq(json_string_value(json_object_get(mode, "moved")),
                     "r2 is the primary now; it was r1, and nothing moves it back");
    json_decref(mode);
    theirs_close(&theirs);
}

Test(drill_found, two_primaries_at_the_end_are_said_and_cleaned, .timeout = 120)
{
    theirs_open(&theirs, "staging", PROMOTE_COMMAND, PROMOTE);
    (void)drill_run_whole(drill, NULL); /* whatever the verdict */
    cr_expect(strstr(drill->told, "several nodes say that they are primary: r1: "
                                  "primary, r2: primary"),
              "%s", drill->told);
    theirs_close(&theirs);
}

#define SYNC                                                                           \
    "modes:\n  sync:\n    enter: redis-cli -e -p \"$NODE_PORT\" CONFIG SET "           \
    "min-replicas-to-write 1\n    check: |\n      redis-cli -p \"$NODE_PORT\" CONFIG " \
    "GET min-replicas-to-write | grep -x 1\n    leave: %s\n"
#define LEAVE "redis-cli -e -p \"$NODE_PORT\" CONFIG SET min-replicas-to-write 0"

static void open_with_modes(const char *leave, const char *steps)
{
    char commands[512];
    (void)snprintf(commands, sizeof commands, SYNC, leave);
    theirs_open(&theirs, "staging", commands, steps);
}

static void expect_min_replicas(const char *wanted)
{
    cr_expect_str_eq(
        theirs_ask(&theirs, 0, "CONFIG GET min-replicas-to-write | tail -1"), wanted);
}

Test(drill_found, a_mode_is_entered_proved_and_left, .timeout = 120)
{
    open_with_modes(LEAVE, "# Look\n```sh step\nredis-cli -p \"$NODE_PORT\" CONFIG GET "
                           "min-replicas-to-write | grep -x 1\n```\n" CUT);
    int status = drill_run_whole(drill, "sync");
    cr_expect_eq(status, 0, "status %d; it told:\n%s", status, drill->told);
    cr_expect(strstr(drill->told, "sync is 1"), "%s", drill->told);
    expect_min_replicas("0");
    theirs_close(&theirs);
}

Test(drill_found, unless_a_mode_is_asked_for_it_is_as_is, .timeout = 120)
{
    open_with_modes(LEAVE, CUT);
    int status = drill_run_whole(drill, NULL);
    cr_expect_eq(status, 0, "status %d; it told:\n%s", status, drill->told);
    cr_expect(strstr(drill->told, "as-is is as it is"), "%s", drill->told);
    cr_expect_not(strstr(drill->told, "sync is"), "%s", drill->told);
    drill_spawn(drill,
                (const char *const[]){"drill", "playbook.md", "--cluster",
                                      "./cluster.yaml", "--mode", "asnyc", NULL});
    cr_expect_eq(drill_wait(drill), 2);
    cr_expect(strstr(drill->told, "has no mode \"asnyc\"; it has: as-is sync"), "%s",
              drill->told);
    theirs_close(&theirs);
}

Test(drill_found, ctrl_c_leaves_the_mode, .timeout = 120)
{
    open_with_modes(LEAVE, "# Wait\n```yaml run\nfor: 20s\n```\n" THEIRS_EXPECT);
    drill_start(drill, "sync");
    cr_assert(drill_await(drill, "Wait | run"), "%s", drill->told);
    expect_min_replicas("1");
    cr_assert_eq(kill(drill->pid, SIGINT), 0);
    cr_expect_eq(drill_wait(drill), 128 + SIGINT, "it told:\n%s", drill->told);
    cr_expect(strstr(drill->told, "drill: everything is undone"), "%s", drill->told);
    expect_min_replicas("0");
    theirs_close(&theirs);
}

Test(drill_found, after_a_second_signal_no_command_has_much_time, .timeout = 120)
{
    static const char *const forget[] = {"clean", "--forget", NULL};
    char commands[1024];
    (void)snprintf(commands, sizeof commands,
                   "  pause: kill -STOP $(cat $NODE.pid)\n"
                   "  resume: sleep 1; kill -CONT $(cat $NODE.pid)\n" SYNC,
                   LEAVE "; sleep 100");
    theirs_open(&theirs, "staging", commands,
                "# Pause\n```yaml fault\npause: r2\n```\n```yaml run\nfor: 20s\n```\n"
                "```yaml heal\n```\n" THEIRS_EXPECT);
    drill_start(drill, "sync");
    cr_assert(drill_await(drill, "Pause | run"), "%s", drill->told);
    cr_assert_eq(kill(drill->pid, SIGINT), 0);
    cr_assert(drill_await(drill, "once more to hurry"), "%s", drill->told);
    cr_assert_eq(kill(drill->pid, SIGINT), 0); /* before the mode is left */
    cr_expect_eq(drill_wait(drill), 128 + SIGINT, "it told:\n%s", drill->told);
    cr_expect(strstr(drill->told,
                     "the mode is still on at r1: leave, by ./away r1: not "
                     "done within 3s"),
              "%s", drill->told);
    cr_expect_not(strstr(drill->told, "line 18 is not undone"), "%s", drill->told);
    drill_spawn(drill, forget);
    cr_expect_eq(drill_wait(drill), 0, "%s", drill->told);
    theirs_close(&theirs);
}

Test(drill_found, a_mode_that_cannot_be_left_is_not_undone, .timeout = 120)
{
    static const char *const clean[] = {"clean", NULL};
    open_with_modes("test -e key || { echo locked; exit 4; }; " LEAVE, THEIRS_EXPECT);
    int status = drill_run_whole(drill, "sync");
    cr_expect_eq(status, 3, "status %d; it told:\n%s", status, drill->told);
    cr_expect(strstr(drill->told, "NOT UNDONE: sync: the mode is still on at r1: "
                                  "leave, by ./away r1: status 4: locked"),
              "%s", drill->told);
    theirs_write(&theirs, "key", "", 0644);
    drill_spawn(drill, clean);
    cr_expect_eq(drill_wait(drill), 0, "%s", drill->told);
    cr_expect(strstr(drill->told, "undone: leaving the mode sync at r1"), "%s",
              drill->told);
    expect_min_replicas("0");
    theirs_close(&theirs);
}

/* The schema stays: the next drill takes it over. */
Test(drill_found, killed_what_its_commands_undo_is_undone_by_clean, .timeout = 120)
{
    char commands[1024];
    (void)snprintf(commands, sizeof commands, THEIRS_PAUSE SYNC, LEAVE);
    theirs_open(&theirs, "staging", commands,
                "# Pause\n```yaml fault\npause: r2\n```\n```yaml run\nfor: 20s\n```\n"
                "```yaml heal\n```\n" THEIRS_EXPECT);
    drill_start(drill, "sync");
    cr_assert(drill_await(drill, "Pause | run"), "%s", drill->told);
    cr_assert_eq(kill(drill->pid, SIGKILL), 0);
    cr_expect_eq(drill_wait(drill), 128 + SIGKILL);
    expect_min_replicas("1");
    cr_expect_eq(drill_run_whole(drill, NULL), 3, "the mode would be judged as-is");
    cr_expect(strstr(drill->told, "resuming r2 after line"), "%s", drill->told);
    cr_expect(strstr(drill->told, "nothing was touched: netsplit clean"), "%s",
              drill->told);
    expect_min_replicas("1");
    drill_spawn(drill, (const char *const[]){"clean", NULL});
    cr_expect_eq(drill_wait(drill), 0, "%s", drill->told);
    cr_expect(strstr(drill->told, "undone: leaving the mode sync at r1"), "%s",
              drill->told);
    expect_min_replicas("0");
    (void)theirs_ask(&theirs, 0, "FLUSHALL");
    theirs_close(&theirs); /* it asks r2, which runs again */
}
