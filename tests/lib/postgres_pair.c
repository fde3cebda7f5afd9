/* SPDX-License-Identifier: MIT */
/* The standby is made as its owner would make it: by pg_basebackup, with -R, which
 * writes primary_conninfo and standby.signal. */
#include "tests/lib/postgres_pair.h"

#include <libpq-fe.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TRIES = 1500, TRY_MS = 20 };

static void fail(const char *what)
{
    fprintf(stderr, "postgres pair: %s\n", what);
    abort();
}

const char *postgres_pair_ask(const struct server_process *node, const char *sql)
{
    static char value[1024];
    char conninfo[128];
    (void)snprintf(conninfo, sizeof conninfo,
                   "hostaddr=127.0.0.1 port=%u user=drill dbname=postgres "
                   "sslmode=disable",
                   (unsigned)node->port);
    PGconn *conn = PQconnectdb(conninfo);
    PGresult *result = PQexec(conn, sql);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
        fail(PQerrorMessage(conn));
    bool has_value = status == PGRES_TUPLES_OK && PQntuples(result) > 0;
    (void)snprintf(value, sizeof value, "%s",
                   has_value ? PQgetvalue(result, 0, 0) : "");
    PQclear(result);
    PQfinish(conn);
    return value;
}

static void copy_primary(const struct postgres_pair *pair, const char *programs,
                         const char *name, const char *words)
{
    const struct passwd *nobody = getpwnam("nobody");
    const char *directory = pair->standby.directory;
    if (geteuid() == 0 &&
        (!nobody || chown(directory, nobody->pw_uid, nobody->pw_gid) < 0))
        fail("chown");
    char program[300], data[TEMPDIR_PATH_MAX + 8], conninfo[512];
    (void)snprintf(program, sizeof program, "%s/pg_basebackup", programs);
    (void)snprintf(data, sizeof data, "%s/data", directory);
    (void)snprintf(conninfo, sizeof conninfo,
                   "host=127.0.0.1 port=%u user=drill application_name=%s %s",
                   (unsigned)pair->primary.port, name, words);
    const char *const argv[] = {program, "-D", data,   "-d", conninfo,
                                "-R",    "-c", "fast", "-N", NULL};
    int status;
    pid_t pid = server_process_run(directory, argv, true);
    if (waitpid(pid, &status, 0) != pid || status != 0)
        fail("pg_basebackup");
}

static void await_streaming(const struct postgres_pair *pair)
{
    for (int i = 0; i < TRIES; i++) {
        if (strcmp(postgres_pair_ask(&pair->primary,
                                     "select count(*) from pg_stat_replication "
                                     "where state = 'streaming'"),
                   "1") == 0)
            return;
        (void)poll(NULL, 0, TRY_MS);
    }
    fail("the standby does not stream in time");
}

bool postgres_pair_open(struct postgres_pair *pair, const char *name, const char *words)
{
    char programs[256];
    if (!server_process_find_postgres(programs, sizeof programs) ||
        !server_process_postgres(&pair->primary))
        return false;
    server_process_reserve(&pair->standby, "postgres");
    copy_primary(pair, programs, name, words);
    server_process_start_postgres(&pair->standby, programs);
    await_streaming(pair);
    return true;
}

void postgres_pair_close(struct postgres_pair *pair)
{
    server_process_close(&pair->standby);
    server_process_close(&pair->primary);
}
