/* SPDX-License-Identifier: MIT */
/* One libpq connection on a libuv loop: connects, runs one statement at a time, and
 * never blocks. Deadlines are the caller's. */
#ifndef NETSPLIT_SCENARIOS_DRIVERS_PQ_H
#define NETSPLIT_SCENARIOS_DRIVERS_PQ_H

#include "scenarios/drivers/driver.h"

#include <libpq-fe.h>

struct pq;

enum pq_event {
    PQ_CONNECTED = 0, /* once; statements may be sent */
    PQ_RESULT,        /* once for each statement */
    PQ_BROKEN,        /* at most once, and nothing after it: pq_close() it */
};

/* result: of PQ_RESULT: the first error, else the last result; borrowed until the
 * callback returns. text: of PQ_BROKEN: why; of PQ_RESULT: the first warning that came
 * with it, "SQLSTATE: what", or NULL. Never called from within pq_open(); pq_close() is
 * allowed from here. */
typedef void (*pq_event_fn)(void *context, enum pq_event event, const PGresult *result,
                            const char *text);

/* Begins to connect to the endpoint; conninfo says the rest (user, database, ...).
 * sslmode and gssencmode are "disable" unless conninfo itself names them: libpq would
 * ask for them first and connect again, through the proxy, when they are refused. NULL
 * with err when the connection could not even be begun. */
struct pq *pq_open(uv_loop_t *loop, const struct driver_endpoint *endpoint,
                   const char *conninfo, pq_event_fn on_event, void *context,
                   struct errmsg *err);

/* Only the beginning of that, for who drives libpq without a loop: *out is the caller's,
 * and NULL without memory. 0, or a negative errno when the endpoint's network namespace
 * cannot be entered. */
int pq_begin(const struct driver_endpoint *endpoint, const char *conninfo,
             PGconn **out);

/* Sends a statement with n parameters as text; without parameters it may be several
 * statements, which are one transaction. False when the connection is broken, which is
 * not told again. */
bool pq_send(struct pq *pq, const char *sql, int n, const char *const *values);

/* The process id of the server's end; 0 while not connected. */
int pq_backend(const struct pq *pq);

/* Closes the socket now, and frees the rest when the loop has run. NULL is fine. */
void pq_close(struct pq *pq);

/* The comment on a schema that netsplit made begins so; others are not touched. The
 * drill's mark, if there is one, follows. */
#define PQ_MADE_BY_NETSPLIT "made by netsplit for a drill"
#define PQ_BEFORE_MARK      "; "

#endif
