/* SPDX-License-Identifier: MIT */
/* netsplit check and schema as a user runs them: statuses, and what goes where. */
#include "tests/lib/program.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(check_program, .timeout = 60);

static void expect_run(const char *arguments, int status, const char *excerpt)
{
    static char said[65536];
    int got = program_run(".", arguments, said, sizeof said);
    cr_expect_eq(got, status, "netsplit %s: %d\n%s", arguments, got, said);
    cr_expect(strstr(said, excerpt), "netsplit %s: told\n%s", arguments, said);
}

Test(check_program, a_good_file_is_said_to_be_good_on_stdout)
{
    expect_run(
        "check tests/golden/rules/base.yaml 2>/dev/null", 0,
        "tests/golden/rules/base.yaml: good rule file: 5 nodes, 4 paths, 12 rules\n");
}

Test(check_program, all_ten_mistakes_are_told_on_stderr)
{
    expect_run("check tests/golden/rules/ten-mistakes.yaml 2>&1 >/dev/null", 2,
               "ten-mistakes.yaml: 10 errors\n");
}

Test(check_program, what_this_version_lacks_is_status_3)
{
    expect_run("check tests/golden/playbooks/lacking.md 2>&1", 3,
               "is not available in this version");
}

/* What the kernel can do is known where the file is run, not where it is written. */
Test(check_program, a_file_of_a_kernel_mode_is_good_on_any_machine)
{
    expect_run("check tests/golden/rules/tproxy.yaml 2>/dev/null", 0,
               "tproxy.yaml: good rule file: 5 nodes, 1 path, 8 rules, intercept: "
               "tproxy\n");
}

Test(check_program, a_bad_file_does_not_hide_those_behind_it)
{
    expect_run("check /nonexistent tests/golden/rules/empty.yaml "
               "tests/golden/rules/base.yaml 2>/dev/null",
               2, "base.yaml: good rule file");
    expect_run("check /nonexistent 2>&1", 2,
               "/nonexistent: No such file or directory\n");
    expect_run("check tests 2>&1", 2, "tests: Is a directory\n");
    expect_run("check 2>&1", 2, "which file?");
}

Test(check_program, standard_input_is_a_file_too)
{
    expect_run("check - 2>&1 <tests/golden/rules/base.yaml", 0,
               "stdin: good rule file");
}

Test(check_program, the_schema_is_printed)
{
    expect_run("schema", 0, "\"$schema\":\"http://json-schema.org/draft-07/schema#\"");
    expect_run("schema much 2>&1", 2, "\"much\"");
}
