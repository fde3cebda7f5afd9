/* SPDX-License-Identifier: MIT */
/* netsplit faults: what a rule may inject, printed from the table that the parser reads
 * by, so that the two cannot disagree. */
#include "proxy/base/exits.h"
#include "proxy/base/option.h"
#include "rules/faults/fault.h"
#include "rules/language/rule.h"
#include "rules/unit.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

int cmd_faults(int argc, char **argv);

enum {
    KEY_COLUMN = 16,
    TEXT_COLUMN = 80,
};

/* Prints text from the column on, broken before the right margin. */
static void print_wrapped(const char *text, int indent)
{
    int column = indent;
    for (const char *word = text; *word;) {
        int length = (int)strcspn(word, " ");
        if (column + length > TEXT_COLUMN && column > indent) {
            printf("\n%*s", indent, "");
            column = indent;
        }
        printf("%s%.*s", column > indent ? " " : "", length, word);
        column += length + 1;
        word += length;
        word += strspn(word, " ");
    }
    putchar('\n');
}

static const char *format_limit(const struct field *field, uint64_t limit, char *text,
                                size_t text_bytes)
{
    if (field->kind == FIELD_DURATION)
        return unit_format_duration(limit, text, text_bytes);
    return unit_format_bytes(limit, text, text_bytes);
}

/* "bytes, 1B to 1MiB, default 0B" */
static void describe(const struct field *field, char *text, size_t text_bytes)
{
    char kind[120], low[32], high[32];
    field_describe(field, kind, sizeof kind);
    if (field->kind == FIELD_TRUE)
        snprintf(kind, sizeof kind, "true");
    size_t n = (size_t)snprintf(text, text_bytes, "%s", kind);
    if (field->max && field->min && n < text_bytes)
        n += (size_t)snprintf(text + n, text_bytes - n, ", %s to %s",
                              format_limit(field, field->min, low, sizeof low),
                              format_limit(field, field->max, high, sizeof high));
    else if (field->max && n < text_bytes)
        n += (size_t)snprintf(text + n, text_bytes - n, ", at most %s",
                              format_limit(field, field->max, high, sizeof high));
    if (field->standard && n < text_bytes)
        n +=
            (size_t)snprintf(text + n, text_bytes - n, ", default %s", field->standard);
    if (field->required && n < text_bytes)
        snprintf(text + n, text_bytes - n, ", required");
}

static void print_field(const struct field *field, int indent)
{
    char text[200];
    describe(field, text, sizeof text);
    printf("%*s%-*s%s\n", indent, "", KEY_COLUMN - indent + 2, field->name, text);
    printf("%*s", KEY_COLUMN + 2, "");
    print_wrapped(field->help, KEY_COLUMN + 2);
    if (field->kind == FIELD_MAP)
        for (const struct field *member = field->members; member->name; member++)
            print_field(member, indent + 2);
}

static void print_fault(const struct fault *fault)
{
    printf("%s: ", fault->name);
    print_wrapped(fault->help, (int)strlen(fault->name) + 2);
    for (const struct field *field = fault->fields; field->name; field++)
        print_field(field, 2);
    printf("  fidelity: ");
    print_wrapped(fault->fidelity, 12);
    if (fault->in_kernel)
        printf("  needs the kernel; with fallback: model it is \"%s\" where that "
               "cannot\n",
               fault->model);
    putchar('\n');
}

static void print_catalogue(void)
{
    puts("The keys of `inject` in a rule, in the order in which a chunk of bytes meets "
         "them.\n");
    for (const struct fault *const *row = fault_catalogue(); *row; row++)
        print_fault(*row);
    puts("With any of them:");
    print_field(&rule_hold_field, 2);
    puts("\nA partition, isolate, cut or shape is a rule of its own, with how: stall, "
         "reset,\nrefuse, or drop, which needs the kernel; its fallback is one of the "
         "others.");
}

static json_t *field_to_json(const struct field *field);

static json_t *fields_to_json(const struct field *fields)
{
    json_t *list = json_array();
    for (const struct field *field = fields; field->name; field++)
        json_array_append_new(list, field_to_json(field));
    return list;
}

/* min and max are in the unit that the name says: nanoseconds or bytes. */
static json_t *field_to_json(const struct field *field)
{
    char kind[120];
    field_describe(field, kind, sizeof kind);
    json_t *json =
        json_pack("{ss ss ss}", "key", field->name, "value",
                  field->kind == FIELD_TRUE ? "true" : kind, "help", field->help);
    const char *unit = field->kind == FIELD_DURATION ? "ns" : "bytes";
    char name[16];
    if (field->min) {
        snprintf(name, sizeof name, "min_%s", unit);
        json_object_set_new(json, name, json_integer((json_int_t)field->min));
    }
    if (field->max) {
        snprintf(name, sizeof name, "max_%s", unit);
        json_object_set_new(json, name, json_integer((json_int_t)field->max));
    }
    if (field->standard)
        json_object_set_new(json, "default", json_string(field->standard));
    if (field->kind == FIELD_MAP)
        json_object_set_new(json, "members", fields_to_json(field->members));
    return json;
}

static int print_json(void)
{
    json_t *faults = json_array();
    for (const struct fault *const *row = fault_catalogue(); *row; row++)
        json_array_append_new(
            faults, json_pack("{ss ss ss sb ss* so}", "name", (*row)->name, "help",
                              (*row)->help, "fidelity", (*row)->fidelity,
                              "needs_kernel", (*row)->in_kernel, "model", (*row)->model,
                              "keys", fields_to_json((*row)->fields)));
    json_t *root =
        json_pack("{so so}", "faults", faults, "hold", field_to_json(&rule_hold_field));
    int status = root ? json_dumpf(root, stdout, JSON_INDENT(2)) : -1;
    json_decref(root);
    putchar('\n');
    if (status == 0)
        return EXIT_DONE;
    fputs("netsplit faults: the catalogue could not be written\n", stderr);
    return EXIT_ENVIRONMENT;
}

int cmd_faults(int argc, char **argv)
{
    bool json = false;
    const struct option_row rows[] = {
        {.name = "json",
         .kind = OPTION_FLAG,
         .target = &json,
         .help = "as JSON, for programs"},
        {0},
    };
    const struct option_command command = {
        .name = "faults",
        .usage = "[--json]",
        .help = "The catalogue of faults: for each its keys with their values, ranges\n"
                "and defaults, and how near it is to the real thing.",
        .rows = rows,
    };
    int rest, ends = option_begin(&command, argc, argv, false, &rest);
    if (ends != OPTION_GOES_ON)
        return ends;
    if (rest < argc)
        return option_complain(&command, "unexpected operand \"%s\"", argv[rest]);
    if (json)
        return print_json();
    print_catalogue();
    return EXIT_DONE;
}
