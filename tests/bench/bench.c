/* SPDX-License-Identifier: MIT */
/* make bench: netsplit beside a direct connection, HAProxy and nginx. Systems that are
 * compared are up at the same time; each repeat visits them in a new random order, and
 * every ratio is taken within one repeat, so that a machine whose speed drifts does not
 * decide. Each part prints its medians with their spread and how they meet their gates
 * when it is done; all go into a JSON file.
 *
 * A gate is information: the status is 0 unless something could not run (3), or with
 * --strict a gate does not hold (1). On a busy machine, or without a network of its own,
 * nothing is judged, and each line says why. */
#include "tests/bench/bench.h"
#include "proxy/base/exits.h"
#include "proxy/base/now.h"
#include "tests/bench/client.h"
#include "tests/bench/guard.h"
#include "tests/bench/namespace.h"
#include "tests/bench/server.h"

#include <err.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define BUSY_LIMIT 0.15

static const uint64_t busy_span_ns = 100 * NS_PER_MS;

static const struct part {
    const char *name;
    void (*run)(struct bench *bench);
    const char *help;
} parts[] = {
    {"bulk", part_bulk, "throughput of 1 and 8 connections, CPU of the proxy"},
    {"latency", part_latency, "round trips of 64 bytes"},
    {"connections", part_connections, "connections a second, 1 and 32 at a time"},
    {"redis", part_redis, "redis-benchmark"},
    {"pgbench", part_pgbench, "pgbench, reading and TPC-B"},
    {"idle", part_idle, "memory of connections that do nothing"},
    {"rules", part_rules, "throughput and round trips with 1 to 10,000 rules"},
    {"held", part_held, "throughput under delays, with enough room to hold it"},
    {"delay", part_delay, "how exact delays are, idle and with traffic beside them"},
    {"rate", part_rate, "how exact and how even rate limits are"},
    {"size", part_size, "the program in bytes"},
};

enum { PARTS = sizeof parts / sizeof *parts };

struct request {
    const char *netsplit, *json;
    bool wanted[PARTS];
    bool strict;
    unsigned repeats, seed;
};

struct figure *bench_figure(struct bench *bench, const struct figure_spec *spec)
{
    if (bench->n_figures == FIGURES_MAX)
        errx(1, "too many figures");
    struct figure *figure = &bench->figures[bench->n_figures++];
    figure->spec = spec;
    return figure;
}

void bench_shuffle(unsigned *order, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        order[i] = i;
    for (unsigned i = n; i > 1; i--) {
        unsigned j = (unsigned)rand() % i, kept = order[i - 1];
        order[i - 1] = order[j];
        order[j] = kept;
    }
}

/* All CPU time and the idle part of it so far, in the kernel's ticks. */
static void read_ticks(uint64_t *all, uint64_t *idle)
{
    unsigned long long ticks[8] = {0};
    FILE *file = fopen("/proc/stat", "re");
    if (file)
        (void)fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &ticks[0],
                     &ticks[1], &ticks[2], &ticks[3], &ticks[4], &ticks[5], &ticks[6],
                     &ticks[7]);
    if (file)
        (void)fclose(file);
    *all = 0;
    for (int i = 0; i < 8; i++)
        *all += ticks[i];
    *idle = ticks[3] + ticks[4];
}

void bench_note_busy(struct bench *bench)
{
    uint64_t all, idle, all_after, idle_after;
    read_ticks(&all, &idle);
    client_pause_ns(busy_span_ns);
    read_ticks(&all_after, &idle_after);
    if (all_after > all && bench->n_busy < BUSY_MAX)
        bench->busy[bench->n_busy++] =
            1 - (double)(idle_after - idle) / (double)(all_after - all);
}

void bench_take_turns(struct bench *bench, const struct sut *suts,
                      bench_measure_fn measure, void *context)
{
    unsigned order[SUT_COUNT];
    for (unsigned i = 0; i < bench->repeats; i++) {
        bench_note_busy(bench);
        bench_shuffle(order, SUT_COUNT);
        for (int k = 0; k < SUT_COUNT; k++)
            if (suts[order[k]].present)
                measure(context, &suts[order[k]]);
    }
}

void bench_leave_out(struct bench *bench, const char *part, const char *why)
{
    printf("\n%s: left out, %s\n", part, why);
    bench->lacking = true;
}

/* Runs it and prints its figures. Returns whether they came out as the gates say. */
static bool run_part(struct bench *bench, const struct part *part, json_t *figures)
{
    char busy[96];
    size_t first = bench->n_figures;
    bool held = true;
    bench->n_busy = 0;
    part->run(bench);
    const char *why_not = bench->why_not;
    double others =
        bench->n_busy ? sample_spread(bench->busy, bench->n_busy).median : 0;
    if (!why_not && others > BUSY_LIMIT) {
        (void)snprintf(busy, sizeof busy, "busy (others take %.0f %%)", 100 * others);
        why_not = busy;
    }
    putchar('\n');
    for (size_t i = first; i < bench->n_figures; i++) {
        figure_print(&bench->figures[i], why_not);
        held &= figure_holds(&bench->figures[i], why_not);
        (void)json_array_append_new(figures,
                                    figure_to_json(&bench->figures[i], why_not));
    }
    (void)fflush(stdout);
    return held;
}

static void raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit); /* what there is must do */
    }
}

static void print_conditions(const struct request *request, const char *algorithm,
                             bool own)
{
    double load = 0;
    (void)getloadavg(&load, 1);
    printf("medians (least to most) of %u interleaved repeats; seed %u; congestion "
           "control %s%s; %ld CPUs, load %.2f\n",
           request->repeats, request->seed, algorithm, own ? ", own namespace" : "",
           sysconf(_SC_NPROCESSORS_ONLN), load);
    for (unsigned i = 0; i < SUT_COUNT; i++)
        if (!sut_is_installed((enum sut_kind)i))
            printf("not installed, left out: %s\n", sut_names[i]);
}

static void write_json(const struct request *request, const char *algorithm,
                       double seconds, json_t *figures)
{
    json_t *all = json_pack("{s:s, s:i, s:i, s:f, s:O}", "congestion_control",
                            algorithm, "repeats", (int)request->repeats, "seed",
                            (int)request->seed, "seconds", seconds, "figures", figures);
    if (!all || json_dump_file(all, request->json,
                               JSON_INDENT(1) | JSON_REAL_PRECISION(6)) != 0)
        warn("%s", request->json);
    else
        printf("as JSON: %s\n", request->json);
    json_decref(all);
}

static int run(void *context, const char *directory)
{
    static struct bench bench; /* large */
    const struct request *request = context;
    char algorithm[NAMESPACE_ALGORITHM_BYTES];
    uint64_t start_ns = now_ns();
    json_t *figures = json_array();
    bool held = true, own = namespace_enter(algorithm);
    (void)signal(SIGPIPE, SIG_IGN);
    raise_descriptors();
    srand(request->seed);
    print_conditions(request, algorithm, own);
    bench.netsplit = request->netsplit;
    bench.directory = directory;
    bench.repeats = request->repeats;
    bench.why_not = !own                             ? "no namespace of its own"
                    : strcmp(algorithm, "reno") != 0 ? "congestion control is not reno"
                                                     : NULL;
    bench.server_port = server_start();
    sut_start_all(bench.suts, ~0u, bench.netsplit, directory, bench.server_port);
    for (int i = 0; i < PARTS; i++)
        if (request->wanted[i])
            held &= run_part(&bench, &parts[i], figures);
    sut_stop_all(bench.suts);
    double seconds = (double)(now_ns() - start_ns) / (double)NS_PER_S;
    printf("\ntook %.0f s\n", seconds);
    if (request->json)
        write_json(request, algorithm, seconds, figures);
    json_decref(figures);
    return bench.lacking ? EXIT_ENVIRONMENT : request->strict && !held ? 1 : EXIT_DONE;
}

static void print_help(void)
{
    puts("bench [--strict] [--repeats N] [--seed N] [--parts NAME,...] [--json FILE] "
         "NETSPLIT\n\nParts:");
    for (int i = 0; i < PARTS; i++)
        printf("  %-14s%s\n", parts[i].name, parts[i].help);
}

/* Of "" all are wanted. */
static void choose_parts(struct request *request, char *names)
{
    for (int i = 0; i < PARTS; i++)
        request->wanted[i] = !*names;
    for (char *name = strtok(names, ","); name; name = strtok(NULL, ",")) {
        int i = 0;
        while (i < PARTS && strcmp(parts[i].name, name) != 0)
            i++;
        if (i == PARTS)
            errx(EXIT_USAGE, "no part is called \"%s\"; --help lists them", name);
        request->wanted[i] = true;
    }
}

static unsigned number(const char *text, unsigned most)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (*end || value == 0 || value > most)
        errx(EXIT_USAGE, "\"%s\" is not a number from 1 to %u", text, most);
    return (unsigned)value;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"strict", no_argument, NULL, 's'},
        {"repeats", required_argument, NULL, 'r'},
        {"seed", required_argument, NULL, 'S'},
        {"parts", required_argument, NULL, 'p'},
        {"json", required_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    char all[] = "";
    struct request request = {.repeats = 5,
                              .seed = (unsigned)(now_wall_ns() / NS_PER_S)};
    choose_parts(&request, all);
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == 's')
            request.strict = true;
        else if (option == 'r')
            request.repeats = number(optarg, VALUES_MAX);
        else if (option == 'S')
            request.seed = number(optarg, INT32_MAX);
        else if (option == 'p')
            choose_parts(&request, optarg);
        else if (option == 'j')
            request.json = optarg;
        else
            return print_help(), option == 'h' ? EXIT_DONE : EXIT_USAGE;
    }
    if (optind != argc - 1)
        return print_help(), EXIT_USAGE;
    request.netsplit = argv[optind];
    return guard_run(run, &request);
}
