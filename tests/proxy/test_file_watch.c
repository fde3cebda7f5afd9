/* SPDX-License-Identifier: MIT */
/* Files that change in each of the ways in which editors and deployments change them.
 */
#include "proxy/base/errmsg.h"
#include "proxy/base/tempdir.h"
#include "proxy/file_watch.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[TEMPDIR_PATH_MAX];
static uv_loop_t loop;
static struct file_watch *watch;
static unsigned changes;

static const char *in_dir(const char *name)
{
    static char paths[4][TEMPDIR_PATH_MAX + 64];
    static unsigned next;
    char *path = paths[next++ % 4];
    (void)snprintf(path, sizeof paths[0], "%s/%s", dir, name);
    return path;
}

static void write_file(const char *name, const char *text)
{
    FILE *to = fopen(in_dir(name), "w");
    cr_assert_not_null(to);
    cr_assert_geq(fputs(text, to), 0);
    cr_assert_eq(fclose(to), 0);
}

static void on_change(void *arg)
{
    (void)arg;
    changes++;
    uv_stop(&loop);
}

static void watch_file(const char *name)
{
    struct errmsg err = {""};
    cr_assert_eq(file_watch_start(&watch, &loop, in_dir(name), on_change, NULL, &err),
                 0, "%s", err.text);
}

static void setup(void)
{
    cr_assert_eq(tempdir_make("watch-test", dir, NULL), 0);
    cr_assert_eq(uv_loop_init(&loop), 0);
    write_file("r.yaml", "first");
}

static void teardown(void)
{
    file_watch_close(watch);
    cr_assert_eq(uv_run(&loop, UV_RUN_DEFAULT), 0);
    cr_assert_eq(uv_loop_close(&loop), 0);
    cr_assert_eq(tempdir_remove(dir), 0);
}

TestSuite(file_watch, .init = setup, .fini = teardown, .timeout = 20);

/* The suite's time limit is what fails where no change is seen. */
static void expect_change(void)
{
    unsigned before = changes;
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    cr_expect_eq(changes, before + 1);
}

Test(file_watch, a_file_that_is_written_in_place_has_changed)
{
    watch_file("r.yaml");
    write_file("r.yaml", "second");
    expect_change();
    write_file("r.yaml", "third, longer");
    expect_change();
}

Test(file_watch, a_file_that_is_replaced_by_rename_has_changed)
{
    watch_file("r.yaml");
    for (int i = 0; i < 3; i++) {
        write_file("r.yaml.new", "other");
        cr_assert_eq(rename(in_dir("r.yaml.new"), in_dir("r.yaml")), 0);
        expect_change();
    }
}

Test(file_watch, a_file_that_went_away_has_changed_when_it_is_back)
{
    watch_file("r.yaml");
    cr_assert_eq(unlink(in_dir("r.yaml")), 0);
    write_file("r.yaml", "again");
    expect_change();
}

Test(file_watch, what_others_do_in_the_directory_is_no_change)
{
    watch_file("r.yaml");
    write_file("other", "text");
    cr_assert_eq(chmod(in_dir("r.yaml"), 0600), 0);
    (void)uv_run(&loop, UV_RUN_ONCE); /* the events, which are all there */
    (void)uv_run(&loop, UV_RUN_ONCE); /* the timer that they started */
    cr_expect_eq(changes, 0);
    write_file("r.yaml", "second");
    expect_change();
    cr_expect_eq(changes, 1);
}

/* As Kubernetes mounts a ConfigMap: the file is a link through a link to a directory,
 * and that one is replaced. */
Test(file_watch, a_link_that_leads_elsewhere_now_is_a_change)
{
    cr_assert_eq(mkdir(in_dir("one"), 0700), 0);
    cr_assert_eq(mkdir(in_dir("two"), 0700), 0);
    write_file("one/c.yaml", "1");
    write_file("two/c.yaml", "2");
    cr_assert_eq(symlink("one", in_dir("data")), 0);
    cr_assert_eq(symlink("data/c.yaml", in_dir("c.yaml")), 0);
    watch_file("c.yaml");
    write_file("one/c.yaml", "1, written in place");
    expect_change();
    cr_assert_eq(symlink("two", in_dir("data.new")), 0);
    cr_assert_eq(rename(in_dir("data.new"), in_dir("data")), 0);
    expect_change();
}

Test(file_watch, a_directory_that_is_not_there_is_said)
{
    struct errmsg err = {""};
    cr_expect_eq(
        file_watch_start(&watch, &loop, "/nowhere/r.yaml", on_change, NULL, &err),
        -ENOENT);
    cr_expect_str_eq(err.text, "watching /nowhere/r.yaml: No such file or directory");
    watch = NULL;
}
