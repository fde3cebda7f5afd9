/* SPDX-License-Identifier: MIT */
/* One proxied TCP connection: the client's socket, the server's, and a stream each way.
 */
#ifndef NETSPLIT_PROXY_WIRE_CONNECTION_H
#define NETSPLIT_PROXY_WIRE_CONNECTION_H

#include "proxy/record/counters.h"
#include "proxy/wire/side.h"
#include "proxy/wire/stream.h"
#include "rules/plan/match.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct connection_touch;
struct dial;
struct intercepted;
struct listener;
struct proxy;
struct watch;

enum connection_state {
    CONNECTION_HELD = 0,   /* accepted; a rule keeps the server from being dialled */
    CONNECTION_CONNECTING, /* looking up and dialling the server */
    CONNECTION_OPEN,       /* streams run both ways */
    CONNECTION_HALF_OPEN,  /* a rule reset one side; the other one hears nothing */
    CONNECTION_FINISHING, /* a rule closed it: FIN sent both ways, waiting for theirs */
    CONNECTION_CLOSED,    /* sockets are closed; freed at the end of the step */
};

enum connection_end {
    END_FINISHED = 0,    /* both sides sent FIN, all was passed on */
    END_RESET_BY_CLIENT, /* its RST was passed on */
    END_RESET_BY_SERVER,
    END_BOTH_LOST,       /* neither side can be reached any more */
    END_REFUSED,         /* the server refused, or could not be reached */
    END_UNRESOLVED,      /* the server's name is not known */
    END_CONNECT_TIMEOUT, /* the server did not answer in time */
    END_OPENER_LEFT,     /* before the server was reached */
    END_RULE_REFUSED,    /* a rule refused or reset the attempt */
    END_RULE_RESET,      /* a rule reset it */
    END_RULE_CLOSED,     /* a rule closed it */
    END_STOPPED,         /* the proxy stopped */
    END_NO_MEMORY,
};

struct connection {
    struct proxy *proxy;              /* borrowed */
    struct listener *listener;        /* borrowed; kept by its count of connections;
                                         NULL: it was intercepted */
    struct intercepted *intercepted;  /* owned: what it was; or NULL */
    struct connection *older, *newer; /* in the proxy's list */
    struct match_connection match;
    struct counters_connection counts;
    struct side client, server;
    struct stream to_server, to_client;
    struct chain *chains; /* owned: two, by direction; NULL = no rule ever matched */
    struct connection_touch *touches; /* owned: the n_touches rules that touched it */
    size_t n_touches;
    struct counters_rule *droppers[2]; /* by direction: whom the stream's packets vanish
                                          for; the counters', or NULL: for nobody */
    struct dial *dial;    /* owned; while CONNECTING, or NULL: waits for a descriptor */
    struct timer alarm;   /* the end of a hold, of a dial, of finishing */
    uint64_t deadline_ns; /* of the dial */
    struct counters_rule *holder; /* its attempts_held_now counts this one; or NULL */
    const char *closer;  /* the rule that closed it, of the counters; or NULL */
    enum direction gone; /* HALF_OPEN: the stream whose receiver was reset */
    enum connection_state state;
    char client_text[]; /* "127.0.0.1:51234" */
};

/* What was accepted: by whom, and for whom. */
struct connection_target {
    struct listener *listener;       /* borrowed: knows how to reach the server; or */
    struct intercepted *intercepted; /* taken over in any case */
    const char *through;             /* what connections show as their listener */
    struct path *path;               /* NULL: no memory */
};

/* Takes over the accepted socket: opens a connection to the target. False: there was no
 * memory, and it was closed. */
bool connection_open(struct proxy *proxy, const struct connection_target *target,
                     int fd, const struct sockaddr_storage *client);

/* The plan has changed, or a window opened or closed. May free the connection. */
void connection_rematch(struct connection *connection, uint64_t now_ns);

/* Resets both sides and frees it. */
void connection_stop(struct connection *connection);

/* Counts what waits unread behind a partition and what packets vanished; true if a rule
 * for either is in force. */
bool connection_sample_unread(struct connection *connection);

/* For attempt.c, and whoever else calls back into a connection: stores what was learned
 * and ends with connection_step, after which the connection may be gone. */

/* Moves on as far as it can, computes what to listen for, frees it if that was the end.
 */
void connection_step(struct connection *connection, uint64_t now_ns);

/* Only a move that the drawing in connection.c shows. */
void connection_move(struct connection *connection, enum connection_state next);

/* The server has answered: takes its socket over, and the streams begin. */
void connection_connected(struct connection *connection, struct watch *server,
                          uint64_t now_ns);

/* Closes both sockets, with RST unless both sides have sent FIN, and journals why. The
 * memory goes at the end of the step. detail may be NULL. */
void connection_finish(struct connection *connection, enum connection_end end,
                       const char *detail);

/* What the rules say of it now; of no rule if its listener is gone, or the node that it
 * was intercepted on the way to. NULL: no memory. */
const struct match *connection_match(struct connection *connection);

const char *connection_state_name(enum connection_state state);
const char *connection_end_name(enum connection_end end);

#endif
