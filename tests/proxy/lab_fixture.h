/* SPDX-License-Identifier: MIT */
/* What suites of the modes that intercept start from: a netlab, and a net in its
 * router's namespace. For .init functions that call lab_fixture_open, and .fini =
 * lab_fixture_close. */
#ifndef NETSPLIT_TESTS_LAB_FIXTURE_H
#define NETSPLIT_TESTS_LAB_FIXTURE_H

#include "tests/proxy/netlab.h"

/* Of the one test that runs in this process; net and cursor are fixture.h's. */
extern struct netlab lab;
extern struct net net;
extern uint64_t cursor;

/* So many nodes around the router; the test closes the net. */
void lab_fixture_open(int nodes);
void lab_fixture_close(void);

/* Starts the proxy in the mode (tproxy, redirect or netns) on the port, with the nodes
 * as they are in it: n1, n2, ... */
void lab_fixture_start(const char *mode, uint16_t port);

/* A connection of node `opener` to the address, through whatever is there, which the
 * listener accepts. */
struct net_pair lab_fixture_join(int opener, int family, const char *address,
                                 uint16_t port, int listener);

/* Of a pair that outlived the net: what the client sends reaches the server. */
void lab_fixture_expect_alive(struct net_pair pair);

#endif
