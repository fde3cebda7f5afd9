/* SPDX-License-Identifier: MIT */
/* Faults of packets: what the kernel does for an instance where a rule says `how: drop`
 * or `packet_loss`. Its endpoints' TCP finds out as it would in a network: by silence.
 */
#ifndef NETSPLIT_KERNEL_PACKET_H
#define NETSPLIT_KERNEL_PACKET_H

#include <stdbool.h>
#include <stdint.h>

struct connection;
struct errmsg;
struct layers;
struct match;
struct packet;
struct plan;
struct plan_kernel;
struct proxy;

/* What the kernel can do for the rules of these layers; looks only if one of them asks
 * for anything. What it makes for that stays until packet_destroy. */
void packet_probe(struct proxy *proxy, const struct layers *layers,
                  struct plan_kernel *kernel);

/* Makes ready what the plan will need, before it is the proxy's; the running one does
 * not notice. 0, or a negative errno and err. */
int packet_prepare(struct proxy *proxy, const struct plan *plan, struct errmsg *err);

/* The plan has become the proxy's, and is on all connections: takes away what the one
 * before it needed. */
void packet_settle(struct proxy *proxy);

/* The mark of packets that are to be dropped on their way out of the connection's
 * sockets; only under a plan that drops. */
uint32_t packet_mark(const struct connection *connection);

/* Puts the rules of the match that are in force onto the sockets of an open connection:
 * call it when its streams have been updated. */
void packet_update(struct connection *connection, const struct match *match,
                   uint64_t now_ns);

/* Counts the packets of an open connection that vanished since the last time; call it
 * before the rules of its streams change, and before its sockets close. */
void packet_sample(struct connection *connection);

/* The connection has done its part, but what the kernel still has to send for it is cut
 * off: it is to be kept until the rules have changed. */
bool packet_keeps(const struct connection *connection);

/* Removes what was made. NULL is fine. */
void packet_destroy(struct packet *packet);

#endif
