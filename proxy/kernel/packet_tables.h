/* SPDX-License-Identifier: MIT */
/* The rules of packet_rules.h in every namespace that is intercepted, as the plan and
 * the time want them, and what they counted. */
#ifndef NETSPLIT_KERNEL_PACKET_TABLES_H
#define NETSPLIT_KERNEL_PACKET_TABLES_H

#include <stdbool.h>
#include <stdint.h>

struct proxy;

/* Brings them in line with the plan that runs: after a change of it, at the edge of a
 * window, and when a node has moved. In each namespace one transaction, if anything
 * is another than it was. What fails is said on the log. */
void packet_tables_follow(struct proxy *proxy, uint64_t now_ns);

/* Counts what they caught since the last time, for the rules of the plan that runs;
 * call it before another takes its place. */
void packet_tables_read(struct proxy *proxy);

/* The same, if the last time was a second ago, or longer where it takes long. True
 * while there are such rules. */
bool packet_tables_sample(struct proxy *proxy, uint64_t now_ns);

/* The same for somebody who asks: now, unless it takes long and was done lately. */
void packet_tables_look(struct proxy *proxy, uint64_t now_ns);

#endif
