/* SPDX-License-Identifier: MIT */
/* The pool with PostgreSQL, whose commits wait for a standby that never comes. */
#include "scenarios/workloads/processes.h"

#include "proxy/base/now.h"
#include "tests/lib/server_process.h"

#include <criterion/criterion.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(processes_postgres, .timeout = 180); /* what waits for ever ends */

static const char conninfo[] = "user=drill dbname=postgres";

static uv_loop_t loop;
static struct server_process server;
static struct history *history;
static struct processes *pool;

/* One statement as the superuser; its first value as a number. */
static long sql(const char *statement)
{
    char text[200];
    (void)snprintf(text, sizeof text, "%s hostaddr=127.0.0.1 port=%u", conninfo,
                   (unsigned)server.port);
    PGconn *conn = PQconnectdb(text);
    PGresult *result = PQexec(conn, statement);
    cr_assert(PQresultStatus(result) == PGRES_TUPLES_OK ||
                  PQresultStatus(result) == PGRES_COMMAND_OK,
              "%s: %s", statement, PQerrorMessage(conn));
    long value = PQntuples(result) > 0 ? strtol(PQgetvalue(result, 0, 0), NULL, 10) : 0;
    PQclear(result);
    PQfinish(conn);
    return value;
}

static void on_setup(void *context, const struct driver_outcome *outcome)
{
    cr_assert_eq(outcome->type, HISTORY_OK, "%s", outcome->text);
    *(bool *)context = true;
    uv_stop(&loop);
}

/* Stops the loop, too: a timer is called before the loop waits for sockets, and nothing
 * might come from them. */
static void on_flag(void *context)
{
    *(bool *)context = true;
    uv_stop(&loop);
}

static void on_read(void *context, const size_t *unread)
{
    cr_expect_eq(unread[0], 0);
    *(bool *)context = true;
    uv_stop(&loop);
}

static void run_until(const bool *flag)
{
    while (!*flag)
        (void)uv_run(&loop, UV_RUN_ONCE);
}

static void begin(void)
{
    static const char *const names[] = {"pg1"};
    struct driver_endpoint endpoint = {.address = "127.0.0.1", .port = server.port};
    struct driver_target target = {
        .endpoint = endpoint, .setting = conninfo, .schema = "netsplit_test"};
    bool made = false;
    (void)uv_loop_init(&loop);
    struct driver_client *client =
        driver_open(driver_find("postgres", NULL), &loop, &target);
    driver_setup(client, 2, 20 * NS_PER_S, on_setup, &made);
    run_until(&made);
    driver_close(client);
    history = history_create();
    history_begin(history, now_ns(), names, 1);
    struct processes_config config = {
        .loop = &loop,
        .history = history,
        .driver = driver_find("postgres", NULL),
        .setting = conninfo,
        .schema = "netsplit_test",
        .seed = 1,
        .nodes = 1,
        .paths = &endpoint,
        .direct = &endpoint,
    };
    workload_default(workload_find("append", NULL), &config.plan);
    config.plan.settings.keys = 2; /* so that rows are fought for */
    config.plan.settings.deadline_ns = 100 * NS_PER_MS;
    pool = processes_create(&config);
}

static bool is_in(const struct history_value *list, int64_t element)
{
    for (size_t i = 0; list->kind == HISTORY_LIST && i < list->list.n; i++)
        if (list->list.items[i] == element)
            return true;
    return false;
}

static size_t count_shown(const struct operations *operations,
                          const struct operation *write)
{
    size_t shown = 0;
    for (size_t i = 0; i < operations->n; i++) {
        const struct operation *read = &operations->items[i];
        shown += read->final && read->key == write->key &&
                 is_in(&read->result, write->argument.integer);
    }
    return shown;
}

Test(processes_postgres, outlast_commits_that_hang_without_using_up_the_connections)
{
    struct processes_statistics statistics = {0};
    struct operations operations;
    struct errmsg err = {""};
    bool stopped = false, read = false;
    if (!server_process_postgres(&server))
        cr_skip_test("PostgreSQL is not installed");
    begin();
    (void)sql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    (void)sql("SELECT pg_reload_conf()");
    processes_start(pool);
    while (statistics.info < 60) {
        (void)uv_run(&loop, UV_RUN_ONCE);
        processes_statistics(pool, &statistics);
    }
    /* Six processes, a cancel of each, and those that are on their way out. */
    cr_expect_leq(sql("SELECT count(*) FROM pg_stat_activity "
                      "WHERE backend_type = 'client backend'"),
                  30);
    (void)sql("ALTER SYSTEM RESET synchronous_standby_names");
    (void)sql("SELECT pg_reload_conf()");
    uint64_t ok = statistics.ok_writes;
    while (statistics.ok_writes < ok + 20) {
        (void)uv_run(&loop, UV_RUN_ONCE);
        processes_statistics(pool, &statistics);
    }
    processes_stop(pool, on_flag, &stopped);
    run_until(&stopped);
    processes_final_reads(pool, 20 * NS_PER_S, on_read, &read);
    run_until(&read);
    processes_close(pool, NULL, NULL);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    cr_expect_eq(uv_loop_close(&loop), 0);

    cr_assert_eq(history_pair(history, &operations, &err), 0, "%s", err.text);
    size_t recovered = 0;
    for (size_t i = 0; i < operations.n; i++) {
        const struct operation *write = &operations.items[i];
        if (!operation_writes(write))
            continue;
        size_t shown = count_shown(&operations, write);
        cr_expect_leq(shown, 1);
        if (write->type == HISTORY_OK)
            cr_expect_eq(shown, 1, "acknowledged, and not there");
        if (write->type == HISTORY_FAIL)
            cr_expect_eq(shown, 0, "failed, and there: %s", write->error);
        recovered += write->type == HISTORY_INFO && shown == 1;
    }
    cr_expect_gt(recovered, 0); /* to call these failed would have been a lie */
    operations_free(&operations);
    history_destroy(history);
    server_process_close(&server);
}
