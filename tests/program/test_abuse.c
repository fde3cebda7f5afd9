/* SPDX-License-Identifier: MIT */
/* What netsplit proxy must bear, from thousands of connections at once: faults that
 * change all the time, reloads without end, storms, clients that are killed. A few
 * seconds each here; `make soak` runs the same for NETSPLIT_SOAK_SECONDS.
 *
 * How fast it answers meanwhile is printed, and fails a test only where something must
 * have got stuck. */
#include "proxy/base/memory.h"
#include "proxy/base/now.h"
#include "rules/rng.h"
#include "tests/lib/program.h"
#include "tests/lib/proxy_process.h"
#include "tests/lib/swarm.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Sanitizers make every connection cost more. */
#if defined(__SANITIZE_ADDRESS__)
enum { CONNECTIONS = 1000, AT_ONCE = 300 };
#else
enum { CONNECTIONS = 10000, AT_ONCE = 2000 };
#endif

#define STUCK_NS      (5 * NS_PER_S)
#define CHANGE_NS     (10 * NS_PER_MS) /* of the faults */
#define RELOAD_NS     (50 * NS_PER_MS)
#define SHORT_SPAN_NS (3 * NS_PER_S)

enum {
    OVERLAYS = 5,
    PATHS = 3,
    POOLED_MOST = 16, /* descriptors of pipes that an idle proxy keeps */
};

static struct proxy_process proxy;
static struct swarm swarm;
static uint64_t seed;
static uint64_t dice_count;

static uint64_t dice(uint64_t bound)
{
    return rng_below(rng_mix(rng_seed(seed), 77), dice_count++, bound);
}

static uint64_t soak_seconds(void)
{
    const char *given = getenv("NETSPLIT_SOAK_SECONDS");
    return given ? strtoull(given, NULL, 10) : 0;
}

/* How long a test goes on that may go on for ever. */
static uint64_t span_ns(void)
{
    uint64_t seconds = soak_seconds();
    return seconds ? seconds * NS_PER_S : SHORT_SPAN_NS;
}

static void setup(void)
{
    const char *given = getenv("NETSPLIT_TEST_SEED");
    seed = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    fprintf(stderr, "seed %llu\n", (unsigned long long)seed);
    (void)alarm((unsigned)(180 + 4 * soak_seconds())); /* whatever hangs */
    proxy_process_open(&proxy);
}

static void teardown(void)
{
    proxy_process_close(&proxy);
}

TestSuite(abuse, .init = setup, .fini = teardown);

/* The base: three paths to the swarm's server. more: rules, with their indent. */
static void write_paths(const char *more)
{
    proxy_process_write_rules(&proxy,
                              "netsplit: 1\nseed: %llu\nnodes:\n  c: {}\n  d: {}\n"
                              "  s: { address: 127.0.0.1, ports: [%u] }\nlisten:\n"
                              "  - { name: p0, address: 127.0.0.1:0, from: c, to: s }\n"
                              "  - { name: p1, address: 127.0.0.1:0, from: d, to: s }\n"
                              "  - { name: p2, address: 127.0.0.1:0, to: s }\n%s",
                              (unsigned long long)seed, swarm.port, more);
}

static const char *const one_thread[] = {NULL};
static const char *const three_threads[] = {"--threads", "3", NULL};

/* A proxy with the words, and a swarm for it. */
static void begin(const struct swarm_config *config, const char *const *words)
{
    swarm_open(&swarm, config);
    write_paths("");
    proxy_process_start(&proxy, words);
    for (size_t i = 0; i < PATHS; i++) {
        char name[8];
        (void)snprintf(name, sizeof name, "p%zu", i);
        swarm.through[i] = proxy_process_port(&proxy, name);
    }
    swarm.n_through = PATHS;
}

static void expect_quick(void)
{
    fprintf(stderr,
            "slowest answer of the API %.1f ms, at most %.1f ms of them computing\n",
            (double)proxy.slowest_ns / 1e6, (double)proxy.slowest_cpu_ns / 1e6);
    cr_assert_lt(proxy.slowest_ns, STUCK_NS, "(seed %llu)", (unsigned long long)seed);
}

/* Nothing is left in it, and it still does what it is for. */
static void expect_sound(void)
{
    uint64_t since = now_ns();
    while (proxy_process_total(&proxy, "connections_open") > 0) {
        swarm_turn(&swarm, 0, 5);
        cr_assert_lt(now_ns() - since, 4 * STUCK_NS, "connections are left (seed %llu)",
                     (unsigned long long)seed);
    }
    cr_assert_eq(proxy_process_total(&proxy, "held_bytes"), 0);
    cr_assert_eq(proxy_process_total(&proxy, "attempts_held_now"), 0);
    cr_assert_eq(proxy_process_budget(&proxy, "held_bytes", "used"), 0);
    cr_assert_eq(proxy_process_budget(&proxy, "connections", "used"), 0);
    cr_assert_leq(proxy_process_budget(&proxy, "descriptors", "used"), POOLED_MOST);
    swarm_finish(&swarm); /* those whose clients were killed are lost, and may be */
    size_t whole = swarm.whole;
    swarm.config.is_exact = true;
    swarm.config.bytes_most = 1 << 16;
    while (swarm.whole < whole + 20)
        swarm_turn(&swarm, swarm.open < 20 ? SIZE_MAX : 0, 10);
    swarm_finish(&swarm);
    cr_assert_eq(proxy_process_end(&proxy, SIGTERM), 128 + SIGTERM);
    swarm_close(&swarm);
}

/* A rule of any kind but `corrupt`, drawn. */
static void draw_rule(char *text, size_t text_bytes)
{
    static const char *const faults[] = {
        "delay: 5ms, jitter: 3ms",
        "delay: 1ms, loss: 2%",
        "rate: 2MB/s",
        "rate: 5MB/s, scope: link",
        "slice: { size: 700B, gap: 50us }",
        "stall: true",
        "discard: true",
        "reset: { after: 3ms }",
        "reset: { after: 900B }",
        "close: { after: 5ms }",
        "close: { after: 1500B }",
        "refuse: true",
        "unanswered: true",
        "accept_delay: 20ms",
        "half_open: to_server",
        "half_open: to_client",
    };
    static const char *const matches[] = {
        "between: [c, s]", "from: c, to: s", "from: s, to: c",
        "between: [d, s]", "from: s",        "to: s",
    };
    static const char *const cuts[] = {
        "partition: [[c], [s]]",
        "partition: [[d], [s]], how: reset",
        "partition: [[c], [s]], how: refuse",
        "cut: { from: d, to: s }",
        "cut: { from: s, to: c }, how: reset",
        "isolate: d",
    };
    if (dice(4) == 0)
        (void)snprintf(text, text_bytes, "  - { name: r, %s }",
                       cuts[dice(sizeof cuts / sizeof *cuts)]);
    else
        (void)snprintf(text, text_bytes,
                       "  - { name: r, match: { %s }, inject: { %s }%s }",
                       matches[dice(sizeof matches / sizeof *matches)],
                       faults[dice(sizeof faults / sizeof *faults)],
                       (const char *[]){"", ", probability: 30%",
                                        ", when: { for: 20ms, every: 45ms }"}[dice(3)]);
}

/* Replaces or removes one overlay, or heals, or clears. */
static void change_faults(void)
{
    char rule[256], text[512], target[64];
    (void)snprintf(target, sizeof target, "/v1/overlays/o%d", (int)dice(OVERLAYS));
    if (dice(3) == 0) {
        (void)proxy_process_ask(&proxy, "DELETE", target, NULL, NULL); /* or 404 */
        return;
    }
    if (dice(40) == 0) {
        cr_assert_eq(proxy_process_ask(&proxy, "DELETE", "/v1/overlays", NULL, NULL),
                     200);
        return;
    }
    draw_rule(rule, sizeof rule);
    (void)snprintf(text, sizeof text, "netsplit: 1\nrules:\n%s\n", rule);
    cr_assert_eq(proxy_process_ask(&proxy, "PUT", target, text, NULL), 200, "%s", text);
}

static void come_and_go(const char *const *words)
{
    begin(&(struct swarm_config){.seed = seed, .at_once = AT_ONCE, .bytes_most = 65536},
          words);
    uint64_t start = now_ns(), next_ns = start, changes = 0;
    while (swarm.begun < CONNECTIONS ||
           (soak_seconds() && now_ns() - start < span_ns())) {
        swarm_turn(&swarm, SIZE_MAX, 5);
        if (now_ns() < next_ns)
            continue;
        next_ns = now_ns() + CHANGE_NS;
        change_faults();
        /* Everybody may be behind some fault: then nobody new would come. */
        if (changes++ % 40 == 39)
            (void)proxy_process_ask(&proxy, "DELETE", "/v1/overlays", NULL, NULL);
    }
    cr_assert_eq(proxy_process_ask(&proxy, "DELETE", "/v1/overlays", NULL, NULL), 200);
    swarm_finish(&swarm);
    fprintf(stderr,
            "%zu connections (%zu whole, %zu ended early, %zu refused), %llu MiB, %llu "
            "changes\n",
            swarm.begun, swarm.whole, swarm.lost, swarm.refused,
            (unsigned long long)(swarm.bytes >> 20), (unsigned long long)changes);
    cr_assert_gt(swarm.whole, swarm.begun / 20, "hardly any came through");
    cr_assert_gt(swarm.lost + swarm.refused, swarm.begun / 50, "the faults did little");
    expect_quick();
    expect_sound();
}

Test(abuse, thousands_of_connections_come_and_go_under_faults_that_change)
{
    come_and_go(one_thread);
}

Test(abuse, thousands_of_connections_come_and_go_on_three_threads)
{
    come_and_go(three_threads);
}

/* A client of the API that asks and then does not read. */
static int ask_and_be_silent(const char *request)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    (void)snprintf(to.sun_path, sizeof to.sun_path, "%.100s", proxy.control);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    cr_assert_eq(write(fd, request, strlen(request)), (ssize_t)strlen(request));
    return fd;
}

/* Bases that differ in what they do to bytes, never in whether they arrive. */
static const char *const bases[] = {
    "",
    "rules:\n  - { name: a, match: { between: [c, s] }, inject: { delay: 2ms } }\n",
    "rules:\n  - { name: a, match: { between: [c, s] }, inject: { delay: 1ms } }\n"
    "  - { name: b, inject: { slice: { size: 9kB, gap: 10us }, rate: 50MB/s } }\n",
    "rules:\n  - { name: s, match: { between: [d, s] }, inject: { stall: true },\n"
    "      when: { for: 5ms, every: 30ms } }\n",
};
enum { BASES = sizeof bases / sizeof *bases };

/* Reads the rule file again, by signal and by the API in turn. */
static void reload(uint64_t n)
{
    write_paths(bases[n % BASES]);
    if (n % 2 == 0) {
        (void)kill(proxy.pid, SIGHUP);
        return;
    }
    char text[4096];
    FILE *from = fopen(proxy.rules, "r");
    cr_assert_not_null(from);
    text[fread(text, 1, sizeof text - 1, from)] = '\0';
    (void)fclose(from);
    cr_assert_eq(proxy_process_ask(&proxy, "PUT", "/v1/rules", text, NULL), 200);
}

static void reload_without_end(const char *const *words)
{
    begin(&(struct swarm_config){.seed = seed,
                                 .at_once = AT_ONCE / 10,
                                 .bytes_most = 1 << 20,
                                 .is_exact = true},
          words);
    int silent[] = {
        ask_and_be_silent("GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n"),
        ask_and_be_silent("GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n"),
        ask_and_be_silent("PUT /v1/rules HTTP/1.1\r\nContent-Length: 999\r\n\r\nnet"),
    };
    uint64_t start = now_ns(), next_ns = start, reloads = 0;
    while (now_ns() - start < span_ns()) {
        swarm_turn(&swarm, SIZE_MAX, 5);
        if (now_ns() < next_ns)
            continue;
        next_ns = now_ns() + RELOAD_NS;
        reload(reloads++);
    }
    write_paths("");
    cr_assert_eq(
        proxy_process_ask(&proxy, "PUT", "/v1/rules", "netsplit: 1\nx: 1\n", NULL), 422,
        "a bad one among them changes nothing");
    (void)kill(proxy.pid, SIGHUP);
    swarm_finish(&swarm);
    fprintf(stderr, "%llu reloads, %zu connections, %llu MiB\n",
            (unsigned long long)reloads, swarm.begun,
            (unsigned long long)(swarm.bytes >> 20));
    cr_assert_eq(swarm.whole, swarm.begun);
    cr_assert_eq(proxy_process_count_said(&proxy, "nothing has changed"), 0);
    cr_assert_gt(proxy_process_budget(&proxy, "connections", "peak"), 1);
    expect_quick();
    for (size_t i = 0; i < sizeof silent / sizeof *silent; i++)
        close(silent[i]);
    expect_sound();
}

Test(abuse, reloads_without_end_change_no_byte_and_keep_nobody_waiting)
{
    reload_without_end(one_thread);
}

Test(abuse, reloads_without_end_change_no_byte_on_three_threads)
{
    reload_without_end(three_threads);
}

static void apply(const char *rules)
{
    char *text = xasprintf("netsplit: 1\nrules:\n%s", rules);
    cr_assert_eq(proxy_process_ask(&proxy, "PUT", "/v1/overlays/x", text, NULL), 200);
    free(text);
}

Test(abuse, a_path_goes_from_any_answer_to_any_other_on_three_threads)
{
    static const char *const answers[] = {
        "  - { name: x, inject: { delay: 0s } }\n",
        "  - { name: x, inject: { refuse: true } }\n",
        "  - { name: x, inject: { unanswered: true } }\n",
    };
    static const int order[] = {1, 2, 1, 0, 2, 0, 1, 2, 1, 2, 1, 0, 1, 2, 0};
    begin(&(struct swarm_config){.seed = seed, .at_once = 20, .bytes_most = 1024},
          three_threads);
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        apply(answers[order[i]]);
        swarm_turn(&swarm, SIZE_MAX, 5);
    }
    swarm_finish(&swarm);
    expect_quick();
    expect_sound();
}

static bool is_stopping(void)
{
    json_t *status = NULL;
    cr_assert_eq(proxy_process_ask(&proxy, "GET", "/v1/status", NULL, &status), 200);
    bool stopping = json_is_true(json_object_get(status, "stopping"));
    json_decref(status);
    return stopping;
}

Test(abuse, draining_under_load_lets_all_bytes_arrive_and_then_ends)
{
    begin(&(struct swarm_config){.seed = seed,
                                 .at_once = AT_ONCE / 10,
                                 .bytes_most = 4 << 20,
                                 .is_exact = true},
          (const char *const[]){"--drain", "1h", "--threads", "2", NULL});
    cr_assert_eq(proxy_process_ask(&proxy, "PUT", "/v1/overlays/slow",
                                   "netsplit: 1\nrules:\n"
                                   "  - { name: slow, inject: { delay: 20ms } }\n",
                                   NULL),
                 200);
    while (swarm.begun < AT_ONCE)
        swarm_turn(&swarm, AT_ONCE, 5);
    /* Who is in the queue of a listener that closes is reset: so all are let in first. */
    while (proxy_process_total(&proxy, "attempts") < AT_ONCE)
        swarm_turn(&swarm, AT_ONCE, 5);
    (void)kill(proxy.pid, SIGTERM);
    while (!is_stopping())
        swarm_turn(&swarm, 0, 5);
    cr_assert_gt(swarm.open, 0, "there was nothing to drain");
    swarm_finish(&swarm);
    cr_assert_eq(swarm.whole, swarm.begun);
    cr_assert_eq(proxy_process_wait(&proxy), 128 + SIGTERM);
    swarm_close(&swarm);
}

/* A process of so many clients, who have a lot to send. */
static pid_t start_clients(const struct swarm_config *config)
{
    pid_t parent = getpid(), pid = fork();
    cr_assert_geq(pid, 0);
    if (pid != 0)
        return pid;
    struct swarm own;
    program_in_child(parent);
    swarm_open(&own, config);
    memcpy(own.through, swarm.through, sizeof own.through);
    own.n_through = swarm.n_through;
    for (;;)
        swarm_turn(&own, SIZE_MAX, 10);
}

Test(abuse, clients_that_are_killed_in_the_middle_leave_nothing_behind)
{
    enum { CLIENTS = 200 };
    const struct swarm_config config = {
        .seed = seed, .at_once = CLIENTS, .bytes_most = UINT64_C(1) << 30};
    begin(&config, three_threads);
    cr_assert_eq(
        proxy_process_ask(
            &proxy, "PUT", "/v1/overlays/hard",
            "netsplit: 1\nrules:\n"
            "  - { name: slow, match: { from: c, to: s }, inject: { delay: 1h } }\n"
            "  - { name: cut, partition: [[d], [s]] }\n",
            NULL),
        200);
    pid_t clients = start_clients(&config);
    uint64_t since = now_ns();
    while (proxy_process_total(&proxy, "attempts") < CLIENTS ||
           proxy_process_total(&proxy, "attempts_held_now") == 0 ||
           proxy_process_total(&proxy, "held_bytes") < (1 << 20)) {
        swarm_turn(&swarm, 0, 5);
        cr_assert_lt(now_ns() - since, 4 * STUCK_NS, "they do not get going");
    }
    (void)kill(clients, SIGKILL);
    cr_assert_eq(waitpid(clients, NULL, 0), clients);
    cr_assert_eq(proxy_process_ask(&proxy, "DELETE", "/v1/overlays", NULL, NULL), 200);
    swarm_finish(&swarm);
    expect_quick();
    expect_sound();
}
