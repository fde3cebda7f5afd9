/* SPDX-License-Identifier: MIT */
/* The files of a directory with their hashes. Only regular files are evidence: links,
 * sockets and pipes that a step left are passed over; the directory itself may be a link,
 * as `latest` is. A file that cannot be read ends it, because a list that lacks one would
 * look whole. */
#include "scenarios/report/manifest.h"

#include "proxy/base/errmsg.h"
#include "proxy/base/memory.h"

#include <errno.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>

static bool is_listed(const char *name, const char *const *names)
{
    while (*names && strcmp(*names, name) != 0)
        names++;
    return *names != NULL;
}

static int add_file(struct manifest_files *files, const char *path, const char *name,
                    struct errmsg *err)
{
    struct manifest_file file;
    int e = sha256_file(path, file.sha256, &file.bytes);
    if (e != 0) {
        errmsg_set(err, "reading %s: %s", path, strerror(-e));
        return e;
    }
    file.name = xstrdup(name);
    files->items = xreallocarray(files->items, files->n + 1, sizeof *files->items);
    files->items[files->n++] = file;
    return 0;
}

static int add_all(struct manifest_files *files, FTS *tree, size_t prefix,
                   const char *const *but, struct errmsg *err)
{
    const FTSENT *entry;
    int e = 0;
    while (e == 0 && (entry = fts_read(tree))) {
        const char *name = entry->fts_path + prefix;
        if (entry->fts_info == FTS_F && !is_listed(name, but))
            e = add_file(files, entry->fts_path, name, err);
        if (entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR) {
            e = entry->fts_errno ? -entry->fts_errno : -EIO;
            errmsg_set(err, "reading %s: %s", entry->fts_path, strerror(-e));
        }
    }
    return e;
}

static int compare_names(const void *a, const void *b)
{
    const struct manifest_file *left = a, *right = b;
    return strcmp(left->name, right->name);
}

int manifest_list(const char *directory, const char *const *but,
                  struct manifest_files *files, struct errmsg *err)
{
    struct manifest_files found = {NULL, 0};
    char *root = xstrdup(directory);
    char *const roots[] = {root, NULL};
    FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, NULL);
    if (!tree)
        abort(); /* no memory: the drill side may */
    size_t prefix = strlen(root) + (root[0] && root[strlen(root) - 1] != '/');
    int e = add_all(&found, tree, prefix, but, err);
    (void)fts_close(tree); /* it was only read */
    free(root);
    if (e != 0) {
        manifest_free(&found);
        return e;
    }
    if (found.n > 0)
        qsort(found.items, found.n, sizeof *found.items, compare_names);
    *files = found;
    return 0;
}

void manifest_free(struct manifest_files *files)
{
    for (size_t i = 0; i < files->n; i++)
        free(files->items[i].name);
    free(files->items);
    *files = (struct manifest_files){NULL, 0};
}
