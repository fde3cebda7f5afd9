/* SPDX-License-Identifier: MIT */
/* libFuzzer's entry for the control API: a proxy on a loop and its real HTTP server, in
 * this process, and a client that says what the fuzzer says. Whatever that is, the next
 * client is answered, and nothing is left on the loop when all is closed.
 *
 * An input that begins with a lower-case letter and a newline is the body of the request
 * of that letter (bodies[]); any other is sent as it is. A byte 0xff, which HTTP has no
 * use for, cuts: what stands before it is sent, and the loop turns.
 *
 * The proxy would listen where the fuzzer's rules say, and do to the kernel what they
 * ask for: so all of it happens in a user and a network namespace of its own, in which
 * there is nothing. Where the kernel allows no such thing it is not run. */
#include "proxy/api/api.h"
#include "proxy/base/tempdir.h"
#include "proxy/record/counters.h"
#include "proxy/record/journal.h"
#include "proxy/proxy.h"
#include "rules/diag.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

enum { CUT = 0xff, JOURNAL_EVENTS = 64, MOST_TURNS = 10000 };

static const char *const bodies[] = {
    "PUT /v1/rules?file=f.yaml",
    "PUT /v1/overlays/a?for=30s",
    "POST /v1/partition?for=ever",
    "POST /v1/partition?as=b",
};

static const char base_text[] = "netsplit: 1\n"
                                "nodes:\n"
                                "  n1: { address: 127.0.0.1, ports: [7101] }\n"
                                "  n2: { address: 127.0.0.1, ports: [7102] }\n"
                                "  n3: { address: 10.0.0.0/8 }\n"
                                "rules:\n"
                                "  - name: slow\n"
                                "    match: { from: n1, to: n2 }\n"
                                "    inject: { delay: 40ms }\n"
                                "  - { name: split, cut: { from: n2, to: n3 } }\n";

static char directory[TEMPDIR_PATH_MAX];
static struct sockaddr_un address = {.sun_family = AF_UNIX};

/* What one input is played on. */
struct stage {
    uv_loop_t loop;
    struct counters counters;
    struct journal *journal;
    struct proxy *proxy;
    struct api *api;
};

static void give_up(const char *what)
{
    fprintf(stderr, "fuzz_api: %s: %s\n", what, strerror(errno));
    exit(3);
}

static void write_map(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        give_up(path);
    (void)close(fd);
}

/* The user stays who it is, so that what it owns stays its own. */
static void enter_namespaces(void)
{
    char users[64], groups[64];
    (void)snprintf(users, sizeof users, "%u %u 1", getuid(), getuid());
    (void)snprintf(groups, sizeof groups, "%u %u 1", getgid(), getgid());
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
        give_up("it needs namespaces of its own");
    write_map("/proc/self/setgroups", "deny"); /* before groups, user_namespaces(7) */
    write_map("/proc/self/gid_map", groups);
    write_map("/proc/self/uid_map", users);
}

static void remove_directory(void)
{
    (void)tempdir_remove(directory);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    (void)signal(SIGPIPE, SIG_IGN);
    enter_namespaces();
    if (tempdir_make("fuzz", directory, NULL) != 0)
        give_up("a directory");
    (void)atexit(remove_directory);
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%.90s/control",
                   directory);
    return 0;
}

static void on_stopped(void *context)
{
    (void)context;
}

static void raise_stage(struct stage *stage)
{
    struct diag diag;
    struct errmsg err;
    const struct proxy_source source = {"base.yaml", base_text, sizeof base_text - 1};
    *stage = (struct stage){.api = NULL};
    stage->journal = journal_create(JOURNAL_EVENTS);
    const struct proxy_config config = {.loop = &stage->loop,
                                        .counters = &stage->counters,
                                        .journal = stage->journal,
                                        .has_seed = true,
                                        .on_stopped = on_stopped};
    diag_init(&diag, NULL);
    if (uv_loop_init(&stage->loop) != 0 || counters_init(&stage->counters) != 0 ||
        proxy_create(&config, &stage->proxy) != 0 ||
        proxy_start(stage->proxy, &source, &diag, &err) != 0 ||
        api_start(&stage->api, stage->proxy, address.sun_path, &err) != 0)
        give_up("a proxy");
    diag_close(&diag);
}

static void strike_stage(struct stage *stage)
{
    api_close(stage->api, NULL, NULL);
    proxy_stop(stage->proxy, 0);
    (void)uv_run(&stage->loop, UV_RUN_DEFAULT);
    proxy_destroy(stage->proxy);
    if (uv_loop_close(&stage->loop) != 0)
        abort(); /* something was left on the loop */
    journal_destroy(stage->journal);
    counters_close(&stage->counters);
}

static int join(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        give_up("the control socket");
    return fd;
}

/* Turns the loop while there is something to do at once. */
static void turn(struct stage *stage)
{
    struct pollfd backend = {.fd = uv_backend_fd(&stage->loop), .events = POLLIN};
    int turns = 0;
    do
        (void)uv_run(&stage->loop, UV_RUN_NOWAIT);
    while ((poll(&backend, 1, 0) > 0 || uv_backend_timeout(&stage->loop) == 0) &&
           ++turns < 100);
}

static void say(struct stage *stage, int fd, const void *bytes, size_t n)
{
    (void)send(fd, bytes, n, MSG_NOSIGNAL); /* who was hung up on hears nothing */
    turn(stage);
}

static void say_in_pieces(struct stage *stage, int fd, const uint8_t *data, size_t n)
{
    for (size_t at = 0; at < n;) {
        const uint8_t *cut = memchr(data + at, CUT, n - at);
        size_t piece = cut ? (size_t)(cut - data) - at : n - at;
        say(stage, fd, data + at, piece);
        at += piece + 1;
    }
}

static void say_body(struct stage *stage, int fd, const uint8_t *data, size_t n)
{
    char head[256];
    size_t which = (size_t)(data[0] - 'a') % (sizeof bodies / sizeof *bodies);
    int head_bytes = snprintf(head, sizeof head,
                              "%s HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n",
                              bodies[which], n - 2);
    say(stage, fd, head, (size_t)head_bytes);
    say(stage, fd, data + 2, n - 2);
}

/* Another client is answered, with JSON. */
static void expect_answer(struct stage *stage)
{
    static const char request[] =
        "GET /v1/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    static char text[1 << 20];
    size_t length = 0;
    int fd = join();
    say(stage, fd, request, sizeof request - 1);
    for (int turns = 0;; turns++) {
        ssize_t n = recv(fd, text + length, sizeof text - 1 - length, 0);
        if (n == 0)
            break;
        length += n > 0 ? (size_t)n : 0;
        if (turns > MOST_TURNS)
            abort(); /* it hangs */
        turn(stage);
    }
    (void)close(fd);
    text[length] = '\0';
    const char *body = strstr(text, "\r\n\r\n");
    json_t *status = body ? json_loads(body + 4, 0, NULL) : NULL;
    if (strncmp(text, "HTTP/1.1 200 ", 13) != 0 || !json_object_get(status, "links"))
        abort();
    json_decref(status);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    struct stage stage;
    raise_stage(&stage);
    int fd = join();
    if (length >= 2 && data[0] >= 'a' && data[0] <= 'z' && data[1] == '\n')
        say_body(&stage, fd, data, length);
    else
        say_in_pieces(&stage, fd, data, length);
    expect_answer(&stage);
    (void)close(fd);
    strike_stage(&stage);
    return 0;
}
