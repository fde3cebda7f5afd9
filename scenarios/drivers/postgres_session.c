/* SPDX-License-Identifier: MIT */
/* libpq's asynchronous calls, each followed by a wait: its blocking ones know no limit
 * for a question, and do not hear that we are asked to end. */
#include "scenarios/drivers/postgres_session.h"

#include "proxy/base/now.h"
#include "scenarios/drivers/pq.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

/* What libpq says, without what everybody knows: where it was connecting to. */
static void keep_error(const PGconn *conn, struct errmsg *err)
{
    const char *text = PQerrorMessage(conn), *failed = strstr(text, "failed: ");
    errmsg_set(err, "%s",
               strncmp(text, "connection to server", 20) == 0 && failed ? failed + 8
                                                                        : text);
}

int postgres_session_open(struct postgres_session *session,
                          const struct patience *patience, uint64_t within_ns,
                          const struct driver_endpoint *endpoint, const char *conninfo,
                          struct errmsg *err)
{
    uint64_t until_ns = now_ns() + within_ns;
    PostgresPollingStatusType wanted = PGRES_POLLING_WRITING;
    *session = (struct postgres_session){.patience = patience, .within_ns = within_ns};
    int status = pq_begin(endpoint, conninfo, &session->conn);
    if (status == 0 && !session->conn)
        status = -ENOMEM;
    if (status < 0)
        errmsg_set(err, "%s", strerror(-status));
    while (status == 0 && PQstatus(session->conn) != CONNECTION_BAD &&
           wanted != PGRES_POLLING_OK) {
        status =
            patience_wait(patience, PQsocket(session->conn),
                          wanted == PGRES_POLLING_READING ? POLLIN : POLLOUT, until_ns);
        if (status == 0)
            wanted = PQconnectPoll(session->conn);
    }
    if (status < 0)
        return status;
    if (wanted == PGRES_POLLING_OK)
        return 0;
    keep_error(session->conn, err);
    return -ECONNREFUSED;
}

/* All that comes until the statement is over; the last result, or the first error. */
static PGresult *collect(struct postgres_session *session, struct errmsg *err)
{
    uint64_t until_ns = now_ns() + session->within_ns;
    PGresult *kept = NULL;
    for (;;) {
        if (PQisBusy(session->conn)) {
            int status = patience_wait(session->patience, PQsocket(session->conn),
                                       POLLIN, until_ns);
            if (status == 0 && PQconsumeInput(session->conn) == 1)
                continue;
            errmsg_set(err, "%s",
                       status < 0 ? strerror(-status) : PQerrorMessage(session->conn));
            break;
        }
        PGresult *result = PQgetResult(session->conn);
        if (!result)
            return kept;
        PQclear(kept);
        kept = result;
    }
    PQclear(kept);
    return NULL;
}

PGresult *postgres_session_ask(struct postgres_session *session, const char *sql,
                               struct errmsg *err)
{
    PGresult *result = NULL;
    if (PQsendQuery(session->conn, sql) == 1)
        result = collect(session, err);
    else
        errmsg_set(err, "%s", PQerrorMessage(session->conn));
    if (!result || PQresultStatus(result) == PGRES_TUPLES_OK)
        return result;
    errmsg_set(err, "%s", PQresultErrorMessage(result));
    PQclear(result);
    return NULL;
}

void postgres_session_close(struct postgres_session *session)
{
    PQfinish(session->conn);
    session->conn = NULL;
}
