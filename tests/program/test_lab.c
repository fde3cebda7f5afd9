/* SPDX-License-Identifier: MIT */
/* netsplit lab as a user types it, for root and for an ordinary user. Every lab of
 * these tests has a name of its own and a lease, so that none outlives a crash for
 * long. */
#include "proxy/base/memory.h"
#include "proxy/base/tempdir.h"
#include "tests/lib/program.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { NOBODY = 65534, SAID_BYTES = 16384, PATIENCE = 500, PAUSE_NS = 20000000 };

static char dir[TEMPDIR_PATH_MAX];
static char lab[32]; /* this test's */
static char said[SAID_BYTES];
static const char *as_user = ""; /* what runs the program as somebody else */

static int run(const char *format, ...) __attribute__((format(printf, 1, 2)));

static int run(const char *format, ...)
{
    char arguments[1024];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(arguments, sizeof arguments, format, args);
    va_end(args);
    char *command = xasprintf("exec 2>&1; cd '%s' && exec %s \"$NETSPLIT\" %s", dir,
                              as_user, arguments);
    FILE *from = popen(command, "r");
    cr_assert_not_null(from);
    said[fread(said, 1, sizeof said - 1, from)] = '\0';
    int status = pclose(from);
    free(command);
    cr_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* netsplit lab up, by a process that has prepared itself. */
static int up_after(bool (*prepare)(void))
{
    int out[2], status = 0;
    cr_assert_eq(pipe(out), 0);
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) {
        program_in_child(parent);
        if (prepare() && dup2(out[1], STDERR_FILENO) >= 0)
            (void)execl(getenv("NETSPLIT"), "netsplit", "lab", "up", lab, "--for",
                        "60s", "--nodes", "n1", NULL);
        _exit(127);
    }
    (void)close(out[1]);                             /* the child's */
    ssize_t n = read(out[0], said, sizeof said - 1); /* one line, or its end */
    said[n > 0 ? n : 0] = '\0';
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    (void)close(out[0]); /* it was only read */
    cr_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void setup(void)
{
    const char *why = program_lacks_namespaces(0);
    if (why)
        cr_skip_test("%s", why);
    cr_assert_eq(tempdir_make("test-lab", dir, NULL), 0);
    cr_assert_eq(chmod(dir, 0711), 0);
    cr_assert_eq(setenv("XDG_RUNTIME_DIR", dir, 1), 0);
    (void)snprintf(lab, sizeof lab, "t%d", (int)getpid());
}

static void teardown(void)
{
    if (!dir[0])
        return; /* skipped */
    (void)run("lab down %s", lab);
    cr_expect_eq(tempdir_remove(dir), 0);
}

TestSuite(lab, .init = setup, .fini = teardown, .timeout = 60);

static void bring_up(const char *options)
{
    int status = run("lab up %s --for 60s %s", lab, options);
    cr_assert_eq(status, 0, "status %d: %s", status, said);
}

static bool is_named(const char *node)
{
    char path[128];
    (void)snprintf(path, sizeof path, "/run/netns/netsplit-%s-%s", lab, node);
    return access(path, F_OK) == 0;
}

/* Until the command ends with status 0; false when it never does. */
static bool comes_to_pass(const char *arguments)
{
    for (int i = 0; i < PATIENCE; i++) {
        if (run("%s", arguments) == 0)
            return true;
        (void)nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
    }
    return false;
}

/* A server in one node, asked from another: the answer goes there and back. */
static void expect_reachable(const char *server, const char *address,
                             const char *client)
{
    char ask[256];
    char *listen = strchr(address, ':') ? xasprintf("[%s]:7000", address)
                                        : xasprintf("%s:7000", address);
    int status = run("lab exec --lab %s %s -- sh -c '\"$NETSPLIT\" store --name s "
                     "--role primary --mode async --listen %s --dir store-%s "
                     ">/dev/null 2>&1 &'",
                     lab, server, listen, server);
    cr_assert_eq(status, 0, "%s", said);
    (void)snprintf(ask, sizeof ask,
                   "lab exec --lab %s %s -- redis-cli -e -h %s -p 7000 "
                   "PING",
                   lab, client, address);
    cr_expect(comes_to_pass(ask), "%s from %s: %s", address, client, said);
    free(listen);
}

Test(lab, up_exec_and_down)
{
    bring_up("--nodes n1,n2");
    cr_expect(strstr(said, "10.77.2.2"), "%s", said);
    cr_expect(strstr(said, "nodes:\n  n1: 10.77.1.2\n  n2: 10.77.2.2\n"), "%s", said);
    cr_expect(is_named("n1") && is_named("n2") && is_named("router"), "for ip netns");
    cr_expect_eq(run("lab exec n1 -- sh -c 'echo $NODE $NODE_HOST $N2_HOST'"), 0);
    cr_expect_str_eq(said, "n1 10.77.1.2 10.77.2.2\n");
    cr_expect_eq(run("lab list"), 0);
    cr_expect(strstr(said, lab), "%s", said);
    cr_expect_eq(run("lab down %s", lab), 0, "%s", said);
    cr_expect(!is_named("n1") && !is_named("n2") && !is_named("router"));
    cr_expect_eq(run("lab down %s", lab), 0, "twice does no harm");
    cr_expect(strstr(said, "it is down already, or never was\n"), "%s", said);
    cr_expect_eq(run("lab list"), 0);
    cr_expect_str_eq(said, "");
}

Test(lab, a_misspelt_name_is_not_taken_for_a_lab_that_is_down)
{
    bring_up("--nodes n1");
    cr_expect_eq(run("lab down x%s", lab), 2);
    cr_expect(strstr(said, "did you mean \"t"), "%s", said);
    cr_expect_eq(run("lab down %s1", lab), 0, "it may have been another's number");
    cr_expect(strstr(said, "there is no lab"), "%s", said);
    cr_expect(is_named("n1"), "nothing was ended");
}

Test(lab, nodes_of_a_router_lab_reach_each_other)
{
    bring_up("--nodes n1,n2");
    expect_reachable("n1", "10.77.1.2", "n2");
    if (access("/proc/sys/net/ipv6", F_OK) == 0)
        expect_reachable("n2", "fd77:0:0:2::2", "n1");
}

Test(lab, nodes_of_a_bridge_lab_reach_each_other)
{
    bring_up("--bridge --nodes n1,n2");
    expect_reachable("n1", "10.77.0.1", "n2");
    if (access("/proc/sys/net/ipv6", F_OK) == 0)
        expect_reachable("n2", "fd77::2", "n1");
}

Test(lab, nothing_of_the_host_is_reachable)
{
    bring_up("--nodes n1");
    cr_expect_eq(run("lab exec n1 -- sh -c 'ls /sys >/dev/null; cat /proc/net/dev'"),
                 0);
    cr_expect(strstr(said, "eth0"), "%s", said);
    cr_expect_null(strstr(said, "veth"), "its own end only: %s", said);
}

Test(lab, the_commands_status_is_passed_on)
{
    bring_up("--nodes n1");
    cr_expect_eq(run("lab exec n1 -- sh -c 'exit 7'"), 7);
    cr_expect_eq(run("lab exec router -- true"), 0);
    cr_expect_eq(run("lab exec n1 -- no-such-program"), 3);
    cr_expect(strstr(said, "no-such-program: No such file"), "%s", said);
}

Test(lab, a_second_of_the_name_is_refused)
{
    bring_up("--nodes n1");
    cr_expect_eq(run("lab up %s --nodes n1", lab), 3);
    cr_expect(strstr(said, "already"), "%s", said);
    cr_expect_eq(run("lab exec n1 -- true"), 0, "the first lives on");
}

Test(lab, of_several_at_once_one_is_made)
{
    char *command =
        xasprintf("cd '%s'; for i in 1 2 3 4; do \"$NETSPLIT\" lab up %s "
                  "--for 60s --nodes n1 >/dev/null 2>&1 && echo made & done; "
                  "wait",
                  dir, lab);
    FILE *from = popen(command, "r");
    cr_assert_not_null(from);
    said[fread(said, 1, sizeof said - 1, from)] = '\0';
    cr_expect_eq(pclose(from), 0);
    free(command);
    cr_expect_str_eq(said, "made\n");
}

Test(lab, misspelt_words_are_answered_with_the_nearest)
{
    bring_up("--nodes alpha,beta");
    cr_expect_eq(run("lab exec alhpa -- true"), 2);
    cr_expect(strstr(said, "did you mean \"alpha\"?"), "%s", said);
    cr_expect_eq(run("lab exec --lab %sx alpha -- true", lab), 2);
    cr_expect(strstr(said, "did you mean"), "%s", said);
    cr_expect_eq(run("lab dwon %s", lab), 2);
    cr_expect(strstr(said, "did you mean \"down\"?"), "%s", said);
}

Test(lab, what_cannot_be_is_said_before_anything_is_made)
{
    static const struct {
        const char *words, *why;
    } rows[] = {
        {"--nodes n1,n1", "two nodes called \"n1\""},
        {"--nodes router", "in the middle"},
        {"--nodes N1", "lower case"},
        {"", "which nodes?"},
        {"--nodes n1 --rules /proc/version", "is there already"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_expect_eq(run("lab up %s %s", lab, rows[i].words), 2, "%s", said);
        cr_expect(strstr(said, rows[i].why), "%s: %s", rows[i].words, said);
    }
    cr_expect_eq(run("lab exec n1 -- true"), 2, "there is none");
}

static const char *read_rules(void)
{
    static char text[2048];
    char path[TEMPDIR_PATH_MAX + 32];
    (void)snprintf(path, sizeof path, "%s/lab.yaml", dir);
    FILE *from = fopen(path, "r");
    cr_assert_not_null(from);
    text[fread(text, 1, sizeof text - 1, from)] = '\0';
    (void)fclose(from); /* it was only read */
    return text;
}

Test(lab, the_rule_file_to_begin_with_is_right_for_a_router)
{
    bring_up("--nodes n1,n2 --rules lab.yaml");
    const char *text = read_rules();
    cr_expect(strstr(text, "intercept: tproxy\n"), "%s", text);
    cr_expect(strstr(text, "  n2: 10.77.2.2\n"), "%s", text);
    cr_expect_eq(run("check lab.yaml"), 0, "%s", said);
}

Test(lab, the_rule_file_to_begin_with_is_right_for_a_bridge)
{
    bring_up("--bridge --nodes n1,n2 --rules lab.yaml");
    const char *text = read_rules();
    cr_expect(strstr(text, "intercept: netns\n"), "%s", text);
    cr_expect(strstr(text, "  n2: { address: 10.77.0.2, netns: /run/netns/netsplit-"),
              "%s", text);
    cr_expect_eq(run("check lab.yaml"), 0, "%s", said);
}

Test(lab, down_ends_what_runs_inside)
{
    char pid_path[TEMPDIR_PATH_MAX + 32];
    int pid = 0;
    bring_up("--nodes n1");
    cr_assert_eq(run("lab exec n1 -- sh -c 'sleep 50 >/dev/null 2>&1 & echo $!'"), 0);
    cr_assert_eq(sscanf(said, "%d", &pid), 1);
    (void)snprintf(pid_path, sizeof pid_path, "/proc/%d/ns/net", pid);
    cr_assert_eq(access(pid_path, F_OK), 0, "it runs");
    cr_expect_eq(run("lab down %s", lab), 0, "%s", said);
    cr_expect_neq(access(pid_path, F_OK), 0, "it was ended");
}

Test(lab, one_with_a_lease_goes_by_itself)
{
    cr_assert_eq(run("lab up %s --for 100ms --nodes n1", lab), 0, "%s", said);
    for (int i = 0; i < PATIENCE && is_named("n1"); i++)
        (void)nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
    cr_expect_not(is_named("n1"));
}

static int holder_pid(void)
{
    int pid = 0;
    char *command = xasprintf("cat '%s'/netsplit/run-*", dir);
    FILE *from = popen(command, "r");
    cr_assert_not_null(from);
    said[fread(said, 1, sizeof said - 1, from)] = '\0';
    (void)pclose(from); /* what it read is what counts */
    free(command);
    const char *at = strstr(said, "\"pid\":");
    cr_assert(at && sscanf(at, "\"pid\":%d", &pid) == 1, "%s", said);
    return pid;
}

Test(lab, clean_leaves_a_living_lab_and_removes_a_dead_ones_names)
{
    bring_up("--nodes n1");
    cr_expect_eq(run("clean"), 0);
    cr_expect(is_named("n1"), "it lives: %s", said);
    int pid = holder_pid();
    cr_assert_eq(kill(pid, SIGKILL), 0);
    for (int i = 0; i < PATIENCE && run("lab exec n1 -- true") == 0; i++)
        (void)nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
    cr_assert(is_named("n1"), "that is what is left");
    cr_expect_eq(run("clean"), 0);
    cr_expect(strstr(said, "removed network namespace /run/netns/netsplit-"), "%s",
              said);
    cr_expect_not(is_named("n1") || is_named("router"));
}

/* The signal is there before anything begins, and stays held back for good. */
static bool be_interrupted(void)
{
    sigset_t term;
    (void)sigemptyset(&term);
    (void)sigaddset(&term, SIGTERM);
    return sigprocmask(SIG_BLOCK, &term, NULL) == 0 && raise(SIGTERM) == 0;
}

Test(lab, an_interrupted_up_leaves_nothing)
{
    cr_expect_eq(up_after(be_interrupted), 3);
    cr_expect(strstr(said, "interrupted"), "%s", said);
    cr_expect_not(is_named("n1"));
    cr_expect_eq(run("lab list"), 0);
    cr_expect_str_eq(said, "");
}

static bool become_nobody(void)
{
    return setgid(NOBODY) == 0 && setuid(NOBODY) == 0;
}

/* From now on the program runs as nobody, if that user may make user namespaces. */
static void go_rootless(void)
{
    const char *why = program_lacks_namespaces(NOBODY);
    if (why)
        cr_skip_test("%s", why);
    cr_assert_eq(chown(dir, NOBODY, NOBODY), 0);
    as_user = "setpriv --reuid=65534 --regid=65534 --clear-groups";
}

Test(lab, an_ordinary_user_has_one_in_a_user_namespace)
{
    go_rootless();
    bring_up("--nodes n1,n2");
    cr_expect_not(is_named("n1"), "names are root's");
    cr_expect_eq(run("lab exec n1 -- id -u"), 0);
    cr_expect_str_eq(said, "65534\n", "its own id: %s", said);
    expect_reachable("n1", "10.77.1.2", "n2");
    cr_expect_eq(run("lab exec n1 -- sh -c '\"$NETSPLIT\" lab exec n2 -- true'"), 0,
                 "from inside: %s", said);
    cr_expect_eq(run("lab down %s", lab), 0, "%s", said);
    cr_expect_eq(run("lab list"), 0);
    cr_expect_str_eq(said, "");
}

/* In a user namespace below which none may be made. */
static bool be_forbidden(void)
{
    if (!become_nobody() || unshare(CLONE_NEWUSER) != 0)
        return false;
    int fd = open("/proc/sys/user/max_user_namespaces", O_WRONLY | O_CLOEXEC);
    return fd >= 0 && write(fd, "0", 1) == 1;
}

Test(lab, where_that_is_forbidden_the_reason_is_named)
{
    go_rootless();
    int status = up_after(be_forbidden);
    cr_expect_eq(status, 3, "%d: %s", status, said);
    cr_expect(strstr(said, "user.max_user_namespaces is 0"), "%s", said);
    cr_expect(strstr(said, "sysctl -w"), "what mends it: %s", said);
}
