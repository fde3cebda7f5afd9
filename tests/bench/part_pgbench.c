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

static const struct figure_spec specs[SCRIPTS] = {
    {.part = "pgbench",
     .name = "pgbench -S, 8 clients",
     .unit = "1/s",
     .subject = SUT_NETSPLIT,
     .gates = {[SUT_HAPROXY] = GATE(1.0)},
     .series = sut_names},
    {.part = "pgbench",
     .name = "pgbench TPC-B, 8 clients",
     .unit = "1/s",
     .subject = SUT_NETSPLIT,
     .gates = {[SUT_HAPROXY] = GATE(1.0)},
     .series = sut_names},
};

struct pgbench {
    char program[PATH_BYTES];
    struct figure *figures[SCRIPTS];
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

static double transactions_per_s(const char *program, const struct sut *sut,
                                 const char *script)
{
    char port[8], output[OUTPUT_BYTES];
    (void)snprintf(port, sizeof port, "%u", sut->port);
    const char *argv[] = {program, "-h", "127.0.0.1", "-p",   port,       "-U",
                          "drill", "-n", "-c",        "8",    "-j",       "2",
                          "-T",    "1",  "-b",        script, "postgres", NULL};
    static const char line[] = "\ntps = ";
    const char *row =
        process_capture(argv, output, sizeof output) ? strstr(output, line) : NULL;
    if (!row)
        errx(1, "pgbench through %s: %s", sut->name, output);
    return strtod(row + strlen(line), NULL);
}

static void measure(void *context, const struct sut *sut)
{
    const struct pgbench *pgbench = context;
    for (int i = 0; i < SCRIPTS; i++)
        figure_keep(pgbench->figures[i], sut->kind,
                    transactions_per_s(pgbench->program, sut, scripts[i]));
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
    for (int i = 0; i < SCRIPTS; i++)
        pgbench.figures[i] = bench_figure(bench, &specs[i]);
    fill_tables(pgbench.program, server.port);
    sut_start_all(suts, ~(1u << SUT_HAPROXY_SPLICE), bench->netsplit, bench->directory,
                  server.port);
    bench_take_turns(bench, suts, measure, &pgbench);
    sut_stop_all(suts);
    server_process_close(&server);
}
