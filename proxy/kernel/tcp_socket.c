/* SPDX-License-Identifier: MIT */
/* Options that every kernel has for TCP are set without a look at the answer; those
 * that need a privilege are not. */
#include "proxy/kernel/tcp_socket.h"
#include "proxy/kernel/netns.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

int tcp_socket_make(const struct netns *netns, int family)
{
    int fd = netns_socket(netns, family, SOCK_STREAM, 0);
    if (fd < 0)
        return fd;
    const int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* TCP has it */
    (void)setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof on); /* likewise */
    return fd;
}

int tcp_socket_set_transparent(int fd, int family)
{
    const int on = 1;
    int status = family == AF_INET6
                     ? setsockopt(fd, IPPROTO_IPV6, IPV6_TRANSPARENT, &on, sizeof on)
                     : setsockopt(fd, IPPROTO_IP, IP_TRANSPARENT, &on, sizeof on);
    return status == 0 ? 0 : -errno;
}

int tcp_socket_ask(int fd, struct tcp_socket_state *out)
{
    struct tcp_info info = {0};
    struct sockaddr_storage own = {0};
    socklen_t length = sizeof info, own_length = sizeof own;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0 ||
        getsockname(fd, (struct sockaddr *)&own, &own_length) != 0)
        return -errno;
    *out = (struct tcp_socket_state){
        .rtt_us = info.tcpi_rtt, .retransmits = info.tcpi_total_retrans, .own = own};
    return 0;
}
