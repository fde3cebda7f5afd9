/* SPDX-License-Identifier: MIT */
/* The accept sockets of nodes that are told by who connects (mode redirect): one for
 * each such node and family. A user's name is looked up when its socket is made. */
#include "proxy/base/errmsg.h"
#include "proxy/instance.h"
#include "proxy/kernel/intercept_internal.h"
#include "proxy/record/journal.h"

#include <errno.h>
#include <limits.h>
#include <linux/magic.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>

/* The number of a user, by name or as it is. 0 or -EINVAL. */
static int find_user(const char *name, uint32_t *uid, struct errmsg *err)
{
    char *end;
    errno = 0;
    unsigned long number = strtoul(name, &end, 10);
    if (*name && *end == 0 && errno == 0 && number < UINT32_MAX) {
        *uid = (uint32_t)number;
        return 0;
    }
    const struct passwd *user = getpwnam(name);
    if (!user) {
        errmsg_set(err, "there is no user \"%s\" on this host", name);
        return -EINVAL;
    }
    *uid = user->pw_uid;
    return 0;
}

/* cgroup2 may be all of /sys/fs/cgroup, or a part of it beside version 1. 0, or -ENOENT
 * if there is no such group. */
static int find_cgroup(const char *name, const char **root, struct errmsg *err)
{
    static const char *const roots[] = {"", "unified/"};
    for (size_t i = 0; i < sizeof roots / sizeof *roots; i++) {
        char path[PATH_MAX];
        struct statfs about;
        (void)snprintf(path, sizeof path, "/sys/fs/cgroup/%s%s", roots[i], name);
        if (statfs(path, &about) == 0 && about.f_type == CGROUP2_SUPER_MAGIC) {
            *root = roots[i];
            return 0;
        }
    }
    errmsg_set(err,
               "there is no control group \"%s\" (of cgroup2, below "
               "/sys/fs/cgroup): start what is in it first",
               name);
    return -ENOENT;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static struct intercept_door *find_door(struct intercept_site *site, int family,
                                        const struct intercept_door *like)
{
    for (struct intercept_door *each = site->doors; each; each = each->next)
        if (each->family == family && same_text(each->opener, like->opener) &&
            each->has_uid == like->has_uid && each->uid == like->uid &&
            same_text(each->cgroup, like->cgroup))
            return each;
    return NULL;
}

static int want_door(struct intercept_site *site, int family,
                     const struct intercept_door *like, struct errmsg *err)
{
    struct intercept_door *door = find_door(site, family, like);
    if (!door) {
        int status = door_create(&door, site, family, err);
        if (status != 0)
            return status;
        door->opener = like->opener;
        door->has_uid = like->has_uid;
        door->uid = like->uid;
        door->cgroup = like->cgroup;
        door->cgroup_root = like->cgroup_root;
        door->next = site->doors;
        site->doors = door;
    }
    door->wanted = true;
    return 0;
}

static int want_doors_of(struct intercept_site *site, const struct plan_node *node,
                         struct errmsg *err)
{
    struct journal *journal = site->interceptor->proxy->config.journal;
    struct intercept_door like = {
        .opener = journal_intern(journal, node->name),
        .has_uid = node->owner.uid,
        .cgroup = journal_intern(journal, node->owner.cgroup),
    };
    int status = like.has_uid ? find_user(node->owner.uid, &like.uid, err) : 0;
    if (status == 0 && like.cgroup)
        status = find_cgroup(like.cgroup, &like.cgroup_root, err);
    if (status == 0)
        status = want_door(site, AF_INET, &like, err);
    if (status == 0 && site_door(site, AF_INET6))
        status = want_door(site, AF_INET6, &like, err);
    if (status != 0)
        errmsg_wrap(err, "node \"%s\"", node->name);
    return status;
}

int site_prepare_doors(struct intercept_site *site, const struct plan *plan,
                       struct errmsg *err)
{
    int status = 0;
    for (struct intercept_door *each = site->doors; each; each = each->next)
        each->wanted = !each->opener;
    for (size_t i = 0; i < plan->n_nodes && status == 0; i++) {
        const struct owner *owner = &plan->nodes[i].owner;
        if (owner->uid || owner->cgroup)
            status = want_doors_of(site, &plan->nodes[i], err);
    }
    return status;
}

void site_drop_doors(struct intercept_site *site)
{
    for (struct intercept_door **at = &site->doors; *at;) {
        struct intercept_door *door = *at;
        if (door->wanted) {
            at = &door->next;
        } else {
            *at = door->next;
            door_destroy(door);
        }
    }
}
