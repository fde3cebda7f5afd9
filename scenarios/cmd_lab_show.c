/* SPDX-License-Identifier: MIT */
/* What the verbs of `netsplit lab` say: labs as a table, and why something failed. */
#include "scenarios/cmd_lab.h"

#include "proxy/base/exits.h"
#include "proxy/base/table.h"
#include "proxy/base/term.h"

#include <stdio.h>

int cmd_lab_fail(const struct option_command *command, const struct errmsg *err)
{
    fprintf(stderr, "netsplit %s: %s\n", command->name, err->text);
    return EXIT_ENVIRONMENT;
}

static void add_rows(struct table *table, const struct lab_home *home)
{
    const struct lab *lab = &home->lab;
    char path[LAB_HOME_PATH_BYTES];
    for (size_t i = 0; i <= lab->n; i++) {
        const struct lab_node *node = i < lab->n ? &lab->nodes[i] : NULL;
        const char *name = node ? node->name : lab_middle_name(lab);
        lab_home_path(home, name, node ? node->netns_fd : lab->middle_fd, path);
        table_add(table, "%s", home->name);
        table_add(table, "%s", name);
        table_add(table, "%s", node ? node->address : "");
        table_add(table, "%s", node ? node->address6 : "");
        table_add(table, "%s", path);
    }
}

void cmd_lab_print(const struct lab_home *homes, size_t n)
{
    static const char *const heads[] = {"lab",  "node",      "address",
                                        "IPv6", "namespace", NULL};
    struct table table = {0};
    table_init(&table, heads);
    for (size_t i = 0; i < n; i++)
        add_rows(&table, &homes[i]);
    table_print(&table, stdout, term_wants_colour(stdout));
}
