/* SPDX-License-Identifier: MIT */
/* What most suites here start from: a net, and a server that listens. For
 * TestSuite(x, .init = fixture_open, .fini = fixture_close). */
#ifndef NETSPLIT_TESTS_FIXTURE_H
#define NETSPLIT_TESTS_FIXTURE_H

#include "tests/proxy/net.h"

/* Of the one test that runs in this process. */
extern struct net net;
extern int listener;    /* the server's; on the loopback, IPv4 */
extern uint16_t server; /* its port */
extern uint64_t cursor; /* in the net's journal; at its start */

void fixture_open(void);
void fixture_close(void);

#endif
