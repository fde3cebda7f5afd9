/* SPDX-License-Identifier: MIT */
/* A name is looked for in the source tree, if that is where we are; then up to three
 * directories above the program, in the tree that it was built in (build/asan/tests/) or
 * where it was installed (bin/). The first file that can be read is taken. */
#include "scenarios/playbook/shipped.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
    const char *suffix, *other_suffix;
    const char *in_tree, *installed; /* directories */
} kinds[] = {
    [SHIPPED_CLUSTER] = {".yaml", ".yml", "scenarios/clusters",
                         "share/netsplit/clusters"},
    [SHIPPED_PLAYBOOK] = {".md", ".markdown", "playbooks", "share/netsplit/playbooks"},
};

static bool ends_with(const char *word, const char *suffix)
{
    size_t n = strlen(word), n_suffix = strlen(suffix);
    return n > n_suffix && strcmp(word + n - n_suffix, suffix) == 0;
}

/* The directory of the program, or "." */
static void find_program(char *directory)
{
    ssize_t n = readlink("/proc/self/exe", directory, PATH_MAX - 1);
    directory[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(directory, '/');
    if (slash)
        *slash = '\0';
    else
        (void)snprintf(directory, PATH_MAX, ".");
}

static bool is_there(const char *beside, const char *directory, const char *word,
                     const char *suffix, char *found)
{
    char path[PATH_MAX];
    int n = snprintf(path, sizeof path, "%s%s/%s%s", beside, directory, word, suffix);
    if (n >= PATH_MAX || access(path, R_OK) != 0)
        return false;
    if (*beside == '\0')
        (void)snprintf(found, PATH_MAX, "%s", path);
    return *beside == '\0' || realpath(path, found); /* nobody wants to read build/.. */
}

static bool find(enum shipped kind, const char *word, char *found)
{
    static const char *const above[] = {"/../", "/../../", "/../../../"};
    char program[PATH_MAX], beside[PATH_MAX + 16];
    const char *suffix = kinds[kind].suffix;
    if (is_there("", kinds[kind].in_tree, word, suffix, found))
        return true;
    find_program(program);
    for (size_t i = 0; i < sizeof above / sizeof *above; i++) {
        (void)snprintf(beside, sizeof beside, "%s%s", program, above[i]);
        if (is_there(beside, kinds[kind].in_tree, word, suffix, found) ||
            is_there(beside, kinds[kind].installed, word, suffix, found))
            return true;
    }
    return false;
}

int shipped_find(enum shipped kind, const char *word, char *path, size_t path_bytes)
{
    char found[PATH_MAX];
    bool is_path = strchr(word, '/') || ends_with(word, kinds[kind].suffix) ||
                   ends_with(word, kinds[kind].other_suffix);
    if (!is_path && !find(kind, word, found))
        return -ENOENT;
    const char *from = is_path ? word : found;
    if (strlen(from) >= path_bytes)
        return -ENOENT;
    (void)snprintf(path, path_bytes, "%s", from);
    return 0;
}
