/* SPDX-License-Identifier: MIT */
#include "tests/program/traffic.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BLOCK_BYTES = 32 * 1024, CONNECTIONS = 256, TURN_MS = 5 };

static bool write_all(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        bytes += sent;
        n -= (size_t)sent;
    }
    return true;
}

static bool read_all(int fd, char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t got = recv(fd, bytes, n, 0);
        if (got <= 0)
            return false;
        bytes += got;
        n -= (size_t)got;
    }
    return true;
}

/* A client has one block under way, which fits into the sockets' buffers: so writing
 * back may block no longer than a moment. */
static bool echo(int fd)
{
    char bytes[BLOCK_BYTES];
    ssize_t n = recv(fd, bytes, sizeof bytes, 0);
    return n > 0 && write_all(fd, bytes, (size_t)n);
}

static void *serve(void *arg)
{
    struct pollfd polled[CONNECTIONS] = {{.fd = *(const int *)arg, .events = POLLIN}};
    nfds_t n = 1;
    while (poll(polled, n, -1) > 0) {
        for (nfds_t i = n; i-- > 1;) {
            if (!polled[i].revents || echo(polled[i].fd))
                continue;
            (void)close(polled[i].fd);
            polled[i] = polled[--n];
        }
        if (polled[0].revents && n < CONNECTIONS)
            polled[n++] = (struct pollfd){accept(polled[0].fd, NULL, NULL), POLLIN, 0};
    }
    return NULL;
}

void traffic_init(struct traffic *traffic)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    memset(traffic, 0, sizeof *traffic);
    traffic->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(traffic->listener, (struct sockaddr *)&address, length), 0);
    cr_assert_eq(listen(traffic->listener, CONNECTIONS), 0);
    (void)getsockname(traffic->listener, (struct sockaddr *)&address, &length);
    traffic->port = ntohs(address.sin_port);
    cr_assert_eq(pthread_create(&traffic->server, NULL, serve, &traffic->listener), 0);
}

int traffic_connect(uint16_t port)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons(port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    int error = errno;
    (void)close(fd);
    errno = error;
    return -1;
}

/* What the client sends in that round: its length and its bytes differ from all others
 * near it. */
static size_t make_block(uint64_t number, uint64_t round, char *block)
{
    uint64_t state = (number * 1000003 + round) * UINT64_C(0x9e3779b97f4a7c15);
    size_t length = 1 + (size_t)(state >> 20) % BLOCK_BYTES;
    for (size_t i = 0; i < length; i++) {
        state = state * UINT64_C(6364136223846793005) + 1442695040888963407U;
        block[i] = (char)(state >> 56);
    }
    return length;
}

static void *run_client(void *arg)
{
    struct traffic_client *client = arg;
    char sent[BLOCK_BYTES], got[BLOCK_BYTES];
    for (;;) {
        size_t length = make_block(client->number, client->rounds, sent);
        if (!write_all(client->fd, sent, length) ||
            !read_all(client->fd, got, length) || memcmp(sent, got, length) != 0)
            break;
        client->bytes += length;
        client->rounds++;
    }
    client->broken = true;
    return NULL;
}

void traffic_add(struct traffic *traffic, uint16_t port, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct traffic_client *client = &traffic->clients[traffic->n];
        client->number = traffic->n++;
        client->fd = traffic_connect(port);
        cr_assert_geq(client->fd, 0, "connecting to %u: %s", port, strerror(errno));
        cr_assert_eq(pthread_create(&client->thread, NULL, run_client, client), 0);
    }
}

void traffic_wait(struct traffic *traffic, uint64_t rounds)
{
    uint64_t wanted[TRAFFIC_CLIENTS];
    for (size_t i = 0; i < traffic->n; i++)
        wanted[i] = traffic->clients[i].rounds + rounds;
    int left_ms = TRAFFIC_PATIENCE_MS;
    for (size_t i = 0; i < traffic->n;) {
        const struct traffic_client *client = &traffic->clients[i];
        cr_assert_not(client->broken, "client %zu", i);
        if (client->rounds >= wanted[i]) {
            i++;
            continue;
        }
        cr_assert_gt(left_ms -= TURN_MS, 0, "client %zu hangs", i);
        (void)poll(NULL, 0, TURN_MS);
    }
}

uint64_t traffic_stop(struct traffic *traffic)
{
    uint64_t bytes = 0;
    traffic_wait(traffic, 1);
    for (size_t i = 0; i < traffic->n; i++) {
        struct traffic_client *client = &traffic->clients[i];
        cr_assert_not(client->broken, "client %zu", i);
        (void)shutdown(client->fd, SHUT_RDWR);
        (void)pthread_join(client->thread, NULL);
        (void)close(client->fd);
        bytes += client->bytes;
    }
    traffic->n = 0;
    return bytes;
}
