/* SPDX-License-Identifier: MIT */
#include "proxy/base/now.h"
#include "tests/lib/fake_server.h"
#include "tests/scenarios/client_fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

TestSuite(driver_postgres, .timeout = 60); /* what waits for ever ends */

/* What the server says, in the messages of PostgreSQL's protocol 3. */
struct wire {
    char bytes[1024];
    size_t n;
};

static void add(struct wire *wire, char type, const void *body, size_t length)
{
    cr_assert_leq(wire->n + 5 + length, sizeof wire->bytes);
    char *at = wire->bytes + wire->n;
    uint32_t total = (uint32_t)length + 4;
    at[0] = type;
    for (int i = 0; i < 4; i++)
        at[1 + i] = (char)(total >> (24 - 8 * i) & 0xff);
    if (length > 0)
        memcpy(at + 5, body, length);
    wire->n += 5 + length;
}

/* AuthenticationOk, BackendKeyData of process 4711, ReadyForQuery. */
static void add_welcome(struct wire *wire)
{
    add(wire, 'R', "\0\0\0\0", 4);
    add(wire, 'K', "\0\0\x12\x67\0\0\0\x01", 8);
    add(wire, 'Z', "I", 1);
}

static void add_prepared(struct wire *wire)
{
    add(wire, '1', NULL, 0);
    add(wire, '2', NULL, 0);
}

/* ErrorResponse ('E') or NoticeResponse ('N'). */
static void add_problem(struct wire *wire, char type, const char *severity,
                        const char *sqlstate)
{
    char body[200];
    int length = snprintf(body, sizeof body, "S%s%cV%s%cC%s%cMthat is so%c", severity,
                          0, severity, 0, sqlstate, 0, 0);
    body[length] = '\0';
    add(wire, type, body, (size_t)length + 1);
}

static void add_complete(struct wire *wire, const char *tag)
{
    add(wire, 'C', tag, strlen(tag) + 1);
}

static void add_ready(struct wire *wire)
{
    add(wire, 'Z', "I", 1);
}

/* One column of text, in one row, or none if text is NULL. */
static void add_row(struct wire *wire, const char *text)
{
    static const char description[] = "\0\x01v\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff"
                                      "\xff\xff\0";
    add(wire, 'T', description, sizeof description);
    if (text) {
        char body[100] = "\0\x01\0\0\0";
        body[5] = (char)strlen(text);
        memcpy(body + 6, text, strlen(text));
        add(wire, 'D', body, 6 + strlen(text));
    }
    add_complete(wire, text ? "SELECT 1" : "SELECT 0");
    add_ready(wire);
}

static struct client_fixture fixture;
static struct fake_server server;
static struct wire welcome;

static struct fake_step step_of(enum fake_action action, const struct wire *wire)
{
    return (struct fake_step){.action = action, .text = wire->bytes, .bytes = wire->n};
}

static void serve(const struct fake_step *steps, size_t n, enum history_f writes)
{
    client_fixture_init(&fixture, "postgres");
    fake_server_init(&server, &fixture.loop, steps, n);
    server.farewell = 'X';
    client_fixture_open(&fixture, server.port, writes, 0, "user=drill dbname=drill");
}

static void end(void)
{
    fake_server_close(&server);
    cr_assert_eq(client_fixture_close(&fixture), 0);
}

static void expect(enum history_type type, enum driver_error error)
{
    cr_expect_eq(fixture.outcome.type, type, "%s", fixture.text);
    cr_expect_eq(fixture.outcome.error, error, "%d %s", fixture.outcome.error,
                 fixture.text);
    cr_expect_eq(fixture.outcome.text == NULL, type == HISTORY_OK);
}

/* An append, answered as the step says. */
static void append_once(enum fake_action action, const struct wire *answer)
{
    welcome.n = 0;
    add_welcome(&welcome);
    struct fake_step steps[] = {step_of(FAKE_ANSWER, &welcome),
                                step_of(action, answer)};
    serve(steps, 2, HISTORY_APPEND);
    client_fixture_write(&fixture, HISTORY_APPEND, 3, 17);
    cr_expect_eq(fixture.answers, 1);
}

Test(driver_postgres, appends_in_one_statement)
{
    struct wire answer = {.n = 0};
    add_prepared(&answer);
    add(&answer, 'n', NULL, 0);
    add_complete(&answer, "INSERT 0 1");
    add_ready(&answer);
    append_once(FAKE_ANSWER, &answer);
    expect(HISTORY_OK, DRIVER_NO_ERROR);
    cr_expect(fixture.outcome.reusable);
    cr_expect(
        memmem(server.requests[1], server.request_bytes[1], "netsplit_test.lists", 19));
    cr_expect(memmem(server.requests[1], server.request_bytes[1], "17,", 3));
    end();
}

Test(driver_postgres, judges_each_error_by_its_sqlstate)
{
    static const struct {
        const char *sqlstate;
        enum history_type type;
        enum driver_error error;
    } rows[] = {
        {"25006", HISTORY_FAIL, DRIVER_READ_ONLY},
        {"40001", HISTORY_FAIL, DRIVER_REFUSED},
        {"40P01", HISTORY_FAIL, DRIVER_REFUSED},
        {"42P01", HISTORY_FAIL, DRIVER_REFUSED},
        {"23505", HISTORY_FAIL, DRIVER_REFUSED},
        {"53100", HISTORY_FAIL, DRIVER_REFUSED},
        {"57P03", HISTORY_FAIL, DRIVER_REFUSED},
        {"40003", HISTORY_INFO, DRIVER_UNCLEAR},
        {"57014", HISTORY_INFO, DRIVER_UNCLEAR},
        {"08006", HISTORY_INFO, DRIVER_UNCLEAR},
        {"XX000", HISTORY_INFO, DRIVER_UNCLEAR},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct wire answer = {.n = 0};
        add_problem(&answer, 'E', "ERROR", rows[i].sqlstate);
        add_ready(&answer);
        append_once(FAKE_ANSWER, &answer);
        expect(rows[i].type, rows[i].error);
        cr_expect(fixture.outcome.reusable);
        cr_expect_eq(strncmp(fixture.text, rows[i].sqlstate, 5), 0, "%s", fixture.text);
        end();
    }
}

Test(driver_postgres, says_info_for_a_commit_that_was_only_local)
{
    static const char *const sqlstates[] = {"01000", "57P01"};
    for (size_t i = 0; i < 2; i++) {
        struct wire answer = {.n = 0};
        add_prepared(&answer);
        add(&answer, 'n', NULL, 0);
        add_complete(&answer, "INSERT 0 1");
        add_problem(&answer, 'N', "WARNING", sqlstates[i]);
        add_ready(&answer);
        append_once(FAKE_ANSWER, &answer);
        expect(HISTORY_INFO, DRIVER_UNCLEAR);
        cr_expect_eq(strncmp(fixture.text, sqlstates[i], 5), 0);
        end();
    }
}

Test(driver_postgres, takes_no_notice_of_notices)
{
    struct wire answer = {.n = 0};
    add_prepared(&answer);
    add(&answer, 'n', NULL, 0);
    add_problem(&answer, 'N', "NOTICE", "00000");
    add_complete(&answer, "INSERT 0 1");
    add_ready(&answer);
    append_once(FAKE_ANSWER, &answer);
    expect(HISTORY_OK, DRIVER_NO_ERROR);
    end();
}

Test(driver_postgres, says_info_when_the_server_ended_the_session)
{
    struct wire answer = {.n = 0};
    add_problem(&answer, 'E', "FATAL", "57P01");
    for (int reset = 0; reset < 2; reset++) {
        append_once(reset ? FAKE_RESET : FAKE_CLOSE, &answer);
        expect(HISTORY_INFO, DRIVER_LOST);
        cr_expect_not(fixture.outcome.reusable);
        end();
    }
}

Test(driver_postgres, says_info_unless_the_server_was_ready_again)
{
    struct wire answer = {.n = 0};
    add_prepared(&answer);
    add(&answer, 'n', NULL, 0);
    add_complete(&answer, "INSERT 0 1"); /* said before it is committed */
    append_once(FAKE_CLOSE, &answer);
    expect(HISTORY_INFO, DRIVER_LOST);
    end();
    append_once(FAKE_RESET, &answer);
    expect(HISTORY_INFO, DRIVER_LOST);
    end();
}

Test(driver_postgres, says_info_for_a_write_whose_answer_never_came)
{
    struct wire half = {.bytes = "1\0\0", .n = 3}, nothing = {.n = 0};
    struct wire garbage = {.bytes = "HTTP/1.1 400 Bad Request\r\n\r\n", .n = 28};
    const struct wire *const said[] = {&half, &nothing, &garbage};
    for (size_t i = 0; i < 3; i++)
        for (int reset = 0; reset < 2; reset++) {
            append_once(reset ? FAKE_RESET : FAKE_CLOSE, said[i]);
            expect(HISTORY_INFO, DRIVER_LOST);
            cr_expect_not(fixture.outcome.reusable);
            end();
        }
}

Test(driver_postgres, says_fail_when_no_session_came_about)
{
    struct wire refusal = {.n = 0}, nothing = {.n = 0};
    struct wire garbage = {.bytes = "HTTP/1.1 400 Bad Request\r\n\r\n", .n = 28};
    add_problem(&refusal, 'E', "FATAL", "57P03");
    const struct wire *const said[] = {&refusal, &nothing, &garbage};
    for (size_t i = 0; i < 3; i++)
        for (int reset = 0; reset < 2; reset++) {
            struct fake_step step = step_of(reset ? FAKE_RESET : FAKE_CLOSE, said[i]);
            serve(&step, 1, HISTORY_APPEND);
            client_fixture_write(&fixture, HISTORY_APPEND, 0, 1);
            expect(HISTORY_FAIL, DRIVER_UNREACHABLE);
            end();
        }
}

Test(driver_postgres, says_fail_when_the_connection_is_refused_or_never_greeted)
{
    int fd;
    client_fixture_init(&fixture, "postgres");
    client_fixture_open(&fixture, fake_refusing_port(&fd), HISTORY_APPEND, 0, "");
    client_fixture_write(&fixture, HISTORY_APPEND, 0, 1);
    expect(HISTORY_FAIL, DRIVER_UNREACHABLE);
    cr_assert_eq(client_fixture_close(&fixture), 0);
    close(fd);

    struct history_value one = {.kind = HISTORY_INTEGER, .integer = 1};
    serve(NULL, 0, HISTORY_APPEND);
    client_fixture_ask(&fixture, HISTORY_APPEND, 0, one, 40 * NS_PER_MS);
    expect(HISTORY_FAIL, DRIVER_UNREACHABLE);
    cr_expect_str_eq(fixture.text, "no connection by the deadline");
    end();
}

Test(driver_postgres, cancels_what_it_abandons_past_the_proxy)
{
    struct history_value one = {.kind = HISTORY_INTEGER, .integer = 1};
    struct wire done = {.n = 0};
    welcome.n = 0;
    add_welcome(&welcome);
    add_prepared(&done);
    add_row(&done, "t");
    struct fake_step hang[] = {step_of(FAKE_ANSWER, &welcome), {.action = FAKE_HANG}};
    struct fake_step cancel[] = {step_of(FAKE_ANSWER, &welcome),
                                 step_of(FAKE_ANSWER, &done)};
    static struct fake_server direct;
    client_fixture_init(&fixture, "postgres");
    fake_server_init(&server, &fixture.loop, hang, 2);
    fake_server_init(&direct, &fixture.loop, cancel, 2);
    direct.farewell = server.farewell = 'X';
    client_fixture_open(&fixture, server.port, HISTORY_APPEND, direct.port, "user=u");
    client_fixture_ask(&fixture, HISTORY_APPEND, 0, one, 60 * NS_PER_MS);
    expect(HISTORY_INFO, DRIVER_TIMEOUT);
    while (direct.taken < 2)
        (void)uv_run(&fixture.loop, UV_RUN_ONCE);
    cr_expect(
        memmem(direct.requests[1], direct.request_bytes[1], "pg_cancel_backend", 17));
    cr_expect(memmem(direct.requests[1], direct.request_bytes[1], "4711", 4));
    fake_server_close(&direct);
    end();
}

Test(driver_postgres, gives_up_a_cancel_that_is_not_answered)
{
    struct history_value one = {.kind = HISTORY_INTEGER, .integer = 1};
    welcome.n = 0;
    add_welcome(&welcome);
    struct fake_step hang[] = {step_of(FAKE_ANSWER, &welcome), {.action = FAKE_HANG}};
    client_fixture_init(&fixture, "postgres");
    fake_server_init(&server, &fixture.loop, hang, 2);
    client_fixture_open(&fixture, server.port, HISTORY_APPEND, server.port, "user=u");
    client_fixture_ask(&fixture, HISTORY_APPEND, 0, one, 60 * NS_PER_MS);
    expect(HISTORY_INFO, DRIVER_TIMEOUT);
    while (server.accepted < 2)
        (void)uv_run(&fixture.loop, UV_RUN_ONCE);
    end(); /* returns when the loop is empty */
}

Test(driver_postgres, reads_what_each_workload_wrote)
{
    static const struct {
        enum history_f writes;
        const char *row, *table;
        enum history_kind kind;
    } rows[] = {
        {HISTORY_APPEND, "3,17,", "netsplit_test.lists", HISTORY_LIST},
        {HISTORY_ADD, "3,17,", "netsplit_test.sets", HISTORY_LIST},
        {HISTORY_ADD, "", "netsplit_test.sets", HISTORY_NIL},
        {HISTORY_WRITE, "17", "netsplit_test.registers", HISTORY_INTEGER},
        {HISTORY_WRITE, NULL, "netsplit_test.registers", HISTORY_NIL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct wire answer = {.n = 0};
        welcome.n = 0;
        add_welcome(&welcome);
        add_prepared(&answer);
        add_row(&answer, rows[i].row);
        struct fake_step steps[] = {step_of(FAKE_ANSWER, &welcome),
                                    step_of(FAKE_ANSWER, &answer)};
        serve(steps, 2, rows[i].writes);
        client_fixture_read(&fixture, 5);
        expect(HISTORY_OK, DRIVER_NO_ERROR);
        cr_expect_eq(fixture.outcome.value.kind, rows[i].kind);
        cr_expect(memmem(server.requests[1], server.request_bytes[1], rows[i].table,
                         strlen(rows[i].table)));
        end();
    }
}

Test(driver_postgres, says_fail_for_reads_that_came_to_nothing)
{
    struct wire answer = {.n = 0};
    welcome.n = 0;
    add_welcome(&welcome);
    add_prepared(&answer);
    add_row(&answer, "3,x,");
    struct fake_step steps[] = {step_of(FAKE_ANSWER, &welcome),
                                step_of(FAKE_ANSWER, &answer),
                                {.action = FAKE_RESET}};
    serve(steps, 3, HISTORY_APPEND);
    client_fixture_read(&fixture, 5);
    expect(HISTORY_FAIL, DRIVER_UNCLEAR);
    client_fixture_read(&fixture, 5);
    expect(HISTORY_FAIL, DRIVER_LOST);
    end();
}

Test(driver_postgres, knows_a_cas_that_found_another_value)
{
    struct history_value pair = {.kind = HISTORY_PAIR, .pair = {.from = 3, .to = 4}};
    struct wire answer = {.n = 0};
    welcome.n = 0;
    add_welcome(&welcome);
    add_prepared(&answer);
    add(&answer, 'n', NULL, 0);
    add_complete(&answer, "UPDATE 0");
    add_ready(&answer);
    struct fake_step steps[] = {step_of(FAKE_ANSWER, &welcome),
                                step_of(FAKE_ANSWER, &answer)};
    serve(steps, 2, HISTORY_WRITE);
    client_fixture_ask(&fixture, HISTORY_CAS, 1, pair, NS_PER_S);
    expect(HISTORY_FAIL, DRIVER_CONFLICT);
    end();
}

Test(driver_postgres, connects_anew_after_the_server_closed_while_nothing_was_asked)
{
    struct wire answer = {.n = 0};
    add_prepared(&answer);
    add(&answer, 'n', NULL, 0);
    add_complete(&answer, "INSERT 0 1");
    add_ready(&answer);
    welcome.n = 0;
    add_welcome(&welcome);
    struct fake_step steps[] = {
        step_of(FAKE_ANSWER, &welcome), step_of(FAKE_CLOSE, &answer),
        step_of(FAKE_ANSWER, &welcome), step_of(FAKE_ANSWER, &answer)};
    serve(steps, 4, HISTORY_APPEND);
    client_fixture_write(&fixture, HISTORY_APPEND, 0, 1);
    expect(HISTORY_OK, DRIVER_NO_ERROR);
    for (int i = 0; i < 20; i++) /* hears of the end */
        (void)uv_run(&fixture.loop, UV_RUN_NOWAIT);
    client_fixture_write(&fixture, HISTORY_APPEND, 0, 2);
    expect(HISTORY_OK, DRIVER_NO_ERROR);
    cr_expect_eq(server.accepted, 2);
    end();
}
