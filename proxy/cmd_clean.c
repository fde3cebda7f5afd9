/* SPDX-License-Identifier: MIT */
/* netsplit clean: removes whatever a crashed run left (proxy/base/rundir.h says how it
 * knows) and says what it removed. */
#include "proxy/base/exits.h"
#include "proxy/base/option.h"
#include "proxy/base/rundir.h"
#include "proxy/kernel/intercept_clean.h"
#include "proxy/kernel/qdisc_clean.h"

#include <stdio.h>

static void print_line(void *arg, const char *line)
{
    (void)arg;
    puts(line);
}

int cmd_clean(int argc, char **argv); /* seen by main.c, which has the table */

int cmd_clean(int argc, char **argv)
{
    static const struct option_row rows[] = {{0}};
    static const struct option_command command = {
        .name = "clean",
        .usage = "",
        .help =
            "Ends processes and removes sockets, temporary directories, policy "
            "routes,\n"
            "queueing disciplines and names of network namespaces that netsplit's own\n"
            "runs left because they were killed. Live runs are not touched. Running "
            "it\n"
            "again does no harm.",
        .rows = rows,
    };
    struct errmsg err = {0};
    int rest;
    switch (option_parse(&command, argc, argv, false, &rest)) {
    case OPTION_OK:
        break;
    case OPTION_HELPED:
        return EXIT_DONE;
    case OPTION_BAD_USAGE:
        return EXIT_USAGE;
    }
    if (rest < argc)
        return option_complain(&command, "unexpected operand \"%s\"", argv[rest]);
    int n = rundir_clean(print_line, NULL, &err);
    if (n < 0) {
        fprintf(stderr, "netsplit clean: %s\n", err.text);
        return EXIT_ENVIRONMENT;
    }
    int of_kernel = intercept_clean(print_line, NULL, &err);
    if (of_kernel < 0) {
        fprintf(stderr, "netsplit clean: %s\n", err.text);
        return EXIT_ENVIRONMENT;
    }
    int of_devices = qdisc_clean(print_line, NULL, &err);
    if (of_devices < 0) {
        fprintf(stderr, "netsplit clean: %s\n", err.text);
        return EXIT_ENVIRONMENT;
    }
    if (n + of_kernel + of_devices == 0)
        puts("nothing to clean");
    return EXIT_DONE;
}
