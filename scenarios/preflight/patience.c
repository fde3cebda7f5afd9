/* SPDX-License-Identifier: MIT */
/* The signals are blocked and read from a signalfd(2) that nobody reads out: so it
 * stays readable, every later wait ends at once, and the signal is still pending when
 * it is let through again. A signal that the process ignores (nohup) is left alone: held
 * back, it would show nevertheless. */
#include "scenarios/preflight/patience.h"

#include "proxy/base/namespace.h"
#include "proxy/base/now.h"
#include "scenarios/drivers/driver.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
enum { SIGNALS = sizeof signals / sizeof *signals };

int patience_open(struct patience *patience)
{
    sigset_t ours;
    sigemptyset(&ours);
    for (size_t i = 0; i < SIGNALS; i++) {
        struct sigaction now;
        if (sigaction(signals[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN)
            sigaddset(&ours, signals[i]);
    }
    patience->signal_fd = signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK);
    if (patience->signal_fd < 0)
        return -errno;
    (void)sigprocmask(SIG_BLOCK, &ours, &patience->before); /* cannot fail */
    return 0;
}

int patience_signal(const struct patience *patience)
{
    sigset_t pending;
    (void)patience;
    if (sigpending(&pending) != 0)
        return 0;
    for (size_t i = 0; i < SIGNALS; i++)
        if (sigismember(&pending, signals[i]) == 1)
            return signals[i];
    return 0;
}

/* poll(2)'s milliseconds, rounded up. */
static int left_ms(uint64_t until_ns)
{
    uint64_t now = now_ns();
    uint64_t left = until_ns > now ? now_ns_to_ms_up(until_ns - now) : 0;
    return left < INT_MAX ? (int)left : INT_MAX;
}

int patience_wait(const struct patience *patience, int fd, short events,
                  uint64_t until_ns)
{
    struct pollfd fds[] = {{.fd = patience->signal_fd, .events = POLLIN},
                           {.fd = fd, .events = events}};
    for (;;) {
        int n = poll(fds, 2, left_ms(until_ns));
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0)
            return fds[0].revents ? -EINTR : 0;
        if (n == 0)
            return -ETIMEDOUT;
    }
}

static socklen_t fill_address(const struct driver_endpoint *endpoint,
                              struct sockaddr_storage *out)
{
    struct sockaddr_in *four = (struct sockaddr_in *)out;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)out;
    *out = (struct sockaddr_storage){0};
    if (inet_pton(AF_INET, endpoint->address, &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        four->sin_port = htons(endpoint->port);
        return sizeof *four;
    }
    if (inet_pton(AF_INET6, endpoint->address, &six->sin6_addr) != 1)
        return 0;
    six->sin6_family = AF_INET6;
    six->sin6_port = htons(endpoint->port);
    return sizeof *six;
}

static int await_connection(const struct patience *patience, int fd, uint64_t until_ns)
{
    int error = 0;
    socklen_t size = sizeof error;
    int status = patience_wait(patience, fd, POLLOUT, until_ns);
    if (status == 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        error = errno;
    return status != 0 ? status : -error;
}

int patience_connect(const struct patience *patience,
                     const struct driver_endpoint *endpoint, uint64_t until_ns)
{
    struct sockaddr_storage address;
    socklen_t size = fill_address(endpoint, &address);
    int home = namespace_visit(endpoint->netns_fd);
    if (size == 0 || home < 0)
        return size == 0 ? -EINVAL : home;
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int status = fd < 0 ? -errno : 0;
    namespace_return(home);
    if (status == 0 && connect(fd, (struct sockaddr *)&address, size) != 0)
        status =
            errno == EINPROGRESS ? await_connection(patience, fd, until_ns) : -errno;
    if (status == 0)
        return fd;
    if (fd >= 0)
        (void)close(fd); /* nothing was sent */
    return status;
}

void patience_close(struct patience *patience)
{
    if (patience->signal_fd < 0)
        return;                       /* it was never open */
    (void)close(patience->signal_fd); /* nothing is read from it */
    (void)sigprocmask(SIG_SETMASK, &patience->before, NULL);
}
