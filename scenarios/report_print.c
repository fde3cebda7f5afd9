/* SPDX-License-Identifier: MIT */
/* The end of a drill on the terminal. Harm is painted, and starred for those who see no
 * colours; whether it was expected stands in a list of its own. */
#include "proxy/base/memory.h"
#include "scenarios/report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct paint {
    const char *harm, *good, *bold, *soft, *off;
};

static const struct paint painted = {"\033[38;5;202m", "\033[32m", "\033[1m", "\033[2m",
                                     "\033[0m"};
static const struct paint plain = {"", "", "", "", ""};

struct line {
    const char *label;
    enum measure measures[4]; /* shown one behind the other, parted by " / " */
    unsigned n;
};

static const struct line lines[] = {
    {"acknowledged writes", {MEASURE_ACKED}, 1},
    {"lost", {MEASURE_LOST_WRITES}, 1},
    {"recovered", {MEASURE_RECOVERED_WRITES}, 1},
    {"ghosts, duplicates", {MEASURE_GHOST_WRITES, MEASURE_DUPLICATES}, 2},
    {"stale reads", {MEASURE_STALE_READS}, 1},
    {"staleness p50 / p99 / max",
     {MEASURE_STALENESS_P50, MEASURE_STALENESS_P99, MEASURE_STALENESS_MAX},
     3},
    {"unavailable", {MEASURE_UNAVAILABLE}, 1},
    {"RTO first / steady", {MEASURE_RTO_FIRST, MEASURE_RTO_STEADY}, 2},
    {"RPO", {MEASURE_RPO}, 1},
    {"two primaries", {MEASURE_SPLIT_BRAIN}, 1},
    {"convergence", {MEASURE_CONVERGENCE}, 1},
    {"unknown outcomes", {MEASURE_TIMEOUTS}, 1},
    {"write latency before p50 / p99",
     {MEASURE_WRITE_LATENCY_BEFORE_P50, MEASURE_WRITE_LATENCY_BEFORE_P99},
     2},
    {"write latency during p50 / p99",
     {MEASURE_WRITE_LATENCY_DURING_P50, MEASURE_WRITE_LATENCY_DURING_P99},
     2},
    {"write latency after p50 / p99",
     {MEASURE_WRITE_LATENCY_AFTER_P50, MEASURE_WRITE_LATENCY_AFTER_P99},
     2},
};

enum { LABEL_WIDTH = 33, CELL_WIDTH = 28 };

static bool shows_harm(const struct run_mode *mode, const struct line *line)
{
    for (unsigned i = 0; i < line->n; i++)
        if (measure_shows_harm(&mode->judgement.measures, line->measures[i]))
            return true;
    return false;
}

static void print_cell(FILE *to, const struct run_mode *mode, const struct line *line,
                       const struct paint *paint)
{
    char cell[128] = "", one[40];
    bool harm = shows_harm(mode, line);
    for (unsigned i = 0; i < line->n; i++) {
        enum measure measure = line->measures[i];
        measure_format(measure, mode->judgement.measures.values[measure], one,
                       sizeof one);
        size_t used = strlen(cell);
        (void)snprintf(cell + used, sizeof cell - used, "%s%s", i ? " / " : "", one);
    }
    if (harm)
        (void)strncat(cell, " *", sizeof cell - strlen(cell) - 1);
    fprintf(to, "%s%-*s%s", harm ? paint->harm : "", CELL_WIDTH, cell,
            harm ? paint->off : "");
}

static void print_row(FILE *to, const struct run *run, const struct paint *paint,
                      const char *label, const char *(*text)(const struct run_mode *))
{
    fprintf(to, "  %-*s", LABEL_WIDTH, label);
    for (size_t i = 0; i < run->n_modes; i++) {
        const char *cell = text(&run->modes[i]);
        fprintf(to, "%s%-*.*s%s", paint->bold, CELL_WIDTH, CELL_WIDTH - 2,
                cell ? cell : "-", paint->off);
    }
    fputc('\n', to);
}

static const char *mode_name(const struct run_mode *mode)
{
    return mode->name;
}

static const char *mode_how(const struct run_mode *mode)
{
    return mode->how;
}

static void print_felt(FILE *to, const struct run *run)
{
    fprintf(to, "  %-*s", LABEL_WIDTH, "felt by the fault");
    for (size_t i = 0; i < run->n_modes; i++) {
        char cell[64];
        const struct run_felt *felt = &run->modes[i].felt;
        (void)snprintf(cell, sizeof cell, "%" PRIu64 " B, %" PRIu64 " connections",
                       felt->bytes, felt->connections);
        fprintf(to, "%-*s", CELL_WIDTH, cell);
    }
    fputc('\n', to);
}

static void print_settings(FILE *to, const struct run *run, const struct paint *paint)
{
    for (size_t i = 0; i < run->n_modes; i++)
        fprintf(to, "  %s%s%s is %s\n", paint->bold, run->modes[i].name, paint->off,
                run->modes[i].setting ? run->modes[i].setting : "not known");
}

static void print_expectations(FILE *to, const struct run *run,
                               const struct paint *paint)
{
    fputs("\nexpected\n", to);
    for (size_t i = 0; i < run->n_modes; i++) {
        const struct run_mode *mode = &run->modes[i];
        for (size_t k = 0; k < mode->n_expectations; k++) {
            const struct run_expectation *row = &mode->expectations[k];
            bool met = row->result == EXPECT_MET;
            fprintf(to, "  %s%-8s%s %-8s %s%s\n", met ? paint->good : paint->harm,
                    expect_result_name(row->result), paint->off, mode->name,
                    row->sentence, row->control ? " (control)" : "");
        }
    }
}

static void print_verdict(FILE *to, const struct run *run, const struct paint *paint)
{
    static const char *const words[] = {"PASS", "INCONCLUSIVE", "FAIL", "ABORTED"};
    char *sentence = report_sentence(run);
    const char *colour = run->verdict == RUN_PASS ? paint->good : paint->harm;
    fprintf(to, "\n%s%s%s%s  %s\n\n", paint->bold, colour, words[run->verdict],
            paint->off, sentence);
    free(sentence);
}

static void print_trouble(FILE *to, const struct run *run)
{
    for (size_t i = 0; i < run->n_modes; i++)
        if (run->modes[i].why)
            fprintf(to, "  %s: %s: %s\n", run->modes[i].name,
                    run_reason_name(run->modes[i].reason), run->modes[i].why);
}

void report_print(const struct run *run, FILE *to, bool colour)
{
    const struct paint *paint = colour ? &painted : &plain;
    print_verdict(to, run, paint);
    print_settings(to, run, paint);
    fputc('\n', to);
    print_row(to, run, paint, "", mode_name);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        fprintf(to, "  %-*s", LABEL_WIDTH, lines[i].label);
        for (size_t k = 0; k < run->n_modes; k++)
            print_cell(to, &run->modes[k], &lines[i], paint);
        fputc('\n', to);
    }
    print_felt(to, run);
    print_row(to, run, &plain, "how", mode_how);
    fprintf(to, "  %s* harm, whether or not it was expected%s\n", paint->soft,
            paint->off);
    print_expectations(to, run, paint);
    print_trouble(to, run);
    fprintf(to, "\nseed    %" PRIu64 "\nrepeat  %s\n", run->seed, run->command);
    if (run->directory)
        fprintf(to, "report  %s/report.html\n", run->directory);
}
