/* SPDX-License-Identifier: MIT */
/* Bulk goes through pipes, small messages do not, and nobody can tell by the bytes. */
#include "tests/proxy/fixture.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BULK = 8 << 20 };

static unsigned char *sent, *got;

static void open_bulk(void)
{
    fixture_open();
    sent = malloc(BULK);
    got = calloc(BULK, 1);
    cr_assert(sent && got);
    for (size_t i = 0; i < BULK; i++)
        sent[i] = (unsigned char)((i * UINT64_C(0x9E3779B97F4A7C15)) >> 56);
}

static void close_bulk(void)
{
    free(sent);
    free(got);
    fixture_close();
}

TestSuite(splice, .init = open_bulk, .fini = close_bulk, .timeout = 60);

static struct net_pair start(void)
{
    net_start(&net, NET_ONE_PATH, server);
    return net_join(&net, listener);
}

static uint64_t spliced(const char *from, const char *to)
{
    return counters_link(&net.counters, from, to)->spliced_bytes;
}

/* Sends n bytes with turns of the loop only when nothing more is taken; the receiver
 * reads nothing. Returns how many were taken. */
static size_t push(int fd, size_t from, size_t n)
{
    size_t done = 0;
    for (int still = 0; done < n && still < 100;) {
        ssize_t taken = send(fd, sent + from + done, n - done, MSG_NOSIGNAL);
        still = taken > 0 ? 0 : still + 1;
        done += taken > 0 ? (size_t)taken : 0;
        if (taken <= 0)
            net_turn(&net, 1);
    }
    return done;
}

static bool is_held(void *context)
{
    const size_t *n = context;
    return counters_link(&net.counters, "c", "s")->held_bytes_now >= *n;
}

static void transfer(int from, int to, size_t n)
{
    for (size_t done = 0; done < n;) {
        ssize_t taken = send(from, sent + done, n - done, MSG_NOSIGNAL);
        cr_assert(taken > 0 || done > 0);
        size_t now = taken > 0 ? (size_t)taken : 0;
        net_receive(&net, to, got + done, now);
        done += now;
    }
    cr_assert_eq(memcmp(sent, got, n), 0);
}

Test(splice, bulk_is_not_copied_and_arrives_as_it_was)
{
    struct net_pair pair = start();
    transfer(pair.client, pair.server, BULK);
    cr_assert_gt(spliced("c", "s"), BULK / 2);
    transfer(pair.server, pair.client, BULK);
    cr_assert_gt(spliced("s", "c"), BULK / 2);
    net_part(pair);
}

static bool nothing_is_open(void *context)
{
    (void)context;
    return net.counters.budgets[BUDGET_DESCRIPTORS].used_now == 0;
}

Test(splice, pipes_go_with_the_last_connection)
{
    struct net_pair pair = start();
    transfer(pair.client, pair.server, BULK);
    cr_assert_gt(net.counters.budgets[BUDGET_DESCRIPTORS].used_now, 2);
    net_part(pair);
    net_until(&net, nothing_is_open, NULL);
}

static bool nothing_is_held(void *context)
{
    (void)context;
    return counters_link(&net.counters, "c", "s")->held_bytes_now == 0;
}

/* What a connection leaves in a pipe must never come out of another one. */
Test(splice, a_pipe_with_bytes_left_in_it_is_not_used_again)
{
    struct net_pair pair = start(), other = net_join(&net, listener);
    net_apply(&net, "far",
              "  - { name: far, match: { from: c, to: s }, "
              "inject: { delay: 60s, hold: 64MiB } }");
    size_t n = push(pair.client, 0, BULK / 4);
    net_until(&net, is_held, &n);
    cr_assert_gt(spliced("c", "s"), 0);
    net_reset(pair.server);
    net_until(&net, nothing_is_held, NULL);
    close(pair.client);
    net_remove(&net, "far");
    transfer(other.client, other.server, BULK);
    net_part(other);
}

Test(splice, small_messages_are_copied)
{
    struct net_pair pair = start();
    for (size_t i = 0; i < 300; i++)
        transfer(pair.client, pair.server, 1000 + i);
    cr_assert_eq(spliced("c", "s"), 0);
    net_part(pair);
}

Test(splice, after_bulk_small_messages_are_copied_again)
{
    struct net_pair pair = start();
    transfer(pair.client, pair.server, BULK);
    transfer(pair.client, pair.server, 100);
    uint64_t before = spliced("c", "s");
    for (size_t i = 0; i < 50; i++)
        transfer(pair.client, pair.server, 1000);
    cr_assert_eq(spliced("c", "s"), before);
    net_part(pair);
}

Test(splice, bulk_waits_in_pipes_for_its_delay)
{
    struct net_pair pair = start();
    net_apply(&net, "far", "  - { name: far, inject: { delay: 1s, hold: 64MiB } }");
    size_t n = push(pair.client, 0, BULK / 2);
    net_until(&net, is_held, &n);
    cr_assert_gt(spliced("c", "s"), n / 4);
    net_receive(&net, pair.server, got, n);
    cr_assert_eq(memcmp(sent, got, n), 0);
    cr_assert_eq(counters_link(&net.counters, "c", "s")->held_bytes_now, 0);
    net_part(pair);
}

/* All that the journal tells of the one direction is undone in got. */
static size_t undo_flips(void)
{
    uint64_t from = 0;
    struct journal_event event;
    size_t n = 0;
    while (net_event(&net, &from, JOURNAL_DECISION, &event)) {
        if (strcmp(event.draw, "corrupt") != 0)
            continue;
        got[event.ordinal] ^= (unsigned char)(1 << event.outcome);
        n++;
    }
    return n;
}

Test(splice, bytes_that_wait_in_pipes_can_still_be_corrupted)
{
    struct net_pair pair = start();
    net_apply(&net, "far", "  - { name: far, inject: { delay: 1s, hold: 64MiB } }");
    size_t n = push(pair.client, 0, BULK / 4);
    net_until(&net, is_held, &n);
    cr_assert_gt(spliced("c", "s"), 0);
    net_apply(&net, "bad",
              "  - { name: bad, inject: { corrupt: { per_byte: 0.02%% } } }");
    net_receive(&net, pair.server, got, n);
    cr_assert_neq(memcmp(sent, got, n), 0);
    cr_assert_gt(undo_flips(), 10);
    cr_assert_eq(memcmp(sent, got, n), 0);
    uint64_t before = spliced("c", "s");
    net_remove(&net, "far");
    cr_assert_eq(push(pair.client, 0, 300000), 300000);
    net_skim(&net, pair.server, 300000);
    cr_assert_eq(spliced("c", "s"), before, "what may be changed is copied");
    net_part(pair);
}

Test(splice, a_partition_holds_bulk_and_heal_delivers_it)
{
    struct net_pair pair = start();
    size_t n = push(pair.client, 0, BULK);
    net_apply(&net, "cut", "  - { name: cut, partition: [[c], [s]] }");
    n += push(pair.client, n, BULK - n);
    net_remove(&net, "cut");
    net_receive(&net, pair.server, got, n);
    cr_assert_eq(memcmp(sent, got, n), 0);
    cr_assert_gt(spliced("c", "s"), 0);
    net_part(pair);
}

Test(splice, a_fin_comes_behind_bulk_that_the_receiver_was_slow_to_take)
{
    struct net_pair pair = start();
    size_t n = push(pair.client, 0, BULK);
    cr_assert_eq(shutdown(pair.client, SHUT_WR), 0);
    net_receive(&net, pair.server, got, n);
    cr_assert_eq(memcmp(sent, got, n), 0);
    net_hear_fin(&net, pair.server);
    net_part(pair);
}

Test(splice, a_reset_comes_behind_the_bulk_before_it)
{
    struct net_pair pair = start();
    transfer(pair.client, pair.server, BULK);
    net_reset(pair.client);
    net_hear_reset(&net, pair.server);
    close(pair.server);
}

Test(splice, a_receiver_that_is_gone_ends_it)
{
    struct net_pair pair = start();
    transfer(pair.client, pair.server, BULK);
    net_reset(pair.server);
    struct pollfd client = {.fd = pair.client, .events = POLLIN};
    while (poll(&client, 1, 0) == 0) {
        (void)send(pair.client, sent, 100000, MSG_NOSIGNAL); /* full is fine */
        net_turn(&net, 1);
    }
    cr_assert(client.revents & POLLERR, "an RST, not a FIN");
    close(pair.client);
}

Test(splice, urgent_data_in_the_middle_of_bulk_arrive_in_place)
{
    struct net_pair pair = start();
    transfer(pair.client, pair.server, BULK / 2);
    cr_assert_gt(spliced("c", "s"), 0);
    int on = 1;
    cr_assert_eq(setsockopt(pair.server, SOL_SOCKET, SO_OOBINLINE, &on, sizeof on), 0);
    cr_assert_eq(push(pair.client, 0, 200000), 200000);
    cr_assert_eq(send(pair.client, sent + 200000, 1, MSG_OOB), 1);
    cr_assert_eq(push(pair.client, 200001, 200000), 200000);
    net_receive(&net, pair.server, got, 400001);
    cr_assert_eq(memcmp(sent, got, 400001), 0);
    net_part(pair);
}

Test(splice, without_descriptors_for_pipes_bulk_is_copied)
{
    struct net_pair pair = start();
    struct counters_budget *budget = &net.counters.budgets[BUDGET_DESCRIPTORS];
    budget->limit = budget->used_now;
    transfer(pair.client, pair.server, BULK);
    cr_assert_eq(spliced("c", "s"), 0);
    net_part(pair);
}

Test(splice, bulk_that_waits_in_pipes_leaves_descriptors_to_newcomers)
{
    struct net_pair pair = start();
    struct counters_budget *budget = &net.counters.budgets[BUDGET_DESCRIPTORS];
    budget->limit = 8; /* three connections more, or as many pipes */
    net_apply(&net, "stop",
              "  - { name: stop, inject: { stall: true, hold: 64MiB }, match: { state: "
              "established } }");
    size_t n = push(pair.client, 0, BULK);
    net_until(&net, is_held, &n);
    cr_assert_gt(spliced("c", "s"), 0);
    struct net_pair newcomer = net_join(&net, listener);
    net_say(&net, newcomer.client, "here");
    net_hear(&net, newcomer.server, "here");
    net_remove(&net, "stop");
    net_receive(&net, pair.server, got, n);
    cr_assert_eq(memcmp(sent, got, n), 0);
    net_part(newcomer);
    net_part(pair);
}
