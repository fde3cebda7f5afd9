/* SPDX-License-Identifier: MIT */
/* The verbs of `netsplit lab`, for its cmd_lab*.c files. */
#ifndef NETSPLIT_SCENARIOS_CMD_LAB_H
#define NETSPLIT_SCENARIOS_CMD_LAB_H

#include "proxy/base/option.h"
#include "scenarios/lab/lab_home.h"

/* Each with its own words, argv[0] being the verb; they return the exit status. */
int cmd_lab_up(int argc, char **argv);
int cmd_lab_exec(int argc, char **argv);

/* Says what failed; returns EXIT_ENVIRONMENT. */
int cmd_lab_fail(const struct option_command *command, const struct errmsg *err);
/* The labs as a table: nodes, addresses, namespaces. */
void cmd_lab_print(const struct lab_home *homes, size_t n);

#endif
