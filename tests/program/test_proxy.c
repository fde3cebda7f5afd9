/* SPDX-License-Identifier: MIT */
/* netsplit proxy as a process: what it says, how it ends, and what it leaves. */
#include "proxy/base/memory.h"
#include "proxy/base/now.h"
#include "proxy/base/tempdir.h"
#include "tests/lib/program.h"
#include "tests/lib/proxy_process.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ARGUMENTS = 24, PATIENCE_MS = 20000 };

static char dir[TEMPDIR_PATH_MAX];
static int echo;      /* a listening socket, the server of the paths */
static uint16_t port; /* its port */

static uint16_t bound_port(int fd)
{
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    return ntohs(address.sin_port);
}

static void setup(void)
{
    const struct sockaddr_in any = {.sin_family = AF_INET,
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    (void)signal(SIGPIPE, SIG_IGN);
    cr_assert_eq(tempdir_make("proxy-test", dir, NULL), 0);
    cr_assert_eq(setenv("XDG_RUNTIME_DIR", dir, 1), 0);
    (void)unsetenv("NETSPLIT_CONTROL");
    echo = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(echo, (const struct sockaddr *)&any, sizeof any), 0);
    cr_assert_eq(listen(echo, 16), 0);
    port = bound_port(echo);
}

static void teardown(void)
{
    close(echo);
    cr_assert_eq(tempdir_remove(dir), 0);
}

TestSuite(proxy_program, .init = setup, .fini = teardown, .timeout = 60);

/* Runs `netsplit proxy` with the arguments, ended by NULL. */
static struct program_run start(const char *first, ...)
{
    const char *words[ARGUMENTS] = {"proxy", first};
    va_list args;
    va_start(args, first);
    for (size_t i = 2; i < ARGUMENTS - 1 && words[i - 1]; i++)
        words[i] = va_arg(args, const char *);
    va_end(args);
    return program_start(words, NULL);
}

/* Nothing but the empty runtime directory is left in dir. */
static void expect_nothing_left(void)
{
    char *command = xasprintf("find %s -mindepth 1 ! -type d ! -name '*.yaml'", dir);
    char line[256] = "";
    FILE *from = popen(command, "r");
    cr_assert_not_null(from);
    (void)fgets(line, sizeof line, from);
    cr_assert_eq(pclose(from), 0);
    free(command);
    cr_assert_str_eq(line, "");
}

static char *write_rules(const char *name, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static char *write_rules(const char *name, const char *format, ...)
{
    char *path = xasprintf("%s/%s", dir, name);
    FILE *to = fopen(path, "w");
    va_list args;
    cr_assert_not_null(to);
    va_start(args, format);
    cr_assert_gt(vfprintf(to, format, args), 0);
    va_end(args);
    cr_assert_eq(fclose(to), 0);
    return path;
}

/* The port behind NAME= in the ready line. */
static uint16_t ready_port(const struct program_run *run, const char *name)
{
    char *word = xasprintf(" %s=127.0.0.1:", name);
    const char *at = strstr(run->text, word);
    cr_assert_not_null(at, "%s", run->text);
    uint16_t result = (uint16_t)atoi(at + strlen(word));
    free(word);
    return result;
}

/* A connection through the proxy, blocking; -1: refused. */
static int join(uint16_t to)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons(to),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static void expect_passing(uint16_t through)
{
    char byte = 0;
    int client = join(through);
    cr_assert_geq(client, 0);
    int server = accept(echo, NULL, NULL);
    cr_assert_eq(write(client, "x", 1), 1);
    cr_assert_eq(read(server, &byte, 1), 1);
    cr_assert_eq(byte, 'x');
    close(client);
    close(server);
}

static const char two_paths[] =
    "netsplit: 1\nseed: 7\nnodes:\n  c: {}\n"
    "  s: { address: 127.0.0.1, ports: [%u] }\n"
    "listen:\n"
    "  - { name: wal, address: \"127.0.0.1:0\", from: c, to: s }\n"
    "  - { address: \"127.0.0.1:0\", from: s, to: s }\n";

Test(proxy_program, says_ready_serves_and_dies_of_the_signal)
{
    char *rules = write_rules("r.yaml", two_paths, port);
    char *ready = xasprintf("%s/ready", dir);
    struct program_run run = start("-f", rules, "--ready-file", ready, NULL);
    program_await(&run, "\n");
    char *want = xasprintf("ready wal=127.0.0.1:%u s>s=127.0.0.1:%u "
                           "control=%s/netsplit/control seed=7\n",
                           ready_port(&run, "wal"), ready_port(&run, "s>s"), dir);
    cr_assert_str_eq(run.text, want);
    char line[512] = "";
    FILE *file = fopen(ready, "r");
    cr_assert_not_null(file);
    (void)fgets(line, sizeof line, file);
    (void)fclose(file);
    cr_assert_str_eq(line, want, "the file says the same");
    expect_passing(ready_port(&run, "wal"));
    cr_assert_eq(program_end(&run, SIGTERM), 128 + SIGTERM);
    expect_nothing_left();
    free(want);
    free(ready);
    free(rules);
}

Test(proxy_program, a_second_signal_ends_the_draining)
{
    char *word = xasprintf("0:127.0.0.1:%u", port);
    struct program_run run = start(word, "--drain", "10m", NULL);
    program_await(&run, "\n");
    uint16_t through = ready_port(&run, "path1");
    int client = join(through), server = accept(echo, NULL, NULL);
    (void)kill(run.pid, SIGINT);
    int refused;
    while ((refused = join(through)) >= 0) /* until it has stopped listening */
        close(refused);
    cr_assert_eq(write(client, "x", 1), 1);
    char byte;
    cr_assert_eq(read(server, &byte, 1), 1, "it drains: the connection lives");
    cr_assert_eq(program_end(&run, SIGINT), 128 + SIGINT);
    cr_assert_lt(read(client, &byte, 1), 0);
    cr_assert_eq(errno, ECONNRESET);
    expect_nothing_left();
    close(client);
    close(server);
    free(word);
}

Test(proxy_program, ends_by_itself_after_its_time)
{
    char *word = xasprintf("0:127.0.0.1:%u", port);
    struct program_run run = start(word, "--for", "50ms", NULL);
    cr_assert_eq(program_end(&run, 0), 0);
    expect_nothing_left();
    free(word);
}

static const char *terminal; /* the name of the child's */

/* As at a terminal, in a session of its own; its output is ours. */
static void take_terminal(void)
{
    (void)setsid();
    (void)close(open(terminal, O_RDWR)); /* the first that is opened becomes it */
}

static void take_terminal_by_nohup(void)
{
    take_terminal();
    (void)signal(SIGHUP, SIG_IGN);
}

static int open_terminal(void)
{
    int other_end = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    cr_assert_geq(other_end, 0);
    cr_assert_eq(grantpt(other_end) + unlockpt(other_end), 0);
    terminal = ptsname(other_end);
    return other_end;
}

static struct program_run start_at_terminal(const char *rules, void (*prepare)(void))
{
    const char *const words[] = {"proxy", "-f", rules, NULL};
    struct program_run run = program_start(words, prepare);
    program_await(&run, "\n");
    return run;
}

Test(proxy_program, ends_with_its_terminal_but_not_by_a_signal_to_reload)
{
    int other_end = open_terminal();
    char *rules = write_rules("r.yaml", two_paths, port);
    struct program_run run = start_at_terminal(rules, take_terminal);
    free(write_rules("r.yaml", "nonsense: 1\n"));
    cr_assert_eq(kill(run.pid, SIGHUP), 0);
    program_await(&run, "nothing has changed");
    cr_assert_eq(close(other_end), 0);
    cr_assert_eq(program_end(&run, 0), 128 + SIGHUP);
    expect_nothing_left();
    free(rules);
}

Test(proxy_program, started_by_nohup_outlives_its_terminal)
{
    int other_end = open_terminal();
    char *rules = write_rules("r.yaml", two_paths, port);
    struct program_run run = start_at_terminal(rules, take_terminal_by_nohup);
    free(write_rules("r.yaml", "nonsense: 1\n"));
    cr_assert_eq(close(other_end), 0);
    program_await(&run, "nothing has changed");
    cr_assert_eq(program_end(&run, SIGTERM), 128 + SIGTERM);
    expect_nothing_left();
    free(rules);
}

Test(proxy_program, names_the_port_that_is_taken_and_starts_nothing)
{
    char *first = xasprintf("0:127.0.0.1:%u", port);
    char *second = xasprintf("%u:127.0.0.1:%u", port, port);
    struct program_run run = start(first, second, NULL);
    cr_assert_eq(program_end(&run, 0), 3);
    char *address = xasprintf("127.0.0.1:%u", port);
    cr_assert_not_null(strstr(run.text, address), "%s", run.text);
    cr_assert_not_null(strstr(run.text, "Address already in use"));
    cr_assert_null(strstr(run.text, "ready path"));
    expect_nothing_left();
    free(address);
    free(first);
    free(second);
}

Test(proxy_program, a_second_one_on_the_same_control_socket_is_refused)
{
    char *word = xasprintf("0:127.0.0.1:%u", port);
    struct program_run run = start(word, NULL);
    program_await(&run, "\n");
    struct program_run second = start(word, NULL);
    cr_assert_eq(program_end(&second, 0), 3, "%s", second.text);
    cr_assert_null(strstr(second.text, "ready path"));
    expect_passing(ready_port(&run, "path1"));
    cr_assert_eq(program_end(&run, SIGTERM), 128 + SIGTERM);
    expect_nothing_left();
    free(word);
}

Test(proxy_program, shows_all_errors_of_a_file_at_once)
{
    char *rules = write_rules("bad.yaml", "netsplit: 1\nnodes:\n  a: 1.2.3.4\n"
                                          "rules:\n"
                                          "  - { name: x, inject: { dely: 4ms } }\n"
                                          "  - { name: y, inject: { rate: 4 } }\n"
                                          "  - { name: z, cut: { from: a, to: b } }\n");
    struct program_run run = start("-f", rules, NULL);
    cr_assert_eq(program_end(&run, 0), 2);
    cr_assert_not_null(strstr(run.text, "bad.yaml:5:"), "%s", run.text);
    cr_assert_not_null(strstr(run.text, "bad.yaml:6:"), "%s", run.text);
    cr_assert_not_null(strstr(run.text, "bad.yaml:7:"), "%s", run.text);
    expect_nothing_left();
    free(rules);
}

Test(proxy_program, bad_usage_is_said)
{
    struct program_run run = start("-f", "/nonexistent/rules.yaml", NULL);
    cr_assert_eq(program_end(&run, 0), 2);
    cr_assert_not_null(strstr(run.text, "/nonexistent/rules.yaml"));
    run = start(NULL, NULL);
    cr_assert_eq(program_end(&run, 0), 2);
    run = start("-f", "x.yaml", "1:2:3", NULL);
    cr_assert_eq(program_end(&run, 0), 2);
    run = start("--seed", "green", "1:2:3", NULL);
    cr_assert_eq(program_end(&run, 0), 2);
    cr_assert_not_null(strstr(run.text, "green"));
    run = start("--seed", "9223372036854775808", "1:2:3", NULL);
    cr_assert_eq(program_end(&run, 0), 2, "JSON could not tell it again");
}

Test(proxy_program, reads_its_rules_again_and_keeps_them_when_they_are_bad)
{
    char *rules = write_rules("r.yaml", two_paths, port);
    struct program_run run = start("-f", rules, NULL);
    program_await(&run, "\n");
    uint16_t wal = ready_port(&run, "wal"), other = ready_port(&run, "s>s");
    free(write_rules("r.yaml", "netsplit: 1\nnonsense: true\n"));
    (void)kill(run.pid, SIGHUP);
    program_await(&run, "nothing has changed");
    cr_assert_not_null(strstr(run.text, "r.yaml:2:1"), "%s", run.text);
    expect_passing(wal);
    expect_passing(other);
    free(write_rules("r.yaml",
                     "netsplit: 1\nnodes:\n  c: {}\n"
                     "  s: { address: 127.0.0.1, ports: [%u] }\nlisten:\n"
                     "  - { name: wal, address: \"127.0.0.1:0\", from: c, to: s }\n",
                     port));
    (void)kill(run.pid, SIGHUP);
    int fd;
    while ((fd = join(other)) >= 0) /* until the reload has closed it */
        close(fd);
    /* Those that were accepted before it closed may have reached the server. */
    cr_assert_eq(fcntl(echo, F_SETFL, O_NONBLOCK), 0);
    while ((fd = accept(echo, NULL, NULL)) >= 0)
        close(fd);
    cr_assert_eq(fcntl(echo, F_SETFL, 0), 0);
    fd = join(wal);
    cr_assert_geq(fd, 0);
    close(fd);
    cr_assert_eq(program_end(&run, SIGTERM), 128 + SIGTERM);
    free(rules);
}

/* What `ctl status` says of a budget: "limit", "used" or "peak". */
static unsigned long held_bytes(const char *field)
{
    char *command = xasprintf("%s ctl --json status", getenv("NETSPLIT"));
    char *word = xasprintf("\"%s\":", field);
    char text[16384];
    FILE *from = popen(command, "r");
    cr_assert_not_null(from);
    size_t length = fread(text, 1, sizeof text - 1, from);
    cr_assert_eq(pclose(from), 0);
    text[length] = '\0';
    const char *at = strstr(text, "\"name\":\"held_bytes\"");
    cr_assert_not_null(at, "%s", text);
    at = strstr(at, word);
    cr_assert_not_null(at, "%s", text);
    unsigned long value = strtoul(at + strlen(word), NULL, 10);
    free(command);
    free(word);
    return value;
}

Test(proxy_program, a_stream_holds_no_more_than_max_hold)
{
    enum { MOST = 64 * 1024 };
    static const char zeros[4 * MOST];
    char *rules = write_rules("r.yaml",
                              "netsplit: 1\nnodes:\n  c: {}\n"
                              "  s: { address: 127.0.0.1, ports: [%u] }\n"
                              "listen:\n"
                              "  - { address: \"127.0.0.1:0\", from: c, to: s }\n"
                              "rules:\n  - { name: slow, inject: { delay: 1h } }\n",
                              port);
    struct program_run run = start("-f", rules, "--max-hold", "64KiB", NULL);
    program_await(&run, "\n");
    int client = join(ready_port(&run, "c>s"));
    cr_assert_geq(client, 0);
    for (int i = 0; i < 16; i++) /* what does not fit waits with the kernel */
        (void)send(client, zeros, sizeof zeros, MSG_DONTWAIT);
    while (held_bytes("used") < MOST / 2)
        (void)poll(NULL, 0, 10);
    cr_assert_leq(held_bytes("peak"), MOST);
    close(client);
    cr_assert_eq(program_end(&run, SIGTERM), 128 + SIGTERM);
    free(rules);
}

Test(proxy_program, uses_no_more_than_max_descriptors)
{
    enum { JOINING = 24 };
    int clients[JOINING];
    char *word = xasprintf("0:127.0.0.1:%u", port);
    struct program_run run = start(word, "--max-descriptors", "64", NULL);
    program_await(&run, "\n");
    for (int i = 0; i < JOINING; i++)
        cr_assert_geq(clients[i] = join(ready_port(&run, "path1")), 0);
    program_await(&run, "budget=descriptors limit=");
    for (int i = 0; i < JOINING; i++)
        close(clients[i]);
    cr_assert_eq(program_end(&run, SIGTERM), 128 + SIGTERM);
    free(word);
}

#define WATCHED "netsplit: 1\nrules: [ { name: slow, inject: { delay: %s } } ]\n"

/* The second mistake says that the first one has been said once, and that nothing of it
 * was kept. */
Test(proxy_program, watch_reads_the_rules_again_when_their_file_changes)
{
    struct proxy_process proxy;
    json_t *status = NULL;
    proxy_process_open(&proxy);
    proxy_process_write_rules(&proxy, WATCHED, "10ms");
    proxy_process_start(&proxy, (const char *const[]){"--watch", NULL});
    proxy_process_write_rules(&proxy, WATCHED, "10");
    proxy_process_await(&proxy, "\"10\"");
    proxy_process_await(&proxy, "failed: nothing has changed");
    proxy_process_write_rules(&proxy, WATCHED, "20");
    proxy_process_await(&proxy, "\"20\"");
    cr_expect_eq(proxy_process_count_said(&proxy, "\"10\""), 1);
    proxy_process_write_rules(&proxy, WATCHED, "20ms");
    uint64_t since = now_ns();
    while (!status || json_integer_value(json_object_get(status, "generation")) < 2) {
        json_decref(status);
        cr_assert_lt(now_ns() - since, PATIENCE_MS * NS_PER_MS);
        (void)poll(NULL, 0, 5);
        cr_assert_eq(proxy_process_ask(&proxy, "GET", "/v1/status", NULL, &status),
                     200);
    }
    json_decref(status);
    cr_expect_eq(proxy_process_end(&proxy, SIGTERM), 128 + SIGTERM);
    proxy_process_close(&proxy);
    struct program_run run = start("--watch", "0:127.0.0.1:1", NULL);
    cr_expect_eq(program_end(&run, 0), 2);
}
