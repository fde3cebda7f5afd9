/* SPDX-License-Identifier: MIT */
/* What preflight asks a PostgreSQL server, as the drill's user. Views that hide what is
 * others' from an ordinary user leave a question open; then that is the finding, with
 * the grant that answers it. */
#include "scenarios/drivers/preflight_postgres.h"

#include "proxy/base/memory.h"
#include "proxy/base/now.h"
#include "scenarios/drivers/postgres_session.h"
#include "scenarios/drivers/pq.h"
#include "scenarios/preflight/preflight.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *name_of(const struct preflight *preflight, size_t node)
{
    return preflight->cluster->nodes[node];
}

/* "psql -h 10.0.0.1 -p 5432 -d app": how somebody with more rights comes in to change
 * what both have from the primary. */
static const char *psql_of(const struct preflight *preflight, size_t node, char *text,
                           size_t text_bytes)
{
    const struct cluster *cluster = preflight->cluster;
    const struct postgres_session *session = preflight->nodes[node].session;
    for (size_t i = 0; i < cluster->n_nodes; i++)
        if (preflight->nodes[i].role == PREFLIGHT_PRIMARY)
            node = i;
    (void)snprintf(text, text_bytes, "psql -h %s -p %u -d %s",
                   cluster->places[node].address, cluster->places[node].port,
                   session ? PQdb(session->conn) : "postgres");
    return text;
}

/* The rows; or NULL, and a note that it could not be asked. */
static PGresult *ask(struct preflight *preflight, size_t node, const char *sql)
{
    struct errmsg err = {""};
    PGresult *result = postgres_session_ask(preflight->nodes[node].session, sql, &err);
    if (!result && !preflight_is_over(preflight))
        preflight_add(preflight, PREFLIGHT_NOTE, node, "it could not be asked: %s",
                      err.text);
    return result;
}

/* A value of the first row; "" for NULL and where there is no row. */
static const char *value(const PGresult *result, int column)
{
    return PQntuples(result) > 0 ? PQgetvalue(result, 0, column) : "";
}

static bool is_true(const PGresult *result, int column)
{
    return strcmp(value(result, column), "t") == 0;
}

static long number(const PGresult *result, int column)
{
    return strtol(value(result, column), NULL, 10);
}

static const char *plural(long n)
{
    return n == 1 ? "" : "s";
}

static void postgres_ask_seen_as(void *session, char *text, size_t text_bytes)
{
    PGresult *result =
        postgres_session_ask(session, "select host(inet_client_addr())", NULL);
    (void)snprintf(text, text_bytes, "%s", result ? value(result, 0) : "");
    PQclear(result);
}

static enum preflight_role postgres_ask_role(void *session)
{
    PGresult *result =
        postgres_session_ask(session, "select pg_is_in_recovery()", NULL);
    enum preflight_role role = !result              ? PREFLIGHT_UNKNOWN
                               : is_true(result, 0) ? PREFLIGHT_STANDBY
                                                    : PREFLIGHT_PRIMARY;
    PQclear(result);
    return role;
}

static uint64_t postgres_ask_clock(struct preflight *preflight, size_t node)
{
    PGresult *result = postgres_session_ask(
        preflight->nodes[node].session,
        "select (extract(epoch from clock_timestamp()) * 1000000)::bigint", NULL);
    uint64_t us = result ? strtoull(value(result, 0), NULL, 10) : 0;
    PQclear(result);
    return us * NS_PER_US;
}

/* The columns of what postgres_rights() asks. */
enum rights_column {
    RIGHTS_CREATES = 0, /* may make a schema */
    RIGHTS_EXISTS,      /* the drill's schema is there: */
    RIGHTS_COMMENT,
    RIGHTS_OWNS, /* and may be dropped */
    RIGHTS_OWNER,
    RIGHTS_READ_ONLY,
    RIGHTS_FREE, /* connections */
    RIGHTS_STANDBY,
};

/* The schema stands there already. True if that is a finding that a drill fails on. */
static bool judge_schema(struct preflight *preflight, size_t node,
                         const PGresult *result)
{
    const char *schema = preflight->cluster->schema,
               *owner = value(result, RIGHTS_OWNER);
    char psql[256];
    (void)psql_of(preflight, node, psql, sizeof psql);
    const char *comment = value(result, RIGHTS_COMMENT);
    size_t length = strlen(PQ_MADE_BY_NETSPLIT);
    if (strncmp(comment, PQ_MADE_BY_NETSPLIT, length) != 0) {
        preflight_add(preflight, PREFLIGHT_MISSING, node,
                      "the schema %s exists and was not made by netsplit (its owner is "
                      "%s): a drill does not touch it",
                      schema, owner);
        preflight_mend(preflight, "another name in `data: { schema: ... }` of %s",
                       preflight->cluster->source.name);
        return true;
    }
    comment += length;
    if (strncmp(comment, PQ_BEFORE_MARK, strlen(PQ_BEFORE_MARK)) == 0 &&
        preflight_judge_mark(preflight, node, comment + strlen(PQ_BEFORE_MARK)))
        return true;
    if (!is_true(result, RIGHTS_OWNS)) {
        preflight_add(
            preflight, PREFLIGHT_MISSING, node,
            "the schema %s of an earlier drill is %s's, who alone may drop it", schema,
            owner);
        preflight_mend(preflight, "%s -c 'DROP SCHEMA %s CASCADE' # as %s", psql,
                       schema, owner);
        return true;
    }
    preflight_add(preflight, PREFLIGHT_NOTE, node,
                  "the schema %s of an earlier drill is there; the next one makes it "
                  "anew",
                  schema);
    return false;
}

static void judge_writes(struct preflight *preflight, size_t node,
                         const PGresult *result)
{
    const struct postgres_session *session = preflight->nodes[node].session;
    const char *schema = preflight->cluster->schema;
    bool can = true;
    char psql[256];
    (void)psql_of(preflight, node, psql, sizeof psql);
    if (!is_true(result, RIGHTS_CREATES)) {
        preflight_add(preflight, PREFLIGHT_MISSING, node,
                      "%s may not make the schema %s in database %s",
                      PQuser(session->conn), schema, PQdb(session->conn));
        preflight_mend(preflight, "%s -c 'GRANT CREATE ON DATABASE %s TO %s'", psql,
                       PQdb(session->conn), PQuser(session->conn));
        can = false;
    }
    if (is_true(result, RIGHTS_READ_ONLY)) {
        preflight_add(preflight, PREFLIGHT_MISSING, node,
                      "its transactions are read-only (default_transaction_read_only)");
        preflight_mend(preflight,
                       "%s -c 'ALTER ROLE %s SET default_transaction_read_only = off'",
                       psql, PQuser(session->conn));
        can = false;
    }
    if (is_true(result, RIGHTS_EXISTS) && judge_schema(preflight, node, result))
        can = false;
    if (can)
        preflight_add(preflight, PREFLIGHT_OK, node, "%s may make the schema %s",
                      PQuser(session->conn), schema);
}

/* Connections that are free for an ordinary user against those that a drill has. */
static void judge_slots(struct preflight *preflight, size_t node,
                        const PGresult *result)
{
    const struct playbook *playbook = preflight->playbook;
    long free_slots = number(result, RIGHTS_FREE);
    long needed = preflight_processes(playbook) + (long)preflight->cluster->n_nodes;
    if (free_slots >= needed)
        return;
    preflight_add(preflight, PREFLIGHT_MISSING, node,
                  "%ld connections are free, a drill has up to %ld to one node",
                  free_slots, needed);
    preflight_mend(preflight,
                   "fewer `processes:` in the workload, or raise "
                   "max_connections and restart %s",
                   name_of(preflight, node));
}

static void postgres_rights(struct preflight *preflight, size_t node)
{
    char *sql = xasprintf(
        "select has_database_privilege(current_database(), 'create'), n.oid is not "
        "null, obj_description(n.oid, 'pg_namespace'), pg_has_role(n.nspowner, "
        "'usage'), pg_get_userbyid(n.nspowner), "
        "current_setting('transaction_read_only')::bool, "
        "current_setting('max_connections')::int - "
        "current_setting('superuser_reserved_connections')::int - "
        "(select count(*) from pg_stat_activity where datid is not null), "
        "pg_is_in_recovery() "
        "from (select) as one left join pg_namespace n on nspname = '%s'",
        preflight->cluster->schema);
    PGresult *result = ask(preflight, node, sql);
    free(sql);
    if (!result)
        return;
    if (is_true(result, RIGHTS_STANDBY))
        preflight_add(preflight, PREFLIGHT_OK, node, "a standby, which is read only");
    else
        judge_writes(preflight, node, result);
    judge_slots(preflight, node, result);
    PQclear(result);
}

/* Asks as a client does before anything else: 'S' = it would, 'N' = it would not; 0 =
 * no answer. */
static char ask_tls(struct preflight *preflight, size_t node)
{
    static const unsigned char request[] = {0, 0, 0, 8, 4, 210, 22, 47}; /* 80877103 */
    struct driver_endpoint endpoint = preflight_endpoint(preflight, node);
    uint64_t until_ns = preflight_until(preflight);
    char answer = 0;
    int fd = patience_connect(&preflight->patience, &endpoint, until_ns);
    if (fd < 0)
        return 0;
    if (send(fd, request, sizeof request, MSG_NOSIGNAL) != (ssize_t)sizeof request ||
        patience_wait(&preflight->patience, fd, POLLIN, until_ns) != 0 ||
        recv(fd, &answer, 1, 0) != 1)
        answer = 0;
    (void)close(fd); /* it was only asked */
    return answer;
}

#define BLIND                                                                          \
    "rules that look at messages see nothing there; delays, stalls and cuts work as "  \
    "they do without"

static void postgres_tls(struct preflight *preflight, size_t node)
{
    PGresult *result = ask(
        preflight, node,
        "select (select ssl from pg_stat_ssl where pid = pg_backend_pid()), "
        "(select count(*) from pg_stat_ssl join pg_stat_replication using (pid) where "
        "ssl), (select count(*) from pg_stat_ssl join pg_stat_activity using (pid) "
        "where ssl and backend_type = 'client backend' and pid <> pg_backend_pid())");
    if (!result)
        return;
    long replication = number(result, 1), clients = number(result, 2);
    if (is_true(result, 0)) {
        preflight_add(preflight, PREFLIGHT_NOTE, node,
                      "the drill's own clients use TLS: " BLIND);
        preflight_mend(preflight,
                       "sslmode=disable in `driver:` of %s, if pg_hba.conf "
                       "allows it",
                       preflight->cluster->source.name);
    }
    if (replication > 0) {
        preflight_add(preflight, PREFLIGHT_NOTE, node,
                      "%ld standby%s replicate%s by TLS: " BLIND, replication,
                      plural(replication), replication == 1 ? "s" : "");
        preflight_mend(preflight, "on the standby, while messages are to be matched: "
                                  "sslmode=disable in primary_conninfo, then select "
                                  "pg_reload_conf()");
    }
    if (!is_true(result, 0) && replication == 0)
        preflight_add(preflight, PREFLIGHT_OK, node,
                      "the drill's clients speak plain text%s; %ld other client%s with "
                      "TLS",
                      ask_tls(preflight, node) == 'S' ? ", TLS is offered" : "",
                      clients, plural(clients));
    PQclear(result);
}

/* A client_port of -1 is a Unix socket; NULL is another user's secret. */
static void postgres_sockets(struct preflight *preflight, size_t node)
{
    const struct cluster_place *place = &preflight->cluster->places[node];
    PGresult *result =
        ask(preflight, node,
            "select count(*) filter (where client_port = -1), string_agg(distinct "
            "coalesce(nullif(application_name, ''), usename), ', ') filter (where "
            "client_port = -1), count(*) filter (where client_port is null and datid "
            "is not "
            "null), (select sender_host from pg_stat_wal_receiver where sender_host "
            "like '/%') from "
            "pg_stat_activity where backend_type in ('client backend', 'walsender') or "
            "backend_type is null");
    if (!result)
        return;
    long unix_clients = number(result, 0), hidden = number(result, 2);
    if (unix_clients > 0) {
        preflight_add(preflight, PREFLIGHT_NOTE, node,
                      "%ld connection%s by a Unix socket, which no proxy sees: %s",
                      unix_clients, plural(unix_clients), value(result, 1));
        preflight_mend(preflight, "host=%s port=%u in their settings", place->address,
                       place->port);
    }
    if (*value(result, 3)) {
        preflight_add(preflight, PREFLIGHT_NOTE, node,
                      "it replicates by a Unix socket in %s, which no proxy sees",
                      value(result, 3));
        preflight_mend(preflight,
                       "on %s: ALTER SYSTEM SET primary_conninfo = "
                       "'host=ADDRESS port=PORT user=...'",
                       name_of(preflight, node));
    }
    if (hidden > 0) {
        const struct postgres_session *session = preflight->nodes[node].session;
        char psql[256];
        preflight_add(preflight, PREFLIGHT_NOTE, node,
                      "how %ld connection%s came is hidden from %s", hidden,
                      plural(hidden), PQuser(session->conn));
        preflight_mend(preflight, "%s -c 'GRANT pg_monitor TO %s'",
                       psql_of(preflight, node, psql, sizeof psql),
                       PQuser(session->conn));
    }
    if (unix_clients == 0 && hidden == 0 && !*value(result, 3))
        preflight_add(preflight, PREFLIGHT_OK, node, "nobody is on a Unix socket");
    PQclear(result);
}

static void judge_receiver(struct preflight *preflight, size_t node,
                           const PGresult *result)
{
    const struct cluster_place *place = &preflight->cluster->places[node];
    const struct postgres_session *session = preflight->nodes[node].session;
    char psql[256];
    (void)psql_of(preflight, node, psql, sizeof psql);
    if (PQntuples(result) == 0) {
        preflight_add(preflight, PREFLIGHT_MISSING, node,
                      "it is a standby, and receives from nobody: after heal it would "
                      "not converge");
        preflight_mend(
            preflight,
            "psql -h %s -p %u -d %s -c 'show primary_conninfo' # and its log, "
            "which says why",
            place->address, place->port, PQdb(session->conn));
        return;
    }
    if (!*value(result, 1)) {
        preflight_add(preflight, PREFLIGHT_NOTE, node,
                      "where it replicates from is hidden from %s",
                      PQuser(session->conn));
        preflight_mend(preflight, "%s -c 'GRANT pg_monitor TO %s'", psql,
                       PQuser(session->conn));
        return;
    }
    preflight_judge_upstream(preflight, node, value(result, 1),
                             (unsigned)number(result, 2));
}

static void postgres_replication(struct preflight *preflight, size_t node)
{
    PGresult *result = ask(preflight, node,
                           "select pg_is_in_recovery(), (select count(*) from "
                           "pg_stat_replication)");
    if (!result)
        return;
    bool standby = is_true(result, 0);
    long standbys = number(result, 1);
    PQclear(result);
    if (!standby) {
        preflight_add(preflight, PREFLIGHT_OK, node, "%ld standby%s connected",
                      standbys, standbys == 1 ? " is" : "s are");
        return;
    }
    result = ask(preflight, node,
                 "select status, sender_host, sender_port from pg_stat_wal_receiver");
    if (result)
        judge_receiver(preflight, node, result);
    PQclear(result);
}

static void postgres_connections(struct preflight *preflight, size_t node)
{
    PGresult *result = ask(preflight, node,
                           "select count(*) from pg_stat_activity where datid is not "
                           "null and coalesce(backend_type, 'client backend') = "
                           "'client backend' and application_name <> 'netsplit' and "
                           "pid <> pg_backend_pid()");
    if (result)
        preflight_judge_connections(preflight, node, number(result, 0));
    PQclear(result);
}

const struct preflight_system preflight_postgres = {
    .driver = "postgres",
    .login = preflight_postgres_login,
    .describe = preflight_postgres_describe,
    .close = preflight_postgres_close,
    .ask_seen_as = postgres_ask_seen_as,
    .ask_role = postgres_ask_role,
    .rights = postgres_rights,
    .tls = postgres_tls,
    .sockets = postgres_sockets,
    .replication = postgres_replication,
    .connections = postgres_connections,
    .ask_clock = postgres_ask_clock,
};
