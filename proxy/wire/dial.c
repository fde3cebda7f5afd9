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
 * in parallel: one that does not answer has as long as the caller is patient. Look-ups
 * share libuv's four threads: where a name server is silent they wait for each other,
 * each no longer than its caller's deadline. Results are not
 * cached: in a cluster a name moves, and that is what drills are about. */
#include "proxy/wire/dial.h"
#include "proxy/wire/sockaddress.h"
#include "proxy/kernel/tcp_socket.h"
#include "proxy/wire/watch.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
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
    bool pressed;                /* since that connect began */
    struct dial_source source;
    struct dial_result result; /* so far */
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

/* How an attempt is bound: less of the source each time. */
enum binding {
    BIND_WHOLE = 0,
    BIND_ANY_PORT,
    BIND_NOTHING,
    BINDINGS,
};

/* 0 or a negative errno. A port that is not asked for is chosen by connect, which knows
 * the other end: so the same one can serve several. */
static int bind_source(int fd, struct sockaddr_storage address, enum binding binding)
{
    const int on = 1;
    if (address.ss_family == AF_UNSPEC || binding == BIND_NOTHING)
        return 0;
    if (binding == BIND_ANY_PORT)
        sockaddress_set_port(&address, 0);
    /* TCP has both. */
    if (sockaddress_port(&address) == 0)
        (void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    else
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    return bind(fd, (struct sockaddr *)&address, sockaddress_length(&address)) == 0
               ? 0
               : -errno;
}

static int prepare(int fd, int family, const struct dial_source *source)
{
    if (source->mark != 0 &&
        setsockopt(fd, SOL_SOCKET, SO_MARK, &source->mark, sizeof source->mark) != 0)
        return -errno;
    return source->transparent ? tcp_socket_set_transparent(fd, family) : 0;
}

/* A socket on its way, or a negative errno. */
static int connect_bound(const struct dial_source *source,
                         const struct sockaddr *address, socklen_t length,
                         enum binding binding)
{
    int fd = tcp_socket_make(source->netns, address->sa_family);
    if (fd < 0)
        return fd;
    int status = prepare(fd, address->sa_family, source);
    if (status == 0)
        status = bind_source(fd, source->address, binding);
    if (status == 0 && connect(fd, address, length) != 0 && errno != EINPROGRESS)
        status = -errno;
    if (status == 0)
        return fd;
    (void)close(fd);
    return status;
}

/* Is it the source's fault? (EINVAL: bound to the loopback, and the server is not.) */
static bool is_about_source(int status)
{
    return status == -EADDRINUSE || status == -EADDRNOTAVAIL || status == -EINVAL;
}

static int connect_somehow(const struct dial_source *source,
                           const struct sockaddr *address, socklen_t length)
{
    bool bound = source->address.ss_family == address->sa_family;
    int status = -EADDRNOTAVAIL;
    for (int binding = bound ? BIND_WHOLE : BIND_NOTHING;
         binding < BINDINGS && is_about_source(status); binding++)
        status = connect_bound(source, address, length, (enum binding)binding);
    return status;
}

static void on_connected(void *context, int events, bool failed);

/* Begins to connect. 0: on_connected will tell. */
static int try_one(struct dial *dial, const struct sockaddr *address, socklen_t length)
{
    memcpy(&dial->result.server, address, length);
    dial->pressed = false;
    int fd = connect_somehow(&dial->source, address, length);
    if (fd < 0)
        return fd;
    int status =
        watch_create(&dial->watch, dial->group, fd, UV_WRITABLE, on_connected, dial);
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

/* Connecting to a port of the kernel's own range on which nobody listens can meet
 * itself: the kernel may choose that very port for our end (TCP's simultaneous open).
 */
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
               const struct address *address, uint16_t port,
               const struct dial_source *source, dial_done_fn on_done, void *context)
{
    struct dial *dial = calloc(1, sizeof *dial);
    if (!dial)
        return -ENOMEM;
    dial->group = group;
    if (source)
        dial->source = *source;
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

void dial_press(struct dial *dial)
{
    if (!dial->watch || !dial->next)
        return; /* it is looked up, or there is nothing else to try */
    if (!dial->pressed) {
        dial->pressed = true;
        return;
    }
    watch_close(dial->watch);
    dial->watch = NULL;
    if (try_next(dial) != 0)
        finish(dial);
}

void dial_cancel(struct dial *dial)
{
    if (dial)
        dial_free(dial);
}
