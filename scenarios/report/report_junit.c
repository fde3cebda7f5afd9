/* SPDX-License-Identifier: MIT */
/* junit.xml: one test case a mode, and one for each expectation of it. An unmet
 * expectation is a failure; a mode that is inconclusive or aborted is an error, and so
 * are its expectations that nobody could judge. */
#include "proxy/base/now.h"
#include "proxy/base/xml.h"
#include "scenarios/report/report.h"

#include <errno.h>

static void open_case(FILE *to, const struct run *run, const struct run_mode *mode,
                      const char *what)
{
    double seconds = mode->end_ns > mode->base_ns
                         ? (double)(mode->end_ns - mode->base_ns) / (double)NS_PER_S
                         : 0;
    fputs("    <testcase classname=\"", to);
    xml_put_escaped(to, run->title);
    fputs("\" name=\"", to);
    xml_put_escaped(to, mode->name);
    if (what) {
        fputs(": ", to);
        xml_put_escaped(to, what);
    }
    fprintf(to, "\" time=\"%.3f\">", what ? 0.0 : seconds);
}

static void put_outcome(FILE *to, const char *element, const char *type,
                        const char *message)
{
    fprintf(to, "\n      <%s type=\"", element);
    xml_put_escaped(to, type);
    fputs("\" message=\"", to);
    xml_put_escaped(to, message);
    fputs("\"/>\n    ", to);
}

static bool is_error(const struct run_mode *mode)
{
    return mode->verdict == RUN_INCONCLUSIVE || mode->verdict == RUN_ABORTED;
}

static void put_mode(FILE *to, const struct run *run, const struct run_mode *mode)
{
    open_case(to, run, mode, NULL);
    if (mode->verdict != RUN_PASS)
        put_outcome(to, is_error(mode) ? "error" : "failure",
                    run_reason_name(mode->reason), mode->why);
    fputs("</testcase>\n", to);
}

static void put_expectation(FILE *to, const struct run *run,
                            const struct run_mode *mode,
                            const struct run_expectation *row)
{
    bool unmet = row->result == EXPECT_UNMET && !row->control;
    open_case(to, run, mode, row->sentence);
    if (unmet)
        put_outcome(to, "failure", "expectation-unmet", row->sentence);
    else if (row->result != EXPECT_MET)
        put_outcome(to, "error", row->control ? "control-silent" : "not-known",
                    row->sentence);
    fputs("</testcase>\n", to);
}

static void count_cases(const struct run *run, unsigned *tests, unsigned *failures,
                        unsigned *errors)
{
    for (size_t i = 0; i < run->n_modes; i++) {
        const struct run_mode *mode = &run->modes[i];
        *tests += 1 + (unsigned)mode->n_expectations;
        *failures += mode->verdict == RUN_FAIL;
        *errors += is_error(mode);
        for (size_t k = 0; k < mode->n_expectations; k++) {
            const struct run_expectation *row = &mode->expectations[k];
            bool unmet = row->result == EXPECT_UNMET && !row->control;
            *failures += unmet;
            *errors += !unmet && row->result != EXPECT_MET;
        }
    }
}

int report_write_junit(const struct run *run, FILE *to)
{
    unsigned tests = 0, failures = 0, errors = 0;
    count_cases(run, &tests, &failures, &errors);
    fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite "
          "name=\"",
          to);
    xml_put_escaped(to, run->title);
    fprintf(to, "\" tests=\"%u\" failures=\"%u\" errors=\"%u\">\n", tests, failures,
            errors);
    for (size_t i = 0; i < run->n_modes; i++) {
        put_mode(to, run, &run->modes[i]);
        for (size_t k = 0; k < run->modes[i].n_expectations; k++)
            put_expectation(to, run, &run->modes[i], &run->modes[i].expectations[k]);
    }
    fputs("  </testsuite>\n</testsuites>\n", to);
    return ferror(to) ? -EIO : 0;
}
