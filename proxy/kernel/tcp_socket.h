/* SPDX-License-Identifier: MIT */
/* The sockets that streams run on. */
#ifndef NETSPLIT_KERNEL_TCP_SOCKET_H
#define NETSPLIT_KERNEL_TCP_SOCKET_H

#include <stdint.h>
#include <sys/socket.h>

struct netns;

/* A TCP socket in the namespace (NULL: here): non-blocking, close-on-exec, without
 * Nagle's delay, urgent bytes in their place. What it accepts inherits the last two. Or
 * a negative errno. */
int tcp_socket_make(const struct netns *netns, int family);

/* It may have addresses of others (IP_TRANSPARENT). 0 or a negative errno: -EPERM needs
 * CAP_NET_ADMIN. */
int tcp_socket_set_transparent(int fd, int family);

struct tcp_socket_state {
    uint32_t rtt_us;      /* the kernel's smoothed round-trip time; 0 = none yet */
    uint32_t retransmits; /* segments sent again, ever */
    struct sockaddr_storage own; /* our end's address */
};

/* What the kernel knows of a connected one. 0 or a negative errno. */
int tcp_socket_ask(int fd, struct tcp_socket_state *out);

#endif
