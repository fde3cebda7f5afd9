/* SPDX-License-Identifier: MIT */
/* A secret planted in every place from which one could come is in nothing that a drill
 * shows or keeps. */
#include "drill_fixture.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct drill_fixture drill;

/* Each has another number, so that the one that got out is known. */
#define CANARY "canary-bird-"

static const char front[] =
    "modes: [async]\ncontrol: none because nothing is lost here\n"
    "abort: { duration: 1m }\nvars: { APP_SECRET: " CANARY "1, RATE: 200/s }\n";

static const char steps[] =
    "The runbook says redis://:" CANARY "2@10.0.0.1/0.\n\n"
    "# Step\n"
    "```sh step\n"
    "echo one $APP_SECRET two $DB_PASSWORD three $LICENCE four $OUTER_TOKEN\n"
    "echo five: PGPASSWORD=" CANARY "3\n"
    "echo naked " CANARY "4\n"
    "echo six $MODE_API_KEY, seven $OPERATOR_SECRET\n```\n"
    "```sh probe every=200ms\necho $DB_PASSWORD 1\n```\n"
    "```yaml fault\nrun: echo eight $LICENCE\nundo: echo nine $LICENCE\n"
    "felt: echo ten $LICENCE\n```\n"
    "```yaml run\nfor: 400ms\n```\n"
    "```sh step on-fail=continue\necho eleven $LICENCE; exit 3\n```\n"
    "```sh step\necho twelve $DB_PASSWORD >&2; exit 4\n```\n"
    "```yaml expect\nall: { ghost_writes: none }\n```\n";

/* The shipped cluster of the store, with secrets, and with commands that tell them. */
static void plant(void)
{
    char command[2048];
    (void)snprintf(
        command, sizeof command,
        "cd '%s' && sed -i -e 's/awk\\]/awk], secrets: [LICENCE]/' "
        "-e 's/^env:$/env:\\n  "
        "DB_PASSWORD: " CANARY "4\\n  LICENCE: " CANARY "5/' "
        "-e 's/^    role=replica$/    echo at start $DB_PASSWORD $LICENCE\\n&/' "
        "-e 's/^  async:$/&\\n    env: { MODE_API_KEY: " CANARY "6 }/' "
        "-e 's/^  version: |$/&\\n    echo version $DB_PASSWORD/' cluster.yaml",
        drill.dir);
    cr_assert_eq(system(command), 0);
    cr_assert_eq(setenv("OUTER_TOKEN", CANARY "7", 1), 0);
}

static void expect_silent(const char *what)
{
    const char *found = strstr(drill.told, CANARY);
    cr_expect_null(found, "%s: %.60s\nin:\n%s", what, found ? found : "", drill.told);
}

/* Where one is, or "". */
static const char *find_kept(void)
{
    static char line[1024];
    char command[512];
    (void)snprintf(command, sizeof command, "grep -r -a -o '.\\{0,60\\}%s.' '%s/out'",
                   CANARY, drill.dir);
    FILE *from = popen(command, "r");
    line[0] = '\0';
    cr_assert_not_null(from);
    (void)fgets(line, sizeof line, from); /* there should be none */
    (void)pclose(from);                   /* what it found is looked at */
    return line;
}

static bool is_kept(const char *text)
{
    char command[512];
    (void)snprintf(command, sizeof command, "grep -r -q -- '%s' '%s/out'", text,
                   drill.dir);
    return system(command) == 0;
}

static void run(const char *const *words, int status)
{
    drill_spawn(&drill, words);
    cr_expect_eq(drill_wait(&drill), status, "%s", drill.told);
}

#define WORDS "drill", "playbook.md", "--cluster", "./cluster.yaml"

Test(drill_secrets, are_in_nothing_that_is_shown_or_kept, .timeout = 60)
{
    static const char *const words[] = {WORDS, "--out", "out", NULL};
    drill_open(&drill, front, steps);
    plant();
    cr_assert_eq(setenv("OPERATOR_SECRET", CANARY "8", 1), 0);
    run(words, 1);
    expect_silent("drill");
    cr_expect_str_eq(find_kept(), "");
    cr_expect(is_kept("one \\*\\*\\* two \\*\\*\\* three \\*\\*\\* four \\*\\*\\*"),
              "the output was kept");
    cr_expect(is_kept("at start \\*\\*\\* \\*\\*\\*"), "so were the nodes' logs");
    cr_expect(is_kept("DB_PASSWORD: \\*\\*\\*"), "and the cluster file");
    drill_finish(&drill);
}

/* Knows how to set up, and else answers what nobody understands. */
static const char driver[] =
    "#!/bin/sh\n"
    "while read -r line; do\n"
    "    op=${line#*op\\\":}\n"
    "    case $line in\n"
    "    *setup*) echo \"{\\\"op\\\":${op%%,*},\\\"type\\\":\\\"ok\\\"}\" ;;\n"
    "    *) echo no " CANARY "4 ;;\n"
    "    esac\n"
    "done\n";

static void use_driver(void)
{
    char path[512], command[512];
    (void)snprintf(path, sizeof path, "%s/driver", drill.dir);
    FILE *to = fopen(path, "w");
    cr_assert_not_null(to);
    fputs(driver, to);
    cr_assert_eq(fclose(to), 0);
    (void)snprintf(command, sizeof command,
                   "cd '%s' && chmod 755 driver && "
                   "sed -i 's|^driver: .*|driver: { exec: ./driver }|' cluster.yaml",
                   drill.dir);
    cr_assert_eq(system(command), 0);
}

Test(drill_secrets, are_not_in_what_is_said_of_a_driver, .timeout = 60)
{
    static const char *const words[] = {WORDS, "--out", "out", NULL};
    drill_open(&drill, front, "```yaml expect\nall: { ghost_writes: none }\n```\n");
    plant();
    use_driver();
    drill_spawn(&drill, words);
    cr_expect(drill_await(&drill, "but \"no ***\"; see async/driver.log"), "%s",
              drill.told);
    cr_assert_eq(kill(drill.pid, SIGINT), 0); /* else all is read from it at the end */
    (void)drill_wait(&drill);
    expect_silent("drill");
    cr_expect_str_eq(find_kept(), "");
    drill_finish(&drill);
}

Test(drill_secrets, are_not_in_what_preflight_finds, .timeout = 60)
{
    static const char *const words[] = {"preflight", "./cluster.yaml", NULL};
    char command[512];
    drill_open(&drill, front, "```yaml expect\nall: { ghost_writes: none }\n```\n");
    (void)snprintf(command, sizeof command,
                   "cd '%s' && printf 'cluster: 1\nname: theirs\n"
                   "driver: { resp: redis:// }\nrole: echo $DB_PASSWORD\n"
                   "env: { DB_PASSWORD: " CANARY "4 }\n"
                   "nodes: { n1: { address: 127.0.0.1, ports: [9] } }\n"
                   "commands: { ready: echo $DB_PASSWORD; exit 3 }\n' > cluster.yaml",
                   drill.dir);
    cr_assert_eq(system(command), 0);
    run(words, 3);
    expect_silent("preflight");
    cr_expect(strstr(drill.told, "***"), "%s", drill.told);
    drill_close(&drill);
}

Test(drill_secrets, are_missed_before_anything_starts, .timeout = 60)
{
    static const char *const words[] = {WORDS, NULL};
    static const char *const preflight[] = {"preflight", "./cluster.yaml", NULL};
    char command[512];
    drill_open(&drill, front, steps);
    (void)snprintf(command, sizeof command,
                   "sed -i 's/awk\\]/awk], secrets: [LICENCE]/' '%s/cluster.yaml'",
                   drill.dir);
    cr_assert_eq(system(command), 0);
    run(words, 3);
    cr_expect(strstr(drill.told, "needs the variable LICENCE, which is not set"), "%s",
              drill.told);
    cr_expect_not(strstr(drill.told, "seed"), "nothing was started");
    run(preflight, 3);
    cr_expect(strstr(drill.told, "the variable LICENCE is not set"), "%s", drill.told);
    drill_close(&drill);
}

Test(drill_secrets, are_not_in_a_drills_plan, .timeout = 60)
{
    static const char *const words[] = {WORDS, "--dry-run", "--set",
                                        "APP_SECRET=" CANARY "9", NULL};
    drill_open(&drill, front, steps);
    plant();
    run(words, 0);
    expect_silent("--dry-run");
    cr_expect(strstr(drill.told, "echo five: PGPASSWORD=***"), "%s", drill.told);
    drill_close(&drill);
}

Test(drill_secrets, are_not_in_what_is_said_of_a_wrong_file, .timeout = 60)
{
    static const char *const check[] = {"check", "cluster.yaml", NULL};
    static const char *const words[] = {WORDS, NULL};
    char command[512];
    drill_open(&drill, front, steps);
    plant();
    (void)snprintf(command, sizeof command,
                   "sed -i 's/^  DB_PASSWORD: /  db_PASSWORD: /' '%s/cluster.yaml'",
                   drill.dir);
    cr_assert_eq(system(command), 0);
    run(check, 2);
    expect_silent("check");
    cr_expect(strstr(drill.told, "db_PASSWORD: *************\n"), "%s", drill.told);
    run(words, 2);
    expect_silent("drill");
    drill_close(&drill);
}

Test(drill_secrets, are_hidden_when_a_signal_ends_the_drill, .timeout = 60)
{
    static const char *const words[] = {WORDS, "--out", "out", NULL};
    drill_open(
        &drill, front,
        "# Step\n```sh step\necho one $LICENCE\nkill -INT \"$PPID\"; sleep 9\n```\n"
        "```yaml expect\nall: { ghost_writes: none }\n```\n");
    plant();
    run(words, 130);
    expect_silent("drill");
    cr_expect_str_eq(find_kept(), "");
    drill_finish(&drill);
}
