/* SPDX-License-Identifier: MIT */
/* Policy routing for intercepted packets: what carries the mark is delivered here, as
 * if every address were ours. Without the mark nothing of it matters, so that what a
 * crash leaves behind does no harm. */
#ifndef NETSPLIT_KERNEL_POLICY_ROUTE_H
#define NETSPLIT_KERNEL_POLICY_ROUTE_H

#include <stdint.h>

struct errmsg;

/* For AF_INET or AF_INET6, in the namespace that the thread is in: a rule (fwmark
 * mark/mask: look up table) and a route in that table (local default dev lo). What is
 * there already is as good. 0; or -EPERM (needs CAP_NET_ADMIN), -EAFNOSUPPORT (no such
 * family here), -ENETDOWN (lo is down), or what the kernel says, with err. */
int policy_route_add(int family, uint32_t mark, uint32_t mask, uint32_t table,
                     struct errmsg *err);

/* Removes both. What is not there is not missed. 0, -EPERM, or what the kernel says. */
int policy_route_remove(int family, uint32_t mark, uint32_t mask, uint32_t table);

/* Visits the policy rules there are: the table each looks up, and its mark. 0 or a
 * negative errno. */
typedef void (*policy_route_fn)(void *context, int family, uint32_t mark, uint32_t mask,
                                uint32_t table);
int policy_route_each(policy_route_fn visit, void *context);

#endif
