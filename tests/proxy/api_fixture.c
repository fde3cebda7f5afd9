/* SPDX-License-Identifier: MIT */
#include "tests/proxy/api_fixture.h"

#include "rules/diag.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct api_fixture fixture;

const char base_text[] = "netsplit: 1\n"
                         "nodes:\n"
                         "  n1: { address: 127.0.0.1, ports: [7101] }\n"
                         "  n2: { address: 127.0.0.1, ports: [7102] }\n"
                         "  n3: { address: 127.0.0.1, ports: [7103] }\n"
                         "listen:\n"
                         "  - { address: 127.0.0.1:0, from: n1, to: n2 }\n"
                         "  - { address: 127.0.0.1:0, from: n1, to: n3 }\n"
                         "rules:\n"
                         "  - name: slow\n"
                         "    match: { from: n1, to: n2 }\n"
                         "    inject: { delay: 40ms }\n"
                         "  - name: split\n"
                         "    cut: { from: n2, to: n3 }\n";

const char overlay_text[] = "netsplit: 1\n"
                            "rules:\n"
                            "  - name: slower\n"
                            "    match: { from: n1, to: n3 }\n"
                            "    inject: { delay: 80ms }\n";

static void on_stopped(void *arg)
{
    (void)arg;
}

void api_fixture_open(void)
{
    struct errmsg err = {0};
    struct diag diag;
    const struct proxy_source source = {"base.yaml", base_text, sizeof base_text - 1};
    cr_assert_eq(tempdir_make("test-api", fixture.directory, NULL), 0);
    (void)snprintf(fixture.path, sizeof fixture.path, "%s/control", fixture.directory);
    cr_assert_eq(uv_loop_init(&fixture.loop), 0);
    cr_assert_eq(counters_init(&fixture.counters), 0);
    fixture.journal = journal_create(1024);
    const struct proxy_config config = {.loop = &fixture.loop,
                                        .counters = &fixture.counters,
                                        .journal = fixture.journal,
                                        .has_seed = true,
                                        .on_stopped = on_stopped};
    cr_assert_eq(proxy_create(&config, &fixture.proxy), 0);
    diag_init(&diag, NULL);
    cr_assert_eq(proxy_start(fixture.proxy, &source, &diag, &err), 0, "%s", err.text);
    diag_close(&diag);
    cr_assert_eq(api_start(&fixture.api, fixture.proxy, fixture.path, &err), 0, "%s",
                 err.text);
    cr_assert_eq(control_client_create(&fixture.client, &fixture.loop, fixture.path),
                 0);
}

void api_fixture_close_api(void)
{
    if (fixture.api)
        api_close(fixture.api, NULL, NULL);
    fixture.api = NULL;
}

void api_fixture_close(void)
{
    control_client_close(fixture.client, NULL, NULL);
    api_fixture_close_api();
    proxy_stop(fixture.proxy, 0);
    cr_assert_eq(uv_run(&fixture.loop, UV_RUN_DEFAULT), 0);
    cr_assert_eq(uv_loop_close(&fixture.loop), 0);
    proxy_destroy(fixture.proxy);
    journal_destroy(fixture.journal);
    counters_close(&fixture.counters);
    cr_assert_eq(access(fixture.path, F_OK), -1);
    cr_assert_eq(rmdir(fixture.directory), 0);
}

void on_answer(void *arg, int status, json_t *body, const struct errmsg *err)
{
    struct answer *answer = arg;
    answer->status = status;
    answer->body = json_incref(body);
    (void)snprintf(answer->error, sizeof answer->error, "%s", err->text);
}

void wait_for_answer(const struct answer *answer)
{
    while (answer->status == 0)
        (void)uv_run(&fixture.loop, UV_RUN_ONCE);
}

int ask(const char *method, const char *target, const char *body)
{
    struct answer answer = {0};
    cr_assert_not_null(control_request(fixture.client, method, target, body,
                                       API_FIXTURE_PATIENCE_NS, on_answer, &answer));
    wait_for_answer(&answer);
    json_decref(fixture.answered);
    fixture.answered = answer.body;
    return answer.status;
}

const char *text_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

json_int_t number_at(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

json_t *row_of(const char *list, const char *key, const char *value)
{
    json_t *rows = json_object_get(fixture.answered, list);
    for (size_t i = 0; i < json_array_size(rows); i++)
        if (strcmp(text_at(json_array_get(rows, i), key), value) == 0)
            return json_array_get(rows, i);
    return NULL;
}

json_t *status_row(const char *list, const char *key, const char *value)
{
    cr_assert_eq(ask("GET", "/v1/status", NULL), 200);
    return row_of(list, key, value);
}

static void on_event(void *arg, json_t *event)
{
    (void)json_array_append(((struct seen *)arg)->events, event);
}

static void on_end(void *arg, int status, json_t *body, const struct errmsg *err)
{
    on_answer(&((struct seen *)arg)->end, status, body, err);
}

void watch_events(struct seen *seen, const char *target)
{
    *seen = (struct seen){.events = json_array()};
    (void)control_stream(fixture.client, target, API_FIXTURE_PATIENCE_NS, on_event,
                         on_end, seen);
}

void add_events(uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        (void)journal_add(
            fixture.journal,
            &(struct journal_event){.type = JOURNAL_BUDGET_REACHED, .count = i});
}

void run_until_seen(const struct seen *seen, size_t n)
{
    while (json_array_size(seen->events) < n && seen->end.status == 0)
        (void)uv_run(&fixture.loop, UV_RUN_ONCE);
    cr_assert_geq(json_array_size(seen->events), n, "%s", seen->end.error);
}
