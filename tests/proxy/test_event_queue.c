/* SPDX-License-Identifier: MIT */
/* The queue between threads, and the branch of a journal that writes to it. */
#include "proxy/record/event_queue.h"
#include "proxy/record/journal.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

enum { ROOM = 8, EVENTS = 300000 };

static void push(struct event_queue *queue, uint64_t count, const char *text)
{
    const struct journal_event event = {
        .type = JOURNAL_LISTENER_CLOSED, .count = count, .text = text};
    event_queue_push(queue, &event);
}

Test(event_queue, gives_events_back_in_their_order_with_texts_of_its_own)
{
    struct event_queue *queue = event_queue_create(ROOM);
    char text[JOURNAL_TEXT_BYTES];
    for (uint64_t i = 0; i < 3 * ROOM; i++) {
        (void)snprintf(text, sizeof text, "text %d", (int)i);
        push(queue, i, text);
        (void)snprintf(text, sizeof text, "text %d", (int)i + 1);
        push(queue, i + 1, text);
        for (uint64_t k = i; k <= i + 1; k++) {
            const struct journal_event *event = event_queue_front(queue);
            (void)snprintf(text, sizeof text, "text %d", (int)k);
            cr_assert_eq(event->count, k);
            cr_assert_str_eq(event->text, text);
            event_queue_pop(queue);
        }
    }
    cr_assert_null(event_queue_front(queue));
    push(queue, 0, NULL);
    cr_assert_null(event_queue_front(queue)->text);
    event_queue_destroy(queue);
}

Test(event_queue, what_finds_no_room_is_counted_and_the_rest_kept)
{
    struct event_queue *queue = event_queue_create(ROOM);
    for (uint64_t i = 0; i < ROOM + 5; i++)
        push(queue, i, "x");
    cr_assert_eq(event_queue_take_missed(queue), 5);
    cr_assert_eq(event_queue_take_missed(queue), 0);
    for (uint64_t i = 0; i < ROOM; i++) {
        cr_assert_eq(event_queue_front(queue)->count, i);
        event_queue_pop(queue);
    }
    cr_assert_null(event_queue_front(queue));
    push(queue, 7, NULL);
    cr_assert_eq(event_queue_front(queue)->count, 7);
    event_queue_destroy(queue);
}

Test(event_queue, a_text_that_is_too_long_is_cut)
{
    struct event_queue *queue = event_queue_create(ROOM);
    char text[2 * JOURNAL_TEXT_BYTES];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    push(queue, 0, text);
    cr_assert_eq(strlen(event_queue_front(queue)->text), JOURNAL_TEXT_BYTES - 1);
    event_queue_destroy(queue);
}

static void *push_many(void *arg)
{
    char text[32];
    for (uint64_t i = 0; i < EVENTS; i++) {
        (void)snprintf(text, sizeof text, "%llu", (unsigned long long)i);
        push(arg, i, text);
    }
    return NULL;
}

/* Every event is read whole and in its order, or counted as missed. */
Test(event_queue, a_reader_beside_the_writer_sees_whole_events_only)
{
    struct event_queue *queue = event_queue_create(64);
    pthread_t writer;
    uint64_t read = 0, missed = 0, next = 0;
    cr_assert_eq(pthread_create(&writer, NULL, push_many, queue), 0);
    while (read + missed < EVENTS) {
        const struct journal_event *event = event_queue_front(queue);
        if (!event) {
            missed += event_queue_take_missed(queue);
            (void)sched_yield();
            continue;
        }
        char text[32];
        (void)snprintf(text, sizeof text, "%llu", (unsigned long long)event->count);
        cr_assert_geq(event->count, next);
        cr_assert_str_eq(event->text, text);
        next = event->count + 1;
        event_queue_pop(queue);
        read++;
    }
    cr_assert_eq(pthread_join(writer, NULL), 0);
    cr_assert_eq(read + missed, EVENTS);
    cr_assert_gt(read, 0);
    event_queue_destroy(queue);
}

static void count(void *arg)
{
    ++*(int *)arg;
}

Test(event_queue, a_branch_of_a_journal_passes_its_events_on)
{
    struct event_queue *queue = event_queue_create(ROOM);
    int told = 0;
    struct journal *branch = journal_create_branch(queue, count, &told);
    const char *name = journal_intern(branch, "pg1");
    cr_assert_eq(journal_intern(branch, "pg1"), name);
    for (int i = 0; i < 2; i++) {
        char text[16];
        (void)snprintf(text, sizeof text, "text %d", i);
        struct journal_event event = {.type = JOURNAL_LISTENER_CLOSED,
                                      .from = name,
                                      .text = journal_text(branch, text)};
        cr_assert_eq(journal_add(branch, &event), 0);
    }
    cr_assert_eq(told, 2);
    cr_assert_str_eq(event_queue_front(queue)->text, "text 0");
    cr_assert_eq(event_queue_front(queue)->from, name);
    cr_assert_gt(event_queue_front(queue)->at_ns, 0);
    event_queue_pop(queue);
    cr_assert_str_eq(event_queue_front(queue)->text, "text 1");
    journal_destroy(branch);
    event_queue_destroy(queue);
}
