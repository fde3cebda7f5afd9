/* SPDX-License-Identifier: MIT */
/* netsplit lab up, exec, down, list: namespaces to try things in by hand. What a lab is
 * stands in lab.h, how it stays in lab_home.h; here are words, tables and a starting
 * rule file. */
#include "proxy/base/exits.h"
#include "proxy/base/memory.h"
#include "proxy/base/option.h"
#include "proxy/base/table.h"
#include "proxy/base/term.h"
#include "rules/language/nearest.h"
#include "scenarios/lab/lab_home.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int cmd_lab(int argc, char **argv);

enum { LAB_WORD_MAX = 20 };

static int fail(const struct option_command *command, const struct errmsg *err)
{
    fprintf(stderr, "netsplit %s: %s\n", command->name, err->text);
    return EXIT_ENVIRONMENT;
}

/* --- Which lab, which node --- */

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

/* --- up --- */

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

static void print_labs(const struct lab_home *homes, size_t n)
{
    static const char *const heads[] = {"lab",  "node",      "address",
                                        "IPv6", "namespace", NULL};
    struct table table = {0};
    table_init(&table, heads);
    for (size_t i = 0; i < n; i++)
        add_rows(&table, &homes[i]);
    table_print(&table, stdout, term_wants_colour(stdout));
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
        return fail(command, &err);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(homes[i].name, up->options.name) != 0)
            continue;
        print_labs(&homes[i], 1);
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

static int lab_up(int argc, char **argv)
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
        status = fail(&command, &err);
    else
        status = show_up(&command, &up);
    free(up.list);
    return status;
}

/* --- exec --- */

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
        return fail(command, &err);
    set_environment(home, words[0]);
    (void)execvp(words[1], words + 1);
    errmsg_set(&err, "%s: %s", words[1], strerror(errno));
    return fail(command, &err);
}

static int lab_exec(int argc, char **argv)
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
        return fail(&command, &err);
    const struct lab_home *home = choose_lab(&command, homes, n, name, &status);
    if (home)
        status = run_in(&command, home, argv + rest);
    free(homes);
    return status;
}

/* --- down, list --- */

/* "demo1" and "demo2": two labs, and no slip of the hand. */
static bool are_numbered_alike(const char *a, const char *b)
{
    static const char digits[] = "0123456789";
    for (;;) {
        a += strspn(a, digits);
        b += strspn(b, digits);
        if (*a != *b || *a == '\0')
            return *a == *b;
        a++;
        b++;
    }
}

/* A lab that is gone leaves no trace, so that one which never was is told only when it
 * reads like one that is there. */
static int complain_missing(const struct option_command *command,
                            const struct lab_home *homes, size_t n, const char *name)
{
    const char **names = xcalloc(n + 1, sizeof *names);
    for (size_t i = 0; i < n; i++)
        names[i] = homes[i].name;
    const char *near = nearest_word(name, names, n);
    free(names);
    if (near && !are_numbered_alike(near, name))
        return option_complain(command, "there is no lab \"%s\"; did you mean \"%s\"?",
                               name, near);
    printf("there is no lab \"%s\": it is down already, or never was\n", name);
    return EXIT_DONE;
}

static int end_lab(const struct option_command *command, const char *name)
{
    struct lab_home *homes = NULL;
    const struct lab_home *found = NULL;
    struct errmsg err = {""};
    size_t n = 0;
    int status = lab_home_list(&homes, &n, &err);
    for (size_t i = 0; i < n && status == 0; i++)
        if (strcmp(homes[i].name, name) == 0)
            found = &homes[i];
    if (found)
        status = lab_home_down(found, &err);
    if (status < 0)
        status = fail(command, &err);
    else
        status = found ? EXIT_DONE : complain_missing(command, homes, n, name);
    free(homes);
    return status;
}

static int lab_down(int argc, char **argv)
{
    const struct option_row rows[] = {{0}};
    const struct option_command command = {
        "lab down", "NAME...",
        "Ends what runs in a lab, and removes it. One that is gone is no error, but a\n"
        "name that reads like another lab's is.",
        rows};
    int rest, status = option_begin(&command, argc, argv, false, &rest);
    if (status != OPTION_GOES_ON)
        return status;
    if (rest == argc)
        return option_complain(&command, "which lab? netsplit lab list shows all");
    status = EXIT_DONE;
    for (int i = rest; i < argc; i++) {
        int ended = end_lab(&command, argv[i]);
        status = ended != EXIT_DONE ? ended : status;
    }
    return status;
}

static int lab_list(int argc, char **argv)
{
    const struct option_row rows[] = {{0}};
    const struct option_command command = {
        "lab list", "", "Shows the labs there are, their nodes and addresses.", rows};
    struct lab_home *homes = NULL;
    struct errmsg err = {""};
    size_t n = 0;
    int rest, status = option_begin(&command, argc, argv, false, &rest);
    if (status != OPTION_GOES_ON)
        return status;
    if (rest != argc)
        return option_complain(&command, "unexpected \"%s\"", argv[rest]);
    if (lab_home_list(&homes, &n, &err) < 0)
        return fail(&command, &err);
    print_labs(homes, n);
    free(homes);
    return EXIT_DONE;
}

/* --- The subcommand --- */

struct verb {
    const char *name, *help;
    int (*run)(int argc, char **argv);
};

static const struct verb verbs[] = {
    {"up", "makes a lab", lab_up},
    {"exec", "runs a command in a node of it", lab_exec},
    {"down", "ends what runs in it, and removes it", lab_down},
    {"list", "shows the labs there are", lab_list},
};
enum { VERBS = sizeof verbs / sizeof *verbs };

static void print_usage(FILE *to)
{
    fputs("usage: netsplit lab VERB [OPTIONS]\n\nNetwork namespaces to try things "
          "in.\n\n",
          to);
    for (size_t i = 0; i < VERBS; i++)
        fprintf(to, "  %-6s%s\n", verbs[i].name, verbs[i].help);
    fputs("\nnetsplit lab VERB --help shows the options of one\n", to);
}

static int complain_verb(const char *word)
{
    const char *names[VERBS];
    for (size_t i = 0; i < VERBS; i++)
        names[i] = verbs[i].name;
    const char *near = nearest_word(word, names, VERBS);
    fprintf(stderr, "netsplit lab: unknown verb \"%s\"", word);
    if (near)
        fprintf(stderr, "; did you mean \"%s\"?", near);
    fputs("\n  netsplit lab --help lists them\n", stderr);
    return EXIT_USAGE;
}

int cmd_lab(int argc, char **argv)
{
    if (argc < 2) {
        print_usage(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_usage(stdout);
        return EXIT_DONE;
    }
    for (size_t i = 0; i < VERBS; i++)
        if (strcmp(verbs[i].name, argv[1]) == 0)
            return verbs[i].run(argc - 1, argv + 1);
    return complain_verb(argv[1]);
}
