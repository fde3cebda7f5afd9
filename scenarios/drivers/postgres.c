/* SPDX-License-Identifier: MIT */
/* The driver for PostgreSQL, by libpq.
 *
 * What is written where, all in the drill's own schema, each write one autocommitted
 * statement:
 *   lists      a row a key; append is v = v || '17,'. The row's lock puts appends to a
 *              key in order, which is the order that every reader sees: a list grows at
 *              its end only. With a row an element it would not: rows become visible in
 *              the order of commits and not of their numbers. The price is that an
 *              append waits while another to the same key waits for a standby: that is
 *              what a program with such a row meets, too.
 *   sets       a row an element; nothing waits for anything.
 *   registers  a row a key.
 * The schema's comment says that it is netsplit's, and in a system that is somebody's
 * also which drill's: setup and teardown look at it first, and change what they saw in
 * one transaction, or nothing.
 *
 * Happy path: postgres_start() connects if there is no connection, sends the statement,
 * on_event() reads the answer.
 *
 * Failures: what fails before the statement was sent has failed. An error of severity
 * ERROR has rolled the statement back; its SQLSTATE says why, by the table below.
 * Beyond that nothing is sure. In particular COMMIT waits for standbys after it has
 * committed locally: whoever ends that wait, the row is there. A cancel makes it answer
 * success with a warning (01000), a termination closes the session without a word: both
 * are info. At its deadline a write is abandoned: the socket is closed, and on a second
 * connection, past the proxy, pg_cancel_backend() ends the wait, because PostgreSQL
 * does not notice a client that left while it waits for a standby, and would run out of
 * connections.
 *
 * It does not retry and does not use prepared statements. */
#include "proxy/base/memory.h"
#include "proxy/base/now.h"
#include "scenarios/drill/claim_mark.h"
#include "scenarios/drivers/client.h"
#include "scenarios/drivers/elements.h"
#include "scenarios/drivers/pq.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct postgres_client {
    struct driver_client base;
    struct pq *pq;  /* owned; NULL = not connected */
    bool connected; /* pq has said so */
    int backend;    /* the server's process id, once connected */
    bool in_flight; /* a write was sent, and the server has not answered it */
    bool looking;   /* at what the schema is, before it is touched */
    char taken[CLAIM_TEXT_BYTES]; /* whom it was taken over from; "" = nobody */
    struct elements elements;     /* of the last list read */
};

/* What an error of severity ERROR means for a write; the first prefix that fits. Codes:
 * PostgreSQL's errcodes.txt. */
static const struct {
    const char *prefix;
    enum driver_error error;
} postgres_errors[] = {
    {"25006", DRIVER_READ_ONLY}, /* read_only_sql_transaction: a standby */
    {"40003", DRIVER_UNCLEAR},   /* statement_completion_unknown */
    {"40", DRIVER_REFUSED},      /* rolled back: serialization, deadlock */
    {"57P03", DRIVER_REFUSED},   /* cannot_connect_now */
    {"0A", DRIVER_REFUSED},      /* from here on: the statement cannot be done */
    {"22", DRIVER_REFUSED},      {"23", DRIVER_REFUSED}, {"25", DRIVER_REFUSED},
    {"28", DRIVER_REFUSED},      {"3D", DRIVER_REFUSED}, {"3F", DRIVER_REFUSED},
    {"42", DRIVER_REFUSED},      {"53", DRIVER_REFUSED}, {"54", DRIVER_REFUSED},
    {"55", DRIVER_REFUSED},      {"P0", DRIVER_REFUSED},
};

static enum driver_error classify(const PGresult *result)
{
    const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    if (!severity || strcmp(severity, "ERROR") != 0 || !sqlstate)
        return DRIVER_UNCLEAR; /* FATAL and PANIC end the session, whatever it did */
    for (size_t i = 0; i < sizeof postgres_errors / sizeof *postgres_errors; i++)
        if (!strncmp(sqlstate, postgres_errors[i].prefix,
                     strlen(postgres_errors[i].prefix)))
            return postgres_errors[i].error;
    return DRIVER_UNCLEAR;
}

/* Lives on its own until it is done, or DRIVER_CANCEL_NS have passed. */
struct cancel {
    struct pq *pq; /* owned */
    uv_timer_t timer;
    char backend[16]; /* process id, as text */
};

static void on_cancel_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void end_cancel(struct cancel *cancel)
{
    pq_close(cancel->pq);
    cancel->pq = NULL;
    uv_close((uv_handle_t *)&cancel->timer, on_cancel_closed);
}

static void on_cancel_late(uv_timer_t *timer)
{
    end_cancel(timer->data);
}

static void on_cancel_event(void *context, enum pq_event event, const PGresult *result,
                            const char *text)
{
    struct cancel *cancel = context;
    const char *values[] = {cancel->backend};
    (void)result; /* true or false: the operation is info either way */
    (void)text;
    if (event != PQ_CONNECTED ||
        !pq_send(cancel->pq, "SELECT pg_cancel_backend($1::int)", 1, values))
        end_cancel(cancel);
}

static void begin_cancel(const struct postgres_client *client)
{
    const struct driver_target *target = &client->base.target;
    struct cancel *cancel = xcalloc(1, sizeof *cancel);
    (void)snprintf(cancel->backend, sizeof cancel->backend, "%d", client->backend);
    cancel->pq = pq_open(client->base.loop, &target->direct, target->setting,
                         on_cancel_event, cancel, NULL);
    if (!cancel->pq) {
        free(cancel);
        return;
    }
    (void)uv_timer_init(client->base.loop, &cancel->timer); /* cannot fail, nor below */
    cancel->timer.data = cancel;
    (void)uv_timer_start(&cancel->timer, on_cancel_late,
                         now_ns_to_ms_up(DRIVER_CANCEL_NS), 0);
}

static void postgres_abandon(struct driver_client *base)
{
    struct postgres_client *client = (struct postgres_client *)base;
    if (!client->pq)
        return;
    if (client->in_flight && base->target.direct.port != 0)
        begin_cancel(client);
    client->in_flight = false;
    client->connected = client->looking = false;
    pq_close(client->pq);
    client->pq = NULL;
}

static void postgres_finish(struct driver_client *base)
{
    elements_free(&((struct postgres_client *)base)->elements);
}

/* SQL without the schema's name, which goes between the two. */
struct statement {
    const char *before, *after;
};

static struct statement read_statement(enum history_f writes)
{
    if (writes == HISTORY_WRITE)
        return (struct statement){"SELECT v::text FROM ", ".registers WHERE k = $1"};
    if (writes == HISTORY_ADD)
        return (struct statement){"SELECT coalesce(string_agg(e || ',', ''), '') FROM ",
                                  ".sets WHERE k = $1"};
    return (struct statement){"SELECT v FROM ", ".lists WHERE k = $1"};
}

static struct statement statement_of(const struct postgres_client *client)
{
    switch (client->base.request.operation.f) {
    case HISTORY_APPEND:
        return (struct statement){"INSERT INTO ",
                                  ".lists AS l (k, v) VALUES ($1, $2) ON CONFLICT (k) "
                                  "DO UPDATE SET v = l.v || excluded.v"};
    case HISTORY_ADD:
        return (struct statement){"INSERT INTO ", ".sets (k, e) VALUES ($1, $2)"};
    case HISTORY_WRITE:
        return (struct statement){"INSERT INTO ",
                                  ".registers (k, v) VALUES ($1, $2) ON CONFLICT (k) "
                                  "DO UPDATE SET v = excluded.v"};
    case HISTORY_CAS:
        return (struct statement){"UPDATE ",
                                  ".registers SET v = $3 WHERE k = $1 AND v = $2"};
    case HISTORY_READ:
    case HISTORY_EVENT: /* driver_can() says no */
        break;
    }
    return read_statement(client->base.target.writes);
}

static bool send_operation(struct postgres_client *client)
{
    const struct driver_operation *operation = &client->base.request.operation;
    const struct history_value *value = &operation->value;
    char sql[256], key[24], first[24], second[24];
    const char *values[] = {key, first, second};
    (void)snprintf(key, sizeof key, "%" PRId64, operation->key);
    struct statement statement = statement_of(client);
    (void)snprintf(sql, sizeof sql, "%s%s%s", statement.before,
                   client->base.target.schema, statement.after);
    if (operation->f == HISTORY_READ)
        return pq_send(client->pq, sql, 1, values);
    if (operation->f == HISTORY_CAS) {
        (void)snprintf(first, sizeof first, "%" PRId64, value->pair.from);
        (void)snprintf(second, sizeof second, "%" PRId64, value->pair.to);
        return pq_send(client->pq, sql, 3, values);
    }
    if (operation->f == HISTORY_APPEND)
        (void)elements_format(value->integer, first, sizeof first);
    else
        (void)snprintf(first, sizeof first, "%" PRId64, value->integer);
    return pq_send(client->pq, sql, 2, values);
}

/* The comment that our schema has while it is drilled, or afterwards. */
static char *comment_of(const struct driver_target *target, bool drilled)
{
    bool marked = drilled && target->mark;
    return xasprintf(PQ_MADE_BY_NETSPLIT "%s%s", marked ? PQ_BEFORE_MARK : "",
                     marked ? target->mark : "");
}

static bool look(struct postgres_client *client)
{
    char *sql = xasprintf("SELECT coalesce(obj_description(oid, 'pg_namespace'), '') "
                          "FROM pg_namespace WHERE nspname = '%s'",
                          client->base.target.schema);
    client->looking = true;
    bool sent = pq_send(client->pq, sql, 0, NULL);
    free(sql);
    return sent;
}

/* All in one transaction, if the schema is still what it was seen to be. */
static bool send_schema(struct postgres_client *client, const char *seen)
{
    const struct driver_target *target = &client->base.target;
    const char *schema = target->schema;
    bool setup = client->base.request.verb == DRIVER_SETUP;
    bool drops = setup || !target->keeps_data;
    char *comment = comment_of(target, setup);
    char *guard = xasprintf(
        "DO $$ BEGIN IF (SELECT coalesce(max(coalesce(obj_description(oid, "
        "'pg_namespace'), '')), 'none') FROM pg_namespace WHERE nspname = '%s') <> "
        "'%s' THEN RAISE 'schema %s has changed meanwhile'; END IF; END $$;",
        schema, seen, schema);
    char *create = xasprintf(
        "CREATE SCHEMA %s; COMMENT ON SCHEMA %s IS '%s';"
        "CREATE TABLE %s.lists (k bigint PRIMARY KEY, v text NOT NULL);"
        "CREATE TABLE %s.sets (k bigint, e bigint, PRIMARY KEY (k, e));"
        "CREATE TABLE %s.registers (k bigint PRIMARY KEY, v bigint NOT NULL);",
        schema, schema, comment, schema, schema, schema);
    char *keep = xasprintf("COMMENT ON SCHEMA %s IS '%s'", schema, comment);
    char *sql =
        xasprintf("%s%s%s%s%s", guard, drops ? "DROP SCHEMA IF EXISTS " : "",
                  drops ? schema : "", drops ? " CASCADE;" : keep, setup ? create : "");
    bool sent = pq_send(client->pq, sql, 0, NULL);
    free(comment);
    free(guard);
    free(create);
    free(keep);
    free(sql);
    return sent;
}

/* Whether the schema is netsplit's, and no other drill's; else text says why not. */
static bool is_free(const struct driver_target *target, const char *comment,
                    char text[static CLAIM_TEXT_BYTES])
{
    size_t length = strlen(PQ_MADE_BY_NETSPLIT);
    const char *rest = comment + length;
    text[0] = '\0';
    if (strncmp(comment, PQ_MADE_BY_NETSPLIT, length) != 0) {
        (void)snprintf(text, CLAIM_TEXT_BYTES,
                       "schema %s exists and was not made by netsplit", target->schema);
        return false;
    }
    if (!*rest)
        return true;
    if (strncmp(rest, PQ_BEFORE_MARK, strlen(PQ_BEFORE_MARK)) == 0)
        rest += strlen(PQ_BEFORE_MARK);
    return claim_mark_yields(rest, target->take_over, text);
}

static void send_request(struct postgres_client *client)
{
    client->base.sent = true;
    client->in_flight = !driver_reads(&client->base);
    bool operation = client->base.request.verb == DRIVER_OPERATION;
    if (!(operation ? send_operation(client) : look(client)))
        driver_broke(&client->base, "the connection was closed");
}

static void answer_ok(struct postgres_client *client, struct history_value value)
{
    driver_answer(&client->base, &(struct driver_outcome){
                                     .type = HISTORY_OK,
                                     .value = value,
                                     .reusable = true,
                                 });
}

static void answer_read(struct postgres_client *client, const PGresult *result)
{
    struct history_value value = {.kind = HISTORY_NIL};
    bool good = PQntuples(result) <= 1 && PQnfields(result) == 1;
    if (good && PQntuples(result) == 1)
        good = elements_parse(&client->elements, PQgetvalue(result, 0, 0),
                              (size_t)PQgetlength(result, 0, 0), &value) == 0;
    if (good)
        answer_ok(client, value);
    else
        driver_refused(&client->base, DRIVER_UNCLEAR,
                       "the value read is neither an integer nor a list");
}

static void change_schema(struct postgres_client *client, const char *seen)
{
    client->in_flight = true;
    if (!send_schema(client, seen))
        driver_broke(&client->base, "the connection was closed");
}

/* What the schema is now: none, ours, somebody's. */
static void on_seen(struct postgres_client *client, const PGresult *result)
{
    const struct driver_target *target = &client->base.target;
    bool exists = PQntuples(result) == 1;
    const char *seen = exists ? PQgetvalue(result, 0, 0) : "none";
    client->taken[0] = '\0';
    if (exists && !is_free(target, seen, client->taken)) {
        driver_refused(&client->base, DRIVER_REFUSED, client->taken);
        return;
    }
    if (!exists && client->base.request.verb == DRIVER_TEARDOWN)
        answer_ok(client, (struct history_value){.kind = HISTORY_NIL});
    else
        change_schema(client, seen);
}

static void answer_schema(struct postgres_client *client)
{
    driver_answer(&client->base, &(struct driver_outcome){
                                     .type = HISTORY_OK,
                                     .text = client->taken[0] ? client->taken : NULL,
                                     .reusable = true,
                                 });
}

static void answer_write(struct postgres_client *client, const PGresult *result,
                         const char *warning)
{
    const struct driver_request *request = &client->base.request;
    const char *rows = PQcmdTuples((PGresult *)result); /* only reads it */
    if (warning)
        driver_refused(&client->base, DRIVER_UNCLEAR, warning);
    else if (request->verb != DRIVER_OPERATION)
        answer_schema(client);
    else if (!strcmp(rows, "1"))
        answer_ok(client, (struct history_value){.kind = HISTORY_NIL});
    else if (request->operation.f == HISTORY_CAS && !strcmp(rows, "0"))
        driver_refused(&client->base, DRIVER_CONFLICT, "another value is there");
    else
        driver_refused(&client->base, DRIVER_UNCLEAR, "not one row was written");
}

static void answer_error(struct postgres_client *client, const PGresult *result)
{
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *what = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    if (!sqlstate) { /* libpq's own: the connection ended */
        driver_broke(&client->base, PQresultErrorMessage(result));
        return;
    }
    char text[256];
    (void)snprintf(text, sizeof text, "%s: %s", sqlstate, what ? what : "");
    enum driver_error error = classify(result);
    const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    client->in_flight = false;
    if (severity && !strcmp(severity, "ERROR"))
        driver_refused(&client->base, error, text);
    else
        driver_broke(&client->base, text); /* the server has ended the connection */
}

static void on_event(void *context, enum pq_event event, const PGresult *result,
                     const char *text)
{
    struct postgres_client *client = context;
    switch (event) {
    case PQ_CONNECTED:
        client->connected = true;
        client->backend = pq_backend(client->pq);
        send_request(client); /* it was opened for one */
        return;
    case PQ_BROKEN:
        if (client->base.state == DRIVER_BUSY)
            driver_broke(&client->base, text);
        else
            postgres_abandon(&client->base); /* idle: the next one connects anew */
        return;
    case PQ_RESULT:
        break;
    }
    bool looking = client->looking;
    client->looking = false;
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
        answer_error(client, result);
        return;
    }
    client->in_flight = false;
    if (driver_reads(&client->base))
        answer_read(client, result);
    else if (looking)
        on_seen(client, result);
    else
        answer_write(client, result, text);
}

static void postgres_start(struct driver_client *base)
{
    struct postgres_client *client = (struct postgres_client *)base;
    if (client->connected) {
        send_request(client);
        return;
    }
    struct errmsg err = {""};
    client->pq = pq_open(base->loop, &base->target.endpoint, base->target.setting,
                         on_event, client, &err);
    if (!client->pq)
        driver_broke(base, err.text);
}

static int postgres_check(const char *setting, struct errmsg *err)
{
    char *why = NULL;
    PQconninfoOption *options = PQconninfoParse(setting, &why);
    if (!options) {
        errmsg_set(err, "\"%s\": %s", setting, why ? why : "out of memory");
        PQfreemem(why);
        return -EINVAL;
    }
    bool secret = false;
    for (const PQconninfoOption *option = options; option->keyword; option++)
        secret = secret || (option->val && strstr(option->keyword, "password"));
    PQconninfoFree(options);
    if (!secret)
        return 0;
    errmsg_set(err, "a password does not belong in a cluster file: use $PGPASSWORD, "
                    "~/.pgpass or a service");
    return -EINVAL;
}

const struct driver driver_postgres = {
    .name = "postgres",
    .help = "PostgreSQL: autocommitted statements on tables of the drill's own schema",
    .setting = "a conninfo text without host, port and password (\"dbname=app\")",
    .operations = 1u << HISTORY_READ | 1u << HISTORY_APPEND | 1u << HISTORY_WRITE |
                  1u << HISTORY_CAS | 1u << HISTORY_ADD,
    .client_bytes = sizeof(struct postgres_client),
    .check = postgres_check,
    .start = postgres_start,
    .abandon = postgres_abandon,
    .finish = postgres_finish,
};
