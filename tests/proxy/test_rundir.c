/* SPDX-License-Identifier: MIT */
#include "proxy/base/rundir.h"
#include "proxy/base/tempdir.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OTHER_USER = 12345 };

/* A session directory of the test's own: netsplit/ will be made in it. */
static char session[TEMPDIR_PATH_MAX];
static char directory[RUNDIR_PATH_BYTES];
static char control[RUNDIR_PATH_BYTES];
static struct errmsg err;

static void setup(void)
{
    cr_assert_eq(tempdir_make("test-rundir", session, NULL), 0);
    cr_assert_eq(setenv("XDG_RUNTIME_DIR", session, 1), 0);
    cr_assert_eq(unsetenv("NETSPLIT_CONTROL"), 0);
    cr_assert_eq(rundir_find(directory, &err), 0, "%s", err.text);
    cr_assert_eq(rundir_control_path(NULL, control, &err), 0, "%s", err.text);
}

static void teardown(void)
{
    cr_assert_eq(tempdir_remove(session), 0);
}

TestSuite(rundir, .init = setup, .fini = teardown);

static char cleaned[4096]; /* what rundir_clean said, a line each */

static void note(void *arg, const char *line)
{
    (void)arg;
    (void)strncat(cleaned, line, sizeof cleaned - strlen(cleaned) - 2);
    (void)strcat(cleaned, "\n");
}

static int clean(void)
{
    cleaned[0] = 0;
    int n = rundir_clean(note, NULL, &err);
    cr_assert_geq(n, 0, "%s", err.text);
    return n;
}

static bool exists(const char *path)
{
    struct stat info;
    return lstat(path, &info) == 0;
}

Test(rundir, is_private_and_below_the_session_directory)
{
    char wanted[64];
    struct stat info;
    (void)snprintf(wanted, sizeof wanted, "%s/netsplit", session);
    cr_assert_str_eq(directory, wanted);
    cr_assert_eq(stat(directory, &info), 0);
    cr_assert_eq(info.st_mode & 0777, 0700);
}

Test(rundir, option_beats_environment_beats_default)
{
    char path[RUNDIR_PATH_BYTES];
    cr_assert_eq(setenv("NETSPLIT_CONTROL", "/a/b", 1), 0);
    cr_assert_eq(rundir_control_path("/c/d", path, &err), 0);
    cr_assert_str_eq(path, "/c/d");
    cr_assert_eq(rundir_control_path(NULL, path, &err), 0);
    cr_assert_str_eq(path, "/a/b");
}

Test(rundir, a_path_too_long_for_a_socket_is_refused)
{
    char path[RUNDIR_PATH_BYTES], longest[RUNDIR_PATH_BYTES + 1];
    memset(longest, 'x', sizeof longest);
    longest[RUNDIR_PATH_BYTES] = 0;
    cr_assert_eq(rundir_control_path(longest, path, &err), -ENAMETOOLONG);
    longest[RUNDIR_PATH_BYTES - 1] = 0;
    cr_assert_eq(rundir_control_path(longest, path, &err), 0);
}

Test(rundir, a_directory_open_to_others_a_symlink_or_a_file_is_refused)
{
    char path[RUNDIR_PATH_BYTES];
    cr_assert_eq(chmod(directory, 0755), 0);
    cr_assert_eq(rundir_find(path, &err), -EPERM);
    cr_assert_not_null(strstr(err.text, "open to other users"), "%s", err.text);
    cr_assert_eq(rmdir(directory), 0);
    cr_assert_eq(symlink("/tmp", directory), 0);
    cr_assert_eq(rundir_find(path, &err), -EPERM);
    cr_assert_not_null(strstr(err.text, "not a directory"), "%s", err.text);
    cr_assert_eq(unlink(directory), 0);
    cr_assert_eq(close(open(directory, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)), 0);
    cr_assert_eq(rundir_find(path, &err), -EPERM);
}

Test(rundir, a_directory_of_another_user_is_refused)
{
    char path[RUNDIR_PATH_BYTES];
    if (geteuid() != 0)
        cr_skip_test("only root can give a directory away");
    cr_assert_eq(chown(directory, OTHER_USER, OTHER_USER), 0);
    cr_assert_eq(rundir_find(path, &err), -EPERM);
    cr_assert_not_null(strstr(err.text, "another user"), "%s", err.text);
}

/* Runs in a child, which must not use Criterion: 0 if another user, whose session
 * directory this is not, gets one of its own. */
static int find_as_other_user(void)
{
    char path[RUNDIR_PATH_BYTES], wanted[64];
    if (setgid(OTHER_USER) < 0 || setuid(OTHER_USER) < 0)
        return 2;
    (void)snprintf(wanted, sizeof wanted, "/tmp/netsplit-%d", OTHER_USER);
    int status = rundir_find(path, &err);
    (void)rmdir(wanted);
    return status == 0 && strcmp(path, wanted) == 0 ? 0 : 1;
}

Test(rundir, two_users_have_two_directories)
{
    int status;
    if (geteuid() != 0)
        cr_skip_test("only root can become another user");
    pid_t pid = fork();
    if (pid == 0)
        _exit(find_as_other_user());
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert_eq(status, 0);
}

Test(rundir, the_socket_is_private_from_the_start)
{
    struct stat info;
    int fd;
    cr_assert_eq(rundir_bind_control(control, &fd, &err), 0, "%s", err.text);
    cr_assert_eq(stat(control, &info), 0);
    cr_assert_eq(info.st_mode & 0777, 0600);
    cr_assert_eq(close(fd), 0);
}

Test(rundir, a_live_socket_is_refused_with_its_pid_and_a_dead_one_replaced)
{
    int fd, second;
    char wanted[64];
    cr_assert_eq(rundir_bind_control(control, &fd, &err), 0, "%s", err.text);
    cr_assert_eq(rundir_bind_control(control, &second, &err), -EADDRINUSE);
    (void)snprintf(wanted, sizeof wanted, "already: pid %d, since 2", (int)getpid());
    cr_assert_not_null(strstr(err.text, wanted), "%s", err.text);
    cr_assert_eq(close(fd), 0);
    cr_assert(exists(control), "a dead socket is left, as after kill -9");
    cr_assert_eq(rundir_bind_control(control, &second, &err), 0, "%s", err.text);
    cr_assert_eq(close(second), 0);
}

Test(rundir, what_is_not_a_socket_is_not_replaced)
{
    int fd;
    cr_assert_eq(close(open(control, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)), 0);
    cr_assert_eq(rundir_bind_control(control, &fd, &err), -EEXIST);
    cr_assert(exists(control));
}

Test(rundir, start_times_tell_living_from_dead)
{
    uint64_t start, again;
    cr_assert_eq(rundir_start_time(getpid(), &start), 0);
    cr_assert_eq(rundir_start_time(getpid(), &again), 0);
    cr_assert_eq(start, again);
    cr_assert_gt(start, 0);
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    siginfo_t info;
    cr_assert_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    cr_assert_eq(rundir_start_time(pid, &again), -ESRCH, "a zombie is dead");
    cr_assert_eq(waitpid(pid, NULL, 0), pid);
    cr_assert_eq(rundir_start_time(pid, &again), -ESRCH);
}

static size_t count_records(void)
{
    size_t n = 0;
    DIR *entries = opendir(directory);
    cr_assert_not_null(entries);
    for (struct dirent *entry = readdir(entries); entry; entry = readdir(entries))
        n += strncmp(entry->d_name, "run-", 4) == 0;
    (void)closedir(entries);
    return n;
}

Test(rundir, a_record_goes_with_its_run_and_live_ones_are_left_alone)
{
    struct rundir_record *record;
    cr_assert_eq(rundir_record_open(&record, "test", &err), 0, "%s", err.text);
    cr_assert_eq(count_records(), 1);
    cr_assert_eq(rundir_add_path(record, session), 0);
    cr_assert_eq(clean(), 0, "%s", cleaned);
    cr_assert(exists(session));
    rundir_record_close(record);
    cr_assert_eq(count_records(), 0);
}

Test(rundir, no_record_needs_no_special_case)
{
    cr_assert_eq(rundir_add_path(NULL, "/x"), 0);
    cr_assert_eq(rundir_add_child(NULL, 1), 0);
    rundir_drop_path(NULL, "/x");
    rundir_drop_child(NULL, 1);
    rundir_record_close(NULL);
}

static char left_directory[] = "/tmp/netsplit-left-XXXXXX";
static char odd_directory[] = "/tmp/notours-XXXXXX";

struct doomed {
    pid_t pid;
    pid_t child; /* of its group's own */
};

static pid_t fork_sleeper(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        (void)setpgid(0, 0);
        for (;;)
            (void)pause();
    }
    (void)setpgid(pid, pid);
    return pid;
}

/* In a child: makes things, notes them, tells the child's pid, and waits to be killed.
 */
static void be_doomed(int report)
{
    struct rundir_record *record;
    int fd;
    pid_t child = fork_sleeper();
    int bad = rundir_record_open(&record, "drill", &err) < 0 ||
              rundir_add_path(record, control) < 0 ||
              rundir_bind_control(control, &fd, &err) < 0 ||
              rundir_add_path(record, left_directory) < 0 ||
              rundir_add_path(record, odd_directory) < 0 ||
              rundir_add_path(record, "/tmp/netsplit-never-was") < 0 ||
              rundir_add_child(record, child) < 0;
    if (bad)
        child = -1;
    if (write(report, &child, sizeof child) != sizeof child)
        _exit(1);
    for (;;)
        (void)pause();
}

static struct doomed start_doomed(void)
{
    int report[2];
    struct doomed doomed;
    cr_assert_eq(pipe2(report, O_CLOEXEC), 0);
    doomed.pid = fork();
    if (doomed.pid == 0)
        be_doomed(report[1]);
    cr_assert_eq(read(report[0], &doomed.child, sizeof doomed.child),
                 (ssize_t)sizeof doomed.child);
    cr_assert_gt(doomed.child, 0);
    (void)close(report[0]);
    (void)close(report[1]);
    return doomed;
}

Test(rundir, clean_removes_what_a_killed_run_left_and_nothing_else)
{
    char file[64];
    uint64_t start;
    cr_assert_not_null(mkdtemp(left_directory));
    cr_assert_not_null(mkdtemp(odd_directory));
    (void)snprintf(file, sizeof file, "%s/data", left_directory);
    cr_assert_eq(symlink(odd_directory, file), 0);
    struct doomed doomed = start_doomed();
    cr_assert_eq(clean(), 0, "it lives: %s", cleaned);
    cr_assert_eq(kill(doomed.pid, SIGKILL), 0);
    cr_assert_eq(waitpid(doomed.pid, NULL, 0), doomed.pid);
    cr_assert_eq(clean(), 4, "%s", cleaned);
    cr_assert_eq(rundir_start_time(doomed.child, &start), -ESRCH, "%s", cleaned);
    cr_assert_not(exists(control));
    cr_assert_not(exists(left_directory));
    cr_assert(exists(odd_directory), "its name is not one of ours");
    cr_assert_not_null(strstr(cleaned, "left directory /tmp/notours-"), "%s", cleaned);
    cr_assert_eq(count_records(), 0);
    cr_assert_eq(clean(), 0, "%s", cleaned);
    cr_assert_eq(rmdir(odd_directory), 0);
}

Test(rundir, clean_does_not_kill_a_process_that_got_a_dead_ones_pid)
{
    char path[RUNDIR_PATH_BYTES + 64];
    pid_t sleeper = fork_sleeper();
    uint64_t start;
    cr_assert_eq(rundir_start_time(sleeper, &start), 0);
    (void)snprintf(path, sizeof path, "%s/run-1-1", directory);
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    (void)fprintf(file,
                  "{\"what\":\"drill\",\"pid\":1,\"start\":1,\"paths\":[],"
                  "\"children\":[{\"pid\":%d,\"start\":%llu}]}",
                  (int)sleeper, (unsigned long long)start + 1);
    cr_assert_eq(fclose(file), 0);
    cr_assert_eq(clean(), 1, "the record only: %s", cleaned);
    cr_assert_eq(rundir_start_time(sleeper, &start), 0, "it lives on");
    cr_assert_eq(kill(sleeper, SIGKILL), 0);
    cr_assert_eq(waitpid(sleeper, NULL, 0), sleeper);
}

Test(rundir, clean_survives_records_that_make_no_sense)
{
    static const char *const texts[] = {
        "", "{", "[]",
        "{\"paths\":[7,null,\"\",\"/\"],\"children\":[[],{},{\"pid\":-1}]}"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char path[RUNDIR_PATH_BYTES + 64];
        (void)snprintf(path, sizeof path, "%s/run-1-%zu", directory, i + 1);
        FILE *file = fopen(path, "w");
        cr_assert_not_null(file);
        (void)fputs(texts[i], file);
        cr_assert_eq(fclose(file), 0);
    }
    cr_assert_eq(clean(), 4, "%s", cleaned);
    cr_assert_eq(count_records(), 0);
}

static void find_color(void *arg, pid_t pid, const json_t *record)
{
    const char *color = json_string_value(json_object_get(record, "color"));
    if (pid == getpid() && color)
        (void)snprintf(arg, 16, "%s", color);
}

Test(rundir, a_live_run_is_found_with_what_it_has_noted)
{
    struct rundir_record *record = NULL;
    char color[16] = "";
    cr_assert_eq(rundir_record_open(&record, "test", &err), 0, "%s", err.text);
    cr_assert_eq(rundir_note(record, "color", json_string("red")), 0);
    cr_expect_eq(rundir_each(find_color, color, &err), 0, "%s", err.text);
    cr_expect_str_eq(color, "red");
    rundir_record_close(record);
    color[0] = '\0';
    cr_expect_eq(rundir_each(find_color, color, &err), 0, "%s", err.text);
    cr_expect_str_eq(color, "", "it has ended");
}

Test(rundir, a_lock_keeps_others_out_until_it_is_closed)
{
    int fd = rundir_lock(&err);
    cr_assert_geq(fd, 0, "%s", err.text);
    cr_expect_eq(rundir_lock(&err), -EBUSY);
    cr_assert_eq(close(fd), 0);
    fd = rundir_lock(&err);
    cr_expect_geq(fd, 0, "%s", err.text);
    (void)close(fd); /* only a lock */
}

/* In a child: it, and several children that it notes, have records each. */
static void be_a_family(int report)
{
    enum { CHILDREN = 6 };
    struct rundir_record *record;
    int bad = rundir_record_open(&record, "drill", &err) < 0;
    for (int i = 0; i < CHILDREN; i++) {
        int ready[2];
        char byte;
        bad |= pipe(ready) < 0;
        pid_t pid = fork();
        if (pid == 0) {
            struct rundir_record *own;
            (void)setpgid(0, 0);
            if (rundir_record_open(&own, "proxy", &err) == 0)
                (void)!write(ready[1], "", 1);
            for (;;)
                (void)pause();
        }
        bad |= read(ready[0], &byte, 1) != 1 || rundir_add_child(record, pid) < 0;
    }
    (void)!write(report, &bad, sizeof bad);
    for (;;)
        (void)pause();
}

Test(rundir, clean_removes_the_records_of_those_it_kills_too)
{
    int report[2], bad = 1;
    cr_assert_eq(pipe(report), 0);
    pid_t pid = fork();
    if (pid == 0)
        be_a_family(report[1]);
    cr_assert_eq(read(report[0], &bad, sizeof bad), (ssize_t)sizeof bad);
    cr_assert_eq(bad, 0);
    cr_assert_eq(kill(pid, SIGKILL), 0);
    cr_assert_eq(waitpid(pid, NULL, 0), pid);
    cr_expect_gt(clean(), 0);
    cr_expect_eq(count_records(), 0, "%s", cleaned);
}
