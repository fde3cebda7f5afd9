/* SPDX-License-Identifier: MIT */
/* Accepts on one address under uv_poll (see acceptor.c).
 *
 * Where the rules refuse everything a listener serves, it is shut down: then connect()
 * fails with a true ECONNREFUSED, and listen() on the same socket brings it back (tried
 * on Linux 6.18: connections that were accepted go on, those that wait in the queue are
 * reset). A port that the kernel chose would be given up by that, because only ports
 * asked for by number stay with a socket that stops listening: so such a port is bound
 * again by its number at once.
 *
 * Where nobody is to be answered its queue is made too short and filled by a connection
 * to itself: then the kernel drops SYNs (Linux, tcp_conn_request). That connection is
 * closed when it comes out of the queue; until then its descriptor is kept, so that its
 * port can be nobody else's.
 *
 * A path that a reload gives another opener or server keeps its address: the new
 * listener shares the old one's socket, so that nobody who connects meanwhile is
 * refused.
 *
 * With several threads each has a socket of its own on the port, and the kernel shares
 * connections out among them (SO_REUSEPORT, socket(7)). The front's is bound first,
 * alone, so that a port that somebody else has is still found to be taken. To answer
 * nobody the others stop listening, after taking what waits, and the front's alone is
 * made full.
 *
 * When connections or descriptors run out, accepting pauses; the kernel's queue holds
 * newcomers, and accepting goes on when a connection has ended. */
#include "proxy/wire/listener.h"
#include "proxy/wire/acceptor.h"
#include "proxy/base/errmsg.h"
#include "proxy/base/log.h"
#include "proxy/base/now.h"
#include "proxy/wire/budget.h"
#include "proxy/wire/connection.h"
#include "proxy/fleet.h"
#include "proxy/instance.h"
#include "proxy/kernel/intercept.h"
#include "proxy/record/journal.h"
#include "proxy/kernel/tcp_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BACKLOG = 4096 }; /* the kernel cuts it to net.core.somaxconn */

#define RESUME_NS (100 * NS_PER_MS)

static void share_port(int fd)
{
    const int on = 1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on); /* TCP has it */
}

static int bind_socket(const struct sockaddr_storage *address, bool shared)
{
    int fd = tcp_socket_make(NULL, address->ss_family);
    if (fd < 0)
        return fd;
    const int on = 1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on); /* TCP has it */
    if (shared)
        share_port(fd);
    if (address->ss_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(fd, (const struct sockaddr *)address, sockaddress_length(address)) != 0) {
        int status = -errno;
        (void)close(fd);
        return status;
    }
    return fd;
}

/* A bound socket, its port by number; *address gets it. A negative errno otherwise. */
static int bind_by_number(struct sockaddr_storage *address)
{
    int fd = bind_socket(address, false);
    if (fd < 0 || sockaddress_port(address) != 0)
        return fd;
    socklen_t length = sizeof *address;
    (void)getsockname(fd, (struct sockaddr *)address, &length); /* it is bound */
    int again =
        bind_socket(address, false); /* both may have it while neither listens */
    (void)close(fd);
    return again;
}

static void set_names(struct listener *listener, const struct plan_listener *plan)
{
    struct journal *journal = listener->proxy->config.journal;
    listener->name = journal_intern(journal, plan->name);
    listener->from = journal_intern(journal, plan->from);
    listener->to = journal_intern(journal, plan->to);
    listener->to_port = plan->to_port;
    listener->to_address = plan->to_address;
    listener->to_address.text = journal_intern(journal, plan->to_address.text);
}

static void on_acceptable(void *context, int events, bool failed);

static void drop_filler(struct listener *listener)
{
    if (listener->filler >= 0)
        (void)close(listener->filler);
    listener->filler = -1;
}

static int bind_new(struct listener *listener, const struct listener *leader)
{
    if (leader)
        return bind_socket(&listener->bound, true);
    int fd = bind_by_number(&listener->bound);
    if (fd >= 0 && fleet_size(listener->proxy) > 1)
        share_port(fd);
    return fd;
}

/* A socket for it: the holder's, or one of its own. A negative errno otherwise. */
static int get_socket(struct listener *listener, const struct listener *holder,
                      const struct listener *leader)
{
    if (!holder)
        return bind_new(listener, leader);
    listener->answer = holder->answer;
    if (holder->filler >= 0) {
        listener->filler = fcntl(holder->filler, F_DUPFD_CLOEXEC, 0);
        if (listener->filler < 0)
            return -errno;
    }
    int fd = fcntl(watch_fd(holder->watch), F_DUPFD_CLOEXEC, 0);
    return fd < 0 ? -errno : fd;
}

int listener_create(struct listener **out, struct proxy *proxy,
                    const struct plan_listener *plan, const struct listener *holder,
                    const struct listener *leader, struct errmsg *err)
{
    struct listener *listener = calloc(1, sizeof *listener);
    if (!listener)
        return -ENOMEM;
    listener->proxy = proxy;
    listener->filler = -1;
    listener->address = plan->address;
    listener->address.text = NULL;
    listener->port = plan->port;
    set_names(listener, plan);
    (void)sockaddress_make(&plan->address, plan->port, &listener->bound);
    if (leader)
        listener->bound = leader->bound;
    sockaddress_format(&listener->bound, listener->text);
    int fd = get_socket(listener, holder, leader);
    int status = fd < 0 ? fd : 0;
    if (status == 0 && !holder && listen(fd, BACKLOG) != 0)
        status = -errno;
    if (status == 0)
        status = watch_create(&listener->watch, proxy->watches, fd, 0, on_acceptable,
                              listener);
    if (status != 0) {
        errmsg_set(err, "listening on %s for \"%s\": %s", listener->text, plan->name,
                   strerror(-status));
        if (fd >= 0)
            (void)close(fd);
        drop_filler(listener);
        free(listener);
        return status;
    }
    watch_share(listener->watch); /* a reload may give it another descriptor */
    sockaddress_format(&listener->bound, listener->text);
    *out = listener;
    return 0;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_address(const struct listener *listener,
                         const struct plan_listener *plan)
{
    return listener->port == plan->port &&
           listener->address.kind == plan->address.kind &&
           memcmp(listener->address.bytes, plan->address.bytes,
                  sizeof plan->address.bytes) == 0;
}

bool listener_has_address(const struct listener *listener,
                          const struct plan_listener *plan)
{
    return plan->port != 0 && same_address(listener, plan);
}

bool listener_is_same(const struct listener *listener, const struct plan_listener *plan)
{
    return same_address(listener, plan) && same_text(listener->from, plan->from) &&
           same_text(listener->to, plan->to);
}

void listener_adopt(struct listener *listener, const struct plan_listener *plan)
{
    set_names(listener, plan);
    listener->path = paths_find(listener->proxy->paths, listener->from, listener->to,
                                listener->to_port);
}

/* What the rules say of all that it serves, and which one. Out of memory: nothing. */
static enum listener_answer wanted_answer(struct listener *listener, uint64_t now_ns,
                                          const struct plan_rule **rule)
{
    const struct match *match =
        listener->path ? instance_match(listener->proxy, listener->path) : NULL;
    enum admit_verb verb = match ? match_admits_all(match, now_ns, rule) : ADMIT_ACCEPT;
    return verb == ADMIT_REFUSE   ? LISTENER_REFUSES
           : verb == ADMIT_IGNORE ? LISTENER_IGNORES
                                  : LISTENER_ACCEPTS;
}

/* 0 or a negative errno, and then it accepts, or answers as it did. */
static int begin_ignoring(struct listener *listener)
{
    const struct sockaddr_storage *to = &listener->bound;
    int fd = watch_fd(listener->watch);
    if (listener->filler < 0)
        listener->filler =
            socket(to->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener->filler < 0 || listen(fd, 0) != 0)
        return -errno;
    /* One whose own SYN is not answered is as good: then the queue is full. */
    if (connect(listener->filler, (const struct sockaddr *)to,
                sockaddress_length(to)) == 0 ||
        errno == EINPROGRESS || errno == EISCONN || errno == EALREADY)
        return 0;
    int status = -errno;
    drop_filler(listener);
    (void)listen(fd, BACKLOG); /* it listened a moment ago */
    listener->answer = LISTENER_ACCEPTS;
    return status;
}

static bool is_front(const struct listener *listener)
{
    return listener->proxy->front == listener->proxy;
}

/* Does its socket listen, with whatever queue? */
static bool is_listening(const struct listener *listener)
{
    return listener->answer == LISTENER_ACCEPTS ||
           (listener->answer == LISTENER_IGNORES && is_front(listener));
}

/* Only one that listens is shut down: a second time it would stay shut, and so would
 * all that it accepts when it listens again, for the kernel makes them after it (Linux,
 * inet_shutdown and sk_clone). */
static void stop_listening(const struct listener *listener)
{
    if (is_listening(listener))
        (void)shutdown(watch_fd(listener->watch), SHUT_RDWR); /* cannot fail */
}

static int change_answer(struct listener *listener, enum listener_answer answer)
{
    int fd = watch_fd(listener->watch);
    switch (answer) {
    case LISTENER_ACCEPTS:
        return listen(fd, BACKLOG) == 0 ? 0 : -errno;
    case LISTENER_REFUSES:
        stop_listening(listener);
        drop_filler(listener); /* reset with the queue */
        return 0;
    case LISTENER_IGNORES:
        if (is_front(listener))
            return begin_ignoring(listener);
        stop_listening(listener);
        return 0;
    }
    return 0;
}

/* Takes the connections that wait in a queue which is to go: they were answered, and
 * are for the rules to hold. */
static void empty_queue(struct listener *listener)
{
    struct pollfd queue = {.fd = watch_fd(listener->watch), .events = POLLIN};
    while (!listener->proxy->paused && poll(&queue, 1, 0) > 0 &&
           (queue.revents & POLLIN))
        on_acceptable(listener, UV_READABLE, false);
}

static void set_answer(struct listener *listener, enum listener_answer answer)
{
    if (answer == listener->answer)
        return;
    if (answer == LISTENER_IGNORES && !is_front(listener) && is_listening(listener))
        empty_queue(listener);
    watch_set(listener->watch, 0);
    int status = change_answer(listener, answer);
    if (status == 0)
        listener->answer = answer;
    else /* the next change or edge tries again */
        log_line(LOG_ERROR, "listener=%s %s cannot change what it answers: %s",
                 listener->name, listener->text, strerror(-status));
}

void listener_update(struct listener *listener, uint64_t now_ns)
{
    const struct plan_rule *rule = NULL;
    unanswered_end(listener);
    set_answer(listener, wanted_answer(listener, now_ns, &rule));
    if (listener->answer == LISTENER_IGNORES && rule && is_front(listener))
        unanswered_begin(listener, rule);
    if (listener->answer == LISTENER_ACCEPTS && !listener->proxy->paused)
        watch_set(listener->watch, UV_READABLE);
}

void listener_retire(struct listener *listener)
{
    struct journal *journal = listener->proxy->config.journal;
    struct journal_event event = {
        .type = JOURNAL_LISTENER_CLOSED,
        .from = listener->from,
        .to = listener->to,
        .text = journal_text(journal, listener->text),
    };
    if (is_front(listener)) /* once for all that share the port */
        (void)journal_add(journal, &event);
    unanswered_end(listener);
    watch_close(listener->watch);
    listener->watch = NULL;
    drop_filler(listener);
}

bool listener_is_retired(const struct listener *listener)
{
    return !listener->watch;
}

void listener_destroy(struct listener *listener)
{
    watch_close(listener->watch);
    drop_filler(listener);
    free(listener);
}

void listener_keep(struct listener *listener)
{
    listener->n_connections++;
}

static void take_off(struct listener **list, const struct listener *listener)
{
    while (*list != listener)
        list = &(*list)->next;
    *list = listener->next;
}

void listener_release(struct listener *listener)
{
    if (--listener->n_connections > 0 || !listener_is_retired(listener))
        return;
    take_off(&listener->proxy->retired, listener);
    free(listener);
}

struct path *listener_path(struct listener *listener,
                           const struct sockaddr_storage *client)
{
    if (listener->from)
        return listener->path;
    const uint8_t *bytes = NULL;
    enum address_kind kind = sockaddress_bytes(client, &bytes);
    const char *opener = NULL;
    if (kind != ADDRESS_NONE)
        opener = plan_node_of_address(listener->proxy->plan, kind, bytes);
    return opener ? paths_find(listener->proxy->paths, opener, listener->to,
                               listener->to_port)
                  : listener->path;
}

void listener_pause_all(struct proxy *proxy, enum counters_budget_kind kind)
{
    timer_set(proxy->timers, &proxy->resume, now_ns() + RESUME_NS);
    if (proxy->paused)
        return;
    proxy->paused = true;
    budget_say_reached(proxy, kind);
    for (struct listener *each = proxy->listeners; each; each = each->next)
        watch_set(each->watch, 0);
    intercept_pause(proxy->interceptor);
}

void listener_resume_all(struct proxy *proxy)
{
    if (!proxy->paused)
        return;
    proxy->paused = false;
    for (struct listener *each = proxy->listeners; each; each = each->next)
        if (each->answer == LISTENER_ACCEPTS)
            watch_set(each->watch, UV_READABLE);
    intercept_resume(proxy->interceptor);
}

/* Is it the connection that filled the queue? Then that is over. */
static bool take_filler(struct listener *listener,
                        const struct sockaddr_storage *client)
{
    struct sockaddr_storage own;
    socklen_t length = sizeof own;
    if (listener->filler < 0 ||
        getsockname(listener->filler, (struct sockaddr *)&own, &length) != 0 ||
        !sockaddress_equal(&own, client))
        return false;
    drop_filler(listener);
    return true;
}

static bool take_client(void *context, int fd, const struct sockaddr_storage *client)
{
    struct listener *listener = context;
    if (take_filler(listener, client)) {
        (void)close(fd);
        return false;
    }
    const struct connection_target target = {
        .listener = listener,
        .through = listener->name,
        .path = listener_path(listener, client),
    };
    return connection_open(listener->proxy, &target, fd, client);
}

static void on_acceptable(void *context, int events, bool failed)
{
    (void)events;
    (void)failed; /* a listening socket has no errors of its own */
    struct listener *listener = context;
    acceptor_run(listener->proxy, listener->watch, take_client, listener);
}
