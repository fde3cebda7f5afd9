/* SPDX-License-Identifier: MIT */
/* The API over a real loop, with a real instance on port 0, asked with its own client
 * and, where a client of ours would be too polite, with raw bytes. */
#include "proxy/api.h"
#include "proxy/base/control_client.h"
#include "proxy/base/now.h"
#include "proxy/base/tempdir.h"
#include "proxy/counters.h"
#include "proxy/journal.h"
#include "proxy/proxy.h"
#include "rules/diag.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static const char base_text[] = "netsplit: 1\n"
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

static const char overlay_text[] = "netsplit: 1\n"
                                   "rules:\n"
                                   "  - name: slower\n"
                                   "    match: { from: n1, to: n3 }\n"
                                   "    inject: { delay: 80ms }\n";

static const uint64_t patience_ns = 20 * NS_PER_S;

static uv_loop_t loop;
static struct counters counters;
static struct journal *journal;
static struct proxy *proxy;
static struct api *api;
static struct control_client *client;
static char directory[TEMPDIR_PATH_MAX];
static char path[TEMPDIR_PATH_MAX + 8];

static void on_stopped(void *arg)
{
    (void)arg;
}

static void setup(void)
{
    struct errmsg err = {0};
    struct diag diag;
    const struct proxy_source source = {"base.yaml", base_text, sizeof base_text - 1};
    cr_assert_eq(tempdir_make("test-api", directory, NULL), 0);
    (void)snprintf(path, sizeof path, "%s/control", directory);
    cr_assert_eq(uv_loop_init(&loop), 0);
    cr_assert_eq(counters_init(&counters), 0);
    journal = journal_create(1024);
    const struct proxy_config config = {.loop = &loop,
                                        .counters = &counters,
                                        .journal = journal,
                                        .has_seed = true,
                                        .on_stopped = on_stopped};
    cr_assert_eq(proxy_create(&config, &proxy), 0);
    diag_init(&diag, NULL);
    cr_assert_eq(proxy_start(proxy, &source, &diag, &err), 0, "%s", err.text);
    diag_close(&diag);
    cr_assert_eq(api_start(&api, proxy, path, &err), 0, "%s", err.text);
    cr_assert_eq(control_client_create(&client, &loop, path), 0);
}

static void close_api(void)
{
    if (api)
        api_close(api, NULL, NULL);
    api = NULL;
}

/* Everything ends, nothing is left on the loop, and the socket is gone. */
static void teardown(void)
{
    control_client_close(client, NULL, NULL);
    close_api();
    proxy_stop(proxy, 0);
    cr_assert_eq(uv_run(&loop, UV_RUN_DEFAULT), 0);
    cr_assert_eq(uv_loop_close(&loop), 0);
    proxy_destroy(proxy);
    journal_destroy(journal);
    counters_close(&counters);
    cr_assert_eq(access(path, F_OK), -1);
    cr_assert_eq(rmdir(directory), 0);
}

TestSuite(api, .init = setup, .fini = teardown, .timeout = 60);

struct answer {
    int status; /* 0 = none yet */
    json_t *body;
    char error[512];
};

static void on_reply(void *arg, int status, json_t *body, const struct errmsg *err)
{
    struct answer *answer = arg;
    answer->status = status;
    answer->body = json_incref(body);
    (void)snprintf(answer->error, sizeof answer->error, "%s", err->text);
}

static void wait_for(const struct answer *answer)
{
    while (answer->status == 0)
        (void)uv_run(&loop, UV_RUN_ONCE);
}

/* The answer of the last call; freed by the next one, or with the test's process. */
static json_t *answered;

static int ask(const char *method, const char *target, const char *body)
{
    struct answer answer = {0};
    cr_assert_not_null(
        control_request(client, method, target, body, patience_ns, on_reply, &answer));
    wait_for(&answer);
    json_decref(answered);
    answered = answer.body;
    return answer.status;
}

static const char *text_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static json_int_t number_at(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

/* The row of a list in the last answer whose key has the value, or NULL. */
static json_t *row(const char *list, const char *key, const char *value)
{
    json_t *rows = json_object_get(answered, list);
    for (size_t i = 0; i < json_array_size(rows); i++)
        if (strcmp(text_at(json_array_get(rows, i), key), value) == 0)
            return json_array_get(rows, i);
    return NULL;
}

static json_t *status_row(const char *list, const char *key, const char *value)
{
    cr_assert_eq(ask("GET", "/v1/status", NULL), 200);
    return row(list, key, value);
}

Test(api, status_shows_what_runs)
{
    cr_assert_eq(ask("GET", "/v1/status", NULL), 200);
    cr_assert_eq(number_at(answered, "pid"), getpid());
    cr_assert_str_eq(text_at(json_object_get(answered, "base"), "file"), "base.yaml");
    cr_assert_eq(json_array_size(json_object_get(answered, "listeners")), 2);
    cr_assert_eq(json_array_size(json_object_get(answered, "overlays")), 0);
    json_t *slow = row("rules", "name", "slow");
    cr_assert_str_eq(text_at(slow, "origin"), "base");
    cr_assert_str_eq(text_at(slow, "state"), "active");
    cr_assert(json_is_false(json_object_get(slow, "touched")));
    cr_assert(json_is_null(json_object_get(slow, "first_touched_ns")));
}

Test(api, status_joins_what_was_counted_to_the_rules)
{
    struct counters_rule *rule = counters_rule(&counters, "base", "slow");
    struct counters_rule *gone = counters_rule(&counters, "cut", "gone");
    struct counters_link *link = counters_link(&counters, "n1", "n2");
    (void)counters_touch_bytes(counters_touch(&counters, rule, link), 70, 5);
    (void)counters_touch_attempt(counters_touch(&counters, gone, link), ATTEMPT_HELD,
                                 6);
    (void)counters_rule(&counters, "cut", "never");
    link->passed_bytes = 90;
    json_t *slow = status_row("rules", "name", "slow");
    cr_assert(json_is_true(json_object_get(slow, "touched")));
    cr_assert_eq(number_at(slow, "touched_bytes"), 70);
    json_t *links = json_object_get(slow, "links");
    cr_assert_eq(number_at(json_array_get(links, 0), "touched_bytes"), 70);
    cr_assert_str_eq(text_at(row("rules", "name", "gone"), "state"), "removed");
    cr_assert_null(row("rules", "name", "never"), "it touched nothing");
    cr_assert_eq(number_at(json_object_get(answered, "totals"), "passed_bytes"), 90);
}

Test(api, an_overlay_is_applied_shown_and_removed)
{
    uint64_t before_ns = now_ns();
    cr_assert_eq(ask("PUT", "/v1/overlays/more?for=30s&file=more.yaml", overlay_text),
                 200);
    json_int_t committed_ns = number_at(answered, "committed_ns");
    cr_assert_geq((uint64_t)committed_ns, before_ns);
    cr_assert_leq((uint64_t)committed_ns, now_ns());
    cr_assert_str_eq(text_at(answered, "overlay"), "more");
    cr_assert_eq(number_at(answered, "lease_ms"), 30000);
    cr_assert_str_eq(
        json_string_value(json_array_get(json_object_get(answered, "rules"), 0)),
        "slower");
    json_t *overlay = status_row("overlays", "name", "more");
    cr_assert_str_eq(text_at(overlay, "file"), "more.yaml");
    cr_assert_leq(number_at(overlay, "remaining_ms"), 30000);
    cr_assert_gt(number_at(overlay, "remaining_ms"), 0);
    cr_assert_not_null(row("rules", "origin", "more"));
    cr_assert_eq(ask("DELETE", "/v1/overlays/more", NULL), 200);
    cr_assert_null(status_row("overlays", "name", "more"));
    cr_assert_eq(ask("DELETE", "/v1/overlays/more", NULL), 404);
}

Test(api, what_is_applied_by_hand_ends_after_ten_minutes_unless_said)
{
    cr_assert_eq(ask("PUT", "/v1/overlays/a", overlay_text), 200);
    cr_assert_eq(number_at(answered, "lease_ms"), 600000);
    cr_assert_eq(ask("PUT", "/v1/overlays/a?for=ever", overlay_text), 200);
    cr_assert(json_is_null(json_object_get(answered, "lease_ms")));
    json_t *overlay = status_row("overlays", "name", "a");
    cr_assert(json_is_null(json_object_get(overlay, "remaining_ms")));
}

Test(api, rules_shows_the_texts_as_they_were_applied)
{
    cr_assert_eq(ask("PUT", "/v1/overlays/more", overlay_text), 200);
    cr_assert_eq(ask("GET", "/v1/rules", NULL), 200);
    cr_assert_str_eq(text_at(json_object_get(answered, "base"), "text"), base_text);
    cr_assert_str_eq(text_at(row("overlays", "name", "more"), "text"), overlay_text);
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
    json_t *diagnostics = json_object_get(answered, "diagnostics");
    cr_assert_eq(json_array_size(diagnostics), 2);
    json_t *first = json_array_get(diagnostics, 0);
    cr_assert_str_eq(text_at(first, "file"), "dir/x.yaml");
    cr_assert_eq(number_at(first, "line"), 4);
    cr_assert_eq(number_at(first, "column"), 15);
    cr_assert_eq(number_at(first, "length"), 5);
    cr_assert_eq(number_at(first, "excerpt_column"), 15);
    cr_assert_not_null(strstr(text_at(first, "excerpt"), "{ dealy: 4ms }"));
    cr_assert_not_null(strstr(text_at(first, "hint"), "delay"));
    cr_assert_not_null(strstr(text_at(answered, "error"), "2 errors"), "%s",
                       text_at(answered, "error"));
    cr_assert_null(status_row("overlays", "name", "x"));
}

Test(api, the_base_is_replaced_or_kept)
{
    cr_assert_eq(ask("PUT", "/v1/rules?file=new.yaml", "netsplit: 1\nnonsense: 1\n"),
                 422);
    cr_assert_not_null(status_row("rules", "name", "slow"));
    cr_assert_eq(ask("PUT", "/v1/rules?file=new.yaml",
                     "netsplit: 1\nnodes: { n1: 127.0.0.1 }\n"),
                 200, "%s", text_at(answered, "error"));
    cr_assert_null(status_row("rules", "name", "slow"));
    cr_assert_str_eq(text_at(json_object_get(answered, "base"), "file"), "new.yaml");
}

Test(api, heal_and_clear_switch_off_what_they_say)
{
    cr_assert_eq(ask("POST", "/v1/heal", NULL), 200);
    cr_assert_str_eq(text_at(status_row("rules", "name", "split"), "state"), "off");
    cr_assert_str_eq(text_at(row("rules", "name", "slow"), "state"), "active");
    cr_assert_str_eq(text_at(json_object_get(answered, "base"), "off"), "links");
    cr_assert_eq(ask("PUT", "/v1/overlays/more", overlay_text), 200);
    cr_assert_eq(ask("DELETE", "/v1/overlays", NULL), 200);
    cr_assert_str_eq(text_at(status_row("rules", "name", "slow"), "state"), "off");
    cr_assert_eq(json_array_size(json_object_get(answered, "overlays")), 0);
    cr_assert_eq(json_array_size(json_object_get(answered, "listeners")), 2);
}

Test(api, two_partitions_hold_both_and_have_names)
{
    cr_assert_eq(ask("POST", "/v1/partition", "{\"parts\":[[\"n1\"],[\"n2\",\"n3\"]]}"),
                 200, "%s", text_at(answered, "error"));
    cr_assert_str_eq(text_at(answered, "overlay"), "partition-1");
    cr_assert_eq(ask("POST", "/v1/partition?for=1m",
                     "{\"parts\":[[\"n2\"],[\"n3\"]],\"how\":\"reset\"}"),
                 200, "%s", text_at(answered, "error"));
    cr_assert_str_eq(text_at(answered, "overlay"), "partition-2");
    cr_assert_str_eq(text_at(status_row("rules", "origin", "partition-1"), "state"),
                     "active");
    cr_assert_str_eq(text_at(row("rules", "origin", "partition-2"), "how"), "reset");
    cr_assert_eq(ask("DELETE", "/v1/overlays/partition-1", NULL), 200);
    cr_assert_eq(ask("POST", "/v1/partition", "{\"parts\":[[\"n1\"],[\"n2\"]]}"), 200);
    cr_assert_str_eq(text_at(answered, "overlay"), "partition-1", "the name is free");
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
        cr_assert_str_neq(text_at(answered, "error"), "", "%s", cases[i].target);
    }
}

Test(api, a_halted_proxy_refuses_faults_until_it_is_resumed)
{
    cr_assert_eq(ask("POST", "/v1/halt", NULL), 200);
    cr_assert_str_eq(text_at(status_row("rules", "name", "slow"), "state"), "off");
    cr_assert(json_is_true(json_object_get(answered, "halted")));
    cr_assert_eq(ask("PUT", "/v1/overlays/a", overlay_text), 409);
    cr_assert_eq(ask("PUT", "/v1/rules", base_text), 409);
    cr_assert_eq(ask("POST", "/v1/partition", "{\"parts\":[[\"n1\"],[\"n2\"]]}"), 409);
    cr_assert_eq(ask("POST", "/v1/heal", NULL), 200);
    cr_assert_eq(ask("POST", "/v1/resume", NULL), 200);
    cr_assert_eq(ask("PUT", "/v1/overlays/a", overlay_text), 200);
}

/* What a stream brought. */
struct seen {
    struct answer end;
    json_t *events; /* array */
};

static void on_event(void *arg, json_t *event)
{
    (void)json_array_append(((struct seen *)arg)->events, event);
}

static void on_end(void *arg, int status, json_t *body, const struct errmsg *err)
{
    on_reply(&((struct seen *)arg)->end, status, body, err);
}

static struct control_request *watch(struct seen *seen, const char *target)
{
    *seen = (struct seen){.events = json_array()};
    return control_stream(client, target, patience_ns, on_event, on_end, seen);
}

static void add_events(uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        (void)journal_add(journal, &(struct journal_event){
                                       .type = JOURNAL_BUDGET_REACHED, .count = i});
}

Test(api, events_that_are_kept_come_in_order_and_the_stream_ends_if_asked)
{
    struct seen seen;
    add_events(100);
    uint64_t next = journal_next(journal);
    (void)watch(&seen, "/v1/events?since=0&follow=no");
    wait_for(&seen.end);
    cr_assert_eq(seen.end.status, 200, "%s", seen.end.error);
    cr_assert_eq(json_array_size(seen.events), next, "a head and next - 1 events");
    for (size_t i = 1; i < next; i++)
        cr_assert_eq(number_at(json_array_get(seen.events, i), "sequence"),
                     (json_int_t)i);
    json_decref(seen.events);
}

static void run_until_seen(const struct seen *seen, size_t n)
{
    while (json_array_size(seen->events) < n && seen->end.status == 0)
        (void)uv_run(&loop, UV_RUN_ONCE);
    cr_assert_geq(json_array_size(seen->events), n, "%s", seen->end.error);
}

Test(api, a_stream_brings_news_of_the_types_it_was_asked_for)
{
    struct seen seen;
    (void)watch(&seen, "/v1/events?types=committed");
    run_until_seen(&seen, 1);
    cr_assert_eq(number_at(json_array_get(seen.events, 0), "next"),
                 (json_int_t)journal_next(journal));
    add_events(10);
    cr_assert_eq(ask("PUT", "/v1/overlays/more", overlay_text), 200);
    run_until_seen(&seen, 2);
    json_t *event = json_array_get(seen.events, 1);
    cr_assert_str_eq(text_at(event, "event"), "committed");
    cr_assert_str_eq(text_at(event, "origin"), "more");
    close_api();
    wait_for(&seen.end);
    cr_assert_eq(seen.end.status, 200, "it ended in good order: %s", seen.end.error);
    json_decref(seen.events);
}

Test(api, an_overlay_ends_with_its_lease)
{
    struct seen seen;
    (void)watch(&seen, "/v1/events?types=committed");
    run_until_seen(&seen, 1);
    cr_assert_eq(ask("PUT", "/v1/overlays/brief?for=20ms", overlay_text), 200);
    run_until_seen(&seen, 3); /* the head, the overlay's coming, and its going */
    cr_assert_null(status_row("overlays", "name", "brief"));
    cr_assert_null(row("rules", "origin", "brief"));
    close_api();
    wait_for(&seen.end);
    json_decref(seen.events);
}

static int make_raw(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_geq(fd, 0);
    return fd;
}

static void join_raw(int fd)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
}

static int connect_raw(void)
{
    int fd = make_raw();
    join_raw(fd);
    return fd;
}

static void send_raw(int fd, const char *bytes, size_t n)
{
    ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL | MSG_DONTWAIT);
    cr_assert(sent == (ssize_t)n || errno == EPIPE || errno == ECONNRESET ||
              errno == EAGAIN);
}

/* Bytes from the server over a raw descriptor, gathered while the loop turns. */
struct raw {
    uv_poll_t poll;
    bool ended;
    size_t len;
    char text[1 << 20]; /* begun anew when it is full */
};

static void keep(struct raw *raw, const char *bytes, size_t n)
{
    if (raw->len + n >= sizeof raw->text)
        raw->len = 0;
    memcpy(raw->text + raw->len, bytes, n);
    raw->len += n;
    raw->text[raw->len] = 0;
}

static void on_raw(uv_poll_t *poll, int status, int events)
{
    struct raw *raw = poll->data;
    char piece[4096];
    int fd;
    (void)status;
    (void)events;
    (void)uv_fileno((uv_handle_t *)poll, &fd);
    ssize_t n = recv(fd, piece, sizeof piece, MSG_DONTWAIT);
    if (n > 0)
        keep(raw, piece, (size_t)n);
    else if (n == 0 || errno != EAGAIN)
        raw->ended = true;
    if (raw->ended)
        (void)uv_poll_stop(poll);
}

static void on_closed(uv_handle_t *handle)
{
    handle->data = NULL;
}

/* Turns the loop until the server has closed the connection. */
static void read_to_end(int fd, struct raw *raw)
{
    raw->ended = false;
    raw->len = 0;
    raw->text[0] = 0;
    cr_assert_eq(uv_poll_init(&loop, &raw->poll, fd), 0);
    raw->poll.data = raw;
    (void)uv_poll_start(&raw->poll, UV_READABLE, on_raw);
    while (!raw->ended)
        (void)uv_run(&loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&raw->poll, on_closed);
    while (raw->poll.data)
        (void)uv_run(&loop, UV_RUN_ONCE);
    (void)close(fd);
}

Test(api, a_slow_reader_is_told_what_it_missed_and_holds_nothing_up)
{
    static const char head[] = "GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n";
    static struct raw raw;
    int fd = connect_raw();
    send_raw(fd, head, sizeof head - 1);
    for (int i = 0; i < 100; i++) { /* far more than the ring and the socket hold */
        add_events(500);
        cr_assert_eq(ask("GET", "/v1/connections", NULL), 200);
    }
    close_api();
    read_to_end(fd, &raw);
    cr_assert_not_null(strstr(raw.text, "{\"missed\":"));
}

Test(api, a_stream_whose_reader_left_gives_its_place_back)
{
    static const char head[] = "GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n";
    for (int round = 0; round < 3; round++) {
        int fds[API_STREAMS_MAX];
        for (int i = 0; i < API_STREAMS_MAX; i++) {
            fds[i] = connect_raw();
            send_raw(fds[i], head, sizeof head - 1);
            char byte;
            while (recv(fds[i], &byte, 1, MSG_DONTWAIT) != 1)
                (void)uv_run(&loop, UV_RUN_NOWAIT);
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

Test(api, garbage_ends_its_own_connection_only)
{
    static const char *const garbage[] = {
        "\r\n\r\n\r\n",
        "GET\r\n\r\n",
        "GET /v1/status\r\n\r\n",
        "GET /v1/status HTTP/9.9\r\n\r\n",
        "PUT /v1/rules HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\nxxxxx",
        "PUT /v1/rules HTTP/1.1\r\nHost: x\r\nContent-Length: "
        "9999999999999999999999\r\n\r\n",
        "PUT /v1/rules HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "GET /%00%ff%zz?%=&&= HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "POST /v1/partition HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        "Content-Length: 3\r\n\r\n{\"p",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    };
    for (size_t i = 0; i < sizeof garbage / sizeof *garbage; i++) {
        int fd = connect_raw();
        send_raw(fd, garbage[i], strlen(garbage[i]));
        cr_assert_eq(ask("GET", "/v1/status", NULL), 200, "after case %zu", i);
        (void)close(fd);
        cr_assert_eq(ask("GET", "/v1/status", NULL), 200, "after case %zu", i);
    }
}

Test(api, random_bytes_behind_a_good_start_do_no_harm)
{
    static const char *const starts[] = {
        "", "GET /v1/", "PUT /v1/overlays/a HTTP/1.1\r\nContent-Length: 64\r\n\r\n",
        "PUT /v1/rules HTTP/1.1\r\nHost: x\r\nContent-Length: 64\r\n\r\n"};
    const char *env = getenv("NETSPLIT_TEST_SEED");
    unsigned short state[3] = {
        (unsigned short)(env ? strtoul(env, NULL, 10) : now_ns() & 0xffff), 7, 7};
    cr_log_info("seed %u\n", (unsigned)state[0]);
    for (int i = 0; i < 200; i++) {
        char bytes[64];
        for (size_t k = 0; k < sizeof bytes; k++)
            bytes[k] = (char)(nrand48(state) & 0xff);
        int fd = connect_raw();
        send_raw(fd, starts[i % 4], strlen(starts[i % 4]));
        send_raw(fd, bytes, sizeof bytes);
        (void)uv_run(&loop, UV_RUN_NOWAIT);
        (void)close(fd);
    }
    cr_assert_eq(ask("GET", "/v1/status", NULL), 200);
    cr_assert_not_null(row("rules", "name", "slow"), "seed %u", (unsigned)state[0]);
}

Test(api, a_body_over_the_limit_is_refused)
{
    static const char by_length[] =
        "PUT /v1/rules HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\n";
    static const char chunked[] =
        "PUT /v1/rules HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    static char chunk[64 * 1024 + 16];
    static struct raw raw;
    int fd = connect_raw();
    send_raw(fd, by_length, sizeof by_length - 1);
    (void)shutdown(fd, SHUT_WR);
    read_to_end(fd, &raw);
    cr_assert_eq(strncmp(raw.text, "HTTP/1.1 413 ", 13), 0, "%s", raw.text);
    fd = connect_raw();
    send_raw(fd, chunked, sizeof chunked - 1);
    int head = sprintf(chunk, "%x\r\n", 64 * 1024);
    memset(chunk + head, 'x', 64 * 1024);
    memcpy(chunk + head + 64 * 1024, "\r\n", 2);
    size_t len = (size_t)head + 64 * 1024 + 2, sent = 0;
    for (;;) { /* until the server has enough of it */
        ssize_t n =
            send(fd, chunk + sent % len, len - sent % len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN)
            break;
        sent += n > 0 ? (size_t)n : 0;
        cr_assert_lt(sent, 8u << 20, "it takes everything");
        (void)uv_run(&loop, UV_RUN_NOWAIT);
    }
    (void)close(fd);
    cr_assert_eq(ask("GET", "/v1/status", NULL), 200);
}

Test(api, clients_that_hang_keep_nobody_waiting)
{
    int fds[20];
    for (size_t i = 0; i < 20; i++) {
        fds[i] = connect_raw();
        send_raw(fds[i], "GET /v1/sta", i % 12);
    }
    for (int i = 0; i < 20; i++)
        cr_assert_eq(ask("GET", "/v1/status", NULL), 200);
    for (size_t i = 0; i < 20; i++)
        (void)close(fds[i]);
}

Test(api, clients_beyond_the_limit_wait_until_others_have_left)
{
    enum { CLIENTS = API_CLIENTS_MAX + 8 };
    int fds[CLIENTS];
    for (size_t i = 0; i < CLIENTS; i++) {
        fds[i] = connect_raw();
        send_raw(fds[i], "GET /v1/sta", 11);
        (void)uv_run(&loop, UV_RUN_NOWAIT);
    }
    for (size_t i = 0; i < CLIENTS; i++)
        (void)close(fds[i]);
    cr_assert_eq(ask("GET", "/v1/status", NULL), 200);
}

Test(api, clients_that_took_the_last_descriptors_are_answered_in_the_end)
{
    enum { CLIENTS = 20, LEFT = 4 };
    int fds[CLIENTS];
    struct rlimit limit, low;
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    for (size_t i = 0; i < CLIENTS; i++)
        fds[i] = make_raw();
    low = (struct rlimit){(rlim_t)fds[CLIENTS - 1] + 1 + LEFT, limit.rlim_max};
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
    for (size_t i = 0; i < CLIENTS; i++) {
        join_raw(fds[i]);
        (void)uv_run(&loop, UV_RUN_NOWAIT);
    }
    for (size_t i = 0; i < CLIENTS; i++)
        (void)close(fds[i]);
    cr_assert_eq(ask("GET", "/v1/status", NULL), 200);
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

Test(api, a_thousand_quick_requests_are_all_answered)
{
    enum { WAVES = 25, AT_ONCE = 40 };
    for (int wave = 0; wave < WAVES; wave++) {
        struct answer answers[AT_ONCE] = {0};
        for (int i = 0; i < AT_ONCE; i++)
            cr_assert_not_null(control_request(
                client, i % 8 ? "GET" : "PUT", i % 8 ? "/v1/status" : "/v1/overlays/a",
                i % 8 ? NULL : overlay_text, patience_ns, on_reply, &answers[i]));
        for (int i = 0; i < AT_ONCE; i++) {
            wait_for(&answers[i]);
            cr_assert_eq(answers[i].status, 200, "%s", answers[i].error);
            json_decref(answers[i].body);
        }
    }
}

Test(api, a_second_api_at_the_path_is_refused_and_harms_nothing)
{
    struct errmsg err = {0};
    struct api *second = NULL;
    cr_assert_eq(api_start(&second, proxy, path, &err), -EADDRINUSE);
    cr_assert_not_null(strstr(err.text, "already: pid"), "%s", err.text);
    cr_assert_eq(ask("GET", "/v1/status", NULL), 200);
}

Test(api, the_socket_is_the_users_own)
{
    struct stat info;
    cr_assert_eq(stat(path, &info), 0);
    cr_assert_eq(info.st_mode & 0777, 0600);
}

Test(api, closing_with_clients_in_every_state_ends_them_all)
{
    struct seen seen;
    int hanging = connect_raw(), streaming = connect_raw();
    static struct raw raw;
    send_raw(hanging, "GET /v1/sta", 11);
    send_raw(streaming, "GET /v1/events HTTP/1.1\r\n\r\n", 27);
    (void)watch(&seen, "/v1/events?since=0");
    run_until_seen(&seen, 1);
    close_api();
    wait_for(&seen.end);
    cr_assert_eq(seen.end.status, 200, "%s", seen.end.error);
    read_to_end(hanging, &raw);
    read_to_end(streaming, &raw);
    json_decref(seen.events);
}
