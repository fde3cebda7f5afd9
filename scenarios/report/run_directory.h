/* SPDX-License-Identifier: MIT */
/* Directories of results. None is ever used twice, whatever the clock says that names
 * them: it may stand still, or go back. */
#ifndef NETSPLIT_SCENARIOS_REPORT_RUN_DIRECTORY_H
#define NETSPLIT_SCENARIOS_REPORT_RUN_DIRECTORY_H

#include "proxy/base/errmsg.h"

#include <stddef.h>

/* Makes PARENT/NAME, PARENT being made if it is not there; where that exists already,
 * PARENT/NAME-2, -3, ... Its path is written to path. 0; or a negative errno with err. */
int run_directory_make(const char *parent, const char *name, char *path,
                       size_t path_bytes, struct errmsg *err);

/* Uses the directory of the path, which is made if it is not there. 0; -ENOTEMPTY when
 * it holds anything, which would be taken for this run's; or another negative errno.
 * err says why. */
int run_directory_use(const char *path, struct errmsg *err);

/* Lets the link `latest` beside the directory lead to it, or to the run in it (NULL: none),
 * at once and without a moment in which there is none. It is a convenience: if it cannot
 * be made, nothing is said. */
void run_directory_link(const char *path, const char *run);

#endif
