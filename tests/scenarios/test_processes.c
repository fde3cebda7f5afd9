/* SPDX-License-Identifier: MIT */
#include "scenarios/workloads/processes.h"

#include "proxy/base/now.h"
#include "tests/scenarios/fake_driver.h"

#include <criterion/criterion.h>
#include <string.h>

enum { NODES = 3 };

TestSuite(processes, .timeout = 60); /* what waits for ever ends */

static uv_loop_t loop;
static struct history *history;
static struct processes *pool;

/* A pool of six processes on three nodes, whose primary is node 0. */
static void begin(uint64_t deadline_ms, uint32_t reads_ppm)
{
    static const char *const names[] = {"n1", "n2", "n3"};
    static struct driver_endpoint paths[NODES * NODES], direct[NODES];
    struct processes_config config = {
        .loop = &loop,
        .driver = &driver_fake,
        .setting = "",
        .schema = "netsplit_test",
        .seed = 7,
        .nodes = NODES,
        .paths = paths,
        .direct = direct,
    };
    for (size_t home = 0; home < NODES; home++) {
        direct[home].port = (uint16_t)(1 + home);
        for (size_t node = 0; node < NODES; node++)
            paths[home * NODES + node].port = (uint16_t)(1000 + home * 10 + node);
    }
    workload_default(workload_find("append", NULL), &config.plan);
    config.plan.settings.keys = FAKE_KEYS;
    config.plan.settings.rate = 600 * 1000;
    config.plan.settings.reads_ppm = reads_ppm;
    config.plan.settings.deadline_ns = deadline_ms * NS_PER_MS;
    (void)uv_loop_init(&loop);
    history = history_create();
    history_begin(history, now_ns(), names, NODES);
    config.history = history;
    pool = processes_create(&config);
}

static struct processes_statistics counts(void)
{
    struct processes_statistics statistics;
    processes_statistics(pool, &statistics);
    return statistics;
}

static void run_until_records(size_t n)
{
    size_t wanted = history_length(history) + n;
    while (history_length(history) < wanted)
        (void)uv_run(&loop, UV_RUN_ONCE);
}

/* Stops the loop, too: a timer is called before the loop waits for sockets, and nothing
 * might come from them. */
static void on_flag(void *context)
{
    *(bool *)context = true;
    uv_stop(&loop);
}

static void stop(void)
{
    bool stopped = false;
    processes_stop(pool, on_flag, &stopped);
    cr_assert_not(stopped);
    while (!stopped)
        (void)uv_run(&loop, UV_RUN_ONCE);
}

/* Closes everything, and pairs the history into *out. */
static void finish(struct operations *out)
{
    struct errmsg err = {""};
    bool closed = false;
    processes_close(pool, on_flag, &closed);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    cr_assert(closed);
    cr_assert_eq(uv_loop_close(&loop), 0);
    cr_assert_eq(history_pair(history, out, &err), 0, "%s", err.text);
    cr_assert_eq(fake_open_now, 0);
}

static void end(struct operations *operations)
{
    operations_free(operations);
    history_destroy(history);
}

static void on_moved(void *context, const struct processes_moved *moved)
{
    *(struct processes_moved *)context = *moved;
    uv_stop(&loop);
}

static struct processes_moved move_and_wait(size_t to, const bool *homes)
{
    struct processes_moved moved = {.moved = SIZE_MAX};
    cr_assert_eq(processes_move(pool, to, homes, on_moved, &moved), 0);
    cr_assert_eq(moved.moved, SIZE_MAX); /* not from within */
    while (moved.moved == SIZE_MAX)
        (void)uv_run(&loop, UV_RUN_ONCE);
    return moved;
}

Test(processes, ask_one_thing_at_a_time_and_write_a_history_that_pairs)
{
    struct operations operations;
    for (size_t i = 0; i < NODES; i++)
        fake_nodes[i].latency_ms = 3;
    begin(1000, 500000);
    processes_start(pool);
    run_until_records(300);
    stop();
    finish(&operations); /* pairing fails if one process had two open */
    cr_expect_leq(fake_open_most, 6);
    cr_expect_geq(fake_open_most, 2);
    size_t ok = 0;
    for (size_t i = 0; i < operations.n; i++)
        ok += operations.items[i].type == HISTORY_OK;
    cr_expect_eq(ok, operations.n);
    end(&operations);
}

Test(processes, write_to_the_primary_and_read_at_home_through_their_own_paths)
{
    struct operations operations;
    begin(1000, 500000);
    processes_start(pool);
    run_until_records(200);
    stop();
    finish(&operations);
    for (size_t i = 0; i < operations.n; i++) {
        const struct operation *operation = &operations.items[i];
        int home = operation->process % NODES; /* nobody was retired */
        cr_expect_eq(operation->node, operation->f == HISTORY_READ ? home : 0);
    }
    cr_expect_eq(fake_paths_used[0], 7); /* all three write to it */
    cr_expect_eq(fake_paths_used[1], 2);
    cr_expect_eq(fake_paths_used[2], 4);
    end(&operations);
}

Test(processes, retire_after_info_and_go_on_as_the_next_number)
{
    struct operations operations;
    fake_nodes[0].mood = FAKE_SILENT;
    begin(20, 0);
    processes_start(pool);
    run_until_records(60);
    stop();
    int32_t width = (int32_t)processes_width(pool);
    cr_expect_eq(width, 6 + NODES);
    finish(&operations); /* pairing fails if a retired process asks again */
    int32_t highest = 0;
    for (size_t i = 0; i < operations.n; i++) {
        cr_expect_eq(operations.items[i].type, HISTORY_INFO);
        cr_expect_str_eq(operations.items[i].error, "no answer by the deadline");
        cr_expect_lt(operations.items[i].process % width, 6);
        if (operations.items[i].process > highest)
            highest = operations.items[i].process;
    }
    cr_expect_geq(highest, 3 * width);
    end(&operations);
}

Test(processes, never_write_a_value_twice)
{
    struct operations operations;
    static bool seen[100000];
    fake_nodes[0].mood = FAKE_BREAKS;
    begin(1000, 300000);
    processes_start(pool);
    run_until_records(100);
    fake_nodes[0].mood = FAKE_SERVES;
    run_until_records(200);
    stop();
    finish(&operations);
    for (size_t i = 0; i < operations.n; i++) {
        if (operations.items[i].f != HISTORY_APPEND)
            continue;
        int64_t value = operations.items[i].argument.integer;
        cr_assert(value > 0 && value < 100000);
        cr_expect_not(seen[value]);
        seen[value] = true;
    }
    end(&operations);
}

Test(processes, count_the_turns_they_let_go_and_pause_after_a_refusal)
{
    struct operations operations;
    for (size_t i = 0; i < NODES; i++)
        fake_nodes[i].mood = FAKE_REFUSES;
    begin(1000, 500000);
    cr_expect_eq(processes_no_ok_write_ns(pool, now_ns() + NS_PER_S), 0);
    processes_start(pool);
    run_until_records(60);
    uint64_t later_ns = now_ns() + 5 * NS_PER_S;
    cr_expect_geq(processes_no_ok_write_ns(pool, later_ns), 5 * NS_PER_S);
    struct processes_statistics statistics = counts();
    cr_expect_gt(statistics.missed, 0);
    cr_expect_eq(statistics.errors[DRIVER_UNREACHABLE], statistics.fail);
    cr_expect_eq(statistics.ok_writes + statistics.ok_reads + statistics.info, 0);
    cr_expect_str_eq(statistics.last_error, "refused");
    fake_nodes[0].mood = FAKE_SERVES;
    while (counts().ok_writes == 0)
        (void)uv_run(&loop, UV_RUN_ONCE);
    cr_expect_lt(processes_no_ok_write_ns(pool, later_ns),
                 later_ns - statistics.last_ok_write_ns);
    stop();
    cr_expect_eq(processes_no_ok_write_ns(pool, later_ns), 0);
    finish(&operations);
    end(&operations);
}

/* Only reads; the node of the last one. */
static int node_of_a_read(const char *answers_as)
{
    struct operations operations;
    memset(fake_nodes, 0, sizeof fake_nodes);
    for (size_t i = 0; i < NODES; i++)
        fake_nodes[i].answers_as = answers_as;
    begin(1000, 1000000);
    processes_start(pool);
    run_until_records(20);
    stop();
    const struct history_record *last =
        history_get(history, history_length(history) - 1);
    int node = last->node;
    cr_expect_eq(last->type, HISTORY_OK);
    cr_expect_str_eq(fake_nodes[1].asked_as, "n2");
    cr_expect_eq(fake_nodes[1].asked_by % NODES, 1, "its processes are at home there");
    finish(&operations);
    end(&operations);
    return node;
}

Test(processes, write_down_the_node_that_answered_if_it_was_another)
{
    cr_expect_eq(node_of_a_read("n3"), 2);
    cr_expect_eq(node_of_a_read("n1"), 0);
    cr_expect_lt(node_of_a_read("elsewhere"), NODES, "the one that was asked");
}

Test(processes, keep_the_first_that_was_wrong_with_the_drivers_program_and_pause)
{
    struct operations operations;
    for (size_t i = 0; i < NODES; i++)
        fake_nodes[i].mood = FAKE_DEFECT;
    begin(1000, 0);
    processes_start(pool);
    run_until_records(60);
    stop();
    cr_expect_str_eq(counts().first_defect, "the program ended");
    cr_expect_eq(counts().errors[DRIVER_DEFECT], counts().info);
    cr_expect_gt(counts().missed, 0, "of a program that may end at once again");
    finish(&operations);
    end(&operations);
}

Test(processes, that_were_moved_write_elsewhere_and_what_was_open_is_info)
{
    struct operations operations;
    fake_nodes[0].mood = FAKE_SILENT;
    begin(60000, 0);
    processes_start(pool);
    while (counts().open < 6)
        (void)uv_run(&loop, UV_RUN_ONCE);
    struct processes_moved moved = move_and_wait(1, NULL);
    cr_expect_eq(moved.moved, 6);
    cr_expect_eq(moved.answered, 6);
    cr_expect_gt(moved.waited_ns, 0);
    cr_expect_eq(counts().info, 6);
    for (size_t i = 0; i < 6; i++) {
        cr_expect_eq(processes_primary_of(pool, i), 1);
        cr_expect_eq(processes_home_of(pool, i), i % NODES == 0 ? 1 : i % NODES);
    }
    stop();
    finish(&operations);
    size_t ok = 0;
    for (size_t i = 0; i < operations.n; i++) {
        ok += operations.items[i].type == HISTORY_OK;
        cr_expect_eq(operations.items[i].node,
                     operations.items[i].type == HISTORY_OK ? 1 : 0);
    }
    cr_expect_geq(ok, 6);
    end(&operations);
}

Test(processes, move_only_those_at_the_homes_named)
{
    struct operations operations;
    bool homes[NODES] = {false, true, false};
    begin(1000, 0);
    processes_start(pool);
    run_until_records(20);
    struct processes_moved moved = move_and_wait(2, homes);
    cr_expect_eq(moved.moved, 2);
    cr_expect_eq(moved.answered, 2);
    for (size_t i = 0; i < 6; i++)
        cr_expect_eq(processes_primary_of(pool, i), i % NODES == 1 ? 2 : 0);
    stop();
    finish(&operations);
    end(&operations);
}

Test(processes, told_read_only_go_where_the_last_move_pointed)
{
    struct operations operations;
    bool homes[NODES] = {false, true, false};
    begin(1000, 0);
    fake_nodes[0].mood = FAKE_READ_ONLY;
    processes_start(pool);
    run_until_records(30);
    cr_expect_eq(processes_primary_of(pool, 0), 0); /* nobody has pointed anywhere */
    (void)move_and_wait(2, homes);
    run_until_records(60);
    for (size_t i = 0; i < 6; i++)
        cr_expect_eq(processes_primary_of(pool, i), 2);
    stop();
    finish(&operations);
    end(&operations);
}

Test(processes, end_a_move_when_they_are_stopped)
{
    struct operations operations;
    struct processes_moved moved = {.moved = SIZE_MAX};
    fake_nodes[1].mood = FAKE_REFUSES;
    begin(1000, 0);
    processes_start(pool);
    run_until_records(20);
    cr_assert_eq(processes_move(pool, 1, NULL, on_moved, &moved), 0);
    cr_expect_lt(processes_move(pool, 2, NULL, on_moved, &moved), 0);
    run_until_records(20);
    stop();
    while (moved.moved == SIZE_MAX)
        (void)uv_run(&loop, UV_RUN_ONCE);
    cr_expect_eq(moved.moved, 6);
    cr_expect_eq(moved.answered, 0); /* a refused connection is no answer */
    finish(&operations);
    end(&operations);
}

Test(processes, stop_only_when_what_was_open_was_answered)
{
    struct operations operations;
    fake_nodes[0].latency_ms = 40;
    begin(1000, 0);
    processes_start(pool);
    while (counts().open < 6)
        (void)uv_run(&loop, UV_RUN_ONCE);
    stop();
    cr_expect_eq(counts().open, 0);
    finish(&operations);
    for (size_t i = 0; i < operations.n; i++)
        cr_expect_eq(operations.items[i].type, HISTORY_OK);
    end(&operations);
}

static size_t unread_seen[NODES];
static bool was_read;

static void on_read(void *context, const size_t *unread)
{
    (void)context;
    memcpy(unread_seen, unread, sizeof unread_seen);
    was_read = true;
    uv_stop(&loop);
}

static void read_finally(uint64_t within_ms)
{
    was_read = false;
    processes_final_reads(pool, within_ms * NS_PER_MS, on_read, NULL);
    cr_assert_not(was_read);
    while (!was_read)
        (void)uv_run(&loop, UV_RUN_ONCE);
}

Test(processes, read_every_key_of_every_node_at_last_and_try_again)
{
    struct operations operations;
    bool read[NODES][FAKE_KEYS] = {{false}};
    begin(1000, 0);
    fake_nodes[1].reads_to_fail[1] = 3;
    processes_start(pool);
    run_until_records(40);
    stop();
    read_finally(20000);
    finish(&operations);
    for (size_t i = 0; i < NODES; i++)
        cr_expect_eq(unread_seen[i], 0);
    size_t failed = 0;
    for (size_t i = 0; i < operations.n; i++) {
        const struct operation *operation = &operations.items[i];
        if (!operation->final)
            continue;
        cr_expect_not(operation_is_workload(operation));
        cr_assert_eq(operation->f, HISTORY_READ);
        failed += operation->type != HISTORY_OK;
        if (operation->type == HISTORY_OK) {
            cr_expect_not(read[operation->node][operation->key]); /* once is enough */
            read[operation->node][operation->key] = true;
        }
    }
    cr_expect_eq(failed, 3);
    for (size_t i = 0; i < NODES * FAKE_KEYS; i++)
        cr_expect(read[i / FAKE_KEYS][i % FAKE_KEYS]);
    end(&operations);
}

Test(processes, say_how_much_of_a_dead_node_was_never_read)
{
    struct operations operations;
    begin(30, 0);
    fake_nodes[1].mood = FAKE_REFUSES;
    fake_nodes[2].mood = FAKE_SILENT;
    stop(); /* nothing was started */
    read_finally(150);
    cr_expect_eq(unread_seen[0], 0);
    cr_expect_eq(unread_seen[1], FAKE_KEYS);
    cr_expect_eq(unread_seen[2], FAKE_KEYS);
    cr_expect_geq(fake_nodes[1].asked, 2);
    finish(&operations);
    end(&operations);
}

/* Makes node `to` hold what node `from` holds. */
static void replicate(size_t from, size_t to)
{
    memcpy(fake_nodes[to].items, fake_nodes[from].items, sizeof fake_nodes[to].items);
    memcpy(fake_nodes[to].n, fake_nodes[from].n, sizeof fake_nodes[to].n);
}

Test(processes, see_convergence_only_when_every_node_holds_the_same)
{
    struct operations operations;
    begin(1000, 0);
    processes_start(pool);
    run_until_records(60);
    stop();
    replicate(0, 1);
    processes_probe_start(pool);
    cr_expect_not(processes_converged(pool));
    run_until_records(8 * NODES * FAKE_KEYS); /* four rounds */
    cr_expect_not(processes_converged(pool)); /* n3 lacks everything */
    replicate(0, 2);
    while (!processes_converged(pool))
        (void)uv_run(&loop, UV_RUN_ONCE);
    fake_nodes[1].mood = FAKE_REFUSES;
    while (processes_converged(pool)) /* a node that is away holds nothing */
        (void)uv_run(&loop, UV_RUN_ONCE);
    processes_probe_stop(pool);
    finish(&operations);
    for (size_t i = 0; i < operations.n; i++)
        cr_expect_eq(operations.items[i].probe, operations.items[i].f == HISTORY_READ);
    end(&operations);
}

Test(processes, may_be_ended_at_any_moment)
{
    struct operations operations;
    for (size_t i = 0; i < NODES; i++)
        fake_nodes[i].latency_ms = 2;
    fake_nodes[1].mood = FAKE_SILENT;
    begin(1000, 500000);
    processes_start(pool);
    run_until_records(40);
    processes_probe_start(pool);
    run_until_records(10);
    while (counts().open == 0)
        (void)uv_run(&loop, UV_RUN_ONCE);
    finish(&operations);
    size_t ended = 0;
    for (size_t i = 0; i < operations.n; i++) {
        const struct operation *operation = &operations.items[i];
        cr_expect_neq(operation->complete_ns, HISTORY_NEVER);
        if (operation->error && !strcmp(operation->error, "the processes were ended")) {
            ended++;
            cr_expect_eq(operation->type,
                         operation->f == HISTORY_READ ? HISTORY_FAIL : HISTORY_INFO);
        }
    }
    cr_expect_geq(ended, 1);
    end(&operations);
}
