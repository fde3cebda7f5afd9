/* SPDX-License-Identifier: MIT */
/* Accepting within the budgets. */
#ifndef NETSPLIT_PROXY_WIRE_ACCEPTOR_H
#define NETSPLIT_PROXY_WIRE_ACCEPTOR_H

#include <stdbool.h>
#include <sys/socket.h>

struct proxy;
struct watch;

/* What an accepted socket becomes: it is taken over in any case. False: no connection
 * came of it. */
typedef bool (*acceptor_take_fn)(void *context, int fd,
                                 const struct sockaddr_storage *client);

/* Takes what waits on a listening socket, a few at a time so that a flood of new
 * connections does not starve those that are there. Where a budget or descriptors run
 * out all accepting pauses; the kernel's queue holds newcomers. */
void acceptor_run(struct proxy *proxy, struct watch *watch, acceptor_take_fn take,
                  void *context);

#endif
