/* SPDX-License-Identifier: MIT */
/* A session with a PostgreSQL server for who asks one question after the other and
 * waits for the answers. It connects as a drill's client does (pq_begin()). */
#ifndef NETSPLIT_SCENARIOS_DRIVERS_POSTGRES_SESSION_H
#define NETSPLIT_SCENARIOS_DRIVERS_POSTGRES_SESSION_H

#include "scenarios/drivers/driver.h"
#include "scenarios/preflight/patience.h"

#include <libpq-fe.h>

struct postgres_session {
    PGconn *conn; /* owned; PQuser() and PQdb() hold after a failure */
    const struct patience *patience; /* borrowed until closed */
    uint64_t within_ns;              /* for connecting, and for each question */
};

/* Connects; 0, -ETIMEDOUT, -EINTR, or -ECONNREFUSED for whatever else libpq or the
 * server had against it, with err. The session is to be closed in any case. */
int postgres_session_open(struct postgres_session *session,
                          const struct patience *patience, uint64_t within_ns,
                          const struct driver_endpoint *endpoint, const char *conninfo,
                          struct errmsg *err);

/* The rows of one statement, PQclear() them; or NULL with err. After a question that was
 * not answered in time there are no answers any more. */
PGresult *postgres_session_ask(struct postgres_session *session, const char *sql,
                               struct errmsg *err);

void postgres_session_close(struct postgres_session *session);

#endif
