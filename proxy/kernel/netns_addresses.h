/* SPDX-License-Identifier: MIT */
/* The addresses that a network namespace has. */
#ifndef NETSPLIT_KERNEL_NETNS_ADDRESSES_H
#define NETSPLIT_KERNEL_NETNS_ADDRESSES_H

struct endpoints;
struct netns;

/* Adds those of the namespace as the node's: all but the loopback's and those good on
 * one link only. 0 or a negative errno. */
int netns_addresses(const struct netns *netns, const char *node, struct endpoints *out);

#endif
