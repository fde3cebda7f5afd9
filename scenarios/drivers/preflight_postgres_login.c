/* SPDX-License-Identifier: MIT */
/* A login as a drill's client does it. What the server or libpq has against it is passed
 * on in its own words; what mends it hangs on a few of these words, by a table, and on
 * the user, database and address that the message is about. */
#include "scenarios/drivers/preflight_postgres.h"

#include "proxy/base/memory.h"
#include "rules/unit.h"
#include "scenarios/drivers/postgres_session.h"
#include "scenarios/preflight/preflight.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *name_of(const struct preflight *preflight, size_t node)
{
    return preflight->cluster->nodes[node];
}

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
                       "echo 'host %s %s %s scram-sha-256' >> pg_hba.conf # on %s "
                       "(psql: show hba_file), where the first line that fits counts; "
                       "then select pg_reload_conf()",
                       database, user, host, name_of(preflight, node));
        return;
    case MEND_PASSWORD_LACKS:
        preflight_mend(preflight,
                       "echo '*:*:%s:%s:PASSWORD' >> ~/.pgpass && chmod 600 ~/.pgpass  "
                       "# or read -rs PGPASSWORD && export PGPASSWORD; host and port "
                       "are *, for a drill comes by its proxy's",
                       database, user);
        return;
    case MEND_PASSWORD_WRONG:
        preflight_mend(
            preflight,
            "psql -h %s -p %u -c '\\password %s' # for a new one; or correct "
            "$PGPASSWORD or ~/.pgpass",
            place->address, place->port, user);
        return;
    case MEND_ROLE:
        preflight_mend(preflight,
                       "createuser -h %s -p %u %s # or correct user= in `driver:`",
                       place->address, place->port, user);
        return;
    case MEND_DATABASE:
        preflight_mend(preflight,
                       "createdb -h %s -p %u %s # or correct dbname= in `driver:`",
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

void preflight_postgres_close(void *data)
{
    struct postgres_session *session = data;
    postgres_session_close(session);
    free(session);
}

void *preflight_postgres_login(struct preflight *preflight, size_t node,
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
    preflight_postgres_close(session);
    return NULL;
}

void preflight_postgres_describe(void *data, char *text, size_t text_bytes)
{
    const struct postgres_session *session = data;
    (void)snprintf(text, text_bytes, "user %s on database %s, PostgreSQL %s",
                   PQuser(session->conn), PQdb(session->conn),
                   PQparameterStatus(session->conn, "server_version"));
}
