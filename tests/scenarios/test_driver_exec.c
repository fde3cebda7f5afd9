/* SPDX-License-Identifier: MIT */
/* Programs in sh, which are asked through the driver. Each begins with these words: ask
 * reads a line and its op, say answers it. */
#include "proxy/base/now.h"
#include "scenarios/drivers/exec_line.h"
#include "tests/scenarios/client_fixture.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(driver_exec, .timeout = 60); /* what waits for ever ends */

static const char words[] =
    "ask() { IFS= read -r line || exit 0; op=${line#*'\"op\":'}; op=${op%%,*}; }\n"
    "say() { printf '{\"op\":%s,%s}\\n' \"$op\" \"$1\"; }\n"
    "ok='\"type\":\"ok\"'\n";

static struct client_fixture fixture;

static void open_program(const char *script, enum history_f writes)
{
    char whole[8192];
    (void)snprintf(whole, sizeof whole, "%s%s", words, script);
    json_t *list = json_pack("[s, s, s]", "sh", "-euc", whole);
    char *setting = json_dumps(list, JSON_COMPACT);
    client_fixture_open(&fixture, 4711, writes, 0, setting);
    free(setting);
    json_decref(list);
}

static void begin(const char *script, enum history_f writes)
{
    client_fixture_init(&fixture, "exec");
    fixture.program.log_fd = memfd_create("log", MFD_CLOEXEC);
    open_program(script, writes);
}

static void end(void)
{
    cr_assert_eq(client_fixture_close(&fixture), 0);
    (void)close(fixture.program.log_fd); /* only read from here on */
}

static const char *read_log(void)
{
    static char text[65536];
    ssize_t n = pread(fixture.program.log_fd, text, sizeof text - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

/* Until its log has the text: it is written at some moment. */
static void await_log(const char *text)
{
    while (!strstr(read_log(), text))
        (void)uv_run(&fixture.loop, UV_RUN_ONCE);
}

static void expect(enum history_type type, enum driver_error error)
{
    cr_expect_eq(fixture.outcome.type, type, "%s", fixture.text);
    cr_expect_eq(fixture.outcome.error, error, "%s: %s", driver_error_name(error),
                 fixture.text);
    cr_expect_eq(fixture.outcome.text == NULL, type == HISTORY_OK);
}

/* Blocks until the process has ended; the test's time limit is the failure. */
static void await_end_of(int pid)
{
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (pidfd < 0)
        return; /* gone and reaped */
    struct pollfd ended = {.fd = pidfd, .events = POLLIN};
    cr_assert_eq(poll(&ended, 1, -1), 1);
    (void)close(pidfd); /* nothing was written */
}

Test(driver_exec, asks_with_one_line_and_keeps_the_program)
{
    static const struct history_value pair = {.kind = HISTORY_PAIR, .pair = {2, 3}};
    begin("while ask; do printf '%s\\n' \"$line\" >&2; say '\"type\":\"info\"'; done",
          HISTORY_WRITE);
    client_fixture_ask(&fixture, HISTORY_CAS, 1, pair, NS_PER_S);
    client_fixture_ask(&fixture, HISTORY_READ, 7, (struct history_value){0}, NS_PER_S);
    client_fixture_setup(&fixture, 20);
    client_fixture_teardown(&fixture, 20);
#define WHERE                                                                          \
    ",\"node\":\"n1\",\"host\":\"127.0.0.1\",\"port\":4711,"                           \
    "\"schema\":\"netsplit_test\",\"writes\":\"write\",\"deadline_ms\":"
    await_log("\"op\":4");
    cr_expect_str_eq(
        read_log(),
        "n1: {\"op\":1,\"process\":0,\"f\":\"cas\",\"key\":1,\"value\":[2,3]" WHERE
        "1000}\n"
        "n1: {\"op\":2,\"process\":0,\"f\":\"read\",\"key\":7,\"value\":null" WHERE
        "1000}\n"
        "n1: {\"op\":3,\"f\":\"setup\",\"keys\":20" WHERE "10000}\n"
        "n1: {\"op\":4,\"f\":\"teardown\",\"keys\":20" WHERE "10000}\n");
    end();
}

Test(driver_exec, runs_the_program_in_the_directory_that_is_named)
{
    client_fixture_init(&fixture, "exec");
    fixture.program.directory = "/usr";
    open_program("ask; say \"$ok,\\\"error\\\":\\\"x\\\"\"; [ \"$(pwd)\" = /usr ]; "
                 "ask; say \"$ok\"",
                 HISTORY_APPEND);
    client_fixture_write(&fixture, HISTORY_APPEND, 0, 1);
    client_fixture_write(&fixture, HISTORY_APPEND, 0, 2);
    expect(HISTORY_OK, DRIVER_NO_ERROR);
    cr_assert_eq(client_fixture_close(&fixture), 0);
}

struct answer {
    const char *text;
    enum history_type type;
    enum driver_error error;
};

/* Asks once for each answer, of one program. */
static void expect_answers(enum history_f f, const struct answer *answers, size_t n)
{
    static const struct history_value pair = {.kind = HISTORY_PAIR, .pair = {2, 3}};
    char script[4096] = "";
    for (size_t i = 0; i < n; i++) {
        size_t length = strlen(script);
        (void)snprintf(script + length, sizeof script - length, "ask; say '%s'\n",
                       answers[i].text);
    }
    begin(script, HISTORY_WRITE);
    for (size_t i = 0; i < n; i++) {
        client_fixture_ask(&fixture, f, 3,
                           f == HISTORY_CAS ? pair : (struct history_value){0},
                           5 * NS_PER_S);
        expect(answers[i].type, answers[i].error);
        cr_expect(fixture.outcome.reusable, "%s", answers[i].text);
    }
    end();
}

Test(driver_exec, takes_the_type_and_the_word_that_the_error_begins_with)
{
    static const struct answer writes[] = {
        {"\"type\":\"ok\"", HISTORY_OK, DRIVER_NO_ERROR},
        {"\"type\":\"ok\",\"version\":9", HISTORY_OK, DRIVER_NO_ERROR},
        {"\"type\":\"fail\"", HISTORY_FAIL, DRIVER_REFUSED},
        {"\"type\":\"fail\",\"error\":\"read-only\"", HISTORY_FAIL, DRIVER_READ_ONLY},
        {"\"type\":\"fail\",\"error\":\"read-only: go away\"", HISTORY_FAIL,
         DRIVER_READ_ONLY},
        {"\"type\":\"fail\",\"error\":\"read-onlyish\"", HISTORY_FAIL, DRIVER_REFUSED},
        {"\"type\":\"fail\",\"error\":\"unreachable\"", HISTORY_FAIL,
         DRIVER_UNREACHABLE},
        {"\"type\":\"fail\",\"error\":\"timeout\"", HISTORY_FAIL, DRIVER_REFUSED},
        {"\"type\":\"info\",\"error\":\"timeout\"", HISTORY_INFO, DRIVER_TIMEOUT},
        {"\"type\":\"info\",\"error\":\"connection-lost\"", HISTORY_INFO, DRIVER_LOST},
        {"\"type\":\"info\",\"error\":\"read-only\"", HISTORY_INFO, DRIVER_UNCLEAR},
        {"\"type\":\"info\"", HISTORY_INFO, DRIVER_UNCLEAR},
        {"\"value\":null", HISTORY_INFO, DRIVER_UNCLEAR}, /* the default */
    };
    static const struct answer cases[] = {
        {"\"type\":\"fail\"", HISTORY_FAIL, DRIVER_CONFLICT},
        {"\"type\":\"fail\",\"error\":\"conflict: 9\"", HISTORY_FAIL, DRIVER_CONFLICT},
        {"\"type\":\"fail\",\"error\":\"full\"", HISTORY_FAIL, DRIVER_REFUSED},
    };
    static const struct answer reads[] = {
        {"\"type\":\"info\"", HISTORY_FAIL, DRIVER_UNCLEAR},
        {"\"type\":\"info\",\"error\":\"timeout\"", HISTORY_FAIL, DRIVER_TIMEOUT},
        {"\"type\":\"fail\",\"error\":\"loading\"", HISTORY_FAIL, DRIVER_REFUSED},
    };
    expect_answers(HISTORY_WRITE, writes, sizeof writes / sizeof *writes);
    expect_answers(HISTORY_CAS, cases, sizeof cases / sizeof *cases);
    expect_answers(HISTORY_READ, reads, sizeof reads / sizeof *reads);
}

Test(driver_exec, reads_lists_integers_and_nothing)
{
    begin(
        "ask; say \"$ok,\\\"value\\\":[3,17,-4]\"; ask; say \"$ok,\\\"value\\\":[]\"; "
        "ask; say \"$ok,\\\"value\\\":null\"",
        HISTORY_APPEND);
    client_fixture_read(&fixture, 0);
    expect(HISTORY_OK, DRIVER_NO_ERROR);
    cr_assert_eq(fixture.outcome.value.kind, HISTORY_LIST);
    cr_assert_eq(fixture.outcome.value.list.n, 3);
    cr_expect_eq(fixture.items[1], 17);
    cr_expect_eq(fixture.items[2], -4);
    client_fixture_read(&fixture, 0);
    cr_assert_eq(fixture.outcome.value.kind, HISTORY_LIST);
    cr_expect_eq(fixture.outcome.value.list.n, 0);
    client_fixture_read(&fixture, 0);
    cr_expect_eq(fixture.outcome.value.kind, HISTORY_NIL);
    client_fixture_drop(&fixture);
    open_program("ask; say \"$ok,\\\"value\\\":17\"", HISTORY_WRITE);
    client_fixture_read(&fixture, 0);
    cr_expect_eq(fixture.outcome.value.kind, HISTORY_INTEGER);
    cr_expect_eq(fixture.outcome.value.integer, 17);
    end();
}

static void expect_refused(enum history_f writes, const char *line)
{
    struct driver_target target = {.schema = "s", .writes = writes};
    struct driver_request read = {.operation = {.f = HISTORY_READ}};
    struct exec_answer answer;
    struct errmsg err = {""};
    int e = exec_line_read(line, strlen(line), 7, &target, &read, &answer, &err);
    cr_expect_lt(e, 0, "%s", line);
    cr_expect_neq(err.text[0], '\0', "%s", line);
    exec_answer_close(&answer);
}

Test(driver_exec, refuses_what_is_no_answer_to_what_was_asked)
{
    static const char *const lines[] = {
        "",
        "hello",
        "[7]",
        "{\"op\":7,\"type\":\"ok\",\"val",
        "{\"type\":\"ok\",\"value\":null}",
        "{\"op\":6,\"type\":\"ok\",\"value\":null}",
        "{\"op\":\"7\",\"type\":\"ok\",\"value\":null}",
        "{\"op\":7,\"op\":7,\"type\":\"ok\",\"value\":null}",
        "{\"op\":7,\"type\":\"yes\",\"value\":null}",
        "{\"op\":7,\"type\":1,\"value\":null}",
        "{\"op\":7,\"type\":\"ok\"}",
        "{\"op\":7,\"type\":\"ok\",\"value\":\"3\"}",
        "{\"op\":7,\"type\":\"ok\",\"value\":3}",
        "{\"op\":7,\"type\":\"ok\",\"value\":[3.5]}",
        "{\"op\":7,\"type\":\"ok\",\"value\":[3,null]}",
        "{\"op\":7,\"type\":\"ok\",\"value\":[99999999999999999999]}",
        "{\"op\":7,\"type\":\"ok\",\"value\":[3]} more",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        expect_refused(HISTORY_APPEND, lines[i]);
    expect_refused(HISTORY_WRITE, "{\"op\":7,\"type\":\"ok\",\"value\":[3]}");
}

Test(driver_exec, takes_the_node_that_the_answer_names)
{
    static const char line[] = "{\"op\":7,\"type\":\"ok\",\"node\":\"n2\"}";
    struct driver_target target = {.schema = "s"};
    struct driver_request add = {.operation = {.f = HISTORY_ADD}};
    struct exec_answer answer;
    cr_assert_eq(exec_line_read(line, strlen(line), 7, &target, &add, &answer, NULL),
                 0);
    cr_expect_str_eq(answer.outcome.node, "n2");
    exec_answer_close(&answer);
}

Test(driver_exec, a_write_is_in_doubt_when_the_program_dies_or_talks_nonsense)
{
    static const struct {
        const char *script, *text;
    } rows[] = {
        {"ask; echo oops >&2; exit 7", "ended with status 7: oops"},
        {"ask; exit 0", "ended with status 0"},
        {"ask; kill -KILL $$", "ended by SIGKILL"},
        {"ask; printf '{\"op\":'; exit 1", "ended with status 1"},
        {"ask; printf '{\"op\":\\n'; sleep 60", "no JSON object but \"{\"op\":\""},
        {"ask; printf '\\033[2J\\n'; sleep 60", "no JSON object but \"?[2J\""},
        {"ask; say \"$ok\n{}\"; sleep 60", "more than it was asked"},
        {"ask; op=9; say \"$ok\"; sleep 60", "has not the \"op\" that was asked, 1"},
        {"ask; head -c 17000000 /dev/zero; sleep 60", "does not end its answer"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        begin(rows[i].script, HISTORY_APPEND);
        client_fixture_write(&fixture, HISTORY_APPEND, 0, 1);
        expect(HISTORY_INFO, DRIVER_DEFECT);
        cr_expect_not(fixture.outcome.reusable);
        cr_expect(strstr(fixture.text, rows[i].text), "%s", fixture.text);
        cr_expect(strstr(read_log(), rows[i].text), "%s", read_log());
        end();
    }
}

Test(driver_exec, a_read_has_failed_when_the_program_dies)
{
    begin("ask; exit 7", HISTORY_APPEND);
    client_fixture_read(&fixture, 0);
    expect(HISTORY_FAIL, DRIVER_DEFECT);
    end();
}

Test(driver_exec, what_was_sent_to_nobody_has_failed)
{
    client_fixture_init(&fixture, "exec");
    client_fixture_open(&fixture, 4711, HISTORY_APPEND, 0, "[\"./no-such-program\"]");
    client_fixture_write(&fixture, HISTORY_APPEND, 0, 1);
    expect(HISTORY_FAIL, DRIVER_DEFECT);
    cr_expect(strstr(fixture.text, "./no-such-program: No such file"), "%s",
              fixture.text);
    client_fixture_drop(&fixture);
    open_program("ask; exec <&-; say \"$ok\"; while :; do sleep 60; done",
                 HISTORY_APPEND);
    client_fixture_write(&fixture, HISTORY_APPEND, 0, 1);
    expect(HISTORY_OK, DRIVER_NO_ERROR);
    client_fixture_write(&fixture, HISTORY_APPEND, 0, 2); /* its input is closed */
    expect(HISTORY_FAIL, DRIVER_DEFECT);
    cr_assert_eq(client_fixture_close(&fixture), 0);
}

Test(driver_exec, the_program_and_its_children_end_at_the_deadline)
{
    struct history_value seventeen = {.kind = HISTORY_INTEGER, .integer = 17};
    int pids[2] = {0};
    begin("trap '' TERM; sleep 60 & echo pids $$ $! >&2; ask; say \"$ok\"; ask; wait",
          HISTORY_APPEND);
    client_fixture_write(&fixture, HISTORY_APPEND, 0, 1);
    expect(HISTORY_OK, DRIVER_NO_ERROR);
    await_log("pids");
    cr_assert_eq(sscanf(read_log(), "n1: pids %d %d", &pids[0], &pids[1]), 2);
    client_fixture_ask(&fixture, HISTORY_APPEND, 0, seventeen, 30 * NS_PER_MS);
    expect(HISTORY_INFO, DRIVER_TIMEOUT);
    cr_expect_not(fixture.outcome.reusable);
    await_end_of(pids[0]);
    await_end_of(pids[1]);
    end();
}

Test(driver_exec, waits_for_a_program_that_starts_slowly_and_takes_back_what_it_asked)
{
    struct history_value one = {.kind = HISTORY_INTEGER, .integer = 1};
    int pid = 0;
    begin("echo pid $$ >&2; kill -STOP $$; while ask; do "
          "printf '%s\\n' \"$line\" >&2; say \"$ok\"; done",
          HISTORY_APPEND);
    for (int i = 0; i < 2; i++) {
        client_fixture_ask(&fixture, HISTORY_APPEND, i, one, 30 * NS_PER_MS);
        expect(HISTORY_FAIL, DRIVER_UNREACHABLE);
        cr_expect(fixture.outcome.reusable);
    }
    await_log("pid");
    cr_assert_eq(sscanf(read_log(), "n1: pid %d", &pid), 1);
    cr_assert_eq(waitid(P_PID, (id_t)pid, &(siginfo_t){0}, WSTOPPED), 0);
    cr_assert_eq(kill(pid, SIGCONT), 0);
    client_fixture_write(&fixture, HISTORY_APPEND, 2, 1);
    expect(HISTORY_OK, DRIVER_NO_ERROR);
    await_log("\"op\"");
    cr_expect_null(strstr(read_log(), "\"op\":2"), "%s", read_log());
    cr_expect(strstr(read_log(), "\"op\":3"), "%s", read_log());
    cr_assert_eq(kill(pid, SIGSTOP), 0);
    cr_assert_eq(waitid(P_PID, (id_t)pid, &(siginfo_t){0}, WSTOPPED), 0);
    client_fixture_ask(&fixture, HISTORY_APPEND, 3, one, 30 * NS_PER_MS);
    expect(HISTORY_FAIL, DRIVER_DEFECT);
    cr_expect_not(fixture.outcome.reusable, "it hangs");
    end();
}

#define ENDED "n1: the driver's program ended with status 0\n"

Test(driver_exec, starts_the_program_anew_when_it_ended_while_nothing_was_asked)
{
    begin("ask; say \"$ok\"", HISTORY_APPEND);
    for (int i = 0; i < 2; i++) {
        client_fixture_write(&fixture, HISTORY_APPEND, 0, i);
        expect(HISTORY_OK, DRIVER_NO_ERROR);
        cr_expect(fixture.outcome.reusable);
        await_log(i == 0 ? ENDED : ENDED ENDED);
    }
    end();
}

Test(driver_exec, leaves_a_program_that_speaks_unasked)
{
    int pid = 0;
    begin("trap 'say \"$ok\"' USR1; echo pid $$ >&2; ask; say \"$ok\"; sleep 60 & "
          "while :; do wait; done",
          HISTORY_APPEND);
    client_fixture_write(&fixture, HISTORY_APPEND, 0, 1);
    expect(HISTORY_OK, DRIVER_NO_ERROR);
    await_log("pid");
    cr_assert_eq(sscanf(read_log(), "n1: pid %d", &pid), 1);
    cr_assert_eq(kill(pid, SIGUSR1), 0);
    await_log("talks without being asked");
    client_fixture_write(&fixture, HISTORY_APPEND, 0, 2); /* to another one */
    expect(HISTORY_OK, DRIVER_NO_ERROR);
    end();
}

Test(driver_exec, keeps_only_so_much_of_what_is_written_to_stderr)
{
    begin("ask; yes 'a complaint that does not end' | head -c 3000000 >&2; exit 7",
          HISTORY_APPEND);
    client_fixture_write(&fixture, HISTORY_APPEND, 0, 1);
    expect(HISTORY_INFO, DRIVER_DEFECT);
    cr_expect(strstr(fixture.text, "status 7: a complaint"), "%s", fixture.text);
    off_t bytes = lseek(fixture.program.log_fd, 0, SEEK_END);
    cr_expect_gt(bytes, 1000000);
    cr_expect_lt(bytes, 1400000, "with the node's name before each line");
    end();
}

Test(driver_exec, never_calls_back_after_close)
{
    struct driver_operation append = {
        .f = HISTORY_APPEND,
        .value = {.kind = HISTORY_INTEGER, .integer = 1},
    };
    begin("ask; say \"$ok\"", HISTORY_APPEND);
    driver_invoke(fixture.client, &append, NS_PER_S, NULL, NULL); /* a call crashes */
    client_fixture_drop(&fixture);
    end();
}

Test(driver_exec, a_program_without_a_setup_is_trusted_with_keys_that_hold_nothing)
{
    begin("unknown='\"type\":\"fail\",\"error\":\"unsupported\"'\n"
          "ask; say \"$unknown\"\n"
          "ask; say \"$ok,\\\"value\\\":null\"; ask; say \"$ok,\\\"value\\\":[]\"\n"
          "ask; say \"$unknown\"; printf '%s\\n' \"$line\" >&2",
          HISTORY_APPEND);
    client_fixture_setup(&fixture, 2);
    expect(HISTORY_OK, DRIVER_NO_ERROR);
    client_fixture_teardown(&fixture, 2);
    expect(HISTORY_FAIL, DRIVER_REFUSED);
    cr_expect(strstr(fixture.text, "has no \"teardown\""), "%s", fixture.text);
    await_log("\"op\":4,\"f\":\"teardown\"");
    end();
}

Test(driver_exec, and_with_no_others)
{
    static const struct {
        const char *value, *text;
    } rows[] = {
        {"\"type\":\"ok\",\"value\":[9]", "key 1 holds something already"},
        {"\"type\":\"fail\",\"error\":\"loading\"", "reading key 1 failed: loading"},
    };
    for (size_t i = 0; i < 2; i++) {
        char script[512];
        (void)snprintf(script, sizeof script,
                       "ask; say '\"type\":\"fail\",\"error\":\"unsupported\"'\n"
                       "ask; say \"$ok,\\\"value\\\":null\"; ask; say '%s'\nask",
                       rows[i].value);
        begin(script, HISTORY_APPEND);
        client_fixture_setup(&fixture, 3);
        expect(HISTORY_FAIL, DRIVER_REFUSED);
        cr_expect(strstr(fixture.text, rows[i].text), "%s", fixture.text);
        end();
    }
}

Test(driver_exec, a_teardown_asks_nothing_where_the_data_is_kept)
{
    client_fixture_init(&fixture, "exec");
    fixture.keeps_data = true;
    open_program("exit 7", HISTORY_APPEND);
    client_fixture_teardown(&fixture, 2);
    expect(HISTORY_OK, DRIVER_NO_ERROR);
    cr_assert_eq(client_fixture_close(&fixture), 0);
}
