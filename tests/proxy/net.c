/* SPDX-License-Identifier: MIT */
/* One thread turns the loop for the proxy, its clients and its servers. */
#include "tests/proxy/net.h"
#include "proxy/base/errmsg.h"
#include "proxy/base/now.h"
#include "rules/buffer.h"
#include "rules/diag.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void on_stopped(void *context)
{
    struct net *net = context;
    net->stopped = true;
}

void net_init(struct net *net)
{
    *net = (struct net){0};
    cr_assert_eq(uv_loop_init(&net->loop), 0);
    cr_assert_eq(counters_init(&net->counters), 0);
    net->journal = journal_create(1 << 16);
    cr_assert_not_null(net->journal);
    net->config = (struct proxy_config){
        .loop = &net->loop,
        .counters = &net->counters,
        .journal = net->journal,
        .has_seed = true,
        .seed = 42,
        .on_stopped = on_stopped,
        .context = net,
    };
}

static void show(struct diag *diag, const struct errmsg *err)
{
    struct buffer text = {0};
    diag_render(diag, false, &text);
    fprintf(stderr, "%s%s\n", buffer_text(&text), err->text);
    buffer_close(&text);
}

static int apply(struct net *net, const char *overlay, const char *text)
{
    struct diag diag;
    struct errmsg err = {0};
    const struct proxy_source source = {overlay ? overlay : "base.yaml", text,
                                        strlen(text)};
    diag_init(&diag, NULL);
    struct proxy_status status;
    proxy_status(net->proxy, &status);
    int result = overlay ? proxy_apply_overlay(net->proxy, overlay, &source, UINT64_MAX,
                                               NULL, &diag, &err)
                 : status.started_ns
                     ? proxy_apply_base(net->proxy, &source, NULL, &diag, &err)
                     : proxy_start(net->proxy, &source, &diag, &err);
    if (result != 0)
        show(&diag, &err);
    diag_close(&diag);
    return result;
}

static char *print(const char *format, va_list args)
{
    char *text = NULL;
    cr_assert_geq(vasprintf(&text, format, args), 0);
    return text;
}

void net_start(struct net *net, const char *format, ...)
{
    cr_assert_eq(proxy_create(&net->config, &net->proxy), 0);
    va_list args;
    va_start(args, format);
    char *text = print(format, args);
    va_end(args);
    cr_assert_eq(apply(net, NULL, text), 0);
    free(text);
}

int net_apply_base(struct net *net, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = print(format, args);
    va_end(args);
    int status = apply(net, NULL, text);
    free(text);
    return status;
}

void net_apply(struct net *net, const char *name, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *rules = print(format, args);
    va_end(args);
    char *text = NULL;
    cr_assert_geq(asprintf(&text, "netsplit: 1\nrules:\n%s\n", rules), 0);
    cr_assert_eq(apply(net, name, text), 0);
    free(rules);
    free(text);
}

void net_remove(struct net *net, const char *name)
{
    cr_assert_eq(proxy_remove_overlay(net->proxy, name, NULL), 0);
}

static bool has_stopped(void *context)
{
    return ((struct net *)context)->stopped;
}

void net_close(struct net *net)
{
    if (!net->stopped) {
        proxy_stop(net->proxy, 0);
        net_until(net, has_stopped, net);
    }
    proxy_destroy(net->proxy);
    uv_run(&net->loop, UV_RUN_DEFAULT);
    cr_assert_eq(uv_loop_close(&net->loop), 0, "nothing is left on the loop");
    cr_assert_eq(net->counters.budgets[BUDGET_HELD_BYTES].used_now, 0);
    cr_assert_eq(net->counters.budgets[BUDGET_CONNECTIONS].used_now, 0);
    cr_assert_null(net->counters.connections);
    for (struct counters_link *each = net->counters.links; each; each = each->next) {
        cr_assert_eq(each->held_bytes_now, 0);
        cr_assert_eq(each->attempts_held_now, 0);
        cr_assert_eq(each->connections_open_now, 0);
    }
    for (struct counters_rule *each = net->counters.rules; each; each = each->next) {
        cr_assert_eq(each->held_bytes_now, 0, "%s holds %llu", each->name,
                     (unsigned long long)each->held_bytes_now);
        cr_assert_eq(each->attempts_held_now, 0);
    }
    journal_destroy(net->journal);
    counters_close(&net->counters);
}

struct find_port {
    const char *name;
    uint16_t port;
};

static void match_port(void *context, const struct proxy_listener_view *view)
{
    struct find_port *find = context;
    if (strcmp(view->name, find->name) == 0)
        find->port = (uint16_t)atoi(strrchr(view->address, ':') + 1);
}

uint16_t net_port(struct net *net, const char *listener)
{
    struct find_port find = {listener, 0};
    proxy_each_listener(net->proxy, match_port, &find);
    cr_assert_neq(find.port, 0, "no listener %s", listener);
    return find.port;
}

/* Waits for the loop's descriptors or for fd (-1: none), then lets the loop turn. */
static bool turn(struct net *net, int fd, short events, int timeout_ms)
{
    struct pollfd fds[2] = {{.fd = uv_backend_fd(&net->loop), .events = POLLIN},
                            {.fd = fd, .events = events}};
    (void)uv_run(&net->loop, UV_RUN_NOWAIT); /* changes of interest reach epoll */
    (void)poll(fds, 2, timeout_ms);
    (void)uv_run(&net->loop, UV_RUN_NOWAIT);
    return fds[1].revents != 0;
}

void net_turn(struct net *net, int timeout_ms)
{
    (void)turn(net, -1, 0, timeout_ms);
}

static void check_patience(uint64_t since_ns)
{
    cr_assert_lt(now_ns() - since_ns, NET_PATIENCE_NS, "waited in vain");
}

void net_wait(struct net *net, int fd, short events)
{
    uint64_t since = now_ns();
    while (!turn(net, fd, events, 20))
        check_patience(since);
}

void net_until(struct net *net, bool (*check)(void *context), void *context)
{
    uint64_t since = now_ns();
    while (!check(context)) {
        net_turn(net, 10);
        check_patience(since);
    }
}

void net_idle(struct net *net, uint64_t span_ns)
{
    uint64_t until = now_ns() + span_ns;
    for (uint64_t now = now_ns(); now < until; now = now_ns())
        net_turn(net, (int)now_ns_to_ms_up(until - now));
}

static socklen_t loopback(int family, uint16_t port, struct sockaddr_storage *out)
{
    *out = (struct sockaddr_storage){0};
    if (family == AF_INET6) {
        struct sockaddr_in6 *six = (struct sockaddr_in6 *)out;
        *six = (struct sockaddr_in6){.sin6_family = AF_INET6,
                                     .sin6_port = htons(port),
                                     .sin6_addr = in6addr_loopback};
        return sizeof *six;
    }
    struct sockaddr_in *four = (struct sockaddr_in *)out;
    *four = (struct sockaddr_in){.sin_family = AF_INET,
                                 .sin_port = htons(port),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    return sizeof *four;
}

static int make_socket(int family)
{
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    cr_assert_geq(fd, 0);
    const int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

int net_listen(int family, uint16_t *port)
{
    struct sockaddr_storage address;
    socklen_t length = loopback(family, 0, &address);
    int fd = make_socket(family);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, length), 0);
    cr_assert_eq(listen(fd, 128), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    *port = family == AF_INET6 ? ntohs(((struct sockaddr_in6 *)&address)->sin6_port)
                               : ntohs(((struct sockaddr_in *)&address)->sin_port);
    return fd;
}

int net_dial(int family, uint16_t port)
{
    struct sockaddr_storage address;
    socklen_t length = loopback(family, port, &address);
    int fd = make_socket(family);
    if (connect(fd, (struct sockaddr *)&address, length) != 0)
        cr_assert_eq(errno, EINPROGRESS, "%s", strerror(errno));
    return fd;
}

static int connect_result(struct net *net, int fd)
{
    int error = 0;
    socklen_t length = sizeof error;
    net_wait(net, fd, POLLOUT);
    cr_assert_eq(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length), 0);
    return error;
}

int net_connect(struct net *net, uint16_t port)
{
    int fd = net_dial(AF_INET, port);
    cr_assert_eq(connect_result(net, fd), 0);
    return fd;
}

int net_connect_error(struct net *net, uint16_t port)
{
    int fd = net_dial(AF_INET, port);
    int error = connect_result(net, fd);
    (void)close(fd);
    return error;
}

void net_connect_and_hear_reset(struct net *net, uint16_t port)
{
    int fd = net_dial(AF_INET, port);
    int error = connect_result(net, fd); /* both may have happened by now */
    if (error == 0)
        net_hear_reset(net, fd);
    else
        cr_assert_eq(error, ECONNRESET, "%s", strerror(error));
    (void)close(fd);
}

int net_accept(struct net *net, int listener)
{
    net_wait(net, listener, POLLIN);
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    cr_assert_geq(fd, 0);
    return fd;
}

void net_send(struct net *net, int fd, const void *bytes, size_t n)
{
    for (size_t sent = 0; sent < n;) {
        ssize_t got = send(fd, (const char *)bytes + sent, n - sent, MSG_NOSIGNAL);
        cr_assert(got > 0 || errno == EAGAIN, "%s", strerror(errno));
        if (got > 0)
            sent += (size_t)got;
        else
            net_wait(net, fd, POLLOUT);
    }
}

void net_receive(struct net *net, int fd, void *bytes, size_t n)
{
    for (size_t received = 0; received < n;) {
        ssize_t got = recv(fd, (char *)bytes + received, n - received, 0);
        cr_assert(got > 0 || (got < 0 && errno == EAGAIN), "after %zu of %zu: %s",
                  received, n, got == 0 ? "FIN" : strerror(errno));
        if (got > 0)
            received += (size_t)got;
        else
            net_wait(net, fd, POLLIN);
    }
}

size_t net_fill(struct net *net, int fd)
{
    static const char bytes[65536];
    size_t total = 0;
    for (int quiet = 0; quiet < 20;) {
        ssize_t n = send(fd, bytes, sizeof bytes, MSG_NOSIGNAL);
        total += n > 0 ? (size_t)n : 0;
        quiet = n > 0 ? 0 : quiet + 1;
        net_turn(net, n > 0 ? 0 : 5);
    }
    return total;
}

void net_skim(struct net *net, int fd, size_t n)
{
    char *bytes = malloc(n);
    net_receive(net, fd, bytes, n);
    free(bytes);
}

void net_say(struct net *net, int fd, const char *text)
{
    net_send(net, fd, text, strlen(text));
}

void net_hear(struct net *net, int fd, const char *text)
{
    char heard[256] = {0};
    cr_assert_lt(strlen(text), sizeof heard);
    net_receive(net, fd, heard, strlen(text));
    cr_assert_str_eq(heard, text);
}

void net_hear_fin(struct net *net, int fd)
{
    char byte;
    net_wait(net, fd, POLLIN);
    ssize_t n = recv(fd, &byte, 1, 0);
    cr_assert_eq(n, 0, "%s", n > 0 ? "a byte" : strerror(errno));
}

void net_hear_reset(struct net *net, int fd)
{
    char byte;
    net_wait(net, fd, POLLIN);
    ssize_t n = recv(fd, &byte, 1, 0);
    cr_assert_lt(n, 0, "%s", n == 0 ? "a FIN" : "a byte");
    cr_assert_eq(errno, ECONNRESET, "%s", strerror(errno));
}

void net_hear_nothing(struct net *net, int fd, uint64_t span_ns)
{
    char byte;
    net_idle(net, span_ns);
    ssize_t n = recv(fd, &byte, 1, MSG_PEEK);
    cr_assert(n < 0 && errno == EAGAIN, "%zd", n);
}

void net_reset(int fd)
{
    const struct linger now = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    (void)close(fd);
}

struct net_pair net_join(struct net *net, int listener)
{
    struct net_pair pair;
    pair.client = net_connect(net, net_port(net, "p"));
    pair.server = net_accept(net, listener);
    return pair;
}

void net_part(struct net_pair pair)
{
    close(pair.client);
    close(pair.server);
}

void net_talk(struct net *net, struct net_pair pair)
{
    net_say(net, pair.client, "ping");
    net_hear(net, pair.server, "ping");
    net_say(net, pair.server, "pong");
    net_hear(net, pair.client, "pong");
}

bool net_event(struct net *net, uint64_t *cursor, enum journal_type type,
               struct journal_event *event)
{
    uint64_t missed;
    while (journal_read(net->journal, cursor, event, &missed))
        if (event->type == type)
            return true;
    return false;
}

void net_closed_because(struct net *net, uint64_t *cursor, const char *why)
{
    struct journal_event event;
    uint64_t since = now_ns();
    while (!net_event(net, cursor, JOURNAL_CONNECTION_CLOSED, &event)) {
        net_turn(net, 10);
        check_patience(since);
    }
    cr_assert(strncmp(event.text, why, strlen(why)) == 0, "closed because: %s",
              event.text);
}
