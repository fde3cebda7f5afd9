/* SPDX-License-Identifier: MIT */
/* libpq's asynchronous calls under a uv_poll handle.
 *
 * Happy path: PQconnectPoll() until it is satisfied, PQsendQuery(), PQflush() until all
 * is sent, PQconsumeInput() until PQisBusy() says no, PQgetResult() until NULL.
 *
 * What is special: libpq may close its socket and open another while it connects, so
 * the handle is stopped before each PQconnectPoll() and made anew when the number
 * differs. libuv takes the number out of epoll whenever a handle is stopped or closed,
 * so that must happen before libpq closes the socket, else it would hit whoever got the
 * number next; pq_close() keeps this order. A poll with an error status is what libuv
 * makes of a reset: libpq then reads what is left and finds the error itself.
 * PQfinish() sends a farewell without waiting, because the connection is set
 * non-blocking.
 *
 * It does not use PQcancel(), which blocks, and connect_timeout, which
 * PQconnectPoll() does not know. */
#include "scenarios/drivers/pq.h"

#include "proxy/base/memory.h"
#include "proxy/base/namespace.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum pq_state { PQ_CONNECTING = 0, PQ_IDLE, PQ_BUSY, PQ_DEAD };

struct pq {
    uv_loop_t *loop; /* borrowed */
    uv_poll_t *poll; /* owned; frees itself when closed; NULL = none */
    int fd;          /* that poll watches; libpq's */
    int netns_fd;    /* where libpq makes its sockets; borrowed; 0 = here */
    PGconn *conn;    /* owned */
    enum pq_state state;
    PGresult *kept; /* owned: what the statement said so far */
    bool calling;   /* within on_event: freeing waits */
    bool closed;
    char warning[200]; /* the first of the statement; "" = none */
    pq_event_fn on_event;
    void *context; /* borrowed: on_event's */
};

static void on_poll(uv_poll_t *poll, int status, int events);

static void on_poll_closed(uv_handle_t *handle)
{
    free(handle);
}

static void close_poll(struct pq *pq)
{
    if (pq->poll)
        uv_close((uv_handle_t *)pq->poll, on_poll_closed);
    pq->poll = NULL;
}

/* Watches libpq's socket, which may be another one than before. */
static bool watch(struct pq *pq, int events)
{
    int fd = PQsocket(pq->conn);
    if (pq->poll && fd != pq->fd)
        close_poll(pq);
    if (!pq->poll) {
        pq->poll = xcalloc(1, sizeof *pq->poll);
        if (uv_poll_init(pq->loop, pq->poll, fd) < 0) {
            free(pq->poll); /* libuv does not know it */
            pq->poll = NULL;
            return false;
        }
        pq->poll->data = pq;
        pq->fd = fd;
    }
    return uv_poll_start(pq->poll, events, on_poll) == 0;
}

static void destroy(struct pq *pq)
{
    PQclear(pq->kept);
    free(pq);
}

/* False if pq was closed from the callback, and is no more. */
static bool tell(struct pq *pq, enum pq_event event, const PGresult *result,
                 const char *text)
{
    pq->calling = true;
    pq->on_event(pq->context, event, result, text);
    pq->calling = false;
    bool closed = pq->closed;
    if (closed)
        destroy(pq);
    return !closed;
}

static void broken(struct pq *pq, const char *why)
{
    pq->state = PQ_DEAD;
    close_poll(pq);
    (void)tell(pq, PQ_BROKEN, NULL, why); /* the last event */
}

/* Flushes and watches for what is needed next; false when that is impossible. */
static bool go_on(struct pq *pq)
{
    int left = PQflush(pq->conn);
    return left >= 0 && watch(pq, left > 0 ? UV_READABLE | UV_WRITABLE : UV_READABLE);
}

static void connect_step(struct pq *pq)
{
    (void)uv_poll_stop(pq->poll); /* cannot fail */
    int home = namespace_visit(pq->netns_fd);
    PostgresPollingStatusType wanted =
        home < 0 ? PGRES_POLLING_FAILED : PQconnectPoll(pq->conn);
    namespace_return(home < 0 ? 0 : home);
    if (wanted == PGRES_POLLING_READING || wanted == PGRES_POLLING_WRITING) {
        if (!watch(pq, wanted == PGRES_POLLING_READING ? UV_READABLE : UV_WRITABLE))
            broken(pq, "the socket cannot be watched");
        return;
    }
    if (wanted != PGRES_POLLING_OK) {
        broken(pq, PQerrorMessage(pq->conn));
        return;
    }
    pq->state = PQ_IDLE;
    if (PQsetnonblocking(pq->conn, 1) != 0 || !watch(pq, UV_READABLE)) {
        broken(pq, "the socket cannot be used without blocking");
        return;
    }
    (void)tell(pq, PQ_CONNECTED, NULL, NULL); /* nothing follows */
}

static bool is_error(const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    return status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK;
}

/* Takes what has arrived of results; true when the statement is over. */
static bool collect(struct pq *pq)
{
    while (!PQisBusy(pq->conn)) {
        PGresult *result = PQgetResult(pq->conn);
        if (!result)
            return true;
        if (PQstatus(pq->conn) == CONNECTION_BAD &&
            !PQresultErrorField(result, PG_DIAG_SQLSTATE)) {
            PQclear(result); /* libpq's own, and it will make more of them */
            return false;
        }
        if (pq->kept && is_error(pq->kept)) {
            PQclear(result); /* the first error is the one that says something */
            continue;
        }
        PQclear(pq->kept);
        pq->kept = result;
    }
    return false;
}

/* The statement is over: hands out what was kept, and then that the connection is, if
 * it is. */
static void finish_statement(struct pq *pq)
{
    PGresult *result = pq->kept;
    bool alive = pq->poll;
    pq->kept = NULL;
    pq->state = PQ_IDLE;
    bool open = tell(pq, PQ_RESULT, result, pq->warning[0] ? pq->warning : NULL);
    PQclear(result);
    if (open && !alive)
        broken(pq, "the server closed the connection");
}

static void input_step(struct pq *pq)
{
    char why[256] = "";
    bool alive = PQconsumeInput(pq->conn) == 1;
    if (!alive)
        (void)snprintf(why, sizeof why, "%s", PQerrorMessage(pq->conn));
    bool over =
        pq->state == PQ_BUSY && collect(pq); /* what came before the end counts */
    /* libpq closes its socket when it meets the end; the number is free for others. */
    alive = alive && PQsocket(pq->conn) >= 0 && go_on(pq);
    if (!alive)
        close_poll(pq);
    /* Without the ReadyForQuery behind it only an error is an answer: a statement is
     * said to be complete before it is committed. */
    if (over || (!alive && pq->kept && is_error(pq->kept)))
        finish_statement(pq);
    else if (!alive)
        broken(pq, why[0] ? why : PQerrorMessage(pq->conn));
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct pq *pq = poll->data;
    (void)status;
    (void)events; /* libpq asks the socket itself */
    if (pq->state == PQ_CONNECTING)
        connect_step(pq);
    else
        input_step(pq);
}

/* Notices ("does not exist, skipping") are none of our business; warnings are. */
static void on_notice(void *context, const PGresult *notice)
{
    struct pq *pq = context;
    const char *severity = PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED);
    const char *sqlstate = PQresultErrorField(notice, PG_DIAG_SQLSTATE);
    const char *text = PQresultErrorField(notice, PG_DIAG_MESSAGE_PRIMARY);
    if (pq->warning[0] || !severity || strcmp(severity, "WARNING") != 0)
        return;
    (void)snprintf(pq->warning, sizeof pq->warning, "%s: %s", sqlstate ? sqlstate : "",
                   text ? text : "");
}

int pq_begin(const struct driver_endpoint *endpoint, const char *conninfo, PGconn **out)
{
    char port[8];
    (void)snprintf(port, sizeof port, "%u", (unsigned)endpoint->port);
    /* Of equal keywords the last one holds; dbname stands for all of conninfo. */
    const char *keywords[] = {"sslmode", "gssencmode", "application_name",
                              "dbname",  "hostaddr",   "port",
                              NULL};
    const char *values[] = {"disable",         "disable", "netsplit", conninfo,
                            endpoint->address, port,      NULL};
    int home = namespace_visit(endpoint->netns_fd);
    if (home < 0)
        return home;
    *out = PQconnectStartParams(keywords, values, 1);
    namespace_return(home);
    return 0;
}

struct pq *pq_open(uv_loop_t *loop, const struct driver_endpoint *endpoint,
                   const char *conninfo, pq_event_fn on_event, void *context,
                   struct errmsg *err)
{
    struct pq *pq = xcalloc(1, sizeof *pq);
    *pq = (struct pq){.loop = loop,
                      .netns_fd = endpoint->netns_fd,
                      .on_event = on_event,
                      .context = context};
    int status = pq_begin(endpoint, conninfo, &pq->conn);
    if (status < 0) {
        errmsg_set(err, "its network namespace cannot be entered: %s",
                   strerror(-status));
        free(pq);
        return NULL;
    }
    if (!pq->conn || PQstatus(pq->conn) == CONNECTION_BAD) {
        errmsg_set(err, "%s", pq->conn ? PQerrorMessage(pq->conn) : "out of memory");
        pq_close(pq);
        return NULL;
    }
    (void)PQsetNoticeReceiver(pq->conn, on_notice, pq);
    if (!watch(pq, UV_WRITABLE)) {
        errmsg_set(err, "the socket cannot be watched");
        pq_close(pq);
        return NULL;
    }
    return pq;
}

bool pq_send(struct pq *pq, const char *sql, int n, const char *const *values)
{
    assert(pq->state == PQ_IDLE);
    pq->warning[0] = '\0';
    pq->state = PQ_BUSY;
    int queued = n == 0
                     ? PQsendQuery(pq->conn, sql)
                     : PQsendQueryParams(pq->conn, sql, n, NULL, values, NULL, NULL, 0);
    return queued && go_on(pq);
}

int pq_backend(const struct pq *pq)
{
    return pq->state == PQ_CONNECTING ? 0 : PQbackendPID(pq->conn);
}

void pq_close(struct pq *pq)
{
    if (!pq)
        return;
    close_poll(pq); /* before libpq closes the socket */
    PQfinish(pq->conn);
    pq->conn = NULL;
    pq->closed = true;
    if (!pq->calling)
        destroy(pq);
}
