/* SPDX-License-Identifier: MIT */
/* The one program: a table of subcommands. Each is a function of its own file, seen
 * here only as a prototype, so that main knows neither the proxy nor the drills. */
#include "proxy/base/exits.h"
#include "rules/nearest.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

extern const char netsplit_version[];

int cmd_check(int argc, char **argv);
int cmd_clean(int argc, char **argv);
int cmd_ctl(int argc, char **argv);
int cmd_compare(int argc, char **argv);
int cmd_drill(int argc, char **argv);
int cmd_explain(int argc, char **argv);
int cmd_faults(int argc, char **argv);
int cmd_init(int argc, char **argv);
int cmd_judge(int argc, char **argv);
int cmd_lab(int argc, char **argv);
int cmd_models(int argc, char **argv);
int cmd_preflight(int argc, char **argv);
int cmd_proxy(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_schema(int argc, char **argv);
int cmd_steps(int argc, char **argv);
int cmd_store(int argc, char **argv);

/* What is left out of a program that was built with PROXY_ONLY=1. */
#ifdef NETSPLIT_PROXY_ONLY
#define UNLESS_PROXY_ONLY(run) NULL
#else
#define UNLESS_PROXY_ONLY(run) run
#endif

struct subcommand {
    const char *name;
    int (*run)(int argc, char **argv); /* argv[0] is name; returns the exit status;
                                          NULL: it was left out */
    const char *help;
};

static const struct subcommand subcommands[] = {
    {"check", cmd_check,
     "says all that is wrong with a rule file, cluster file or playbook"},
    {"ctl", cmd_ctl, "asks a running proxy, or changes what it does"},
    {"clean", cmd_clean, "removes what a crashed run left"},
    {"compare", UNLESS_PROXY_ONLY(cmd_compare),
     "shows two drills, their steps and measures, side by side"},
    {"drill", UNLESS_PROXY_ONLY(cmd_drill),
     "runs a playbook on a cluster, and judges what clients saw"},
    {"explain", cmd_explain, "says what rules do to a connection"},
    {"faults", cmd_faults, "lists what a rule can inject"},
    {"init", UNLESS_PROXY_ONLY(cmd_init),
     "asks a running system, and writes what a first drill of it needs"},
    {"judge", UNLESS_PROXY_ONLY(cmd_judge), "says what a history of operations shows"},
    {"lab", cmd_lab, "makes network namespaces to try things in"},
    {"models", UNLESS_PROXY_ONLY(cmd_models), "lists what a history can be held to"},
    {"preflight", UNLESS_PROXY_ONLY(cmd_preflight),
     "says what a drill on a cluster lacks, and what mends it"},
    {"proxy", cmd_proxy, "sits on TCP paths and injects what rules say"},
    {"run", cmd_run,
     "runs a test suite behind a proxy, and fails it if no fault was felt"},
    {"schema", cmd_schema, "prints the JSON Schema of rule files"},
    {"steps", UNLESS_PROXY_ONLY(cmd_steps), "lists what a playbook may hold"},
    {"store", UNLESS_PROXY_ONLY(cmd_store),
     "runs a node of the reference key-value store"},
    {NULL, NULL, NULL},
};

static void print_usage(FILE *to)
{
    fputs(
        "usage: netsplit SUBCOMMAND [OPTIONS]\n\n"
        "Injects network faults between the members of a cluster, and drills how the\n"
        "cluster and its runbooks stand up to them.\n\n",
        to);
    for (const struct subcommand *row = subcommands; row->name; row++)
        if (row->run)
            fprintf(to, "  %-10s%s\n", row->name, row->help);
    fputs("\nnetsplit SUBCOMMAND --help shows the options of one; netsplit --version\n",
          to);
}

static int complain_unknown(const char *word)
{
    const char *names[sizeof subcommands / sizeof *subcommands];
    size_t n = 0;
    for (const struct subcommand *row = subcommands; row->name; row++)
        names[n++] = row->name;
    const char *near = nearest_word(word, names, n);
    fprintf(stderr, "netsplit: unknown subcommand \"%s\"", word);
    if (near)
        fprintf(stderr, "; did you mean \"%s\"?", near);
    fputs("\n  netsplit --help lists them\n", stderr);
    return EXIT_USAGE;
}

static int complain_left_out(const char *name)
{
    fprintf(stderr,
            "netsplit: \"%s\" was left out of this program, which was built with "
            "PROXY_ONLY=1\n",
            name);
    return EXIT_ENVIRONMENT;
}

/* A program started without its standard descriptors would get them for sockets. */
static void open_standard(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        (void)close(fd); /* nothing was written */
}

/* Output that did not arrive is no success; a reader that wanted no more is none of our
 * business. */
static int finish(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    if (errno == EPIPE)
        return status;
    fprintf(stderr, "netsplit: standard output: %s\n", strerror(errno));
    return status == EXIT_DONE ? EXIT_ENVIRONMENT : status;
}

int main(int argc, char **argv)
{
    open_standard();
    (void)signal(SIGPIPE, SIG_IGN); /* cannot fail; writes report EPIPE instead */
    (void)signal(SIGXFSZ, SIG_IGN); /* likewise EFBIG, where files are limited */
    if (argc < 2) {
        print_usage(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        print_usage(stdout);
        return finish(EXIT_DONE);
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("netsplit %s\n", netsplit_version);
        return finish(EXIT_DONE);
    }
    for (const struct subcommand *row = subcommands; row->name; row++)
        if (strcmp(row->name, argv[1]) == 0)
            return row->run ? finish(row->run(argc - 1, argv + 1))
                            : complain_left_out(row->name);
    return complain_unknown(argv[1]);
}
