/* SPDX-License-Identifier: MIT */
/* pgbench in front of a PostgreSQL of its own, which runs as nobody if we are root: its
 * reading transactions, and its TPC-B-like ones. It counts; what it prints is read. */
#include "tests/bench/bench.h"
#include "tests/bench/process.h"
#include "tests/lib/server_process.h"

#include <err.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SCRIPTS = 2, OUTPUT_BYTES = 4096, PATH_BYTES = 256 };

static const char *const scripts[SCRIPTS] = {"select-only", "tpcb-like"};

enum { READ_RATE = 0, READ_CPU, TPCB_RATE, TPCB_CPU, FIGURES };

static const struct figure_spec specs[FIGURES] = {
    [READ_RATE] = {.part = "pgbench",
                   .name = "pgbench -S, 8 clients",
                   .unit = "1/s",
                   .subject = SUT_NETSPLIT,
                   .gates = {[SUT_HAPROXY] = GATE(1.0)},
                   .series = sut_names},
    [READ_CPU] = {.part = "pgbench",
                  .name = "pgbench -S: CPU of the proxy",
                  .unit = "us each",
                  .subject = SUT_NETSPLIT,
                  .low_is_good = true,
                  .series = sut_names},
    [TPCB_RATE] = {.part = "pgbench",
                   .name = "pgbench TPC-B, 8 clients",
                   .unit = "1/s",
                   .subject = SUT_NETSPLIT,
                   .gates = {[SUT_HAPROXY] = GATE(1.0)},
                   .series = sut_names},
    [TPCB_CPU] = {.part = "pgbench",
                  .name = "pgbench TPC-B: CPU of the proxy",
                  .unit = "us each",
                  .subject = SUT_NETSPLIT,
                  .low_is_good = true,
                  .series = sut_names},
};

struct pgbench {
    char program[PATH_BYTES];
    struct figure *figures[FIGURES];
};

struct outcome {
    double per_s, n;
};

/* Debian keeps it beside the server; what is on PATH there is a script that looks for
 * it, every time. */
static bool find_program(char *path)
{
    glob_t found;
    (void)snprintf(path, PATH_BYTES, "pgbench");
    if (glob("/usr/lib/postgresql/*/bin/pgbench", 0, NULL, &found) == 0) {
        (void)snprintf(path, PATH_BYTES, "%s", found.gl_pathv[found.gl_pathc - 1]);
        globfree(&found);
    }
    return process_finds(path);
}

static void fill_tables(const char *program, uint16_t server_port)
{
    char port[8], output[OUTPUT_BYTES];
    (void)snprintf(port, sizeof port, "%u", server_port);
    const char *argv[] = {program, "-h", "127.0.0.1", "-p", port,       "-U", "drill",
                          "-i",    "-q", "-s",        "10", "postgres", NULL};
    if (!process_capture(argv, output, sizeof output))
        errx(1, "filling PostgreSQL's tables: %s", output);
}

/* The number behind `word` in its output. */
static double number_behind(const char *output, const char *word, const struct sut *sut)
{
    const char *at = strstr(output, word);
    if (!at)
        errx(1, "pgbench through %s: %s", sut->name, output);
    return strtod(at + strlen(word), NULL);
}

static struct outcome run(const char *program, const struct sut *sut,
                          const char *script)
{
    char port[8], output[OUTPUT_BYTES];
    (void)snprintf(port, sizeof port, "%u", sut->port);
    const char *argv[] = {program, "-h", "127.0.0.1", "-p",   port,       "-U",
                          "drill", "-n", "-c",        "8",    "-j",       "2",
                          "-T",    "1",  "-b",        script, "postgres", NULL};
    if (!process_capture(argv, output, sizeof output))
        errx(1, "pgbench through %s: %s", sut->name, output);
    return (struct outcome){
        .per_s = number_behind(output, "\ntps = ", sut),
        .n = number_behind(output, "actually processed: ", sut),
    };
}

static void measure(void *context, const struct sut *sut)
{
    const struct pgbench *pgbench = context;
    for (int i = 0; i < SCRIPTS; i++) {
        uint64_t cpu_ns = sut_cpu_ns(sut);
        struct outcome outcome = run(pgbench->program, sut, scripts[i]);
        cpu_ns = sut_cpu_ns(sut) - cpu_ns;
        figure_keep(pgbench->figures[2 * i], sut->kind, outcome.per_s);
        if (sut->kind != SUT_DIRECT && outcome.n > 0)
            figure_keep(pgbench->figures[2 * i + 1], sut->kind,
                        (double)cpu_ns / 1000 / outcome.n);
    }
}

void part_pgbench(struct bench *bench)
{
    struct pgbench pgbench;
    struct sut suts[SUT_COUNT];
    struct server_process server;
    if (!find_program(pgbench.program) || !server_process_postgres(&server)) {
        bench_leave_out(bench, "pgbench", "PostgreSQL or pgbench is lacking");
        return;
    }
    for (int i = 0; i < FIGURES; i++)
        pgbench.figures[i] = bench_figure(bench, &specs[i]);
    fill_tables(pgbench.program, server.port);
    sut_start_all(suts, ~(1u << SUT_HAPROXY_SPLICE), bench->netsplit, bench->directory,
                  server.port);
    bench_take_turns(bench, suts, measure, &pgbench);
    sut_stop_all(suts);
    server_process_close(&server);
}
