/* SPDX-License-Identifier: MIT */
/* A network namespace for one test, so that what it does to packets, tables and routes
 * meets nobody else. */
#ifndef NETSPLIT_TESTS_OWN_NET_H
#define NETSPLIT_TESTS_OWN_NET_H

/* Moves this process, which Criterion forked for the one test, into a network namespace
 * of its own with nothing but a loopback that is up; it has all rights there. Skips the
 * test, with the reason, where the kernel does not allow it. Open no socket before. */
void own_net_enter(void);

#endif
