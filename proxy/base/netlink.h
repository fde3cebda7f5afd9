/* SPDX-License-Identifier: MIT */
/* What all users of libnl need: its codes as negative errnos, and a socket. libnl's own
 * are other numbers: -NLE_PERM is -28, which is "no space left on device". */
#ifndef NETSPLIT_BASE_NETLINK_H
#define NETSPLIT_BASE_NETLINK_H

struct nl_sock;

/* 0 for 0 and above; else a negative errno, -EIO for codes that say nothing more. */
int netlink_errno(int code);

/* A socket for NETLINK_ROUTE in the network namespace that the calling thread is in, to
 * be freed with nl_socket_free. 0 or a negative errno. */
int netlink_open(struct nl_sock **out);

#endif
