/* SPDX-License-Identifier: MIT */
/* Bytes in memory and in pipes, which must come out in the order in which they came. */
#include "proxy/wire/hold.h"
#include "proxy/wire/budget.h"
#include "proxy/instance.h"
#include "proxy/wire/pipes.h"
#include "rules/rng.h"
#include "tests/proxy/net.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MODEL_BYTES = 4 << 20, STEP_MOST = 100000 };

/* A pair of connected sockets. */
struct tube {
    int in, out;
};

static struct counters counters;
static struct proxy proxy;
static struct hold hold;
static unsigned char *model; /* what should come out, from the very first byte on */
static size_t put, gone;     /* bytes that went in; that came out */
static unsigned char scratch[STEP_MOST];

static void open_all(void)
{
    cr_assert_eq(counters_init(&counters), 0);
    proxy = (struct proxy){
        .config = {.counters = &counters, .max_bytes = 1 << 30, .threads = 1},
        .front = &proxy};
    budget_init(&proxy);
    proxy.pipes = pipes_create(&proxy);
    model = calloc(MODEL_BYTES, 1);
    cr_assert(proxy.pipes && model);
    for (size_t i = 0; i < MODEL_BYTES; i++)
        model[i] = (unsigned char)((i * UINT64_C(0x9E3779B97F4A7C15)) >> 56);
}

static void close_all(void)
{
    hold_drop(&hold, proxy.pipes, hold.length);
    cr_assert_null(hold.first);
    pipes_destroy(proxy.pipes);
    cr_assert_eq(counters.budgets[BUDGET_DESCRIPTORS].used_now, 0, "a pipe was lost");
    counters_close(&counters);
    free(model);
}

TestSuite(hold, .init = open_all, .fini = close_all);

static struct tube make_tube(void)
{
    uint16_t port;
    int listener = net_listen(AF_INET, &port);
    struct tube tube = {.in = net_dial(AF_INET, port)};
    struct pollfd both[] = {{.fd = listener, .events = POLLIN},
                            {.fd = tube.in, .events = POLLOUT}};
    for (size_t i = 0; i < 2; i++)
        cr_assert_eq(poll(&both[i], 1, 5000), 1);
    tube.out = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    cr_assert_geq(tube.out, 0);
    close(listener);
    return tube;
}

static void close_tube(struct tube tube)
{
    close(tube.in);
    close(tube.out);
}

/* Puts n of the model's bytes into the tube and waits until all have crossed. */
static void feed(struct tube tube, size_t n)
{
    cr_assert_eq(send(tube.in, model + put, n, MSG_NOSIGNAL), (ssize_t)n);
    struct pollfd out = {.fd = tube.out, .events = POLLIN};
    for (size_t there = 0; there < n;) {
        cr_assert_eq(poll(&out, 1, 5000), 1);
        ssize_t peeked = recv(tube.out, scratch, n, MSG_PEEK);
        cr_assert_gt(peeked, 0);
        there = (size_t)peeked;
    }
}

static void read_and_compare(int fd, size_t n)
{
    for (size_t done = 0; done < n;) {
        struct pollfd out = {.fd = fd, .events = POLLIN};
        cr_assert_eq(poll(&out, 1, 5000), 1);
        ssize_t got = recv(fd, scratch, n - done, 0);
        cr_assert_gt(got, 0);
        cr_assert_arr_eq(scratch, model + gone, (size_t)got, "after byte %zu", gone);
        done += (size_t)got;
        gone += (size_t)got;
    }
}

static void send_some(struct tube to, size_t most)
{
    size_t asked, length = hold.length < most ? hold.length : most;
    if (length == 0)
        return;
    ssize_t sent = hold_send(&hold, proxy.pipes, to.in, length, &asked);
    cr_assert_gt(sent, 0);
    cr_assert_leq((size_t)sent, asked);
    read_and_compare(to.out, (size_t)sent);
}

Test(hold, a_pipe_that_is_full_makes_way_for_another)
{
    struct tube from = make_tube(), to = make_tube();
    /* One byte at a time takes a place of a pipe each: there are 256. */
    for (size_t i = 0; i < 600; i++) {
        feed(from, 1);
        cr_assert_eq(hold_splice(&hold, proxy.pipes, from.out, 1000), 1);
        put++;
    }
    cr_assert_eq(hold.length, 600);
    cr_assert_neq(hold.first, hold.last);
    while (hold.length > 0)
        send_some(to, 7);
    cr_assert_null(hold.first);
    close_tube(from);
    close_tube(to);
}

Test(hold, an_empty_socket_leaves_nothing_behind)
{
    struct tube from = make_tube();
    cr_assert_eq(hold_splice(&hold, proxy.pipes, from.out, 1000), 0);
    cr_assert_null(hold.first);
    feed(from, 10);
    cr_assert_eq(hold_splice(&hold, proxy.pipes, from.out, 1000), 10);
    cr_assert_eq(hold_splice(&hold, proxy.pipes, from.out, 1000), 0);
    cr_assert_eq(hold.first, hold.last);
    cr_assert_eq(hold.length, 10);
    close_tube(from);
}

Test(hold, without_descriptors_for_a_pipe_nothing_is_spliced)
{
    struct tube from = make_tube();
    struct counters_budget *budget = &counters.budgets[BUDGET_DESCRIPTORS];
    budget->used_now = budget->limit - 1;
    feed(from, 10);
    cr_assert_eq(hold_splice(&hold, proxy.pipes, from.out, 1000), 0);
    cr_assert_eq(hold_receive(&hold, from.out, 1000), 10);
    cr_assert_eq(budget->used_now, budget->limit - 1);
    budget->used_now = 0;
    close_tube(from);
}

Test(hold, a_byte_in_a_pipe_can_be_changed)
{
    struct tube from = make_tube(), to = make_tube();
    cr_assert_eq(hold_append(&hold, model, 100), 0);
    put = 100;
    feed(from, 5000);
    cr_assert_eq(hold_splice(&hold, proxy.pipes, from.out, 5000), 5000);
    put += 5000;
    cr_assert_eq(hold_append(&hold, model + put, 100), 0);
    put += 100;
    cr_assert_eq(hold_flip(&hold, proxy.pipes, 100 + 1234, 0x10), 0);
    model[100 + 1234] ^= 0x10;
    cr_assert_eq(hold.length, 5200);
    while (hold.length > 0)
        send_some(to, 100000);
    close_tube(from);
    close_tube(to);
}

/* One random thing. */
static void step(struct rng_key dice, uint64_t i, struct tube from, struct tube to,
                 size_t *spliced)
{
    size_t n = 1 + (size_t)rng_below(dice, 2 * i + 1, STEP_MOST - 1);
    bool room = put + n <= MODEL_BYTES;
    switch (rng_below(dice, 2 * i, 7)) {
    case 0:
        if (room && hold_append(&hold, model + put, n) == 0)
            put += n;
        break;
    case 1:
    case 2:
        for (size_t left = room ? n : 0; left > 0;) {
            size_t piece = left < 30000 ? left : 30000;
            feed(from, piece);
            size_t moved = hold_splice(&hold, proxy.pipes, from.out, piece);
            cr_assert_eq(moved, piece);
            *spliced += moved;
            put += moved;
            left -= moved;
        }
        break;
    case 3:
        for (size_t left = room ? n : 0; left > 0;) {
            size_t piece = left < 30000 ? left : 30000;
            feed(from, piece);
            for (size_t done = 0; done < piece;) {
                ssize_t moved = hold_receive(&hold, from.out, piece - done);
                cr_assert_gt(moved, 0);
                done += (size_t)moved;
            }
            put += piece;
            left -= piece;
        }
        break;
    case 4:
        send_some(to, n);
        break;
    case 5:
        n = n / 4 < hold.length ? n / 4 : hold.length;
        hold_drop(&hold, proxy.pipes, n);
        gone += n;
        break;
    default:
        if (hold.length == 0)
            break;
        n %= hold.length;
        cr_assert_eq(hold_flip(&hold, proxy.pipes, n, 1), 0);
        model[gone + n] ^= 1;
    }
    cr_assert_eq(hold.length, put - gone);
}

Test(hold, bytes_come_out_as_they_went_in_whatever_is_done, .timeout = 60)
{
    uint64_t seed = (uint64_t)time(NULL);
    fprintf(stderr, "seed %llu\n", (unsigned long long)seed);
    struct rng_key dice = rng_seed(seed);
    struct tube from = make_tube(), to = make_tube();
    size_t spliced = 0;
    for (uint64_t i = 0; i < 300; i++)
        step(dice, i, from, to, &spliced);
    cr_assert_gt(spliced, 100000);
    while (hold.length > 0)
        send_some(to, 100000);
    close_tube(from);
    close_tube(to);
}
