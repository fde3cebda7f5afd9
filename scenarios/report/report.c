/* SPDX-License-Identifier: MIT */
/* Writes the three files, each to a temporary name first, so that a reader never meets
 * half a report, and a full disk leaves none behind. */
#include "scenarios/report/report.h"
#include "proxy/base/errmsg.h"
#include "proxy/base/memory.h"
#include "scenarios/report/report_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int write_json(const struct run *run, const char *directory, FILE *to,
                      struct errmsg *err)
{
    (void)directory;
    (void)err;
    json_t *json = report_to_json(run);
    int failed = json_dumpf(json, to, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    json_decref(json);
    return failed || fputc('\n', to) == EOF ? -EIO : 0;
}

static int write_junit(const struct run *run, const char *directory, FILE *to,
                       struct errmsg *err)
{
    (void)directory;
    (void)err;
    return report_write_junit(run, to);
}

int report_write_file(const struct run *run, const char *directory, const char *name,
                      report_write_fn write, struct errmsg *err)
{
    struct errmsg why = {""};
    char *path = xasprintf("%s/%s", directory, name);
    char *unfinished = xasprintf("%s.new", path);
    FILE *to = fopen(unfinished, "w");
    int status = to ? write(run, directory, to, &why) : -errno;
    if (to && fflush(to) != 0 && status == 0)
        status = -errno;
    if (to && fclose(to) != 0 && status == 0)
        status = -errno;
    if (status == 0 && rename(unfinished, path) != 0)
        status = -errno;
    if (status != 0) {
        errmsg_set(err, "writing %s: %s", path,
                   why.text[0] ? why.text : strerror(-status));
        if (to)
            (void)unlink(unfinished);
    }
    free(path);
    free(unfinished);
    return status;
}

int report_write(const struct run *run, const char *directory, struct errmsg *err)
{
    int status = report_write_file(run, directory, "report.json", write_json, err);
    if (status == 0)
        status = report_write_file(run, directory, "junit.xml", write_junit, err);
    if (status == 0)
        status =
            report_write_file(run, directory, "report.html", report_write_page, err);
    return status;
}
