/* SPDX-License-Identifier: MIT */
/* Asks a PostgreSQL server, by libpq, in a session that is read-only.
 *
 * Happy path: connect as a drill would, without TLS -> pg_is_in_recovery() and some
 * settings -> of a primary pg_stat_replication, of a standby pg_stat_wal_receiver or
 * primary_conninfo.
 *
 * Failures: a pg_hba.conf that lets nobody in without TLS: tried again with it, and
 * noted. What the user may not see (another's sessions need pg_monitor) is noted, too.
 * From primary_conninfo host and port are taken and nothing else: it may hold a
 * password. Passwords are libpq's business: its environment and files have them. */
#include "scenarios/init/survey.h"

#include <errno.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const char init_postgres_yaml[];

static PGconn *connect_once(const struct survey *survey,
                            const struct reach_place *place, const char *sslmode)
{
    char port[8];
    (void)snprintf(port, sizeof port, "%u", (unsigned)place->port);
    /* A NULL value is as if it were not there: the environment decides. */
    const char *keywords[] = {"host",
                              "hostaddr",
                              "port",
                              "user",
                              "dbname",
                              "sslmode",
                              "gssencmode",
                              "connect_timeout",
                              "tcp_user_timeout",
                              "application_name",
                              NULL};
    const char *values[] = {place->host,      place->address,  port,      survey->user,
                            survey->database, sslmode,         "disable", "3",
                            "10000",          "netsplit init", NULL};
    return PQconnectdbParams(keywords, values, 0);
}

/* libpq's message without its line ends, and without the place, which is said already:
 * "connection to server at ... failed: FATAL: ...". */
static void take_words(const PGconn *conn, struct errmsg *err)
{
    static const char place[] = "connection to server", failed[] = " failed: ";
    char text[sizeof err->text];
    const char *words = PQerrorMessage(conn);
    const char *behind = strstr(words, failed);
    if (behind && strncmp(words, place, sizeof place - 1) == 0)
        words = behind + sizeof failed - 1;
    (void)snprintf(text, sizeof text, "%s", words);
    size_t n = strlen(text);
    while (n > 0 && text[n - 1] == '\n')
        text[--n] = '\0';
    for (char *at = text; (at = strchr(at, '\n')); at++)
        *at = ' ';
    errmsg_set(err, "%s", text);
}

/* Whether the user would have it no other way. */
static bool wants_tls(const char *sslmode)
{
    return sslmode &&
           (strcmp(sslmode, "require") == 0 || strncmp(sslmode, "verify-", 7) == 0);
}

/* A connection as drills make them, or NULL. Without TLS unless it must be: then
 * messages can be told apart on the way. */
static PGconn *log_in(struct survey *survey, const struct reach_place *place,
                      struct errmsg *err)
{
    const char *own = getenv("PGSSLMODE");
    bool with_tls = wants_tls(own);
    PGconn *conn = connect_once(survey, place, with_tls ? own : "disable");
    if (PQstatus(conn) != CONNECTION_OK && !with_tls &&
        strstr(PQerrorMessage(conn), "pg_hba.conf")) {
        PQfinish(conn);
        conn = connect_once(survey, place, "require");
    }
    if (PQstatus(conn) == CONNECTION_OK)
        return conn;
    take_words(conn, err);
    PQfinish(conn);
    return NULL;
}

/* NULL: the user may not ask that. */
static PGresult *query(PGconn *conn, const char *sql)
{
    PGresult *result = PQexec(conn, sql);
    if (PQresultStatus(result) == PGRES_TUPLES_OK)
        return result;
    PQclear(result);
    return NULL;
}

/* NULL for NULL and for "". */
static const char *cell(struct survey *survey, const PGresult *result, int row,
                        int column)
{
    return PQgetisnull(result, row, column)
               ? NULL
               : survey_keep(survey, PQgetvalue(result, row, column));
}

static const char *ask_word(struct survey *survey, PGconn *conn, const char *sql)
{
    PGresult *result = query(conn, sql);
    const char *word =
        result && PQntuples(result) == 1 ? cell(survey, result, 0, 0) : NULL;
    PQclear(result);
    return word;
}

/* Not who copies, or subscribes to, single tables. */
static const char replicas_sql[] =
    "select coalesce(host(r.client_addr), ''), r.application_name, r.sync_state,"
    " r.state is null"
    " from pg_stat_replication r left join pg_replication_slots s"
    " on s.active_pid = r.pid"
    " where r.state is distinct from 'backup'"
    " and s.slot_type is distinct from 'logical' order by 2, 1";

static const char *word_for(const char *sync_state)
{
    return sync_state && strcmp(sync_state, "async") == 0  ? "asynchronous"
           : sync_state && strcmp(sync_state, "sync") == 0 ? "synchronous"
                                                           : sync_state;
}

static void add_replica(struct survey *survey, const PGresult *result, int row,
                        struct survey_answer *out)
{
    if (out->n_replicas == SURVEY_SERVERS_MAX)
        return;
    bool hidden = strcmp(PQgetvalue(result, row, 3), "t") == 0;
    const char *host = cell(survey, result, row, 0);
    out->replicas[out->n_replicas++] =
        (struct survey_peer){.host = hidden ? NULL
                                     : host ? host
                                            : "", /* none: a Unix socket */
                             .name = cell(survey, result, row, 1),
                             .state = word_for(cell(survey, result, row, 2))};
    if (hidden && row == 0)
        survey_note(survey,
                    "the user %s may not see who the standbys are: grant pg_monitor "
                    "to it, or give their addresses, too",
                    survey->user);
}

static void ask_replicas(struct survey *survey, PGconn *conn, struct survey_answer *out)
{
    PGresult *result = query(conn, replicas_sql);
    int n = result ? PQntuples(result) : 0;
    for (int i = 0; i < n; i++)
        add_replica(survey, result, i, out);
    PQclear(result);
}

static void set_source(struct survey *survey, const char *host, const char *port,
                       struct survey_answer *out)
{
    unsigned long number = port ? strtoul(port, NULL, 10) : 0;
    out->source.host = host && *host != '/' ? survey_keep(survey, host) : "";
    out->source.port = number <= UINT16_MAX ? (uint16_t)number : 0;
}

static void read_conninfo(struct survey *survey, const char *conninfo,
                          struct survey_answer *out)
{
    const char *host = NULL, *address = NULL, *port = NULL;
    PQconninfoOption *options = PQconninfoParse(conninfo, NULL);
    for (const PQconninfoOption *at = options; at && at->keyword; at++) {
        if (strcmp(at->keyword, "host") == 0)
            host = at->val;
        else if (strcmp(at->keyword, "hostaddr") == 0)
            address = at->val;
        else if (strcmp(at->keyword, "port") == 0)
            port = at->val;
    }
    if (options)
        set_source(survey, address && *address ? address : host, port, out);
    PQconninfoFree(options);
}

static void ask_source(struct survey *survey, PGconn *conn, struct survey_answer *out)
{
    PGresult *result = query(conn, "select sender_host, sender_port "
                                   "from pg_stat_wal_receiver");
    if (result && PQntuples(result) == 1 && !PQgetisnull(result, 0, 0))
        set_source(survey, PQgetvalue(result, 0, 0), PQgetvalue(result, 0, 1), out);
    PQclear(result);
    result = out->source.host
                 ? NULL
                 : query(conn, "select current_setting('primary_conninfo', true)");
    if (result && PQntuples(result) == 1 && !PQgetisnull(result, 0, 0))
        read_conninfo(survey, PQgetvalue(result, 0, 0), out);
    PQclear(result);
    const char *delay = ask_word(
        survey, conn, "select current_setting('recovery_min_apply_delay', true)");
    if (delay && strcmp(delay, "0") != 0)
        out->unfit = survey_keep(
            survey, "it applies changes late on purpose (recovery_min_apply_delay)");
}

/* What a drill would stumble over. */
static void note_rights(struct survey *survey, PGconn *conn)
{
    const char *may = ask_word(survey, conn,
                               "select has_database_privilege(current_database(), "
                               "'create')::text");
    if (may && strcmp(may, "true") != 0)
        survey_note(survey,
                    "the user %s may not make a schema in %s, which a drill does: "
                    "grant create on database %s to %s",
                    survey->user, survey->database, survey->database, survey->user);
    if (survey->needs_tls)
        survey_note(survey,
                    "its connections need TLS: a proxy can delay and cut those, "
                    "but not look into them");
}

static void note_password(struct survey *survey, const PGconn *conn)
{
    if (PQconnectionUsedPassword(conn) && !getenv("PGPASSWORD"))
        survey_note(survey,
                    "the password came from a file: a drill's clients connect through "
                    "a proxy, at an address and port of its own, so that the line in "
                    "the file must be *:*:%s:%s:..., or PGPASSWORD be set",
                    survey->database, survey->user);
}

static void ask_primary(struct survey *survey, PGconn *conn, struct survey_answer *out)
{
    survey->needs_tls = PQsslInUse(conn);
    ask_replicas(survey, conn, out);
    note_rights(survey, conn);
    note_password(survey, conn);
    out->setting = ask_word(
        survey, conn,
        "select format('synchronous_standby_names = ''%s'', synchronous_commit = %s',"
        " current_setting('synchronous_standby_names'),"
        " current_setting('synchronous_commit'))");
}

static int postgres_ask(struct survey *survey, const struct reach_place *place,
                        struct survey_answer *out, struct errmsg *err)
{
    PGconn *conn = log_in(survey, place, err);
    if (!conn)
        return -EACCES;
    survey->user = arena_print(&survey->arena, "%s", PQuser(conn));
    survey->database = arena_print(&survey->arena, "%s", PQdb(conn));
    PQclear(PQexec(conn, "set statement_timeout = '5s'"));
    PQclear(PQexec(conn, "set default_transaction_read_only = on"));
    const char *standby = ask_word(survey, conn, "select pg_is_in_recovery()::text");
    if (!standby) {
        take_words(conn, err);
        PQfinish(conn);
        return -EPROTO;
    }
    out->is_primary = strcmp(standby, "false") == 0;
    out->version = ask_word(survey, conn,
                            "select split_part(current_setting('server_version'), "
                            "' ', 1)");
    out->name = ask_word(survey, conn, "select current_setting('cluster_name')");
    out->identity =
        ask_word(survey, conn, "select system_identifier from pg_control_system()");
    if (out->is_primary)
        ask_primary(survey, conn, out);
    else
        ask_source(survey, conn, out);
    PQfinish(conn);
    return 0;
}

/* It answers a request for TLS with one letter (the protocol's SSLRequest). */
static bool postgres_is_it(const struct reach_place *place)
{
    static const unsigned char request[] = {0, 0, 0, 8, 4, 210, 22, 47};
    char answer[2];
    return reach_say(place, request, sizeof request, answer, sizeof answer) == 1 &&
           (answer[0] == 'S' || answer[0] == 'N');
}

const struct survey_row survey_postgres = {
    .name = "postgres",
    .title = "PostgreSQL",
    .help = "--user and --database say as whom and where; the password comes from "
            "PGPASSWORD, PGPASSFILE (~/.pgpass) or PGSERVICE in the environment",
    .replica = "standby",
    .replicas = "standbys",
    .port = 5432,
    .takes_user = true,
    .program = "[psql]",
    .cluster = init_postgres_yaml,
    .ask = postgres_ask,
    .is_it = postgres_is_it,
};
