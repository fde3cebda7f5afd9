/* SPDX-License-Identifier: MIT */
/* packet_rate and packet_delay in the modes tproxy and netns: queues of packets in the
 * kernel, on the devices by which they leave.
 *
 * What is shaped: packets from the one node to the other that leave the namespace where
 * the proxy acts: with tproxy its own, with netns that of `from`. So, of a connection
 * that the proxy carries:
 *   tproxy: what it sends to `to` with the address of `from`, on whichever side `to`
 *     is. What `from` sends arrives at the proxy unshaped, and waits there: `from` sees
 *     a receiver that reads slowly, `to` a path that is slow.
 *   netns: where `from` has opened the connection, the leg from the proxy to `to`,
 *     likewise; where it is the server, what the server itself sends, which sees the
 *     slow path itself.
 * Acknowledgements of what goes the other way are among them, as are connections that
 * pass the proxy by. A bucket is of one link and one device; with netns and `from: any`
 * of one namespace, too. Of several rules that want a packet the first of the file has
 * it.
 *
 * On a device whose queueing discipline is not the kernel's own choice nothing is done:
 * the rule is refused. */
#ifndef NETSPLIT_KERNEL_QDISC_H
#define NETSPLIT_KERNEL_QDISC_H

#include <stdbool.h>
#include <stdint.h>

struct endpoints;
struct errmsg;
struct intercept_site;
struct plan;
struct proxy;

/* What this kernel has; loads modules, changes no device. */
void qdisc_probe(bool *has_rate, bool *has_delay);

/* May the site shape what the plan's rules ever want? 0; -EBUSY, and err names rule
 * and device; or another negative errno and err. */
int qdisc_check(const struct intercept_site *site, const struct plan *plan,
                const struct endpoints *endpoints, struct errmsg *err);

/* Brings the site in line with the plan that runs. What is wanted as before stays, with
 * what is in its queues. 0, or a negative errno and err, and then what was there stays.
 */
int qdisc_follow(struct proxy *proxy, struct intercept_site *site, uint64_t now_ns,
                 struct errmsg *err);

/* Counts what the site's classes did since the last time, for the rules of the plan
 * that runs: the bytes that left by them as touched, and the packets that they dropped.
 */
void qdisc_read(struct proxy *proxy, struct intercept_site *site);

/* Puts the site's devices back as they were. */
void qdisc_remove(struct intercept_site *site);

#endif
