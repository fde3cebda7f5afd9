/* SPDX-License-Identifier: MIT */
/* Several drills in one call: a line for each, and, where one playbook was repeated,
 * how its measures were distributed and what so many runs prove. */
#ifndef NETSPLIT_SCENARIOS_REPORT_MANY_H
#define NETSPLIT_SCENARIOS_REPORT_MANY_H

#include "scenarios/report/run.h"

#include <stdio.h>

struct errmsg;
struct many;

struct many *many_create(void);
void many_destroy(struct many *many); /* NULL is fine */

/* Keeps what is needed of the run, which may be destroyed then. */
void many_add(struct many *many, const struct run *run);
/* A playbook that could not be run: why, in a few words. */
void many_add_trouble(struct many *many, const char *playbook, const char *why);

size_t many_count(const struct many *many);

/* A line for each: verdict, playbook, seed, directory. */
void many_print_summary(const struct many *many, FILE *to);

/* Of the runs since the index, which are of one playbook: for each mode the measures
 * that are known, least, median, most; and the bound on the rate of failure. */
void many_print_distribution(const struct many *many, size_t since, FILE *to);

/* The same as JSON into a file. 0 or a negative errno with err. */
int many_write(const struct many *many, size_t since, const char *path,
               struct errmsg *err);

#endif
