/* SPDX-License-Identifier: MIT */
/* netsplit check and schema as a user runs them: statuses, and what goes where. */
#include "drill_fixture.h"
#include "tests/lib/program.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

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

static void write_file(const char *directory, const char *name, const char *text)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *to = fopen(path, "we");
    cr_assert_not_null(to);
    fputs(text, to);
    cr_assert_eq(fclose(to), 0);
}

Test(check_program, a_playbook_s_cluster_lies_beside_it_or_is_found_from_here)
{
    static const char *const cluster =
        "cluster: 1\nname: beside\ndriver: { resp: \"redis://\" }\nrole: echo primary\n"
        "nodes: { r1: { address: 127.0.0.1, ports: [6379] } }\n";
    static const char *const steps =
        "control: none because nothing is harmed\n---\n"
        "```yaml workload\nappend: { keys: 1 }\n```\n```yaml run\nfor: 1s\n```\n";
    static struct drill_fixture fixture;
    char text[1024], path[512], said[4096];
    drill_open(&fixture, "", ""); /* with a cluster.yaml: the store */
    (void)snprintf(path, sizeof path, "%s/sub", fixture.dir);
    cr_assert_eq(mkdir(path, 0755), 0);
    (void)snprintf(text, sizeof text, "---\nplaybook: A\ncluster: ./cluster.yaml\n%s",
                   steps);
    write_file(path, "playbook.md", text);
    (void)program_run(fixture.dir, "check sub/playbook.md", said, sizeof said);
    cr_expect(strstr(said, "of the cluster store"), "%s", said);
    write_file(path, "cluster.yaml", cluster);
    (void)program_run(fixture.dir, "check sub/playbook.md", said, sizeof said);
    cr_expect(strstr(said, "of the cluster beside"), "%s", said);
    drill_finish(&fixture);
}
