/* SPDX-License-Identifier: MIT */
/* Writes manifest.json and SHA256SUMS, in this order and after everything else: the
 * first lists all files but the two, the second the first too. A directory that has
 * SHA256SUMS is whole. */
#include "scenarios/report/manifest.h"

#include "proxy/base/memory.h"
#include "proxy/base/now.h"
#include "scenarios/report/report_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <unistd.h>

static json_t *describe_machine(void)
{
    struct utsname machine;
    json_t *json = report_object();
    long processors = sysconf(_SC_NPROCESSORS_ONLN), pages = sysconf(_SC_PHYS_PAGES);
    if (uname(&machine) == 0) {
        char *kernel =
            xasprintf("%s %s %s", machine.sysname, machine.release, machine.machine);
        report_put(json, "name", report_text(machine.nodename));
        report_put(json, "kernel", report_text(kernel));
        free(kernel);
    }
    report_put(json, "processors",
               report_number((uint64_t)(processors > 0 ? processors : 0)));
    report_put(json, "memory_bytes",
               report_number((uint64_t)(pages > 0 ? pages : 0) *
                             (uint64_t)sysconf(_SC_PAGESIZE)));
    return json;
}

/* A file of the run's and its hash, which is of the copy beside the manifest. */
static void put_copy(json_t *json, const struct manifest_files *files, const char *name)
{
    report_put(json, "copy", report_text(name));
    for (size_t i = 0; i < files->n; i++)
        if (strcmp(files->items[i].name, name) == 0)
            report_put(json, "sha256", report_text(files->items[i].sha256));
}

static json_t *describe_playbook(const struct run *run,
                                 const struct manifest_files *files)
{
    json_t *json = report_object();
    report_put(json, "title", report_text(run->title));
    report_put(json, "owner", report_text(run->owner));
    report_put(json, "file", report_text(run->playbook_path));
    put_copy(json, files, "playbook.md");
    return json;
}

static json_t *describe_cluster(const struct run *run,
                                const struct manifest_files *files)
{
    json_t *json = report_object();
    report_put(json, "name", report_text(run->cluster_name));
    report_put(json, "driver", report_text(run->driver));
    report_put(json, "file", report_text(run->cluster_path));
    put_copy(json, files, "cluster.yaml");
    return json;
}

static json_t *describe_repeat(const struct run *run)
{
    json_t *json = report_object();
    report_put(json, "directory", report_text(run->working_directory));
    report_put(json, "command", report_text(run->command));
    return json;
}

static json_t *describe_mode(const struct run *run, const struct run_mode *mode)
{
    json_t *json = report_object();
    report_put(json, "verdict", report_text(run_verdict_name(mode->verdict)));
    report_put(json, "setting", report_text(mode->setting));
    report_put(json, "found", report_text(mode->found));
    report_put(json, "moved", report_text(mode->moved));
    report_put(json, "how", report_text(mode->how));
    report_put(json, "systems", report_systems(run, mode));
    return json;
}

static json_t *list_files(const struct manifest_files *files)
{
    json_t *all = report_array();
    for (size_t i = 0; i < files->n; i++) {
        json_t *one = report_object();
        report_put(one, "name", report_text(files->items[i].name));
        report_put(one, "bytes", report_number(files->items[i].bytes));
        report_put(one, "sha256", report_text(files->items[i].sha256));
        report_push(all, one);
    }
    return all;
}

static json_t *to_json(const struct run *run, const struct manifest_files *files)
{
    char started[32], ended[32];
    json_t *json = report_object(), *modes = report_object();
    uint64_t took_ns = run->ended_ns - run->started_ns;
    now_format_utc(run->started_wall_ns, started, sizeof started);
    now_format_utc(run->started_wall_ns + took_ns, ended, sizeof ended);
    report_put(json, "manifest", report_number(1));
    report_put(json, "netsplit", report_text(run->version));
    report_put(json, "machine", describe_machine());
    report_put(json, "started", report_text(started));
    report_put(json, "ended", report_text(ended));
    report_put(json, "verdict", report_text(run_verdict_name(run->verdict)));
    report_put(json, "why", report_text(run->why));
    report_put(json, "not_undone", report_text(run->left));
    report_put(json, "seed", report_number(run->seed));
    report_put(json, "variables", report_text(run->variables));
    report_put(json, "repeat", describe_repeat(run));
    report_put(json, "playbook", describe_playbook(run, files));
    report_put(json, "cluster", describe_cluster(run, files));
    for (size_t i = 0; i < run->n_modes; i++)
        report_put(modes, run->modes[i].name, describe_mode(run, &run->modes[i]));
    report_put(json, "modes", modes);
    report_put(json, "files", list_files(files));
    return json;
}

static int write_json(const struct run *run, const char *directory, FILE *to,
                      struct errmsg *err)
{
    static const char *const but[] = {MANIFEST_NAME, MANIFEST_NAME ".new",
                                      MANIFEST_SUMS, NULL};
    struct manifest_files files;
    int e = manifest_list(directory, but, &files, err);
    if (e != 0)
        return e;
    json_t *json = to_json(run, &files);
    int failed = json_dumpf(json, to, JSON_INDENT(2));
    json_decref(json);
    manifest_free(&files);
    return failed || fputc('\n', to) == EOF ? -EIO : 0;
}

static int write_sums(const struct run *run, const char *directory, FILE *to,
                      struct errmsg *err)
{
    static const char *const but[] = {MANIFEST_SUMS, MANIFEST_SUMS ".new", NULL};
    struct manifest_files files;
    (void)run;
    int e = manifest_list(directory, but, &files, err);
    if (e != 0)
        return e;
    e = manifest_write_sums(&files, to);
    manifest_free(&files);
    return e;
}

int manifest_write(const struct run *run, const char *directory, struct errmsg *err)
{
    int e = report_write_file(run, directory, MANIFEST_NAME, write_json, err);
    return e ? e : report_write_file(run, directory, MANIFEST_SUMS, write_sums, err);
}
