/* SPDX-License-Identifier: MIT */
/* netsplit store as a process, spoken to with hiredis: what survives kill -9, what ends
 * it, and what does not. */
#include "proxy/base/memory.h"
#include "proxy/base/tempdir.h"
#include "tests/lib/program.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NODES = 3, MAX_ARGS = 32 };

static char dir[TEMPDIR_PATH_MAX];

static void make_dir(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
    cr_assert_eq(tempdir_make("store-test", dir, NULL), 0);
}

static void remove_dir(void)
{
    cr_assert_eq(tempdir_remove(dir), 0);
}

TestSuite(store_program, .init = make_dir, .fini = remove_dir, .timeout = 60);

/* A process of the program; what it writes to stdout is read from out. */
struct run {
    pid_t pid;
    int out;
};

static struct run start(const char *const *args)
{
    const char *program = getenv("NETSPLIT");
    struct run run;
    int pipes[2];
    cr_assert(program, "NETSPLIT names the program");
    cr_assert_eq(pipe2(pipes, O_CLOEXEC), 0);
    pid_t parent = getpid();
    run.pid = fork();
    cr_assert_geq(run.pid, 0);
    if (run.pid == 0) {
        const char *argv[MAX_ARGS + 2] = {program, "store"};
        for (size_t i = 0; args[i] && i < MAX_ARGS - 1; i++)
            argv[i + 2] = args[i];
        program_in_child(parent);
        (void)dup2(pipes[1], STDOUT_FILENO);
        execv(program, (char *const *)argv);
        _exit(127);
    }
    close(pipes[1]);
    run.out = pipes[0];
    return run;
}

/* The exit status, or 128 + the signal. */
static int end(struct run run, int signum)
{
    int status;
    if (signum)
        (void)kill(run.pid, signum);
    cr_assert_eq(waitpid(run.pid, &status, 0), run.pid);
    close(run.out);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* Reads up to the end of the line, or of the output. */
static void read_line(struct run run, char *line, size_t bytes)
{
    size_t n = 0;
    while (n + 1 < bytes && read(run.out, line + n, 1) == 1)
        if (line[n++] == '\n')
            break;
    line[n] = '\0';
}

static int read_port(struct run run)
{
    char line[256];
    read_line(run, line, sizeof line);
    cr_assert_eq(strncmp(line, "ready ", 6), 0, "\"%s\"", line);
    return atoi(strrchr(line, ':') + 1);
}

static struct run start_alone(const char *defect, int *port)
{
    const char *args[] = {"--name",  "n1", "--dir", dir, "--role",
                          "primary", NULL, NULL,    NULL};
    if (defect) {
        args[6] = "--defect";
        args[7] = defect;
    }
    struct run run = start(args);
    *port = read_port(run);
    return run;
}

static redisContext *connect_to(int port)
{
    struct timeval patience = {10, 0};
    redisContext *redis = redisConnectWithTimeout("127.0.0.1", port, patience);
    cr_assert(redis && !redis->err, "%s", redis ? redis->errstr : "no memory");
    (void)redisSetTimeout(redis, patience);
    return redis;
}

static void expect(redisContext *redis, const char *command, const char *want)
{
    redisReply *reply = redisCommand(redis, command);
    cr_assert(reply, "%s: %s", command, redis->errstr);
    cr_assert_not_null(reply->str, "%s", command);
    cr_assert_eq(strncmp(reply->str, want, strlen(want)), 0, "%s: %s, not %s", command,
                 reply->str, want);
    freeReplyObject(reply);
}

/* Sends INCRs in a pipeline until it has counted n, and leaves more of them behind. */
static long long count_up(redisContext *redis, long long n)
{
    long long last = 0;
    for (long long i = 0; i < n + 200; i++)
        (void)redisAppendCommand(redis, "INCR n");
    while (last < n) {
        void *reply = NULL;
        cr_assert_eq(redisGetReply(redis, &reply), REDIS_OK, "%s", redis->errstr);
        cr_assert_eq(((redisReply *)reply)->type, REDIS_REPLY_INTEGER);
        last = ((redisReply *)reply)->integer;
        freeReplyObject(reply);
    }
    return last;
}

Test(store_program, kill_9_loses_nothing_that_was_acknowledged)
{
    long long acknowledged = 0;
    for (int round = 0; round < 5; round++) {
        int port;
        struct run run = start_alone(NULL, &port);
        redisContext *redis = connect_to(port);
        redisReply *reply = redisCommand(redis, "GET n");
        cr_assert(reply);
        cr_assert_geq(reply->str ? atoll(reply->str) : 0, acknowledged, "round %d",
                      round);
        freeReplyObject(reply);
        acknowledged = count_up(redis, acknowledged + 500);
        cr_assert_eq(end(run, SIGKILL), 128 + SIGKILL);
        redisFree(redis);
    }
}

Test(store_program, ends_by_the_signal_it_got_and_answers_what_came_before)
{
    static const int signums[] = {SIGTERM, SIGINT};
    for (size_t i = 0; i < 2; i++) {
        int port;
        struct run run = start_alone(NULL, &port);
        redisContext *redis = connect_to(port);
        expect(redis, "SET a 1", "OK");
        cr_assert_eq(end(run, signums[i]), 128 + signums[i]);
        redisFree(redis);
    }
}

Test(store_program, shutdown_ends_it_with_status_0)
{
    int port;
    struct run run = start_alone(NULL, &port);
    redisContext *redis = connect_to(port);
    cr_assert_null(redisCommand(redis, "SHUTDOWN"));
    cr_assert_eq(end(run, 0), 0);
    redisFree(redis);
}

Test(store_program, says_ready_on_stdout_and_in_the_file)
{
    char path[TEMPDIR_PATH_MAX + 16], line[256], filed[256] = "";
    (void)snprintf(path, sizeof path, "%s/ready", dir);
    const char *args[] = {"--name", "n1", "--dir", dir, "--ready-file", path, NULL};
    struct run run = start(args);
    read_line(run, line, sizeof line);
    cr_assert_eq(strncmp(line, "ready n1=127.0.0.1:", 19), 0, "%s", line);
    FILE *file = fopen(path, "r");
    cr_assert(file && fgets(filed, sizeof filed, file));
    (void)fclose(file);
    cr_assert_str_eq(filed, line);
    (void)end(run, SIGTERM);
}

static int status_of(const char *const *args)
{
    struct run run = start(args);
    return end(run, 0);
}

Test(store_program, bad_usage_is_status_2)
{
    const char *const rows[][8] = {
        {"--name", "n1", NULL},
        {"--name", "n1", "--dir", dir, "--mode", "synk", NULL},
        {"--name", "n1", "--dir", dir, "--role", "king", NULL},
        {"--name", "n1", "--dir", dir, "--fsync", "often", NULL},
        {"--name", "n1", "--dir", dir, "--peer", "n2", NULL},
        {"--name", "n1", "--dir", dir, "--peer", "=127.0.0.1:1", NULL},
        {"--name", "n1", "--dir", dir, "--peer", "n2=127.0.0.1", NULL},
        {"--name", "n1", "--dir", dir, "--listen", "127.0.0.1", NULL},
        {"--name", "n1", "--dir", dir, "--defect", "forget-fences", NULL},
        {"--name", "n1", "--dir", dir, "--mode", "semisync", NULL},
        {"--name", "n1", "--dir", dir, "extra", NULL},
        {"--name", "n2", "--dir", dir, "--peer", "n2=127.0.0.1:1", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        cr_assert_eq(status_of(rows[i]), 2, "row %zu", i);
}

Test(store_program, what_the_environment_lacks_is_status_3)
{
    int port;
    char listen[64], other[TEMPDIR_PATH_MAX + 8], below[TEMPDIR_PATH_MAX + 16];
    struct run run = start_alone(NULL, &port);
    (void)snprintf(listen, sizeof listen, "127.0.0.1:%d", port);
    (void)snprintf(other, sizeof other, "%s/n2", dir);
    (void)snprintf(below, sizeof below, "%s/no/n2", dir);
    const char *const same_dir[] = {"--name", "n1", "--dir", dir, NULL};
    const char *const no_dir[] = {"--name", "n1", "--dir", below, NULL};
    const char *const same_port[] = {"--name",   "n2",   "--dir", other,
                                     "--listen", listen, NULL};
    cr_assert_eq(status_of(same_dir), 3);
    cr_assert_eq(status_of(no_dir), 3);
    cr_assert_eq(status_of(same_port), 3);
    (void)end(run, SIGTERM);
}

static int connect_socket(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

Test(store_program, no_input_ends_it)
{
    static const char *const texts[] = {
        "*1\r\n$-5\r\n",
        "*9999999\r\n",
        "*1\r\n$999999999\r\n",
        "\0\0\0\0",
        "REPLAPPEND a b c d e\r\n",
        "REPLAPPEND 1 2 3 4 5\r\n",
        "REPLHELLO n9 async 1000\r\n",
        "REPLHELLO n2 sync 1000\r\n",
        "REPLHELLO n2 async 5000\r\nREPLAPPEND 5000 0 0 9 garbage\r\n",
        "REPLHELLO n2 async 5000\r\nREPLAPPEND 5000 18446744073709551615 0 9 x\r\n",
        "REPLHELLO n2 async 5000\r\nREPLFETCH 18446744073709551615 7\r\n",
        "REPLHELLO n2 async 5000\r\nREPLFETCH 0 0\r\nREPLPROMISE x\r\n",
        "PROMOTE WITHOUT\r\nPROMOTE FORCE\r\nPROMOTE x\r\nINCR\r\n",
    };
    const char *args[] = {"--name",  "n1",     "--dir",          dir, "--role",
                          "primary", "--peer", "n2=127.0.0.1:1", NULL};
    unsigned seed = 20261121;
    struct run run = start(args);
    int port = read_port(run);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        int fd = connect_socket(port);
        cr_assert_gt(write(fd, texts[i], strlen(texts[i]) + 1), 0);
        close(fd);
    }
    srandom(seed);
    for (int i = 0; i < 200; i++) {
        char bytes[512];
        int fd = connect_socket(port);
        for (size_t k = 0; k < sizeof bytes; k++)
            bytes[k] = (char)random();
        (void)!write(fd, bytes, (size_t)random() % sizeof bytes);
        close(fd);
    }
    redisContext *redis = connect_to(port);
    expect(redis, "PING", "PONG");
    redisFree(redis);
    cr_assert_eq(end(run, SIGTERM), 128 + SIGTERM, "seed %u", seed);
}

Test(store_program, one_client_too_many_is_told_so)
{
    const char *args[] = {"--name", "n1", "--dir", dir, "--max-clients", "2", NULL};
    struct run run = start(args);
    int port = read_port(run);
    redisContext *first = connect_to(port), *second = connect_to(port);
    expect(first, "PING", "PONG");
    expect(second, "PING", "PONG");
    int fd = connect_socket(port);
    char text[64] = "";
    cr_assert_gt(read(fd, text, sizeof text - 1), 0);
    cr_assert_eq(strncmp(text, "-ERR max number of clients", 26), 0, "%s", text);
    close(fd);
    redisFree(second);
    expect(first, "PING", "PONG");
    redisFree(first);
    (void)end(run, SIGTERM);
}

/* 100 files, 64 of them not for clients: 36 clients, and a meta that can be written. */
Test(store_program, clients_can_not_take_its_last_files)
{
    enum { LIMIT = 100, CLIENTS = 60 };
    struct rlimit before, few;
    int fds[CLIENTS], port;
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = (struct rlimit){LIMIT, before.rlim_max};
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
    const char *args[] = {"--name", "n1", "--dir", dir, NULL};
    struct run run = start(args);
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    port = read_port(run);
    redisContext *redis = connect_to(port);
    for (int i = 0; i < CLIENTS; i++)
        fds[i] = connect_socket(port);
    char text[64] = "";
    cr_assert_gt(read(fds[CLIENTS - 1], text, sizeof text - 1), 0);
    cr_assert_eq(strncmp(text, "-ERR max number of clients", 26), 0, "%s", text);
    expect(redis, "PROMOTE", "OK");
    expect(redis, "SET a 1", "OK");
    for (int i = 0; i < CLIENTS; i++)
        close(fds[i]);
    redisFree(redis);
    cr_assert_eq(end(run, SIGTERM), 128 + SIGTERM);
}

Test(store_program, defects_are_listed_by_the_names_that_switch_them_on)
{
    const char *args[] = {"--defects", NULL};
    char line[256], name[64];
    int n = 0, port;
    struct run list = start(args);
    for (read_line(list, line, sizeof line); *line;
         read_line(list, line, sizeof line)) {
        cr_assert_eq(sscanf(line, "%63s", name), 1);
        struct run run = start_alone(name, &port);
        cr_assert_eq(end(run, SIGTERM), 128 + SIGTERM, "%s", name);
        n++;
    }
    cr_assert_geq(n, 6);
    cr_assert_eq(end(list, 0), 0);
}

/* A port that nobody else is given, as a drill reserves it: bound, never listening. */
static int reserve_port(int *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof address;
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    (void)getsockname(fd, (struct sockaddr *)&address, &len);
    *port = ntohs(address.sin_port);
    return fd;
}

static struct run start_node(int i, const int *ports)
{
    const char *args[MAX_ARGS] = {0};
    char *texts[2 * NODES];
    int n = 0, used = 0;
    texts[used++] = xasprintf("n%d", i + 1);
    texts[used++] = xasprintf("%s/n%d", dir, i + 1);
    texts[used++] = xasprintf("127.0.0.1:%d", ports[i]);
    args[n++] = "--name";
    args[n++] = texts[0];
    args[n++] = "--dir";
    args[n++] = texts[1];
    args[n++] = "--listen";
    args[n++] = texts[2];
    args[n++] = "--mode";
    args[n++] = "quorum";
    args[n++] = "--role";
    args[n++] = i == 0 ? "primary" : "replica";
    for (int k = 0; k < NODES; k++) {
        if (k == i)
            continue;
        texts[used] = xasprintf("n%d=127.0.0.1:%d", k + 1, ports[k]);
        args[n++] = "--peer";
        args[n++] = texts[used++];
    }
    struct run run = start(args);
    (void)read_port(run);
    while (used > 0)
        free(texts[--used]);
    return run;
}

Test(store_program, a_killed_primary_is_replaced_and_rejoins_on_its_reserved_port)
{
    int ports[NODES], reserved[NODES];
    struct run runs[NODES];
    for (int i = 0; i < NODES; i++)
        reserved[i] = reserve_port(&ports[i]);
    for (int i = 0; i < NODES; i++)
        runs[i] = start_node(i, ports);
    redisContext *old = connect_to(ports[0]), *promoted = connect_to(ports[1]);
    long long acknowledged = count_up(old, 1000);
    cr_assert_eq(end(runs[0], SIGKILL), 128 + SIGKILL);
    redisFree(old);
    expect(promoted, "PROMOTE", "OK");
    redisReply *reply = redisCommand(promoted, "INCR n");
    cr_assert(reply && reply->type == REDIS_REPLY_INTEGER);
    cr_assert_gt(reply->integer, acknowledged);
    long long now = reply->integer;
    freeReplyObject(reply);
    runs[0] = start_node(0, ports);
    old = connect_to(ports[0]);
    for (long long seen = 0; seen != now; usleep(10000)) {
        reply = redisCommand(old, "GET n");
        cr_assert(reply);
        seen = reply->type == REDIS_REPLY_STRING ? atoll(reply->str) : 0;
        freeReplyObject(reply);
    }
    expect(old, "SET a 1", "READONLY");
    redisFree(old);
    redisFree(promoted);
    for (int i = 0; i < NODES; i++) {
        cr_assert_eq(end(runs[i], SIGTERM), 128 + SIGTERM);
        close(reserved[i]);
    }
}
