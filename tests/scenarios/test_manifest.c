/* SPDX-License-Identifier: MIT */
#include "scenarios/report/manifest.h"
#include "proxy/base/errmsg.h"
#include "proxy/base/memory.h"
#include "proxy/base/tempdir.h"
#include "tests/scenarios/fake_run.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The SHA-256 of "abc" and of nothing: FIPS 180-4's examples. */
#define OF_ABC     "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define OF_NOTHING "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
/* Names that a list of lines cannot hold as they are. */
#define ODD "two\nlines\\and a \r"

static char dir[TEMPDIR_PATH_MAX];

static void write_file(const char *name, const char *text)
{
    char *path = xasprintf("%s/%s", dir, name);
    FILE *to = fopen(path, "we");
    cr_assert(to, "%s", path);
    (void)fputs(text, to);
    cr_assert_eq(fclose(to), 0);
    free(path);
}

static void make_dir(void)
{
    cr_assert_eq(tempdir_make("manifest-test", dir, NULL), 0);
    char *path = xasprintf("%s/sync", dir);
    cr_assert_eq(mkdir(path, 0700), 0);
    free(path);
    write_file("sync/history.edn", "abc");
    write_file("empty", "");
    write_file(ODD, "abc");
}

static void remove_dir(void)
{
    cr_assert_eq(tempdir_remove(dir), 0);
}

TestSuite(manifest, .init = make_dir, .fini = remove_dir);

static void write_sums(void)
{
    static const char *const but[] = {MANIFEST_SUMS, NULL};
    struct manifest_files files;
    char *path = xasprintf("%s/%s", dir, MANIFEST_SUMS);
    cr_assert_eq(manifest_list(dir, but, &files, NULL), 0);
    FILE *to = fopen(path, "we");
    cr_assert_eq(manifest_write_sums(&files, to), 0);
    cr_assert_eq(fclose(to), 0);
    manifest_free(&files);
    free(path);
}

Test(manifest, lists_the_files_of_all_folders_by_name_with_hash_and_size)
{
    static const char *const but[] = {ODD, NULL};
    struct manifest_files files;
    char *link = xasprintf("%s/link", dir);
    cr_assert_eq(symlink("/etc/passwd", link), 0);
    cr_assert_eq(manifest_list(dir, but, &files, NULL), 0);
    cr_assert_eq(files.n, 2, "neither links nor what is left out");
    cr_expect_str_eq(files.items[0].name, "empty");
    cr_expect_str_eq(files.items[0].sha256, OF_NOTHING);
    cr_expect_str_eq(files.items[1].name, "sync/history.edn");
    cr_expect_str_eq(files.items[1].sha256, OF_ABC);
    cr_expect_eq(files.items[1].bytes, 3);
    manifest_free(&files);
    free(link);
}

/* As `latest` is, which the README tells users to judge. */
Test(manifest, a_link_to_a_directory_is_as_good_as_its_name)
{
    struct manifest_check check;
    write_sums();
    char *link = xasprintf("%s-latest", dir);
    cr_assert_eq(symlink(dir, link), 0);
    int e = manifest_verify(link, &check, NULL);
    cr_expect_eq(unlink(link), 0);
    free(link);
    cr_assert_eq(e, 0);
    cr_expect_eq(check.n_same, 3);
    cr_expect_not(check.broken);
    manifest_check_free(&check);
}

Test(manifest, sums_are_accepted_by_sha256sum)
{
    write_sums();
    char *check = xasprintf("cd '%s' && sha256sum --check --strict --quiet %s", dir,
                            MANIFEST_SUMS);
    cr_expect_eq(system(check), 0);
    write_file(ODD, "abd");
    char *silent = xasprintf("(%s) >/dev/null 2>&1", check);
    cr_expect_neq(system(silent), 0, "it looks at every file");
    free(silent);
    free(check);
}

Test(manifest, tells_what_was_changed_taken_away_and_added)
{
    struct manifest_check check;
    write_sums();
    cr_assert_eq(manifest_verify(dir, &check, NULL), 0);
    cr_expect_eq(check.n_same, 3);
    cr_expect_eq(check.n, 0);
    write_file("notes.txt", "of somebody who read the report");
    cr_assert_eq(manifest_verify(dir, &check, NULL), 0);
    cr_expect_not(check.broken, "all that was written is as it was");
    manifest_check_free(&check);
    write_file(ODD, "abd");
    cr_assert_eq(manifest_verify(dir, &check, NULL), 0);
    cr_expect(check.broken);
    manifest_check_free(&check);
    char *path = xasprintf("%s/empty", dir);
    cr_assert_eq(unlink(path), 0);
    free(path);
    cr_assert_eq(manifest_verify(dir, &check, NULL), 0);
    cr_assert(check.broken);
    cr_expect_eq(check.n_same, 1);
    cr_assert_eq(check.n, 3);
    cr_expect_str_eq(check.items[0].name, "empty");
    cr_expect_eq(check.items[0].difference, MANIFEST_MISSING);
    cr_expect_str_eq(check.items[1].name, ODD);
    cr_expect_eq(check.items[1].difference, MANIFEST_CHANGED);
    cr_expect_str_eq(check.items[2].name, "notes.txt");
    cr_expect_eq(check.items[2].difference, MANIFEST_ADDED);
    manifest_check_free(&check);
}

Test(manifest, a_directory_without_sums_and_broken_sums_are_two_things)
{
    struct manifest_check check;
    struct errmsg err = {""};
    cr_expect_eq(manifest_verify(dir, &check, &err), -ENOENT);
    write_file(MANIFEST_SUMS, OF_ABC "  sync/history.edn\n" OF_ABC " one-blank\n");
    cr_expect_eq(manifest_verify(dir, &check, &err), -EINVAL);
    cr_expect(strstr(err.text, MANIFEST_SUMS ":2: "), "%s", err.text);
}

static json_t *read_manifest(void)
{
    char *path = xasprintf("%s/%s", dir, MANIFEST_NAME);
    json_error_t why;
    json_t *json = json_load_file(path, 0, &why);
    cr_assert(json, "%s: %s", path, why.text);
    free(path);
    return json;
}

/* The text at the keys, one below the other. */
static const char *text_at(const json_t *json, const char *const *keys)
{
    while (*keys)
        json = json_object_get(json, *keys++);
    return json_string_value(json);
}
#define TEXT_AT(json, ...) text_at(json, (const char *const[]){__VA_ARGS__, NULL})

Test(manifest, says_what_ran_on_what_and_how_to_run_it_again)
{
    static struct run_system systems[] = {
        {"PostgreSQL 15.1", "fsync = on\nwal_level = replica", NULL},
        {NULL, "", "its command version ended with status 9"},
        {"PostgreSQL 15.2", "", NULL}};
    struct run *run = fake_run_create();
    struct errmsg err = {""};
    run->modes[1].systems = systems;
    run->working_directory = "/srv/drills";
    write_file("playbook.md", "abc");
    cr_assert_eq(manifest_write(run, dir, &err), 0, "%s", err.text);
    json_t *json = read_manifest();
    cr_expect_eq(json_integer_value(json_object_get(json, "seed")), 42);
    cr_expect_str_eq(TEXT_AT(json, "netsplit"), "0.0-test");
    cr_expect_str_eq(TEXT_AT(json, "repeat", "command"), run->command);
    cr_expect_str_eq(TEXT_AT(json, "repeat", "directory"), "/srv/drills");
    cr_expect_str_eq(TEXT_AT(json, "playbook", "owner"), "platform on-call");
    cr_expect_str_eq(TEXT_AT(json, "playbook", "sha256"), OF_ABC);
    cr_expect_str_eq(TEXT_AT(json, "modes", "sync", "setting"), "sync · FIRST 1 (*)");
    cr_expect_str_eq(TEXT_AT(json, "modes", "sync", "systems", "n1", "version"),
                     "PostgreSQL 15.1");
    cr_expect_str_eq(TEXT_AT(json, "modes", "sync", "systems", "n2", "why"),
                     systems[1].why);
    cr_expect_not_null(TEXT_AT(json, "machine", "kernel"));
    json_decref(json);
    fake_run_destroy(run);
}

Test(manifest, is_among_the_sums_and_not_among_its_own_files)
{
    struct run *run = fake_run_create();
    struct manifest_check check;
    cr_assert_eq(manifest_write(run, dir, NULL), 0);
    cr_assert_eq(manifest_write(run, dir, NULL), 0, "what is there already is no file");
    cr_assert_eq(manifest_verify(dir, &check, NULL), 0);
    cr_expect_eq(check.n_same, 4);
    cr_expect_eq(check.n, 0);
    json_t *json = read_manifest();
    cr_expect_eq(json_array_size(json_object_get(json, "files")), 3);
    json_decref(json);
    fake_run_destroy(run);
}
