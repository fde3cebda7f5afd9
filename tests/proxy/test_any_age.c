/* SPDX-License-Identifier: MIT */
/* Faults that end a connection do so at any age of it, in one way: a reset is an RST to
 * both sides and never a FIN, a close is a FIN and never an RST, and half_open resets
 * one side and tells the other nothing. And no change of the rules waits for a receiver
 * that does not read, or costs it a byte. */
#include "proxy/base/now.h"
#include "tests/proxy/fixture.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BULK = 2 << 20 };

static unsigned char *sent, *got;

static void open_bulk(void)
{
    fixture_open();
    sent = malloc(BULK);
    got = malloc(BULK);
    cr_assert(sent && got);
    for (size_t i = 0; i < BULK; i++)
        sent[i] = (unsigned char)((i * UINT64_C(0x9E3779B97F4A7C15)) >> 56);
    net_start(&net, NET_ONE_PATH, server);
}

static void close_bulk(void)
{
    free(sent);
    free(got);
    fixture_close();
}

TestSuite(any_age, .init = open_bulk, .fini = close_bulk, .timeout = 120);

static void pass_bulk(int from, int to)
{
    for (size_t done = 0; done < BULK;) {
        ssize_t taken = send(from, sent + done, BULK - done, MSG_NOSIGNAL);
        cr_assert(taken > 0 || done > 0);
        size_t now = taken > 0 ? (size_t)taken : 0;
        net_receive(&net, to, got + done, now);
        done += now;
    }
}

/* What has happened to a connection so far. */
static void live_nothing(struct net_pair pair)
{
    (void)pair;
}

static void live_words(struct net_pair pair)
{
    net_say(&net, pair.client, "hello");
    net_hear(&net, pair.server, "hello");
    net_say(&net, pair.server, "yes");
    net_hear(&net, pair.client, "yes");
}

static void live_bulk(struct net_pair pair)
{
    pass_bulk(pair.client, pair.server);
    pass_bulk(pair.server, pair.client);
}

static void live_unread(struct net_pair pair)
{
    net_say(&net, pair.client, "words that nobody reads");
    net_wait(&net, pair.server, POLLIN);
}

static void live_delayed(struct net_pair pair)
{
    net_apply(&net, "far", "  - { name: far, inject: { delay: 1h } }");
    (void)net_fill(&net, pair.client);
}

static void live_cut(struct net_pair pair)
{
    net_apply(&net, "cut", "  - { name: cut, partition: [[c], [s]] }");
    net_say(&net, pair.client, "into nowhere");
}

static void live_full(struct net_pair pair)
{
    (void)net_fill(&net, pair.client);
}

static void live_client_fin(struct net_pair pair)
{
    cr_assert_eq(shutdown(pair.client, SHUT_WR), 0);
    net_hear_fin(&net, pair.server);
}

static void live_server_fin(struct net_pair pair)
{
    cr_assert_eq(shutdown(pair.server, SHUT_WR), 0);
    net_hear_fin(&net, pair.client);
}

static const struct age {
    const char *name;
    void (*live)(struct net_pair pair);
} ages[] = {
    {"just opened", live_nothing},
    {"has spoken", live_words},
    {"has passed bulk through pipes", live_bulk},
    {"has bytes that the receiver did not read", live_unread},
    {"has bytes that wait for a delay", live_delayed},
    {"is cut", live_cut},
    {"has a receiver that is full", live_full},
    {"its client has sent FIN", live_client_fin},
    {"its server has sent FIN", live_server_fin},
};
enum { AGES = sizeof ages / sizeof *ages };

/* Reads whatever comes. 0: it ended with FIN; else the errno. */
static int read_to_end(int fd)
{
    for (;;) {
        net_wait(&net, fd, POLLIN);
        ssize_t n = recv(fd, got, BULK, 0);
        if (n == 0)
            return 0;
        if (n < 0 && errno != EAGAIN)
            return errno;
    }
}

static void forget_rules(const char *fault)
{
    static const char *const others[] = {"far", "cut"};
    net_remove(&net, fault);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        int status = proxy_remove_overlay(net.proxy, others[i], NULL);
        cr_assert(status == 0 || status == -ENOENT);
    }
}

static struct net_pair grow(const struct age *age)
{
    struct net_pair pair = net_join(&net, listener);
    age->live(pair);
    return pair;
}

/* A side that has had a FIN hears of an RST as EPIPE (Linux, tcp_reset). */
static void expect_reset(int fd, bool had_fin, const char *age)
{
    int error = 0;
    socklen_t length = sizeof error;
    if (had_fin) {
        net_wait(&net, fd, POLLERR);
        (void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
    } else {
        error = read_to_end(fd);
    }
    cr_assert_eq(error, had_fin ? EPIPE : ECONNRESET, "%s: %s", age,
                 error ? strerror(error) : "FIN");
}

Test(any_age, a_reset_is_an_rst_to_both_sides)
{
    for (size_t i = 0; i < AGES; i++) {
        struct net_pair pair = grow(&ages[i]);
        net_apply(&net, "end", "  - { name: end, inject: { reset: { after: 0s } } }");
        expect_reset(pair.client, ages[i].live == live_server_fin, ages[i].name);
        expect_reset(pair.server, ages[i].live == live_client_fin, ages[i].name);
        net_closed_because(&net, &cursor, "reset by rule: end");
        net_part(pair);
        forget_rules("end");
    }
}

Test(any_age, a_cut_that_resets_is_an_rst_to_both_sides)
{
    for (size_t i = 0; i < AGES; i++) {
        struct net_pair pair = grow(&ages[i]);
        net_apply(&net, "end", "  - { name: end, partition: [[c], [s]], how: reset }");
        expect_reset(pair.client, ages[i].live == live_server_fin, ages[i].name);
        expect_reset(pair.server, ages[i].live == live_client_fin, ages[i].name);
        net_part(pair);
        forget_rules("end");
    }
}

Test(any_age, a_close_is_a_fin_to_both_sides)
{
    for (size_t i = 0; i < AGES; i++) {
        /* Bytes that are on their way when it is closed cannot be delivered any more,
         * and TCP tells their sender by RST. */
        if (ages[i].live == live_delayed || ages[i].live == live_full ||
            ages[i].live == live_cut)
            continue;
        struct net_pair pair = grow(&ages[i]);
        net_apply(&net, "end", "  - { name: end, inject: { close: { after: 0s } } }");
        cr_assert_eq(read_to_end(pair.client), 0, "%s", ages[i].name);
        cr_assert_eq(read_to_end(pair.server), 0, "%s", ages[i].name);
        net_part(pair);
        net_closed_because(&net, &cursor, "closed by rule: end");
        forget_rules("end");
    }
}

Test(any_age, half_open_is_an_rst_to_one_side_and_silence_to_the_other)
{
    for (size_t i = 0; i < AGES; i++) {
        if (ages[i].live == live_client_fin || ages[i].live == live_server_fin)
            continue; /* is half closed */
        struct net_pair pair = grow(&ages[i]);
        net_apply(&net, "end", "  - { name: end, inject: { half_open: to_server } }");
        expect_reset(pair.server, false, ages[i].name);
        net_hear_nothing(&net, pair.client, 5 * NS_PER_MS);
        forget_rules("end");
        expect_reset(pair.client, false, ages[i].name);
        net_part(pair);
    }
}

Test(any_age, no_change_waits_for_a_receiver_that_does_not_read)
{
    static const char *const faults[] = {
        "delay: 1ms",
        "delay: 1h",
        "rate: 1kB/s",
        "stall: true",
        "slice: { size: 100B, gap: 1us }",
        "loss: 5%",
    };
    struct net_pair pair = net_join(&net, listener);
    size_t n = net_fill(&net, pair.client);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        net_apply(&net, "x", "  - { name: x, inject: { %s } }", faults[i]);
        n += net_fill(&net, pair.client);
        net_apply(&net, "y", "  - { name: y, partition: [[c], [s]] }");
        n += net_fill(&net, pair.client);
        net_remove(&net, "y");
        net_remove(&net, "x");
    }
    net_skim(&net, pair.server, n); /* and no byte of them is gone */
    net_say(&net, pair.client, "still in step");
    net_hear(&net, pair.server, "still in step");
    net_part(pair);
}

Test(any_age, two_delays_add_up_for_every_chunk_of_a_busy_stream)
{
    enum { CHUNKS = 20, DELAY_MS = 60, EVERY_MS = 10 };
    uint64_t sent_ns[CHUNKS];
    net_apply(&net, "one", "  - { name: one, inject: { delay: %dms } }", DELAY_MS);
    net_apply(&net, "two", "  - { name: two, inject: { delay: %dms } }", DELAY_MS);
    struct net_pair pair = net_join(&net, listener);
    size_t n_sent = 0, n_got = 0;
    while (n_got < CHUNKS) {
        char byte;
        if (n_sent < CHUNKS &&
            (n_sent == 0 || now_ns() - sent_ns[n_sent - 1] > EVERY_MS * NS_PER_MS)) {
            sent_ns[n_sent++] = now_ns();
            net_say(&net, pair.client, "x");
        }
        net_turn(&net, 1);
        if (recv(pair.server, &byte, 1, 0) != 1)
            continue;
        cr_assert_geq(now_ns() - sent_ns[n_got], 2 * DELAY_MS * NS_PER_MS,
                      "chunk %zu came too early", n_got);
        n_got++;
    }
    net_part(pair);
}
