/* SPDX-License-Identifier: MIT */
/* One thread with epoll: the first byte of a connection is kept as its kind, and what
 * follows is served by kind until it ends. What clients want to know is in atomics.
 *
 * It has no shutdown: it ends with the process. A connection that fails is closed, and
 * the client notices. */
#include "tests/bench/server.h"
#include "proxy/base/now.h"
#include "tests/bench/client.h"

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BUFFER_BYTES = 256 << 10,
    FD_LIMIT = 65536,
    BACKLOG = 4096,
    EVENTS = 64,
    QUIET_TRIES = 3000, /* of 1 ms */
};

/* Written by the thread, read by clients; the meter's start by clients. */
static struct {
    int listener;
    char kinds[FD_LIMIT]; /* the thread's own */
    int metered;          /* the thread's own: the meter that is counted */
    _Atomic uint64_t sunk_bytes;
    _Atomic int sinks; /* connected now, meters too */
    _Atomic uint64_t arrivals_ns[MESSAGES_MAX];
    _Atomic size_t arrived;
    _Atomic uint64_t meter_start_ns;
    _Atomic uint64_t slots[METER_SLOTS];
} server;

static void take_times(const char *bytes, ssize_t n)
{
    uint64_t now = now_ns();
    for (ssize_t i = 0; i + MESSAGE_BYTES <= n; i += MESSAGE_BYTES) {
        uint32_t ordinal;
        memcpy(&ordinal, bytes + i, sizeof ordinal);
        if (ordinal < MESSAGES_MAX)
            atomic_store(&server.arrivals_ns[ordinal], now);
        atomic_fetch_add(&server.arrived, 1);
    }
}

static void meter(int fd, ssize_t n)
{
    uint64_t slot = (now_ns() - atomic_load(&server.meter_start_ns)) / NS_PER_MS;
    if (fd == server.metered && slot < METER_SLOTS)
        atomic_fetch_add(&server.slots[slot], (uint64_t)n);
}

static bool learn_kind(int fd)
{
    char *kind = &server.kinds[fd];
    if (recv(fd, kind, 1, 0) != 1)
        return false;
    if (*kind == SERVER_METERS)
        server.metered = fd;
    if (*kind == SERVER_METERS || *kind == SERVER_SINKS)
        atomic_fetch_add(&server.sinks, 1);
    return true;
}

/* Returns false when the connection has ended. */
static bool serve(int fd)
{
    static char buffer[BUFFER_BYTES];
    if (!server.kinds[fd])
        return learn_kind(fd);
    ssize_t n = recv(fd, buffer, sizeof buffer, 0);
    if (n <= 0)
        return n < 0 && errno == EAGAIN;
    switch (server.kinds[fd]) {
    case SERVER_SINKS:
        atomic_fetch_add_explicit(&server.sunk_bytes, (uint64_t)n,
                                  memory_order_relaxed);
        return true;
    case SERVER_TIMES:
        take_times(buffer, n);
        return true;
    case SERVER_METERS:
        meter(fd, n);
        return true;
    default:
        return send(fd, buffer, (size_t)n, MSG_NOSIGNAL) == n;
    }
}

static void end(int fd)
{
    if (server.kinds[fd] == SERVER_METERS || server.kinds[fd] == SERVER_SINKS)
        atomic_fetch_sub(&server.sinks, 1);
    if (server.metered == fd)
        server.metered = -1;
    (void)close(fd);
}

static void take_in(int poll)
{
    int fd = accept4(server.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    if (fd >= FD_LIMIT) {
        (void)close(fd);
        return;
    }
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    client_set_nodelay(fd);
    server.kinds[fd] = 0;
    if (epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event) != 0)
        err(1, "epoll");
}

static void *serve_all(void *unused)
{
    int poll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = server.listener};
    struct epoll_event events[EVENTS];
    if (poll < 0 || epoll_ctl(poll, EPOLL_CTL_ADD, server.listener, &event) != 0)
        err(1, "epoll");
    for (;;) {
        int n = epoll_wait(poll, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            if (fd == server.listener)
                take_in(poll);
            else if (!serve(fd))
                end(fd);
        }
    }
    return unused;
}

uint16_t server_start(void)
{
    struct sockaddr_in address = client_loopback(0);
    socklen_t length = sizeof address;
    pthread_t thread;
    server.metered = -1;
    server.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (server.listener < 0 ||
        bind(server.listener, (struct sockaddr *)&address, length) != 0 ||
        listen(server.listener, BACKLOG) != 0 ||
        getsockname(server.listener, (struct sockaddr *)&address, &length) != 0)
        err(1, "the server's listener");
    if (pthread_create(&thread, NULL, serve_all, NULL) != 0)
        errx(1, "the server's thread");
    return ntohs(address.sin_port);
}

uint64_t server_sunk_bytes(void)
{
    return atomic_load(&server.sunk_bytes);
}

void server_await_quiet(void)
{
    for (int i = 0; i < QUIET_TRIES && atomic_load(&server.sinks) > 0; i++)
        client_pause_ns(NS_PER_MS);
}

void server_forget_arrivals(void)
{
    atomic_store(&server.arrived, 0);
}

size_t server_arrived(void)
{
    return atomic_load(&server.arrived);
}

uint64_t server_arrival_ns(uint32_t ordinal)
{
    return atomic_load(&server.arrivals_ns[ordinal]);
}

void server_meter_begin(void)
{
    for (size_t i = 0; i < METER_SLOTS; i++)
        atomic_store(&server.slots[i], 0);
    atomic_store(&server.meter_start_ns, now_ns());
}

uint64_t server_slot(size_t slot)
{
    return atomic_load(&server.slots[slot]);
}
