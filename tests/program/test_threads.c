/* SPDX-License-Identifier: MIT */
/* netsplit proxy --threads: whatever a proxy with one thread promises, with real
 * clients at work in all of them. make tsan runs these against a program that looks for
 * races. */
#include "proxy/base/memory.h"
#include "tests/lib/own_net.h"
#include "tests/lib/program.h"
#include "tests/lib/proxy_process.h"
#include "tests/program/traffic.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { THREADS = 3, ANSWER_BYTES = 1 << 20 };

static struct proxy_process proxy;
static struct traffic traffic; /* from node c to node s, unless a test says otherwise */
static char answer[ANSWER_BYTES];

static void setup(void)
{
    proxy_process_open(&proxy);
    cr_assert_eq(setenv("NETSPLIT_CONTROL", proxy.control, 1), 0);
    traffic_init(&traffic);
}

static void teardown(void)
{
    proxy_process_close(&proxy);
}

TestSuite(threads, .init = setup, .fini = teardown, .timeout = 120);

static void setup_apart(void)
{
    own_net_enter();
    setup();
}

TestSuite(threads_packets, .init = setup_apart, .fini = teardown, .timeout = 120);

/* The rule file: a path from c to s and one from d to t, which is the same server by
 * its name, and what follows. */
static void write_rules(const char *more)
{
    proxy_process_write_rules(
        &proxy,
        "netsplit: 1\nseed: 7\nnodes:\n  c: {}\n  d: {}\n"
        "  s: { address: 127.0.0.1, ports: [%u] }\n"
        "  t: { address: localhost, ports: [%u] }\nlisten:\n"
        "  - { name: one, address: \"127.0.0.1:0\", from: c, to: s }\n"
        "  - { name: two, address: \"127.0.0.1:0\", from: d, to: t }\n%s",
        traffic.port, traffic.port, more);
}

static void start_proxy(const char *threads)
{
    proxy_process_start(
        &proxy, (const char *const[]){"--threads", threads, "--drain", "20s", NULL});
}

static void end_proxy(void)
{
    cr_assert_eq(proxy_process_end(&proxy, SIGTERM), 128 + SIGTERM);
}

static uint16_t port_of(const char *name)
{
    return proxy_process_port(&proxy, name);
}

static uint64_t total(const char *key)
{
    return proxy_process_total(&proxy, key);
}

/* Runs `netsplit ctl` with the arguments; what it said is in `answer`. */
static void ctl(const char *arguments, ...) __attribute__((format(printf, 1, 2)));
static void ctl(const char *arguments, ...)
{
    va_list args;
    char words[1024];
    va_start(args, arguments);
    (void)vsnprintf(words, sizeof words, arguments, args);
    va_end(args);
    char *command = xasprintf("ctl %s", words);
    cr_assert_eq(program_run(proxy.directory, command, answer, sizeof answer), 0,
                 "%s: %s", words, answer);
    free(command);
}

static json_t *ask(const char *what)
{
    ctl("--json %s", what);
    json_t *object = json_loads(answer, 0, NULL);
    cr_assert_not_null(object, "%s", answer);
    return object;
}

static uint64_t number(const json_t *object, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(object, key));
}

/* A number of a rule in `ctl status`. */
static uint64_t rule_number(const char *name, const char *key)
{
    json_t *status = ask("status"), *rule;
    uint64_t value = 0;
    size_t i;
    json_array_foreach(json_object_get(status, "rules"), i, rule)
    {
        if (strcmp(json_string_value(json_object_get(rule, "name")), name) == 0)
            value = number(rule, key);
    }
    json_decref(status);
    return value;
}

/* One turn of a loop that waits for something that `ctl` tells. */
static void wait_a_moment(int *left_ms)
{
    cr_assert_gt(*left_ms -= 10, 0, "in vain; last it was told: %s", answer);
    (void)poll(NULL, 0, 10);
}

/* How many events of the type the journal has. */
static size_t count_events(const char *type)
{
    size_t n = 0;
    char *word = xasprintf("\"%s\"", type);
    ctl("--json events --since 0 --end --types %s", type);
    for (const char *at = answer; (at = strstr(at, word)); at++)
        n++;
    free(word);
    return n;
}

/* How many listening sockets the port has. */
static unsigned count_listening(uint16_t port)
{
    unsigned n = 0;
    char text[256], *wanted = xasprintf(": 0100007F:%04X 00000000:0000 0A", port);
    FILE *from = fopen("/proc/net/tcp", "r");
    cr_assert_not_null(from);
    while (fgets(text, sizeof text, from))
        n += strstr(text, wanted) != NULL;
    (void)fclose(from);
    free(wanted);
    return n;
}

/* Sends n bytes and gets them back. */
static void exchange(int fd, size_t n)
{
    static char bytes[65536], got[65536];
    cr_assert_eq(send(fd, bytes, n, MSG_NOSIGNAL), (ssize_t)n);
    cr_assert_eq(recv(fd, got, n, MSG_WAITALL), (ssize_t)n, "%s", strerror(errno));
}

Test(threads, each_has_a_socket_on_every_port_and_they_look_like_one_proxy)
{
    enum { CLIENTS = 60, BYTES = 1000 };
    int clients[CLIENTS];
    bool seen[CLIENTS + 1] = {false};
    json_t *row;
    size_t i;
    write_rules(
        "rules:\n  - { name: slow, match: { from: c }, inject: { delay: 5ms } }\n");
    start_proxy("3");
    cr_assert_eq(proxy_process_count_said(&proxy, " threads=3\n"), 1);
    cr_assert_eq(count_listening(port_of("one")), THREADS);
    for (i = 0; i < CLIENTS; i++) {
        clients[i] = traffic_connect(port_of("one"));
        exchange(clients[i], BYTES);
    }
    json_t *connections = ask("connections");
    json_t *list = json_object_get(connections, "connections");
    cr_assert_eq(json_array_size(list), CLIENTS);
    json_array_foreach(list, i, row)
    {
        cr_assert_eq(number(row, "number"), CLIENTS - i, "the newest first");
        cr_assert_lt(number(row, "ordinal"), (uint64_t)CLIENTS);
        cr_assert_not(seen[number(row, "ordinal")], "an ordinal twice");
        seen[number(row, "ordinal")] = true;
    }
    json_decref(connections);
    cr_assert_eq(total("connections_open"), CLIENTS);
    cr_assert_eq(total("passed_bytes"), 2 * CLIENTS * BYTES);
    cr_assert_eq(rule_number("slow", "connections"), CLIENTS);
    cr_assert_eq(rule_number("slow", "touched_bytes"), CLIENTS * BYTES);
    cr_assert_eq(count_events("touched"), 1);
    cr_assert_eq(count_events("listener-opened"), 2);
    cr_assert_eq(count_events("connection-opened"), CLIENTS);
    for (i = 0; i < CLIENTS; i++)
        (void)close(clients[i]);
    end_proxy();
}

Test(threads, a_reload_at_full_traffic_breaks_nothing)
{
    static const char *const changes[] = {
        "rules:\n  - { name: slow, inject: { delay: 1ms, jitter: 1ms } }\n",
        "rules:\n  - { name: slow, inject: { delay: 2ms } }\n"
        "  - { name: fast, inject: { rate: 50MB/s, scope: link } }\n",
        "rules:\n  - { name: bits, inject: { slice: { size: 1kB, gap: 10us } } }\n",
        "",
    };
    write_rules("");
    start_proxy("3");
    traffic_add(&traffic, port_of("one"), TRAFFIC_CLIENTS / 2);
    traffic_add(&traffic, port_of("two"), TRAFFIC_CLIENTS / 2);
    for (int i = 0; i < 20; i++) {
        write_rules(changes[i % 4]);
        ctl("apply --base %s", proxy.rules);
        ctl("add extra c s delay=%dms", 1 + i % 3);
        traffic_wait(&traffic, 2);
        ctl("rm extra");
    }
    cr_assert_gt(traffic_stop(&traffic), 0);
    end_proxy();
}

Test(threads, a_partition_stops_all_and_heals_to_the_byte)
{
    int left_ms = TRAFFIC_PATIENCE_MS;
    write_rules("");
    start_proxy("3");
    traffic_add(&traffic, port_of("one"), TRAFFIC_CLIENTS);
    for (int i = 0; i < 5; i++) {
        traffic_wait(&traffic, 3);
        ctl("partition 'c / s'");
        uint64_t passed = total("passed_bytes");
        cr_assert_eq(total("passed_bytes"), passed);
        while (rule_number("partition-1", "connections") < TRAFFIC_CLIENTS)
            wait_a_moment(&left_ms); /* until all have run into it */
        int late = traffic_connect(port_of("one"));
        while (total("attempts_held_now") == 0)
            wait_a_moment(&left_ms);
        cr_assert_eq(total("passed_bytes"), passed, "across a partition");
        ctl("heal");
        ctl("rm partition-1");
        exchange(late, 100);
        (void)close(late);
    }
    cr_assert_gt(traffic_stop(&traffic), 0);
    end_proxy();
}

/* Packets vanish from sockets of every thread, by one table of the kernel's. Those who
 * had nothing under way are sure to send some. */
Test(threads_packets, a_partition_that_drops_is_repaired_by_the_endpoints)
{
    enum { QUIET = 12 };
    int left_ms = TRAFFIC_PATIENCE_MS, quiet[QUIET];
    char byte;
    write_rules("");
    start_proxy("3");
    traffic_add(&traffic, port_of("one"), TRAFFIC_CLIENTS);
    for (int i = 0; i < QUIET; i++)
        exchange(quiet[i] = traffic_connect(port_of("one")), 10);
    traffic_wait(&traffic, 3);
    ctl("partition 'c / s' --how drop");
    for (int i = 0; i < QUIET; i++)
        cr_assert_eq(send(quiet[i], "x", 1, MSG_NOSIGNAL), 1);
    while (rule_number("partition-1", "packets_dropped") < QUIET)
        wait_a_moment(&left_ms);
    ctl("heal");
    for (int i = 0; i < QUIET; i++) {
        cr_assert_eq(recv(quiet[i], &byte, 1, 0), 1);
        (void)close(quiet[i]);
    }
    cr_assert_gt(traffic_stop(&traffic), 0);
    end_proxy();
}

Test(threads, terminating_lets_all_connections_end_by_themselves)
{
    int left_ms = TRAFFIC_PATIENCE_MS;
    write_rules("");
    start_proxy("3");
    uint16_t port = port_of("one");
    traffic_add(&traffic, port, TRAFFIC_CLIENTS);
    traffic_wait(&traffic, 2);
    (void)kill(proxy.pid, SIGTERM);
    while (count_listening(port) > 0)
        wait_a_moment(&left_ms);
    cr_assert_eq(traffic_connect(port), -1);
    traffic_wait(&traffic, 5);
    ctl("status"); /* it still answers */
    cr_assert_gt(traffic_stop(&traffic), 0);
    cr_assert_eq(proxy_process_wait(&proxy), 128 + SIGTERM);
}

Test(threads, terminating_twice_resets_what_is_left)
{
    int left_ms = TRAFFIC_PATIENCE_MS;
    write_rules("");
    start_proxy("3");
    int clients[12];
    for (int i = 0; i < 12; i++)
        exchange(clients[i] = traffic_connect(port_of("one")), 10);
    (void)kill(proxy.pid, SIGTERM);
    while (count_listening(port_of("one")) > 0)
        wait_a_moment(&left_ms);
    (void)kill(proxy.pid, SIGTERM);
    cr_assert_eq(proxy_process_wait(&proxy), 128 + SIGTERM);
    for (int i = 0; i < 12; i++) {
        char byte;
        cr_assert_eq(recv(clients[i], &byte, 1, 0), -1);
        cr_assert_eq(errno, ECONNRESET);
        (void)close(clients[i]);
    }
}

Test(threads, a_port_that_another_proxy_has_is_refused)
{
    write_rules("");
    start_proxy("3");
    char *command = xasprintf("proxy 127.0.0.1:%u:127.0.0.1:%u --control second "
                              "--threads 2",
                              port_of("one"), traffic.port);
    cr_assert_eq(program_run(proxy.directory, command, answer, sizeof answer), 3);
    cr_assert_null(strstr(answer, "ready path"), "%s", answer);
    int fd = traffic_connect(port_of("one"));
    exchange(fd, 10);
    (void)close(fd);
    end_proxy();
    free(command);
}

Test(threads, the_limit_of_connections_is_that_of_all_together)
{
    int left_ms = TRAFFIC_PATIENCE_MS;
    enum { MOST = 6, CLIENTS = 24 };
    int clients[CLIENTS];
    write_rules("");
    proxy_process_start(&proxy, (const char *const[]){"--threads", "3",
                                                      "--max-connections", "6", NULL});
    for (int i = 0; i < CLIENTS; i++) { /* the kernel answers all of them */
        clients[i] = traffic_connect(port_of("one"));
        cr_assert_eq(send(clients[i], "x", 1, MSG_NOSIGNAL), 1);
    }
    while (total("connections_open") < MOST)
        wait_a_moment(&left_ms);
    for (int served = 0; served < CLIENTS; served++) {
        cr_assert_leq(total("connections_open"), MOST);
        struct pollfd polled[CLIENTS];
        for (int i = 0; i < CLIENTS; i++)
            polled[i] = (struct pollfd){clients[i], POLLIN, 0};
        cr_assert_gt(poll(polled, CLIENTS, TRAFFIC_PATIENCE_MS), 0, "after %d", served);
        for (int i = 0; i < CLIENTS; i++)
            if (polled[i].revents) { /* one of those that came in leaves */
                (void)close(clients[i]);
                clients[i] = -1;
                break;
            }
    }
    json_t *status = ask("status");
    cr_assert_eq(number(json_object_get(status, "totals"), "connections"), CLIENTS);
    json_decref(status);
    end_proxy();
}

/* Does the port answer? 1: yes; 0: not within a moment; -1: it refuses. */
static int answers(uint16_t port)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons(port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int error = 0;
    socklen_t length = sizeof error;
    (void)connect(fd, (const struct sockaddr *)&address, sizeof address);
    struct pollfd polled = {.fd = fd, .events = POLLOUT};
    int n = poll(&polled, 1, 200);
    (void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
    (void)close(fd);
    return n == 0 ? 0 : error == 0 ? 1 : -1;
}

Test(threads, refused_and_unanswered_hold_for_every_socket_of_a_port)
{
    enum { TRIES = 12 }; /* with one socket of three forgotten: 1 in 130 */
    write_rules("");
    start_proxy("3");
    uint16_t port = port_of("one");
    for (int i = 0; i < 3; i++) {
        ctl("add no c s refuse=true");
        for (int k = 0; k < TRIES; k++)
            cr_assert_eq(answers(port), -1);
        ctl("rm no");
        for (int k = 0; k < TRIES; k++)
            cr_assert_eq(answers(port), 1);
        ctl("add silence c s unanswered=true");
        for (int k = 0; k < TRIES; k++)
            cr_assert_eq(answers(port), 0);
        cr_assert_eq(answers(port_of("two")), 1);
        ctl("rm silence");
        cr_assert_eq(count_listening(port), THREADS);
        traffic_add(&traffic, port, TRAFFIC_CLIENTS / 3);
    }
    cr_assert_gt(traffic_stop(&traffic), 0);
    end_proxy();
}

/* Which of the connections that were made one after the other had the fault. */
static void draw(const char *threads, bool *drawn, size_t n)
{
    write_rules(
        "rules:\n  - { name: some, probability: 50%, inject: { delay: 1ms } }\n");
    start_proxy(threads);
    for (size_t i = 0; i < n; i++) {
        int fd = traffic_connect(port_of("one"));
        exchange(fd, 1);
        (void)close(fd);
    }
    ctl("--json events --since 0 --end --types decision");
    size_t decisions = 0;
    for (char *at = strtok(answer, "\n"); at; at = strtok(NULL, "\n")) {
        json_t *event = json_loads(at, 0, NULL);
        if (json_object_get(event, "connection_ordinal")) {
            drawn[number(event, "connection_ordinal")] = number(event, "outcome") != 0;
            decisions++;
        }
        json_decref(event);
    }
    cr_assert_eq(decisions, n);
    end_proxy();
}

Test(threads, their_number_changes_no_decision)
{
    enum { CONNECTIONS = 40 };
    bool alone[CONNECTIONS] = {false}, together[CONNECTIONS] = {false};
    draw("1", alone, CONNECTIONS);
    draw("4", together, CONNECTIONS);
    cr_assert_arr_eq(alone, together, sizeof alone);
}

/* Opens connections, says something, and closes them, one after the other. Whether they
 * get through is for the rules to say. */
struct storm {
    pthread_t thread;
    uint16_t port;
    _Atomic uint64_t tried;
    _Atomic bool over;
};

static void *storm(void *arg)
{
    struct storm *own = arg;
    const struct timeval patience = {.tv_usec = 20000};
    while (!own->over) {
        char bytes[2000] = {0};
        own->tried++; /* before: a connection may be reset within connect() */
        int fd = traffic_connect(own->port);
        if (fd < 0)
            continue;
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        (void)send(fd, bytes, sizeof bytes, MSG_NOSIGNAL);
        (void)recv(fd, bytes, sizeof bytes, MSG_WAITALL);
        (void)close(fd);
    }
    return NULL;
}

static const char storm_rules[] =
    "rules:\n"
    "  - { name: now-and-then, inject: { delay: 3ms },\n"
    "      when: { after: 10ms, for: 15ms, every: 40ms } }\n"
    "  - { name: cut-at-times, cut: { from: c, to: s },\n"
    "      when: { after: 100ms, for: 30ms, every: 150ms } }\n"
    "  - { name: ends, match: { from: d }, probability: 20%,\n"
    "      inject: { reset: { after: 1kB } } }\n";

Test(threads, connections_that_come_and_go_while_rules_change_leave_nothing_behind)
{
    int left_ms = TRAFFIC_PATIENCE_MS;
    static const char *const overlays[] = {
        "add x c s delay=1ms jitter=1ms",
        "add x any any discard=true --for 50ms",
        "add x d t half_open=to_server",
        "add x c s slice.size=100B",
        "add x c s refuse=true",
        "add x c s rate=1MB/s scope=link",
        "partition 'c / s' --how reset --as x",
    };
    enum { OVERLAYS = sizeof overlays / sizeof *overlays, STORMS = 6 };
    struct storm storms[STORMS] = {0};
    uint64_t tried = 0;
    write_rules(storm_rules);
    start_proxy("4");
    for (int i = 0; i < STORMS; i++) {
        storms[i].port = port_of(i % 2 ? "one" : "two");
        cr_assert_eq(pthread_create(&storms[i].thread, NULL, storm, &storms[i]), 0);
    }
    for (int i = 0; i < 3 * OVERLAYS; i++) {
        ctl("%s", overlays[i % OVERLAYS]);
        ctl("connections");
        (void)poll(NULL, 0, 50);
    }
    ctl("clear");
    for (int i = 0; i < STORMS; i++) {
        storms[i].over = true;
        cr_assert_eq(pthread_join(storms[i].thread, NULL), 0);
        tried += storms[i].tried;
    }
    while (total("connections_open") > 0)
        wait_a_moment(&left_ms);
    cr_assert_leq(total("connections"), tried);
    cr_assert_gt(total("connections"), 0);
    cr_assert_eq(total("attempts_held_now"), 0);
    cr_assert_eq(total("held_bytes"), 0);
    cr_assert_eq(proxy_process_budget(&proxy, "held_bytes", "used"), 0);
    cr_assert_eq(proxy_process_budget(&proxy, "connections", "used"), 0);
    cr_assert_eq(proxy_process_budget(&proxy, "descriptors", "used"), 0);
    end_proxy();
}

Test(threads, a_number_out_of_range_is_bad_usage)
{
    write_rules("");
    cr_assert_eq(program_run(proxy.directory, "proxy -f r.yaml --threads 0", answer,
                             sizeof answer),
                 2);
    cr_assert_eq(program_run(proxy.directory, "proxy -f r.yaml --threads 65", answer,
                             sizeof answer),
                 2);
}
