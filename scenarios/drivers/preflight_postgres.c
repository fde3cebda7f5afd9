/* SPDX-License-Identifier: MIT */
/* What preflight asks a PostgreSQL server, as the drill's user. Views that hide what is
 * others' from an ordinary user leave a question open; then that is the finding, with
 * the grant that answers it. */
#include "proxy/base/memory.h"
#include "proxy/base/now.h"
#include "rules/unit.h"
#include "scenarios/drivers/postgres_session.h"
#include "scenarios/drivers/pq.h"
#include "scenarios/preflight.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *name_of(const struct preflight *preflight, size_t node)
{
    return preflight->cluster->nodes[node];
}

/* "psql -h 10.0.0.1 -p 5432": how somebody with more rights would come in. */
static const char *psql_of(const struct preflight *preflight, size_t node, char *text,
                           size_t text_bytes)
{
    const struct cluster_place *place = &preflight->cluster->places[node];
    const struct postgres_session *session = preflight->nodes[node].session;
    (void)snprintf(text, text_bytes, "psql -h %s -p %u -d %s", place->address,
                   place->port, session ? PQdb(session->conn) : "postgres");
    return text;
}

/* --- login --- */

enum mend_kind {
    MEND_HBA = 0,
    MEND_PASSWORD_LACKS,
    MEND_PASSWORD_WRONG,
    MEND_ROLE,
    MEND_DATABASE,
    MEND_LOGIN,
    MEND_SLOTS,
    MEND_TLS,
    MEND_STRANGER,
};

/* What the server, or libpq, says; the first one that is in the text. */
static const struct {
    const char *said;
    enum mend_kind kind;
} mends[] = {
    {"pg_hba.conf", MEND_HBA},
    {"Ident authentication failed", MEND_HBA},
    {"no password supplied", MEND_PASSWORD_LACKS},
    {"password authentication failed", MEND_PASSWORD_WRONG},
    {"is not permitted to log in", MEND_LOGIN},
    {"role \"", MEND_ROLE},
    {"database \"", MEND_DATABASE},
    {"too many c", MEND_SLOTS},
    {"connection slots", MEND_SLOTS},
    {"does not support SSL", MEND_TLS},
    {"expected authentication request", MEND_STRANGER},
    {"invalid response to SSL", MEND_STRANGER},
    {"server closed the connection", MEND_STRANGER},
};

/* "10.0.0.9/32" of a message that names the client's host. */
static void read_host(const char *said, char *text, size_t text_bytes)
{
    char host[64] = "";
    const char *at = strstr(said, "host \"");
    if (!at || sscanf(at, "host \"%63[^\"]\"", host) != 1)
        (void)snprintf(host, sizeof host, "ADDRESS");
    (void)snprintf(text, text_bytes, "%s/%d", host, strchr(host, ':') ? 128 : 32);
}

static void mend_login(struct preflight *preflight, size_t node, const PGconn *conn,
                       const char *said, enum mend_kind kind)
{
    const struct cluster_place *place = &preflight->cluster->places[node];
    const char *user = PQuser(conn), *database = PQdb(conn);
    char host[80];
    read_host(said, host, sizeof host);
    switch (kind) {
    case MEND_HBA:
        preflight_mend(preflight,
                       "echo 'host %s %s %s scram-sha-256' >> pg_hba.conf on %s (psql: "
                       "show hba_file; the first line that fits counts), then: select "
                       "pg_reload_conf()",
                       database, user, host, name_of(preflight, node));
        return;
    case MEND_PASSWORD_LACKS:
        preflight_mend(preflight,
                       "export PGPASSWORD=..., or echo '*:*:%s:%s:PASSWORD' >> "
                       "~/.pgpass (mode 0600): host and port are *, for a drill comes "
                       "by its proxy's",
                       database, user);
        return;
    case MEND_PASSWORD_WRONG:
        preflight_mend(preflight,
                       "correct $PGPASSWORD or ~/.pgpass; or a new one: psql "
                       "-h %s -p %u -c '\\password %s'",
                       place->address, place->port, user);
        return;
    case MEND_ROLE:
        preflight_mend(preflight,
                       "createuser -h %s -p %u %s, or correct user= in "
                       "`driver:`",
                       place->address, place->port, user);
        return;
    case MEND_DATABASE:
        preflight_mend(preflight,
                       "createdb -h %s -p %u %s, or correct dbname= in "
                       "`driver:`",
                       place->address, place->port, database);
        return;
    case MEND_LOGIN:
        preflight_mend(preflight, "psql -h %s -p %u -c 'ALTER ROLE %s LOGIN'",
                       place->address, place->port, user);
        return;
    case MEND_SLOTS:
        preflight_mend(preflight, "end idle clients (select from pg_stat_activity), or "
                                  "raise max_connections and restart");
        return;
    case MEND_TLS:
        preflight_mend(preflight, "take sslmode= out of `driver:`, or set ssl = on at "
                                  "the server");
        return;
    case MEND_STRANGER:
        preflight_mend(preflight,
                       "is it a PostgreSQL? correct `ports:` of %s, or "
                       "`driver:`",
                       name_of(preflight, node));
        return;
    }
}

static void complain_login(struct preflight *preflight, size_t node,
                           const struct postgres_session *session, int status,
                           const char *said)
{
    char limit[32];
    if (status == -ETIMEDOUT) {
        preflight_add(preflight, PREFLIGHT_MISSING, node,
                      "it took the connection, but not the login within %s",
                      unit_format_duration(preflight->within_ns, limit, sizeof limit));
        preflight_mend(preflight,
                       "is it a PostgreSQL that is up? on %s: pg_isready, and "
                       "the server's log",
                       name_of(preflight, node));
        return;
    }
    preflight_add(preflight, PREFLIGHT_MISSING, node, "%s", said);
    for (size_t i = 0; i < sizeof mends / sizeof *mends; i++)
        if (strstr(said, mends[i].said)) {
            mend_login(preflight, node, session->conn, said, mends[i].kind);
            return;
        }
}

static void postgres_close(void *data)
{
    struct postgres_session *session = data;
    postgres_session_close(session);
    free(session);
}

static void *postgres_login(struct preflight *preflight, size_t node,
                            const struct driver_endpoint *endpoint)
{
    struct postgres_session *session = xcalloc(1, sizeof *session);
    struct errmsg err = {""};
    int status =
        postgres_session_open(session, &preflight->patience, preflight->within_ns,
                              endpoint, preflight->cluster->setting, &err);
    if (status == 0)
        return session;
    if (status != -EINTR)
        complain_login(preflight, node, session, status, err.text);
    postgres_close(session);
    return NULL;
}

static void postgres_describe(void *data, char *text, size_t text_bytes)
{
    const struct postgres_session *session = data;
    (void)snprintf(text, text_bytes, "user %s on database %s, PostgreSQL %s",
                   PQuser(session->conn), PQdb(session->conn),
                   PQparameterStatus(session->conn, "server_version"));
}

/* --- Questions --- */

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

/* --- rights --- */

/* The schema stands there already. True if that is a finding that a drill fails on. */
static bool judge_schema(struct preflight *preflight, size_t node,
                         const PGresult *result)
{
    const char *schema = preflight->cluster->schema, *owner = value(result, 4);
    char psql[256];
    (void)psql_of(preflight, node, psql, sizeof psql);
    if (!is_true(result, 2)) {
        preflight_add(preflight, PREFLIGHT_MISSING, node,
                      "the schema %s exists and was not made by netsplit (its owner is "
                      "%s): a drill does not touch it",
                      schema, owner);
        preflight_mend(preflight, "another name in `data: { schema: ... }` of %s",
                       preflight->cluster->source.name);
        return true;
    }
    if (!is_true(result, 3)) {
        preflight_add(
            preflight, PREFLIGHT_MISSING, node,
            "the schema %s of an earlier drill is %s's, who alone may drop it", schema,
            owner);
        preflight_mend(preflight, "%s -c 'DROP SCHEMA %s CASCADE', as %s", psql, schema,
                       owner);
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
    if (!is_true(result, 0)) {
        preflight_add(preflight, PREFLIGHT_MISSING, node,
                      "%s may not make the schema %s in database %s",
                      PQuser(session->conn), schema, PQdb(session->conn));
        preflight_mend(preflight, "%s -c 'GRANT CREATE ON DATABASE %s TO %s'", psql,
                       PQdb(session->conn), PQuser(session->conn));
        can = false;
    }
    if (is_true(result, 5)) {
        preflight_add(preflight, PREFLIGHT_MISSING, node,
                      "its transactions are read-only (default_transaction_read_only)");
        preflight_mend(preflight,
                       "%s -c 'ALTER ROLE %s SET default_transaction_read_only = off'",
                       psql, PQuser(session->conn));
        can = false;
    }
    if (is_true(result, 1) && judge_schema(preflight, node, result))
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
    long free_slots = number(result, 6);
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
        "null, obj_description(n.oid, 'pg_namespace') = '" PQ_SCHEMA_COMMENT
        "', pg_has_role(n.nspowner, 'usage'), pg_get_userbyid(n.nspowner), "
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
    if (is_true(result, 7))
        preflight_add(preflight, PREFLIGHT_OK, node, "a standby, which is read only");
    else
        judge_writes(preflight, node, result);
    judge_slots(preflight, node, result);
    PQclear(result);
}

/* --- tls --- */

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

/* --- sockets --- */

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

/* --- replication --- */

static void judge_receiver(struct preflight *preflight, size_t node,
                           const PGresult *result)
{
    const struct postgres_session *session = preflight->nodes[node].session;
    char psql[256];
    (void)psql_of(preflight, node, psql, sizeof psql);
    if (PQntuples(result) == 0) {
        preflight_add(preflight, PREFLIGHT_MISSING, node,
                      "it is a standby, and receives from nobody: after heal it would "
                      "not converge");
        preflight_mend(preflight, "its log says why; %s -c 'show primary_conninfo'",
                       psql);
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

/* --- connections --- */

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
    .login = postgres_login,
    .describe = postgres_describe,
    .close = postgres_close,
    .ask_seen_as = postgres_ask_seen_as,
    .ask_role = postgres_ask_role,
    .rights = postgres_rights,
    .tls = postgres_tls,
    .sockets = postgres_sockets,
    .replication = postgres_replication,
    .connections = postgres_connections,
    .ask_clock = postgres_ask_clock,
};
