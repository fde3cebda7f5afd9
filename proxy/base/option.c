/* SPDX-License-Identifier: MIT */
/* Parses with getopt_long on tables made from the rows. getopt prints nothing
 * (opterr = 0): every complaint is ours, so that an unknown option can be answered
 * with the nearest known one. */
#include "proxy/base/option.h"
#include "proxy/base/errmsg.h"
#include "proxy/base/exits.h"
#include "proxy/base/memory.h"
#include "rules/nearest.h"
#include "rules/unit.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LONG_BASE = 256, HELP_INDEX = 0 };

static size_t count_rows(const struct option_command *command)
{
    size_t n = 0;
    while (command->rows[n].name)
        n++;
    return n;
}

int option_complain(const struct option_command *command, const char *format, ...)
{
    va_list args;
    fprintf(stderr, "netsplit %s: ", command->name);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\n  netsplit %s --help shows the usage\n", command->name);
    return EXIT_USAGE;
}

static void print_row(const struct option_row *row)
{
    char left[64];
    const char *open = row->kind == OPTION_MAYBE ? "[=" : row->value ? " " : "";
    int n = snprintf(left, sizeof left, "%c%c%s--%s%s%s%s", row->letter ? '-' : ' ',
                     row->letter ? row->letter : ' ', row->letter ? ", " : "  ",
                     row->name, open, row->value ? row->value : "",
                     row->kind == OPTION_MAYBE ? "]" : "");
    if (n < 28)
        printf("  %-28s%s\n", left, row->help);
    else
        printf("  %s\n  %-28s%s\n", left, "", row->help);
}

static void print_help(const struct option_command *command)
{
    printf("usage: netsplit %s %s\n\n%s\n\noptions:\n", command->name, command->usage,
           command->help);
    for (const struct option_row *row = command->rows; row->name; row++)
        print_row(row);
    printf("  %-28s%s\n", "    --help", "show this text");
}

static const char *nearest_option(const struct option_command *command,
                                  const char *word)
{
    size_t n = count_rows(command);
    const char **names = xcalloc(n + 1, sizeof *names);
    for (size_t i = 0; i < n; i++)
        names[i] = command->rows[i].name;
    names[n] = "help";
    const char *found = nearest_word(word, names, n + 1);
    free(names);
    return found;
}

static int refuse(struct errmsg *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static int refuse(struct errmsg *err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    return -EINVAL;
}

static int store_number(const struct option_row *row, const char *text,
                        struct errmsg *err)
{
    char *end = NULL;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    bool limited = row->min != 0 || row->max != 0;
    if (errno || end == text || *end || *text == '-' ||
        (limited && (number < row->min || number > row->max))) {
        if (limited)
            return refuse(err, "--%s takes a number from %llu to %llu, not \"%s\"",
                          row->name, (unsigned long long)row->min,
                          (unsigned long long)row->max, text);
        return refuse(err, "--%s takes a number, not \"%s\"", row->name, text);
    }
    *(uint64_t *)row->target = number;
    return 0;
}

static int store_unit(const struct option_row *row, const char *text,
                      struct errmsg *err)
{
    struct unit_error why;
    bool bytes = row->kind == OPTION_BYTES;
    uint64_t value = 0;
    if (!bytes && strcmp(text, "ever") == 0)
        value = UINT64_MAX;
    else if ((bytes ? unit_parse_bytes(text, &value, &why)
                    : unit_parse_duration(text, &value, &why)) != 0)
        return refuse(err, "--%s: %s%s%s", row->name, why.text, why.hint[0] ? "; " : "",
                      why.hint);
    *(uint64_t *)row->target = value;
    return 0;
}

static int store(const struct option_row *row, const char *text, struct errmsg *err)
{
    switch (row->kind) {
    case OPTION_FLAG:
        *(bool *)row->target = true;
        return 0;
    case OPTION_TEXT:
        *(const char **)row->target = text;
        return 0;
    case OPTION_MAYBE:
        *(const char **)row->target = text ? text : "";
        return 0;
    case OPTION_TEXTS: {
        struct option_texts *texts = row->target;
        texts->items = xreallocarray(texts->items, texts->n + 1, sizeof *texts->items);
        texts->items[texts->n++] = text;
        return 0;
    }
    case OPTION_NUMBER:
        return store_number(row, text, err);
    case OPTION_DURATION:
    case OPTION_BYTES:
        return store_unit(row, text, err);
    }
    return 0;
}

static int refuse_unknown(const struct option_command *command, const char *word,
                          struct errmsg *err)
{
    const char *bare = word;
    while (*bare == '-')
        bare++;
    char name[64];
    (void)snprintf(name, sizeof name, "%.*s", (int)strcspn(bare, "="), bare);
    const char *near = nearest_option(command, name);
    if (near)
        return refuse(err, "unknown option \"%s\"; did you mean \"--%s\"?", word, near);
    return refuse(err, "unknown option \"%s\"", word);
}

static void fill_tables(const struct option_command *command, size_t n,
                        struct option *longs, char *letters, bool operands_end_options)
{
    char *at = letters;
    if (operands_end_options)
        *at++ = '+';
    *at++ = ':';
    longs[HELP_INDEX] = (struct option){"help", no_argument, NULL, LONG_BASE};
    for (size_t i = 0; i < n; i++) {
        const struct option_row *row = &command->rows[i];
        int has_arg = row->kind == OPTION_FLAG    ? no_argument
                      : row->kind == OPTION_MAYBE ? optional_argument
                                                  : required_argument;
        longs[i + 1] =
            (struct option){row->name, has_arg, NULL, LONG_BASE + 1 + (int)i};
        if (!row->letter)
            continue;
        *at++ = row->letter;
        if (has_arg != no_argument)
            *at++ = ':';
    }
    *at = '\0';
}

static const struct option_row *row_of(const struct option_command *command, size_t n,
                                       int code)
{
    if (code > LONG_BASE && code <= LONG_BASE + (int)n)
        return &command->rows[code - LONG_BASE - 1];
    for (size_t i = 0; i < n; i++)
        if (command->rows[i].letter && command->rows[i].letter == code)
            return &command->rows[i];
    return NULL;
}

static enum option_result next_option(const struct option_command *command, size_t n,
                                      int code, char **argv, struct errmsg *err)
{
    if (code == LONG_BASE) {
        print_help(command);
        return OPTION_HELPED;
    }
    if (code == ':') {
        (void)refuse(err, "\"%s\" needs a value", argv[optind - 1]);
        return OPTION_BAD_USAGE;
    }
    const struct option_row *row = row_of(command, n, code);
    if (!row) {
        char letter[3] = {'-', (char)optopt, '\0'};
        bool is_letter = optopt > 0 && optopt < LONG_BASE;
        (void)refuse_unknown(command, is_letter ? letter : argv[optind - 1], err);
        return OPTION_BAD_USAGE;
    }
    return store(row, optarg, err) ? OPTION_BAD_USAGE : OPTION_OK;
}

enum option_result option_read(const struct option_command *command, int argc,
                               char **argv, bool operands_end_options, int *rest,
                               struct errmsg *err)
{
    size_t n = count_rows(command);
    struct option *longs = xcalloc(n + 2, sizeof *longs);
    char *letters = xcalloc(2 * n + 3, 1);
    enum option_result result = OPTION_OK;
    int code;
    fill_tables(command, n, longs, letters, operands_end_options);
    opterr = 0;
    optind = 0; /* glibc: start afresh, also in a second call of one process */
    while (result == OPTION_OK &&
           (code = getopt_long(argc, argv, letters, longs, NULL)) != -1)
        result = next_option(command, n, code, argv, err);
    *rest = optind;
    free(longs);
    free(letters);
    return result;
}

enum option_result option_parse(const struct option_command *command, int argc,
                                char **argv, bool operands_end_options, int *rest)
{
    struct errmsg err = {""};
    enum option_result result =
        option_read(command, argc, argv, operands_end_options, rest, &err);
    if (result == OPTION_BAD_USAGE)
        (void)option_complain(command, "%s", err.text);
    return result;
}

int option_begin(const struct option_command *command, int argc, char **argv,
                 bool operands_end_options, int *rest)
{
    switch (option_parse(command, argc, argv, operands_end_options, rest)) {
    case OPTION_OK:
        return OPTION_GOES_ON;
    case OPTION_HELPED:
        return EXIT_DONE;
    case OPTION_BAD_USAGE:
        return EXIT_USAGE;
    }
    return EXIT_USAGE;
}

struct option_row option_row_rules(const char **path)
{
    return (struct option_row){.name = "rules",
                               .letter = 'f',
                               .kind = OPTION_TEXT,
                               .target = path,
                               .value = "RULES",
                               .help = "the rule file: nodes, listeners, faults"};
}

struct option_row option_row_seed(uint64_t *seed)
{
    return (struct option_row){.name = "seed",
                               .kind = OPTION_NUMBER,
                               .target = seed,
                               .value = "N",
                               .help = "of all random choices; beats the file's",
                               .max = INT64_MAX};
}
