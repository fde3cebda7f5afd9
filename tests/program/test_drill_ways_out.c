/* SPDX-License-Identifier: MIT */
/* Every way out of a drill ends with all undone, and says so in its last line: whether
 * the cluster is the drill's own or somebody else's. Signals at any moment are
 * test_drill_undo.c's. */
#include "theirs.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* When the progress says `at`, this is done. */
struct way {
    const char *name;
    const char *front; /* of the playbook */
    const char *steps; /* behind the fault */
    const char *at;    /* NULL = nothing is done */
    void (*strike)(struct drill_fixture *drill);
    int status;
    const char *told; /* why it ended; NULL = it says nothing of that */
};

#define MODES  "modes: [async]\ncontrol: none because nothing is lost here\n"
#define MINUTE MODES "abort: { duration: 1m }\n"
#define RUN    "# Under\n```yaml run\nfor: 300ms\n```\n"
#define LONG   "# Under\n```yaml run\nfor: 30s\n```\n"
#define EXPECT "```yaml expect\nall: { ghost_writes: none }\n```\n"

static void kill_proxy(struct drill_fixture *drill)
{
    pid_t pid = drill_find_child(drill, "proxy");
    cr_assert_gt(pid, 0, "there is no proxy");
    cr_assert_eq(kill(pid, SIGKILL), 0);
}

static void interrupt(struct drill_fixture *drill)
{
    cr_assert_eq(kill(drill->pid, SIGINT), 0);
}

static void interrupt_twice(struct drill_fixture *drill)
{
    interrupt(drill);
    (void)kill(drill->pid, SIGINT); /* it may be gone already */
}

static void terminate(struct drill_fixture *drill)
{
    cr_assert_eq(kill(drill->pid, SIGTERM), 0);
}

static void quit(struct drill_fixture *drill)
{
    cr_assert_eq(kill(drill->pid, SIGQUIT), 0);
}

static void hang_up(struct drill_fixture *drill)
{
    cr_assert_eq(kill(drill->pid, SIGHUP), 0);
}

static void hang_up_twice(struct drill_fixture *drill)
{
    hang_up(drill);
    cr_expect(drill_await(drill, "undoing everything"), "%s", drill->told);
    (void)kill(drill->pid, SIGHUP); /* it may be gone already */
}

static const struct way ways[] = {
    {"success", MINUTE, RUN EXPECT, NULL, NULL, 0, "PASS"},
    {"an expectation unmet", MINUTE,
     RUN "```yaml expect\nall: { acked: at most 1 }\n```\n", NULL, NULL, 1,
     "expectation-unmet"},
    {"a step that fails", MINUTE, RUN "```sh step\nexit 9\n```\n" EXPECT, NULL, NULL, 1,
     "status 9"},
    {"a stop condition", MODES "abort: { duration: 900ms }\n", LONG EXPECT, NULL, NULL,
     5, "it took longer than"},
    {"a probe that aborts", MINUTE,
     "```sh probe every=200ms abort=>5\necho 9\n```\n" LONG EXPECT, NULL, NULL, 5,
     "stop-condition"},
    {"the death of the proxy", MINUTE, LONG EXPECT, "Under | run", kill_proxy, 4,
     "the proxy ended by itself"},
    {"INT", MINUTE, LONG EXPECT, "Under | run", interrupt, 128 + SIGINT, "SIGINT"},
    {"INT twice", MINUTE, LONG EXPECT, "Under | run", interrupt_twice, 128 + SIGINT,
     "SIGINT"},
    {"TERM", MINUTE, LONG EXPECT, "Under | run", terminate, 128 + SIGTERM, "SIGTERM"},
    {"QUIT", MINUTE, LONG EXPECT, "Under | run", quit, 128 + SIGQUIT, "SIGQUIT"},
    {"HUP", MINUTE, LONG EXPECT, "Under | run", hang_up, 128 + SIGHUP, "SIGHUP"},
};
enum { N_WAYS = sizeof ways / sizeof *ways };

/* The last line is that of a drill of which nothing is left. */
static void expect_undone(struct drill_fixture *drill, const char *name)
{
    static const char undone[] = "netsplit drill: everything is undone\n";
    size_t length = strlen(undone);
    cr_expect(drill->told_bytes >= length &&
                  strcmp(drill->told + drill->told_bytes - length, undone) == 0,
              "%s: its last line is another:\n%s", name, drill->told);
    cr_expect(drill_wait_unmarked(drill), "%s: processes are left", name);
    cr_expect_eq(drill_count_left(drill), 0, "%s: something is left", name);
}

/* Of a drill that was started. */
static void follow(struct drill_fixture *drill, const struct way *way)
{
    if (way->at) {
        cr_assert(drill_await(drill, way->at), "%s: it never was there:\n%s", way->name,
                  drill->told);
        way->strike(drill);
    }
    int status = drill_wait(drill);
    cr_expect_eq(status, way->status, "%s: status %d; it told:\n%s", way->name, status,
                 drill->told);
    if (way->told)
        cr_expect(strstr(drill->told, way->told), "%s: it told:\n%s", way->name,
                  drill->told);
    expect_undone(drill, way->name);
}

static void take(struct drill_fixture *drill, const struct way *way)
{
    drill_start(drill, NULL);
    follow(drill, way);
}

static struct drill_fixture own;

#define CUT                                                                            \
    "# Fault\n```yaml fault\n"                                                         \
    "partition: [[primary, clients.primary], [standbys, clients.standbys]]\n```\n"

static void open_cut(struct drill_fixture *drill, const char *front, const char *steps)
{
    char text[2048];
    (void)snprintf(text, sizeof text, CUT "%s", steps);
    drill_open(drill, front, text);
}

static void open_own(const char *front, const char *steps)
{
    open_cut(&own, front, steps);
}

/* Of signals test_drill_undo.c has those at every moment. */
static bool is_by_signal(const struct way *way)
{
    return way->at && way->strike != kill_proxy;
}

/* All at once: most of their time they wait, and drills of clusters of their own do not
 * disturb each other. */
Test(drill_ways_out, of_own_clusters_leave_nothing, .timeout = 300)
{
    static struct drill_fixture drills[N_WAYS];
    for (size_t i = 0; i < N_WAYS; i++)
        if (!is_by_signal(&ways[i])) {
            open_cut(&drills[i], ways[i].front, ways[i].steps);
            drill_start(&drills[i], NULL);
        }
    for (size_t i = 0; i < N_WAYS; i++)
        if (!is_by_signal(&ways[i])) {
            follow(&drills[i], &ways[i]);
            drill_close(&drills[i]);
        }
}

static void kill_node(struct drill_fixture *drill)
{
    pid_t pid = drill_find_child(drill, "n3");
    cr_assert_gt(pid, 0, "there is no n3");
    cr_assert_eq(kill(pid, SIGKILL), 0);
    cr_assert(drill_await(drill, "n3 ended with status 137"), "%s", drill->told);
    interrupt(drill); /* else it would be waited for, in the final reads */
}

Test(drill_ways_out, of_a_cluster_that_breaks_leave_nothing, .timeout = 120)
{
    static const struct way dies = {
        "the death of a node", MINUTE, LONG EXPECT, "Under | run", kill_node,
        128 + SIGINT,          NULL};
    static const struct way never = {
        "a node that does not start", MINUTE, RUN EXPECT, NULL, NULL, 3,
        "ended with status 1 before"};
    open_own(dies.front, dies.steps);
    take(&own, &dies);
    drill_close(&own);
    open_own(never.front, never.steps);
    drill_set_start(&own, "exit 1");
    take(&own, &never);
    drill_close(&own);
}

/* Whoever reads no more, as `head -1`, is none of the drill's business. */
Test(drill_ways_out, a_reader_who_leaves_changes_nothing, .timeout = 60)
{
    static const struct way way = {
        "a closed pipe", MINUTE, RUN EXPECT, NULL, NULL, 0, NULL};
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    cr_assert_eq(close(ends[0]), 0);
    open_own(way.front, way.steps);
    own.out_fd = ends[1];
    take(&own, &way);
    drill_close(&own);
    cr_assert_eq(close(ends[1]), 0);
}

/* In a mount namespace of the test's own, so that it goes with the test. */
static void mount_small_disk(const struct drill_fixture *drill)
{
    char path[300];
    (void)snprintf(path, sizeof path, "%s/out", drill->dir);
    cr_assert_eq(mkdir(path, 0755), 0);
    if (unshare(CLONE_NEWNS) != 0 ||
        mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("small", path, "tmpfs", 0, "size=64k") != 0)
        cr_skip_test("a file system may not be mounted here");
}

Test(drill_ways_out, a_full_disk_is_named_and_no_pass, .timeout = 60)
{
    static const struct way way = {
        "a full disk", MINUTE, RUN EXPECT, NULL, NULL, 3, "No space left on device"};
    open_own(way.front, way.steps);
    mount_small_disk(&own);
    take(&own, &way);
    cr_expect(strstr(own.told, "INCONCLUSIVE"), "%s", own.told);
    cr_expect_not(strstr(own.told, "PASS"), "%s", own.told);
    cr_expect_not(strstr(own.told, "report.html\n"), "there is none:\n%s", own.told);
    cr_expect(strstr(own.told, "/out (there is no report)\n"), "%s", own.told);
    char path[300];
    (void)snprintf(path, sizeof path, "%s/out", own.dir);
    cr_assert_eq(umount(path), 0);
    drill_close(&own);
}

static bool wait_until_nothing_is_left(const struct drill_fixture *drill)
{
    for (int i = 0; i < 2000 && drill_count_left(drill) > 0; i++)
        (void)nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL); /* to poll */
    return drill_count_left(drill) == 0;
}

Test(drill_ways_out, a_terminal_that_closes_heals, .timeout = 60)
{
    open_own(MINUTE, LONG EXPECT);
    own.terminal = true;
    drill_start(&own, NULL);
    cr_assert(drill_await(&own, "Under | run"), "%s", own.told);
    drill_close_terminal(&own);
    cr_expect_eq(drill_wait(&own), 128 + SIGHUP);
    drill_finish(&own);
}

/* The shell says it, and then the kernel. */
Test(drill_ways_out, a_second_hangup_hurries_nobody, .timeout = 60)
{
    static const struct way way = {"HUP twice",   MINUTE,        LONG EXPECT,
                                   "Under | run", hang_up_twice, 128 + SIGHUP,
                                   "SIGHUP"};
    open_own(way.front, way.steps);
    take(&own, &way);
    cr_expect_not(strstr(own.told, "ending at once"), "%s", own.told);
    drill_close(&own);
}

Test(drill_ways_out, under_nohup_a_terminal_may_close, .timeout = 60)
{
    open_own(MINUTE, RUN EXPECT);
    own.terminal = own.ignores_hangup = true;
    own.out_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    drill_start(&own, NULL);
    cr_assert(drill_await(&own, "Under | run"), "%s", own.told);
    drill_close_terminal(&own);
    cr_expect_eq(drill_wait(&own), 0);
    drill_finish(&own);
    cr_assert_eq(close(own.out_fd), 0);
}

Test(drill_ways_out, a_terminal_that_is_stopped_holds_no_fault_in_force, .timeout = 60)
{
    open_own(MINUTE, RUN EXPECT);
    own.terminal = true;
    drill_start(&own, NULL);
    cr_assert(drill_await(&own, "Under | run"), "%s", own.told);
    cr_assert_eq(write(own.told_fd, "\x13", 1), 1); /* Ctrl-S */
    cr_expect(wait_until_nothing_is_left(&own), "it waits for the terminal");
    cr_assert_eq(write(own.told_fd, "\x11", 1), 1); /* Ctrl-Q */
    cr_expect_eq(drill_wait(&own), 0, "%s", own.told);
    cr_expect(strstr(own.told, "everything is undone"), "%s", own.told);
    drill_finish(&own);
}

Test(drill_ways_out, ctrl_z_suspends_no_drill, .timeout = 60)
{
    open_own(MINUTE, RUN EXPECT);
    own.terminal = true;
    drill_start(&own, NULL);
    cr_assert(drill_await(&own, "Under | run"), "%s", own.told);
    cr_assert_eq(write(own.told_fd, "\x1a", 1), 1);
    cr_expect(drill_await(&own, "a drill is not suspended"), "%s", own.told);
    cr_expect_eq(drill_wait(&own), 0, "%s", own.told);
    drill_finish(&own);
}

static struct theirs theirs;

/* The pause comes last: who is paused does not tell its role either. */
#define BROKEN                                                                         \
    "# Fault\n```yaml fault\ncut: { from: clients.r2, to: r1 }\n```\n"                 \
    "```yaml fault\nrun: touch broken\nundo: rm broken\n```\n"                         \
    "```yaml fault\npause: r2\n```\n"

/* 'T': stopped. */
static char state_of(pid_t pid)
{
    char path[64], state = '?';
    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *from = fopen(path, "r");
    cr_assert_not_null(from, "it does not run any more");
    cr_expect_eq(fscanf(from, "%*d (%*[^)]) %c", &state), 1);
    (void)fclose(from); /* it was only read */
    return state;
}

/* r2 does, and what `run` made is gone. */
static void expect_runs_again(const char *name)
{
    char path[300];
    (void)snprintf(path, sizeof path, "%s/broken", theirs.drill.dir);
    cr_expect_neq(access(path, F_OK), 0, "%s: the run fault is not undone", name);
    cr_expect_neq(state_of(theirs.servers[1].pid), 'T', "%s: r2 is paused", name);
}

static void expect_mended(const char *name)
{
    expect_runs_again(name);
    cr_expect_str_eq(theirs_ask(&theirs, 0, "KEYS drilled:\\*"), "",
                     "%s: something is left in r1", name);
}

static void take_with_theirs(const struct way *way)
{
    char steps[2048], command[300];
    (void)snprintf(steps, sizeof steps, BROKEN "%s", way->steps);
    drill_set_playbook(&theirs.drill, way->front, steps);
    take(&theirs.drill, way);
    expect_mended(way->name);
    (void)snprintf(command, sizeof command, "rm -r '%s/out'", theirs.drill.dir);
    cr_assert_eq(system(command), 0);
}

Test(drill_ways_out, of_somebody_elses_cluster_leave_it_as_it_was, .timeout = 300)
{
    theirs_open(&theirs, "staging", THEIRS_PAUSE, EXPECT);
    for (size_t i = 0; i < N_WAYS; i++)
        take_with_theirs(&ways[i]);
    theirs_close(&theirs);
}

static const char *const clean[] = {"clean", NULL};

static void kill_under_faults(void)
{
    theirs_open(&theirs, "staging", THEIRS_PAUSE, BROKEN LONG EXPECT);
    drill_start(&theirs.drill, NULL);
    cr_assert(drill_await(&theirs.drill, "Under | run"), "%s", theirs.drill.told);
    cr_assert_eq(kill(theirs.drill.pid, SIGKILL), 0);
    cr_expect_eq(drill_wait(&theirs.drill), 128 + SIGKILL);
    cr_expect(drill_wait_unmarked(&theirs.drill));
    cr_assert_eq(state_of(theirs.servers[1].pid), 'T', "nobody has resumed it yet");
}

static void close_undone(void)
{
    expect_runs_again("kill -9");
    (void)theirs_ask(&theirs, 0, "FLUSHALL"); /* the next drill would */
    theirs_close(&theirs);
}

Test(drill_ways_out, clean_undoes_what_a_killed_drill_owes, .timeout = 60)
{
    kill_under_faults();
    drill_spawn(&theirs.drill, clean);
    cr_expect_eq(drill_wait(&theirs.drill), 0, "%s", theirs.drill.told);
    cr_expect(strstr(theirs.drill.told, "undone: resuming r2 after line "), "%s",
              theirs.drill.told);
    cr_expect(strstr(theirs.drill.told, "undone: undo of line "), "%s",
              theirs.drill.told);
    cr_expect(strstr(theirs.drill.told, "the data drilled in the cluster"), "%s",
              theirs.drill.told);
    close_undone();
}

Test(drill_ways_out, clean_says_what_it_cannot_undo_and_tries_again, .timeout = 60)
{
    char path[300];
    kill_under_faults();
    (void)snprintf(path, sizeof path, "%s/broken", theirs.drill.dir);
    cr_assert_eq(unlink(path), 0); /* so that its undo fails */
    drill_spawn(&theirs.drill, clean);
    cr_expect_eq(drill_wait(&theirs.drill), 3, "%s", theirs.drill.told);
    cr_expect(strstr(theirs.drill.told, "NOT UNDONE: undo of line "), "%s",
              theirs.drill.told);
    cr_expect(strstr(theirs.drill.told, "by hand: rm broken"), "%s", theirs.drill.told);
    theirs_write(&theirs, "broken", "", 0644);
    drill_spawn(&theirs.drill, clean);
    cr_expect_eq(drill_wait(&theirs.drill), 0, "%s", theirs.drill.told);
    close_undone();
}
