/* SPDX-License-Identifier: MIT */
/* A second drill on a cluster that is being drilled is told who does that, and touches
 * nothing. */
#include "theirs.h"

#include <criterion/criterion.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { COLLEAGUE = 65534 }; /* nobody */

static struct theirs theirs;
static struct drill_fixture colleague;

#define EXPECT "```yaml expect\nall: { ghost_writes: none }\n```\n"

/* Of a process of another machine's. */
#define THEIR_MARK "alice@web1 pid 4711 since 2026-11-25T02:31:07Z at 00000000-1-1"

static void open_long(void)
{
    theirs_open(&theirs, "staging", "", "# Long\n```yaml run\nfor: 20s\n```\n" EXPECT);
}

/* The same cluster in a directory of their own, of another file. */
static void open_colleague(unsigned user)
{
    char command[1024];
    drill_open(&colleague, "modes: [as-is]\n", EXPECT);
    (void)snprintf(command, sizeof command,
                   "cd '%s' && sed 's/drilled/other/' '%s/cluster.yaml' > cluster.yaml "
                   "&& cp '%s/away' .",
                   colleague.dir, theirs.drill.dir, theirs.drill.dir);
    cr_assert_eq(system(command), 0);
    if (user)
        drill_become(&colleague, user);
}

Test(drill_claim, a_colleagues_drill_is_refused_and_told_by_whom, .timeout = 120)
{
    char wanted[256];
    const struct passwd *we = getpwuid(getuid());
    open_long();
    drill_start(&theirs.drill, NULL);
    cr_assert(drill_await(&theirs.drill, "Long | run"), "%s", theirs.drill.told);
    open_colleague(geteuid() == 0 ? COLLEAGUE : 0);
    cr_expect_eq(drill_run_whole(&colleague, NULL), 3, "%s", colleague.told);
    (void)snprintf(wanted, sizeof wanted, "by %s, pid %d, since 20",
                   we ? we->pw_name : "", (int)theirs.drill.pid);
    cr_expect(strstr(colleague.told, wanted), "%s", colleague.told);
    cr_expect(strstr(colleague.told, "nothing was touched"), "%s", colleague.told);
    drill_finish(&colleague);
    cr_assert_eq(kill(theirs.drill.pid, SIGINT), 0);
    cr_expect_eq(drill_wait(&theirs.drill), 128 + SIGINT, "%s", theirs.drill.told);
    theirs_close(&theirs);
}

Test(drill_claim, what_kill_9_leaves_in_the_data_is_taken_over, .timeout = 120)
{
    static const char *const clean[] = {"clean", NULL};
    static const char *const words[] = {
        "drill", "short.md", "--cluster", "./cluster.yaml", "--out", "again", NULL};
    open_long();
    drill_start(&theirs.drill, NULL);
    cr_assert(drill_await(&theirs.drill, "Long | run"), "%s", theirs.drill.told);
    cr_assert_eq(kill(theirs.drill.pid, SIGKILL), 0);
    cr_expect_eq(drill_wait(&theirs.drill), 128 + SIGKILL);
    cr_expect(drill_wait_unmarked(&theirs.drill));
    cr_expect(strstr(theirs_ask(&theirs, 0, "GET drilled:drill"), " pid "));
    drill_spawn(&theirs.drill, clean);
    cr_expect_eq(drill_wait(&theirs.drill), 0, "%s", theirs.drill.told);
    theirs_write(&theirs, "short.md",
                 "---\nplaybook: Short\nmodes: [as-is]\n---\n"
                 "```yaml workload\nappend: { keys: 5, rate: 100/s }\n```\n"
                 "```yaml run\nfor: 500ms\n```\n" EXPECT,
                 0644);
    drill_spawn(&theirs.drill, words);
    cr_expect_eq(drill_wait(&theirs.drill), 0, "%s", theirs.drill.told);
    cr_expect(strstr(theirs.drill.told, "making the schema drilled: taken over from "),
              "%s", theirs.drill.told);
    theirs_close(&theirs);
}

Test(drill_claim, a_drill_on_another_machine_is_told_and_left_alone, .timeout = 120)
{
    static const char *const words[] = {"drill",          "playbook.md", "--cluster",
                                        "./cluster.yaml", "--out",       "again",
                                        "--take-over",    NULL};
    theirs_open(&theirs, "staging", "", EXPECT);
    (void)theirs_ask(&theirs, 0, "SET drilled:drill '" THEIR_MARK "'");
    (void)theirs_ask(&theirs, 0, "SET drilled:0 3,");
    cr_expect_eq(drill_run_whole(&theirs.drill, NULL), 3, "%s", theirs.drill.told);
    cr_expect(
        strstr(theirs.drill.told,
               "being drilled by alice@web1, pid 4711, since 2026-11-25T02:31:07Z"),
        "%s", theirs.drill.told);
    cr_expect_not(strstr(theirs.drill.told, "NOT UNDONE"), "%s", theirs.drill.told);
    cr_expect_str_eq(theirs_ask(&theirs, 0, "GET drilled:0"), "3,");
    cr_expect_str_eq(theirs_ask(&theirs, 0, "GET drilled:drill"), THEIR_MARK);
    drill_spawn(&theirs.drill, words);
    cr_expect_eq(drill_wait(&theirs.drill), 0, "%s", theirs.drill.told);
    cr_expect(strstr(theirs.drill.told, "taken over from alice@web1"), "%s",
              theirs.drill.told);
    theirs_close(&theirs);
}

Test(drill_claim, data_that_is_kept_is_nobodys_afterwards, .timeout = 120)
{
    char command[512];
    theirs_open(&theirs, "staging", "", EXPECT);
    (void)snprintf(command, sizeof command,
                   "sed -i 's/schema: drilled/schema: drilled, after: keep/' "
                   "'%s/cluster.yaml'",
                   theirs.drill.dir);
    cr_assert_eq(system(command), 0);
    cr_expect_eq(drill_run_whole(&theirs.drill, NULL), 0, "%s", theirs.drill.told);
    cr_expect(strstr(theirs_ask(&theirs, 0, "GET drilled:0"), ","), "it was kept");
    cr_expect_str_empty(theirs_ask(&theirs, 0, "GET drilled:drill"));
    (void)theirs_ask(&theirs, 0, "FLUSHALL");
    theirs_close(&theirs);
}
