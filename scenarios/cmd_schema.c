/* SPDX-License-Identifier: MIT */
/* netsplit schema: the JSON Schema of rule files, for editors. */
#include "proxy/base/exits.h"
#include "proxy/base/option.h"
#include "rules/buffer.h"
#include "rules/language/schema.h"

#include <stdio.h>

int cmd_schema(int argc, char **argv);

int cmd_schema(int argc, char **argv)
{
    static const struct option_row rows[] = {{.name = NULL}};
    static const struct option_command command = {
        "schema", "",
        "Prints the JSON Schema (draft 07) of rule files, for editors that complete "
        "and\n"
        "check YAML while it is written. `netsplit check` knows more.",
        rows};
    int rest = 0;
    int ends = option_begin(&command, argc, argv, false, &rest);
    if (ends != OPTION_GOES_ON)
        return ends;
    if (rest != argc)
        return option_complain(&command, "it takes no \"%s\"", argv[rest]);
    struct buffer out = {.text = NULL};
    schema_write(&out);
    bool good = !out.out_of_memory && fputs(buffer_text(&out), stdout) >= 0;
    buffer_close(&out);
    return good ? EXIT_DONE : EXIT_ENVIRONMENT;
}
