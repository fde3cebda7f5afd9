/* SPDX-License-Identifier: MIT */
/* netsplit lab exec: finds the lab and the node, enters its namespace, and becomes the
 * command. It returns only when that cannot be done. */
#include "scenarios/cmd_lab.h"

#include "proxy/base/exits.h"
#include "proxy/base/memory.h"
#include "rules/nearest.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The lab of that name, or the only one; NULL after a complaint, *status says which. */
static const struct lab_home *choose_lab(const struct option_command *command,
                                         const struct lab_home *homes, size_t n,
                                         const char *name, int *status)
{
    const char **names = xcalloc(n + 1, sizeof *names);
    const struct lab_home *found = NULL;
    *status = EXIT_USAGE;
    for (size_t i = 0; i < n; i++) {
        names[i] = homes[i].name;
        if (!name || strcmp(homes[i].name, name) == 0)
            found = &homes[i];
    }
    const char *near = name ? nearest_word(name, names, n) : NULL;
    if (n == 0)
        *status =
            option_complain(command, "there is no lab; netsplit lab up makes one");
    else if (!name && n > 1)
        *status = option_complain(command, "there are %zu labs; which one: --lab %s?",
                                  n, homes[0].name);
    else if (!found && near)
        *status = option_complain(
            command, "there is no lab \"%s\"; did you mean \"%s\"?", name, near);
    else if (!found)
        *status = option_complain(
            command, "there is no lab \"%s\"; netsplit lab list shows all", name);
    free(names);
    return n == 0 || (!name && n > 1) ? NULL : found;
}

/* The descriptor of the node's namespace; -1 after a complaint. */
static int choose_node(const struct option_command *command, const struct lab *lab,
                       const char *name)
{
    const char *names[LAB_NODES_MAX + 1] = {lab_middle_name(lab)};
    const struct lab_node *node = lab_find(lab, name);
    if (node)
        return node->netns_fd;
    if (strcmp(name, lab_middle_name(lab)) == 0)
        return lab->middle_fd;
    for (size_t i = 0; i < lab->n; i++)
        names[i + 1] = lab->nodes[i].name;
    const char *near = nearest_word(name, names, lab->n + 1);
    if (near)
        (void)option_complain(command, "there is no node \"%s\"; did you mean \"%s\"?",
                              name, near);
    else
        (void)option_complain(
            command, "there is no node \"%s\"; netsplit lab list shows all", name);
    return -1;
}

/* NODE and NODE_HOST, N2_HOST for each node, as a drill's commands have them. */
static void set_environment(const struct lab_home *home, const char *node)
{
    (void)setenv("NETSPLIT_LAB", home->name, 1); /* fails without memory only */
    (void)setenv("NODE", node, 1);
    for (size_t i = 0; i < home->lab.n; i++) {
        const struct lab_node *other = &home->lab.nodes[i];
        char name[LAB_NAME_BYTES + 8];
        (void)snprintf(name, sizeof name, "%s_HOST", other->name);
        for (char *at = name; *at; at++)
            *at = *at == '-' ? '_' : (char)toupper((unsigned char)*at);
        (void)setenv(name, other->address, 1);
        if (strcmp(other->name, node) == 0)
            (void)setenv("NODE_HOST", other->address, 1);
    }
}

static int run_in(const struct option_command *command, const struct lab_home *home,
                  char **words)
{
    struct errmsg err = {""};
    int fd = choose_node(command, &home->lab, words[0]);
    if (fd < 0)
        return EXIT_USAGE;
    if (lab_home_enter(home, fd, &err) < 0)
        return cmd_lab_fail(command, &err);
    set_environment(home, words[0]);
    (void)execvp(words[1], words + 1);
    errmsg_set(&err, "%s: %s", words[1], strerror(errno));
    return cmd_lab_fail(command, &err);
}

int cmd_lab_exec(int argc, char **argv)
{
    const char *name = getenv("NETSPLIT_LAB");
    const struct option_row rows[] = {
        {"lab", 0, OPTION_TEXT, &name, "NAME",
         "which one (default: $NETSPLIT_LAB, or the only one)", 0, 0},
        {0},
    };
    const struct option_command command = {"lab exec",
                                           "[--lab NAME] NODE -- COMMAND...",
                                           "Runs a command in the namespace of a node, "
                                           "or of the router or the bridge; its\n"
                                           "status is passed on. NODE, NODE_HOST and "
                                           "the HOST of each node (N2_HOST) are in\n"
                                           "its environment.",
                                           rows};
    struct lab_home *homes = NULL;
    struct errmsg err = {""};
    size_t n = 0;
    int rest, status = option_begin(&command, argc, argv, true, &rest);
    if (status != OPTION_GOES_ON)
        return status;
    if (rest + 1 < argc && strcmp(argv[rest + 1], "--") == 0) {
        argv[rest + 1] = argv[rest];
        rest++;
    }
    if (argc - rest < 2)
        return option_complain(&command, "%s",
                               rest == argc ? "in which node?" : "which command?");
    if (lab_home_list(&homes, &n, &err) < 0)
        return cmd_lab_fail(&command, &err);
    const struct lab_home *home = choose_lab(&command, homes, n, name, &status);
    if (home)
        status = run_in(&command, home, argv + rest);
    free(homes);
    return status;
}
