/* SPDX-License-Identifier: MIT */
/* The pool with a real driver and real servers: three nodes of the reference store, all
 * on the test's loop. */
#include "scenarios/workloads/processes.h"
#include "scenarios/store/node.h"

#include "proxy/base/now.h"
#include "proxy/base/tempdir.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NODES = 3 };

TestSuite(processes_store, .timeout = 60); /* what waits for ever ends */

static uv_loop_t loop;
static struct history *history;
static struct processes *pool;
static struct store_node *nodes[NODES];
static const char *const names[] = {"n1", "n2", "n3"};
static char directory[TEMPDIR_PATH_MAX];

/* Ports that are reserved for the nodes, because each must know those of its peers. */
static int reserved[NODES];
static struct sockaddr_in addresses[NODES];

static void reserve(size_t i)
{
    socklen_t length = sizeof addresses[i];
    int one = 1;
    addresses[i] = (struct sockaddr_in){.sin_family = AF_INET,
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    reserved[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)setsockopt(reserved[i], SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    cr_assert_eq(bind(reserved[i], (struct sockaddr *)&addresses[i], length), 0);
    (void)getsockname(reserved[i], (struct sockaddr *)&addresses[i], &length);
}

static void start_node(size_t i, const char *mode)
{
    struct store_config config;
    struct store_peer_config peers[NODES - 1];
    struct errmsg err = {""};
    char path[TEMPDIR_PATH_MAX + 8];
    (void)snprintf(path, sizeof path, "%s/%s", directory, names[i]);
    (void)mkdir(path, 0700);
    store_config_init(&config);
    config.name = names[i];
    config.dir = path;
    config.mode = store_mode_find(mode);
    config.primary = i == 0;
    config.fsync_every_ns = UINT64_MAX;
    memcpy(&config.listen, &addresses[i], sizeof addresses[i]);
    for (size_t j = 0, n = 0; j < NODES; j++) {
        if (j == i)
            continue;
        peers[n] = (struct store_peer_config){.name = names[j]};
        memcpy(&peers[n++].address, &addresses[j], sizeof addresses[j]);
    }
    config.peers = peers;
    config.n_peers = NODES - 1;
    cr_assert_eq(store_node_open(&nodes[i], &loop, &config, &err), 0, "%s", err.text);
}

static void begin(const char *mode)
{
    static struct driver_endpoint paths[NODES * NODES], direct[NODES];
    (void)uv_loop_init(&loop);
    cr_assert_eq(tempdir_make("processes", directory, NULL), 0);
    for (size_t i = 0; i < NODES; i++)
        reserve(i);
    for (size_t i = 0; i < NODES; i++) {
        start_node(i, mode);
        direct[i].port = ntohs(addresses[i].sin_port);
        strcpy(direct[i].address, "127.0.0.1");
        for (size_t home = 0; home < NODES; home++)
            paths[home * NODES + i] = direct[i];
    }
    history = history_create();
    history_begin(history, now_ns(), names, NODES);
    struct processes_config config = {
        .loop = &loop,
        .history = history,
        .driver = driver_find("resp", NULL),
        .setting = "",
        .schema = "netsplit_test",
        .seed = 1,
        .nodes = NODES,
        .paths = paths,
        .direct = direct,
    };
    workload_default(workload_find("append", NULL), &config.plan);
    pool = processes_create(&config);
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
    for (size_t i = 0; i < NODES; i++)
        cr_expect_eq(unread[i], 0);
    *(bool *)context = true;
    uv_stop(&loop);
}

static void run_until(const bool *flag)
{
    while (!*flag)
        (void)uv_run(&loop, UV_RUN_ONCE);
}

static void end(struct operations *operations)
{
    struct errmsg err = {""};
    processes_close(pool, NULL, NULL);
    for (size_t i = 0; i < NODES; i++)
        store_node_close(nodes[i]);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    cr_expect_eq(uv_loop_close(&loop), 0);
    for (size_t i = 0; i < NODES; i++)
        close(reserved[i]);
    cr_expect_eq(tempdir_remove(directory), 0);
    cr_assert_eq(history_pair(history, operations, &err), 0, "%s", err.text);
}

static bool is_in(const struct history_value *list, int64_t element)
{
    for (size_t i = 0; list->kind == HISTORY_LIST && i < list->list.n; i++)
        if (list->list.items[i] == element)
            return true;
    return false;
}

/* How many final reads of its key show the write. */
static size_t count_shown(const struct operations *operations,
                          const struct operation *write)
{
    size_t shown = 0;
    for (size_t i = 0; i < operations->n; i++) {
        const struct operation *read = &operations->items[i];
        shown += read->final && read->type == HISTORY_OK && read->key == write->key &&
                 is_in(&read->result, write->argument.integer);
    }
    return shown;
}

Test(processes_store, show_every_acknowledged_write_on_every_node)
{
    struct operations operations;
    bool stopped = false, read = false;
    begin("async");
    processes_start(pool);
    while (history_length(history) < 200)
        (void)uv_run(&loop, UV_RUN_ONCE);
    processes_stop(pool, on_flag, &stopped);
    run_until(&stopped);
    processes_probe_start(pool);
    while (!processes_converged(pool))
        (void)uv_run(&loop, UV_RUN_ONCE);
    processes_final_reads(pool, 20 * NS_PER_S, on_read, &read);
    run_until(&read);
    end(&operations);
    size_t acknowledged = 0;
    for (size_t i = 0; i < operations.n; i++) {
        const struct operation *write = &operations.items[i];
        if (!operation_writes(write))
            continue;
        cr_expect_eq(write->type, HISTORY_OK, "%s", write->error);
        cr_expect_eq(count_shown(&operations, write), NODES);
        acknowledged++;
    }
    cr_expect_gt(acknowledged, 50);
    operations_free(&operations);
    history_destroy(history);
}

static void on_moved(void *context, const struct processes_moved *moved)
{
    cr_expect_eq(moved->moved, 6);
    cr_expect_eq(moved->answered, 6);
    *(bool *)context = true;
    uv_stop(&loop);
}

Test(processes_store, hear_read_only_from_a_replica)
{
    struct operations operations;
    bool stopped = false, moved = false;
    begin("semisync");
    processes_start(pool);
    struct processes_statistics statistics = {0};
    while (statistics.ok_writes < 20) {
        (void)uv_run(&loop, UV_RUN_ONCE);
        processes_statistics(pool, &statistics);
    }
    cr_assert_eq(processes_move(pool, 1, NULL, on_moved, &moved), 0);
    run_until(&moved);
    processes_stop(pool, on_flag, &stopped);
    run_until(&stopped);
    processes_statistics(pool, &statistics);
    cr_expect_geq(statistics.errors[DRIVER_READ_ONLY], 1);
    end(&operations);
    for (size_t i = 0; i < operations.n; i++)
        if (operation_writes(&operations.items[i]) && operations.items[i].node == 1)
            cr_expect_eq(operations.items[i].type, HISTORY_FAIL);
    operations_free(&operations);
    history_destroy(history);
}
