/* SPDX-License-Identifier: MIT */
/* Client and server share this process, so one monotonic clock times both ends. The
 * server is one thread with epoll; clients are threads with blocking sockets. */
#include "tests/bench/load.h"
#include "proxy/base/now.h"

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    MESSAGE = 64,
    BULK_PIECE = 256 * 1024,
    FD_LIMIT = 65536,
    CHURN_THREADS = 16,
    SAMPLES = 200000,
    DELAY_SAMPLES = 300,
};

static const uint64_t bulk_warmup_ns = 200 * NS_PER_MS, bulk_span_ns = NS_PER_S;
static const uint64_t latency_span_ns = 500 * NS_PER_MS,
                      churn_span_ns = 700 * NS_PER_MS;
static const uint64_t message_gap_ns = 2 * NS_PER_MS;

/* Of the server's thread; clients read the counter and the times. */
static _Atomic uint64_t sunk_bytes;
static _Atomic uint64_t arrivals_ns[DELAY_SAMPLES];
static _Atomic unsigned arrived;
static char kind_of[FD_LIMIT];

static void set_nodelay(int fd)
{
    int on = 1;
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0)
        err(1, "TCP_NODELAY");
}

static void take_times(const char *bytes, ssize_t n)
{
    for (ssize_t i = 0; i + MESSAGE <= n; i += MESSAGE) {
        uint32_t ordinal;
        memcpy(&ordinal, bytes + i, sizeof ordinal);
        if (ordinal < DELAY_SAMPLES)
            atomic_store(&arrivals_ns[ordinal], now_ns());
        atomic_fetch_add(&arrived, 1);
    }
}

/* Returns false when the connection has ended. */
static bool serve(int fd)
{
    static char buffer[BULK_PIECE];
    if (!kind_of[fd])
        return recv(fd, &kind_of[fd], 1, 0) == 1;
    ssize_t n = recv(fd, buffer, sizeof buffer, 0);
    if (n <= 0)
        return n < 0 && errno == EAGAIN;
    if (kind_of[fd] == 'B')
        atomic_fetch_add_explicit(&sunk_bytes, (uint64_t)n, memory_order_relaxed);
    else if (kind_of[fd] == 'T')
        take_times(buffer, n);
    else
        return send(fd, buffer, (size_t)n, MSG_NOSIGNAL) == n;
    return true;
}

static void *serve_all(void *listener_fd)
{
    int listener = *(int *)listener_fd, poll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[64];
    if (poll < 0 || epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event) != 0)
        err(1, "epoll");
    for (;;) {
        int n = epoll_wait(poll, events, 64, -1);
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            if (fd != listener) {
                if (!serve(fd))
                    (void)close(fd);
                continue;
            }
            int accepted = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (accepted < 0 || accepted >= FD_LIMIT)
                continue;
            set_nodelay(accepted);
            kind_of[accepted] = 0;
            event.data.fd = accepted;
            if (epoll_ctl(poll, EPOLL_CTL_ADD, accepted, &event) != 0)
                err(1, "epoll");
        }
    }
    return NULL;
}

static struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons(port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

uint16_t load_start_server(void)
{
    static int listener;
    struct sockaddr_in address = loopback(0);
    socklen_t length = sizeof address;
    pthread_t thread;
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, length) != 0 ||
        listen(listener, 4096) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &length) != 0)
        err(1, "the server's listener");
    if (pthread_create(&thread, NULL, serve_all, &listener) != 0)
        errx(1, "the server's thread");
    return ntohs(address.sin_port);
}

static int connect_to(uint16_t port, char kind)
{
    struct sockaddr_in address = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        err(1, "connecting to port %u", port);
    set_nodelay(fd);
    if (send(fd, &kind, 1, MSG_NOSIGNAL) != 1)
        err(1, "the first byte to port %u", port);
    return fd;
}

struct sender {
    pthread_t thread;
    int fd;
    _Atomic bool stop;
};

static void *send_until_told(void *argument)
{
    struct sender *sender = argument;
    char *piece = calloc(1, BULK_PIECE);
    while (piece && !atomic_load_explicit(&sender->stop, memory_order_relaxed))
        if (send(sender->fd, piece, BULK_PIECE, MSG_NOSIGNAL) < 0)
            break;
    free(piece);
    return NULL;
}

static void pause_ns(uint64_t ns)
{
    struct timespec span = {.tv_sec = (time_t)(ns / NS_PER_S),
                            .tv_nsec = (long)(ns % NS_PER_S)};
    (void)nanosleep(&span, NULL);
}

uint64_t load_bulk(uint16_t port, unsigned connections, uint64_t *span_ns)
{
    struct sender *senders = calloc(connections, sizeof *senders);
    if (!senders)
        errx(1, "out of memory");
    for (unsigned i = 0; i < connections; i++) {
        senders[i].fd = connect_to(port, 'B');
        if (pthread_create(&senders[i].thread, NULL, send_until_told, &senders[i]) != 0)
            errx(1, "a sender's thread");
    }
    pause_ns(bulk_warmup_ns);
    uint64_t bytes = atomic_load(&sunk_bytes), from = now_ns();
    pause_ns(bulk_span_ns);
    bytes = atomic_load(&sunk_bytes) - bytes;
    *span_ns = now_ns() - from;
    for (unsigned i = 0; i < connections; i++) {
        atomic_store(&senders[i].stop, true);
        (void)shutdown(senders[i].fd, SHUT_RDWR);
        (void)pthread_join(senders[i].thread, NULL);
        (void)close(senders[i].fd);
    }
    free(senders);
    return bytes;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static struct load_quantiles quantiles(double *values, size_t n)
{
    qsort(values, n, sizeof *values, compare_doubles);
    return (struct load_quantiles){.p50 = values[n / 2], .p99 = values[n * 99 / 100]};
}

static bool ping(int fd)
{
    char message[MESSAGE] = {0};
    if (send(fd, message, sizeof message, MSG_NOSIGNAL) != sizeof message)
        return false;
    return recv(fd, message, sizeof message, MSG_WAITALL) == sizeof message;
}

struct load_quantiles load_latency(uint16_t port)
{
    static double samples[SAMPLES];
    size_t n = 0;
    int fd = connect_to(port, 'E');
    uint64_t start = now_ns(), before = start;
    while (n < SAMPLES && before - start < latency_span_ns) {
        if (!ping(fd))
            errx(1, "the echo ended");
        uint64_t after = now_ns();
        samples[n++] = (double)(after - before) / (double)NS_PER_US;
        before = after;
    }
    (void)close(fd);
    return quantiles(samples, n);
}

struct churner {
    pthread_t thread;
    uint16_t port;
    uint64_t until_ns;
    unsigned done;
};

static void *churn(void *argument)
{
    struct churner *churner = argument;
    while (now_ns() < churner->until_ns) {
        int fd = connect_to(churner->port, 'E');
        churner->done += ping(fd);
        (void)close(fd);
    }
    return NULL;
}

double load_churn(uint16_t port)
{
    struct churner churners[CHURN_THREADS];
    uint64_t start = now_ns();
    unsigned done = 0;
    for (int i = 0; i < CHURN_THREADS; i++) {
        churners[i] = (struct churner){.port = port, .until_ns = start + churn_span_ns};
        if (pthread_create(&churners[i].thread, NULL, churn, &churners[i]) != 0)
            errx(1, "a client's thread");
    }
    for (int i = 0; i < CHURN_THREADS; i++) {
        (void)pthread_join(churners[i].thread, NULL);
        done += churners[i].done;
    }
    return (double)done * (double)NS_PER_S / (double)(now_ns() - start);
}

struct load_quantiles load_delay(uint16_t port, uint64_t delay_ns)
{
    static uint64_t sent_ns[DELAY_SAMPLES];
    static double errors[DELAY_SAMPLES];
    int fd = connect_to(port, 'T');
    pause_ns(delay_ns + 50 * NS_PER_MS); /* the first byte is through by then */
    atomic_store(&arrived, 0);
    for (uint32_t i = 0; i < DELAY_SAMPLES; i++) {
        char message[MESSAGE] = {0};
        memcpy(message, &i, sizeof i);
        sent_ns[i] = now_ns();
        if (send(fd, message, sizeof message, MSG_NOSIGNAL) != sizeof message)
            err(1, "a timed message");
        pause_ns(message_gap_ns);
    }
    while (atomic_load(&arrived) < DELAY_SAMPLES)
        pause_ns(NS_PER_MS);
    for (int i = 0; i < DELAY_SAMPLES; i++)
        errors[i] = ((double)atomic_load(&arrivals_ns[i]) - (double)sent_ns[i] -
                     (double)delay_ns) /
                    (double)NS_PER_US;
    (void)close(fd);
    return quantiles(errors, DELAY_SAMPLES);
}
