/* SPDX-License-Identifier: MIT */
/* What report.json, the page's data and the manifest share. Pieces of JSON are new
 * references; memory that runs out aborts. */
#ifndef NETSPLIT_SCENARIOS_REPORT_REPORT_PARTS_H
#define NETSPLIT_SCENARIOS_REPORT_REPORT_PARTS_H

#include "scenarios/report/run.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

struct errmsg;

/* NULL becomes null; bytes that are no UTF-8 become "?". */
json_t *report_text(const char *text);
json_t *report_object(void);
json_t *report_array(void);
json_t *report_number(uint64_t number);
json_t *report_real(double number);
/* Both take the value over. */
void report_put(json_t *object, const char *name, json_t *value);
void report_push(json_t *array, json_t *value);

/* Milliseconds since the mode's base; 0 for what did not happen. */
double report_ms(const struct run_mode *mode, uint64_t at_ns);

json_t *report_felt(const struct run_mode *mode);
json_t *report_expectations(const struct run_mode *mode);
json_t *report_phases(const struct run_mode *mode);
json_t *report_steps(const struct run_mode *mode);
json_t *report_windows(const struct run_mode *mode);
/* node -> what it said of itself; null where the cluster has no command that asks. */
json_t *report_systems(const struct run *run, const struct run_mode *mode);
/* report.json of the last run of the same playbook and cluster beside the directory;
 * null if there is none or directory is NULL. */
json_t *report_previous(const struct run *run, const char *directory);
/* All that report.json says of a mode. */
json_t *report_mode(const struct run_mode *mode);

/* Writes a file of the directory under a temporary name, NAME.new, and then renames it.
 * What writes it may fill err itself. 0 or a negative errno, and err names the file. */
typedef int (*report_write_fn)(const struct run *run, const char *directory, FILE *to,
                               struct errmsg *err);
int report_write_file(const struct run *run, const char *directory, const char *name,
                      report_write_fn write, struct errmsg *err);

#endif
