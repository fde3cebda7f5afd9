/* SPDX-License-Identifier: MIT */
/* Several files in a directory of their own: all of them, or none. */
#ifndef NETSPLIT_SCENARIOS_INIT_FILES_H
#define NETSPLIT_SCENARIOS_INIT_FILES_H

#include "proxy/base/errmsg.h"

#include <stdbool.h>
#include <stddef.h>

struct files_item {
    const char *name, *text;
};

/* Whether files_write() can be expected to go well. 0 or a negative errno; -EEXIST:
 * something is there that would be replaced. */
int files_check(const char *directory, bool replaces, struct errmsg *err);

/* Makes the directory with the n files; one that is there must be empty, unless
 * replaces: then the files of these names are replaced, and others stay. 0 or a
 * negative errno, and then nothing is new. */
int files_write(const char *directory, bool replaces, const struct files_item *items,
                size_t n, struct errmsg *err);

#endif
