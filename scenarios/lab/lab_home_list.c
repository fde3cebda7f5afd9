/* SPDX-License-Identifier: MIT */
/* The labs there are, out of their holders' records in the runtime directory. A record of
 * a process that is gone is no lab any more, and is not shown (rundir_each). */
#include "proxy/base/memory.h"
#include "proxy/base/namespace.h"
#include "proxy/base/rundir.h"
#include "scenarios/lab/lab_home.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct collection {
    struct lab_home *items;
    size_t n;
};

static void copy_text(char *to, size_t bytes, const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    (void)snprintf(to, bytes, "%s", text ? text : "");
}

static void read_node(struct lab_node *node, const json_t *from)
{
    copy_text(node->name, sizeof node->name, from, "name");
    copy_text(node->address, sizeof node->address, from, "address");
    copy_text(node->gateway, sizeof node->gateway, from, "gateway");
    copy_text(node->address6, sizeof node->address6, from, "address6");
    node->netns_fd = (int)json_integer_value(json_object_get(from, "fd"));
}

static void collect(void *arg, pid_t pid, const json_t *record)
{
    struct collection *found = arg;
    const json_t *from = json_object_get(record, "lab");
    const json_t *nodes = json_object_get(from, "nodes");
    if (!from)
        return;
    found->items = xreallocarray(found->items, found->n + 1, sizeof *found->items);
    struct lab_home *home = &found->items[found->n++];
    *home = (struct lab_home){
        .holder = pid,
        .is_rootless = json_is_true(json_object_get(from, "rootless")),
        .lab = {.has_bridge = json_is_true(json_object_get(from, "bridge")),
                .middle_fd = (int)json_integer_value(json_object_get(from, "middle"))}};
    copy_text(home->name, sizeof home->name, from, "name");
    for (size_t i = 0; i < json_array_size(nodes) && i < LAB_NODES_MAX; i++)
        read_node(&home->lab.nodes[home->lab.n++], json_array_get(nodes, i));
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct lab_home *)a)->name,
                  ((const struct lab_home *)b)->name);
}

int lab_home_list(struct lab_home **out, size_t *n, struct errmsg *err)
{
    struct collection found = {NULL, 0};
    int status = rundir_each(collect, &found, err);
    if (status < 0) {
        free(found.items);
        return status;
    }
    if (found.n)
        qsort(found.items, found.n, sizeof *found.items, compare);
    *out = found.items;
    *n = found.n;
    return 0;
}

void lab_home_path(const struct lab_home *home, const char *name, int fd,
                   char path[static LAB_HOME_PATH_BYTES])
{
    if (home->is_rootless)
        (void)snprintf(path, LAB_HOME_PATH_BYTES, "/proc/%d/fd/%d", (int)home->holder,
                       fd);
    else
        (void)snprintf(path, LAB_HOME_PATH_BYTES, NAMESPACE_NAMES "/netsplit-%s-%s",
                       home->name, name);
}
