/* SPDX-License-Identifier: MIT */
/* A random story of cuts, kills, resets and promotions, told to a cluster that
 * processes append unique elements to. What must hold in the end: in quorum and sync
 * every acknowledged element is there; in every mode no element is there twice, none
 * that was refused, and all nodes hold the same. */
#include "tests/scenarios/store_fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NODES = 3, ROUNDS = 120, WRITERS = 4, ELEMENTS = 4 * ROUNDS };

enum fate { FATE_UNKNOWN = 0, FATE_ACKNOWLEDGED, FATE_REFUSED };

struct story {
    struct store_cluster c;
    unsigned seed;
    struct store_session *writers[WRITERS]; /* NULL: to be opened */
    int waiting_for[WRITERS];               /* the element it has sent, 0 = none */
    size_t at[WRITERS];                     /* the node it writes to */
    enum fate fates[ELEMENTS];
    int elements;
    size_t cut; /* the node cut off last and not healed; NODES = none */
};

static size_t draw(struct story *story, size_t below)
{
    return (size_t)rand_r(&story->seed) % below;
}

static void leave(struct story *story, size_t i)
{
    store_session_close(story->writers[i]);
    story->writers[i] = NULL;
    story->waiting_for[i] = 0;
}

/* Takes an answer if there is one. A refused writer goes to another node. */
static void listen_to(struct story *story, size_t i)
{
    if (!story->waiting_for[i] || !store_session_has_answer(story->writers[i]))
        return;
    const char *answer = store_session_hear(story->writers[i]);
    int element = story->waiting_for[i];
    story->waiting_for[i] = 0;
    if (answer[0] == ':') {
        story->fates[element] = FATE_ACKNOWLEDGED;
        return;
    }
    if (strncmp(answer, "-READONLY", 9) == 0)
        story->fates[element] = FATE_REFUSED;
    leave(story, i);
}

static void write_one(struct story *story, size_t i)
{
    char line[64];
    if (story->waiting_for[i] || story->elements + 1 >= ELEMENTS)
        return;
    if (!story->writers[i]) {
        story->at[i] = draw(story, NODES);
        if (!story->c.nodes[story->at[i]])
            return;
        story->writers[i] = store_session_open(&story->c, story->at[i]);
    }
    story->waiting_for[i] = ++story->elements;
    (void)snprintf(line, sizeof line, "APPEND l %d,", story->elements);
    store_session_tell(story->writers[i], line);
}

static void kill_node(struct story *story, size_t node)
{
    store_cluster_kill(&story->c, node);
    for (size_t i = 0; i < WRITERS; i++) {
        if (!story->writers[i] || story->at[i] != node)
            continue;
        listen_to(story, i); /* what it answered before */
        leave(story, i);
    }
}

/* Promotes, like an operator who knows who is cut off, or like one who does not; goes
 * away before the answer is there. */
static void promote(struct story *story, size_t node)
{
    char line[64] = "PROMOTE";
    if (!story->c.nodes[node])
        return;
    if (story->cut < NODES && story->cut != node && draw(story, 4) > 0)
        (void)snprintf(line, sizeof line, "PROMOTE WITHOUT n%zu", story->cut + 1);
    struct store_session *person = store_session_open(&story->c, node);
    store_session_tell(person, line);
    store_cluster_run_ms(&story->c, draw(story, 60));
    store_session_close(person);
}

static void start_all(struct story *story)
{
    for (size_t i = 0; i < NODES; i++)
        if (!story->c.nodes[i])
            store_cluster_start(&story->c, i);
}

static void happen(struct story *story)
{
    size_t node = draw(story, NODES);
    switch (draw(story, 9)) {
    case 0:
    case 1:
        store_cluster_isolate(&story->c, node);
        story->cut = node;
        break;
    case 2:
        store_cluster_heal(&story->c);
        story->cut = NODES;
        break;
    case 3:
        store_cluster_reset(&story->c, node);
        break;
    case 4:
        if (story->c.nodes[node])
            kill_node(story, node);
        break;
    case 5:
    case 6:
        start_all(story);
        break;
    default:
        promote(story, node);
        break;
    }
}

static void tell(struct story *story)
{
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < WRITERS; i++)
            write_one(story, i);
        if (draw(story, 4) == 0)
            happen(story);
        store_cluster_run_ms(&story->c, draw(story, 15));
        for (size_t i = 0; i < WRITERS; i++)
            listen_to(story, i);
    }
}

/* Makes n1 the primary. One that was primary in the dark may say so before it hears of
 * another, hence more than once. */
static void settle_on_first(struct store_cluster *c)
{
    for (int i = 0; i < 50; i++) {
        (void)store_ask(c, 0, "PROMOTE");
        if (strcmp(store_ask(c, 0, "SET end 1"), "+OK") == 0)
            return;
        store_cluster_run_ms(c, 50);
    }
    cr_assert_fail("n1 can not be made primary");
}

/* Everything is put right; returns the list that all nodes hold, owned by the caller.
 */
static char *conclude(struct story *story)
{
    struct store_cluster *c = &story->c;
    store_cluster_heal(c);
    start_all(story);
    for (size_t i = 0; i < WRITERS; i++)
        if (story->writers[i])
            leave(story, i);
    settle_on_first(c);
    store_await_line(c, 0, "members:n1,n2,n3");
    store_await(c, 0, "GET end", "$1");
    char *list = strdup(store_ask(c, 0, "GET l"));
    for (size_t i = 0; i < NODES; i++) {
        store_await(c, i, "GET end", "$1");
        cr_assert_str_eq(store_ask(c, i, "GET l"), list, "n%zu differs", i + 1);
    }
    return list;
}

static void judge(const struct story *story, char *list, bool keeps, unsigned seed)
{
    int seen[ELEMENTS] = {0};
    int acknowledged = 0, lost = 0;
    char *rest = NULL;
    for (char *word = strtok_r(list + 1, ",", &rest); word && list[1] != '-';
         word = strtok_r(NULL, ",", &rest)) {
        int element = atoi(word);
        cr_assert(element > 0 && element < ELEMENTS, "seed %u: \"%s\"", seed, word);
        seen[element]++;
    }
    for (int i = 1; i <= story->elements; i++) {
        cr_assert_leq(seen[i], 1, "seed %u: %d is there twice", seed, i);
        if (story->fates[i] == FATE_REFUSED)
            cr_assert_eq(seen[i], 0, "seed %u: %d was refused", seed, i);
        if (story->fates[i] != FATE_ACKNOWLEDGED)
            continue;
        acknowledged++;
        lost += seen[i] == 0;
        if (keeps)
            cr_assert_eq(seen[i], 1, "seed %u: acknowledged %d is lost", seed, i);
    }
    fprintf(stderr, "%s: STORE_SEED=%u: %d sent, %d acknowledged, %d lost\n",
            story->c.config.mode->name, seed, story->elements, acknowledged, lost);
    cr_assert_gt(acknowledged, 0, "seed %u: nothing was acknowledged", seed);
}

static void run(const char *mode, bool keeps)
{
    const char *given = getenv("STORE_SEED");
    unsigned first = given ? (unsigned)strtoul(given, NULL, 10) : 1;
    unsigned last = given ? first : 3;
    for (unsigned seed = first; seed <= last; seed++) {
        struct story *story = calloc(1, sizeof *story);
        story->seed = seed;
        story->cut = NODES;
        store_cluster_open(&story->c, NODES, mode, NULL);
        tell(story);
        char *list = conclude(story);
        judge(story, list, keeps, seed);
        store_cluster_close(&story->c);
        free(list);
        free(story);
    }
}

Test(store_random, quorum_keeps_what_it_acknowledged, .timeout = 120)
{
    run("quorum", true);
}

Test(store_random, sync_keeps_what_it_acknowledged, .timeout = 120)
{
    run("sync", true);
}

Test(store_random, semisync_converges, .timeout = 120)
{
    run("semisync", false);
}

Test(store_random, async_converges, .timeout = 120)
{
    run("async", false);
}
