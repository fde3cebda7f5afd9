/* SPDX-License-Identifier: MIT */
/* What the modes share that turn connections to an accept socket by NAT: redirect and
 * netns. They are functions of a struct intercept_mode. */
#ifndef NETSPLIT_KERNEL_INTERCEPT_NAT_H
#define NETSPLIT_KERNEL_INTERCEPT_NAT_H

#include <sys/socket.h>

struct buffer;
struct dial_source;
struct intercept_door;
struct intercept_site;
struct intercepted;

void nat_door_address(int family, struct sockaddr_storage *out);
int nat_find_server(const struct intercept_door *door, int fd, struct intercepted *out);
void nat_fill_source(const struct intercepted *intercepted, struct dial_source *out);

/* The chain of connections that leave from here, and one that refuses those made to the
 * accept sockets themselves. */
void nat_write_output(const struct intercept_site *site, struct buffer *out);

/* A rule that turns what comes to the servers to the door (NULL: no rule). */
void nat_write_door(const struct intercept_site *site, const char *chain,
                    const struct intercept_door *door, struct buffer *out);

/* What matches packets of those that the door is for; nothing, if that is all. */
void nat_write_owner(const struct intercept_door *door, struct buffer *out);

#endif
