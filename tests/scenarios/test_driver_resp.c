/* SPDX-License-Identifier: MIT */
#include "proxy/base/now.h"
#include "tests/scenarios/client_fixture.h"
#include "tests/lib/fake_server.h"

#include <criterion/criterion.h>
#include <unistd.h>

TestSuite(driver_resp, .timeout = 60); /* what waits for ever ends */

static struct client_fixture fixture;
static struct fake_server server;

static void serve(const struct fake_step *steps, size_t n)
{
    client_fixture_init(&fixture, "resp");
    fake_server_init(&server, &fixture.loop, steps, n);
    client_fixture_open(&fixture, server.port, HISTORY_APPEND, 0, "");
}

/* A step that answers. */
static struct fake_step says(const char *text)
{
    return (struct fake_step){.action = FAKE_ANSWER, .text = text};
}

static void end(void)
{
    fake_server_close(&server);
    cr_assert_eq(client_fixture_close(&fixture), 0);
}

static void expect(enum history_type type, enum driver_error error)
{
    cr_expect_eq(fixture.outcome.type, type, "%s", fixture.text);
    cr_expect_eq(fixture.outcome.error, error, "%s", fixture.text);
    cr_expect_eq(fixture.outcome.text == NULL, type == HISTORY_OK);
}

struct answer {
    const char *text;
    enum history_type write; /* what it makes of an append */
    enum driver_error error;
};

Test(driver_resp, judges_each_error_by_how_it_begins)
{
    static const struct answer answers[] = {
        {":4\r\n", HISTORY_OK, DRIVER_NO_ERROR},
        {"-READONLY You can't write against a read only replica.\r\n", HISTORY_FAIL,
         DRIVER_READ_ONLY},
        {"-NOREPLICAS Not enough good replicas to write.\r\n", HISTORY_FAIL,
         DRIVER_REFUSED},
        {"-LOADING Redis is loading the dataset in memory\r\n", HISTORY_FAIL,
         DRIVER_REFUSED},
        {"-WRONGTYPE Operation against a key\r\n", HISTORY_FAIL, DRIVER_REFUSED},
        {"-ERR unknown command 'APPEND'\r\n", HISTORY_FAIL, DRIVER_REFUSED},
        {"-ERR Connection timed out\r\n", HISTORY_INFO, DRIVER_UNCLEAR},
        {"-READONLYISH is another word\r\n", HISTORY_INFO, DRIVER_UNCLEAR},
        {"-WHATEVER nobody knows\r\n", HISTORY_INFO, DRIVER_UNCLEAR},
        {"+OK\r\n", HISTORY_INFO, DRIVER_UNCLEAR},
        {"$2\r\nhi\r\n", HISTORY_INFO, DRIVER_UNCLEAR},
    };
    enum { N = sizeof answers / sizeof *answers };
    struct fake_step steps[N];
    for (size_t i = 0; i < N; i++)
        steps[i] = says(answers[i].text);
    serve(steps, N);
    for (size_t i = 0; i < N; i++) {
        client_fixture_write(&fixture, HISTORY_APPEND, 3, 17);
        expect(answers[i].write, answers[i].error);
        cr_expect(fixture.outcome.reusable);
    }
    cr_expect_eq(server.accepted, 1);
    cr_expect_str_eq(server.requests[0],
                     "*3\r\n$6\r\nAPPEND\r\n$15\r\nnetsplit_test:3\r\n$3\r\n17,\r\n");
    end();
}

Test(driver_resp, a_write_is_ok_when_so_many_replicas_have_it_and_else_in_doubt)
{
    static const struct answer answers[] = {
        {":2\r\n", HISTORY_OK, DRIVER_NO_ERROR},
        {":3\r\n", HISTORY_OK, DRIVER_NO_ERROR},
        {":1\r\n", HISTORY_INFO, DRIVER_UNCLEAR},
        {"-ERR unknown command 'WAIT'\r\n", HISTORY_INFO, DRIVER_UNCLEAR},
        {"-NOREPLICAS whatever\r\n", HISTORY_INFO, DRIVER_UNCLEAR},
    };
    enum { N = sizeof answers / sizeof *answers };
    struct fake_step steps[2 * N + 1];
    for (size_t i = 0; i < N; i++) {
        steps[2 * i] = says(":4\r\n");
        steps[2 * i + 1] = says(answers[i].text);
    }
    steps[2 * N] = says("-NOREPLICAS Not enough good replicas to write.\r\n");
    client_fixture_init(&fixture, "resp");
    fake_server_init(&server, &fixture.loop, steps, 2 * N + 1);
    client_fixture_open(&fixture, server.port, HISTORY_APPEND, 0, "redis://?wait=2");
    for (size_t i = 0; i < N; i++) {
        client_fixture_write(&fixture, HISTORY_APPEND, 3, 17);
        expect(answers[i].write, answers[i].error);
    }
    cr_expect_str_eq(server.requests[1], "*3\r\n$4\r\nWAIT\r\n$1\r\n2\r\n$1\r\n0\r\n");
    client_fixture_write(&fixture, HISTORY_APPEND, 3, 17);
    expect(HISTORY_FAIL, DRIVER_REFUSED); /* what was not done is not waited for */
    end();
}

Test(driver_resp, a_setting_is_a_wait_of_one_to_nine_or_none)
{
    static const char *const good[] = {"", "redis://", "redis://?wait=1",
                                       "redis://?wait=9"};
    static const char *const bad[] = {
        "redis://?wait=0",  "redis://?wait=", "wait=1",           "redis://?wait=12",
        "redis://?wait=-1", "redis://host",   "redis://?wait=1&x"};
    const struct driver *driver = driver_find("resp", NULL);
    struct errmsg err = {""};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        cr_expect_eq(driver_check(driver, good[i], &err), 0, "%s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect_neq(driver_check(driver, bad[i], &err), 0, "%s", bad[i]);
}

Test(driver_resp, reads_lists_integers_and_nothing)
{
    struct fake_step steps[] = {
        says("$10\r\n3,17,-4,5,\r\n"),
        says("$2\r\n17\r\n"),
        says("$-1\r\n"),
        says("$0\r\n\r\n"),
    };
    serve(steps, 4);
    client_fixture_read(&fixture, 0);
    expect(HISTORY_OK, DRIVER_NO_ERROR);
    cr_assert_eq(fixture.outcome.value.kind, HISTORY_LIST);
    cr_assert_eq(fixture.outcome.value.list.n, 4);
    cr_expect_eq(fixture.items[1], 17);
    cr_expect_eq(fixture.items[2], -4);
    client_fixture_read(&fixture, 0);
    cr_expect_eq(fixture.outcome.value.kind, HISTORY_INTEGER);
    cr_expect_eq(fixture.outcome.value.integer, 17);
    client_fixture_read(&fixture, 0);
    cr_expect_eq(fixture.outcome.value.kind, HISTORY_NIL);
    client_fixture_read(&fixture, 0);
    cr_expect_eq(fixture.outcome.value.kind, HISTORY_NIL);
    end();
}

Test(driver_resp, fails_a_read_of_something_else)
{
    struct fake_step steps[] = {
        says("$5\r\n3,17 \r\n"), says("$4\r\n3,17\r\n"),
        says("$5\r\nhello\r\n"), says("$2\r\n3,\r\n"),
        says("-WHATEVER\r\n"),   says("$21\r\n99999999999999999999,\r\n"),
    };
    serve(steps, 6);
    for (size_t i = 0; i < 6; i++) {
        client_fixture_read(&fixture, 0);
        if (i == 3)
            expect(HISTORY_OK, DRIVER_NO_ERROR); /* the one that is a list */
        else
            expect(HISTORY_FAIL, DRIVER_UNCLEAR);
    }
    end();
}

Test(driver_resp, says_fail_when_the_connection_is_refused)
{
    int fd;
    client_fixture_init(&fixture, "resp");
    client_fixture_open(&fixture, fake_refusing_port(&fd), HISTORY_APPEND, 0, "");
    client_fixture_write(&fixture, HISTORY_APPEND, 0, 1);
    expect(HISTORY_FAIL, DRIVER_UNREACHABLE);
    cr_expect_not(fixture.outcome.reusable);
    cr_assert_eq(client_fixture_close(&fixture), 0);
    close(fd);
}

Test(driver_resp, says_info_for_a_write_whose_answer_never_came)
{
    static const struct fake_step ways[] = {
        {.action = FAKE_RESET},
        {.action = FAKE_CLOSE},
        {.action = FAKE_CLOSE, .text = ":4"}, /* half an answer */
        {.action = FAKE_RESET, .text = ":4"},
        {.action = FAKE_ANSWER, .text = "HTTP/1.1 400 Bad Request\r\n"},
        {.action = FAKE_ANSWER, .text = ":4\r\n:5\r\n"}, /* which of them? */
    };
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        serve(&ways[i], 1);
        client_fixture_write(&fixture, HISTORY_APPEND, 0, 1);
        expect(HISTORY_INFO, DRIVER_LOST);
        cr_expect_not(fixture.outcome.reusable);
        cr_expect_eq(fixture.answers, 1);
        end();
    }
}

Test(driver_resp, says_ok_when_the_answer_came_before_the_reset)
{
    static const struct fake_step ways[] = {
        {.action = FAKE_CLOSE, .text = ":4\r\n"},
        {.action = FAKE_RESET, .text = ":4\r\n"},
    };
    for (size_t i = 0; i < 2; i++) {
        serve(&ways[i], 1);
        client_fixture_write(&fixture, HISTORY_APPEND, 0, 1);
        expect(HISTORY_OK, DRIVER_NO_ERROR);
        end();
    }
}

Test(driver_resp, says_fail_for_a_read_whose_answer_never_came)
{
    static const struct fake_step way = {.action = FAKE_RESET};
    serve(&way, 1);
    client_fixture_read(&fixture, 0);
    expect(HISTORY_FAIL, DRIVER_LOST);
    cr_expect_not(fixture.outcome.reusable);
    end();
}

Test(driver_resp, gives_up_at_the_deadline)
{
    static const struct fake_step hang[] = {{.action = FAKE_HANG},
                                            {.action = FAKE_HANG}};
    struct history_value seventeen = {.kind = HISTORY_INTEGER, .integer = 17};
    serve(hang, 2);
    uint64_t start_ns = now_ns();
    client_fixture_ask(&fixture, HISTORY_APPEND, 0, seventeen, 30 * NS_PER_MS);
    expect(HISTORY_INFO, DRIVER_TIMEOUT);
    cr_expect_geq(now_ns() - start_ns, 29 * NS_PER_MS); /* not before it */
    cr_expect_not(fixture.outcome.reusable);
    client_fixture_drop(&fixture);
    client_fixture_open(&fixture, server.port, HISTORY_APPEND, 0, "");
    client_fixture_ask(&fixture, HISTORY_READ, 0, (struct history_value){0},
                       30 * NS_PER_MS);
    expect(HISTORY_FAIL, DRIVER_TIMEOUT);
    end();
}

Test(driver_resp, connects_anew_after_the_server_closed_while_nothing_was_asked)
{
    static const struct fake_step steps[] = {
        {.action = FAKE_CLOSE, .text = ":4\r\n"},
        {.action = FAKE_ANSWER, .text = ":8\r\n"},
    };
    serve(steps, 2);
    client_fixture_write(&fixture, HISTORY_APPEND, 0, 1);
    expect(HISTORY_OK, DRIVER_NO_ERROR);
    for (int i = 0; i < 20; i++) /* hears of the end */
        (void)uv_run(&fixture.loop, UV_RUN_NOWAIT);
    client_fixture_write(&fixture, HISTORY_APPEND, 0, 2);
    expect(HISTORY_OK, DRIVER_NO_ERROR);
    cr_expect_eq(server.accepted, 2);
    end();
}

Test(driver_resp, leaves_a_server_that_speaks_unasked)
{
    struct fake_step steps[] = {says(":4\r\n"), says(":8\r\n")};
    serve(steps, 2);
    client_fixture_write(&fixture, HISTORY_APPEND, 0, 1);
    fake_server_say(&server, ":99\r\n"); /* not the answer to what comes next */
    for (int i = 0; i < 20; i++)
        (void)uv_run(&fixture.loop, UV_RUN_NOWAIT);
    client_fixture_write(&fixture, HISTORY_APPEND, 0, 2);
    expect(HISTORY_OK, DRIVER_NO_ERROR);
    cr_expect_eq(server.accepted, 2);
    end();
}

Test(driver_resp, never_calls_back_after_close)
{
    struct fake_step steps[] = {says(":4\r\n")};
    serve(steps, 1);
    struct driver_operation append = {
        .f = HISTORY_APPEND,
        .value = {.kind = HISTORY_INTEGER, .integer = 1},
    };
    driver_invoke(fixture.client, &append, NS_PER_S, NULL, NULL); /* a call crashes */
    client_fixture_drop(&fixture);
    end();
}

Test(driver_resp, compares_and_sets)
{
    struct fake_step steps[] = {
        says(":1\r\n"),
        says(":0\r\n"),
        says("-ERR unknown command 'CAS'\r\n"),
        says("+OK\r\n"),
    };
    static const enum driver_error errors[] = {DRIVER_NO_ERROR, DRIVER_CONFLICT,
                                               DRIVER_REFUSED};
    struct history_value pair = {.kind = HISTORY_PAIR, .pair = {.from = 3, .to = 4}};
    serve(steps, 4);
    for (size_t i = 0; i < 3; i++) {
        client_fixture_ask(&fixture, HISTORY_CAS, 1, pair, NS_PER_S);
        expect(i == 0 ? HISTORY_OK : HISTORY_FAIL, errors[i]);
    }
    client_fixture_write(&fixture, HISTORY_WRITE, 1, 9);
    expect(HISTORY_OK, DRIVER_NO_ERROR);
    cr_expect_str_eq(server.requests[3],
                     "*3\r\n$3\r\nSET\r\n$15\r\nnetsplit_test:1\r\n$1\r\n9\r\n");
    end();
}

Test(driver_resp, deletes_every_key_before_and_after)
{
    struct fake_step steps[] = {
        says(":1\r\n:0\r\n:1\r\n"),
        says(":1\r\n-READONLY no\r\n:1\r\n"),
    };
    serve(steps, 2);
    client_fixture_setup(&fixture, 3);
    expect(HISTORY_OK, DRIVER_NO_ERROR);
    client_fixture_teardown(&fixture, 3);
    expect(HISTORY_FAIL, DRIVER_READ_ONLY);
    cr_expect_str_eq(fixture.text, "READONLY no");
    end();
}
