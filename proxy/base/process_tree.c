/* SPDX-License-Identifier: MIT */
/* Reads every /proc/PID/stat once and marks the leader, its group and whoever descends
 * from a marked one. A process forked while this goes on is missed, so stopping looks
 * again until it finds nobody new: who is stopped forks no more.
 *
 * Not done here: those who left both the group and the family (a daemon that was
 * adopted by init) are not found. */
#include "proxy/base/process_tree.h"

#include "proxy/base/memory.h"

#include <ctype.h>
#include <dirent.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS_MAX = 16 };

struct member {
    pid_t pid, parent, group;
    bool is_ours;
};

struct members {
    struct member *items; /* owned */
    size_t n;
};

static bool read_member(const char *name, struct member *out)
{
    char path[64], text[512];
    int pid = 0, parent = 0, group = 0;
    (void)snprintf(path, sizeof path, "/proc/%.20s/stat", name);
    FILE *from = fopen(path, "re");
    if (!from)
        return false; /* it has ended */
    size_t n = fread(text, 1, sizeof text - 1, from);
    (void)fclose(from); /* it was only read */
    text[n] = '\0';
    const char *rest = strrchr(text, ')'); /* the name in brackets may hold any */
    if (!rest || sscanf(text, "%d", &pid) != 1 ||
        sscanf(rest + 1, " %*c %d %d", &parent, &group) != 2)
        return false;
    *out = (struct member){.pid = pid, .parent = parent, .group = group};
    return true;
}

static void read_all(struct members *all)
{
    const struct dirent *entry;
    struct member member;
    DIR *dir = opendir("/proc");
    while (dir && (entry = readdir(dir))) {
        if (!isdigit((unsigned char)entry->d_name[0]) ||
            !read_member(entry->d_name, &member))
            continue;
        all->items = xreallocarray(all->items, all->n + 1, sizeof *all->items);
        all->items[all->n++] = member;
    }
    if (dir)
        (void)closedir(dir); /* it was only read */
}

static bool is_child_of_ours(const struct members *all, const struct member *member)
{
    for (size_t i = 0; i < all->n; i++)
        if (all->items[i].is_ours && all->items[i].pid == member->parent)
            return true;
    return false;
}

/* O(depth * n^2), fine for the few hundred processes of a host that runs drills. */
static void mark(struct members *all, pid_t leader)
{
    for (size_t i = 0; i < all->n; i++)
        all->items[i].is_ours =
            all->items[i].pid == leader || all->items[i].group == leader;
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < all->n; i++)
            if (!all->items[i].is_ours && is_child_of_ours(all, &all->items[i]))
                more = all->items[i].is_ours = true;
    }
}

/* Returns how many there are. */
static size_t send_all(pid_t leader, int number)
{
    struct members all = {NULL, 0};
    size_t n = 0;
    if (leader <= 1)
        return 0; /* not one that we started */
    read_all(&all);
    mark(&all, leader);
    for (size_t i = 0; i < all.n; i++)
        if (all.items[i].is_ours && kill(all.items[i].pid, number) == 0)
            n++;
    free(all.items);
    return n;
}

void process_tree_stop(pid_t leader)
{
    size_t before = 0, n = send_all(leader, SIGSTOP);
    for (int i = 0; n != before && i < ROUNDS_MAX; i++) {
        before = n;
        n = send_all(leader, SIGSTOP);
    }
}

void process_tree_continue(pid_t leader)
{
    (void)send_all(leader, SIGCONT); /* those that are gone need nothing */
}

void process_tree_kill(pid_t leader)
{
    process_tree_stop(leader);
    (void)send_all(leader, SIGKILL); /* likewise */
}
