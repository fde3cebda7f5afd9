/* SPDX-License-Identifier: MIT */
/* netsplit preflight on a PostgreSQL primary and its standby that somebody else
 * started. What it says mends a lack is done as it says, and then the lack is gone. */
#include "preflight_fixture.h"
#include "tests/lib/postgres_pair.h"

#include <criterion/criterion.h>
#include <libpq-fe.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(preflight_postgres, .timeout = 120);

static struct drill_fixture drill;
static struct postgres_pair pair;

static void write_cluster(const char *conninfo)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/cluster.yaml", drill.dir);
    FILE *to = fopen(path, "we");
    cr_assert_not_null(to);
    fprintf(to,
            "cluster: 1\nname: theirs\nenvironment: staging\n"
            "driver: { postgres: \"%s\" }\ndata: { schema: drilled }\n"
            "role: psql -XAtq -h 127.0.0.1 -p $NODE_PORT -U drill -d postgres -c "
            "\"select case when pg_is_in_recovery() then 'standby' else 'primary' "
            "end\"\nnodes:\n  pg1: { address: 127.0.0.1, ports: [%u] }\n",
            conninfo, pair.primary.port);
    if (pair.standby.pid > 0)
        fprintf(to, "  pg2: { address: 127.0.0.1, ports: [%u] }\n", pair.standby.port);
    cr_assert_eq(fclose(to), 0);
}

static void open_theirs(const char *conninfo)
{
    if (system("command -v psql >/dev/null") != 0)
        cr_skip_test("psql is not installed");
    if (!postgres_pair_open(&pair, "pg2", ""))
        cr_skip_test("PostgreSQL is not installed");
    drill_open(&drill, "", "");
    write_cluster(conninfo);
}

/* The primary alone, which is there sooner. */
static void open_one(const char *conninfo)
{
    if (system("command -v psql >/dev/null") != 0)
        cr_skip_test("psql is not installed");
    if (!server_process_postgres(&pair.primary))
        cr_skip_test("PostgreSQL is not installed");
    drill_open(&drill, "", "");
    write_cluster(conninfo);
}

static void close_theirs(void)
{
    cr_expect(drill_wait_unmarked(&drill), "processes are left");
    cr_expect_eq(drill_count_left(&drill), 0, "directories or records are left");
    drill_close(&drill);
    if (pair.standby.port)
        server_process_close(&pair.standby);
    server_process_close(&pair.primary);
}

static int fly(void)
{
    return preflight_fly(&drill);
}

static void fly_until(const char *level, const char *check, const char *text)
{
    preflight_fly_until(&drill, level, check, text);
}

static bool told(const char *level, const char *check, const char *text)
{
    return preflight_told(&drill, level, check, text);
}

static const char *mend_of(const char *text)
{
    return preflight_mend_of(&drill, text);
}

/* As the server's owner, whom the mend does not name. */
static void run_mend(const char *text)
{
    preflight_run_mend(&drill, text, "drill");
}

static void await(const struct server_process *node, const char *sql)
{
    for (int i = 0; i < 1500 && strcmp(postgres_pair_ask(node, sql), "t") != 0; i++)
        (void)usleep(20000); /* to poll */
    cr_assert_str_eq(postgres_pair_ask(node, sql), "t", "%s", sql);
}

/* pg_hba.conf of both nodes is these lines now. */
static void set_hba(const char *lines)
{
    struct server_process *const nodes[] = {&pair.primary, &pair.standby};
    for (size_t i = 0; i < 2; i++) {
        char path[TEMPDIR_PATH_MAX + 32];
        if (!nodes[i]->directory[0])
            continue; /* there is no standby */
        (void)snprintf(path, sizeof path, "%s/data/pg_hba.conf", nodes[i]->directory);
        FILE *to = fopen(path, "we");
        cr_assert_not_null(to);
        fputs(lines, to);
        cr_assert_eq(fclose(to), 0);
        if (nodes[i]->pid > 0)
            (void)postgres_pair_ask(nodes[i], "select pg_reload_conf()");
    }
}

#define OWNER                                                                          \
    "host all drill 127.0.0.1/32 trust\n"                                              \
    "host replication drill 127.0.0.1/32 trust\n"

Test(preflight_postgres, a_pair_that_lacks_nothing_is_ready_and_untouched)
{
    static const char *const checks[] = {"exec",   "reach",   "login",       "role",
                                         "rights", "sockets", "connections", "through",
                                         "tls",    "clocks"};
    open_theirs("user=drill dbname=postgres");
    cr_expect_eq(fly(), 0, "%s", drill.told);
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++)
        cr_expect(told("ok", checks[i], ""), "%s in:\n%s", checks[i], drill.told);
    cr_expect(told("ok", "role", "pg1 is primary; standbys: pg2"), "%s", drill.told);
    cr_expect(told("note", "replication",
                   "pg2: it replicates straight from pg1 (127.0.0.1 port "),
              "%s", drill.told);
    cr_expect(told("ok", "through",
                   "pg2: a login works; the server takes who comes "
                   "there for 127.0.0.1"),
              "%s", drill.told);
    cr_expect_str_eq(
        postgres_pair_ask(&pair.primary,
                          "select count(*) from pg_namespace where nspname "
                          "= 'drilled'"),
        "0", "it wrote something");
    close_theirs();
}

/* One lack hides the next: each is mended as it was told. */
Test(preflight_postgres, a_strangers_way_in_is_mended_step_by_step)
{
    char hba[512], line[256] = "";
    open_theirs("user=app dbname=postgres");
    set_hba(OWNER);
    fly_until("MISSING", "login",
              "pg1: FATAL: no pg_hba.conf entry for host \"127.0.0.1\", user \"app\"");
    cr_assert_eq(sscanf(mend_of("no pg_hba.conf"), "echo '%255[^']'", line), 1);
    cr_expect_str_eq(line, "host postgres app 127.0.0.1/32 scram-sha-256");
    (void)snprintf(hba, sizeof hba, OWNER "%s\n", line);
    set_hba(hba);
    (void)postgres_pair_ask(&pair.primary, "create role app login password 'sesam'");
    fly_until("MISSING", "login", "pg1: fe_sendauth: no password supplied");
    cr_expect(strstr(mend_of("no password"), "&& export PGPASSWORD;"), "%s",
              drill.told);
    (void)setenv("PGPASSWORD", "simsalabim", 1);
    (void)fly();
    cr_expect(told("MISSING", "login", "password authentication failed"), "%s",
              drill.told);
    cr_expect_not(strstr(drill.told, "simsalabim"), "a secret was told");
    (void)setenv("PGPASSWORD", "sesam", 1);
    (void)fly();
    cr_expect(told("ok", "login", "pg1: user app on database postgres"), "%s",
              drill.told);
    cr_expect(told("MISSING", "rights", "pg1: app may not make the schema drilled"),
              "%s", drill.told);
    run_mend("may not make the schema");
    cr_expect_eq(fly(), 0, "%s", drill.told);
    cr_expect(told("note", "replication", "where it replicates from is hidden"), "%s",
              drill.told);
    run_mend("is hidden");
    cr_expect_eq(fly(), 0, "%s", drill.told);
    cr_expect(told("note", "replication", "replicates straight from pg1"), "%s",
              drill.told);
    close_theirs();
}

/* A drill comes by another port than the server's. */
Test(preflight_postgres, a_password_for_the_servers_port_fails_behind_the_proxy)
{
    char path[512];
    open_one("user=app dbname=postgres");
    (void)postgres_pair_ask(&pair.primary, "create role app login password 'sesam'");
    (void)postgres_pair_ask(&pair.primary, "grant create on database postgres to app");
    set_hba(OWNER "host postgres app 127.0.0.1/32 scram-sha-256\n");
    (void)snprintf(path, sizeof path, "%s/pgpass", drill.dir);
    (void)setenv("PGPASSFILE", path, 1);
    FILE *to = fopen(path, "we");
    cr_assert_not_null(to);
    fprintf(to, "127.0.0.1:%u:*:app:sesam\n", pair.primary.port);
    cr_assert_eq(fclose(to), 0);
    cr_assert_eq(chmod(path, 0600), 0);
    fly_until("MISSING", "through", "pg1: fe_sendauth: no password supplied");
    cr_expect(told("ok", "login", "pg1: user app"), "%s", drill.told);
    const char *at = strstr(drill.told, " through ");
    char *mend = at ? strstr(at, "echo '") : NULL;
    char line[256] = "";
    cr_assert(mend && sscanf(mend, "echo '%255[^']'", line) == 1, "%s", drill.told);
    cr_expect_str_eq(line, "*:*:postgres:app:PASSWORD");
    to = fopen(path, "we");
    cr_assert_not_null(to);
    fputs("*:*:postgres:app:sesam\n", to);
    cr_assert_eq(fclose(to), 0);
    cr_expect_eq(fly(), 0, "%s", drill.told);
    close_theirs();
}

Test(preflight_postgres, a_schema_that_is_somebodys_is_left_alone)
{
    open_one("user=drill dbname=postgres");
    (void)postgres_pair_ask(&pair.primary, "create schema drilled");
    cr_expect_eq(fly(), 3);
    cr_expect(told("MISSING", "rights",
                   "pg1: the schema drilled exists and was not made by netsplit"),
              "%s", drill.told);
    cr_expect(strstr(mend_of("was not made"), "another name in `data:"));
    (void)postgres_pair_ask(
        &pair.primary, "comment on schema drilled is 'made by netsplit for a drill'");
    cr_expect_eq(fly(), 0, "%s", drill.told);
    cr_expect(told("note", "rights", "of an earlier drill is there"), "%s", drill.told);
    (void)postgres_pair_ask(
        &pair.primary,
        "comment on schema drilled is 'made by netsplit for a drill; "
        "alice@web1 pid 4711 since 2026-11-25T02:31:07Z at 00000000-1-1'");
    cr_expect_eq(fly(), 3);
    cr_expect(told("MISSING", "rights", "pg1: it is being drilled by alice@web1"), "%s",
              drill.told);
    close_theirs();
}

Test(preflight_postgres, what_a_login_lacks_is_told_by_name)
{
    open_one("user=nobody_here dbname=postgres");
    (void)fly();
    cr_expect(told("MISSING", "login", "role \"nobody_here\" does not exist"), "%s",
              drill.told);
    cr_expect(strstr(mend_of("does not exist"), "createuser -h 127.0.0.1"));
    write_cluster("user=drill dbname=nowhere");
    (void)fly();
    cr_expect(told("MISSING", "login", "database \"nowhere\" does not exist"), "%s",
              drill.told);
    run_mend("does not exist");
    (void)fly();
    cr_expect(told("ok", "login", "pg1: user drill on database nowhere"), "%s",
              drill.told);
    write_cluster("user=drill dbname=postgres sslmode=require");
    (void)fly();
    cr_expect(told("MISSING", "login", "server does not support SSL"), "%s",
              drill.told);
    cr_expect(strstr(mend_of("does not support SSL"), "take sslmode= out"));
    close_theirs();
}

/* A certificate of its own, made by openssl. */
static void offer_tls(const struct server_process *node)
{
    char command[3 * TEMPDIR_PATH_MAX];
    (void)snprintf(command, sizeof command,
                   "cd '%s/data' && openssl req -new -x509 -days 2 -nodes -subj /CN=x "
                   "-newkey rsa:2048 -out server.crt -keyout server.key 2>/dev/null && "
                   "chmod 600 server.key && chown --reference=PG_VERSION server.*",
                   node->directory);
    cr_assert_eq(system(command), 0, "%s", command);
    (void)postgres_pair_ask(node, "alter system set ssl = on");
    (void)postgres_pair_ask(node, "select pg_reload_conf()");
}

Test(preflight_postgres, tls_is_noted_where_it_blinds_rules)
{
    char sql[256];
    if (system("command -v openssl >/dev/null") != 0)
        cr_skip_test("openssl is not installed");
    (void)setenv("HOME", "/nonexistent", 1); /* where it may look for certificates */
    open_theirs("user=drill dbname=postgres");
    (void)postgres_pair_ask(&pair.standby,
                            "alter system set wal_retrieve_retry_interval = '50ms'");
    offer_tls(&pair.primary);
    fly_until("ok", "tls", "pg1: the drill's clients speak plain text, TLS is offered");
    write_cluster("user=drill dbname=postgres sslmode=require");
    (void)fly();
    cr_expect(told("note", "tls", "pg1: the drill's own clients use TLS"), "%s",
              drill.told);
    cr_expect(strstr(mend_of("own clients use TLS"), "sslmode=disable in `driver:`"));
    write_cluster("user=drill dbname=postgres");
    (void)postgres_pair_ask(&pair.primary, "select pg_terminate_backend(pid) from "
                                           "pg_stat_replication");
    await(&pair.primary, "select ssl from pg_stat_ssl join pg_stat_replication using "
                         "(pid)");
    (void)fly();
    cr_expect(told("note", "tls", "pg1: 1 standby replicates by TLS"), "%s",
              drill.told);
    cr_expect(strstr(mend_of("by TLS"), "sslmode=disable in primary_conninfo"));
    (void)snprintf(sql, sizeof sql,
                   "alter system set primary_conninfo = 'host=127.0.0.1 port=%u "
                   "user=drill application_name=pg2 sslmode=disable'",
                   pair.primary.port);
    (void)postgres_pair_ask(&pair.standby, sql);
    (void)postgres_pair_ask(&pair.standby, "select pg_reload_conf()");
    await(&pair.primary, "select not ssl from pg_stat_ssl join pg_stat_replication "
                         "using (pid)");
    (void)fly();
    cr_expect(told("ok", "tls", "pg1: the drill's clients speak plain text"), "%s",
              drill.told);
    close_theirs();
}

Test(preflight_postgres, a_standby_that_receives_nothing_is_missing)
{
    open_theirs("user=drill dbname=postgres");
    (void)postgres_pair_ask(&pair.standby, "alter system set primary_conninfo = ''");
    (void)postgres_pair_ask(&pair.standby, "select pg_reload_conf()");
    fly_until("MISSING", "replication",
              "pg2: it is a standby, and receives from nobody");
    close_theirs();
}

/* Started again with a Unix socket, and a client on it. */
Test(preflight_postgres, clients_on_a_unix_socket_are_named)
{
    char programs[256], postgres[300], port[8], conninfo[TEMPDIR_PATH_MAX + 100];
    open_one("user=drill dbname=postgres");
    cr_assert(server_process_find_postgres(programs, sizeof programs));
    server_process_kill(&pair.primary);
    (void)snprintf(postgres, sizeof postgres, "%s/postgres", programs);
    (void)snprintf(port, sizeof port, "%u", pair.primary.port);
    const char *const argv[] = {postgres, "-D", "data", "-h", "127.0.0.1", "-p",
                                port,     "-k", ".",    "-F", NULL};
    set_hba("local all drill trust\n" OWNER);
    pair.primary.pid = server_process_run(pair.primary.directory, argv, true);
    (void)snprintf(conninfo, sizeof conninfo,
                   "host=%s/data port=%u user=drill dbname=postgres "
                   "application_name=billing",
                   pair.primary.directory, pair.primary.port);
    PGconn *client = NULL;
    for (int i = 0; i < 1500; i++) {
        client = PQconnectdb(conninfo);
        if (PQstatus(client) == CONNECTION_OK)
            break;
        PQfinish(client);
        client = NULL;
        (void)usleep(20000); /* to poll */
    }
    cr_assert_not_null(client);
    (void)fly();
    cr_expect(told("note", "sockets",
                   "pg1: 1 connection by a Unix socket, which no proxy "
                   "sees: billing"),
              "%s", drill.told);
    cr_expect(strstr(mend_of("billing"), "host=127.0.0.1 port="), "%s", drill.told);
    PQfinish(client);
    close_theirs();
}
