/* SPDX-License-Identifier: MIT */
/* Temporary directories that go away with us. */
#ifndef NETSPLIT_BASE_TEMPDIR_H
#define NETSPLIT_BASE_TEMPDIR_H

#include <stddef.h>

struct errmsg;

enum { TEMPDIR_PATH_MAX = 4096 };

/* Makes a directory of mode 0700 below $TMPDIR or /tmp, "netsplit-WORD-XXXXXX", and
 * writes its absolute path to path (TEMPDIR_PATH_MAX bytes). 0 or a negative errno. */
int tempdir_make(const char *word, char *path, struct errmsg *err);

/* Removes the directory and all below it; symbolic links are removed, not followed.
 * Refuses (-EINVAL) a path whose last part does not begin with "netsplit-". One that
 * is gone already is success. */
int tempdir_remove(const char *path);

#endif
