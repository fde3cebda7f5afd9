/* SPDX-License-Identifier: MIT */
/* Directories that go, and nothing else with them. */
#include "proxy/base/errmsg.h"
#include "proxy/base/tempdir.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

Test(tempdir, is_private_and_goes_with_all_below_it)
{
    char path[TEMPDIR_PATH_MAX], inner[TEMPDIR_PATH_MAX + 16];
    struct errmsg err = {""};
    struct stat status;
    cr_assert_eq(tempdir_make("test", path, &err), 0, "%s", err.text);
    cr_assert_eq(stat(path, &status), 0);
    cr_assert_eq(status.st_mode & 0777, 0700);
    (void)snprintf(inner, sizeof inner, "%s/inner", path);
    cr_assert_eq(mkdir(inner, 0700), 0);
    cr_assert_eq(tempdir_remove(path), 0);
    cr_assert_eq(stat(path, &status), -1);
    cr_assert_eq(tempdir_remove(path), 0, "a second time is success");
}

Test(tempdir, follows_no_link_out_of_itself)
{
    char path[TEMPDIR_PATH_MAX], kept[TEMPDIR_PATH_MAX], link[TEMPDIR_PATH_MAX + 16];
    struct stat status;
    cr_assert_eq(tempdir_make("test", path, NULL), 0);
    cr_assert_eq(tempdir_make("kept", kept, NULL), 0);
    (void)snprintf(link, sizeof link, "%s/link", path);
    cr_assert_eq(symlink(kept, link), 0);
    cr_assert_eq(tempdir_remove(path), 0);
    cr_assert_eq(stat(kept, &status), 0);
    cr_assert_eq(tempdir_remove(kept), 0);
}

Test(tempdir, refuses_what_is_not_one)
{
    cr_assert_eq(tempdir_remove("/tmp"), -EINVAL);
    cr_assert_eq(tempdir_remove("/tmp/netsplit-x/other"), -EINVAL);
}
