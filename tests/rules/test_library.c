/* SPDX-License-Identifier: MIT */
/* The rule files that are shipped. */
#include "support.h"

#include <criterion/criterion.h>
#include <glob.h>
#include <stdlib.h>

Test(library, every_shipped_rule_file_is_right_and_without_a_warning)
{
    glob_t found;
    cr_assert_eq(glob("rules/library/*.yaml", 0, NULL, &found), 0);
    cr_assert_geq(found.gl_pathc, 5);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        size_t length = 0;
        char *text = read_whole_file(found.gl_pathv[i], &length);
        char *told = diagnose(text);
        cr_expect_str_eq(told, "", "%s:\n%s", found.gl_pathv[i], told);
        free(told);
        free(text);
    }
    globfree(&found);
}
