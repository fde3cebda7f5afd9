/* SPDX-License-Identifier: MIT */
/* Rewrites what a run has written: the way of a secret into a file may have been any, a
 * server's log, the error of a driver, the journal of the proxy. Each file is read whole,
 * and replaced, by a name of its own and a rename, only if there was one in it. Reports
 * and histories are held by us, and what only has the form of a secret is left alone
 * there: it may be a program's text. Symbolic links are not followed. */
#include "scenarios/redact/redact.h"

#include "proxy/base/memory.h"
#include "scenarios/redact/redact_inside.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* With the NULs that a log may hold left in: they end no text here. */
static bool hide(const struct redact *redact, const char *text, size_t length,
                 bool by_form, struct buffer *out)
{
    bool any = false;
    for (size_t at = 0; at <= length; at++) { /* to the NUL behind it */
        const char *part = text + at;
        struct buffer clean = {0};
        for (size_t i = 0; part[i] && !by_form;) {
            size_t n = redact_known_at(redact, part + i);
            buffer_add(&clean, n > 0 ? "***" : part + i, n > 0 ? 3 : 1);
            i += n > 0 ? n : 1;
        }
        if (by_form)
            redact_text(redact, part, &clean);
        any |= strcmp(buffer_text(&clean), part) != 0;
        buffer_add(out, buffer_text(&clean), clean.length);
        buffer_close(&clean);
        at += strlen(part);
        if (at < length)
            buffer_add(out, "", 1);
    }
    return any;
}

static char *read_all(const char *path, size_t *length)
{
    struct stat info;
    FILE *from = fopen(path, "re");
    char *text = NULL;
    if (from && fstat(fileno(from), &info) == 0) {
        text = xcalloc((size_t)info.st_size + 1, 1);
        *length = fread(text, 1, (size_t)info.st_size, from);
    }
    if (from && ferror(from)) {
        free(text);
        text = NULL;
    }
    if (from)
        (void)fclose(from); /* it was only read */
    return text;
}

static int replace(const char *path, const struct buffer *text)
{
    char *fresh = xasprintf("%s.new", path);
    FILE *to = fopen(fresh, "we");
    int e = to ? 0 : -errno;
    errno = EIO;
    if (to && fwrite(buffer_text(text), 1, text->length, to) != text->length)
        e = -errno;
    if (to && fclose(to) != 0)
        e = -errno;
    if (e == 0 && rename(fresh, path) != 0)
        e = -errno;
    if (e != 0 && to)
        (void)unlink(fresh); /* the old one is still there */
    free(fresh);
    return e;
}

static int clean_file(const struct redact *redact, const char *path)
{
    size_t length = 0, name = strlen(path);
    bool is_log = name > 4 && strcmp(path + name - 4, ".log") == 0;
    if (!is_log && redact_is_empty(redact))
        return 0;
    char *text = read_all(path, &length);
    struct buffer clean = {0};
    int e = text ? 0 : -EIO;
    if (text && hide(redact, text, length, is_log, &clean))
        e = replace(path, &clean);
    buffer_close(&clean);
    free(text);
    return e;
}

static int clean_entry(const struct redact *redact, const char *path,
                       struct errmsg *err)
{
    struct stat info;
    if (lstat(path, &info) != 0)
        return -errno;
    if (S_ISDIR(info.st_mode))
        return redact_directory(redact, path, err);
    int e = S_ISREG(info.st_mode) ? clean_file(redact, path) : 0;
    if (e != 0)
        errmsg_set(err, "hiding secrets in %s: %s", path, strerror(-e));
    return e;
}

int redact_directory(const struct redact *redact, const char *directory,
                     struct errmsg *err)
{
    DIR *entries = opendir(directory);
    int e = entries ? 0 : -errno;
    if (!entries)
        errmsg_set(err, "hiding secrets in %s: %s", directory, strerror(-e));
    for (const struct dirent *entry = entries ? readdir(entries) : NULL; entry;
         entry = readdir(entries)) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        char *path = xasprintf("%s/%s", directory, entry->d_name);
        int one = clean_entry(redact, path, err);
        e = one != 0 ? one : e;
        free(path);
    }
    if (entries)
        (void)closedir(entries); /* it was only read */
    return e;
}
