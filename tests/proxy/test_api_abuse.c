/* SPDX-License-Identifier: MIT */
/* Clients that send nonsense, too much or too little, or are too many. */
#include "tests/proxy/api_fixture.h"
#include "tests/proxy/raw_client.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

TestSuite(api_abuse, .init = api_fixture_open, .fini = api_fixture_close,
          .timeout = 60);

Test(api_abuse, garbage_ends_its_own_connection_only)
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
        int fd = raw_connect(fixture.path);
        raw_send(fd, garbage[i], strlen(garbage[i]));
        cr_assert_eq(ask("GET", "/v1/status", NULL), 200, "after case %zu", i);
        (void)close(fd);
        cr_assert_eq(ask("GET", "/v1/status", NULL), 200, "after case %zu", i);
    }
}

Test(api_abuse, random_bytes_behind_a_good_start_do_no_harm)
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
        int fd = raw_connect(fixture.path);
        raw_send(fd, starts[i % 4], strlen(starts[i % 4]));
        raw_send(fd, bytes, sizeof bytes);
        (void)uv_run(&fixture.loop, UV_RUN_NOWAIT);
        (void)close(fd);
    }
    cr_assert_eq(ask("GET", "/v1/status", NULL), 200);
    cr_assert_not_null(row_of("rules", "name", "slow"), "seed %u", (unsigned)state[0]);
}

Test(api_abuse, a_body_over_the_limit_is_refused)
{
    static const char by_length[] =
        "PUT /v1/rules HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\n";
    static const char chunked[] =
        "PUT /v1/rules HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    static char chunk[64 * 1024 + 16];
    static struct raw raw;
    int fd = raw_connect(fixture.path);
    raw_send(fd, by_length, sizeof by_length - 1);
    (void)shutdown(fd, SHUT_WR);
    raw_read_to_end(&fixture.loop, fd, &raw);
    cr_assert_eq(strncmp(raw.text, "HTTP/1.1 413 ", 13), 0, "%s", raw.text);
    fd = raw_connect(fixture.path);
    raw_send(fd, chunked, sizeof chunked - 1);
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
        (void)uv_run(&fixture.loop, UV_RUN_NOWAIT);
    }
    (void)close(fd);
    cr_assert_eq(ask("GET", "/v1/status", NULL), 200);
}

Test(api_abuse, clients_that_hang_keep_nobody_waiting)
{
    int fds[20];
    for (size_t i = 0; i < 20; i++) {
        fds[i] = raw_connect(fixture.path);
        raw_send(fds[i], "GET /v1/sta", i % 12);
    }
    for (int i = 0; i < 20; i++)
        cr_assert_eq(ask("GET", "/v1/status", NULL), 200);
    for (size_t i = 0; i < 20; i++)
        (void)close(fds[i]);
}

Test(api_abuse, clients_beyond_the_limit_wait_until_others_have_left)
{
    enum { CLIENTS = API_CLIENTS_MAX + 8 };
    int fds[CLIENTS];
    for (size_t i = 0; i < CLIENTS; i++) {
        fds[i] = raw_connect(fixture.path);
        raw_send(fds[i], "GET /v1/sta", 11);
        (void)uv_run(&fixture.loop, UV_RUN_NOWAIT);
    }
    for (size_t i = 0; i < CLIENTS; i++)
        (void)close(fds[i]);
    cr_assert_eq(ask("GET", "/v1/status", NULL), 200);
}

Test(api_abuse, clients_that_took_the_last_descriptors_are_answered_in_the_end)
{
    enum { CLIENTS = 20, LEFT = 4 };
    int fds[CLIENTS];
    struct rlimit limit, low;
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    for (size_t i = 0; i < CLIENTS; i++)
        fds[i] = raw_make();
    low = (struct rlimit){(rlim_t)fds[CLIENTS - 1] + 1 + LEFT, limit.rlim_max};
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
    for (size_t i = 0; i < CLIENTS; i++) {
        raw_join(fds[i], fixture.path);
        (void)uv_run(&fixture.loop, UV_RUN_NOWAIT);
    }
    for (size_t i = 0; i < CLIENTS; i++)
        (void)close(fds[i]);
    cr_assert_eq(ask("GET", "/v1/status", NULL), 200);
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

Test(api_abuse, closing_with_clients_in_every_state_ends_them_all)
{
    struct seen seen;
    int hanging = raw_connect(fixture.path), streaming = raw_connect(fixture.path);
    static struct raw raw;
    raw_send(hanging, "GET /v1/sta", 11);
    raw_send(streaming, "GET /v1/events HTTP/1.1\r\n\r\n", 27);
    watch_events(&seen, "/v1/events?since=0");
    run_until_seen(&seen, 1);
    api_fixture_close_api();
    wait_for_answer(&seen.end);
    cr_assert_eq(seen.end.status, 200, "%s", seen.end.error);
    raw_read_to_end(&fixture.loop, hanging, &raw);
    raw_read_to_end(&fixture.loop, streaming, &raw);
    json_decref(seen.events);
}
