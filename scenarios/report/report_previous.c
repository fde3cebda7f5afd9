/* SPDX-License-Identifier: MIT */
/* The run before this one: the youngest of the directories beside this run's that holds
 * a report of the same playbook on the same cluster. Directories are named by their UTC
 * time, so their names are in order. One that cannot be read is passed over: a report
 * must not fail because of an old one. */
#include "proxy/base/memory.h"
#include "scenarios/report/report_parts.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>

static bool tells_of(const json_t *report, const struct run *run)
{
    const char *playbook = json_string_value(json_object_get(report, "playbook"));
    const char *cluster = json_string_value(json_object_get(report, "cluster"));
    return playbook && cluster && strcmp(playbook, run->playbook_path) == 0 &&
           strcmp(cluster, run->cluster_name) == 0;
}

static json_t *read_report(const char *parent, const char *name, const struct run *run)
{
    char *directory = xasprintf("%s/%s", parent, name);
    char *path = xasprintf("%s/report.json", directory);
    struct stat status;
    json_t *report = NULL;
    if (lstat(directory, &status) == 0 && S_ISDIR(status.st_mode)) /* not `latest` */
        report = json_load_file(path, 0, NULL);
    if (report && !tells_of(report, run)) {
        json_decref(report);
        report = NULL;
    }
    free(directory);
    free(path);
    return report;
}

json_t *report_previous(const struct run *run, const char *directory)
{
    const char *slash = directory ? strrchr(directory, '/') : NULL;
    if (!slash || !slash[1])
        return json_null();
    char *parent = xasprintf("%.*s", (int)(slash - directory), directory);
    struct dirent **entries = NULL;
    json_t *found = NULL;
    int n = scandir(*parent ? parent : "/", &entries, NULL, alphasort);
    for (int i = n - 1; i >= 0; i--) {
        const char *name = entries[i]->d_name;
        if (!found && name[0] != '.' && strcmp(name, slash + 1) < 0)
            found = read_report(parent, name, run);
        free(entries[i]);
    }
    free(entries);
    free(parent);
    return found ? found : json_null();
}
