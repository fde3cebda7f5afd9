/* SPDX-License-Identifier: MIT */
#include "scenarios/store/meta.h"
#include "proxy/base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int read_meta(const char *path, struct store_meta *meta)
{
    char role[16];
    uint64_t term;
    FILE *file = fopen(path, "re");
    if (!file)
        return errno == ENOENT ? 0 : -errno;
    int n = fscanf(file, "term %" SCNu64 "\nrole %15s\n", &term, role);
    (void)fclose(file); /* only read */
    if (n != 2 || (strcmp(role, "primary") != 0 && strcmp(role, "replica") != 0))
        return -EBADMSG;
    *meta = (struct store_meta){term, strcmp(role, "primary") == 0};
    return 0;
}

int store_meta_load(const char *dir, struct store_meta *meta, struct errmsg *err)
{
    char *path = xasprintf("%s/meta", dir);
    *meta = (struct store_meta){0};
    int e = read_meta(path, meta);
    if (e)
        errmsg_set(err, "reading %s: %s", path,
                   e == -EBADMSG ? "it does not hold a term and a role" : strerror(-e));
    free(path);
    return e;
}

static int write_synced(int dir, const char *name, const char *text)
{
    size_t len = strlen(text);
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return -errno;
    ssize_t n = write(fd, text, len);
    int e = n < 0 ? -errno : (size_t)n < len ? -ENOSPC : 0;
    if (e == 0 && fsync(fd) < 0)
        e = -errno;
    close(fd);
    return e;
}

int store_meta_save(const char *dir, const struct store_meta *meta)
{
    char text[64];
    (void)snprintf(text, sizeof text, "term %" PRIu64 "\nrole %s\n", meta->term,
                   meta->primary ? "primary" : "replica");
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int e = write_synced(fd, "meta.new", text);
    if (e == 0 && (renameat(fd, "meta.new", fd, "meta") < 0 || fsync(fd) < 0))
        e = -errno;
    close(fd);
    return e;
}
