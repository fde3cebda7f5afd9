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

/* In this order: a process that the first one ends leaves what it made to the others.
 */
static int (*const parts[])(rundir_removed_fn, void *, struct errmsg *) = {
    rundir_clean, intercept_clean, qdisc_clean};

int cmd_clean(int argc, char **argv); /* seen by main.c, which has the table */

int cmd_clean(int argc, char **argv)
{
    static const struct option_row rows[] = {{0}};
    static const struct option_command command = {
        .name = "clean",
        .usage = "",
        .help = "Ends processes and removes sockets, temporary directories, policy\n"
                "routes, queueing disciplines and names of network namespaces that\n"
                "netsplit's own runs left because they were killed. Live runs are not\n"
                "touched. Running it again does no harm.",
        .rows = rows,
    };
    struct errmsg err = {0};
    int rest, ends = option_begin(&command, argc, argv, false, &rest);
    if (ends != OPTION_GOES_ON)
        return ends;
    if (rest < argc)
        return option_complain(&command, "unexpected operand \"%s\"", argv[rest]);
    int n = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        int removed = parts[i](print_line, NULL, &err);
        if (removed < 0) {
            fprintf(stderr, "netsplit clean: %s\n", err.text);
            return EXIT_ENVIRONMENT;
        }
        n += removed;
    }
    if (n == 0)
        puts("nothing to clean");
    return EXIT_DONE;
}
