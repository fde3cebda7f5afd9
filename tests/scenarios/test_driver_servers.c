/* SPDX-License-Identifier: MIT */
/* The drivers with real servers. Both are packages that `make deps` installs; where one
 * is lacking all the same, its tests are skipped. */
#include "proxy/base/now.h"
#include "scenarios/drill/claim_mark.h"
#include "tests/lib/server_process.h"
#include "tests/scenarios/client_fixture.h"

#include <criterion/criterion.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <string.h>

TestSuite(driver_servers, .timeout = 180); /* what waits for ever ends */

static struct server_process server;
static struct client_fixture fixture;

static void expect(enum history_type type, enum driver_error error)
{
    cr_expect_eq(fixture.outcome.type, type, "%s", fixture.text);
    cr_expect_eq(fixture.outcome.error, error, "%s", fixture.text);
}

static void reopen(enum history_f writes, const char *setting)
{
    client_fixture_drop(&fixture);
    client_fixture_open(&fixture, server.port, writes, server.port, setting);
}

static void expect_list(int64_t key, const int64_t *items, size_t n)
{
    client_fixture_read(&fixture, key);
    expect(HISTORY_OK, DRIVER_NO_ERROR);
    cr_assert_eq(fixture.outcome.value.kind, n > 0 ? HISTORY_LIST : HISTORY_NIL);
    if (n == 0)
        return;
    cr_assert_eq(fixture.outcome.value.list.n, n);
    for (size_t i = 0; i < n; i++)
        cr_expect_eq(fixture.items[i], items[i]);
}

static void expect_register(int64_t key, int64_t value)
{
    client_fixture_read(&fixture, key);
    expect(HISTORY_OK, DRIVER_NO_ERROR);
    cr_assert_eq(fixture.outcome.value.kind, HISTORY_INTEGER);
    cr_expect_eq(fixture.outcome.value.integer, value);
}

/* What every server does alike. */
static void drive(const char *setting)
{
    reopen(HISTORY_APPEND, setting);
    client_fixture_setup(&fixture, 3);
    expect(HISTORY_OK, DRIVER_NO_ERROR);
    expect_list(0, NULL, 0);
    for (int64_t i = 1; i <= 5; i++) {
        client_fixture_write(&fixture, HISTORY_APPEND, 1, i * 11);
        expect(HISTORY_OK, DRIVER_NO_ERROR);
    }
    expect_list(1, (const int64_t[]){11, 22, 33, 44, 55}, 5);
    expect_list(2, NULL, 0);
    client_fixture_setup(&fixture, 3); /* empties them */
    expect_list(1, NULL, 0);

    reopen(HISTORY_ADD, setting);
    client_fixture_write(&fixture, HISTORY_ADD, 2, 7);
    client_fixture_write(&fixture, HISTORY_ADD, 2, 9);
    expect(HISTORY_OK, DRIVER_NO_ERROR);
    expect_list(2, (const int64_t[]){7, 9}, 2);
    client_fixture_setup(&fixture, 3);

    reopen(HISTORY_WRITE, setting);
    client_fixture_write(&fixture, HISTORY_WRITE, 0, 41);
    client_fixture_write(&fixture, HISTORY_WRITE, 0, 42);
    expect(HISTORY_OK, DRIVER_NO_ERROR);
    expect_register(0, 42);
}

/* From 42 at key 0. */
static void compare_and_set(void)
{
    struct history_value good = {.kind = HISTORY_PAIR, .pair = {.from = 42, .to = 43}};
    client_fixture_ask(&fixture, HISTORY_CAS, 0, good, NS_PER_S);
    expect(HISTORY_OK, DRIVER_NO_ERROR);
    client_fixture_ask(&fixture, HISTORY_CAS, 0, good, NS_PER_S);
    expect(HISTORY_FAIL, DRIVER_CONFLICT);
    expect_register(0, 43);
}

Test(driver_servers, drive_redis)
{
    if (!server_process_redis(&server))
        cr_skip_test("redis-server is not installed");
    client_fixture_init(&fixture, "resp");
    drive("");
    struct history_value pair = {.kind = HISTORY_PAIR, .pair = {.from = 42, .to = 43}};
    client_fixture_ask(&fixture, HISTORY_CAS, 0, pair, NS_PER_S);
    expect(HISTORY_FAIL, DRIVER_REFUSED); /* it has none */
    client_fixture_teardown(&fixture, 3);
    expect(HISTORY_OK, DRIVER_NO_ERROR);
    reopen(HISTORY_APPEND, "");
    client_fixture_write(&fixture, HISTORY_APPEND, 0, 1);
    server_process_kill(&server);
    client_fixture_read(&fixture, 0); /* heard of the end, or not yet */
    cr_expect_eq(fixture.outcome.type, HISTORY_FAIL);
    reopen(HISTORY_APPEND, "");
    client_fixture_write(&fixture, HISTORY_APPEND, 0, 2);
    expect(HISTORY_FAIL, DRIVER_UNREACHABLE);
    cr_assert_eq(client_fixture_close(&fixture), 0);
    server_process_close(&server);
}

Test(driver_servers, never_call_a_write_that_waits_for_a_replica_ok_or_fail)
{
    struct history_value value = {.kind = HISTORY_INTEGER, .integer = 11};
    if (!server_process_redis(&server))
        cr_skip_test("redis-server is not installed");
    client_fixture_init(&fixture, "resp");
    reopen(HISTORY_APPEND, "redis://?wait=1");
    client_fixture_ask(&fixture, HISTORY_APPEND, 0, value, 200 * NS_PER_MS);
    expect(HISTORY_INFO, DRIVER_TIMEOUT);
    cr_expect_not(fixture.outcome.reusable);
    reopen(HISTORY_APPEND, "");
    expect_list(0, (const int64_t[]){11}, 1); /* and there it is */
    cr_assert_eq(client_fixture_close(&fixture), 0);
    server_process_close(&server);
}

static const char conninfo[] = "user=drill dbname=postgres";

/* One statement as the superuser; its first value, or "". */
static const char *sql(const char *statement)
{
    static char value[200];
    char text[200];
    (void)snprintf(text, sizeof text, "%s hostaddr=127.0.0.1 port=%u", conninfo,
                   (unsigned)server.port);
    PGconn *conn = PQconnectdb(text);
    PGresult *result = PQexec(conn, statement);
    cr_assert(PQresultStatus(result) == PGRES_TUPLES_OK ||
                  PQresultStatus(result) == PGRES_COMMAND_OK,
              "%s: %s", statement, PQerrorMessage(conn));
    value[0] = '\0';
    if (PQntuples(result) > 0)
        (void)snprintf(value, sizeof value, "%s", PQgetvalue(result, 0, 0));
    PQclear(result);
    PQfinish(conn);
    return value;
}

static void await_sql(const char *statement, const char *wanted)
{
    for (int i = 0; i < 500 && strcmp(sql(statement), wanted) != 0; i++)
        (void)uv_run(&fixture.loop, UV_RUN_NOWAIT); /* a cancel may be on its way */
    cr_expect_str_eq(sql(statement), wanted);
}

Test(driver_servers, drive_postgres)
{
    if (!server_process_postgres(&server))
        cr_skip_test("PostgreSQL is not installed");
    client_fixture_init(&fixture, "postgres");
    drive(conninfo);
    compare_and_set();

    reopen(HISTORY_APPEND, "user=drill dbname=postgres "
                           "options='-c default_transaction_read_only=on'");
    client_fixture_write(&fixture, HISTORY_APPEND, 0, 1);
    expect(HISTORY_FAIL, DRIVER_READ_ONLY);
    cr_expect(fixture.outcome.reusable);
    expect_list(0, NULL, 0);

    reopen(HISTORY_APPEND, conninfo);
    client_fixture_teardown(&fixture, 3);
    expect(HISTORY_OK, DRIVER_NO_ERROR);
    cr_expect_str_eq(sql("SELECT count(*) FROM pg_namespace "
                         "WHERE nspname = 'netsplit_test'"),
                     "0");
    (void)sql("CREATE SCHEMA netsplit_test"); /* somebody else's */
    client_fixture_setup(&fixture, 3);
    expect(HISTORY_FAIL, DRIVER_REFUSED);
    cr_expect(strstr(fixture.text, "was not made by netsplit"), "%s", fixture.text);
    client_fixture_teardown(&fixture, 3);
    expect(HISTORY_FAIL, DRIVER_REFUSED);
    client_fixture_write(&fixture, HISTORY_APPEND, 0, 1);
    expect(HISTORY_FAIL, DRIVER_REFUSED); /* no such table */

    server_process_kill(&server);
    client_fixture_read(&fixture, 0);
    cr_expect_eq(fixture.outcome.type, HISTORY_FAIL);
    cr_expect_not(fixture.outcome.reusable);
    reopen(HISTORY_APPEND, conninfo);
    client_fixture_write(&fixture, HISTORY_APPEND, 0, 1);
    expect(HISTORY_FAIL, DRIVER_UNREACHABLE);
    cr_assert_eq(client_fixture_close(&fixture), 0);
    server_process_close(&server);
}

#define THEIR_MARK "alice@web1 pid 4711 since 2026-11-25T02:31:07Z at 00000000-1-1"

static void set_up_as(const char *mark, bool take_over, const char *setting)
{
    fixture.mark = mark;
    fixture.take_over = take_over;
    reopen(HISTORY_APPEND, setting);
    client_fixture_setup(&fixture, 3);
}

static void tear_down_as(const char *mark, bool keeps_data, const char *setting)
{
    fixture.mark = mark;
    fixture.keeps_data = keeps_data;
    reopen(HISTORY_APPEND, setting);
    client_fixture_teardown(&fixture, 3);
}

/* What every server that can be marked does alike. */
static void keep_out(const char *setting)
{
    char ours[CLAIM_MARK_BYTES];
    claim_mark_make(ours);
    set_up_as(THEIR_MARK, false, setting);
    expect(HISTORY_OK, DRIVER_NO_ERROR);
    client_fixture_write(&fixture, HISTORY_APPEND, 0, 5);
    set_up_as(ours, false, setting);
    expect(HISTORY_FAIL, DRIVER_REFUSED);
    cr_expect(strstr(fixture.text, "being drilled by alice@web1, pid 4711, since 2026"),
              "%s", fixture.text);
    tear_down_as(ours, false, setting);
    expect(HISTORY_FAIL, DRIVER_REFUSED);
    expect_list(0, (const int64_t[]){5}, 1);
    set_up_as(ours, true, setting);
    expect(HISTORY_OK, DRIVER_NO_ERROR);
    cr_expect(strstr(fixture.text, "taken over from alice@web1"), "%s", fixture.text);
    expect_list(0, NULL, 0);
    set_up_as(ours, false, setting); /* our own, as in a second mode */
    expect(HISTORY_OK, DRIVER_NO_ERROR);
    cr_expect_str_empty(fixture.text);
    client_fixture_write(&fixture, HISTORY_APPEND, 0, 7);
    tear_down_as(ours, true, setting);
    expect(HISTORY_OK, DRIVER_NO_ERROR);
    expect_list(0, (const int64_t[]){7}, 1);
    set_up_as(THEIR_MARK, false, setting); /* nobody's mark was left */
    expect(HISTORY_OK, DRIVER_NO_ERROR);
}

Test(driver_servers, keep_out_of_what_another_drill_has_marked_in_redis)
{
    if (!server_process_redis(&server))
        cr_skip_test("redis-server is not installed");
    client_fixture_init(&fixture, "resp");
    keep_out("");
    cr_assert_eq(client_fixture_close(&fixture), 0);
    server_process_close(&server);
}

Test(driver_servers, keep_out_of_what_another_drill_has_marked_in_postgres)
{
    if (!server_process_postgres(&server))
        cr_skip_test("PostgreSQL is not installed");
    client_fixture_init(&fixture, "postgres");
    keep_out(conninfo);
    (void)sql("COMMENT ON SCHEMA netsplit_test IS "
              "'made by netsplit for a drill; by ''$$ nobody'");
    set_up_as(THEIR_MARK, true, conninfo);
    expect(HISTORY_FAIL, DRIVER_REFUSED);
    cr_expect(strstr(fixture.text, "cannot be read"), "%s", fixture.text);
    cr_assert_eq(client_fixture_close(&fixture), 0);
    server_process_close(&server);
}

static const char waiting[] = "SELECT count(*) FROM pg_stat_activity "
                              "WHERE wait_event = 'SyncRep'";

static void append_for(int64_t element, uint64_t within_ns)
{
    struct history_value value = {.kind = HISTORY_INTEGER, .integer = element};
    client_fixture_ask(&fixture, HISTORY_APPEND, 0, value, within_ns);
}

/* An append of 33 whose wait for a standby is ended by the function of PostgreSQL. */
static void expect_when_ended_by(const char *function, enum driver_error error,
                                 const char *begins)
{
    struct history_value value = {.kind = HISTORY_INTEGER, .integer = 33};
    char statement[200];
    (void)snprintf(statement, sizeof statement,
                   "SELECT %s(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'",
                   function);
    reopen(HISTORY_APPEND, conninfo);
    client_fixture_begin(&fixture, HISTORY_APPEND, 0, value, 20 * NS_PER_S);
    await_sql(waiting, "1");
    cr_expect_str_eq(sql(statement), "t");
    client_fixture_await(&fixture);
    expect(HISTORY_INFO, error);
    cr_expect_eq(strncmp(fixture.text, begins, 5), 0, "%s", fixture.text);
}

Test(driver_servers, never_call_a_commit_that_waits_for_a_standby_ok_or_fail)
{
    if (!server_process_postgres(&server))
        cr_skip_test("PostgreSQL is not installed");
    client_fixture_init(&fixture, "postgres");
    reopen(HISTORY_APPEND, conninfo);
    client_fixture_setup(&fixture, 1);
    expect(HISTORY_OK, DRIVER_NO_ERROR);
    (void)sql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    (void)sql("SELECT pg_reload_conf()");
    await_sql("SHOW synchronous_standby_names", "nobody");

    append_for(11, 200 * NS_PER_MS); /* the session may not have heard of it yet */
    reopen(HISTORY_APPEND, conninfo);
    append_for(22, 200 * NS_PER_MS);
    expect(HISTORY_INFO, DRIVER_TIMEOUT);
    cr_expect_not(fixture.outcome.reusable);
    await_sql(waiting, "0"); /* the cancel has ended the wait */
    reopen(HISTORY_APPEND, conninfo);
    expect_list(0, (const int64_t[]){11, 22}, 2); /* and there it is */

    /* Somebody else ends the wait: success with a warning; or the
     * session, without a word. */
    expect_when_ended_by("pg_cancel_backend", DRIVER_UNCLEAR, "01000");
    expect_when_ended_by("pg_terminate_backend", DRIVER_LOST, "serve");
    reopen(HISTORY_APPEND, conninfo);
    expect_list(0, (const int64_t[]){11, 22, 33, 33}, 4);
    (void)sql("ALTER SYSTEM RESET synchronous_standby_names");
    (void)sql("SELECT pg_reload_conf()");
    cr_assert_eq(client_fixture_close(&fixture), 0);
    server_process_close(&server);
}
