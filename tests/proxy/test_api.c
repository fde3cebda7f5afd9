/* SPDX-License-Identifier: MIT */
/* The API over a real loop, asked with its own client. */
#include "tests/proxy/api_fixture.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(api, .init = api_fixture_open, .fini = api_fixture_close, .timeout = 60);

Test(api, status_shows_what_runs)
{
    cr_assert_eq(ask("GET", "/v1/status", NULL), 200);
    cr_assert_eq(number_at(fixture.answered, "pid"), getpid());
    cr_assert_str_eq(text_at(json_object_get(fixture.answered, "base"), "file"),
                     "base.yaml");
    cr_assert_eq(json_array_size(json_object_get(fixture.answered, "listeners")), 2);
    cr_assert_eq(json_array_size(json_object_get(fixture.answered, "overlays")), 0);
    json_t *slow = row_of("rules", "name", "slow");
    cr_assert_str_eq(text_at(slow, "origin"), "base");
    cr_assert_str_eq(text_at(slow, "state"), "active");
    cr_assert(json_is_false(json_object_get(slow, "touched")));
    cr_assert(json_is_null(json_object_get(slow, "first_touched_ns")));
}

Test(api, status_joins_what_was_counted_to_the_rules)
{
    struct counters_rule *rule = counters_rule(&fixture.counters, "base", "slow");
    struct counters_rule *gone = counters_rule(&fixture.counters, "cut", "gone");
    struct counters_link *link = counters_link(&fixture.counters, "n1", "n2");
    (void)counters_touch_bytes(counters_touch(&fixture.counters, rule, link), 70, 5);
    (void)counters_touch_attempt(counters_touch(&fixture.counters, gone, link),
                                 ATTEMPT_HELD, 6);
    (void)counters_rule(&fixture.counters, "cut", "never");
    link->passed_bytes = 90;
    json_t *slow = status_row("rules", "name", "slow");
    cr_assert(json_is_true(json_object_get(slow, "touched")));
    cr_assert_eq(number_at(slow, "touched_bytes"), 70);
    json_t *links = json_object_get(slow, "links");
    cr_assert_eq(number_at(json_array_get(links, 0), "touched_bytes"), 70);
    cr_assert_str_eq(text_at(row_of("rules", "name", "gone"), "state"), "removed");
    cr_assert_null(row_of("rules", "name", "never"), "it touched nothing");
    cr_assert_eq(number_at(json_object_get(fixture.answered, "totals"), "passed_bytes"),
                 90);
}

Test(api, an_overlay_is_applied_shown_and_removed)
{
    uint64_t before_ns = now_ns();
    cr_assert_eq(ask("PUT", "/v1/overlays/more?for=30s&file=more.yaml", overlay_text),
                 200);
    json_int_t committed_ns = number_at(fixture.answered, "committed_ns");
    cr_assert_geq((uint64_t)committed_ns, before_ns);
    cr_assert_leq((uint64_t)committed_ns, now_ns());
    cr_assert_str_eq(text_at(fixture.answered, "overlay"), "more");
    cr_assert_eq(number_at(fixture.answered, "lease_ms"), 30000);
    cr_assert_str_eq(json_string_value(
                         json_array_get(json_object_get(fixture.answered, "rules"), 0)),
                     "slower");
    json_t *overlay = status_row("overlays", "name", "more");
    cr_assert_str_eq(text_at(overlay, "file"), "more.yaml");
    cr_assert_leq(number_at(overlay, "remaining_ms"), 30000);
    cr_assert_gt(number_at(overlay, "remaining_ms"), 0);
    cr_assert_not_null(row_of("rules", "origin", "more"));
    cr_assert_eq(ask("DELETE", "/v1/overlays/more", NULL), 200);
    cr_assert_null(status_row("overlays", "name", "more"));
    cr_assert_eq(ask("DELETE", "/v1/overlays/more", NULL), 404);
}

Test(api, what_is_applied_by_hand_ends_after_ten_minutes_unless_said)
{
    cr_assert_eq(ask("PUT", "/v1/overlays/a", overlay_text), 200);
    cr_assert_eq(number_at(fixture.answered, "lease_ms"), 600000);
    cr_assert_eq(ask("PUT", "/v1/overlays/a?for=ever", overlay_text), 200);
    cr_assert(json_is_null(json_object_get(fixture.answered, "lease_ms")));
    json_t *overlay = status_row("overlays", "name", "a");
    cr_assert(json_is_null(json_object_get(overlay, "remaining_ms")));
}

Test(api, rules_shows_the_texts_as_they_were_applied)
{
    cr_assert_eq(ask("PUT", "/v1/overlays/more", overlay_text), 200);
    cr_assert_eq(ask("GET", "/v1/rules", NULL), 200);
    cr_assert_str_eq(text_at(json_object_get(fixture.answered, "base"), "text"),
                     base_text);
    cr_assert_str_eq(text_at(row_of("overlays", "name", "more"), "text"), overlay_text);
}

Test(api, wrong_rules_change_nothing_and_are_all_shown)
{
    static const char wrong[] = "netsplit: 1\n"
                                "rules:\n"
                                "  - name: a\n"
                                "    inject: { dealy: 4ms }\n"
                                "  - name: b\n"
                                "    inject: { delay: 40 }\n";
    cr_assert_eq(ask("PUT", "/v1/overlays/x?file=dir%2Fx.yaml", wrong), 422);
    json_t *diagnostics = json_object_get(fixture.answered, "diagnostics");
    cr_assert_eq(json_array_size(diagnostics), 2);
    json_t *first = json_array_get(diagnostics, 0);
    cr_assert_str_eq(text_at(first, "file"), "dir/x.yaml");
    cr_assert_eq(number_at(first, "line"), 4);
    cr_assert_eq(number_at(first, "column"), 15);
    cr_assert_eq(number_at(first, "length"), 5);
    cr_assert_eq(number_at(first, "excerpt_column"), 15);
    cr_assert_not_null(strstr(text_at(first, "excerpt"), "{ dealy: 4ms }"));
    cr_assert_not_null(strstr(text_at(first, "hint"), "delay"));
    cr_assert_not_null(strstr(text_at(fixture.answered, "error"), "2 errors"), "%s",
                       text_at(fixture.answered, "error"));
    cr_assert_null(status_row("overlays", "name", "x"));
}

Test(api, the_base_is_replaced_or_kept)
{
    cr_assert_eq(ask("PUT", "/v1/rules?file=new.yaml", "netsplit: 1\nnonsense: 1\n"),
                 422);
    cr_assert_not_null(status_row("rules", "name", "slow"));
    cr_assert_eq(ask("PUT", "/v1/rules?file=new.yaml",
                     "netsplit: 1\nnodes: { n1: 127.0.0.1 }\n"),
                 200, "%s", text_at(fixture.answered, "error"));
    cr_assert_null(status_row("rules", "name", "slow"));
    cr_assert_str_eq(text_at(json_object_get(fixture.answered, "base"), "file"),
                     "new.yaml");
}

Test(api, heal_and_clear_switch_off_what_they_say)
{
    cr_assert_eq(ask("POST", "/v1/heal", NULL), 200);
    cr_assert_str_eq(text_at(status_row("rules", "name", "split"), "state"), "off");
    cr_assert_str_eq(text_at(row_of("rules", "name", "slow"), "state"), "active");
    cr_assert_str_eq(text_at(json_object_get(fixture.answered, "base"), "off"),
                     "links");
    cr_assert_eq(ask("PUT", "/v1/overlays/more", overlay_text), 200);
    cr_assert_eq(ask("DELETE", "/v1/overlays", NULL), 200);
    cr_assert_str_eq(text_at(status_row("rules", "name", "slow"), "state"), "off");
    cr_assert_eq(json_array_size(json_object_get(fixture.answered, "overlays")), 0);
    cr_assert_eq(json_array_size(json_object_get(fixture.answered, "listeners")), 2);
}

Test(api, two_partitions_hold_both_and_have_names)
{
    cr_assert_eq(ask("POST", "/v1/partition", "{\"parts\":[[\"n1\"],[\"n2\",\"n3\"]]}"),
                 200, "%s", text_at(fixture.answered, "error"));
    cr_assert_str_eq(text_at(fixture.answered, "overlay"), "partition-1");
    cr_assert_eq(ask("POST", "/v1/partition?for=1m",
                     "{\"parts\":[[\"n2\"],[\"n3\"]],\"how\":\"reset\"}"),
                 200, "%s", text_at(fixture.answered, "error"));
    cr_assert_str_eq(text_at(fixture.answered, "overlay"), "partition-2");
    cr_assert_str_eq(text_at(status_row("rules", "origin", "partition-1"), "state"),
                     "active");
    cr_assert_str_eq(text_at(row_of("rules", "origin", "partition-2"), "how"), "reset");
    cr_assert_eq(ask("DELETE", "/v1/overlays/partition-1", NULL), 200);
    cr_assert_eq(ask("POST", "/v1/partition", "{\"parts\":[[\"n1\"],[\"n2\"]]}"), 200);
    cr_assert_str_eq(text_at(fixture.answered, "overlay"), "partition-1",
                     "the name is free");
    cr_assert_eq(
        ask("POST", "/v1/partition?as=mine", "{\"parts\":[[\"n1\"],[\"n9\"]]}"), 422,
        "there is no n9");
}

Test(api, malformed_requests_get_the_status_that_says_why)
{
    static const struct {
        const char *method, *target, *body;
        int status;
    } cases[] = {
        {"GET", "/", NULL, 404},
        {"GET", "/v1/statusx", NULL, 404},
        {"GET", "/v1/overlays/", NULL, 404},
        {"POST", "/v1/status", NULL, 405},
        {"GET", "/v1/overlays/a", NULL, 405},
        {"PUT", "/v1/overlays/", "x", 404},
        {"PUT", "/v1/overlays/a%20b", "rules: []\n", 400},
        {"PUT", "/v1/overlays/base", "rules: []\n", 400},
        {"PUT", "/v1/overlays/a%2Fb", "rules: []\n", 400},
        {"PUT", "/v1/overlays/a?for=10", "rules: []\n", 400},
        {"PUT", "/v1/overlays/a?for=never", "rules: []\n", 400},
        {"POST", "/v1/partition", NULL, 400},
        {"POST", "/v1/partition", "[]", 400},
        {"POST", "/v1/partition", "{\"parts\":[]}", 400},
        {"POST", "/v1/partition", "{\"parts\":[[]]}", 400},
        {"POST", "/v1/partition", "{\"parts\":[[1],[\"n2\"]]}", 400},
        {"POST", "/v1/partition", "{\"parts\":[[\"n1\"],[\"n2\"]],\"how\":7}", 400},
        {"POST", "/v1/partition", "{\"parts\":[[\"n1\"],[\"n2\"]],\"how\":\"x: y\"}",
         422},
        {"POST", "/v1/partition", "{\"parts\":[[\"n1\\\"]\"],[\"n2\"]]}", 422},
        {"GET", "/v1/events?since=x", NULL, 400},
        {"GET", "/v1/events?since=-1", NULL, 400},
        {"GET", "/v1/events?since=99999999999999999999", NULL, 400},
        {"GET", "/v1/events?types=nothing", NULL, 400},
        {"GET", "/v1/events?follow=maybe", NULL, 400},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int status = ask(cases[i].method, cases[i].target, cases[i].body);
        cr_assert_eq(status, cases[i].status, "%s %s: %d", cases[i].method,
                     cases[i].target, status);
        cr_assert_str_neq(text_at(fixture.answered, "error"), "", "%s",
                          cases[i].target);
    }
}

Test(api, a_halted_proxy_refuses_faults_until_it_is_resumed)
{
    cr_assert_eq(ask("POST", "/v1/halt", NULL), 200);
    cr_assert_str_eq(text_at(status_row("rules", "name", "slow"), "state"), "off");
    cr_assert(json_is_true(json_object_get(fixture.answered, "halted")));
    cr_assert_eq(ask("PUT", "/v1/overlays/a", overlay_text), 409);
    cr_assert_eq(ask("PUT", "/v1/rules", base_text), 409);
    cr_assert_eq(ask("POST", "/v1/partition", "{\"parts\":[[\"n1\"],[\"n2\"]]}"), 409);
    cr_assert_eq(ask("POST", "/v1/heal", NULL), 200);
    cr_assert_eq(ask("POST", "/v1/resume", NULL), 200);
    cr_assert_eq(ask("PUT", "/v1/overlays/a", overlay_text), 200);
}

Test(api, an_overlay_ends_with_its_lease)
{
    struct seen seen;
    watch_events(&seen, "/v1/events?types=committed");
    run_until_seen(&seen, 1);
    cr_assert_eq(ask("PUT", "/v1/overlays/brief?for=20ms", overlay_text), 200);
    run_until_seen(&seen, 3); /* the head, the overlay's coming, and its going */
    cr_assert_null(status_row("overlays", "name", "brief"));
    cr_assert_null(row_of("rules", "origin", "brief"));
    api_fixture_close_api();
    wait_for_answer(&seen.end);
    json_decref(seen.events);
}

Test(api, a_thousand_quick_requests_are_all_answered)
{
    enum { WAVES = 25, AT_ONCE = 40 };
    for (int wave = 0; wave < WAVES; wave++) {
        struct answer answers[AT_ONCE] = {0};
        for (int i = 0; i < AT_ONCE; i++)
            cr_assert_not_null(control_request(
                fixture.client, i % 8 ? "GET" : "PUT",
                i % 8 ? "/v1/status" : "/v1/overlays/a", i % 8 ? NULL : overlay_text,
                API_FIXTURE_PATIENCE_NS, on_answer, &answers[i]));
        for (int i = 0; i < AT_ONCE; i++) {
            wait_for_answer(&answers[i]);
            cr_assert_eq(answers[i].status, 200, "%s", answers[i].error);
            json_decref(answers[i].body);
        }
    }
}

Test(api, a_second_api_at_the_path_is_refused_and_harms_nothing)
{
    struct errmsg err = {0};
    struct api *second = NULL;
    cr_assert_eq(api_start(&second, fixture.proxy, fixture.path, &err), -EADDRINUSE);
    cr_assert_not_null(strstr(err.text, "already: pid"), "%s", err.text);
    cr_assert_eq(ask("GET", "/v1/status", NULL), 200);
}

Test(api, the_socket_is_the_users_own)
{
    struct stat info;
    cr_assert_eq(stat(fixture.path, &info), 0);
    cr_assert_eq(info.st_mode & 0777, 0600);
}
