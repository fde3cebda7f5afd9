/* SPDX-License-Identifier: MIT */
/* What the page is told of a mode, for its report_page*.c files. */
#ifndef NETSPLIT_SCENARIOS_REPORT_REPORT_PAGE_H
#define NETSPLIT_SCENARIOS_REPORT_REPORT_PAGE_H

#include "scenarios/report/report_parts.h"

/* All of it: what report.json says, and what is drawn. */
json_t *report_page_mode(const struct run *run, const struct run_mode *mode);

/* report_page_loss.c: bytes by link and period; the lost writes, each with its story. */
json_t *report_page_links(const struct run_mode *mode);
json_t *report_page_lost(const struct run *run, const struct run_mode *mode);

#endif
