/* SPDX-License-Identifier: MIT */
/* Resolving and connecting, each with a deadline and one sentence for what failed.
 *
 * Happy path: endpoint_parse -> getaddrinfo -> the first address that accepts.
 * Failures: of several addresses the last one's reason is told. A text that looks like
 * a URL or a conninfo is refused without being repeated, for it may hold a password.
 * It does not wait for a slow resolver any less than the resolver does. */
#include "scenarios/init/reach.h"

#include "rules/language/address.h"
#include "rules/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static bool wait_for(int fd, short events)
{
    struct pollfd poll_fd = {.fd = fd, .events = events};
    int n = 0;
    do
        n = poll(&poll_fd, 1, REACH_TIMEOUT_MS);
    while (n < 0 && errno == EINTR);
    return n > 0;
}

/* A connected socket that does not block, or a negative errno. */
static int dial(const struct sockaddr *address, socklen_t size)
{
    int failure = 0;
    socklen_t failure_size = sizeof failure;
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, address, size) != 0 && errno != EINPROGRESS)
        failure = errno;
    else if (!wait_for(fd, POLLOUT))
        failure = ETIMEDOUT;
    else
        (void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &failure_size);
    if (failure == 0)
        return fd;
    (void)close(fd); /* it is of no use */
    return -failure;
}

static const char *explain(int status)
{
    switch (status) {
    case -ECONNREFUSED:
        return "the connection is refused: nothing listens there";
    case -ETIMEDOUT:
        return "there is no answer; is a firewall between?";
    default:
        return strerror(-status);
    }
}

int reach_host(const char *host, uint16_t port, struct reach_place *out,
               struct errmsg *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    char service[8], where[320];
    int status = -ENOENT;
    (void)snprintf(service, sizeof service, "%u", (unsigned)port);
    int unknown = getaddrinfo(host, service, &hints, &found);
    if (unknown) {
        errmsg_set(err, "the host \"%s\" is not found: %s", host,
                   gai_strerror(unknown));
        return -ENOENT;
    }
    for (struct addrinfo *at = found; at && status < 0; at = at->ai_next) {
        status = dial(at->ai_addr, at->ai_addrlen);
        if (status < 0)
            continue;
        (void)close(status); /* that it opened was the question */
        (void)snprintf(out->host, sizeof out->host, "%s", host);
        (void)getnameinfo(at->ai_addr, at->ai_addrlen, out->address,
                          sizeof out->address, NULL, 0, NI_NUMERICHOST);
        out->port = port;
    }
    freeaddrinfo(found);
    if (status >= 0)
        return 0;
    errmsg_set(err, "%s: %s", reach_print(host, port, where, sizeof where),
               explain(status));
    return status;
}

int reach_text(const char *text, uint16_t port, struct reach_place *out,
               struct errmsg *err)
{
    struct unit_error why = {.text = ""};
    struct endpoint endpoint;
    char host[256];
    if (strstr(text, "://") || strpbrk(text, "@= ")) {
        errmsg_set(err, "an address is HOST or HOST:PORT, without user, password and "
                        "database");
        return -EINVAL;
    }
    if (endpoint_parse(text, &endpoint, &why) != 0 || endpoint.host_length == 0 ||
        endpoint.host_length >= sizeof host) {
        errmsg_set(err, "\"%s\" is no address: %s", text,
                   why.text[0] ? why.text : "HOST or HOST:PORT");
        return -EINVAL;
    }
    (void)snprintf(host, sizeof host, "%.*s", (int)endpoint.host_length, endpoint.host);
    return reach_host(host, endpoint.has_port ? endpoint.port : port, out, err);
}

size_t reach_say(const struct reach_place *place, const void *bytes, size_t length,
                 char *answer, size_t n)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
    struct addrinfo *found = NULL;
    char service[8];
    ssize_t got = 0;
    (void)snprintf(service, sizeof service, "%u", (unsigned)place->port);
    if (getaddrinfo(place->address, service, &hints, &found) != 0)
        return 0;
    int fd = dial(found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    if (fd < 0)
        return 0;
    if (send(fd, bytes, length, MSG_NOSIGNAL) == (ssize_t)length &&
        wait_for(fd, POLLIN))
        got = recv(fd, answer, n, 0);
    (void)close(fd); /* all that was wanted was read */
    return got > 0 ? (size_t)got : 0;
}

bool reach_is_loopback(const char *host)
{
    struct in_addr v4;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    return strcmp(host, "::1") == 0 || strcmp(host, "localhost") == 0;
}

const char *reach_print(const char *address, uint16_t port, char *text,
                        size_t text_bytes)
{
    (void)snprintf(text, text_bytes, strchr(address, ':') ? "[%s]:%u" : "%s:%u",
                   address, (unsigned)port);
    return text;
}
