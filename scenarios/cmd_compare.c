/* SPDX-License-Identifier: MIT */
/* netsplit compare: two drills' report.json side by side, mode by mode (compare.c). Where
 * the two are no repetition of each other, that is noted. Nothing is judged here: status 0
 * says that both could be read. */
#include "proxy/base/exits.h"
#include "proxy/base/memory.h"
#include "proxy/base/option.h"
#include "scenarios/report/compare.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int cmd_compare(int argc, char **argv); /* seen by main.c, which has the table */

static void print_modes(const json_t *first, const json_t *second)
{
    json_t *before = json_object_get(first, "modes");
    json_t *after = json_object_get(second, "modes"), *mode;
    const char *name;
    json_object_foreach(after, name, mode)
    {
        const json_t *old = json_object_get(before, name);
        printf("\n%s: ", name);
        if (!old) {
            printf("only the second has it\n");
            continue;
        }
        printf("%s, then %s\n", compare_text(old, "verdict"),
               compare_text(mode, "verdict"));
        compare_print_steps(json_object_get(old, "steps"),
                            json_object_get(mode, "steps"));
        compare_print_measures(json_object_get(old, "measures"),
                               json_object_get(mode, "measures"));
    }
    json_object_foreach(before, name, mode)
    {
        if (!json_object_get(after, name))
            printf("\n%s: only the first has it\n", name);
    }
}

static void print_head(const char *which, const char *directory, const json_t *report)
{
    printf("%-7s %s, %s on %s, seed %" JSON_INTEGER_FORMAT ": %s (%s)\n", which,
           compare_text(report, "started"), compare_text(report, "playbook"),
           compare_text(report, "cluster"),
           json_integer_value(json_object_get(report, "seed")),
           compare_text(report, "verdict"), directory);
}

static void warn_of_difference(const json_t *first, const json_t *second,
                               const char *key)
{
    if (strcmp(compare_text(first, key), compare_text(second, key)) != 0)
        printf("note: the two differ in their %s: %s, %s\n", key,
               compare_text(first, key), compare_text(second, key));
}

static json_t *load(const char *directory)
{
    json_error_t error;
    char *path = xasprintf("%s/report.json", directory);
    json_t *report = json_load_file(path, 0, &error);
    if (report && !json_is_object(json_object_get(report, "modes"))) {
        (void)snprintf(error.text, sizeof error.text, "it is no drill's report");
        json_decref(report);
        report = NULL;
    }
    char *repeated = xasprintf("%s/repeat.json", directory);
    if (!report)
        fprintf(stderr,
                "netsplit compare: %s: %s; what is compared are the directories of two "
                "drills%s\n",
                path, error.text,
                access(repeated, F_OK) == 0 ? ", as each of the numbered ones in it"
                                            : "");
    free(repeated);
    free(path);
    return report;
}

int cmd_compare(int argc, char **argv)
{
    static const struct option_row rows[] = {{0}};
    static const struct option_command command = {
        .name = "compare",
        .usage = "DIR DIR",
        .help = "Shows two drills side by side: how long each step took, the slower\n"
                "ones first, and every measure with its change, mode by mode.",
        .rows = rows,
    };
    int rest = 0;
    int ends = option_begin(&command, argc, argv, false, &rest);
    if (ends != OPTION_GOES_ON)
        return ends;
    if (argc - rest != 2)
        return option_complain(&command, "which two directories?");
    json_t *first = load(argv[rest]), *second = load(argv[rest + 1]);
    if (first && second) {
        print_head("first", argv[rest], first);
        print_head("second", argv[rest + 1], second);
        warn_of_difference(first, second, "playbook");
        warn_of_difference(first, second, "cluster");
        warn_of_difference(first, second, "variables");
        print_modes(first, second);
    }
    int status = first && second ? EXIT_DONE : EXIT_USAGE;
    json_decref(first);
    json_decref(second);
    return status;
}
