/* SPDX-License-Identifier: MIT */
/* The files are written whole into a directory beside the one that is wanted.
 *
 * Happy path: mkdtemp -> each file -> the new directory is renamed to the wanted name,
 * which rename() does only if there is nothing of it, or it is empty. Where files are
 * to be replaced each is renamed into the directory instead.
 *
 * Failures: the directory beside is removed with all that is in it. What would make the
 * rename of one file fail after another's went well (a directory of its name) is looked
 * for before. Signals wait until it is done: it takes no time. */
#include "scenarios/init/files.h"

#include "proxy/base/memory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_empty(const char *directory)
{
    size_t n = 0;
    DIR *open = opendir(directory);
    if (!open)
        return false;
    while (readdir(open))
        n++;
    (void)closedir(open); /* it was only read */
    return n <= 2;        /* . and .. */
}

/* "a/b/" is in a, "b" is here. The caller frees it. */
static char *find_parent(const char *directory)
{
    size_t length = strlen(directory);
    while (length > 1 && directory[length - 1] == '/')
        length--;
    while (length > 0 && directory[length - 1] != '/')
        length--;
    return length == 0 ? xstrdup(".") : xasprintf("%.*s", (int)length, directory);
}

/* Whether something can be made beside the directory. */
static int check_parent(const char *directory, struct errmsg *err)
{
    char *parent = find_parent(directory);
    int status = access(parent, W_OK | X_OK) == 0 ? 0 : -errno;
    if (status != 0)
        errmsg_set(err, "%s cannot be made in %s: %s", directory, parent,
                   strerror(-status));
    free(parent);
    return status;
}

int files_check(const char *directory, bool replaces, struct errmsg *err)
{
    struct stat info;
    int status = stat(directory, &info) == 0 ? 0 : -errno;
    if (status == -ENOENT)
        return check_parent(directory, err);
    if (status != 0) {
        errmsg_set(err, "%s: %s", directory, strerror(-status));
        return status;
    }
    if (!S_ISDIR(info.st_mode)) {
        errmsg_set(err, "%s is no directory", directory);
        return -EEXIST;
    }
    if (replaces || is_empty(directory))
        return check_parent(directory, err);
    errmsg_set(err,
               "%s is there already; --force replaces its files, --dir names another "
               "directory",
               directory);
    return -EEXIST;
}

static int write_one(const char *directory, const struct files_item *item)
{
    char *path = xasprintf("%s/%s", directory, item->name);
    FILE *to = fopen(path, "wxe");
    free(path);
    if (!to)
        return -errno;
    int status = fputs(item->text, to) < 0 ? -errno : 0;
    if (fclose(to) != 0 && status == 0)
        status = -errno;
    return status;
}

static int rename_each(const char *from, const char *to, const struct files_item *items,
                       size_t n)
{
    int status = 0;
    for (size_t i = 0; i < n && status == 0; i++) {
        char *old = xasprintf("%s/%s", from, items[i].name);
        char *new = xasprintf("%s/%s", to, items[i].name);
        if (rename(old, new) != 0)
            status = -errno;
        free(old);
        free(new);
    }
    return status;
}

/* What rename() would stumble over when it is too late. */
static int check_names(const char *directory, const struct files_item *items, size_t n)
{
    int status = access(directory, W_OK | X_OK) == 0 ? 0 : -errno;
    for (size_t i = 0; i < n && status == 0; i++) {
        struct stat info;
        char *path = xasprintf("%s/%s", directory, items[i].name);
        if (lstat(path, &info) == 0 && S_ISDIR(info.st_mode))
            status = -EISDIR;
        free(path);
    }
    return status;
}

static void remove_made(const char *directory, const struct files_item *items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char *path = xasprintf("%s/%s", directory, items[i].name);
        (void)unlink(path); /* it may have gone where it belongs */
        free(path);
    }
    (void)rmdir(directory); /* likewise */
}

static int write_beside(const char *beside, const char *directory, bool replaces,
                        const struct files_item *items, size_t n)
{
    mode_t mask = umask(0);
    (void)umask(mask); /* the only way to read it */
    struct stat info;
    int status = chmod(beside, 0777 & ~mask) == 0 ? 0 : -errno;
    for (size_t i = 0; i < n && status == 0; i++)
        status = write_one(beside, &items[i]);
    if (status == 0 && replaces && stat(directory, &info) == 0) {
        status = check_names(directory, items, n);
        return status ? status : rename_each(beside, directory, items, n);
    }
    if (status == 0 && rename(beside, directory) != 0)
        status = -errno;
    return status;
}

int files_write(const char *directory, bool replaces, const struct files_item *items,
                size_t n, struct errmsg *err)
{
    sigset_t all, before;
    (void)sigfillset(&all); /* neither this nor the next can fail */
    (void)sigprocmask(SIG_BLOCK, &all, &before);
    size_t length = strlen(directory);
    while (length > 1 && directory[length - 1] == '/')
        length--;
    char *beside = xasprintf("%.*s.XXXXXX", (int)length, directory);
    int status = mkdtemp(beside) ? 0 : -errno;
    if (status == 0) {
        status = write_beside(beside, directory, replaces, items, n);
        remove_made(beside, items, n);
    }
    free(beside);
    if (status != 0)
        errmsg_set(err, "%s cannot be written: %s", directory, strerror(-status));
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    return status;
}
