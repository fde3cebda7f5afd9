/* SPDX-License-Identifier: MIT */
#include "scenarios/history/history.h"
#include "tests/scenarios/random_history.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct history *read_text(const char *text)
{
    struct errmsg err = {""};
    struct history *history = history_read_text("h.edn", text, strlen(text), &err);
    cr_assert(history, "%s", err.text);
    return history;
}

static void expect_read_error(const char *text, const char *wanted)
{
    struct errmsg err = {""};
    struct history *history = history_read_text("h.edn", text, strlen(text), &err);
    cr_expect_null(history);
    cr_expect_str_eq(err.text, wanted);
    history_destroy(history);
}

static void expect_pair_error(const char *text, const char *wanted)
{
    struct history *history = read_text(text);
    struct operations operations = {0};
    struct errmsg err = {""};
    cr_expect_lt(history_pair(history, &operations, &err), 0);
    cr_expect_str_eq(err.text, wanted);
    history_destroy(history);
}

static char *read_back(const char *path)
{
    static char text[8192];
    FILE *from = fopen(path, "r");
    cr_assert(from);
    text[fread(text, 1, sizeof text - 1, from)] = '\0';
    (void)fclose(from);
    return text;
}

enum { PATH_BYTES = 256 };

static void temporary_path(char *path)
{
    const char *base = getenv("TMPDIR");
    (void)snprintf(path, PATH_BYTES, "%s/netsplit-history-XXXXXX",
                   base ? base : "/tmp");
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    (void)close(fd);
}

/* One of everything. */
static struct history *make_sample(const char *path)
{
    const char *nodes[] = {"n1", "n2"};
    struct history *h = history_create();
    cr_assert_eq(history_write_to(h, path, NULL), 0);
    history_begin(h, 5000, nodes, 2);
    struct history_record r = {
        .time_ns = 10, .process = 3, .f = HISTORY_APPEND, .key = 7, .node = 1};
    r.value = (struct history_value){.kind = HISTORY_INTEGER, .integer = -4};
    (void)history_record(h, &r);
    (void)history_record_event(h, 11, "start-partition", "n1 / n2");
    r.time_ns = 12;
    r.type = HISTORY_INFO;
    r.error = "no \"answer\"\n";
    (void)history_record(h, &r);
    r = (struct history_record){.time_ns = 13, .process = 4, .key = 7, .final = true};
    (void)history_record(h, &r);
    int64_t items[] = {1, 2, 17};
    r.type = HISTORY_OK;
    r.value = (struct history_value){.kind = HISTORY_LIST, .list = {items, 3}};
    (void)history_record(h, &r);
    items[0] = 99; /* the history has its own copy */
    r = (struct history_record){.time_ns = 14,
                                .process = 5,
                                .f = HISTORY_CAS,
                                .key = 7,
                                .node = HISTORY_NO_NODE};
    r.value = (struct history_value){.kind = HISTORY_PAIR, .pair = {2, 3}};
    (void)history_record(h, &r);
    return h;
}

static const char sample_edn[] =
    "{:index 0, :time 0, :process :nemesis, :type :info, :f :start, :value nil, :nodes "
    "[\"n1\" \"n2\"], :base-ns 5000}\n"
    "{:index 1, :time 10, :process 3, :type :invoke, :f :append, :value [7 -4], :node "
    "\"n2\"}\n"
    "{:index 2, :time 11, :process :nemesis, :type :info, :f :start-partition, :value "
    "\"n1 / n2\"}\n"
    "{:index 3, :time 12, :process 3, :type :info, :f :append, :value [7 -4], :node "
    "\"n2\", :error \"no \\\"answer\\\"\\n\"}\n"
    "{:index 4, :time 13, :process 4, :type :invoke, :f :read, :value [7 nil], :node "
    "\"n1\", :final true}\n"
    "{:index 5, :time 13, :process 4, :type :ok, :f :read, :value [7 [1 2 17]], :node "
    "\"n1\", :final true}\n"
    "{:index 6, :time 14, :process 5, :type :invoke, :f :cas, :value [7 [2 3]]}\n";

Test(history, is_written_as_jepsen_writes_it_while_it_is_recorded)
{
    char path[PATH_BYTES];
    temporary_path(path);
    struct history *h = make_sample(path);
    cr_expect_eq(history_flush(h, NULL), 0);
    cr_expect_str_eq(read_back(path), sample_edn);
    history_destroy(h);
    (void)unlink(path);
}

Test(history, an_event_is_in_the_file_at_once)
{
    char path[PATH_BYTES];
    temporary_path(path);
    struct history *h = make_sample(path);
    cr_expect(strstr(read_back(path), ":start-partition"));
    history_destroy(h);
    (void)unlink(path);
}

static void expect_round_trip(enum history_format format)
{
    char path[PATH_BYTES];
    temporary_path(path);
    struct history *first = make_sample(path), *second;
    struct errmsg err = {""};
    cr_assert_eq(history_write_file(first, path, format, &err), 0);
    second = history_read_file(path, &err);
    cr_assert(second, "%s", err.text);
    cr_assert_eq(history_write_file(second, path, HISTORY_EDN, &err), 0);
    cr_expect_str_eq(read_back(path), sample_edn);
    cr_expect_eq(history_base_ns(second), 5000);
    history_destroy(first);
    history_destroy(second);
    (void)unlink(path);
}

Test(history, survives_edn_and_back)
{
    expect_round_trip(HISTORY_EDN);
}

Test(history, survives_json_and_back)
{
    expect_round_trip(HISTORY_JSON);
}

Test(history, a_full_disk_is_told_at_the_flush_and_nothing_is_forgotten)
{
    struct history *h = history_create();
    struct errmsg err = {""};
    cr_assert_eq(history_write_to(h, "/dev/full", &err), 0);
    for (int i = 0; i < 5000; i++)
        (void)history_record_event(h, (uint64_t)i, "step", "x");
    cr_expect_eq(history_flush(h, &err), -28);
    cr_expect_str_eq(err.text, "writing the history: No space left on device");
    cr_expect_eq(history_length(h), 5000);
    history_destroy(h);
}

Test(history, time_never_goes_back_in_a_recorded_one)
{
    struct history *h = history_create();
    (void)history_record_event(h, 20, "step", NULL);
    (void)history_record_event(h, 10, "step", NULL);
    cr_expect_eq(history_get(h, 1)->time_ns, 20);
    history_destroy(h);
}

Test(history, reads_what_jepsen_writes)
{
    struct history *h = read_text(
        "; a comment\n"
        "[#jepsen.history.Op{:index 0 :time 5 :type :invoke, :process 0, :f :read, "
        ":value nil}\n"
        " {:type :info :f :start-partition :value {\"n1\" #{\"n2\"}} :process :nemesis "
        ":time 6}\n"
        " #_{:type :gibberish} {:wall #inst \"2026\" :type :ok :process 0 :f :read "
        ":value "
        "#{1 2}, :time 7, :error [:timeout \"x\"]}]");
    cr_assert_eq(history_length(h), 3);
    cr_expect(!history_keyed(h));
    cr_expect_str_eq(history_get(h, 1)->value.text, "{n1 [n2]}");
    cr_expect_eq(history_get(h, 2)->value.list.n, 2);
    cr_expect_str_eq(history_get(h, 2)->error, "[timeout x]");
    history_destroy(h);
}

Test(history, a_pair_is_a_value_or_key_and_value_as_the_first_operation_says)
{
    struct history *h = read_text("{:type :invoke :process 0 :f :read :value [3 nil]}"
                                  "{:type :ok :process 0 :f :read :value [3 4]}");
    cr_expect_eq(history_get(h, 1)->key, 3);
    cr_expect_eq(history_get(h, 1)->value.kind, HISTORY_INTEGER);
    history_destroy(h);
    h = read_text("{:type :invoke :process 0 :f :read :value nil}"
                  "{:type :ok :process 0 :f :read :value [3 4]}");
    cr_expect_eq(history_get(h, 1)->value.kind, HISTORY_LIST);
    cr_expect_eq(history_get(h, 1)->value.list.n, 2);
    history_destroy(h);
    h = read_text("{:type :invoke :process 0 :f :cas :value [3 4]}");
    cr_expect_eq(history_get(h, 0)->value.pair.to, 4);
    history_destroy(h);
    h = read_text("{:type :invoke :process 0 :f :cas :value [9 [3 4]]}");
    cr_expect_eq(history_get(h, 0)->key, 9);
    history_destroy(h);
}

Test(history, says_where_a_file_is_wrong)
{
    expect_read_error("{:type :invoke :process 0\n :f :txn :value []}",
                      "h.edn:2:5: operation \"txn\" is not known; known: read, append, "
                      "write, cas, add");
    expect_read_error("{:type :oops}",
                      "h.edn:1:1: an operation needs :process, a number from 0 or "
                      "nemesis");
    expect_read_error("{:process 0 :type :oops}",
                      "h.edn:1:19: an operation needs :type invoke, ok, fail or info");
    expect_read_error("\n  {:a [1 2}", "h.edn:2:11: '}' closes nothing");
    expect_read_error("[{:a 1}",
                      "h.edn:1:2: an operation needs :process, a number from "
                      "0 or nemesis");
    expect_read_error("{:a \"x", "h.edn:1:5: this string does not end");
    expect_read_error("{:a 99999999999999999999}",
                      "h.edn:1:5: 99999999999999999999 does not fit 64 bits");
    expect_read_error("{:process 0 :type :ok :f :read :value 1}",
                      "h.edn:1:1: process 0 completes what it never invoked");
    expect_read_error("{:process 0 :type :invoke :f :write :value \"a\"}",
                      "h.edn:1:44: the value of a write must be an integer");
    expect_read_error("{:process 0 :time 9 :type :invoke :f :read :value nil}\n"
                      "{:process 0 :time 8 :type :ok :f :read :value 1}",
                      "h.edn:2:19: time goes back, from 9 to 8");
    expect_read_error("{\"process\" 0}", "h.edn:1:12: expected ':'");
    expect_read_error("{\"process\":0,}", "h.edn:1:14: expected a value");
    expect_read_error("[{\"a\":nil}]", "h.edn:1:7: \"nil\" is not JSON");
}

Test(history, nesting_is_bounded)
{
    char text[4000];
    memset(text, '[', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    struct errmsg err = {""};
    cr_expect_null(history_read_text("h", text, strlen(text), &err));
    cr_expect(strstr(err.text, "nested more than 64 deep"), "%s", err.text);
}

/* Under the sanitizers: no text may do more than be refused. */
Test(history, broken_files_are_refused_or_read_and_nothing_else)
{
    static const char *const samples[] = {
        sample_edn,
        "[{\"process\":0,\"type\":\"invoke\",\"f\":\"cas\",\"value\":[1,[2,3]]},\n"
        "{\"process\":0,\"type\":\"ok\",\"f\":\"cas\",\"value\":[1,[2,3]],"
        "\"error\":\"\\ud83d\\ude00\"}]",
    };
    uint64_t rng = 42;
    unsigned refused = 0;
    for (unsigned round = 0; round < 20000; round++) {
        char text[2048];
        size_t n = strlen(samples[round % 2]);
        memcpy(text, samples[round % 2], n);
        for (unsigned i = 0; i <= round % 3; i++)
            text[random_below(&rng, n)] =
                random_below(&rng, 4) ? "[]{}#_\"\\:;, 0-n"[random_below(&rng, 15)]
                                      : (char)random_below(&rng, 256);
        n -= random_below(&rng, 8) ? 0 : random_below(&rng, n);
        char *exact = malloc(n ? n : 1); /* reading behind its end is seen */
        memcpy(exact, text, n);
        struct errmsg err = {""};
        struct history *history = history_read_text("h", exact, n, &err);
        cr_expect(history || strncmp(err.text, "h:", 2) == 0, "round %u: %s", round,
                  err.text);
        refused += !history;
        history_destroy(history);
        free(exact);
    }
    cr_expect(refused > 1000 && refused < 20000, "%u refused", refused);
}

Test(history, strings_are_unescaped_and_escaped)
{
    struct history *h =
        read_text("{\"process\":\"nemesis\",\"type\":\"info\",\"f\":\"step\","
                  "\"value\":\"\\u00e9 \\ud83d\\ude00 \\\"\\t\"}");
    cr_expect_str_eq(history_get(h, 0)->value.text, "\xc3\xa9 \xf0\x9f\x98\x80 \"\t");
    history_destroy(h);
}

Test(history, pairs_invocations_with_completions)
{
    struct history *h = read_text(
        "{:process 0 :time 1 :type :invoke :f :append :value [1 5] :node \"n1\"}"
        "{:process 1 :time 2 :type :invoke :f :read :value [1 nil] :node \"n2\"}"
        "{:process 2 :time 2 :type :invoke :f :append :value [1 6]}"
        "{:process 1 :time 3 :type :ok :f :read :value [1 [5]] :node \"n1\"}"
        "{:process 0 :time 4 :type :fail :f :append :value [1 5] :error \"no\"}");
    struct operations ops;
    cr_assert_eq(history_pair(h, &ops, NULL), 0);
    cr_assert_eq(ops.n, 3);
    cr_expect_eq(ops.items[0].type, HISTORY_FAIL);
    cr_expect_eq(ops.items[0].argument.integer, 5);
    cr_expect_eq(ops.items[0].complete_ns, 4);
    cr_expect_str_eq(ops.items[0].error, "no");
    cr_expect_str_eq(history_node_name(h, ops.items[1].node), "n1");
    cr_expect_eq(ops.items[1].result.list.items[0], 5);
    cr_expect_eq(ops.items[2].type, HISTORY_INFO);
    cr_expect_eq(ops.items[2].complete_ns, HISTORY_NEVER);
    cr_expect_eq(ops.items[2].complete_index, SIZE_MAX);
    operations_free(&ops);
    history_destroy(h);
}

Test(history, a_history_that_does_not_fit_together_is_refused)
{
    expect_pair_error("{:process 0 :type :invoke :f :read :value nil}"
                      "{:process 0 :type :invoke :f :read :value nil}",
                      "record 1: process 0 invokes while its operation of record 0 is "
                      "open");
    expect_pair_error("{:process 0 :type :invoke :f :read :value nil}"
                      "{:process 0 :type :ok :f :read :value 1}"
                      "{:process 0 :type :ok :f :read :value 1}",
                      "record 2: process 0 completes what it never invoked");
    expect_pair_error(
        "{:process 0 :type :invoke :f :read :value [1 nil]}"
        "{:process 0 :type :ok :f :read :value [2 1]}",
        "record 1: read of key 2 completes the read of key 1 of record 0");
    expect_pair_error(
        "{:process 0 :type :invoke :f :add :value 1}"
        "{:process 0 :type :info :f :add :value 1}"
        "{:process 0 :type :invoke :f :add :value 2}",
        "record 2: process 0 goes on after its write of record 0 ended in "
        "info; it must be retired");
}

Test(history, what_a_server_says_is_written_so_that_it_can_be_read)
{
    char path[PATH_BYTES];
    temporary_path(path);
    struct history *h = history_create();
    (void)history_record_event(h, 0, "step",
                               "\xff \xc3\xa9 \xc3 \xe0\x80\x80 \xed\xa0\x80 "
                               "\xf0\x9f\x98\x80 \xf5 \x01 \\");
    cr_assert_eq(history_write_file(h, path, HISTORY_JSON, NULL), 0);
    cr_expect_str_eq(read_back(path),
                     "{\"index\":0,\"time\":0,\"process\":\"nemesis\",\"type\":"
                     "\"info\",\"f\":\"step\",\"value\":\"? \xc3\xa9 ? ??? ??? "
                     "\xf0\x9f\x98\x80 ? \\u0001 \\\\\"}\n");
    history_destroy(h);
    (void)unlink(path);
}
