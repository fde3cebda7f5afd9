/* SPDX-License-Identifier: MIT */
/* A client says at the start of its stream who it is, how much it will send and wants,
 * and how it is to end; so the server's end needs to know nothing else. What follows is
 * a piece of one table of random bytes, whose length is a prime so that no chunk of any
 * round size can be missing unseen. */
#include "tests/lib/swarm.h"
#include "proxy/base/memory.h"
#include "proxy/base/now.h"
#include "rules/rng.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    TABLE_BYTES = 65521, /* a prime */
    EVENTS = 256,
    BEGIN_A_TURN = 64,
    SMALL_BYTES = 2048,
    BACKLOG = 4096,
};

#define PATIENCE_NS (30 * NS_PER_S)

enum ending {
    END_BY_FIN = 0,
    END_CLIENT_RESETS,
    END_SERVER_RESETS,
};

/* What a client says first. */
struct hello {
    uint64_t number;
    uint64_t to_server, to_client; /* bytes behind it */
    uint64_t ending;
};

struct swarm_end {
    struct swarm *swarm;
    struct swarm_end *next, **link;
    struct hello hello;
    size_t hello_done; /* bytes of it that were sent, or received */
    uint64_t sent, received, to_send, to_receive;
    int fd;
    bool is_client;
    bool is_connected;
    bool fin_sent, fin_heard;
};

static unsigned char table[2 * TABLE_BYTES]; /* twice, so that a piece never wraps */

/* Byte number offset of a stream, and those behind it. *n: how many are there. */
static const unsigned char *stream_bytes(const struct swarm_end *end, bool to_server,
                                         uint64_t offset, size_t *n)
{
    uint64_t start = (end->hello.number * 7919 + (to_server ? 0 : 31) + offset);
    if (*n > TABLE_BYTES)
        *n = TABLE_BYTES;
    return table + start % TABLE_BYTES;
}

static uint64_t draw(const struct swarm *swarm, uint64_t number, uint64_t what,
                     uint64_t bound)
{
    return rng_below(rng_mix(rng_seed(swarm->config.seed), number), what, bound);
}

static void fail(const struct swarm_end *end, const char *what)
{
    cr_assert_fail(
        "connection %llu, %s: %s after %llu of %llu bytes (seed %llu)",
        (unsigned long long)end->hello.number, end->is_client ? "client" : "server",
        what, (unsigned long long)end->received, (unsigned long long)end->to_receive,
        (unsigned long long)end->swarm->config.seed);
}

static struct swarm_end *add_end(struct swarm *swarm, int fd, bool is_client)
{
    struct swarm_end *end = xcalloc(1, sizeof *end);
    *end = (struct swarm_end){
        .swarm = swarm, .fd = fd, .is_client = is_client, .link = &swarm->ends};
    end->next = swarm->ends;
    if (end->next)
        end->next->link = &end->next;
    swarm->ends = end;
    swarm->open += is_client;
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                .data.ptr = end};
    cr_assert_eq(epoll_ctl(swarm->epoll, EPOLL_CTL_ADD, fd, &event), 0);
    return end;
}

static void drop_end(struct swarm_end *end)
{
    *end->link = end->next;
    if (end->next)
        end->next->link = end->link;
    end->swarm->open -= end->is_client;
    (void)close(end->fd);
    free(end);
}

static void reset_end(struct swarm_end *end)
{
    const struct linger now = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(end->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    drop_end(end);
}

/* The other side, or the proxy, ended it early. */
static void lose_end(struct swarm_end *end, const char *why)
{
    struct swarm *swarm = end->swarm;
    if (swarm->config.is_exact)
        fail(end, why);
    if (end->is_client && !end->is_connected)
        swarm->refused++;
    else if (end->is_client && end->hello.ending != END_SERVER_RESETS)
        swarm->lost++;
    drop_end(end);
}

static bool is_over(int error)
{
    return error != EAGAIN && error != EINTR;
}

/* What is next to be sent: the rest of the hello, then bytes of the stream. */
static const void *next_to_send(const struct swarm_end *end, size_t *n)
{
    if (end->is_client && end->hello_done < sizeof end->hello) {
        *n = sizeof end->hello - end->hello_done;
        return (const char *)&end->hello + end->hello_done;
    }
    *n = (size_t)(end->to_send - end->sent);
    return stream_bytes(end, end->is_client, end->sent, n);
}

/* 0, or the errno that ended it. */
static int send_some(struct swarm_end *end)
{
    for (;;) {
        size_t n;
        const void *bytes = next_to_send(end, &n);
        if (n == 0)
            break;
        ssize_t sent = send(end->fd, bytes, n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0)
            return is_over(errno) ? errno : 0;
        if (end->is_client && end->hello_done < sizeof end->hello)
            end->hello_done += (size_t)sent;
        else
            end->sent += (uint64_t)sent;
    }
    /* A server that has not heard the hello does not know yet that there is more. */
    if (end->fin_sent || end->hello_done < sizeof end->hello)
        return 0;
    end->fin_sent = true;
    return shutdown(end->fd, SHUT_WR) == 0 ? 0 : errno;
}

static ssize_t receive_hello(struct swarm_end *end)
{
    ssize_t n = recv(end->fd, (char *)&end->hello + end->hello_done,
                     sizeof end->hello - end->hello_done, MSG_DONTWAIT);
    if (n > 0)
        end->hello_done += (size_t)n;
    if (end->hello_done == sizeof end->hello) {
        end->to_send = end->hello.to_client;
        end->to_receive = end->hello.to_server;
    }
    return n;
}

static ssize_t receive_bytes(struct swarm_end *end)
{
    static unsigned char bytes[TABLE_BYTES];
    ssize_t n = recv(end->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (n <= 0)
        return n;
    size_t got = (size_t)n;
    const unsigned char *want = stream_bytes(end, !end->is_client, end->received, &got);
    if (memcmp(want, bytes, got) != 0)
        fail(end, "other bytes than were sent");
    end->received += got;
    end->swarm->bytes += got;
    if (end->received > end->to_receive)
        fail(end, "more bytes than were sent");
    return n;
}

/* 0, or the errno that ended it. */
static int receive_some(struct swarm_end *end)
{
    while (!end->fin_heard) {
        bool is_new = !end->is_client && end->hello_done < sizeof end->hello;
        ssize_t n = is_new ? receive_hello(end) : receive_bytes(end);
        if (n < 0)
            return is_over(errno) ? errno : 0;
        end->fin_heard = n == 0;
    }
    return 0;
}

/* Half of its bytes have passed, and it is the side that ends the connection. */
static bool has_had_enough(const struct swarm_end *end)
{
    enum ending own = end->is_client ? END_CLIENT_RESETS : END_SERVER_RESETS;
    return end->hello.ending == own && end->hello_done == sizeof end->hello &&
           (end->sent >= end->to_send / 2 || end->received >= end->to_receive / 2);
}

static void check_connected(struct swarm_end *end)
{
    int error = 0;
    socklen_t length = sizeof error;
    (void)getsockopt(end->fd, SOL_SOCKET, SO_ERROR, &error, &length);
    if (error != 0)
        lose_end(end, strerror(error));
    else
        end->is_connected = true;
}

static void end_well(struct swarm_end *end)
{
    /* A rule may close a connection by FIN in the middle: that is an early end too. */
    bool is_whole = end->received == end->to_receive && end->sent == end->to_send &&
                    end->hello_done == sizeof end->hello;
    if (!is_whole) {
        lose_end(end, "FIN");
        return;
    }
    end->swarm->whole += end->is_client;
    drop_end(end);
}

static void serve_end(struct swarm_end *end, uint32_t events)
{
    if (!end->is_connected) {
        struct swarm *swarm = end->swarm;
        size_t open = swarm->open;
        if (!(events & (EPOLLOUT | EPOLLERR | EPOLLHUP)))
            return;
        check_connected(end);
        if (swarm->open < open)
            return;
    }
    int error = receive_some(end);
    if (error == 0)
        error = send_some(end);
    if (error == 0 && has_had_enough(end))
        reset_end(end);
    else if (error != 0)
        lose_end(end, strerror(error));
    else if (end->fin_heard && (end->fin_sent || end->hello_done == 0))
        end_well(end);
    else if (end->fin_heard && !end->is_client && end->hello_done < sizeof end->hello)
        lose_end(end, "FIN");
}

static void accept_all(struct swarm *swarm)
{
    for (;;) {
        int fd = accept4(swarm->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        add_end(swarm, fd, false)->is_connected = true;
    }
}

static struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons(port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static uint64_t draw_length(const struct swarm *swarm, uint64_t number, uint64_t what)
{
    uint64_t most =
        draw(swarm, number, what, 8) ? SMALL_BYTES : swarm->config.bytes_most;
    return draw(swarm, number, what + 1,
                most < swarm->config.bytes_most ? most : swarm->config.bytes_most);
}

/* False when the kernel has no port left for now. */
static bool begin(struct swarm *swarm)
{
    uint64_t number = swarm->begun;
    struct sockaddr_in to =
        loopback(swarm->through[draw(swarm, number, 0, swarm->n_through)]);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    cr_assert_geq(fd, 0, "%s", strerror(errno));
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0 && errno != EINPROGRESS) {
        bool no_port = errno == EADDRNOTAVAIL;
        (void)close(fd);
        swarm->refused += !no_port;
        swarm->begun += !no_port;
        cr_assert_not(swarm->config.is_exact, "%s", strerror(errno));
        return !no_port;
    }
    swarm->begun++;
    struct swarm_end *end = add_end(swarm, fd, true);
    end->hello = (struct hello){
        .number = number,
        .to_server = draw_length(swarm, number, 1),
        .to_client = draw_length(swarm, number, 3),
        .ending = swarm->config.is_exact ? END_BY_FIN : draw(swarm, number, 5, 4) % 3,
    };
    end->to_send = end->hello.to_server;
    end->to_receive = end->hello.to_client;
    return true;
}

void swarm_open(struct swarm *swarm, const struct swarm_config *config)
{
    *swarm = (struct swarm){.config = *config};
    struct rng_key key = rng_mix(rng_seed(config->seed), 1);
    for (size_t i = 0; i < TABLE_BYTES; i++)
        table[i] = table[i + TABLE_BYTES] = (unsigned char)rng_draw(key, i);
    struct sockaddr_in address = loopback(0);
    socklen_t length = sizeof address;
    swarm->epoll = epoll_create1(EPOLL_CLOEXEC);
    swarm->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(swarm->listener, (struct sockaddr *)&address, length), 0);
    cr_assert_eq(listen(swarm->listener, BACKLOG), 0);
    cr_assert_eq(getsockname(swarm->listener, (struct sockaddr *)&address, &length), 0);
    swarm->port = ntohs(address.sin_port);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    cr_assert_eq(epoll_ctl(swarm->epoll, EPOLL_CTL_ADD, swarm->listener, &event), 0);
}

void swarm_turn(struct swarm *swarm, size_t most, int timeout_ms)
{
    struct epoll_event events[EVENTS];
    for (int i = 0;
         i < BEGIN_A_TURN && swarm->open < swarm->config.at_once && swarm->begun < most;
         i++)
        if (!begin(swarm))
            break;
    int n = epoll_wait(swarm->epoll, events, EVENTS, timeout_ms);
    for (int i = 0; i < n; i++) /* one event an end, so that none is served when gone */
        if (events[i].data.ptr)
            serve_end(events[i].data.ptr, events[i].events);
        else
            accept_all(swarm);
}

static void give_up_unconnected(struct swarm *swarm)
{
    for (struct swarm_end *next, *end = swarm->ends; end; end = next) {
        next = end->next;
        if (!end->is_connected && !swarm->config.is_exact) {
            swarm->refused++;
            drop_end(end);
        }
    }
}

void swarm_finish(struct swarm *swarm)
{
    give_up_unconnected(swarm);
    uint64_t since = now_ns(), bytes = swarm->bytes;
    do { /* once in any case: one may be waiting to be accepted */
        swarm_turn(swarm, 0, swarm->ends ? 10 : 0);
        if (swarm->bytes != bytes)
            since = now_ns();
        bytes = swarm->bytes;
        if (swarm->ends && now_ns() - since > PATIENCE_NS)
            fail(swarm->ends, "stands still");
    } while (swarm->ends);
}

void swarm_close(struct swarm *swarm)
{
    while (swarm->ends)
        drop_end(swarm->ends);
    (void)close(swarm->listener);
    (void)close(swarm->epoll);
}
