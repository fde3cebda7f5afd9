/* SPDX-License-Identifier: MIT */
/* netsplit lab: namespaces to try things in by hand. What a lab is stands in lab.h, how it
 * stays in lab_home.h; here are the table of the verbs, and `down` and `list`. */
#include "scenarios/cmd_lab.h"

#include "proxy/base/exits.h"
#include "proxy/base/memory.h"
#include "rules/nearest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int cmd_lab(int argc, char **argv);

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
        status = cmd_lab_fail(command, &err);
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
        return cmd_lab_fail(&command, &err);
    cmd_lab_print(homes, n);
    free(homes);
    return EXIT_DONE;
}

struct verb {
    const char *name, *help;
    int (*run)(int argc, char **argv);
};

static const struct verb verbs[] = {
    {"up", "makes a lab", cmd_lab_up},
    {"exec", "runs a command in a node of it", cmd_lab_exec},
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
