/* SPDX-License-Identifier: MIT */
/* Network namespaces of others: finding them, and doing one thing inside. */
#ifndef NETSPLIT_KERNEL_NETNS_H
#define NETSPLIT_KERNEL_NETNS_H

#include "rules/language/rule.h"

#include <stdbool.h>

struct errmsg;
struct netns;

/* Opens the namespace of the place, and with it keeps it alive. A container is asked
 * for of its engine, which may take up to two seconds. 0 and *out; or -ENOENT,
 * -ESRCH (there is none), -ECONNREFUSED (nor an engine), -EPERM (needs CAP_SYS_ADMIN, or
 * to see the process), -ENOMEM, or what else was said, with a sentence in err. */
int netns_open(struct netns **out, const struct place *place, struct errmsg *err);

/* Calls inside the namespace (NULL: right here) and comes back; a call makes sockets
 * and does not wait. Returns what the call returned, or why the namespace could not be
 * entered. The process is never left behind in a foreign namespace: if it cannot come
 * back it aborts. */
typedef int (*netns_call_fn)(void *context);
int netns_run(const struct netns *netns, netns_call_fn call, void *context);

/* A socket there (NULL: here), close-on-exec and non-blocking, or a negative errno. */
int netns_socket(const struct netns *netns, int family, int type, int protocol);

/* Are they one namespace? NULL is the one we are in. */
bool netns_is_same(const struct netns *a, const struct netns *b);

/* Was it opened for that place? */
bool netns_is_of(const struct netns *netns, const struct place *place);

/* Does its path or process still lead to it? Not if the node went away or came back in
 * another one. */
bool netns_is_current(const struct netns *netns);

/* "/run/netns/r1", "pid 4711", "container redis (pid 4711)". */
const char *netns_text(const struct netns *netns);

/* NULL is fine. */
void netns_close(struct netns *netns);

#endif
