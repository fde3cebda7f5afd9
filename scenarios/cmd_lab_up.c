/* SPDX-License-Identifier: MIT */
/* netsplit lab up: what the user wants is read and checked, the lab is made, and its
 * addresses are printed, with a rule file to begin with if one is wanted. When that
 * cannot be written the lab goes again: half of it is of no use. */
#include "scenarios/cmd_lab.h"

#include "proxy/base/exits.h"
#include "proxy/base/memory.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LAB_WORD_MAX = 20 };

struct up {
    struct lab_home_options options;
    const char *nodes, *rules;
    char *list;                       /* owned: the nodes, cut apart */
    const char *names[LAB_NODES_MAX]; /* in list */
};

static bool is_word(const char *text)
{
    return islower((unsigned char)text[0]) && strlen(text) <= LAB_WORD_MAX &&
           strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_-") == strlen(text);
}

static bool add_node(const struct option_command *command, struct up *up,
                     const char *name)
{
    if (!is_word(name)) {
        (void)option_complain(command,
                              "a node's name is up to %d lower case letters, digits, - "
                              "and _, a letter first: not \"%s\"",
                              (int)LAB_WORD_MAX, name);
        return false;
    }
    if (strcmp(name, "router") == 0 || strcmp(name, "bridge") == 0) {
        (void)option_complain(command, "\"%s\" is what is in the middle, no node",
                              name);
        return false;
    }
    for (size_t i = 0; i < up->options.n_nodes; i++)
        if (strcmp(up->names[i], name) == 0) {
            (void)option_complain(command, "there are two nodes called \"%s\"", name);
            return false;
        }
    if (up->options.n_nodes == LAB_NODES_MAX) {
        (void)option_complain(command, "a lab has 1 to %d nodes", (int)LAB_NODES_MAX);
        return false;
    }
    up->names[up->options.n_nodes++] = name;
    return true;
}

static bool read_up(const struct option_command *command, struct up *up)
{
    char *rest = NULL;
    if (!is_word(up->options.name)) {
        (void)option_complain(command,
                              "a lab's name is up to %d lower case letters, digits, - "
                              "and _, a letter first: not \"%s\"",
                              (int)LAB_WORD_MAX, up->options.name);
        return false;
    }
    up->list = xstrdup(up->nodes ? up->nodes : "");
    for (const char *name = strtok_r(up->list, ", ", &rest); name;
         name = strtok_r(NULL, ", ", &rest))
        if (!add_node(command, up, name))
            return false;
    if (up->options.n_nodes == 0)
        (void)option_complain(command, "which nodes? --nodes n1,n2,n3");
    up->options.nodes = up->names;
    return up->options.n_nodes > 0;
}

/* The `nodes:` of a rule file: with a router addresses are all it needs, with a bridge
 * the proxy works in each node's namespace. */
static void write_nodes(const struct lab_home *home, FILE *to)
{
    const struct lab *lab = &home->lab;
    char path[LAB_HOME_PATH_BYTES];
    fputs("nodes:\n", to);
    for (size_t i = 0; i < lab->n; i++) {
        const struct lab_node *node = &lab->nodes[i];
        lab_home_path(home, node->name, node->netns_fd, path);
        if (lab->has_bridge)
            fprintf(to, "  %s: { address: %s, netns: %s }\n", node->name, node->address,
                    path);
        else
            fprintf(to, "  %s: %s\n", node->name, node->address);
    }
}

static const char *place_of_proxy(const struct lab *lab)
{
    return lab->has_bridge ? "bridge" : "router";
}

static int write_rules(const struct lab_home *home, const char *path)
{
    FILE *to = fopen(path, "wxe");
    if (!to) {
        fprintf(stderr, "netsplit lab up: %s: %s\n", path, strerror(errno));
        return EXIT_ENVIRONMENT;
    }
    fprintf(to,
            "# Of the lab \"%s\". Put the ports of your servers below, then:\n"
            "#     netsplit lab exec --lab %s %s -- netsplit proxy -f %s\n"
            "netsplit: 1\nintercept: %s\nports: [5432, 6379, 8080]\n",
            home->name, home->name, place_of_proxy(&home->lab), path,
            home->lab.has_bridge ? "netns" : "tproxy");
    write_nodes(home, to);
    fputs("rules: []\n", to);
    bool failed = ferror(to) != 0;
    if (fclose(to) == 0 && !failed)
        return EXIT_DONE;
    fprintf(stderr, "netsplit lab up: %s: not all of it could be written\n", path);
    return EXIT_ENVIRONMENT;
}

static int show_up(const struct option_command *command, const struct up *up)
{
    struct lab_home *homes = NULL;
    struct errmsg err = {""};
    size_t n = 0;
    int status = EXIT_ENVIRONMENT;
    if (lab_home_list(&homes, &n, &err) < 0)
        return cmd_lab_fail(command, &err);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(homes[i].name, up->options.name) != 0)
            continue;
        cmd_lab_print(&homes[i], 1);
        puts("\nfor a rule file:\n");
        write_nodes(&homes[i], stdout);
        printf("\ntry: netsplit lab exec --lab %s %s -- sh\n", homes[i].name,
               homes[i].lab.nodes[0].name);
        status = up->rules ? write_rules(&homes[i], up->rules) : EXIT_DONE;
        if (status != EXIT_DONE)
            (void)lab_home_down(&homes[i], &err); /* half of it is of no use */
    }
    free(homes);
    return status;
}

int cmd_lab_up(int argc, char **argv)
{
    struct up up = {.options.for_ns = UINT64_MAX};
    const struct option_row rows[] = {
        {"nodes", 0, OPTION_TEXT, &up.nodes, "N1,N2,...", "a namespace for each", 0, 0},
        {"bridge", 0, OPTION_FLAG, &up.options.has_bridge, NULL,
         "one subnet on a bridge, in place of a router between subnets", 0, 0},
        {"rules", 0, OPTION_TEXT, &up.rules, "FILE",
         "write a rule file to begin with, which must not be there yet", 0, 0},
        {"for", 0, OPTION_DURATION, &up.options.for_ns, "DURATION",
         "it goes by itself after that (default: for ever)", 0, 0},
        {0},
    };
    const struct option_command command = {
        "lab up", "NAME --nodes N1,N2,... [--bridge] [--rules FILE] [--for DURATION]",
        "Makes network namespaces, one a node, joined by a router or a bridge and by\n"
        "nothing else, and prints their addresses. Without privilege it does so in a\n"
        "user namespace, where the kernel allows that.",
        rows};
    struct errmsg err = {""};
    int rest, status = option_begin(&command, argc, argv, false, &rest);
    if (status != OPTION_GOES_ON)
        return status;
    if (argc - rest != 1)
        return option_complain(&command, "one name, please: netsplit lab up NAME ...");
    up.options.name = argv[rest];
    if (!read_up(&command, &up))
        status = EXIT_USAGE;
    else if (up.rules && access(up.rules, F_OK) == 0)
        status = option_complain(&command, "%s is there already", up.rules);
    else if (lab_home_up(&up.options, &err) < 0)
        status = cmd_lab_fail(&command, &err);
    else
        status = show_up(&command, &up);
    free(up.list);
    return status;
}
