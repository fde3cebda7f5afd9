/* SPDX-License-Identifier: MIT */
/* make bench: netsplit beside a direct connection and HAProxy. All systems are up from
 * the start; each repeat visits them in a new random order, and every ratio is taken
 * within one repeat, so that a machine whose speed drifts does not decide. Medians with
 * their spread are printed, and written as JSON.
 *
 * The three share two or a few CPUs with the load: a ratio below 1 to direct is built
 * in. CPU seconds per GiB of the proxy process do not depend on that. */
#include "proxy/base/now.h"
#include "tests/bench/load.h"
#include "tests/bench/sut.h"

#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { REPEATS = 5, FIGURES = 16 };

struct figure {
    const char *part; /* BENCH=part */
    const char *name;
    const char *unit;
    bool low_is_good;
    double values[SUT_COUNT][REPEATS];
    int n[SUT_COUNT];
};

static struct figure figures[FIGURES] = {
    {.part = "bulk", .name = "bulk, 1 connection", .unit = "MB/s"},
    {.part = "bulk", .name = "  proxy CPU", .unit = "s/GiB", .low_is_good = true},
    {.part = "bulk", .name = "bulk, 8 connections", .unit = "MB/s"},
    {.part = "bulk", .name = "  proxy CPU", .unit = "s/GiB", .low_is_good = true},
    {.part = "latency",
     .name = "round trip of 64 B, p50",
     .unit = "us",
     .low_is_good = true},
    {.part = "latency",
     .name = "round trip of 64 B, p99",
     .unit = "us",
     .low_is_good = true},
    {.part = "connections", .name = "connections, 16 at a time", .unit = "1/s"},
    {.part = "delay",
     .name = "error of 100 us delay, p50",
     .unit = "us",
     .low_is_good = true},
    {.part = "delay",
     .name = "error of 100 us delay, p99",
     .unit = "us",
     .low_is_good = true},
    {.part = "delay",
     .name = "error of 1 ms delay, p50",
     .unit = "us",
     .low_is_good = true},
    {.part = "delay",
     .name = "error of 1 ms delay, p99",
     .unit = "us",
     .low_is_good = true},
    {.part = "delay",
     .name = "error of 20 ms delay, p50",
     .unit = "us",
     .low_is_good = true},
    {.part = "delay",
     .name = "error of 20 ms delay, p99",
     .unit = "us",
     .low_is_good = true},
};

static void keep(int figure, int system, double value)
{
    struct figure *f = &figures[figure];
    f->values[system][f->n[system]++] = value;
}

static void measure_bulk(const struct sut *sut, int system, int figure,
                         unsigned connections)
{
    uint64_t span_ns = 0, cpu = sut_cpu_ns(sut->pid), begun = now_ns();
    uint64_t bytes = load_bulk(sut->port, connections, &span_ns);
    uint64_t whole_ns = now_ns() - begun;
    cpu = sut_cpu_ns(sut->pid) - cpu;
    keep(figure, system, (double)bytes / 1e6 * 1e9 / (double)span_ns);
    if (sut->pid == 0)
        return;
    /* CPU was taken over warm-up and span; the bytes of both at the span's rate. */
    double gib = (double)bytes * (double)whole_ns / (double)span_ns / 1073741824.0;
    keep(figure + 1, system, (double)cpu / 1e9 / gib);
}

static void measure_latency(const struct sut *sut, int system)
{
    struct load_quantiles trip = load_latency(sut->port);
    keep(4, system, trip.p50);
    keep(5, system, trip.p99);
}

static bool wanted(const char *only, const char *part)
{
    return !only || !*only || strcmp(only, part) == 0;
}

static void shuffle(int *order)
{
    for (int i = SUT_COUNT - 1; i > 0; i--) {
        int j = rand() % (i + 1), kept = order[i];
        order[i] = order[j];
        order[j] = kept;
    }
}

static void run_repeat(const struct sut *suts, const char *only)
{
    int order[SUT_COUNT] = {0, 1, 2};
    shuffle(order);
    for (int i = 0; i < SUT_COUNT; i++) {
        const struct sut *sut = &suts[order[i]];
        if (!sut->present)
            continue;
        if (wanted(only, "bulk")) {
            measure_bulk(sut, order[i], 0, 1);
            measure_bulk(sut, order[i], 2, 8);
        }
        if (wanted(only, "latency"))
            measure_latency(sut, order[i]);
        if (wanted(only, "connections"))
            keep(6, order[i], load_churn(sut->port));
    }
}

static void run_delays(const char *netsplit, const char *directory, uint16_t port)
{
    static const struct {
        const char *text;
        uint64_t ns;
    } delays[] = {
        {"100us", 100 * NS_PER_US}, {"1ms", NS_PER_MS}, {"20ms", 20 * NS_PER_MS}};
    for (int d = 0; d < 3; d++) {
        char rules[512];
        (void)snprintf(
            rules, sizeof rules,
            "netsplit: 1\nnodes: { s: { address: 127.0.0.1, ports: [%u] } }\n"
            "listen: [{ name: l, address: \"127.0.0.1:0\", to: s }]\n"
            "rules: [{ name: late, match: { to: s }, inject: { delay: %s } }]\n",
            port, delays[d].text);
        struct sut sut = sut_start_rules(netsplit, directory, rules);
        for (int i = 0; i < REPEATS; i++) {
            struct load_quantiles late = load_delay(sut.port, delays[d].ns);
            keep(7 + 2 * d, SUT_NETSPLIT, late.p50);
            keep(8 + 2 * d, SUT_NETSPLIT, late.p99);
        }
        sut_stop(&sut);
    }
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct spread {
    double low, median, high;
};

static struct spread spread_of(const double *values, int n)
{
    double sorted[REPEATS];
    memcpy(sorted, values, sizeof *values * (size_t)n);
    qsort(sorted, (size_t)n, sizeof *sorted, compare_doubles);
    return (struct spread){sorted[0], sorted[n / 2], sorted[n - 1]};
}

/* netsplit's figure over the other's, repeat by repeat. */
static struct spread ratio_to(const struct figure *f, int other)
{
    double ratios[REPEATS];
    for (int i = 0; i < f->n[other]; i++)
        ratios[i] = f->values[SUT_NETSPLIT][i] / f->values[other][i];
    return spread_of(ratios, f->n[other]);
}

static void print_cell(const struct figure *f, int system)
{
    if (f->n[system] == 0) {
        printf("%26s", "-");
        return;
    }
    struct spread s = spread_of(f->values[system], f->n[system]);
    char text[64];
    int decimals = s.median < 10 ? 3 : 0;
    (void)snprintf(text, sizeof text, "%.*f (%.*f-%.*f)", decimals, s.median, decimals,
                   s.low, decimals, s.high);
    printf("%26s", text);
}

static void print_ratio(const struct figure *f, int other)
{
    if (f->n[other] == 0 || f->n[SUT_NETSPLIT] == 0)
        printf("%12s", "-");
    else
        printf("%12.2f", ratio_to(f, other).median);
}

static void print_table(void)
{
    printf("\n%-28s%-7s%26s%26s%26s%12s%12s\n", "", "", "direct", "netsplit", "haproxy",
           "to direct", "to haproxy");
    for (int i = 0; i < FIGURES && figures[i].name; i++) {
        const struct figure *f = &figures[i];
        if (f->n[SUT_NETSPLIT] == 0)
            continue;
        printf("%-28s%-7s", f->name, f->unit);
        for (int system = 0; system < SUT_COUNT; system++)
            print_cell(f, system);
        print_ratio(f, SUT_DIRECT);
        print_ratio(f, SUT_HAPROXY);
        printf("  %s\n", f->low_is_good ? "low is good" : "high is good");
    }
}

static void write_json(FILE *to, const char *algorithm)
{
    static const char *const names[] = {"direct", "netsplit", "haproxy"};
    fprintf(to, "{\"congestion_control\": \"%s\", \"repeats\": %d, \"figures\": [",
            algorithm, REPEATS);
    for (int i = 0; i < FIGURES && figures[i].name; i++) {
        const struct figure *f = &figures[i];
        fprintf(to, "%s\n {\"part\": \"%s\", \"name\": \"%s\", \"unit\": \"%s\"",
                i ? "," : "", f->part, f->name + strspn(f->name, " "), f->unit);
        for (int system = 0; system < SUT_COUNT; system++) {
            fprintf(to, ", \"%s\": [", names[system]);
            for (int k = 0; k < f->n[system]; k++)
                fprintf(to, "%s%g", k ? ", " : "", f->values[system][k]);
            fputc(']', to);
        }
        fputc('}', to);
    }
    fputs("\n]}\n", to);
}

static void remove_directory(const char *directory)
{
    static const char *const files[] = {"rules.yaml", "haproxy.cfg", "control",
                                        "control-rules"};
    char path[4200];
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", directory, files[i]);
        (void)unlink(path);
    }
    (void)rmdir(directory);
}

int main(int argc, char **argv)
{
    char algorithm[32], directory[] = "/tmp/netsplit-bench-XXXXXX";
    struct sut suts[SUT_COUNT];
    const char *only = argc > 2 ? argv[2] : NULL;
    if (argc < 2)
        errx(2, "usage: bench NETSPLIT [PART [JSON]]");
    (void)signal(SIGPIPE, SIG_IGN);
    bool comparable = sut_enter_namespace(algorithm);
    if (!mkdtemp(directory))
        err(1, "%s", directory);
    srand((unsigned)now_ns());
    uint16_t port = load_start_server();
    sut_start_all(suts, argv[1], directory, port);
    for (int i = 0; i < REPEATS; i++) {
        fprintf(stderr, "\rrepeat %d of %d", i + 1, REPEATS);
        run_repeat(suts, only);
    }
    if (wanted(only, "delay"))
        run_delays(argv[1], directory, port);
    fputs("\r\033[K", stderr);
    printf("medians (least-most) of %d interleaved repeats; congestion control %s%s\n",
           REPEATS, algorithm,
           comparable ? ", own namespace"
                      : ": figures are the pacer's, ratios say little");
    print_table();
    FILE *json = argc > 3 ? fopen(argv[3], "w") : NULL;
    if (json) {
        write_json(json, algorithm);
        (void)fclose(json);
        printf("\nas JSON: %s\n", argv[3]);
    }
    for (int i = 0; i < SUT_COUNT; i++)
        sut_stop(&suts[i]);
    remove_directory(directory);
    return 0;
}
