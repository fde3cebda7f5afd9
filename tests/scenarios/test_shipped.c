/* SPDX-License-Identifier: MIT */
#include "scenarios/playbook/shipped.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

static char path[PATH_MAX];

Test(shipped, a_word_is_a_name_unless_it_looks_like_a_path)
{
    cr_expect_eq(shipped_find(SHIPPED_CLUSTER, "no-such", path, sizeof path), -ENOENT);
    cr_expect_eq(shipped_find(SHIPPED_CLUSTER, "somewhere/else", path, sizeof path), 0);
    cr_expect_str_eq(path, "somewhere/else");
    cr_expect_eq(shipped_find(SHIPPED_CLUSTER, "mine.yaml", path, sizeof path), 0);
    cr_expect_str_eq(path, "mine.yaml");
    cr_expect_eq(shipped_find(SHIPPED_PLAYBOOK, "mine.md", path, sizeof path), 0);
    cr_expect_str_eq(path, "mine.md");
}

Test(shipped, names_are_found_in_the_tree_and_from_the_program_elsewhere)
{
    cr_assert_eq(shipped_find(SHIPPED_PLAYBOOK, "primary-cut-off", path, sizeof path),
                 0);
    cr_expect_str_eq(path, "playbooks/primary-cut-off.md");
    char *here = realpath("scenarios/clusters/store.yaml", NULL);
    cr_assert_eq(chdir("/"), 0); /* the runner lies in the tree it was built in */
    cr_assert_eq(shipped_find(SHIPPED_CLUSTER, "store", path, sizeof path), 0);
    cr_expect_str_eq(path, here);
    free(here);
}

Test(shipped, a_path_that_does_not_fit_is_none)
{
    cr_expect_eq(shipped_find(SHIPPED_CLUSTER, "./a.yaml", path, 8), -ENOENT);
    cr_expect_eq(shipped_find(SHIPPED_CLUSTER, "./a.yaml", path, 9), 0);
}
