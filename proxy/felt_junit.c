/* SPDX-License-Identifier: MIT */
/* JUnit's XML, as the CI systems read it: its times are seconds. */
#include "proxy/base/now.h"
#include "proxy/base/xml.h"
#include "proxy/felt.h"

#include <errno.h>

static void open_case(FILE *to, const struct felt_command *command, const char *kind,
                      const char *name, double seconds)
{
    fputs("    <testcase classname=\"", to);
    xml_put_escaped(to, command->suite);
    fprintf(to, "\" name=\"%s: ", kind);
    xml_put_escaped(to, name);
    fprintf(to, "\" time=\"%.3f\">", seconds);
}

static void put_outcome(FILE *to, const char *element, const char *message)
{
    fprintf(to, "\n      <%s message=\"", element);
    xml_put_escaped(to, message);
    fputs("\"/>\n    ", to);
}

static size_t count_uncounted(const struct felt *felt)
{
    size_t n = 0;
    for (size_t i = 0; i < felt->n; i++)
        n += felt->rules[i].uncounted;
    return n;
}

int felt_write_junit(const struct felt *felt, const struct felt_command *command,
                     FILE *to)
{
    bool failed = command->trouble != NULL;
    fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite "
          "name=\"",
          to);
    xml_put_escaped(to, command->suite);
    fprintf(to, "\" tests=\"%zu\" failures=\"%zu\" errors=\"0\" skipped=\"%zu\">\n",
            felt->n + 1, failed ? 1 : felt->n_silent,
            count_uncounted(felt) + (failed ? felt->n_silent : 0));
    open_case(to, command, "command", command->words,
              (double)command->took_ns / (double)NS_PER_S);
    if (failed)
        put_outcome(to, "failure", command->trouble);
    fputs("</testcase>\n", to);
    for (size_t i = 0; i < felt->n; i++) {
        const struct felt_rule *rule = &felt->rules[i];
        open_case(to, command, "rule", rule->name, 0);
        if (!rule->touched)
            put_outcome(to, failed || rule->uncounted ? "skipped" : "failure",
                        rule->sentence);
        fputs("</testcase>\n", to);
    }
    fputs("  </testsuite>\n</testsuites>\n", to);
    return ferror(to) ? -EIO : 0;
}
