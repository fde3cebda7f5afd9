/* SPDX-License-Identifier: MIT */
/* Two reports of a mode, side by side on stdout. */
#ifndef NETSPLIT_SCENARIOS_REPORT_COMPARE_H
#define NETSPLIT_SCENARIOS_REPORT_COMPARE_H

#include <jansson.h>

/* The steps of both, as report.json has them: how long each took then and now. */
void compare_print_steps(const json_t *before, const json_t *after);

/* The measures of both, likewise, with their changes. */
void compare_print_measures(const json_t *first, const json_t *second);

/* The text of a key; "-" without one. Borrowed. */
const char *compare_text(const json_t *object, const char *key);

#endif
