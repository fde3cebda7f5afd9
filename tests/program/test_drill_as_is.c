/* SPDX-License-Identifier: MIT */
/* What a drill does to a cluster that netsplit did not start, and what it does not. */
#include "theirs.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>

static struct theirs theirs;
static struct drill_fixture *const drill = &theirs.drill;

static void close_theirs(void)
{
    cr_expect_str_eq(theirs_ask(&theirs, 0, "ROLE"), "master", "it runs as before");
    theirs_close(&theirs);
}

Test(drill_as_is, a_running_cluster_is_drilled_and_left_as_it_was, .timeout = 180)
{
    theirs_open(
        &theirs, "staging", THEIRS_PAUSE,
        "# Look\n```sh step on=r2\n"
        "[ \"$NODE $PRIMARY $NODES\" = \"r2 r1 r1 r2\" ]\n"
        "[ -z \"${TMPDIR-}\" ] || exit 7\ncat\n"
        "[ -z \"$(ls -l /proc/$$/fd | grep socket:)\" ]\n```\n"
        "# Cut\n```yaml fault\ncut: { from: clients.r1, to: r1 }\n```\n" THEIRS_RUN
        "```yaml heal\n```\n```yaml wait\nuntil: writable\n```\n"
        "# Pause\n```yaml fault\npause: r1\n```\n" THEIRS_RUN
        "```yaml heal\n```\n```yaml wait\nuntil: writable\n```\n" THEIRS_EXPECT);
    int status = drill_run_whole(drill, NULL);
    cr_expect_eq(status, 0, "status %d; it told:\n%s", status, drill->told);
    cr_expect(strstr(drill->told, "as-is is as it is"), "%s", drill->told);
    close_theirs();
}

Test(drill_as_is, ctrl_c_resumes_and_removes_what_was_written, .timeout = 180)
{
    theirs_open(&theirs, "staging", THEIRS_PAUSE,
                "# Fault\n```yaml fault\npause: r1\n```\n"
                "```yaml run\nfor: 20s\n```\n" THEIRS_EXPECT);
    drill_start(drill, NULL);
    cr_assert(drill_await(drill, "Fault | run"), "%s", drill->told);
    cr_assert_eq(kill(drill->pid, SIGINT), 0);
    cr_expect_eq(drill_wait(drill), 128 + SIGINT, "it told:\n%s", drill->told);
    cr_expect(strstr(drill->told, "drill: everything is undone"), "%s", drill->told);
    close_theirs();
}

Test(drill_as_is, a_killed_node_is_started_by_its_command, .timeout = 180)
{
    theirs_open(
        &theirs, "staging",
        "  kill: |\n    touch killed; redis-cli -p \"$NODE_PORT\" CLIENT PAUSE "
        "1500 ALL\n"
        "  start: |\n    rm killed; redis-cli -p \"$NODE_PORT\" CLIENT UNPAUSE\n"
        "    sleep 60 >/dev/null 2>&1 & echo $! > started\n",
        "# Fault\n```yaml fault\nkill: primary\n```\n" THEIRS_RUN
        "```yaml heal\n```\n```yaml wait\nuntil: writable\n```\n"
        "```sh step\n[ ! -e killed ]\npid=$(cat started)\ngrep -q sleep "
        "/proc/$pid/cmdline\nkill $pid\n```\n" THEIRS_EXPECT);
    int status = drill_run_whole(drill, NULL);
    cr_expect_eq(status, 0, "status %d; it told:\n%s", status, drill->told);
    close_theirs();
}

Test(drill_as_is, clean_starts_no_second_primary, .timeout = 120)
{
    static const char *const clean[] = {"clean", NULL};
    theirs_open(
        &theirs, "staging",
        "  kill: touch killed; redis-cli -p \"$NODE_PORT\" CLIENT PAUSE 1500 ALL\n"
        "  start: touch started\n  rejoin: touch rejoined\n"
        "  promote: redis-cli -e -p \"$NODE_PORT\" REPLICAOF NO ONE\n",
        "# Kill\n```yaml fault\nkill: primary\n```\n" THEIRS_RUN
        "# Promote\n```yaml promote\nnode: r2\n```\n"
        "```yaml run\nfor: 20s\n```\n```yaml heal\n```\n" THEIRS_EXPECT);
    drill_start(drill, NULL);
    cr_assert(drill_await(drill, "Promote | run"), "%s", drill->told);
    cr_assert_eq(kill(drill->pid, SIGKILL), 0);
    cr_expect_eq(drill_wait(drill), 128 + SIGKILL);
    drill_spawn(drill, clean);
    cr_expect_eq(drill_wait(drill), 0, "%s", drill->told);
    cr_expect(strstr(drill->told, "r1 is down after line 18, and was replaced"), "%s",
              drill->told);
    cr_expect_not(strstr(drill->told, "undone: starting r1"), "%s", drill->told);
    (void)theirs_ask(&theirs, 0, "FLUSHALL");
    (void)theirs_ask(&theirs, 1, "FLUSHALL");
    close_theirs();
}

Test(drill_as_is, a_server_that_an_undo_starts_lives_on, .timeout = 180)
{
    theirs_open(&theirs, "staging", "",
                "# Fault\n```yaml fault\nrun: touch broken\nundo: |\n"
                "  sleep 60 >/dev/null 2>&1 & echo $! > started\n```\n" THEIRS_RUN
                "```yaml heal\n```\n"
                "```sh step\npid=$(cat started)\ngrep -q sleep /proc/$pid/cmdline\n"
                "kill $pid\n```\n" THEIRS_EXPECT);
    int status = drill_run_whole(drill, NULL);
    cr_expect_eq(status, 0, "status %d; it told:\n%s", status, drill->told);
    close_theirs();
}

Test(drill_as_is, nothing_is_done_for_which_there_is_no_command, .timeout = 60)
{
    theirs_open(&theirs, "staging", "",
                "# Fault\n```yaml fault\nkill: r1\n```\n" THEIRS_RUN
                "```yaml fault\npause: r1\n```\n" THEIRS_RUN THEIRS_EXPECT);
    cr_expect_eq(drill_run_whole(drill, NULL), 2, "%s", drill->told);
    cr_expect(strstr(drill->told, "has no commands kill and start"), "%s", drill->told);
    cr_expect(strstr(drill->told, "has no commands pause and resume"), "%s",
              drill->told);
    close_theirs();
}

Test(drill_as_is, production_is_confirmed_by_its_name, .timeout = 180)
{
    static const char *const wrong[] = {
        "drill",     "playbook.md", "--cluster", "./cluster.yaml",
        "--confirm", "ours",        NULL};
    static const char *const right[] = {
        "drill",     "playbook.md", "--cluster", "./cluster.yaml",
        "--confirm", "theirs",      NULL};
    theirs_open(&theirs, "production", "", THEIRS_EXPECT);
    cr_expect_eq(drill_run_whole(drill, NULL), 2, "%s", drill->told);
    cr_expect(strstr(drill->told, "if that is meant: --confirm theirs"), "%s",
              drill->told);
    drill_spawn(drill, wrong);
    cr_expect_eq(drill_wait(drill), 2, "%s", drill->told);
    cr_expect_not(strstr(drill->told, "seed"), "nothing was started");
    drill_spawn(drill, right);
    cr_expect_eq(drill_wait(drill), 0, "%s", drill->told);
    close_theirs();
}

Test(drill_as_is, production_needs_a_stop_condition, .timeout = 60)
{
    static const char *const words[] = {
        "drill", "bare.md", "--cluster", "./cluster.yaml", "--confirm", "theirs", NULL};
    theirs_open(&theirs, "production", "", THEIRS_EXPECT);
    theirs_write(
        &theirs, "bare.md",
        "---\nplaybook: Bare\n---\n```yaml workload\nappend: { keys: 1 }\n```\n"
        "```yaml run\nfor: 1s\n```\n",
        0644);
    drill_spawn(drill, words);
    cr_expect_eq(drill_wait(drill), 2, "%s", drill->told);
    cr_expect(strstr(drill->told, "no stop condition"), "%s", drill->told);
    close_theirs();
}
