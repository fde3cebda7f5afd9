/* SPDX-License-Identifier: MIT */
#include "proxy/base/rundir_owed.h"

#include "proxy/base/now.h"
#include "proxy/base/tempdir.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* A session directory of the test's own: netsplit/ will be made in it, and what commands
 * write lies beside. */
static char session[TEMPDIR_PATH_MAX];
static struct errmsg err;
static char said[4096]; /* what cleaning said, a line each */

static void setup(void)
{
    cr_assert_eq(tempdir_make("test-owed", session, NULL), 0);
    cr_assert_eq(setenv("XDG_RUNTIME_DIR", session, 1), 0);
    cr_assert_eq(setenv("AMBIENT", "canary", 1), 0);
    cr_assert_eq(chdir(session), 0);
}

static void teardown(void)
{
    cr_assert_eq(chdir("/"), 0);
    cr_assert_eq(tempdir_remove(session), 0);
}

TestSuite(rundir_owed, .init = setup, .fini = teardown, .timeout = 60);

static void note(void *arg, const char *line)
{
    (void)arg;
    (void)strncat(said, line, sizeof said - strlen(said) - 2);
    (void)strcat(said, "\n");
}

static int clean(void)
{
    said[0] = '\0';
    return rundir_clean(note, NULL, &err);
}

static unsigned owe(struct rundir_record *record, const char *script)
{
    const char *const argv[] = {"sh", "-eu", "-c", script, NULL};
    const char *const env[] = {"AMBIENT=canary", "NODE=n1", NULL};
    struct rundir_debt debt = {.what = script,
                               .script = script,
                               .argv = argv,
                               .env = env,
                               .within_ns = 20 * NS_PER_S};
    unsigned id = 0;
    if (rundir_owe(record, &debt, &id) != 0)
        _exit(1);
    return id;
}

/* A run that owes the scripts and dies; settled: an index of one that was undone, or -1.
 */
static void die_owing(const char *const *scripts, int settled)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        struct rundir_record *record;
        if (rundir_record_open(&record, "drill", &err) != 0)
            _exit(1);
        for (int i = 0; scripts[i]; i++) {
            unsigned id = owe(record, scripts[i]);
            if (i == settled)
                rundir_settle(record, id);
        }
        _exit(0);
    }
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert_eq(status, 0);
}

/* The first line of a file in the session directory; "" = there is none. */
static const char *read_line(const char *name)
{
    static char line[256];
    FILE *from = fopen(name, "r");
    line[0] = '\0';
    if (from && !fgets(line, sizeof line, from))
        line[0] = '\0';
    if (from)
        (void)fclose(from); /* it was only read */
    line[strcspn(line, "\n")] = '\0';
    return line;
}

/* Everything that lies in the runtime directory. */
static const char *read_records(void)
{
    static char text[8192];
    FILE *from = popen("cat netsplit/run-* 2>/dev/null", "r");
    cr_assert_not_null(from);
    text[fread(text, 1, sizeof text - 1, from)] = '\0';
    (void)pclose(from); /* there may be none */
    return text;
}

Test(rundir_owed, clean_runs_what_the_dead_owe_the_last_first)
{
    static const char *const scripts[] = {"printf 1 >> order", "printf 2 >> order",
                                          "printf 3 >> order", NULL};
    die_owing(scripts, 1);
    cr_assert_eq(chdir("/"), 0); /* whoever cleans is elsewhere */
    cr_expect_eq(clean(), 3, "two scripts and a record: %s", said);
    cr_assert_eq(chdir(session), 0);
    cr_expect_str_eq(read_line("order"), "31");
    cr_expect(strstr(said, "undone: printf 3 >> order, left by drill "), "%s", said);
    cr_expect_str_empty(read_records());
}

Test(rundir_owed, the_living_are_left_alone)
{
    struct rundir_record *record;
    cr_assert_eq(rundir_record_open(&record, "drill", &err), 0, "%s", err.text);
    unsigned id = owe(record, "printf 1 >> order");
    cr_expect_eq(clean(), 0, "%s", said);
    cr_expect_str_empty(read_line("order"));
    rundir_settle(record, id);
    rundir_record_close(record);
    cr_expect_str_empty(read_records());
}

Test(rundir_owed, what_a_run_could_not_undo_outlives_its_good_end)
{
    struct rundir_record *record;
    cr_assert_eq(rundir_record_open(&record, "drill", &err), 0, "%s", err.text);
    (void)owe(record, "printf 1 >> order");
    rundir_record_close(record);
    cr_expect(strstr(read_records(), "printf 1 >> order"));
}

Test(rundir_owed, its_environment_is_noted_and_ours_is_not)
{
    static const char *const scripts[] = {"echo $NODE $AMBIENT > env", NULL};
    die_owing(scripts, -1);
    cr_expect(strstr(read_records(), "NODE=n1"), "%s", read_records());
    cr_expect_not(strstr(read_records(), "canary"), "%s", read_records());
    cr_assert_eq(setenv("NODE", "another", 1), 0);
    cr_expect_eq(clean(), 2, "%s", said);
    cr_expect_str_eq(read_line("env"), "n1 canary");
}

Test(rundir_owed, what_fails_stays_owed_until_it_works)
{
    static const char *const scripts[] = {"test -e mended\nprintf 1 >> order",
                                          "printf 2 >> order", NULL};
    die_owing(scripts, -1);
    cr_expect_eq(clean(), -EAGAIN, "%s", said);
    cr_expect(strstr(said, "NOT UNDONE: test -e mended"), "%s", said);
    cr_expect(strstr(said, ": status 1; by hand: test -e mended\n"), "%s", said);
    cr_expect(strstr(err.text, "netsplit clean` again"), "%s", err.text);
    cr_assert_eq(system("touch mended"), 0);
    cr_expect_eq(clean(), 2, "%s", said);
    cr_expect_str_eq(read_line("order"), "21", "each was done once");
    cr_expect_str_empty(read_records());
}

Test(rundir_owed, what_is_given_up_is_not_run_but_said)
{
    static const char *const scripts[] = {"printf 1 >> order", NULL};
    die_owing(scripts, -1);
    said[0] = '\0';
    cr_expect_eq(rundir_forget(note, NULL, &err), 1, "the record: %s", said);
    cr_expect(strstr(said, "given up; by hand: printf 1 >> order"), "%s", said);
    cr_expect_str_empty(read_line("order"));
    cr_expect_str_empty(read_records());
}

Test(rundir_owed, what_cannot_be_run_is_said_once)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        struct rundir_record *record;
        struct rundir_debt debt = {.what = "the data x"};
        unsigned id = 0;
        _exit(rundir_record_open(&record, "drill", &err) != 0 ||
              rundir_owe(record, &debt, &id) != 0);
    }
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert_eq(status, 0);
    cr_expect_eq(clean(), 1, "%s", said);
    cr_expect(strstr(said, "left by drill ") && strstr(said, ": the data x"), "%s",
              said);
    cr_expect_eq(clean(), 0, "%s", said);
}

Test(rundir_owed, what_cannot_be_written_down_is_not_owed)
{
    static const char *const argv[] = {"true", NULL};
    const struct rlimit none = {0, RLIM_INFINITY}, any = {RLIM_INFINITY, RLIM_INFINITY};
    struct rundir_record *record;
    struct rundir_debt debt = {.what = "w", .script = "true", .argv = argv};
    unsigned id = 7;
    cr_assert_eq(rundir_record_open(&record, "drill", &err), 0, "%s", err.text);
    (void)signal(SIGXFSZ, SIG_IGN); /* as main() does */
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &none), 0);
    int status = rundir_owe(record, &debt, &id);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &any), 0);
    cr_expect_eq(status, -EFBIG);
    cr_expect_eq(id, 0);
    cr_expect_not(strstr(read_records(), "\"what\":\"w\""), "%s", read_records());
    rundir_record_close(record);
    cr_expect_eq(system("ls netsplit/run-* 2>/dev/null"), 256 * 2, "nothing is left");
}

Test(rundir_owed, what_is_no_utf8_is_told_apart_from_a_lack_of_memory)
{
    static const char *const good[] = {"true", NULL}, *const bad[] = {"A=\xe9", NULL};
    struct rundir_debt debt = {.what = "w", .argv = good, .env = bad};
    struct rundir_record *record = NULL;
    unsigned id = 1;
    cr_assert_eq(rundir_record_open(&record, "drill", &err), 0);
    cr_expect_eq(rundir_owe(record, &debt, &id), -EILSEQ);
    cr_expect_eq(id, 0);
    debt.env = good;
    cr_expect_eq(rundir_owe(record, &debt, &id), 0);
    rundir_settle(record, id);
    rundir_record_close(record);
}

Test(rundir_owed, one_that_takes_too_long_is_stopped)
{
    struct rundir_record *record;
    cr_assert_eq(rundir_record_open(&record, "drill", &err), 0, "%s", err.text);
    json_t *debt = json_pack("{s:[s, s], s:[], s:i}", "argv", "sleep", "30", "env",
                             "within_ms", 50);
    char told[64];
    cr_expect_not(rundir_pay(debt, told, sizeof told));
    cr_expect_str_eq(told, "not done in time");
    json_decref(debt);
    rundir_record_close(record);
}

Test(rundir_owed, a_debt_that_makes_no_sense_is_not_run)
{
    static const char *const texts[] = {"{}", "{\"argv\": []}", "{\"argv\": [1]}",
                                        "{\"argv\": \"sh\"}"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char told[64] = "";
        json_t *debt = json_loads(texts[i], 0, NULL);
        cr_expect_not(rundir_pay(debt, told, sizeof told), "%s", texts[i]);
        cr_expect_str_eq(told, "it cannot be read", "%s", texts[i]);
        json_decref(debt);
    }
}
