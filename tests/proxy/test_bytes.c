/* SPDX-License-Identifier: MIT */
/* A proxy never changes, loses or reorders a byte, whatever happens to the rules: more
 * than 1 GiB of random bytes, both ways over several connections, while every fault
 * that keeps bytes goes on and off at random. What is sent is a function of connection,
 * direction and offset, so that no copy is kept. */
#include "proxy/base/now.h"
#include "rules/rng.h"
#include "tests/lib/own_net.h"
#include "tests/proxy/net.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    CONNECTIONS = 6,
    CHUNK_BYTES = 64 << 10,
    OVERLAYS = 4,
    RULES = 7,             /* kinds that draw_rule knows */
    RULES_OF_PACKETS = 11, /* with those that need the kernel */
};

/* Sanitizers make every byte cost more; all of it is for the plain build. */
#if defined(__SANITIZE_ADDRESS__)
#define BYTES_EACH (UINT64_C(10) << 20)
#else
#define BYTES_EACH (UINT64_C(90) << 20) /* times 12 streams: 1.05 GiB */
#endif
#define BYTES_EACH_LOSSY (UINT64_C(8) << 20) /* TCP takes its time to repair */

/* One end of a stream, sending or receiving. */
struct flow {
    int fd;
    uint64_t key;
    uint64_t total;
    uint64_t done;
    bool ended; /* FIN sent, or received */
};

static struct net net;
static uint64_t seed;
static struct rng_key dice_key;
static uint64_t dice_count;
static unsigned char expected[CHUNK_BYTES + 16], bytes[CHUNK_BYTES + 16];

static uint64_t dice(uint64_t bound)
{
    return rng_below(dice_key, dice_count++, bound);
}

/* Bytes offset..offset+n-1 of the stream. Returns where they are in buffer. */
static unsigned char *generate(uint64_t key, uint64_t offset, size_t n,
                               unsigned char *buffer)
{
    uint64_t first = offset / 8, last = (offset + n + 7) / 8;
    for (uint64_t word = first; word < last; word++) {
        uint64_t x = (word + key) * UINT64_C(0x9E3779B97F4A7C15);
        x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
        x ^= x >> 27;
        memcpy(buffer + (word - first) * 8, &x, 8);
    }
    return buffer + offset % 8;
}

/* Sends some. Returns whether anything moved. */
static bool run_sender(struct flow *flow)
{
    if (flow->ended)
        return false;
    uint64_t left = flow->total - flow->done;
    if (left == 0) {
        cr_assert_eq(shutdown(flow->fd, SHUT_WR), 0);
        flow->ended = true;
        return true;
    }
    size_t n = 1 + (size_t)dice(CHUNK_BYTES - 8);
    n = n < left ? n : (size_t)left;
    ssize_t sent =
        send(flow->fd, generate(flow->key, flow->done, n, bytes), n, MSG_NOSIGNAL);
    cr_assert(sent > 0 || errno == EAGAIN, "%s (seed %llu)", strerror(errno),
              (unsigned long long)seed);
    if (sent > 0)
        flow->done += (uint64_t)sent;
    return sent > 0;
}

static bool run_receiver(struct flow *flow)
{
    if (flow->ended)
        return false;
    ssize_t n = recv(flow->fd, bytes, CHUNK_BYTES - 8, 0);
    cr_assert(n >= 0 || errno == EAGAIN, "%s (seed %llu)", strerror(errno),
              (unsigned long long)seed);
    if (n < 0)
        return false;
    if (n == 0) {
        cr_assert_eq(flow->done, flow->total, "FIN after %llu of %llu (seed %llu)",
                     (unsigned long long)flow->done, (unsigned long long)flow->total,
                     (unsigned long long)seed);
        flow->ended = true;
        return true;
    }
    const unsigned char *want = generate(flow->key, flow->done, (size_t)n, expected);
    cr_assert_eq(memcmp(want, bytes, (size_t)n), 0,
                 "bytes differ after offset %llu (seed %llu)",
                 (unsigned long long)flow->done, (unsigned long long)seed);
    flow->done += (uint64_t)n;
    return true;
}

static void draw_packet_rule(const char *link, char *text, size_t text_bytes)
{
    static const char *const cuts[] = {
        "cut: { from: c, to: s }", "cut: { from: s, to: c }", "partition: [[c], [s]]"};
    if (dice(2))
        (void)snprintf(
            text, text_bytes,
            "  - { name: r, match: { %s }, inject: { packet_loss: %llu%% } }", link,
            1 + (unsigned long long)dice(10));
    else
        (void)snprintf(text, text_bytes, "  - { name: r, %s, how: drop }",
                       cuts[dice(3)]);
}

/* A rule that keeps bytes, drawn from so many kinds. */
static void draw_rule(uint64_t kinds, char *text, size_t text_bytes)
{
    static const char *const shapes[] = {"uniform", "normal", "pareto", "paretonormal"};
    const char *link = (const char *[]){"from: c, to: s", "from: s, to: c",
                                        "between: [c, s]"}[dice(3)];
    uint64_t kind = dice(kinds);
    if (kind >= RULES) {
        draw_packet_rule(link, text, text_bytes);
        return;
    }
    switch (kind) {
    case 0:
        (void)snprintf(text, text_bytes,
                       "  - { name: r, match: { %s }, inject: { delay: %lluus, jitter: "
                       "%lluus, distribution: %s } }",
                       link, 100 + (unsigned long long)dice(3000),
                       10 + (unsigned long long)dice(2000), shapes[dice(4)]);
        break;
    case 1:
        (void)snprintf(text, text_bytes,
                       "  - { name: r, match: { %s }, inject: { rate: %lluMB/s, scope: "
                       "%s } }",
                       link, 200 + (unsigned long long)dice(800),
                       dice(2) ? "link" : "connection");
        break;
    case 2:
        (void)snprintf(text, text_bytes,
                       "  - { name: r, match: { %s }, inject: { stall: true }, "
                       "probability: 50%% }",
                       link);
        break;
    case 3:
        (void)snprintf(text, text_bytes,
                       "  - { name: r, match: { %s }, inject: { slice: { size: %lluB, "
                       "gap: %lluus }, delay: 200us } }",
                       link, 5000 + (unsigned long long)dice(60000),
                       1 + (unsigned long long)dice(60));
        break;
    case 4:
        (void)snprintf(text, text_bytes, "  - { name: r, partition: [[c], [s]] }");
        break;
    case 5:
        (void)snprintf(text, text_bytes, "  - { name: r, cut: { %s } }",
                       dice(2) ? "from: c, to: s" : "from: s, to: c");
        break;
    default:
        (void)snprintf(text, text_bytes,
                       "  - { name: r, match: { %s }, inject: { delay: 300us, hold: "
                       "%lluKiB }, when: { after: %lluus, for: 2ms, every: 4ms } }",
                       link, 64 + (unsigned long long)dice(1000),
                       (unsigned long long)dice(3000));
    }
}

/* Switches one of the overlays. */
static void change_rules(uint64_t kinds)
{
    static bool on[OVERLAYS];
    size_t which = (size_t)dice(OVERLAYS);
    char name[8], text[512];
    (void)snprintf(name, sizeof name, "o%zu", which);
    if (on[which]) {
        net_remove(&net, name);
    } else {
        draw_rule(kinds, text, sizeof text);
        net_apply(&net, name, "%s", text);
    }
    on[which] = !on[which];
}

static void make_flows(int listener, uint64_t bytes_each, struct flow *senders,
                       struct flow *receivers)
{
    for (size_t i = 0; i < CONNECTIONS; i++) {
        struct net_pair pair = net_join(&net, listener);
        for (size_t way = 0; way < 2; way++) {
            uint64_t key = rng_draw(rng_seed(seed), i * 2 + way);
            int from = way ? pair.server : pair.client;
            int to = way ? pair.client : pair.server;
            senders[i * 2 + way] = (struct flow){from, key, bytes_each, 0, false};
            receivers[i * 2 + way] = (struct flow){to, key, bytes_each, 0, false};
        }
    }
}

/* All bytes were counted, and the rules did something to a good part of them, or to a
 * good number of packets. */
static void expect_felt(uint64_t bytes_each)
{
    uint64_t passed = 0, touched = 0, packets = 0;
    for (struct counters_link *each = net.counters.links; each; each = each->next)
        passed += each->passed_bytes;
    for (struct counters_rule *each = net.counters.rules; each; each = each->next) {
        touched += each->touched_bytes;
        packets += each->packets_dropped;
    }
    cr_assert_eq(passed, bytes_each * CONNECTIONS * 2);
    cr_assert(touched > passed / 20 || packets > 50, "only %llu bytes were touched",
              (unsigned long long)touched);
    fprintf(stderr, "%llu MiB passed, %llu MiB touched, %llu packets dropped\n",
            (unsigned long long)(passed >> 20), (unsigned long long)(touched >> 20),
            (unsigned long long)packets);
}

/* Moves what can be moved. Returns how many streams are not at their end; *moved
 * becomes true if anything was. */
static size_t run_flows(struct flow *senders, struct flow *receivers, bool *moved)
{
    size_t open = 0;
    for (size_t i = 0; i < CONNECTIONS * 2; i++) {
        *moved |= run_sender(&senders[i]);
        *moved |= run_receiver(&receivers[i]);
        open += !receivers[i].ended;
    }
    return open;
}

/* Streams move for as long as the machine likes: rules change from time to time, and
 * with each 30th of the bytes at the latest. */
static bool is_overdue(const struct flow *receivers, uint64_t changes)
{
    uint64_t done = 0, total = 0;
    for (size_t i = 0; i < CONNECTIONS * 2; i++) {
        done += receivers[i].done;
        total += receivers[i].total;
    }
    return done >= total / 30 * (changes + 1);
}

/* Streams of so many bytes, while rules of so many kinds come and go. */
static void run(uint64_t bytes_each, uint64_t kinds, uint64_t patience_ns)
{
    static struct flow senders[CONNECTIONS * 2], receivers[CONNECTIONS * 2];
    const char *given = getenv("NETSPLIT_TEST_SEED");
    seed = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    fprintf(stderr, "seed %llu\n", (unsigned long long)seed);
    dice_key = rng_mix(rng_seed(seed), 1);
    net_init(&net);
    uint16_t server;
    int listener = net_listen(AF_INET, &server);
    net_start(&net, NET_ONE_PATH, server);
    make_flows(listener, bytes_each, senders, receivers);

    uint64_t next_change_ns = 0, moved_ns = now_ns(), changes = 0;
    for (size_t open = CONNECTIONS * 2; open > 0;) {
        bool moved = false;
        open = run_flows(senders, receivers, &moved);
        net_turn(&net, moved ? 0 : 1);
        uint64_t now = now_ns();
        if (moved)
            moved_ns = now;
        cr_assert_lt(now - moved_ns, patience_ns, "all stands still (seed %llu)",
                     (unsigned long long)seed);
        if (now >= next_change_ns || is_overdue(receivers, changes)) {
            change_rules(kinds);
            changes++;
            next_change_ns = now + NS_PER_MS + dice(10 * NS_PER_MS);
        }
    }
    expect_felt(bytes_each);
    fprintf(stderr, "%llu changes of the rules\n", (unsigned long long)changes);
    cr_assert_gt(changes, 20);
    for (size_t i = 0; i < CONNECTIONS; i++)
        net_part((struct net_pair){senders[i * 2].fd, receivers[i * 2].fd});
    net_close(&net);
    close(listener);
}

Test(bytes, a_gibibyte_arrives_as_it_was_sent_whatever_the_rules_do, .timeout = 300)
{
    run(BYTES_EACH, RULES, NET_PATIENCE_NS);
}

/* A flow whose timer runs out under one drop after another waits twice as long each
 * time: the others go on meanwhile, but the last one may have to wait alone. */
Test(bytes, all_arrive_as_they_were_sent_whatever_packets_are_dropped, .timeout = 300)
{
    own_net_enter();
    run(BYTES_EACH_LOSSY, RULES_OF_PACKETS, 10 * NET_PATIENCE_NS);
}
