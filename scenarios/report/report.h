/* SPDX-License-Identifier: MIT */
/* What people and machines read after a drill: a table on the terminal, report.json,
 * junit.xml and report.html. All of it is made from a struct run and changes nothing.
 */
#ifndef NETSPLIT_SCENARIOS_REPORT_REPORT_H
#define NETSPLIT_SCENARIOS_REPORT_REPORT_H

#include "scenarios/report/run.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

struct errmsg;

/* Writes report.json, junit.xml and report.html into the directory, which exists and
 * holds the run's other files; their hashes go into the page. 0 or a negative errno,
 * and err names the file. */
int report_write(const struct run *run, const char *directory, struct errmsg *err);

/* The sentence, the modes side by side, the expectations, and where the page is. */
void report_print(const struct run *run, FILE *to, bool colour);

/* Its parts, for report.c and for tests. The run in one sentence made of numbers, without
 * the verdict's word. Free it. */
char *report_sentence(const struct run *run);

/* What report.json holds (design: verdict, reason, seed, playbook, modes). New
 * reference. */
json_t *report_to_json(const struct run *run);

/* What the page draws: the above and every operation. directory may be NULL: no
 * hashes. New reference; NULL with err when a file of the directory cannot be read. */
json_t *report_page_data(const struct run *run, const char *directory,
                         struct errmsg *err);

int report_write_junit(const struct run *run, FILE *to);
int report_write_page(const struct run *run, const char *directory, FILE *to,
                      struct errmsg *err);

#endif
