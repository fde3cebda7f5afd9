/* SPDX-License-Identifier: MIT */
/* What every subcommand gets from the program around it. */
#include "tests/lib/program.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(main_program, .timeout = 60);

Test(main_program, runs_without_standard_descriptors)
{
    char said[1024];
    cr_expect_eq(program_run(".",
                             "proxy 127.0.0.1:0:127.0.0.1:9 --for 100ms "
                             "<&- >&- 2>&-",
                             said, sizeof said),
                 0);
}

Test(main_program, output_that_did_not_arrive_is_no_success)
{
    char said[1024];
    cr_expect_eq(program_run(".", "faults 2>&1 >/dev/full", said, sizeof said), 3);
    cr_expect(strstr(said, "standard output: No space left"), "%s", said);
}
