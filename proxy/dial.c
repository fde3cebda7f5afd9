/* SPDX-License-Identifier: MIT */
/* The happy path: make the list of addresses (of one, for a numeric address; from
 * uv_getaddrinfo, in libuv's threads, for a name), then for each: a non-blocking
 * connect, wait until the socket is writable, ask SO_ERROR. The first that connects is
 * handed over with its watch.
 *
 * An address that fails makes way for the next; the last one's error is the answer.
 * Running out of descriptors is answered at once: another address would not help.
 *
 * Addresses are tried one after the other, in the order of the resolver (RFC 6724), not
 * in parallel: one that does not answer uses up the caller's deadline. Results are not
 * cached: in a cluster a name moves, and that is what drills are about. */
#include "proxy/dial.h"
#include "proxy/sockaddress.h"
#include "proxy/watch.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A lookup cannot be cancelled while a thread is at it, so it outlives its dial. */
struct lookup {
    uv_getaddrinfo_t request;
    struct dial *dial; /* NULL: nobody waits for it any more */
};

struct dial {
    struct watch_group *group;   /* borrowed */
    struct lookup *lookup;       /* shared with the loop while it runs; else NULL */
    struct addrinfo *names;      /* owned; of a name; NULL for a numeric address */
    const struct addrinfo *next; /* in names: to be tried next */
    struct watch *watch;         /* owned; of the connect that runs, or NULL */
    struct dial_result result;   /* so far */
    dial_done_fn on_done;
    void *context; /* borrowed */
};

static void dial_free(struct dial *dial)
{
    if (dial->lookup)
        dial->lookup->dial = NULL;
    watch_close(dial->watch);
    if (dial->names)
        freeaddrinfo(dial->names);
    free(dial);
}

static void finish(struct dial *dial)
{
    const struct dial_result result = dial->result;
    dial_done_fn on_done = dial->on_done;
    void *context = dial->context;
    dial_free(dial);
    on_done(context, &result);
}

static int make_socket(int family)
{
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    const int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* TCP has it */
    (void)setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof on); /* likewise */
    return fd;
}

static void on_connected(void *context, int events, bool failed);

/* Begins to connect. 0: on_connected will tell. */
static int try_one(struct dial *dial, const struct sockaddr *address, socklen_t length)
{
    memcpy(&dial->result.server, address, length);
    int fd = make_socket(address->sa_family);
    if (fd < 0)
        return fd;
    int status = 0;
    if (connect(fd, address, length) != 0 && errno != EINPROGRESS)
        status = -errno;
    if (status == 0)
        status = watch_create(&dial->watch, dial->group, fd, UV_WRITABLE, on_connected,
                              dial);
    if (status != 0) {
        (void)close(fd);
        return status;
    }
    return 0;
}

static bool is_exhausted(int status)
{
    return status == -EMFILE || status == -ENFILE;
}

/* Goes on to the first address that does not fail at once. 0, or the last one's error.
 */
static int try_next(struct dial *dial)
{
    while (dial->next && !is_exhausted(dial->result.status)) {
        const struct addrinfo *name = dial->next;
        dial->next = name->ai_next;
        dial->result.status = try_one(dial, name->ai_addr, name->ai_addrlen);
        if (dial->result.status == 0)
            return 0;
    }
    return dial->result.status;
}

/* Connecting to a port of the kernel's own range on which nobody listens can meet itself:
 * the kernel may choose that very port for our end (TCP's simultaneous open). */
static bool is_connected_to_itself(int fd, const struct sockaddr_storage *server)
{
    struct sockaddr_storage own = {0}, peer = {0};
    socklen_t own_length = sizeof own, peer_length = sizeof peer;
    return getsockname(fd, (struct sockaddr *)&own, &own_length) == 0 &&
           sockaddress_port(&own) == sockaddress_port(server) &&
           getpeername(fd, (struct sockaddr *)&peer, &peer_length) == 0 &&
           sockaddress_equal(&own, &peer);
}

static void on_connected(void *context, int events, bool failed)
{
    (void)events;
    struct dial *dial = context;
    int error = 0;
    socklen_t length = sizeof error;
    if (failed)
        (void)getsockopt(watch_fd(dial->watch), SOL_SOCKET, SO_ERROR, &error, &length);
    if (error == 0 &&
        is_connected_to_itself(watch_fd(dial->watch), &dial->result.server))
        error = ECONNREFUSED;
    dial->result.status = -error;
    if (error == 0) {
        dial->result.watch = dial->watch;
        dial->watch = NULL;
        finish(dial);
        return;
    }
    watch_close(dial->watch);
    dial->watch = NULL;
    if (try_next(dial) != 0)
        finish(dial);
}

static void on_looked_up(uv_getaddrinfo_t *request, int status, struct addrinfo *names)
{
    struct lookup *lookup = request->data;
    struct dial *dial = lookup->dial;
    free(lookup);
    if (!dial) {
        if (names)
            freeaddrinfo(names);
        return;
    }
    dial->lookup = NULL;
    dial->names = names;
    dial->next = names;
    dial->result.status = status;
    if (status != 0 || try_next(dial) != 0)
        finish(dial);
}

static int start_lookup(struct dial *dial, const char *name, uint16_t port)
{
    static const struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    char service[8];
    (void)snprintf(service, sizeof service, "%u", port);
    struct lookup *lookup = calloc(1, sizeof *lookup);
    if (!lookup)
        return -ENOMEM;
    lookup->request.data = lookup;
    lookup->dial = dial;
    int status = uv_getaddrinfo(watch_group_loop(dial->group), &lookup->request,
                                on_looked_up, name, service, &hints);
    if (status != 0) {
        free(lookup);
        return status;
    }
    dial->lookup = lookup;
    return 0;
}

int dial_start(struct dial **out, struct watch_group *group,
               const struct address *address, uint16_t port, dial_done_fn on_done,
               void *context)
{
    struct dial *dial = calloc(1, sizeof *dial);
    if (!dial)
        return -ENOMEM;
    dial->group = group;
    dial->on_done = on_done;
    dial->context = context;
    int status;
    if (address->kind == ADDRESS_HOST) {
        status = start_lookup(dial, address->text, port);
    } else {
        struct sockaddr_storage server;
        socklen_t length = sockaddress_make(address, port, &server);
        status = try_one(dial, (struct sockaddr *)&server, length);
    }
    if (status != 0) {
        dial_free(dial);
        return status;
    }
    *out = dial;
    return 0;
}

void dial_cancel(struct dial *dial)
{
    if (dial)
        dial_free(dial);
}
