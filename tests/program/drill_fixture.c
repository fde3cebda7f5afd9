/* SPDX-License-Identifier: MIT */
/* The cluster is that of scenarios/clusters/store.yaml with three modes' checks; the
 * playbooks of the tests are as short as they can be and still say something. */
#include "drill_fixture.h"
#include "tests/lib/program.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_MS = 60000 }; /* for a whole drill, on a busy machine */

static const char baseline[] = "# Before\n"
                               "```yaml workload\n"
                               "append: { keys: 5, processes: 6, rate: 300/s, "
                               "deadline: 500ms }\n"
                               "```\n"
                               "```yaml run\nfor: 500ms\n```\n";

static void write_file(const char *dir, const char *name, const char *text)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *to = fopen(path, "w");
    cr_assert_not_null(to, "cannot write %s", path);
    fputs(text, to);
    cr_assert_eq(fclose(to), 0);
}

static char *read_shipped_cluster(const char *name)
{
    static char text[65536];
    char path[128];
    (void)snprintf(path, sizeof path, "scenarios/clusters/%s.yaml", name);
    FILE *from = fopen(path, "r");
    cr_assert_not_null(from, "tests run in the source tree");
    text[fread(text, 1, sizeof text - 1, from)] = '\0';
    (void)fclose(from); /* it was only read */
    return text;
}

void drill_set_playbook(const struct drill_fixture *fixture, const char *front,
                        const char *steps)
{
    char text[16384];
    (void)snprintf(text, sizeof text,
                   "---\nplaybook: A test\nowner: tests\nassumptions: [none]\n"
                   "risk: { worst: nothing }\n%s---\n%s%s",
                   front, baseline, steps);
    write_file(fixture->dir, "playbook.md", text);
}

void drill_open(struct drill_fixture *fixture, const char *front, const char *steps)
{
    static unsigned count;
    char path[512];
    const char *base = getenv("TMPDIR");
    *fixture = (struct drill_fixture){.told_fd = -1};
    (void)snprintf(fixture->dir, sizeof fixture->dir, "%s/netsplit-test-drill-XXXXXX",
                   base ? base : "/tmp");
    cr_assert_not_null(mkdtemp(fixture->dir));
    (void)snprintf(fixture->mark, sizeof fixture->mark, "NETSPLIT_TEST_MARK=%d-%u",
                   (int)getpid(), count++);
    static const char *const folders[] = {"tmp", "run"};
    for (size_t i = 0; i < 2; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", fixture->dir, folders[i]);
        cr_assert_eq(mkdir(path, 0700), 0);
    }
    /* Servers that run as another user pass through. */
    (void)snprintf(path, sizeof path, "%s/tmp", fixture->dir);
    cr_assert_eq(chmod(path, 0711), 0);
    cr_assert_eq(chmod(fixture->dir, 0711), 0);
    drill_set_playbook(fixture, front, steps);
    write_file(fixture->dir, "cluster.yaml", read_shipped_cluster("store"));
}

void drill_set_start(struct drill_fixture *fixture, const char *command)
{
    char text[1024];
    (void)snprintf(text, sizeof text,
                   "cluster: 1\nname: broken\ndriver: { resp: \"redis://\" }\n"
                   "nodes: [n1, n2, n3]\nrole: echo primary\n"
                   "commands:\n  start: %s\n  ready: \"false\"\n  promote: \"true\"\n"
                   "modes: { async: { check: echo async }, sync: { check: echo s } }\n",
                   command);
    write_file(fixture->dir, "cluster.yaml", text);
}

void drill_use_cluster(struct drill_fixture *fixture, const char *name)
{
    write_file(fixture->dir, "cluster.yaml", read_shipped_cluster(name));
}

void drill_become(struct drill_fixture *fixture, unsigned user)
{
    char command[512];
    (void)snprintf(command, sizeof command, "chown -R %u '%s'", user, fixture->dir);
    cr_assert_eq(system(command), 0);
    fixture->user = user;
}

void drill_close(struct drill_fixture *fixture)
{
    char command[512];
    if (fixture->pid) {
        (void)kill(fixture->pid, SIGKILL);
        (void)waitpid(fixture->pid, NULL, 0);
    }
    if (fixture->told_fd >= 0)
        (void)close(fixture->told_fd); /* a pipe's read end */
    (void)snprintf(command, sizeof command, "rm -rf '%s'", fixture->dir);
    cr_expect_eq(system(command), 0);
}

static void become(const struct drill_fixture *fixture, const char *const *words,
                   int told_fd)
{
    char tmp[300], run[300], mark[64];
    const char *argv[32] = {getenv("NETSPLIT")};
    size_t n = 1;
    (void)snprintf(tmp, sizeof tmp, "%s/tmp", fixture->dir);
    (void)snprintf(run, sizeof run, "%s/run", fixture->dir);
    (void)snprintf(mark, sizeof mark, "%s", fixture->mark);
    *strchr(mark, '=') = '\0';
    (void)setenv("TMPDIR", tmp, 1);
    (void)setenv("XDG_RUNTIME_DIR", run, 1);
    (void)setenv(mark, mark + strlen(mark) + 1, 1);
    while (*words && n < 31)
        argv[n++] = *words++;
    if (fixture->ignores_hangup)
        (void)signal(SIGHUP, SIG_IGN); /* cannot fail */
    if (fixture->terminal &&
        (setsid() < 0 || ioctl(told_fd, TIOCSCTTY, 0) != 0 || dup2(told_fd, 0) < 0))
        _exit(126);
    if (dup2(fixture->out_fd ? fixture->out_fd : told_fd, 1) < 0 ||
        dup2(told_fd, 2) < 0 || chdir(fixture->dir) != 0 ||
        (fixture->user && (setgid(fixture->user) != 0 || setuid(fixture->user) != 0)))
        _exit(126);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* again: another user's dies on */
    (void)execv(argv[0], (char *const *)argv);
    _exit(127);
}

void drill_spawn(struct drill_fixture *fixture, const char *const *words)
{
    int ends[2];
    cr_assert_not_null(getenv("NETSPLIT"), "make test sets it");
    cr_assert_eq(fixture->terminal ? openpty(&ends[0], &ends[1], NULL, NULL, NULL)
                                   : pipe(ends),
                 0);
    if (fixture->told_fd >= 0)
        (void)close(fixture->told_fd); /* of the program before */
    fixture->told_bytes = 0;
    fixture->told[0] = '\0';
    pid_t parent = getpid();
    fixture->pid = fork();
    cr_assert_geq(fixture->pid, 0);
    if (fixture->pid == 0) {
        program_in_child(parent);
        (void)close(ends[0]); /* the test's */
        become(fixture, words, ends[1]);
    }
    (void)close(ends[1]); /* the program's */
    fixture->told_fd = ends[0];
}

/* False at the end of what it tells. */
static bool read_more(struct drill_fixture *fixture)
{
    struct pollfd poll_fd = {.fd = fixture->told_fd, .events = POLLIN};
    if (fixture->told_fd < 0)
        return false;
    size_t room = sizeof fixture->told - 1 - fixture->told_bytes;
    cr_assert_eq(poll(&poll_fd, 1, PATIENCE_MS), 1, "it hangs; it told:\n%s",
                 fixture->told);
    ssize_t n = read(fixture->told_fd, fixture->told + fixture->told_bytes, room);
    if (n <= 0)
        return false;
    fixture->told_bytes += (size_t)n;
    fixture->told[fixture->told_bytes] = '\0';
    return true;
}

bool drill_await(struct drill_fixture *fixture, const char *text)
{
    while (!strstr(fixture->told, text))
        if (!read_more(fixture))
            return false;
    return true;
}

int drill_wait(struct drill_fixture *fixture)
{
    int status = 0;
    while (read_more(fixture))
        ;
    cr_assert_eq(waitpid(fixture->pid, &status, 0), fixture->pid);
    fixture->pid = 0;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

void drill_start(struct drill_fixture *fixture, const char *mode)
{
    const char *words[] = {
        "drill", "playbook.md", "--cluster", "./cluster.yaml",       "--out",
        "out",   "--seed",      "7",         mode ? "--mode" : NULL, mode,
        NULL};
    drill_spawn(fixture, words);
}

int drill_run_whole(struct drill_fixture *fixture, const char *mode)
{
    drill_start(fixture, mode);
    return drill_wait(fixture);
}

void drill_close_terminal(struct drill_fixture *fixture)
{
    cr_assert_eq(close(fixture->told_fd), 0);
    fixture->told_fd = -1;
}

/* Whether the word is one of the command line's. */
static bool has_word(pid_t pid, const char *word)
{
    char path[64], text[4096];
    (void)snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
    FILE *from = fopen(path, "r");
    if (!from)
        return false;
    size_t n = fread(text, 1, sizeof text - 1, from);
    (void)fclose(from); /* it was only read */
    text[n] = '\0';
    for (const char *at = text; at < text + n; at += strlen(at) + 1)
        if (strcmp(at, word) == 0)
            return true;
    return false;
}

pid_t drill_find_child(const struct drill_fixture *fixture, const char *word)
{
    char path[64];
    int pid, found = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)fixture->pid,
                   (int)fixture->pid);
    FILE *from = fopen(path, "r");
    cr_assert_not_null(from, "%s", path);
    while (!found && fscanf(from, "%d", &pid) == 1)
        found = has_word(pid, word) ? pid : 0;
    (void)fclose(from); /* it was only read */
    return found;
}

/* Whether the process has the mark and is no zombie (which has no environment). */
static bool is_marked(const char *pid, const char *mark)
{
    char path[300], text[65536];
    (void)snprintf(path, sizeof path, "/proc/%s/environ", pid);
    FILE *from = fopen(path, "r");
    if (!from)
        return false;
    size_t n = fread(text, 1, sizeof text, from);
    (void)fclose(from); /* it was only read */
    return n > 0 && memmem(text, n, mark, strlen(mark) + 1);
}

size_t drill_count_marked(const struct drill_fixture *fixture)
{
    size_t n = 0;
    DIR *processes = opendir("/proc");
    cr_assert_not_null(processes);
    for (struct dirent *entry = readdir(processes); entry; entry = readdir(processes))
        n += isdigit((unsigned char)entry->d_name[0]) &&
             is_marked(entry->d_name, fixture->mark);
    (void)closedir(processes); /* it was only read */
    return n;
}

bool drill_wait_unmarked(const struct drill_fixture *fixture)
{
    for (int i = 0; i < 1000; i++) {
        if (drill_count_marked(fixture) == 0)
            return true;
        (void)nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL); /* to poll */
    }
    return false;
}

static size_t count_entries(const char *dir, const char *name)
{
    char path[512];
    size_t n = 0;
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    DIR *folder = opendir(path);
    if (!folder)
        return 0;
    for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder))
        n += entry->d_name[0] != '.';
    (void)closedir(folder); /* it was only read */
    return n;
}

size_t drill_count_left(const struct drill_fixture *fixture)
{
    return count_entries(fixture->dir, "tmp") +
           count_entries(fixture->dir, "run/netsplit");
}

void drill_finish(struct drill_fixture *fixture)
{
    cr_expect(drill_wait_unmarked(fixture), "processes are left");
    cr_expect_eq(drill_count_left(fixture), 0, "directories or records are left");
    drill_close(fixture);
}

json_t *drill_read_mode(const struct drill_fixture *fixture, const char *mode)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/out/report.json", fixture->dir);
    json_t *report = json_load_file(path, 0, NULL);
    cr_assert_not_null(report, "%s; it told:\n%s", path, fixture->told);
    json_t *part = json_object_get(json_object_get(report, "modes"), mode);
    json_incref(part);
    json_decref(report);
    return part;
}
