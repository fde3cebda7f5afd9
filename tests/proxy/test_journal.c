/* SPDX-License-Identifier: MIT */
/* The ring and its readers, lines of JSON, and the file that takes them. */
#include "proxy/record/journal.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

static struct journal *journal;

static void setup(void)
{
    journal = journal_create(8);
    cr_assert_not_null(journal);
}

static void teardown(void)
{
    journal_destroy(journal);
}

TestSuite(journal, .init = setup, .fini = teardown);

static void add(uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        (void)journal_add(
            journal, &(struct journal_event){.type = JOURNAL_COMMITTED, .count = i});
}

Test(journal, is_read_in_order_and_ends)
{
    struct journal_event event;
    uint64_t cursor = 0, missed;
    add(3);
    for (uint64_t i = 0; i < 3; i++) {
        cr_assert(journal_read(journal, &cursor, &event, &missed));
        cr_assert_eq(event.sequence, i + 1);
        cr_assert_eq(event.count, i);
        cr_assert_neq(event.at_ns, 0);
        cr_assert_eq(missed, 0);
    }
    cr_assert_not(journal_read(journal, &cursor, &event, &missed));
    cr_assert_eq(cursor, journal_next(journal));
}

Test(journal, tells_a_slow_reader_exactly_what_it_missed)
{
    struct journal_event event;
    uint64_t slow = 0, missed;
    add(2);
    cr_assert(journal_read(journal, &slow, &event, &missed));
    add(10); /* 12 in all, 8 kept: 5..12; the reader wanted 2 */
    cr_assert(journal_read(journal, &slow, &event, &missed));
    cr_assert_eq(missed, 3);
    cr_assert_eq(event.sequence, 5);
    cr_assert(journal_read(journal, &slow, &event, &missed));
    cr_assert_eq(missed, 0);
}

Test(journal, a_reader_from_the_start_of_what_is_kept_missed_nothing)
{
    struct journal_event event;
    uint64_t cursor = 0, missed;
    add(20);
    cr_assert(journal_read(journal, &cursor, &event, &missed));
    cr_assert_eq(missed, 0);
    cr_assert_eq(event.sequence, 13);
}

static void count_call(void *arg)
{
    ++*(int *)arg;
}

Test(journal, wakes_each_waiting_listener_once)
{
    int calls = 0, others = 0;
    struct journal_listener one = {.on_added = count_call, .arg = &calls};
    struct journal_listener other = {.on_added = count_call, .arg = &others};
    journal_wait(journal, &one);
    journal_wait(journal, &one);
    journal_wait(journal, &other);
    journal_stop_waiting(journal, &other);
    add(3);
    cr_assert_eq(calls, 1);
    cr_assert_eq(others, 0);
    journal_wait(journal, &one);
    add(1);
    cr_assert_eq(calls, 2);
}

Test(journal, keeps_one_copy_of_a_name)
{
    char name[] = "n1";
    const char *kept = journal_intern(journal, name);
    cr_assert_neq((const void *)kept, (const void *)name);
    cr_assert_eq(journal_intern(journal, "n1"), kept);
    cr_assert_neq(journal_intern(journal, "n2"), kept);
    cr_assert_null(journal_intern(journal, NULL));
}

Test(journal, a_text_lives_as_long_as_its_event)
{
    struct journal_event event;
    uint64_t cursor = 0, missed;
    char text[32];
    for (int i = 0; i < 20; i++) {
        (void)snprintf(text, sizeof text, "client %d", i);
        (void)journal_add(journal,
                          &(struct journal_event){.type = JOURNAL_CONNECTION_OPENED,
                                                  .text = journal_text(journal, text)});
    }
    for (int i = 12; i < 20; i++) {
        cr_assert(journal_read(journal, &cursor, &event, &missed));
        (void)snprintf(text, sizeof text, "client %d", i);
        cr_assert_str_eq(event.text, text);
    }
}

static const char *format(const struct journal_event *event)
{
    static char text[JOURNAL_LINE_BYTES];
    size_t len = journal_format(event, text, sizeof text);
    cr_assert_eq(len, strlen(text));
    return text;
}

Test(journal, formats_a_decision_with_its_zeros)
{
    cr_assert_str_eq(
        format(&(struct journal_event){.sequence = 7,
                                       .at_ns = 9,
                                       .type = JOURNAL_DECISION,
                                       .direction = JOURNAL_TO_SERVER,
                                       .connection = 3,
                                       .rule = "slow",
                                       .origin = "base",
                                       .from = "n1",
                                       .to = "n2",
                                       .draw = "jitter",
                                       .outcome = -5}),
        "{\"sequence\":7,\"at_ns\":9,\"event\":\"decision\",\"connection\":3,"
        "\"connection_ordinal\":0,\"direction\":\"to_server\",\"rule\":\"slow\","
        "\"origin\":\"base\",\"from\":\"n1\",\"to\":\"n2\",\"draw\":\"jitter\","
        "\"ordinal\":0,\"outcome\":-5}\n");
}

Test(journal, every_type_has_a_name_that_finds_it)
{
    for (int type = 0; type < JOURNAL_TYPES; type++)
        cr_assert_eq(journal_type_find(journal_type_name((enum journal_type)type)),
                     type);
    cr_assert_eq(journal_type_find("decisions"), -1);
}

Test(journal, a_line_is_json_whatever_the_names_hold)
{
    char longest[600];
    memset(longest, '"', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    const char *names[] = {"a\"b\\c\n\x01", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80",
                           "\xff\xc3", longest, ""};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct journal_event event = {.type = JOURNAL_DECISION,
                                      .direction = JOURNAL_TO_CLIENT,
                                      .rule = names[i],
                                      .origin = names[i],
                                      .from = names[i],
                                      .to = names[i],
                                      .text = names[i],
                                      .draw = names[i]};
        json_t *line = json_loads(format(&event), 0, NULL);
        cr_assert_not_null(line, "%s", format(&event));
        const char *rule = json_string_value(json_object_get(line, "rule"));
        cr_assert_eq(strncmp(rule, i == 2 ? "??" : names[i], strlen(rule)), 0);
        json_decref(line);
        char small[64];
        size_t len = journal_format(&event, small, sizeof small);
        cr_assert_eq(strlen(small), len);
        line = json_loads(small, 0, NULL);
        cr_assert_not_null(line, "%s", small);
        json_decref(line);
    }
}

/* Runs the loop until it is empty, reads the file and removes it. */
static void finish_file(uv_loop_t *loop, struct journal_file *file, const char *path,
                        char *text, size_t text_bytes)
{
    journal_file_close(file);
    cr_assert_eq(uv_run(loop, UV_RUN_DEFAULT), 0);
    cr_assert_eq(uv_loop_close(loop), 0);
    FILE *stream = fopen(path, "r");
    cr_assert_not_null(stream);
    size_t len = fread(text, 1, text_bytes - 1, stream);
    text[len] = 0;
    (void)fclose(stream);
    (void)unlink(path);
}

static struct journal_file *start_file(uv_loop_t *loop, char *path)
{
    struct journal_file *file;
    struct errmsg err = {0};
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    (void)close(fd);
    cr_assert_eq(uv_loop_init(loop), 0);
    cr_assert_eq(journal_file_open(&file, journal, loop, path, &err), 0, "%s",
                 err.text);
    return file;
}

static void add_from_loop(uv_timer_t *timer)
{
    add(3);
    uv_close((uv_handle_t *)timer, NULL);
}

Test(journal, a_file_gets_every_event_while_running_and_at_the_end)
{
    char path[] = "/tmp/netsplit-journal-XXXXXX", text[8192];
    uv_loop_t loop;
    uv_timer_t timer;
    add(2); /* before the file was opened: not in it */
    struct journal_file *file = start_file(&loop, path);
    (void)uv_timer_init(&loop, &timer);
    (void)uv_timer_start(&timer, add_from_loop, 1, 0);
    while (uv_is_active((uv_handle_t *)&timer))
        (void)uv_run(&loop, UV_RUN_ONCE);
    add(2);
    finish_file(&loop, file, path, text, sizeof text);
    char *at = text;
    for (int sequence = 3; sequence <= 7; sequence++) {
        char start[32];
        int len = snprintf(start, sizeof start, "{\"sequence\":%d,", sequence);
        cr_assert_eq(strncmp(at, start, (size_t)len), 0, "%s", at);
        at = strchr(at, '\n') + 1;
    }
    cr_assert_eq(*at, 0);
}

Test(journal, a_file_says_what_the_ring_lost_before_it_was_written)
{
    char path[] = "/tmp/netsplit-journal-XXXXXX", text[8192];
    uv_loop_t loop;
    struct journal_file *file = start_file(&loop, path);
    add(20); /* the ring holds 8 */
    finish_file(&loop, file, path, text, sizeof text);
    cr_assert_eq(strncmp(text, "{\"missed\":12}\n{\"sequence\":13,", 29), 0, "%s",
                 text);
}

Test(journal, a_file_that_cannot_be_opened_is_named)
{
    struct journal_file *file = NULL;
    struct errmsg err = {0};
    uv_loop_t loop;
    (void)uv_loop_init(&loop);
    cr_assert_eq(journal_file_open(&file, journal, &loop, "/nowhere/j", &err), -2);
    cr_assert_not_null(strstr(err.text, "/nowhere/j: No such file"), "%s", err.text);
    cr_assert_null(file);
    cr_assert_eq(uv_loop_close(&loop), 0);
}
