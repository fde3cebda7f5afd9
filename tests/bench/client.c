/* SPDX-License-Identifier: MIT */
/* Blocking calls throughout: a client is one thread, and has nothing else to do. */
#include "tests/bench/client.h"
#include "proxy/base/now.h"
#include "tests/bench/server.h"

#include <err.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PIECE_BYTES = 256 << 10 };

struct sockaddr_in client_loopback(uint16_t port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons(port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

void client_set_nodelay(int fd)
{
    int on = 1;
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0)
        err(1, "TCP_NODELAY");
}

void client_pause_ns(uint64_t ns)
{
    struct timespec span = {.tv_sec = (time_t)(ns / NS_PER_S),
                            .tv_nsec = (long)(ns % NS_PER_S)};
    (void)nanosleep(&span, NULL);
}

static int try_connect(uint16_t port)
{
    struct sockaddr_in address = client_loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        err(1, "a client's socket");
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    int error = errno;
    (void)close(fd);
    errno = error;
    return -1;
}

uint16_t client_free_port(void)
{
    struct sockaddr_in address = client_loopback(0);
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, length) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &length) != 0)
        err(1, "a free port");
    (void)close(fd);
    return ntohs(address.sin_port);
}

bool client_finds(uint16_t port)
{
    int fd = try_connect(port);
    if (fd >= 0)
        (void)close(fd);
    return fd >= 0;
}

int client_connect(uint16_t port, char kind)
{
    int fd = try_connect(port);
    if (fd < 0)
        err(1, "connecting to port %u", port);
    client_set_nodelay(fd);
    if (send(fd, &kind, 1, MSG_NOSIGNAL) != 1)
        err(1, "the first byte to port %u", port);
    return fd;
}

bool client_ping(int fd)
{
    char message[MESSAGE_BYTES] = {0};
    if (send(fd, message, sizeof message, MSG_NOSIGNAL) != sizeof message)
        return false;
    return recv(fd, message, sizeof message, MSG_WAITALL) == sizeof message;
}

static void *send_until_told(void *argument)
{
    struct sender *sender = argument;
    uint64_t ns_each = sender->bytes_per_ms ? NS_PER_MS : 0, due = now_ns();
    size_t length = sender->bytes_per_ms ? sender->bytes_per_ms : PIECE_BYTES;
    char *piece = calloc(1, length);
    if (!piece)
        errx(1, "out of memory");
    while (!atomic_load_explicit(&sender->stop, memory_order_relaxed)) {
        if (send(sender->fd, piece, length, MSG_NOSIGNAL) < 0)
            break;
        due += ns_each;
        uint64_t now = now_ns();
        if (ns_each && now < due)
            client_pause_ns(due - now);
    }
    free(piece);
    return NULL;
}

void sender_start(struct sender *sender, uint16_t port, char kind,
                  uint64_t bytes_per_ms)
{
    sender->fd = client_connect(port, kind);
    sender->bytes_per_ms = bytes_per_ms;
    atomic_init(&sender->stop, false);
    if (pthread_create(&sender->thread, NULL, send_until_told, sender) != 0)
        errx(1, "a sender's thread");
}

void sender_stop(struct sender *sender)
{
    const struct linger now = {.l_onoff = 1, .l_linger = 0};
    atomic_store(&sender->stop, true);
    (void)shutdown(sender->fd, SHUT_RDWR); /* wakes a send that waits for room */
    (void)pthread_join(sender->thread, NULL);
    (void)setsockopt(sender->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    (void)close(sender->fd);
}
