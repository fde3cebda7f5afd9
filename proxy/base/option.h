/* SPDX-License-Identifier: MIT */
/* Command lines from tables: a subcommand is a row of text and an array of options;
 * the parser, --help and its errors are made from them, so they cannot disagree. */
#ifndef NETSPLIT_BASE_OPTION_H
#define NETSPLIT_BASE_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct errmsg;

enum option_kind {
    OPTION_FLAG = 0, /* bool *: set to true */
    OPTION_TEXT,     /* const char **: points into argv */
    OPTION_TEXTS,    /* struct option_texts *: may be repeated, in order */
    OPTION_MAYBE,    /* const char **: --name or --name=TEXT; "" without a value */
    OPTION_NUMBER,   /* uint64_t *: decimal, within min..max */
    OPTION_DURATION, /* uint64_t *: "150ms", "10s", "for ever" as UINT64_MAX; ns */
    OPTION_BYTES,    /* uint64_t *: "8MiB"; bytes */
};

struct option_texts {
    const char **items; /* owned: free(items); the texts themselves are argv's */
    size_t n;
};

struct option_row {
    const char *name;      /* "control", without dashes */
    char letter;           /* 'f', or 0 for none */
    enum option_kind kind; /* what target points to */
    void *target;          /* borrowed; keeps its value when the option is absent */
    const char *value;     /* "PATH" in --help; NULL for flags */
    const char *help;      /* one sentence, no full stop */
    uint64_t min, max;     /* of OPTION_NUMBER; both 0 = no limit */
};

struct option_command {
    const char *name;              /* "proxy" */
    const char *usage;             /* "-f RULES | LISTEN:UPSTREAM..." */
    const char *help;              /* a paragraph for --help */
    const struct option_row *rows; /* ends with a row whose name is NULL */
};

enum option_result {
    OPTION_OK = 0,    /* *rest is the index of the first operand */
    OPTION_HELPED,    /* --help was printed on stdout: exit EXIT_DONE */
    OPTION_BAD_USAGE, /* the error was printed on stderr: exit EXIT_USAGE */
};

/* Parses argv[1..argc-1] (argv[0] is the subcommand's name). Options and operands may
 * mix unless operands_end_options, for commands that run another command; "--" ends
 * options. Operands are moved behind the options; *rest is the index of the first. An
 * unknown option is answered with the nearest known one. */
enum option_result option_parse(const struct option_command *command, int argc,
                                char **argv, bool operands_end_options, int *rest);

/* The same, but what is wrong goes to err alone, for who prints it in another way. */
enum option_result option_read(const struct option_command *command, int argc,
                               char **argv, bool operands_end_options, int *rest,
                               struct errmsg *err);

/* The same for a subcommand that has nothing to do when its options are not right: it
 * returns what this returns, unless that is OPTION_GOES_ON. */
enum { OPTION_GOES_ON = -1 };
int option_begin(const struct option_command *command, int argc, char **argv,
                 bool operands_end_options, int *rest);

/* Rows that several subcommands have. A seed is at most INT64_MAX, because JSON has to
 * carry it; *seed is OPTION_NO_SEED at first, to tell whether it was given. */
#define OPTION_NO_SEED UINT64_MAX
struct option_row option_row_rules(const char **path); /* -f, --rules RULES */
struct option_row option_row_seed(uint64_t *seed);     /* --seed N */

/* Prints "netsplit NAME: TEXT" and where to find help, on stderr. Returns EXIT_USAGE.
 */
int option_complain(const struct option_command *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
