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

/* Each part is tried, whatever became of the ones before it, and in this order: a
 * process that the first one ends leaves what it made to the others. Returns how much
 * was removed; *status is left alone if all went well. */
static int clean_all(bool forgets, int *status)
{
    int (*const parts[])(rundir_removed_fn, void *, struct errmsg *) = {
        forgets ? rundir_forget : rundir_clean, intercept_clean, qdisc_clean};
    int total = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        struct errmsg err = {0};
        int n = parts[i](print_line, NULL, &err);
        if (n >= 0) {
            total += n;
            continue;
        }
        (void)fflush(stdout); /* what it says is about that */
        fprintf(stderr, "netsplit clean: %s\n", err.text);
        *status = EXIT_ENVIRONMENT;
    }
    return total;
}

int cmd_clean(int argc, char **argv)
{
    bool forgets = false;
    const struct option_row rows[] = {
        {"forget", 0, OPTION_FLAG, &forgets, NULL,
         "gives up what killed drills still owe, which was undone by hand or is gone, "
         "and says what that was",
         0, 0},
        {0},
    };
    const struct option_command command = {
        .name = "clean",
        .usage = "[OPTIONS]",
        .help =
            "Ends processes and removes sockets, temporary directories, policy "
            "routes,\n"
            "queueing disciplines and names of network namespaces that netsplit's own\n"
            "runs left because they were killed, and runs the commands that undo what\n"
            "they did to nodes: `undo` of faults by command, resume, start. Live runs\n"
            "are not touched. Running it again does no harm.\n\n"
            "Status: 0 nothing is left, 3 something is NOT UNDONE, and named.",
        .rows = rows,
    };
    int rest, status = EXIT_DONE;
    int ends = option_begin(&command, argc, argv, false, &rest);
    if (ends != OPTION_GOES_ON)
        return ends;
    if (rest < argc)
        return option_complain(&command, "unexpected operand \"%s\"", argv[rest]);
    if (clean_all(forgets, &status) == 0 && status == EXIT_DONE)
        puts("nothing to clean");
    return status;
}
