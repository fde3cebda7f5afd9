/* SPDX-License-Identifier: MIT */
/* Removal walks from the leaves up, follows no link, and ends at the first entry that
 * cannot be removed; what somebody else removes meanwhile is not missed. */
#include "proxy/base/tempdir.h"
#include "proxy/base/errmsg.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPEN_AT_ONCE = 16 };

int tempdir_make(const char *word, char *path, struct errmsg *err)
{
    const char *base = getenv("TMPDIR");
    if (!base || *base != '/')
        base = "/tmp";
    int n = snprintf(path, TEMPDIR_PATH_MAX, "%s/netsplit-%s-XXXXXX", base, word);
    if (n < 0 || n >= TEMPDIR_PATH_MAX) {
        errmsg_set(err, "$TMPDIR is too long");
        return -ENAMETOOLONG;
    }
    if (!mkdtemp(path)) {
        int why = errno;
        errmsg_set(err, "making a temporary directory below %s: %s", base,
                   strerror(why));
        return -why;
    }
    return 0;
}

static int remove_entry(const char *path, const struct stat *status, int kind,
                        struct FTW *at)
{
    (void)status;
    (void)kind;
    (void)at;
    return remove(path) == 0 || errno == ENOENT ? 0 : -errno;
}

int tempdir_remove(const char *path)
{
    const char *last = strrchr(path, '/');
    if (!last || strncmp(last, "/netsplit-", strlen("/netsplit-")) != 0)
        return -EINVAL;
    int err = nftw(path, remove_entry, OPEN_AT_ONCE, FTW_DEPTH | FTW_PHYS);
    if (err == -1)
        return errno == ENOENT ? 0 : -errno;
    return err;
}
