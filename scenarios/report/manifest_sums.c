/* SPDX-License-Identifier: MIT */
/* SHA256SUMS: writes it, and holds a directory to one.
 *
 * A line is the hash, two blanks and the name; where a name has a backslash or the end of
 * a line in it, they are escaped and the line begins with a backslash, as coreutils do.
 * Other forms that sha256sum reads (binary mode, BSD's) are not written, and not read. */
#include "scenarios/report/manifest.h"

#include "proxy/base/errmsg.h"
#include "proxy/base/memory.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { DIGITS = SHA256_HEX_BYTES - 1, NAME_AT = DIGITS + 2 };

const char *manifest_difference_name(enum manifest_difference difference)
{
    static const char *const names[] = {
        [MANIFEST_CHANGED] = "changed since",
        [MANIFEST_MISSING] = "missing",
        [MANIFEST_ADDED] = "added since",
    };
    return names[difference];
}

int manifest_write_sums(const struct manifest_files *files, FILE *to)
{
    for (size_t i = 0; i < files->n; i++) {
        const char *name = files->items[i].name;
        fprintf(to, "%s%s  ", strpbrk(name, "\\\n\r") ? "\\" : "",
                files->items[i].sha256);
        for (; *name; name++) {
            if (*name == '\\' || *name == '\n' || *name == '\r')
                fprintf(to, "\\%c", *name == '\n' ? 'n' : *name == '\r' ? 'r' : '\\');
            else
                fputc(*name, to);
        }
        fputc('\n', to);
    }
    return ferror(to) ? -EIO : 0;
}

static void unescape(char *name)
{
    char *to = name;
    for (; *name; name++) {
        if (*name == '\\' && name[1]) {
            name++;
            *to++ = *name == 'n' ? '\n' : *name == 'r' ? '\r' : *name;
        } else {
            *to++ = *name;
        }
    }
    *to = '\0';
}

/* The line has no end any more. Whether it is one. */
static bool read_line(struct manifest_files *files, char *line)
{
    bool escaped = line[0] == '\\';
    line += escaped;
    if (strspn(line, "0123456789abcdef") != DIGITS || line[DIGITS] != ' ' ||
        line[DIGITS + 1] != ' ' || line[NAME_AT] == '\0')
        return false;
    struct manifest_file file = {.name = xstrdup(line + NAME_AT)};
    (void)snprintf(file.sha256, sizeof file.sha256, "%.*s", (int)DIGITS, line);
    if (escaped)
        unescape(file.name);
    files->items = xreallocarray(files->items, files->n + 1, sizeof *files->items);
    files->items[files->n++] = file;
    return true;
}

static int read_sums(const char *path, struct manifest_files *files, struct errmsg *err)
{
    FILE *from = fopen(path, "re");
    if (!from) {
        int e = -errno;
        errmsg_set(err, "%s: %s", path, strerror(-e));
        return e;
    }
    char *line = NULL;
    size_t room = 0, number = 0;
    ssize_t length;
    int e = 0;
    while (e == 0 && (length = getline(&line, &room, from)) > 0) {
        number++;
        if (line[length - 1] == '\n')
            line[length - 1] = '\0';
        if (!read_line(files, line)) {
            errmsg_set(err, "%s:%zu: this is no line of sha256sum's", path, number);
            e = -EINVAL;
        }
    }
    if (e == 0 && ferror(from)) {
        errmsg_set(err, "%s cannot be read", path);
        e = -EIO;
    }
    free(line);
    (void)fclose(from); /* it was only read */
    return e;
}

static const struct manifest_file *find(const struct manifest_files *files,
                                        const char *name)
{
    for (size_t i = 0; i < files->n; i++) /* a run has some dozens */
        if (strcmp(files->items[i].name, name) == 0)
            return &files->items[i];
    return NULL;
}

static void add_finding(struct manifest_check *check, const char *name,
                        enum manifest_difference difference)
{
    check->items = xreallocarray(check->items, check->n + 1, sizeof *check->items);
    check->items[check->n++] = (struct manifest_finding){xstrdup(name), difference};
    check->broken |= difference != MANIFEST_ADDED;
}

static void compare(const struct manifest_files *written,
                    const struct manifest_files *there, struct manifest_check *check)
{
    for (size_t i = 0; i < written->n; i++) {
        const struct manifest_file *file = &written->items[i];
        const struct manifest_file *now = find(there, file->name);
        if (!now)
            add_finding(check, file->name, MANIFEST_MISSING);
        else if (strcmp(now->sha256, file->sha256) != 0)
            add_finding(check, file->name, MANIFEST_CHANGED);
        else
            check->n_same++;
    }
    for (size_t i = 0; i < there->n; i++)
        if (!find(written, there->items[i].name))
            add_finding(check, there->items[i].name, MANIFEST_ADDED);
}

int manifest_verify(const char *directory, struct manifest_check *check,
                    struct errmsg *err)
{
    static const char *const but[] = {MANIFEST_SUMS, NULL};
    struct manifest_files written = {NULL, 0}, there = {NULL, 0};
    char *path = xasprintf("%s/%s", directory, MANIFEST_SUMS);
    int e = read_sums(path, &written, err);
    if (e == 0)
        e = manifest_list(directory, but, &there, err);
    if (e == 0) {
        *check = (struct manifest_check){.n_same = 0};
        compare(&written, &there, check);
    }
    manifest_free(&written);
    manifest_free(&there);
    free(path);
    return e;
}

void manifest_check_free(struct manifest_check *check)
{
    for (size_t i = 0; i < check->n; i++)
        free(check->items[i].name);
    free(check->items);
    *check = (struct manifest_check){.n_same = 0};
}
