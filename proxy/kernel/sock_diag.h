/* SPDX-License-Identifier: MIT */
/* The TCP connections of a namespace, as its kernel lists them (sock_diag(7)). */
#ifndef NETSPLIT_KERNEL_SOCK_DIAG_H
#define NETSPLIT_KERNEL_SOCK_DIAG_H

#include <linux/inet_diag.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct netns;

struct sock_diag {
    struct sockaddr_storage own, peer;
    uint32_t uid;
    uint32_t mark;              /* 0 without CAP_NET_ADMIN too */
    struct inet_diag_sockid id; /* names it to the kernel */
};

/* Zeroes: none. */
struct sock_diag_list {
    struct sock_diag *items; /* owned */
    size_t n;
};

/* Appends the established connections of the family in the namespace (NULL: here). 0,
 * -ENOMEM, or what the kernel says. */
int sock_diag_list(const struct netns *netns, int family, struct sock_diag_list *out);
void sock_diag_list_close(struct sock_diag_list *list);

/* Ends the connection: its owner sees ECONNABORTED, its peer RST. 0; or -ENOENT (it is
 * over), -EPERM (needs CAP_NET_ADMIN), -EOPNOTSUPP (a kernel without
 * CONFIG_INET_DIAG_DESTROY). */
int sock_diag_destroy(const struct netns *netns, const struct sock_diag *socket);

#endif
