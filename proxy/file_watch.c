/* SPDX-License-Identifier: MIT */
/* inotify looks at directories: at that of the file's name, where a rename replaces it,
 * and if the name is a link at that of the file it leads to, where it is written. What
 * happens there starts a short timer anew; when it has run out the file is compared (by
 * device, inode, size and time of the last write) with what it was.
 *
 * So one save is one change, and a file that nobody wrote to is none, whatever else
 * happens beside it. A link that is turned to another directory is noticed where it
 * stands, but what is later written in that directory is not.
 *
 * Not done here: reading the file, which may be half written if its writer is slow; who
 * reads it finds out, and the next change brings the rest. */
#include "proxy/file_watch.h"
#include "proxy/base/errmsg.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { DIRECTORIES = 2, SETTLE_MS = 100 };

struct file_watch {
    char path[PATH_MAX];
    struct stat seen; /* st_nlink 0: there was no file */
    uv_fs_event_t directories[DIRECTORIES];
    uv_timer_t settle;
    unsigned open_handles; /* frees at 0 */
    file_watch_fn on_change;
    void *arg; /* borrowed */
};

static struct stat look_at(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 ? info : (struct stat){0};
}

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
           a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static void on_settled(uv_timer_t *timer)
{
    struct file_watch *watch = timer->data;
    struct stat now = look_at(watch->path);
    if (now.st_nlink == 0 || is_same(&now, &watch->seen))
        return;
    watch->seen = now;
    watch->on_change(watch->arg);
}

static void on_event(uv_fs_event_t *handle, const char *name, int events, int status)
{
    struct file_watch *watch = handle->data;
    (void)name, (void)events, (void)status; /* what it was shows in the file */
    (void)uv_timer_start(&watch->settle, on_settled, SETTLE_MS, 0); /* never fails */
}

static int watch_directory(struct file_watch *watch, uv_loop_t *loop,
                           const char *directory)
{
    uv_fs_event_t *handle = &watch->directories[watch->open_handles - 1];
    int status = uv_fs_event_init(loop, handle);
    if (status != 0)
        return status;
    watch->open_handles++;
    handle->data = watch;
    return uv_fs_event_start(handle, on_event, directory, 0);
}

/* That of the name, and that of the file if it is another one. */
static int watch_directories(struct file_watch *watch, uv_loop_t *loop)
{
    char named[PATH_MAX], real[PATH_MAX], beside[PATH_MAX], lies[PATH_MAX];
    (void)snprintf(named, sizeof named, "%s", watch->path);
    const char *directory = dirname(named);
    int status = watch_directory(watch, loop, directory);
    if (status != 0 || !realpath(watch->path, real) || !realpath(directory, beside))
        return status;
    (void)snprintf(lies, sizeof lies, "%s", real);
    return strcmp(dirname(lies), beside) == 0 ? 0 : watch_directory(watch, loop, lies);
}

int file_watch_start(struct file_watch **out, uv_loop_t *loop, const char *path,
                     file_watch_fn on_change, void *arg, struct errmsg *err)
{
    struct file_watch *watch =
        strlen(path) < PATH_MAX ? calloc(1, sizeof *watch) : NULL;
    int status = watch ? 0 : strlen(path) < PATH_MAX ? -ENOMEM : -ENAMETOOLONG;
    if (watch) {
        (void)snprintf(watch->path, sizeof watch->path, "%s", path);
        watch->seen = look_at(path);
        watch->on_change = on_change;
        watch->arg = arg;
        (void)uv_timer_init(loop, &watch->settle); /* never fails */
        watch->settle.data = watch;
        watch->open_handles = 1;
        status = watch_directories(watch, loop);
    }
    if (status == 0) {
        *out = watch;
        return 0;
    }
    errmsg_set(err, "watching %s: %s%s", path, strerror(-status),
               status == -ENOSPC || status == -EMFILE
                   ? "; fs.inotify.max_user_watches and max_user_instances limit it"
                   : "");
    file_watch_close(watch);
    return status;
}

static void on_closed(uv_handle_t *handle)
{
    struct file_watch *watch = handle->data;
    if (--watch->open_handles == 0)
        free(watch);
}

void file_watch_close(struct file_watch *watch)
{
    unsigned n = watch ? watch->open_handles : 0;
    for (unsigned i = 1; i < n; i++)
        uv_close((uv_handle_t *)&watch->directories[i - 1], on_closed);
    if (n > 0)
        uv_close((uv_handle_t *)&watch->settle, on_closed);
}
