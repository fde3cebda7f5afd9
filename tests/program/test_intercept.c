/* SPDX-License-Identifier: MIT */
/* Interception by a whole process: how it says what lacks, and what is left when it is
 * killed. Each test is in a network namespace of its own. */
#include "proxy/base/memory.h"
#include "proxy/base/now.h"
#include "proxy/base/tempdir.h"
#include "tests/lib/own_net.h"
#include "tests/lib/program.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PORT = 5432, PATIENCE_MS = 20000 };

static char dir[TEMPDIR_PATH_MAX];
static int echo; /* a listening socket: the server */

static int listen_at(uint16_t port)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons(port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    cr_assert_eq(listen(fd, 16), 0);
    return fd;
}

static void setup(void)
{
    const char *why = program_lacks_namespaces(0); /* the rules speak of user 0 */
    if (why)
        cr_skip_test("%s", why);
    (void)signal(SIGPIPE, SIG_IGN);
    own_net_enter();
    cr_assert_eq(tempdir_make("intercept-test", dir, NULL), 0);
    cr_assert_eq(setenv("XDG_RUNTIME_DIR", dir, 1), 0);
    (void)unsetenv("NETSPLIT_CONTROL");
    echo = listen_at(PORT);
}

static void teardown(void)
{
    if (!dir[0])
        return; /* skipped */
    close(echo);
    cr_assert_eq(tempdir_remove(dir), 0);
}

TestSuite(intercept_program, .init = setup, .fini = teardown, .timeout = 60);

static void drop_privilege(void)
{
    if (prctl(PR_CAPBSET_DROP, CAP_NET_ADMIN, 0, 0, 0) != 0)
        _exit(127);
}

/* Writes the rules and runs a proxy on them; privileged: with CAP_NET_ADMIN. */
static struct program_run start(const char *name, const char *rules, bool privileged)
{
    char *path = xasprintf("%s/%s.yaml", dir, name);
    char *control = xasprintf("%s/%s", dir, name);
    FILE *file = fopen(path, "w");
    cr_assert(file && fputs(rules, file) >= 0 && fclose(file) == 0);
    struct program_run run = program_start(
        (const char *const[]){"proxy", "-f", path, "--control", control, NULL},
        privileged ? NULL : drop_privilege);
    free(path);
    free(control);
    return run;
}

static int dial(void)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons(PORT),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_geq(fd, 0);
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    (void)close(fd);
    return -1;
}

/* Does a new connection reach the server within so many ms? */
static bool flows(int timeout_ms)
{
    struct pollfd server = {.fd = echo, .events = POLLIN};
    int fd = dial();
    bool arrived = fd >= 0 && poll(&server, 1, timeout_ms) == 1;
    if (arrived)
        (void)close(accept4(echo, NULL, NULL, SOCK_CLOEXEC));
    if (fd >= 0)
        (void)close(fd);
    return arrived;
}

#define REDIRECT                                                                       \
    "netsplit: 1\nintercept: redirect\nports: [5432]\n"                                \
    "nodes:\n  s: 127.0.0.1\n  c: { uid: 0 }\n"

#define TPROXY                                                                         \
    "netsplit: 1\nintercept: tproxy\nports: [5432]\nnodes:\n  n1: 10.77.1.2\n"

Test(intercept_program, killed_within_a_partition_new_connections_flow_at_once)
{
    struct program_run run =
        start("p",
              REDIRECT "rules:\n  - name: split\n"
                       "    partition: [[c], [s]]\n    how: stall\n",
              true);
    program_await(&run, "\n");
    cr_expect_not_null(
        strstr(run.text, "ready intercept=redirect bypassing=0 control="), "%s",
        run.text);
    cr_assert_not(flows(200), "it is cut");
    uint64_t since = now_ns();
    cr_assert_eq(program_end(&run, SIGKILL), 128 + SIGKILL);
    while (!flows(10))
        cr_assert_lt(now_ns() - since, PATIENCE_MS * NS_PER_MS);
    fprintf(stderr, "after kill -9 a connection flowed within %llu ms\n",
            (unsigned long long)((now_ns() - since) / NS_PER_MS));
    cr_expect_eq(system("test -z \"$(nft list tables)\""), 0);
}

Test(intercept_program, a_second_one_may_not_take_the_same_and_may_take_another)
{
    struct program_run first = start("first", REDIRECT, true);
    program_await(&first, "\n");
    struct program_run second = start("second", REDIRECT, true);
    cr_expect_eq(program_end(&second, 0), 3);
    char *pid = xasprintf("pid %d", (int)first.pid);
    cr_expect_not_null(strstr(second.text, pid), "%s", second.text);
    free(pid);
    struct program_run third = start("third",
                                     "netsplit: 1\nintercept: redirect\nports: [5433]\n"
                                     "nodes:\n  s: 127.0.0.1\n  c: { uid: 0 }\n",
                                     true);
    program_await(&third, "\n");
    cr_expect_not_null(strstr(third.text, "ready"), "%s", third.text);
    cr_expect_eq(system("nft list tables | grep -q netsplit_1"), 0);
    cr_expect(flows(5000));
    cr_expect_eq(program_end(&first, SIGTERM), 128 + SIGTERM);
    cr_expect_eq(program_end(&third, SIGTERM), 128 + SIGTERM);
    cr_expect_eq(system("test -z \"$(nft list tables)\""), 0);
}

Test(intercept_program, without_the_privilege_it_says_what_lacks_and_what_would_do)
{
    struct program_run run =
        start("p", TPROXY "rules: [ { name: x, isolate: n1 } ]\n", false);
    cr_expect_eq(program_end(&run, 0), 3);
    cr_expect_not_null(strstr(run.text, "tproxy needs CAP_NET_ADMIN"), "%s", run.text);
    cr_expect_not_null(strstr(run.text, "intercept: listen"), "%s", run.text);
}

Test(intercept_program, clean_removes_what_a_killed_one_left_and_says_so)
{
    char said[1024];
    struct program_run run = start("p", TPROXY, true);
    program_await(&run, "control=");
    cr_assert_eq(program_run(dir, "clean", said, sizeof said), 0);
    cr_expect_null(strstr(said, "policy rule"), "it lives: %s", said);
    cr_assert_eq(program_end(&run, SIGKILL), 128 + SIGKILL);
    cr_expect_eq(system("test -z \"$(nft list tables)\"; ip rule | grep -q 0x4e530002"),
                 0);
    cr_assert_eq(program_run(dir, "clean", said, sizeof said), 0);
    cr_expect_not_null(
        strstr(said, "removed the policy rule and route of mark 0x4e530002, IPv4"),
        "%s", said);
    cr_expect_neq(system("ip rule | grep -q 0x4e53"), 0);
    cr_assert_eq(program_run(dir, "clean", said, sizeof said), 0);
    cr_expect_str_eq(said, "nothing to clean\n");
}

Test(intercept_program, adopt_ends_what_was_there_and_it_comes_back)
{
    char said[1024];
    int client = dial();
    int server = accept4(echo, NULL, NULL, SOCK_CLOEXEC);
    cr_assert(client >= 0 && server >= 0);
    struct program_run run = start("p", REDIRECT, true);
    program_await(&run, "\n");
    cr_expect_not_null(strstr(run.text, "bypassing=1 "), "%s", run.text);
    char *arguments = xasprintf("ctl --control %s/p connections", dir);
    cr_assert_eq(program_run(dir, arguments, said, sizeof said), 0);
    cr_expect_not_null(strstr(said, "bypassing"), "%s", said);
    free(arguments);
    arguments = xasprintf("ctl --control %s/p adopt 'c>s'", dir);
    cr_assert_eq(program_run(dir, arguments, said, sizeof said), 0);
    cr_expect_not_null(strstr(said, "adopted 1"), "%s", said);
    cr_assert_eq(program_run(dir, arguments, said, sizeof said), 0);
    cr_expect_not_null(strstr(said, "adopted 0"), "%s", said);
    free(arguments);
    char byte;
    cr_expect_lt(recv(client, &byte, 1, 0), 0, "it is over");
    cr_expect(flows(5000));
    close(client);
    close(server);
    cr_expect_eq(program_end(&run, SIGTERM), 128 + SIGTERM);
}
