/* SPDX-License-Identifier: MIT */
/* What netsplit proxy runs out of: descriptors, the budget of bytes, places in the
 * kernel's queue, the disk below its journal. Nothing is lost by it, whoever did not
 * use it up goes on, it is said, and it passes. */
#include "proxy/base/memory.h"
#include "proxy/base/now.h"
#include "tests/lib/proxy_process.h"
#include "tests/lib/swarm.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATIENCE_NS (20 * NS_PER_S)

static struct proxy_process proxy;
static struct swarm swarm;

static void setup(void)
{
    (void)alarm(180); /* whatever hangs */
    proxy_process_open(&proxy);
}

static void teardown(void)
{
    proxy_process_close(&proxy);
}

TestSuite(abuse_limits, .init = setup, .fini = teardown);

/* A swarm in which nothing may be lost. */
static void open_swarm(size_t at_once, uint64_t bytes_most)
{
    swarm_open(&swarm, &(struct swarm_config){.seed = 5,
                                              .at_once = at_once,
                                              .bytes_most = bytes_most,
                                              .is_exact = true});
}

/* A proxy before it, with two paths. */
static void start(const char *const *words)
{
    proxy_process_write_rules(
        &proxy,
        "netsplit: 1\nnodes:\n  c: {}\n  d: {}\n"
        "  s: { address: 127.0.0.1, ports: [%u] }\nlisten:\n"
        "  - { name: p0, address: 127.0.0.1:0, from: c, to: s }\n"
        "  - { name: p1, address: 127.0.0.1:0, from: d, to: s }\n",
        swarm.port);
    proxy_process_start(&proxy, words);
    swarm.through[0] = proxy_process_port(&proxy, "p0");
    swarm.through[1] = proxy_process_port(&proxy, "p1");
    swarm.n_through = 2;
}

/* All connections, and so many more, end as they should. */
static void expect_sound(size_t more)
{
    size_t most = swarm.begun + more;
    while (swarm.begun < most)
        swarm_turn(&swarm, most, 5);
    swarm_finish(&swarm);
    cr_assert_eq(swarm.whole, swarm.begun);
    cr_assert_eq(proxy_process_budget(&proxy, "connections", "used"), 0);
    cr_assert_eq(proxy_process_end(&proxy, SIGTERM), 128 + SIGTERM);
    swarm_close(&swarm);
}

/* Keeps it busy until it has said the text. */
static void press_until_said(const char *text)
{
    uint64_t since = now_ns();
    while (proxy_process_count_said(&proxy, text) == 0) {
        swarm_turn(&swarm, SIZE_MAX, 5);
        cr_assert_lt(now_ns() - since, PATIENCE_NS, "it does not say: %s", text);
    }
}

static bool is_accepting(void)
{
    json_t *status = NULL;
    cr_assert_eq(proxy_process_ask(&proxy, "GET", "/v1/status", NULL, &status), 200);
    bool accepting = json_is_true(json_object_get(status, "accepting"));
    json_decref(status);
    return accepting;
}

static void press_until_accepting(bool accepting)
{
    uint64_t since = now_ns();
    while (is_accepting() != accepting) {
        swarm_turn(&swarm, accepting ? 0 : SIZE_MAX, 5);
        cr_assert_lt(now_ns() - since, PATIENCE_NS, "accepting is not %d", accepting);
    }
}

Test(abuse_limits, out_of_its_descriptors_it_pauses_says_so_and_goes_on)
{
    char *journal = xasprintf("%s/journal", proxy.directory);
    open_swarm(200, 65536);
    start(
        (const char *const[]){"--max-descriptors", "100", "--journal", journal, NULL});
    press_until_said("budget=descriptors limit=");
    press_until_accepting(false);
    cr_assert_gt(proxy_process_budget(&proxy, "descriptors", "reached"), 0);
    press_until_accepting(true);
    expect_sound(100);
    char *command = xasprintf(
        "grep -q '\"event\":\"budget-reached\".*\"text\":\"descriptors\"' %s", journal);
    cr_assert_eq(system(command), 0, "the journal does not tell");
    free(command);
    free(journal);
}

/* The highest descriptor that it has open. */
static rlim_t highest_descriptor(void)
{
    char *command = xasprintf("ls /proc/%d/fd | sort -n | tail -n 1", proxy.pid);
    char line[32] = "";
    FILE *from = popen(command, "r");
    cr_assert_not_null(fgets(line, sizeof line, from));
    (void)pclose(from);
    free(command);
    return (rlim_t)strtoul(line, NULL, 10);
}

Test(abuse_limits, out_of_the_systems_descriptors_it_goes_on_when_there_are_some)
{
    open_swarm(200, 65536);
    start((const char *const[]){NULL});
    struct rlimit before, low;
    cr_assert_eq(prlimit(proxy.pid, RLIMIT_NOFILE, NULL, &before), 0);
    low = (struct rlimit){highest_descriptor() + 12, before.rlim_max};
    cr_assert_eq(prlimit(proxy.pid, RLIMIT_NOFILE, &low, NULL), 0);
    press_until_said("budget=descriptors limit=");
    cr_assert_eq(prlimit(proxy.pid, RLIMIT_NOFILE, &before, NULL), 0);
    expect_sound(200);
}

Test(abuse_limits, stalled_receivers_that_fill_the_budget_stop_nobody_else)
{
    static const char stall[] =
        "netsplit: 1\nrules:\n"
        "  - { name: stop, match: { between: [d, s] }, inject: { stall: true } }\n";
    open_swarm(40, 4 << 20);
    start((const char *const[]){"--max-bytes", "2MiB", NULL});
    cr_assert_eq(proxy_process_ask(&proxy, "PUT", "/v1/overlays/stop", stall, NULL),
                 200);
    swarm.through[0] = swarm.through[1];
    press_until_said("budget=held_bytes limit=");
    swarm.through[0] = proxy_process_port(&proxy, "p0");
    swarm.n_through = 1;
    swarm.config.at_once += 20;
    size_t whole = swarm.whole;
    uint64_t since = now_ns();
    while (swarm.whole < whole + 50) {
        swarm_turn(&swarm, SIZE_MAX, 5);
        cr_assert_lt(now_ns() - since, PATIENCE_NS, "the others stand still too");
    }
    cr_assert_leq(proxy_process_budget(&proxy, "held_bytes", "peak"), 3 << 20);
    cr_assert_eq(proxy_process_ask(&proxy, "DELETE", "/v1/overlays/stop", NULL, NULL),
                 200);
    swarm_finish(&swarm);
    cr_assert_eq(proxy_process_budget(&proxy, "held_bytes", "used"), 0);
    expect_sound(50);
}

/* A number of /proc/net/netstat. */
static uint64_t netstat(const char *name)
{
    char names[4096], numbers[4096];
    uint64_t value = 0;
    FILE *from = fopen("/proc/net/netstat", "r");
    cr_assert_not_null(from);
    while (fgets(names, sizeof names, from) && fgets(numbers, sizeof numbers, from)) {
        char *at[2] = {NULL, NULL};
        char *word = strtok_r(names, " \n", &at[0]);
        char *number = strtok_r(numbers, " \n", &at[1]);
        for (; word && number; word = strtok_r(NULL, " \n", &at[0]),
                               number = strtok_r(NULL, " \n", &at[1]))
            if (strcmp(word, name) == 0)
                value = strtoull(number, NULL, 10);
    }
    (void)fclose(from);
    return value;
}

static bool set_kernel(const char *path, const char *value)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    ssize_t n = write(fd, value, strlen(value));
    (void)close(fd);
    return n > 0;
}

/* A network of our own. False if the kernel does not allow it. */
static bool enter_network(void)
{
    if (unshare(CLONE_NEWNET) != 0)
        return false;
    struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(ioctl(fd, SIOCSIFFLAGS, &lo), 0);
    (void)close(fd);
    return true;
}

/* Queues of listeners to come are short, and no SYN cookies make up for it: the kernel
 * resets whose cookie is too old. */
static bool shorten_queues(void)
{
    return set_kernel("/proc/sys/net/core/somaxconn", "16") &&
           set_kernel("/proc/sys/net/ipv4/tcp_syncookies", "0");
}

Test(abuse_limits, a_storm_that_overflows_the_queue_comes_in_by_and_by)
{
    enum { STORM = 100 };
    if (!enter_network())
        cr_skip_test("a network namespace of its own is not permitted");
    open_swarm(STORM, 4096); /* the server's queue is long enough */
    if (!shorten_queues())
        cr_skip_test("the settings of its network are not ours to change");
    start((const char *const[]){NULL});
    uint64_t since = now_ns();
    (void)kill(proxy.pid, SIGSTOP);
    while (swarm.begun < STORM || netstat("ListenOverflows") == 0) {
        swarm_turn(&swarm, STORM, 5);
        cr_assert_lt(now_ns() - since, PATIENCE_NS, "the queue does not overflow");
    }
    (void)kill(proxy.pid, SIGCONT);
    (void)is_accepting(); /* it answers in the middle of it */
    expect_sound(50);
}

/* A disk of so many KiB. False if the kernel does not allow it. */
static bool mount_disk(const char *at, int kib)
{
    char options[32];
    (void)snprintf(options, sizeof options, "size=%dk", kib);
    return unshare(CLONE_NEWNS) == 0 &&
           mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mkdir(at, 0700) == 0 && mount("none", at, "tmpfs", 0, options) == 0;
}

/* Every line is an object, the last one too. Returns how many there are. */
static size_t check_lines(const char *path)
{
    char line[2048];
    size_t n = 0;
    FILE *from = fopen(path, "r");
    cr_assert_not_null(from);
    for (; fgets(line, sizeof line, from); n++) {
        json_t *event = json_loads(line, 0, NULL);
        cr_assert(json_is_object(event), "line %zu is cut off: %s", n + 1, line);
        json_decref(event);
    }
    (void)fclose(from);
    return n;
}

Test(abuse_limits, a_full_disk_ends_the_journal_and_nothing_else)
{
    char *disk = xasprintf("%s/disk", proxy.directory);
    char *journal = xasprintf("%s/journal", disk);
    if (!mount_disk(disk, 64))
        cr_skip_test("a mount of its own is not permitted");
    open_swarm(20, 4096);
    start((const char *const[]){"--journal", journal, NULL});
    press_until_said("journal: writing stopped: No space left on device");
    cr_assert_gt(check_lines(journal), 100);
    expect_sound(100);
    cr_assert_eq(umount(disk), 0);
    free(journal);
    free(disk);
}
