/* SPDX-License-Identifier: MIT */
/* Network namespaces as open descriptors: a thread goes into one to make a socket or a
 * child there, and comes back. Descriptors are close-on-exec; 0 stands for "where we
 * are", so that what is zeroed needs no namespace. */
#ifndef NETSPLIT_BASE_NETNS_H
#define NETSPLIT_BASE_NETNS_H

#include <stdbool.h>

/* That of the calling thread: a descriptor to close(), or a negative errno. */
int netns_here(void);

/* Makes a new one without staying in it: a descriptor, or a negative errno (-EPERM:
 * needs CAP_SYS_ADMIN). */
int netns_make(void);

/* Moves the calling thread into it. 0, or a negative errno. */
int netns_enter(int fd);

/* Goes into fd (0: stays), and comes back to where netns_visit was called. Between the
 * two only sockets are made. netns_visit returns what netns_return wants, or a negative
 * errno: then the thread has not moved. netns_return aborts if it cannot go back: all
 * that followed would happen in the wrong network. */
int netns_visit(int fd);
void netns_return(int home);

/* Names a namespace as ip-netns(8) does, at NETNS_NAMES/NAME: it lives on under the
 * name, and `ip netns exec NAME` finds it. 0; -EEXIST, -EPERM, ... */
#define NETNS_NAMES "/run/netns"
int netns_add_name(int fd, const char *path);

/* Whether the path is one that only we use: NETNS_NAMES/netsplit-... */
bool netns_is_name(const char *path);

/* Removes the name; 0 or a negative errno. */
int netns_remove_name(const char *path);

#endif
