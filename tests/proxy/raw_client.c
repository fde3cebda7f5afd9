/* SPDX-License-Identifier: MIT */
/* Sends never wait; only raw_read_to_end turns the loop. */
#include "tests/proxy/raw_client.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int raw_make(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_geq(fd, 0);
    return fd;
}

void raw_join(int fd, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
}

int raw_connect(const char *path)
{
    int fd = raw_make();
    raw_join(fd, path);
    return fd;
}

void raw_send(int fd, const char *bytes, size_t n)
{
    ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL | MSG_DONTWAIT);
    cr_assert(sent == (ssize_t)n || errno == EPIPE || errno == ECONNRESET ||
              errno == EAGAIN);
}

static void keep(struct raw *raw, const char *bytes, size_t n)
{
    if (raw->len + n >= sizeof raw->text)
        raw->len = 0;
    memcpy(raw->text + raw->len, bytes, n);
    raw->len += n;
    raw->text[raw->len] = 0;
}

static void on_raw(uv_poll_t *poll, int status, int events)
{
    struct raw *raw = poll->data;
    char piece[4096];
    int fd;
    (void)status;
    (void)events;
    (void)uv_fileno((uv_handle_t *)poll, &fd);
    ssize_t n = recv(fd, piece, sizeof piece, MSG_DONTWAIT);
    if (n > 0)
        keep(raw, piece, (size_t)n);
    else if (n == 0 || errno != EAGAIN)
        raw->ended = true;
    if (raw->ended)
        (void)uv_poll_stop(poll);
}

static void on_closed(uv_handle_t *handle)
{
    handle->data = NULL;
}

void raw_read_to_end(uv_loop_t *loop, int fd, struct raw *raw)
{
    raw->ended = false;
    raw->len = 0;
    raw->text[0] = 0;
    cr_assert_eq(uv_poll_init(loop, &raw->poll, fd), 0);
    raw->poll.data = raw;
    (void)uv_poll_start(&raw->poll, UV_READABLE, on_raw);
    while (!raw->ended)
        (void)uv_run(loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&raw->poll, on_closed);
    while (raw->poll.data)
        (void)uv_run(loop, UV_RUN_ONCE);
    (void)close(fd);
}
