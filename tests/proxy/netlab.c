/* SPDX-License-Identifier: MIT */
/* Namespaces by unshare(2) and setns(2), what is in them by ip(8). */
#include "tests/proxy/netlab.h"
#include "proxy/wire/sockaddress.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TEXTS = 8 };

static int new_namespace(void)
{
    if (unshare(CLONE_NEWNET) != 0)
        cr_skip_test("network namespaces: %s", strerror(errno));
    int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    cr_assert_geq(fd, 0);
    return fd;
}

static void enter(const struct netlab *lab, int node)
{
    cr_assert_eq(setns(node ? lab->nodes[node] : lab->home, CLONE_NEWNET), 0);
}

void netlab_run(const struct netlab *lab, int node, const char *format, ...)
{
    char *commands = NULL, *line = NULL;
    va_list args;
    va_start(args, format);
    cr_assert_geq(vasprintf(&commands, format, args), 0);
    va_end(args);
    cr_assert_geq(asprintf(&line, "set -e; %s", commands), 0);
    enter(lab, node);
    int status = system(line);
    enter(lab, 0);
    cr_assert_eq(status, 0, "%s", line);
    free(commands);
    free(line);
}

static void make_router(struct netlab *lab)
{
    *lab = (struct netlab){.home = new_namespace()};
    netlab_run(lab, 0, "ip link set lo up");
    /* Kernels without IPv6 have no such file. */
    netlab_run(lab, 0,
               "echo 1 > /proc/sys/net/ipv4/ip_forward; "
               "echo 1 > /proc/sys/net/ipv6/conf/all/forwarding");
}

static void make_node(struct netlab *lab)
{
    int node = ++lab->n;
    lab->nodes[node] = new_namespace();
    enter(lab, 0);
    netlab_run(lab, 0, "ip link add v%d type veth peer name eth0 netns /proc/%d/fd/%d",
               node, (int)getpid(), lab->nodes[node]);
    netlab_run(lab, node, "ip link set lo up; ip link set eth0 up");
}

void netlab_open(struct netlab *lab, int nodes)
{
    make_router(lab);
    for (int i = 1; i <= nodes; i++) {
        make_node(lab);
        netlab_run(lab, 0,
                   "ip link set v%d up; ip addr add 10.77.%d.1/24 dev v%d; "
                   "ip addr add fd77:%d::1/64 dev v%d nodad",
                   i, i, i, i, i);
        netlab_run(lab, i,
                   "ip addr add 10.77.%d.2/24 dev eth0; "
                   "ip addr add fd77:%d::2/64 dev eth0 nodad; "
                   "ip route add default via 10.77.%d.1; "
                   "ip route add default via fd77:%d::1",
                   i, i, i, i);
    }
}

void netlab_open_bridged(struct netlab *lab, int nodes)
{
    make_router(lab);
    lab->bridged = true;
    netlab_run(lab, 0,
               "ip link add br0 type bridge; ip link set br0 up; "
               "ip addr add 10.77.0.254/24 dev br0; "
               "ip addr add fd77::fe/64 dev br0 nodad");
    for (int i = 1; i <= nodes; i++) {
        make_node(lab);
        netlab_run(lab, 0, "ip link set v%d master br0; ip link set v%d up", i, i);
        netlab_run(lab, i,
                   "ip addr add 10.77.0.%d/24 dev eth0; "
                   "ip addr add fd77::%d/64 dev eth0 nodad",
                   i, i);
    }
}

void netlab_close(struct netlab *lab)
{
    for (int i = 1; i <= lab->n; i++)
        (void)close(lab->nodes[i]);
    (void)close(lab->home);
}

const char *netlab_address(const struct netlab *lab, int family, int node)
{
    static char texts[NETLAB_NODES + 1][2][32];
    char *text = texts[node][family == AF_INET6];
    bool six = family == AF_INET6;
    if (lab->bridged && node == 0)
        (void)snprintf(text, 32, six ? "fd77::fe" : "10.77.0.254");
    else if (lab->bridged)
        (void)snprintf(text, 32, six ? "fd77::%d" : "10.77.0.%d", node);
    else
        (void)snprintf(text, 32, six ? "fd77:%d::%d" : "10.77.%d.%d", node ? node : 1,
                       node ? 2 : 1);
    return text;
}

static socklen_t make_address(int family, const char *text, uint16_t port,
                              struct sockaddr_storage *out)
{
    *out = (struct sockaddr_storage){.ss_family = (sa_family_t)family};
    void *bytes = family == AF_INET6 ? (void *)&((struct sockaddr_in6 *)out)->sin6_addr
                                     : (void *)&((struct sockaddr_in *)out)->sin_addr;
    cr_assert_eq(inet_pton(family, text, bytes), 1, "%s", text);
    sockaddress_set_port(out, port);
    return sockaddress_length(out);
}

static int make_socket(const struct netlab *lab, int node, int family)
{
    const int on = 1;
    enter(lab, node);
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    enter(lab, 0);
    cr_assert_geq(fd, 0);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

int netlab_listen(const struct netlab *lab, int node, int family, uint16_t port)
{
    struct sockaddr_storage address;
    const int on = 1;
    socklen_t length =
        make_address(family, family == AF_INET6 ? "::" : "0.0.0.0", port, &address);
    int fd = make_socket(lab, node, family);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, length), 0);
    cr_assert_eq(listen(fd, 128), 0);
    return fd;
}

void netlab_bind_next(struct netlab *lab, uint16_t port)
{
    lab->own_port = port;
}

static void bind_as_told(struct netlab *lab, int family, int fd)
{
    struct sockaddr_storage own;
    const int on = 1;
    if (lab->own_port == 0)
        return;
    socklen_t length = make_address(family, family == AF_INET6 ? "::" : "0.0.0.0",
                                    lab->own_port, &own);
    lab->own_port = 0;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    cr_assert_eq(bind(fd, (struct sockaddr *)&own, length), 0, "%s", strerror(errno));
}

int netlab_dial(struct netlab *lab, int node, int family, const char *address,
                uint16_t port)
{
    struct sockaddr_storage to;
    socklen_t length = make_address(family, address, port, &to);
    int fd = make_socket(lab, node, family);
    bind_as_told(lab, family, fd);
    if (connect(fd, (struct sockaddr *)&to, length) != 0)
        cr_assert_eq(errno, EINPROGRESS, "%s: %s", address, strerror(errno));
    return fd;
}

int netlab_connect(struct netlab *lab, struct net *net, int node, int family,
                   const char *address, uint16_t port)
{
    int error = 0;
    socklen_t length = sizeof error;
    int fd = netlab_dial(lab, node, family, address, port);
    net_wait(net, fd, POLLOUT);
    cr_assert_eq(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length), 0);
    cr_assert_eq(error, 0, "connecting to %s: %s", address, strerror(error));
    return fd;
}

static const char *format(const struct sockaddr_storage *address)
{
    static char texts[TEXTS][SOCKADDRESS_TEXT_BYTES];
    static int next;
    char *text = texts[next++ % TEXTS];
    sockaddress_format(address, text);
    return text;
}

const char *netlab_own(int fd)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    return format(&address);
}

const char *netlab_peer(int fd)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    cr_assert_eq(getpeername(fd, (struct sockaddr *)&address, &length), 0);
    return format(&address);
}
