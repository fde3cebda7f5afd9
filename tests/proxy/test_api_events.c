/* SPDX-License-Identifier: MIT */
/* Streams of events: what they bring, and readers that are slow or leave. */
#include "tests/proxy/api_fixture.h"
#include "tests/proxy/raw_client.h"

#include <criterion/criterion.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

TestSuite(api_events, .init = api_fixture_open, .fini = api_fixture_close,
          .timeout = 60);

Test(api_events, events_that_are_kept_come_in_order_and_the_stream_ends_if_asked)
{
    struct seen seen;
    add_events(100);
    uint64_t next = journal_next(fixture.journal);
    watch_events(&seen, "/v1/events?since=0&follow=no");
    wait_for_answer(&seen.end);
    cr_assert_eq(seen.end.status, 200, "%s", seen.end.error);
    cr_assert_eq(json_array_size(seen.events), next, "a head and next - 1 events");
    for (size_t i = 1; i < next; i++)
        cr_assert_eq(number_at(json_array_get(seen.events, i), "sequence"),
                     (json_int_t)i);
    json_decref(seen.events);
}

Test(api_events, a_stream_brings_news_of_the_types_it_was_asked_for)
{
    struct seen seen;
    watch_events(&seen, "/v1/events?types=committed");
    run_until_seen(&seen, 1);
    cr_assert_eq(number_at(json_array_get(seen.events, 0), "next"),
                 (json_int_t)journal_next(fixture.journal));
    add_events(10);
    cr_assert_eq(ask("PUT", "/v1/overlays/more", overlay_text), 200);
    run_until_seen(&seen, 2);
    json_t *event = json_array_get(seen.events, 1);
    cr_assert_str_eq(text_at(event, "event"), "committed");
    cr_assert_str_eq(text_at(event, "origin"), "more");
    api_fixture_close_api();
    wait_for_answer(&seen.end);
    cr_assert_eq(seen.end.status, 200, "it ended in good order: %s", seen.end.error);
    json_decref(seen.events);
}

Test(api_events, a_slow_reader_is_told_what_it_missed_and_holds_nothing_up)
{
    static const char head[] = "GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n";
    static struct raw raw;
    int fd = raw_connect(fixture.path);
    raw_send(fd, head, sizeof head - 1);
    for (int i = 0; i < 100; i++) { /* far more than the ring and the socket hold */
        add_events(500);
        cr_assert_eq(ask("GET", "/v1/connections", NULL), 200);
    }
    api_fixture_close_api();
    raw_read_to_end(&fixture.loop, fd, &raw);
    cr_assert_not_null(strstr(raw.text, "{\"missed\":"));
}

Test(api_events, a_stream_whose_reader_left_gives_its_place_back)
{
    static const char head[] = "GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n";
    for (int round = 0; round < 3; round++) {
        int fds[API_STREAMS_MAX];
        for (int i = 0; i < API_STREAMS_MAX; i++) {
            fds[i] = raw_connect(fixture.path);
            raw_send(fds[i], head, sizeof head - 1);
            char byte;
            while (recv(fds[i], &byte, 1, MSG_DONTWAIT) != 1)
                (void)uv_run(&fixture.loop, UV_RUN_NOWAIT);
            cr_assert_eq(byte, 'H');
        }
        cr_assert_eq(ask("GET", "/v1/events", NULL), 503, "they are all taken");
        for (int i = 0; i < API_STREAMS_MAX; i++)
            (void)close(fds[i]);
        int status = 503;
        while (status == 503)
            status = ask("GET", "/v1/events?follow=no", NULL);
        cr_assert_eq(status, 200);
    }
}
