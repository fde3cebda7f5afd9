/* SPDX-License-Identifier: MIT */
/* Interception: connections that were made to a server are accepted here instead, by
 * the kernel's doing, and nobody is told another address. One interceptor an instance,
 * whose mode (tproxy, redirect, netns) is that of the rules.
 *
 * It acts in one network namespace, its own, or with netns in each node's. There it has
 * a table `inet netsplit_N` (proxy/kernel/nft.h: gone with the process, however that
 * ends), N being the lowest number that is free there, and accept sockets. Only SYNs
 * are taken: connections that were there before pass by untouched, and are counted. */
#ifndef NETSPLIT_KERNEL_INTERCEPT_H
#define NETSPLIT_KERNEL_INTERCEPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct dial_source;
struct errmsg;
struct intercept_site;
struct interceptor;
struct netns;
struct nft;
struct plan;
struct proxy;

/* Packets of number N bear marks 0x4e53NNkk, kk a set of these. */
enum intercept_mark {
    INTERCEPT_MARK_OWN = 0x01,      /* the proxy's own connections: never taken */
    INTERCEPT_MARK_DIVERTED = 0x02, /* on their way to it (tproxy) */
    INTERCEPT_MARK_DROPPED = 0x04,  /* to be dropped on their way out */
};
uint32_t intercept_mark(unsigned number, enum intercept_mark mark);

/* Of a mark, the bits that say whose it is. */
#define INTERCEPT_MARK_MASK UINT32_C(0xffffff00)

/* What a connection was, before it was taken. */
struct intercepted {
    struct intercept_site *site; /* borrowed; kept by its count of connections */
    struct sockaddr_storage client, server;
    bool is_from_here; /* the client's address is one of this namespace's */
};

/* How its server is dialled so that it sees what it would have seen. The namespace in
 * it is borrowed from the site. */
void intercepted_source(const struct intercepted *intercepted, struct dial_source *out);

/* The mark of packets that its table drops on their way out of either socket. */
uint32_t intercepted_drop_mark(const struct intercepted *intercepted);

/* The connection is over; frees it. NULL is fine. */
void intercepted_release(struct intercepted *intercepted);

/* Whether this process may intercept at all: 0; or -EPERM, with what is lacking and
 * what would do in err. mode is its name. */
int intercept_check_permitted(const char *mode, struct errmsg *err);

/* Brings everything in line with a plan that is about to run; makes the interceptor if
 * the plan wants one and there is none. All or nothing, each namespace in one
 * transaction: 0; or -EPERM (a capability is lacking, named), -EADDRINUSE (another
 * instance intercepts some of it, named), -EBUSY (packets cannot be shaped, said),
 * -EINVAL (what the plan asks for cannot be, said), -ENOMEM, or what the kernel says,
 * with a sentence in err. Accepts nothing new before intercept_resume. */
int intercept_change(struct proxy *proxy, const struct plan *plan, struct errmsg *err);

/* The same for a plan with the nodes and ports of the one that runs, for which there is
 * nothing to be done: may its rules be carried out here? 0; -EBUSY, or what the kernel
 * says, with a sentence in err. */
int intercept_check(const struct proxy *proxy, const struct plan *plan,
                    struct errmsg *err);

/* The functions below accept NULL for no interceptor. */

/* Accepts, or lets those who connect wait in the kernel. */
void intercept_resume(struct interceptor *interceptor);
void intercept_pause(struct interceptor *interceptor);

/* Takes nothing any more; what was taken is carried on. */
void intercept_stop(struct interceptor *interceptor);

/* Removes all of it from the kernel, and frees it. Its connections are gone. */
void intercept_destroy(struct interceptor *interceptor);

/* "tproxy", "redirect", "netns"; NULL without an interceptor. */
const char *intercept_mode_name(const struct interceptor *interceptor);

/* One namespace it acts in. For those who add to its table: chains of theirs run before
 * the interceptor's (hook prerouting at priority mangle, -150, and nat at -100) if
 * their priority is lower, such as raw, -300. All texts are borrowed. */
struct intercept_table {
    const struct netns *netns; /* NULL: our own */
    struct nft *nft;
    unsigned number;  /* N of its name and marks */
    const char *node; /* whose namespace it is; NULL: nobody's alone */
};
typedef void (*intercept_table_fn)(void *context, const struct intercept_table *table);
void intercept_each_table(const struct interceptor *interceptor,
                          intercept_table_fn visit, void *context);

#endif
