/* SPDX-License-Identifier: MIT */
#include "tests/scenarios/random_history.h"
#include "proxy/base/memory.h"

#include <stdlib.h>
#include <string.h>

struct item {
    int64_t element;
    uint64_t ended_ns; /* its acknowledgement; HISTORY_NEVER if there was none */
};

/* The truth of a key: what was applied, in order. */
struct store_key {
    struct item *items;
    size_t n, size;
};

struct worker {
    int32_t process;
    bool busy;
    struct history_record asked;
    bool applied;    /* the write, or the moment of a read's answer */
    int64_t *answer; /* of the read */
    size_t answer_n;
};

struct run {
    const struct random_shape *shape;
    struct random_truth *truth;
    struct history *history;
    struct store_key *keys;
    struct worker *workers;
    uint64_t rng, time_ns;
    int32_t next_process;
    int64_t next_element;
};

uint64_t random_below(uint64_t *state, uint64_t n)
{
    uint64_t x = *state += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (x ^ (x >> 31)) % n;
}

static bool chance(struct run *run, unsigned percent)
{
    return random_below(&run->rng, 100) < percent;
}

static struct item *apply(struct store_key *key, int64_t element)
{
    if (key->n == key->size) {
        key->size = key->size ? 2 * key->size : 8;
        key->items = xreallocarray(key->items, key->size, sizeof *key->items);
    }
    key->items[key->n] = (struct item){element, HISTORY_NEVER};
    return &key->items[key->n++];
}

static void invoke(struct run *run, struct worker *worker)
{
    const struct random_shape *shape = run->shape;
    bool reads = chance(run, shape->reads);
    worker->busy = true;
    worker->applied = false;
    worker->asked = (struct history_record){
        .time_ns = run->time_ns,
        .process = worker->process,
        .f = reads              ? HISTORY_READ
             : shape->registers ? HISTORY_WRITE
                                : HISTORY_APPEND,
        .key = (int64_t)random_below(&run->rng, shape->keys),
        .node = (int16_t)random_below(&run->rng, shape->nodes),
    };
    if (!reads)
        worker->asked.value = (struct history_value){.kind = HISTORY_INTEGER,
                                                     .integer = ++run->next_element};
    (void)history_record(run->history, &worker->asked);
}

/* What a stale answer leaves out: a write that had ended before the read began; the
 * key's length for none. Of lists only. */
static size_t choose_missed(struct run *run, const struct worker *worker)
{
    const struct store_key *key = &run->keys[worker->asked.key];
    if (run->shape->registers)
        return key->n;
    for (size_t tries = 0; key->n && tries < 4; tries++) {
        size_t at = random_below(&run->rng, key->n);
        if (key->items[at].ended_ns < worker->asked.time_ns)
            return at;
    }
    return key->n;
}

static void answer_gibberish(struct run *run, struct worker *worker)
{
    const struct store_key *key = &run->keys[worker->asked.key];
    size_t n = 0, upto = key->n - random_below(&run->rng, key->n + 1) / 2;
    for (size_t i = 0; i < upto; i++)
        if (!chance(run, 10))
            worker->answer[n++] = key->items[i].element;
    if (n > 1 && chance(run, 10)) {
        size_t a = random_below(&run->rng, n), b = random_below(&run->rng, n);
        int64_t swapped = worker->answer[a];
        worker->answer[a] = worker->answer[b];
        worker->answer[b] = swapped;
    }
    worker->answer_n = n;
    if (run->shape->registers && n) {
        worker->answer[0] = worker->answer[random_below(&run->rng, n)];
        worker->answer_n = 1;
    }
}

static void answer(struct run *run, struct worker *worker)
{
    const struct store_key *key = &run->keys[worker->asked.key];
    free(worker->answer);
    worker->answer = xcalloc(key->n + 1, sizeof *worker->answer);
    worker->answer_n = 0;
    if (run->shape->gibberish) {
        answer_gibberish(run, worker);
        return;
    }
    size_t missed = key->n;
    if (chance(run, run->shape->stale))
        missed = choose_missed(run, worker);
    int64_t element = missed < key->n ? key->items[missed].element : 0;
    bool lacks = false;
    for (size_t i = 0; i < key->n; i++) {
        if (missed < key->n && key->items[i].element == element)
            lacks = true;
        else
            worker->answer[worker->answer_n++] = key->items[i].element;
    }
    run->truth->stale += lacks;
    if (run->shape->registers && worker->answer_n) {
        worker->answer[0] = worker->answer[worker->answer_n - 1];
        worker->answer_n = 1;
    }
}

/* The operation takes effect, if it does. */
static void take_effect(struct run *run, struct worker *worker)
{
    worker->applied = true;
    if (worker->asked.f == HISTORY_READ) {
        answer(run, worker);
        return;
    }
    struct store_key *key = &run->keys[worker->asked.key];
    struct history_record *asked = &worker->asked;
    asked->type = HISTORY_OK;
    if (chance(run, run->shape->info))
        asked->type = HISTORY_INFO;
    else if (chance(run, run->shape->failed))
        asked->type = HISTORY_FAIL;
    bool takes = asked->type == HISTORY_OK     ? !chance(run, run->shape->lost)
                 : asked->type == HISTORY_FAIL ? chance(run, run->shape->ghost)
                                               : chance(run, 50);
    run->truth->lost += asked->type == HISTORY_OK && !takes;
    run->truth->acked += asked->type == HISTORY_OK;
    run->truth->recovered += asked->type == HISTORY_INFO && takes;
    run->truth->ghosts += asked->type == HISTORY_FAIL && takes;
    if (!takes)
        return;
    (void)apply(key, asked->value.integer);
    if (!chance(run, run->shape->twice))
        return;
    (void)apply(key, asked->value.integer);
    run->truth->duplicates++;
}

static void complete(struct run *run, struct worker *worker)
{
    struct history_record record = worker->asked;
    struct store_key *key = &run->keys[record.key];
    record.time_ns = run->time_ns;
    if (record.f == HISTORY_READ) {
        record.type = HISTORY_OK;
        if (!run->shape->registers)
            record.value = (struct history_value){
                .kind = HISTORY_LIST, .list = {worker->answer, worker->answer_n}};
        else if (worker->answer_n)
            record.value = (struct history_value){.kind = HISTORY_INTEGER,
                                                  .integer = worker->answer[0]};
    }
    for (size_t i = 0; i < key->n; i++)
        if (record.type == HISTORY_OK && record.f != HISTORY_READ &&
            key->items[i].element == record.value.integer)
            key->items[i].ended_ns = run->time_ns;
    (void)history_record(run->history, &record);
    worker->busy = false;
    if (record.type == HISTORY_INFO)
        worker->process = run->next_process++;
}

static void read_finally(struct run *run)
{
    for (unsigned k = 0; k < run->shape->keys; k++) {
        for (unsigned node = 0; node < run->shape->nodes; node++) {
            const struct store_key *key = &run->keys[k];
            int64_t *items = xcalloc(key->n, sizeof *items);
            struct history_record record = {
                .time_ns = ++run->time_ns,
                .process = run->next_process,
                .key = k,
                .node = (int16_t)node,
                .final = true,
            };
            for (size_t i = 0; i < key->n; i++)
                items[i] = key->items[i].element;
            (void)history_record(run->history, &record);
            record.type = HISTORY_OK;
            record.value =
                (struct history_value){.kind = HISTORY_LIST, .list = {items, key->n}};
            (void)history_record(run->history, &record);
            free(items);
        }
    }
}

static void work(struct run *run)
{
    unsigned left = run->shape->operations, busy = 0;
    while (left || busy) {
        struct worker *worker =
            &run->workers[random_below(&run->rng, run->shape->processes)];
        run->time_ns += 1 + random_below(&run->rng, 9);
        if (!worker->busy && left) {
            invoke(run, worker);
            left--;
            busy++;
        } else if (worker->busy && !worker->applied) {
            take_effect(run, worker);
        } else if (worker->busy) {
            complete(run, worker);
            busy--;
        }
    }
}

struct history *random_history(const struct random_shape *shape,
                               struct random_truth *truth)
{
    static const char *const names[] = {"n1", "n2", "n3"};
    struct run run = {.shape = shape, .truth = truth, .rng = shape->seed};
    *truth = (struct random_truth){0};
    run.history = history_create();
    run.keys = xcalloc(shape->keys, sizeof *run.keys);
    run.workers = xcalloc(shape->processes, sizeof *run.workers);
    for (unsigned i = 0; i < shape->processes; i++)
        run.workers[i].process = run.next_process++;
    history_begin(run.history, 0, names, shape->nodes);
    work(&run);
    if (!shape->registers)
        read_finally(&run);
    for (unsigned i = 0; i < shape->keys; i++)
        free(run.keys[i].items);
    for (unsigned i = 0; i < shape->processes; i++)
        free(run.workers[i].answer);
    free(run.keys);
    free(run.workers);
    return run.history;
}
