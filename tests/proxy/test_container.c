/* SPDX-License-Identifier: MIT */
/* The container engine as far as it is asked, with a fake one behind a Unix socket. */
#include "proxy/base/errmsg.h"
#include "proxy/base/tempdir.h"
#include "proxy/kernel/container.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static char directory[TEMPDIR_PATH_MAX];
static char asked[2048];

static void setup(void)
{
    char host[TEMPDIR_PATH_MAX + 32];
    cr_assert_eq(tempdir_make("engine", directory, NULL), 0);
    (void)snprintf(host, sizeof host, "unix://%s/engine", directory);
    cr_assert_eq(setenv("DOCKER_HOST", host, 1), 0);
}

static void teardown(void)
{
    cr_assert_eq(tempdir_remove(directory), 0);
}

TestSuite(container, .init = setup, .fini = teardown, .timeout = 30);

struct engine {
    int fd;
    const char *answer;
    pthread_t thread;
};

/* Answers one request. */
static void *serve(void *context)
{
    const struct engine *engine = context;
    int fd = accept4(engine->fd, NULL, NULL, SOCK_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : recv(fd, asked, sizeof asked - 1, 0);
    if (n > 0)
        (void)send(fd, engine->answer, strlen(engine->answer), MSG_NOSIGNAL);
    if (fd >= 0)
        (void)close(fd);
    return NULL;
}

static void start(struct engine *engine, const char *answer)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s/engine", directory);
    engine->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    engine->answer = answer;
    cr_assert_eq(bind(engine->fd, (struct sockaddr *)&address, sizeof address), 0);
    cr_assert_eq(listen(engine->fd, 4), 0);
    cr_assert_eq(pthread_create(&engine->thread, NULL, serve, engine), 0);
}

static int find(const char *answer, uint32_t *pid, struct errmsg *err)
{
    struct engine engine;
    start(&engine, answer);
    int status = container_find("redis-1", pid, err);
    cr_assert_eq(pthread_join(engine.thread, NULL), 0);
    (void)close(engine.fd);
    return status;
}

Test(container, its_first_process_is_what_the_engine_says)
{
    struct errmsg err = {0};
    uint32_t pid = 0;
    cr_expect_eq(find("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                      "Transfer-Encoding: chunked\r\n\r\n"
                      "2a\r\n{\"Id\":\"abc\",\"State\":{\"Pid\":4711,\"x\":true}}\r\n"
                      "0\r\n\r\n",
                      &pid, &err),
                 0, "%s", err.text);
    cr_expect_eq(pid, 4711);
    cr_expect_eq(strncmp(asked, "GET /containers/redis-1/json HTTP/1.1\r\n", 38), 0,
                 "%s", asked);
}

Test(container, one_that_is_unknown_or_does_not_run_is_named)
{
    struct errmsg err = {0};
    uint32_t pid = 99;
    cr_expect_eq(find("HTTP/1.1 404 Not Found\r\nContent-Length: 34\r\n\r\n"
                      "{\"message\":\"No such container: x\"}",
                      &pid, &err),
                 -ENOENT);
    cr_expect_not_null(strstr(err.text, "no container redis-1"), "%s", err.text);
    char path[TEMPDIR_PATH_MAX + 16];
    (void)snprintf(path, sizeof path, "%s/engine", directory);
    cr_assert_eq(unlink(path), 0);
    cr_expect_eq(find("HTTP/1.1 200 OK\r\nContent-Length: 19\r\n\r\n"
                      "{\"State\":{\"Pid\":0}}",
                      &pid, &err),
                 -ESRCH);
    cr_expect_not_null(strstr(err.text, "does not run"), "%s", err.text);
    cr_expect_eq(pid, 99);
}

Test(container, no_engine_is_said_and_what_would_do)
{
    struct errmsg err = {0};
    uint32_t pid;
    cr_expect_eq(container_find("redis-1", &pid, &err), -ECONNREFUSED);
    cr_expect_not_null(strstr(err.text, "no engine answers"), "%s", err.text);
    cr_assert_eq(setenv("DOCKER_HOST", "tcp://192.0.2.1:2375", 1), 0);
    cr_expect_eq(container_find("redis-1", &pid, &err), -ENOTSUP);
    cr_expect_not_null(strstr(err.text, "not a Unix socket"), "%s", err.text);
}
