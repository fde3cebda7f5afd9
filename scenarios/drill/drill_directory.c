/* SPDX-License-Identifier: MIT */
/* The directory of a drill's results, with the playbook and the cluster file in it as
 * they were run, but for secrets.
 *
 * It is the one that the user named, or a new one below netsplit-runs/, of which `latest`
 * is a link to the newest. If it cannot be made or written to nothing is started. What
 * else goes there is written by who makes it: each mode its history and its events, the
 * report after the last. */
#include "scenarios/drill/drill_inside.h"

#include "scenarios/report/run_directory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* netsplit-runs/PLAYBOOK/TIME, with `latest` beside it. */
static int make_default_out(struct drill *drill, struct errmsg *err)
{
    const char *slash = strrchr(drill->playbook->source.name, '/');
    const char *name = slash ? slash + 1 : drill->playbook->source.name;
    char parent[PATH_MAX / 2], time[32];
    (void)snprintf(parent, sizeof parent, "netsplit-runs/%.*s", (int)strcspn(name, "."),
                   name);
    now_format_utc(drill->run->started_wall_ns, time, sizeof time);
    int e = run_directory_make(parent, time, drill->out, sizeof drill->out, err);
    if (e == 0)
        run_directory_link(drill->out, NULL);
    return e;
}

static int write_text(const struct drill *drill, const char *name,
                      const struct source *source)
{
    char path[PATH_MAX + 32];
    (void)snprintf(path, sizeof path, "%s/%s", drill->out, name);
    FILE *to = fopen(path, "we");
    if (!to)
        return -errno;
    char *clean = redact_copy(drill->options->secrets, source->text);
    errno = 0;
    bool ok = fputs(clean, to) != EOF;
    ok = fclose(to) == 0 && ok;
    free(clean);
    return ok ? 0 : errno ? -errno : -EIO;
}

int directory_make(struct drill *drill, struct errmsg *err)
{
    const struct drill_options *options = drill->options;
    char whole[PATH_MAX]; /* commands run elsewhere */
    if (options->out)
        (void)snprintf(drill->out, sizeof drill->out, "%s", options->out);
    int e = options->out ? run_directory_use(drill->out, err)
                         : make_default_out(drill, err);
    if (e != 0)
        return e;
    e = write_text(drill, "playbook.md", &drill->playbook->source);
    if (e == 0)
        e = write_text(drill, "cluster.yaml", &drill->cluster->source);
    if (e != 0)
        errmsg_set(err, "the directory for the results, %s: %s", drill->out,
                   strerror(-e));
    else if (realpath(drill->out, whole))
        (void)snprintf(drill->out, sizeof drill->out, "%s", whole);
    return e;
}
