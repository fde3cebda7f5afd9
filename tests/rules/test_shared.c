/* SPDX-License-Identifier: MIT */
/* What paths in several threads have in common, from several threads. */
#include "rules/plan/shared.h"
#include "tests/rules/world.h"

#include <criterion/criterion.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { THREADS = 4, CONNECTIONS = 200000, NAMES = 2000 };

/* One thread: its own paths, a common plan. */
struct worker {
    pthread_t thread;
    pthread_barrier_t *start; /* borrowed */
    struct paths *paths;      /* owned */
    struct plan *plan;        /* borrowed */
    uint64_t ordinals[CONNECTIONS];
    uint64_t sent_bytes;
};

static void run_all(struct worker *workers, void *(*work)(void *), struct plan *plan)
{
    struct shared *shared = shared_create(NULL);
    pthread_barrier_t start;
    cr_assert_eq(pthread_barrier_init(&start, NULL, THREADS), 0);
    for (int i = 0; i < THREADS; i++) {
        workers[i].start = &start;
        workers[i].plan = plan;
        workers[i].paths = paths_create(NULL, shared);
        cr_assert_eq(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        cr_assert_eq(pthread_join(workers[i].thread, NULL), 0);
        paths_destroy(workers[i].paths);
    }
    (void)pthread_barrier_destroy(&start);
    shared_destroy(shared);
}

static void *open_connections(void *arg)
{
    struct worker *worker = arg;
    (void)pthread_barrier_wait(worker->start);
    for (size_t i = 0; i < CONNECTIONS; i++) {
        uint16_t port = (uint16_t)(1 + i % 3);
        struct path *path = paths_find(worker->paths, "a", "b", port);
        worker->ordinals[i] = path_open(path, 0).ordinal;
    }
    return NULL;
}

Test(shared, no_two_connections_of_two_nodes_have_one_ordinal)
{
    struct worker *workers = calloc(THREADS, sizeof *workers);
    bool *seen = calloc((size_t)THREADS * CONNECTIONS, sizeof *seen);
    run_all(workers, open_connections, NULL);
    for (size_t i = 0; i < THREADS; i++)
        for (size_t k = 0; k < CONNECTIONS; k++) {
            uint64_t ordinal = workers[i].ordinals[k];
            cr_assert_lt(ordinal, (uint64_t)THREADS * CONNECTIONS);
            cr_assert_not(seen[ordinal], "%zu", (size_t)ordinal);
            seen[ordinal] = true;
        }
    free(seen);
    free(workers);
}

#define LONG (400 * SECOND)

/* A busy stream for a while of its own time, asked as often as it asks for. */
static void *stream_for_long(void *arg)
{
    struct worker *worker = arg;
    struct path *path = paths_find(worker->paths, "a", "b", 1);
    struct chain chain;
    const struct chain_config config = {.connection = path_open(path, 0),
                                        .hold_bytes = 400 << 20};
    chain_init(&chain, &config);
    int status = chain_update(&chain, path_match(path, worker->plan), 0);
    chain_data(&chain, 400 << 20, 0);
    (void)pthread_barrier_wait(worker->start);
    for (uint64_t now_ns = 0; status == 0 && now_ns <= LONG;) {
        struct chain_action action = chain_next(&chain, now_ns);
        if (action.verb == CHAIN_SEND) {
            chain_sent(&chain, CHAIN_SEND, action.bytes);
            worker->sent_bytes += action.bytes;
        } else {
            now_ns = action.wake_ns;
        }
    }
    chain_close(&chain);
    return NULL;
}

/* Whoever is ahead of the others takes their share: the sum is what the link carries.
 */
Test(shared, a_rate_with_scope_link_is_that_of_all_threads_together)
{
    struct world world;
    struct worker *workers = calloc(THREADS, sizeof *workers);
    world_init(&world, "a b");
    world_inject(&world, "base", "slow", "a", "b", "rate=1MB/s scope=link");
    world_compile(&world, 0);
    run_all(workers, stream_for_long, world.plan);
    uint64_t sum = 0;
    for (int i = 0; i < THREADS; i++)
        sum += workers[i].sent_bytes;
    cr_expect_lt(fabs((double)sum - 400e6), 10000, "%g bytes", (double)sum);
    free(workers);
    world_close(&world);
}

static void *meet_new_paths(void *arg)
{
    struct worker *worker = arg;
    for (size_t i = 0; i < NAMES; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "n%zu", i);
        (void)pthread_barrier_wait(worker->start);
        struct path *path = paths_find(worker->paths, name, "b", 1);
        worker->ordinals[i] = path_open(path, 0).ordinal;
    }
    return NULL;
}

Test(shared, threads_that_meet_new_paths_at_once_count_them_together)
{
    struct worker *workers = calloc(THREADS, sizeof *workers);
    run_all(workers, meet_new_paths, NULL);
    for (size_t k = 0; k < NAMES; k++) {
        uint64_t highest = 0;
        for (size_t i = 0; i < THREADS; i++)
            if (workers[i].ordinals[k] > highest)
                highest = workers[i].ordinals[k];
        cr_assert_eq(highest, THREADS - 1, "name %zu", k);
    }
    free(workers);
}
