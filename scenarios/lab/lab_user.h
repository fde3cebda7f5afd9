/* SPDX-License-Identifier: MIT */
/* A user namespace of our own, in which an ordinary user may make network namespaces.
 * The user keeps its id there: servers that refuse to run as root do not mind. */
#ifndef NETSPLIT_SCENARIOS_LAB_LAB_USER_H
#define NETSPLIT_SCENARIOS_LAB_LAB_USER_H

#include <stdbool.h>

struct errmsg;

/* Whether this process may make namespaces as it is (CAP_SYS_ADMIN, CAP_NET_ADMIN). */
bool lab_user_is_privileged(void);

/* Moves this process, which must have one thread only, into a new user namespace and an
 * empty network of its own. 0; or a negative errno, and err names what forbids it. */
int lab_user_enter(struct errmsg *err);

/* Hands all capabilities over the namespace that we are in on to what we execute, which
 * an ordinary user's programs otherwise start without. */
void lab_user_hand_on(void);

#endif
