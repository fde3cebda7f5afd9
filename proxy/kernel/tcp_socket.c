/* SPDX-License-Identifier: MIT */
#include "proxy/kernel/tcp_socket.h"
#include "proxy/kernel/netns.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

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
