/* SPDX-License-Identifier: MIT */
/* Network namespaces as open descriptors: a thread goes into one to make a socket or a
 * child there, and comes back. Descriptors are close-on-exec; 0 stands for "where we
 * are", so that what is zeroed needs no namespace. */
#ifndef NETSPLIT_BASE_NAMESPACE_H
#define NETSPLIT_BASE_NAMESPACE_H

#include <stdbool.h>

/* That of the calling thread: a descriptor to close(), or a negative errno. */
int namespace_here(void);

/* Makes a new one without staying in it: a descriptor, or a negative errno (-EPERM:
 * needs CAP_SYS_ADMIN). */
int namespace_make(void);

/* Moves the calling thread into it. 0, or a negative errno. */
int namespace_enter(int fd);

/* Goes into fd (0: stays), and comes back to where namespace_visit was called. Between
 * the two only sockets are made. namespace_visit returns what namespace_return wants,
 * or a negative errno: then the thread has not moved. namespace_return aborts if it
 * cannot go back: all that followed would happen in the wrong network. */
int namespace_visit(int fd);
void namespace_return(int home);

/* Names a namespace as ip-netns(8) does, by a path NAMESPACE_NAMES/NAME: it lives on
 * under the name, and `ip netns exec NAME` finds it. 0; -EEXIST, -EPERM, ... */
#define NAMESPACE_NAMES "/run/netns"
int namespace_add_name(int fd, const char *path);

/* Whether the path is one that only we use: NAMESPACE_NAMES/netsplit-... */
bool namespace_is_name(const char *path);

/* Removes the name; 0 or a negative errno. */
int namespace_remove_name(const char *path);

#endif
