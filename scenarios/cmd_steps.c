/* SPDX-License-Identifier: MIT */
/* netsplit steps: what a playbook may hold, printed from the tables that playbooks are read
 * by. */
#include "proxy/base/exits.h"
#include "proxy/base/option.h"
#include "scenarios/playbook/step.h"

#include <stdio.h>

int cmd_steps(int argc, char **argv); /* seen by main.c, which has the table */

int cmd_steps(int argc, char **argv)
{
    static const struct option_row rows[] = {{0}};
    static const struct option_command command = {
        .name = "steps",
        .usage = "",
        .help =
            "Prints the verbs of playbooks with their options, the workloads, and the "
            "drivers.",
        .rows = rows,
    };
    int rest, ends = option_begin(&command, argc, argv, false, &rest);
    if (ends != OPTION_GOES_ON)
        return ends;
    if (rest < argc)
        return option_complain(&command, "unexpected operand \"%s\"", argv[rest]);
    step_print_verbs(stdout);
    return EXIT_DONE;
}
