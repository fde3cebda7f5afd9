/* SPDX-License-Identifier: MIT */
#include "scenarios/report/run_directory.h"

#include "proxy/base/tempdir.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char base[TEMPDIR_PATH_MAX];
static struct errmsg err;

static void setup(void)
{
    cr_assert_eq(tempdir_make("test-runs", base, NULL), 0);
    cr_assert_eq(chdir(base), 0);
}

static void teardown(void)
{
    cr_assert_eq(chdir("/"), 0);
    cr_assert_eq(tempdir_remove(base), 0);
}

TestSuite(run_directory, .init = setup, .fini = teardown);

static void expect_made(const char *name, const char *wanted)
{
    char path[256];
    cr_assert_eq(run_directory_make("runs/cut-off", name, path, sizeof path, &err), 0,
                 "%s", err.text);
    cr_expect_str_eq(path, wanted);
    run_directory_link(path, NULL);
}

static void expect_latest(const char *wanted)
{
    char target[256] = "";
    cr_expect_gt(readlink("runs/cut-off/latest", target, sizeof target - 1), 0);
    cr_expect_str_eq(target, wanted);
}

Test(run_directory, a_clock_that_stands_still_or_goes_back_overwrites_nothing)
{
    expect_made("2026-11-25T02:31:07Z", "runs/cut-off/2026-11-25T02:31:07Z");
    expect_made("2026-11-25T02:31:07Z", "runs/cut-off/2026-11-25T02:31:07Z-2");
    expect_made("2026-11-25T02:31:08Z", "runs/cut-off/2026-11-25T02:31:08Z");
    expect_made("2026-11-25T02:31:07Z", "runs/cut-off/2026-11-25T02:31:07Z-3");
    expect_latest("2026-11-25T02:31:07Z-3"); /* the last that was made */
    run_directory_link("runs/cut-off/2026-11-25T02:31:08Z", "2");
    expect_latest("2026-11-25T02:31:08Z/2");
}

Test(run_directory, what_is_called_latest_and_is_no_link_is_left_alone)
{
    struct stat info;
    cr_assert_eq(mkdir("runs", 0755), 0);
    cr_assert_eq(mkdir("runs/cut-off", 0755), 0);
    cr_assert_eq(mkdir("runs/cut-off/latest", 0755), 0);
    expect_made("a", "runs/cut-off/a");
    cr_assert_eq(lstat("runs/cut-off/latest", &info), 0);
    cr_expect(S_ISDIR(info.st_mode));
    cr_expect_neq(access("runs/cut-off/latest/a", F_OK), 0, "nor is one put into it");
}

Test(run_directory, one_that_is_given_must_be_empty)
{
    cr_assert_eq(run_directory_use("out/deep", &err), 0, "%s", err.text);
    cr_assert_eq(run_directory_use("out/deep", &err), 0, "%s", err.text);
    cr_assert_eq(run_directory_use("out", &err), -ENOTEMPTY);
    cr_expect(strstr(err.text, "out, holds files already"), "%s", err.text);
}

Test(run_directory, what_hinders_it_is_named)
{
    char path[256];
    FILE *file = fopen("file", "w");
    cr_assert_not_null(file);
    cr_assert_eq(fclose(file), 0);
    cr_expect_eq(run_directory_make("file/x", "a", path, sizeof path, &err), -ENOTDIR);
    cr_expect(strstr(err.text, "file/x: Not a directory"), "%s", err.text);
    cr_expect_eq(run_directory_use("file/x", &err), -ENOTDIR);
}
