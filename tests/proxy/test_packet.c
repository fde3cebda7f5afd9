/* SPDX-License-Identifier: MIT */
/* Packets of live connections vanish, in a network namespace of the test's own: what
 * the endpoints' TCP makes of it is looked up in their sockets. */
#include "proxy/base/now.h"
#include "tests/lib/own_net.h"
#include "tests/proxy/fixture.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static void open_own(void)
{
    own_net_enter();
    fixture_open();
}

TestSuite(packet, .init = open_own, .fini = fixture_close, .timeout = 60);

#define CUT_OFF  "  - { name: gone, partition: [[c], [s]], how: drop }"
#define CUT_ASK  "  - { name: gone, cut: { from: c, to: s }, how: drop }"
#define CUT_BACK "  - { name: gone, cut: { from: s, to: c }, how: drop }"

static const struct counters_rule *rule_counts(void)
{
    return counters_rule(&net.counters, "gone", "gone");
}

static uint32_t retransmissions(int fd)
{
    struct tcp_info info = {0};
    socklen_t length = sizeof info;
    cr_assert_eq(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length), 0);
    return info.tcpi_total_retrans;
}

static int unacknowledged(int fd)
{
    int bytes = 0;
    cr_assert_eq(ioctl(fd, SIOCOUTQ, &bytes), 0);
    return bytes;
}

static void set(int fd, int option, int value)
{
    cr_assert_eq(setsockopt(fd, IPPROTO_TCP, option, &value, sizeof value), 0);
}

/* What ends the socket within a time; 0: nothing does. */
static int end_within(int fd, uint64_t span_ns)
{
    struct pollfd wait = {.fd = fd};
    for (uint64_t until_ns = now_ns() + span_ns; now_ns() < until_ns;) {
        net_turn(&net, 10);
        if (poll(&wait, 1, 0) == 0)
            continue;
        int error = 0;
        socklen_t length = sizeof error;
        cr_assert_eq(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length), 0);
        return error;
    }
    return 0;
}

Test(packet, what_a_drop_lost_is_sent_again_after_heal)
{
    net_start(&net, NET_ONE_PATH, server);
    struct net_pair pair = net_join(&net, listener);
    net_apply(&net, "gone", CUT_OFF);
    net_say(&net, pair.client, "asked");
    net_say(&net, pair.server, "told");
    net_hear_nothing(&net, pair.server, 300 * NS_PER_MS);
    net_hear_nothing(&net, pair.client, 0);
    cr_assert_eq(unacknowledged(pair.client), 5);
    cr_assert_gt(retransmissions(pair.client), 0, "its TCP knows of nothing else");
    cr_assert_gt(retransmissions(pair.server), 0);
    net_remove(&net, "gone");
    net_hear(&net, pair.server, "asked");
    net_hear(&net, pair.client, "told");
    cr_assert_geq(rule_counts()->packets_dropped, 4, "each once and once again");
    cr_assert_eq(rule_counts()->connections, 1);
    cr_assert_eq(rule_counts()->touched_bytes, 0, "none of them arrived");
    net_part(pair);
}

/* What an endpoint that watches its peer finds out about a rule; `felt` is how the
 * connection ends for it. */
static const struct {
    const char *what;
    const char *how;
    bool keepalive; /* else: TCP_USER_TIMEOUT, with bytes on their way */
    int felt;
} watchers[] = {
    {"TCP_USER_TIMEOUT fires under a drop", "drop", false, ETIMEDOUT},
    {"and not under a stall", "stall", false, 0},
    {"keepalive fires under a drop", "drop", true, ETIMEDOUT},
    {"and not under a stall", "stall", true, 0},
};

Test(packet, an_endpoint_finds_out_about_a_drop_and_not_about_a_stall)
{
    net_start(&net, NET_ONE_PATH, server);
    for (size_t i = 0; i < sizeof watchers / sizeof *watchers; i++) {
        struct net_pair pair = net_join(&net, listener);
        if (watchers[i].keepalive) {
            const int on = 1;
            set(pair.client, TCP_KEEPIDLE, 1);
            set(pair.client, TCP_KEEPINTVL, 1);
            set(pair.client, TCP_KEEPCNT, 1);
            cr_assert_eq(
                setsockopt(pair.client, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on), 0);
        } else {
            set(pair.client, TCP_USER_TIMEOUT, 400);
        }
        net_apply(&net, "gone", "  - { name: gone, partition: [[c], [s]], how: %s }",
                  watchers[i].how);
        if (!watchers[i].keepalive)
            net_say(&net, pair.client, "anybody?");
        uint64_t patience_ns = watchers[i].felt ? NET_PATIENCE_NS : 3 * NS_PER_S;
        cr_expect_eq(end_within(pair.client, patience_ns), watchers[i].felt, "%s",
                     watchers[i].what);
        net_remove(&net, "gone");
        net_part(pair);
    }
}

Test(packet, a_drop_one_way_takes_the_acknowledgements_of_the_other)
{
    net_start(&net, NET_ONE_PATH, server);
    struct net_pair pair = net_join(&net, listener);
    net_apply(&net, "gone", CUT_ASK);
    net_say(&net, pair.server, "told");
    net_hear(&net, pair.client, "told");
    net_say(&net, pair.client, "asked");
    net_hear_nothing(&net, pair.server, 300 * NS_PER_MS);
    cr_assert_eq(unacknowledged(pair.server), 4, "they would come from c");
    cr_assert_eq(unacknowledged(pair.client), 5);
    net_apply(&net, "gone", CUT_BACK);
    net_hear(&net, pair.server, "asked");
    cr_assert_gt(unacknowledged(pair.client), 0, "now they would come from s");
    net_remove(&net, "gone");
    net_part(pair);
}

/* Moves up to so many bytes of a stream from one end to the other. */
static void move(int from, int to, const unsigned char *sent, unsigned char *got,
                 size_t done[2], size_t most)
{
    size_t left = most - done[0] < 65536 ? most - done[0] : 65536;
    ssize_t n = send(from, sent + done[0], left, MSG_NOSIGNAL);
    done[0] += n > 0 ? (size_t)n : 0;
    n = recv(to, got + done[1], most - done[1], 0);
    done[1] += n > 0 ? (size_t)n : 0;
    net_turn(&net, 1);
}

Test(packet, a_heal_delivers_every_byte_of_what_was_under_way)
{
    enum { BYTES = 8 << 20 };
    static unsigned char sent[BYTES], got[BYTES];
    for (size_t i = 0; i < BYTES; i++)
        sent[i] = (unsigned char)(i * 2654435761u >> 13);
    net_start(&net, NET_ONE_PATH, server);
    struct net_pair pair = net_join(&net, listener);
    size_t done[2] = {0};
    while (done[0] < BYTES / 2)
        move(pair.client, pair.server, sent, got, done, BYTES / 2);
    net_apply(&net, "gone", CUT_OFF);
    uint64_t until_ns = now_ns() + 300 * NS_PER_MS;
    while (now_ns() < until_ns)
        move(pair.client, pair.server, sent, got, done, BYTES);
    size_t under_drop = done[1];
    cr_assert_lt(under_drop, BYTES);
    net_remove(&net, "gone");
    while (done[1] < BYTES)
        move(pair.client, pair.server, sent, got, done, BYTES);
    cr_assert_eq(memcmp(sent, got, BYTES), 0);
    cr_assert_gt(rule_counts()->packets_dropped, 0);
    net_part(pair);
}

Test(packet, a_drop_at_the_end_keeps_nothing_back_for_ever)
{
    enum { BYTES = 200 << 10 }; /* more than the client's kernel takes unread */
    static char bytes[BYTES];
    net_start(&net, NET_ONE_PATH, server);
    struct net_pair pair = net_join(&net, listener);
    cr_assert_eq(shutdown(pair.client, SHUT_WR), 0);
    net_hear_fin(&net, pair.server);
    net_send(&net, pair.server, bytes, sizeof bytes);
    net_idle(&net, 50 * NS_PER_MS);
    net_apply(&net, "gone", CUT_ASK);
    cr_assert_eq(shutdown(pair.server, SHUT_WR), 0);
    net_idle(&net, 50 * NS_PER_MS); /* both streams have passed all, FIN included */
    net_remove(&net, "gone");
    net_skim(&net, pair.client, sizeof bytes);
    net_hear_fin(&net, pair.client);
    net_closed_because(&net, &cursor, "finished");
    net_part(pair);
}

Test(packet, a_reset_that_is_dropped_leaves_the_server_half_open)
{
    net_start(&net, NET_ONE_PATH, server);
    struct net_pair pair = net_join(&net, listener);
    net_apply(&net, "gone", CUT_OFF);
    net_reset(pair.client);
    net_idle(&net, 50 * NS_PER_MS);
    net_remove(&net, "gone");
    net_hear_nothing(&net, pair.server, 200 * NS_PER_MS);
    net_say(&net, pair.server, "still there?");
    net_hear_reset(&net, pair.server);
    close(pair.server);
}

Test(packet, a_connection_of_ours_that_gave_up_is_passed_on_as_a_reset_after_heal)
{
    int fd = open("/proc/sys/net/ipv4/tcp_retries2", O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "2", 1) != 1)
        cr_skip_test("/proc/sys/net cannot be written: %s", strerror(errno));
    (void)close(fd);
    net_start(&net, NET_ONE_PATH, server);
    struct net_pair pair = net_join(&net, listener);
    set(pair.server, TCP_USER_TIMEOUT, 60000); /* in place of that number */
    net_apply(&net, "gone", CUT_ASK);
    net_say(&net, pair.server, "told"); /* the proxy waits for the client to say so */
    net_hear(&net, pair.client, "told");
    net_hear_nothing(&net, pair.server, 2500 * NS_PER_MS);
    net_remove(&net, "gone");
    net_hear_reset(&net, pair.server);
    net_closed_because(&net, &cursor, "reset by client");
    net_part(pair);
}

Test(packet, lost_packets_are_repaired_by_the_endpoints)
{
    static const struct {
        const char *match;
        bool to_server, to_client; /* whose packets are lost */
    } rows[] = {
        {"from: c, to: s", true, false},
        {"from: s, to: c", false, true},
        {"between: [c, s]", true, true},
    };
    net_start(&net, NET_ONE_PATH, server);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct net_pair pair = net_join(&net, listener);
        net_apply(&net, "gone",
                  "  - { name: gone, match: { %s }, inject: { packet_loss: 10%% } }",
                  rows[i].match);
        uint64_t least = rule_counts()->packets_dropped + 4;
        bool repaired = false;
        /* One packet may be lost time after time: at 10 % hardly ever for seconds. */
        for (int n = 0; n < 1000 && !repaired; n++) {
            char text[8];
            (void)snprintf(text, sizeof text, "%d", n);
            net_say(&net, pair.client, text);
            net_hear(&net, pair.server, text);
            net_say(&net, pair.server, text);
            net_hear(&net, pair.client, text);
            repaired = rule_counts()->packets_dropped >= least &&
                       (!rows[i].to_server || retransmissions(pair.client) > 0) &&
                       (!rows[i].to_client || retransmissions(pair.server) > 0);
        }
        cr_expect(repaired, "%s", rows[i].match);
        net_remove(&net, "gone");
        net_part(pair);
    }
    cr_assert_gt(rule_counts()->packets_dropped, 10);
    cr_assert_eq(rule_counts()->connections, 3);
}

Test(packet, losses_add_up_and_one_that_goes_leaves_the_other)
{
    net_start(&net, NET_ONE_PATH, server);
    struct net_pair pair = net_join(&net, listener);
    net_apply(&net, "gone", CUT_OFF);
    net_apply(&net, "some",
              "  - { name: some, match: { from: c }, inject: { packet_loss: 1%% } }");
    net_apply(&net, "too", "  - { name: too, cut: { from: c, to: s }, how: drop }");
    net_say(&net, pair.client, "asked");
    net_remove(&net, "gone");
    net_hear_nothing(&net, pair.server, 100 * NS_PER_MS);
    net_remove(&net, "too");
    net_hear(&net, pair.server, "asked");
    net_part(pair);
}

Test(packet, a_reload_in_the_middle_changes_nothing)
{
    net_start(&net, NET_ONE_PATH, server);
    struct net_pair pair = net_join(&net, listener);
    net_apply(&net, "gone", CUT_OFF);
    net_say(&net, pair.client, "asked");
    for (int i = 0; i < 20; i++) {
        net_apply(&net, "other", "  - { name: slow, inject: { delay: %dms } }", i);
        cr_assert_eq(net_apply_base(&net, NET_ONE_PATH, server), 0);
        net_hear_nothing(&net, pair.server, 10 * NS_PER_MS);
    }
    uint64_t dropped = rule_counts()->packets_dropped;
    cr_assert_geq(dropped, 1);
    cr_assert_leq(dropped, 8, "counted once: %llu", (unsigned long long)dropped);
    net_remove(&net, "gone");
    net_hear(&net, pair.server, "asked");
    net_part(pair);
}

Test(packet, an_attempt_under_a_drop_has_no_answer_until_heal)
{
    net_start(&net, NET_ONE_PATH, server);
    net_apply(&net, "gone", CUT_OFF);
    int client = net_dial(AF_INET, net_port(&net, "p"));
    struct pollfd fd = {.fd = client, .events = POLLIN | POLLOUT};
    net_idle(&net, 150 * NS_PER_MS);
    cr_assert_eq(poll(&fd, 1, 0), 0);
    cr_assert_eq(rule_counts()->packets_dropped, 1, "its SYN");
    net_remove(&net, "gone");
    net_wait(&net, client, POLLOUT);
    int peer = net_accept(&net, listener);
    net_say(&net, client, "at last");
    net_hear(&net, peer, "at last");
    close(client);
    close(peer);
}

/* From here on this process is nobody. */
static void become_nobody(void)
{
    if (setresgid(65534, 65534, 65534) != 0 || setresuid(65534, 65534, 65534) != 0)
        cr_skip_test("cannot become another user: %s", strerror(errno));
}

Test(packet, without_the_privilege_a_drop_falls_back_and_the_journal_says_so)
{
    become_nobody();
    net_start(&net, NET_ONE_PATH, server);
    struct net_pair pair = net_join(&net, listener);
    net_apply(&net, "gone",
              "  - { name: gone, partition: [[c], [s]], how: drop, fallback: stall }");
    struct journal_event event;
    cr_assert(net_event(&net, &cursor, JOURNAL_RULE_ACTIVE, &event));
    cr_assert_str_eq(event.text, "stall (fallback: needs CAP_NET_ADMIN)");
    net_say(&net, pair.client, "asked");
    net_hear_nothing(&net, pair.server, 50 * NS_PER_MS);
    cr_assert_eq(unacknowledged(pair.client), 0, "the kernel has taken it");
    net_remove(&net, "gone");
    net_hear(&net, pair.server, "asked");
    net_part(pair);
}

Test(packet, without_the_privilege_a_drop_is_refused_and_nothing_changes)
{
    become_nobody();
    net_start(&net, NET_ONE_PATH, server);
    cr_assert_eq(net_apply_base(&net, NET_ONE_PATH "rules:\n" CUT_OFF "\n", server),
                 -ENOTSUP);
    cr_assert_eq(
        net_apply_base(&net,
                       NET_ONE_PATH
                       "rules: [{ name: some, inject: { packet_loss: 1%% } }]\n",
                       server),
        -ENOTSUP);
    net_part(net_join(&net, listener));
}
