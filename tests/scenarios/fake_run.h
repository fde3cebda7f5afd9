/* SPDX-License-Identifier: MIT */
/* A drill's result made up for the reports' tests: two modes, a partition, a failover;
 * async lost what n1 acknowledged under the partition, sync answered nothing. */
#ifndef NETSPLIT_TESTS_FAKE_RUN_H
#define NETSPLIT_TESTS_FAKE_RUN_H

#include "scenarios/report/run.h"

enum { FAKE_RUN_LOST = 40 };

/* A passing run; end it with fake_run_destroy. */
struct run *fake_run_create(void);
void fake_run_destroy(struct run *run);

#endif
