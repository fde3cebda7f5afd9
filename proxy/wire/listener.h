/* SPDX-License-Identifier: MIT */
/* One path's address: a listening socket, and whom its connections are for. */
#ifndef NETSPLIT_PROXY_WIRE_LISTENER_H
#define NETSPLIT_PROXY_WIRE_LISTENER_H

#include "proxy/record/counters.h"
#include "proxy/wire/sockaddress.h"
#include "proxy/wire/unanswered.h"
#include "rules/plan/match.h"

#include <stdbool.h>
#include <stdint.h>

struct errmsg;
struct proxy;
struct watch;

/* What it answers to those who connect. */
enum listener_answer {
    LISTENER_ACCEPTS = 0,
    LISTENER_REFUSES, /* shut down on purpose */
    LISTENER_IGNORES, /* its queue is full on purpose */
};

struct listener {
    struct proxy *proxy;   /* borrowed */
    struct listener *next; /* in the proxy's list */
    const char *name;      /* all texts: interned in the journal */
    const char *from;      /* NULL: whoever the source address says */
    const char *to;
    struct address address;    /* to bind */
    struct address to_address; /* to dial */
    uint16_t port;             /* as asked for; 0 = the kernel's choice */
    uint16_t to_port;
    struct sockaddr_storage bound;
    char text[SOCKADDRESS_TEXT_BYTES]; /* of bound */
    struct watch *watch;               /* owned; NULL = retired */
    struct path *path;      /* of all it serves: from (or nobody's) to the server */
    uint32_t n_connections; /* that name it */
    enum listener_answer answer;
    struct unanswered unanswered;
    int filler; /* owned: the connection to itself that fills its queue, or did and is
                   not accepted yet; -1: none */
};

/* Binds and listens; connections wait in the kernel until listener_update. holder: a
 * listener that has the very address and is to go, whose socket is then shared; or
 * NULL. leader: the front's listener for the same entry, whose port this one shares;
 * NULL for the front's own. 0 and *out, which the caller owns; or -ENOMEM, or what the
 * kernel says, with a sentence in err. */
int listener_create(struct listener **out, struct proxy *proxy,
                    const struct plan_listener *plan, const struct listener *holder,
                    const struct listener *leader, struct errmsg *err);

/* Has it the address and the port of the plan's, asked for by number? */
bool listener_has_address(const struct listener *listener,
                          const struct plan_listener *plan);

/* Is it the one of the plan: the same address, from and to? */
bool listener_is_same(const struct listener *listener,
                      const struct plan_listener *plan);

/* Takes on what may differ in the one of the plan: its name, how to reach the server.
 */
void listener_adopt(struct listener *listener, const struct plan_listener *plan);

/* Accepts, or answers nobody if the rules say so of all it serves: to be called after
 * each change of the rules and at each edge of a window, for the front's listener after
 * those that share its port. */
void listener_update(struct listener *listener, uint64_t now_ns);

/* Stops listening. It is freed with listener_release of its last connection, or by
 * listener_destroy. */
void listener_retire(struct listener *listener);
bool listener_is_retired(const struct listener *listener);

/* Closes and frees; no connection may name it. */
void listener_destroy(struct listener *listener);

/* A connection names it, or does so no longer. */
void listener_keep(struct listener *listener);
void listener_release(struct listener *listener);

/* The path of a client's connection. NULL: no memory. */
struct path *listener_path(struct listener *listener,
                           const struct sockaddr_storage *client);

/* All listeners of the instance wait: the budget is used up. Connections wait in the
 * kernel. */
void listener_pause_all(struct proxy *proxy, enum counters_budget_kind kind);
void listener_resume_all(struct proxy *proxy);

#endif
