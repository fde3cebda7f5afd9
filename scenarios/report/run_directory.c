/* SPDX-License-Identifier: MIT */
/* A name that is taken gets a number, which mkdir(2) decides: so two runs that begin in
 * the same second have two directories, and so does one whose clock was put back to the
 * second of an earlier one. The link is made under another name and renamed. */
#include "scenarios/report/run_directory.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int make_all(const char *path)
{
    char part[PATH_MAX];
    for (const char *at = strchr(path + 1, '/');; at = strchr(at + 1, '/')) {
        (void)snprintf(part, sizeof part, "%.*s", at ? (int)(at - path) : PATH_MAX,
                       path);
        if (mkdir(part, 0755) != 0 && errno != EEXIST)
            return -errno;
        if (!at)
            return 0;
    }
}

static int complain(const char *path, int e, struct errmsg *err)
{
    errmsg_set(err, "the directory for the results, %s: %s", path, strerror(-e));
    return e;
}

int run_directory_make(const char *parent, const char *name, char *path,
                       size_t path_bytes, struct errmsg *err)
{
    int e = make_all(parent);
    if (e != 0)
        return complain(parent, e, err);
    (void)snprintf(path, path_bytes, "%s/%s", parent, name);
    for (int i = 2; mkdir(path, 0755) != 0; i++) {
        if (errno != EEXIST)
            return complain(path, -errno, err);
        (void)snprintf(path, path_bytes, "%s/%s-%d", parent, name, i);
    }
    return 0;
}

static bool is_empty(const char *path)
{
    const struct dirent *entry;
    bool empty = true;
    DIR *dir = opendir(path);
    while (dir && empty && (entry = readdir(dir)))
        empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    if (dir)
        (void)closedir(dir); /* it was only read */
    return empty;
}

int run_directory_use(const char *path, struct errmsg *err)
{
    int e = make_all(path);
    if (e != 0)
        return complain(path, e, err);
    if (is_empty(path))
        return 0;
    errmsg_set(err, "the directory for the results, %s, holds files already", path);
    return -ENOTEMPTY;
}

void run_directory_link(const char *path, const char *run)
{
    const char *slash = strrchr(path, '/');
    char link[PATH_MAX], fresh[PATH_MAX], target[PATH_MAX];
    if (!slash)
        return;
    (void)snprintf(link, sizeof link, "%.*s/latest", (int)(slash - path), path);
    (void)snprintf(fresh, sizeof fresh, "%.*s/.latest-%d", (int)(slash - path), path,
                   (int)getpid());
    (void)snprintf(target, sizeof target, "%s%s%s", slash + 1, run ? "/" : "",
                   run ? run : "");
    if (symlink(target, fresh) == 0 && rename(fresh, link) != 0)
        (void)unlink(fresh); /* `latest` may be a directory of somebody's */
}
