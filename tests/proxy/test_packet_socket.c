/* SPDX-License-Identifier: MIT */
/* Two sockets on the loopback, one of them ours. */
#include "proxy/kernel/packet_socket.h"
#include "tests/lib/own_net.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int ours, peer;
static struct packet_socket packets;

static void open_pair(void)
{
    own_net_enter();
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(listener, (struct sockaddr *)&address, length), 0);
    cr_assert_eq(listen(listener, 1), 0);
    cr_assert_eq(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(connect(peer, (struct sockaddr *)&address, length), 0);
    ours = accept(listener, NULL, NULL);
    cr_assert_geq(ours, 0);
    const int on = 1;
    (void)setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)close(listener);
}

static void close_pair(void)
{
    (void)close(ours);
    (void)close(peer);
}

TestSuite(packet_socket, .init = open_pair, .fini = close_pair, .timeout = 60);

static struct tcp_info info_of(int fd)
{
    struct tcp_info info = {0};
    socklen_t length = sizeof info;
    cr_assert_eq(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length), 0);
    return info;
}

static uint32_t mark_of(int fd)
{
    uint32_t mark = 0;
    socklen_t length = sizeof mark;
    cr_assert_eq(getsockopt(fd, SOL_SOCKET, SO_MARK, &mark, &length), 0);
    return mark;
}

/* The peer's TCP gives up, or poll does. */
static int error_of_peer(void)
{
    struct pollfd wait = {.fd = peer, .events = POLLIN};
    (void)poll(&wait, 1, 10000);
    int error = 0;
    socklen_t length = sizeof error;
    cr_assert_eq(getsockopt(peer, SOL_SOCKET, SO_ERROR, &error, &length), 0);
    return error;
}

Test(packet_socket, who_talks_to_one_that_loses_all_times_out)
{
    const unsigned timeout_ms = 300;
    cr_assert_eq(
        setsockopt(peer, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof timeout_ms),
        0);
    cr_assert_eq(packet_socket_lose(&packets, ours, PACKETS_ALL), 0);
    cr_assert_eq(send(peer, "lost", 4, 0), 4);
    cr_assert_eq(error_of_peer(), ETIMEDOUT);
    char byte;
    cr_assert_lt(recv(ours, &byte, 1, MSG_DONTWAIT), 0);
    cr_assert_eq(errno, EAGAIN, "nor did it see the end");
    struct packet_count count = packet_socket_count(&packets, ours);
    cr_assert_gt(count.incoming, 1, "the segment and its retransmissions");
    cr_assert_eq(count.outgoing, 0);
}

Test(packet_socket, one_that_loses_nothing_again_gets_all)
{
    char bytes[16];
    cr_assert_eq(packet_socket_lose(&packets, ours, PACKETS_ALL), 0);
    cr_assert_eq(send(peer, "late", 4, 0), 4);
    cr_assert_eq(packet_socket_count(&packets, ours).incoming, 1);
    cr_assert_eq(packet_socket_lose(&packets, ours, PACKETS_NONE), 0);
    cr_assert_eq(recv(ours, bytes, sizeof bytes, 0), 4);
    cr_assert_eq(memcmp(bytes, "late", 4), 0);
    cr_assert_gt(info_of(peer).tcpi_total_retrans, 0);
    cr_assert_eq(packet_socket_count(&packets, ours).incoming, 0);
}

Test(packet_socket, tcp_repairs_what_one_that_loses_some_loses)
{
    enum { MESSAGES = 60 };
    cr_assert_eq(packet_socket_lose(&packets, ours, UINT32_MAX / 10 * 3), 0);
    uint64_t lost = 0;
    for (unsigned char i = 0; i < MESSAGES; i++) {
        unsigned char got;
        cr_assert_eq(send(peer, &i, 1, 0), 1);
        cr_assert_eq(recv(ours, &got, 1, 0), 1);
        cr_assert_eq(got, i);
        lost += packet_socket_count(&packets, ours).incoming;
    }
    /* 60 packets and more, 3 of 10: below 3 or above 60 once in a billion times. */
    cr_assert(lost >= 3 && lost <= MESSAGES, "%llu lost", (unsigned long long)lost);
    cr_assert_gt(info_of(peer).tcpi_total_retrans, 0);
}

Test(packet_socket, the_mark_comes_and_goes_and_bits_of_its_own_stay)
{
    static const struct {
        uint32_t own, muted;
    } rows[] = {
        {0, 0x4e530704},
        {0x4e530701, 0x4e530705}, /* the instance's own connection */
        {0x1234, 0x4e530704},     /* somebody else's */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_assert_eq(
            setsockopt(ours, SOL_SOCKET, SO_MARK, &rows[i].own, sizeof rows[i].own), 0);
        cr_assert_eq(packet_socket_mute(&packets, ours, 0x4e530704), 0);
        cr_assert_eq(mark_of(ours), rows[i].muted);
        cr_assert_eq(packet_socket_mute(&packets, ours, 0x4e530704), 0, "twice");
        cr_assert_eq(packet_socket_unmute(&packets, ours), 0);
        cr_assert_eq(mark_of(ours), rows[i].own);
    }
}

Test(packet_socket, what_a_muted_one_sends_is_counted_acknowledgements_too)
{
    char bytes[16];
    cr_assert_eq(packet_socket_mute(&packets, ours, 0x4e530704), 0);
    cr_assert_eq(packet_socket_count(&packets, ours).outgoing, 0);
    cr_assert_eq(send(ours, "data", 4, 0), 4);
    cr_assert_eq(recv(peer, bytes, sizeof bytes, 0), 4, "nothing drops the mark here");
    cr_assert_eq(packet_socket_count(&packets, ours).outgoing, 1);
    cr_assert_eq(packet_socket_unmute(&packets, ours), 0);
    cr_assert_eq(send(ours, "more", 4, 0), 4);
    cr_assert_eq(packet_socket_count(&packets, ours).outgoing, 0);
}
