/* SPDX-License-Identifier: MIT */
/* The end of a drill on the terminal. Harm is painted, and starred for those who see no
 * colours; whether it was expected stands in a list of its own. */
#include "proxy/base/memory.h"
#include "proxy/base/term.h"
#include "scenarios/report/report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
    void (*tell)(const struct run_mode *, char *, size_t); /* or this makes the cell */
    bool (*has)(const struct run_mode *); /* left out where no mode has any */
};

static void tell_bytes(const struct run_mode *mode, char *cell, size_t cell_bytes)
{
    static const char *const units[] = {"B", "kB", "MB", "GB"};
    double bytes = (double)mode->felt.bytes;
    size_t unit = 0;
    for (; bytes >= 1000 && unit + 1 < sizeof units / sizeof *units; unit++)
        bytes /= 1000;
    (void)snprintf(cell, cell_bytes, "%.*f %s", unit > 0, bytes, units[unit]);
}

static void tell_connections(const struct run_mode *mode, char *cell, size_t cell_bytes)
{
    (void)snprintf(cell, cell_bytes, "%" PRIu64, mode->felt.connections);
}

static void tell_packets(const struct run_mode *mode, char *cell, size_t cell_bytes)
{
    (void)snprintf(cell, cell_bytes, "%" PRIu64, mode->felt.packets);
}

static bool has_packets(const struct run_mode *mode)
{
    return mode->felt.packets > 0;
}

static void tell_bypassing(const struct run_mode *mode, char *cell, size_t cell_bytes)
{
    (void)snprintf(cell, cell_bytes, "%" PRIu64, mode->felt.bypassing);
}

static bool has_bypassing(const struct run_mode *mode)
{
    return mode->felt.bypassing > 0;
}

static uint64_t count_acts(const struct run_mode *mode)
{
    uint64_t n = 0;
    for (size_t i = 0; i < mode->n_windows; i++)
        n += mode->windows[i].acts;
    return n;
}

static void tell_acts(const struct run_mode *mode, char *cell, size_t cell_bytes)
{
    (void)snprintf(cell, cell_bytes, "%" PRIu64, count_acts(mode));
}

static bool has_acts(const struct run_mode *mode)
{
    return count_acts(mode) > 0;
}

static void tell_how(const struct run_mode *mode, char *cell, size_t cell_bytes)
{
    (void)snprintf(cell, cell_bytes, "%s", mode->how && *mode->how ? mode->how : "-");
}

static const struct line lines[] = {
    {.label = "acknowledged writes", {MEASURE_ACKED}, 1},
    {.label = "lost", {MEASURE_LOST_WRITES}, 1},
    {.label = "recovered", {MEASURE_RECOVERED_WRITES}, 1},
    {.label = "ghosts / duplicates", {MEASURE_GHOST_WRITES, MEASURE_DUPLICATES}, 2},
    {.label = "stale reads", {MEASURE_STALE_READS}, 1},
    {.label = "staleness p50 / p99 / max",
     {MEASURE_STALENESS_P50, MEASURE_STALENESS_P99, MEASURE_STALENESS_MAX},
     3},
    {.label = "unavailable", {MEASURE_UNAVAILABLE}, 1},
    {.label = "RTO first / steady", {MEASURE_RTO_FIRST, MEASURE_RTO_STEADY}, 2},
    {.label = "RPO", {MEASURE_RPO}, 1},
    {.label = "two primaries", {MEASURE_SPLIT_BRAIN}, 1},
    {.label = "convergence", {MEASURE_CONVERGENCE}, 1},
    {.label = "unknown outcomes", {MEASURE_TIMEOUTS}, 1},
    {.label = "write p50 / p99, before",
     {MEASURE_WRITE_LATENCY_BEFORE_P50, MEASURE_WRITE_LATENCY_BEFORE_P99},
     2},
    {.label = "write p50 / p99, during",
     {MEASURE_WRITE_LATENCY_DURING_P50, MEASURE_WRITE_LATENCY_DURING_P99},
     2},
    {.label = "write p50 / p99, after",
     {MEASURE_WRITE_LATENCY_AFTER_P50, MEASURE_WRITE_LATENCY_AFTER_P99},
     2},
    {.label = "felt by the fault, bytes", .tell = tell_bytes},
    {.label = "... and connections", .tell = tell_connections},
    {.label = "... and packets dropped", .tell = tell_packets, .has = has_packets},
    {.label = "done by command", .tell = tell_acts, .has = has_acts},
    {.label = "connections past the proxy",
     .tell = tell_bypassing,
     .has = has_bypassing},
    {.label = "how it cut", .tell = tell_how},
};

enum {
    N_LINES = sizeof lines / sizeof *lines,
    LABEL_WIDTH = 27,
    COLUMN_GAP = 2,
    CELL_BYTES = 128
};

static bool shows_harm(const struct run_mode *mode, const struct line *line)
{
    for (unsigned i = 0; i < line->n; i++)
        if (measure_shows_harm(&mode->judgement.measures, line->measures[i]))
            return true;
    return false;
}

static void format_cell(const struct run_mode *mode, const struct line *line,
                        char cell[static CELL_BYTES])
{
    char one[40];
    size_t used = 0;
    if (line->tell) {
        line->tell(mode, cell, CELL_BYTES);
        return;
    }
    for (unsigned i = 0; i < line->n; i++) {
        enum measure measure = line->measures[i];
        measure_format(measure, mode->judgement.measures.values[measure], one,
                       sizeof one);
        used += (size_t)snprintf(cell + used, CELL_BYTES - used, "%s%s", i ? " / " : "",
                                 one);
    }
    if (shows_harm(mode, line))
        (void)snprintf(cell + used, CELL_BYTES - used, " *");
}

static bool is_shown(const struct line *line, const struct run_mode *modes, size_t n)
{
    bool shown = !line->has;
    for (size_t i = 0; i < n && !shown; i++)
        shown = line->has(&modes[i]);
    return shown;
}

/* Of a mode's column, with the gap before the next. */
static int column_width(const struct run_mode *mode)
{
    size_t width = strlen(mode->name);
    char cell[CELL_BYTES];
    for (size_t i = 0; i < N_LINES; i++) {
        format_cell(mode, &lines[i], cell);
        if (strlen(cell) > width)
            width = strlen(cell);
    }
    return (int)width + COLUMN_GAP;
}

/* Modes side by side; the last column is not padded. */
static void print_table(FILE *to, const struct run_mode *modes, size_t n,
                        const struct paint *paint)
{
    char cell[CELL_BYTES];
    fprintf(to, "\n%*s", LABEL_WIDTH, "");
    for (size_t i = 0; i < n; i++)
        fprintf(to, "%s%*s%s", paint->bold, i + 1 < n ? -column_width(&modes[i]) : 0,
                modes[i].name, paint->off);
    fputc('\n', to);
    for (size_t k = 0; k < N_LINES; k++) {
        if (!is_shown(&lines[k], modes, n))
            continue;
        fprintf(to, "%-*s", LABEL_WIDTH, lines[k].label);
        for (size_t i = 0; i < n; i++) {
            bool harm = shows_harm(&modes[i], &lines[k]);
            format_cell(&modes[i], &lines[k], cell);
            fprintf(to, "%s%*s%s", harm ? paint->harm : "",
                    i + 1 < n ? -column_width(&modes[i]) : 0, cell,
                    harm ? paint->off : "");
        }
        fputc('\n', to);
    }
}

/* As many modes side by side as there is room for, the others below them. */
static void print_tables(FILE *to, const struct run *run, const struct paint *paint)
{
    int room = (int)term_columns(to) + COLUMN_GAP;
    for (size_t first = 0, end; first < run->n_modes; first = end) {
        int used = LABEL_WIDTH + column_width(&run->modes[first]);
        for (end = first + 1; end < run->n_modes; end++) {
            used += column_width(&run->modes[end]);
            if (used > room)
                break;
        }
        print_table(to, &run->modes[first], end - first, paint);
    }
    fprintf(to, "%s* harm, whether or not it was expected%s\n", paint->soft,
            paint->off);
}

static void print_settings(FILE *to, const struct run *run, const struct paint *paint)
{
    for (size_t i = 0; i < run->n_modes; i++)
        if (run->modes[i].setting)
            fprintf(to, "  %s%s%s is %s\n", paint->bold, run->modes[i].name, paint->off,
                    run->modes[i].setting);
}

/* Roles are the system's own: where they moved they stay. */
static void print_roles(FILE *to, const struct run *run)
{
    for (size_t i = 0; i < run->n_modes; i++) {
        const struct run_mode *mode = &run->modes[i];
        if (mode->found)
            fprintf(to, "  %s: at the beginning %s\n", mode->name, mode->found);
        if (mode->moved)
            fprintf(to, "  %s: %s\n", mode->name, mode->moved);
    }
}

/* Without a history there is nothing to show but why. */
static bool is_judged(const struct run *run)
{
    for (size_t i = 0; i < run->n_modes; i++)
        if (run->modes[i].judged)
            return true;
    return false;
}

static int mode_width(const struct run *run)
{
    size_t width = 8;
    for (size_t i = 0; i < run->n_modes; i++)
        if (strlen(run->modes[i].name) > width)
            width = strlen(run->modes[i].name);
    return (int)width;
}

static void print_expectations(FILE *to, const struct run *run,
                               const struct paint *paint)
{
    int width = mode_width(run);
    fputs("\nexpected\n", to);
    for (size_t i = 0; i < run->n_modes; i++) {
        const struct run_mode *mode = &run->modes[i];
        for (size_t k = 0; k < mode->n_expectations; k++) {
            const struct run_expectation *row = &mode->expectations[k];
            bool met = row->result == EXPECT_MET;
            fprintf(to, "  %s%-8s%s %-*s %s%s\n", met ? paint->good : paint->harm,
                    expect_result_name(row->result), paint->off, width, mode->name,
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

/* The page, or, where it could not be written, what else there is. */
static void print_place(const struct run *run, FILE *to)
{
    char *page = xasprintf("%s/report.html", run->directory);
    if (access(page, F_OK) == 0)
        fprintf(to, "report  %s\n", page);
    else
        fprintf(to, "files   %s (there is no report)\n", run->directory);
    free(page);
}

void report_print(const struct run *run, FILE *to, bool colour)
{
    const struct paint *paint = colour ? &painted : &plain;
    print_verdict(to, run, paint);
    print_settings(to, run, paint);
    print_roles(to, run);
    if (is_judged(run)) {
        print_tables(to, run, paint);
        print_expectations(to, run, paint);
    }
    print_trouble(to, run);
    fprintf(to, "\nseed    %" PRIu64 "\nrepeat  %s\n", run->seed, run->command);
    if (run->directory)
        print_place(run, to);
}
