/* SPDX-License-Identifier: MIT */
/* Repeated runs as JSON: each with its measures, and the bound on the rate of failure.
 * Values are written as they are, not rounded for people. It fails if the file cannot be
 * written; what is in it then is not whole. */
#include "scenarios/report/many_inside.h"

#include "proxy/base/errmsg.h"
#include "scenarios/report/bound.h"
#include "scenarios/report/report_parts.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

/* Aborts, as xcalloc does, where jansson answers NULL. */
static json_t *made(json_t *json)
{
    if (!json)
        abort();
    return json;
}

static void put(json_t *object, const char *name, json_t *value)
{
    if (json_object_set_new(object, name, made(value)) != 0)
        abort(); /* no memory: the drill side may */
}

static json_t *run_to_json(const struct many_run *run)
{
    json_t *json = made(json_object()), *modes = made(json_object());
    put(json, "playbook", report_text(run->playbook));
    put(json, "verdict", json_string(many_verdict(run)));
    put(json, "why", report_text(run->why));
    put(json, "seed", json_integer((json_int_t)run->seed));
    put(json, "directory", report_text(run->directory));
    for (size_t i = 0; i < run->n_modes; i++)
        put(modes, run->modes[i].name, measures_to_json(&run->modes[i].measures));
    put(json, "modes", modes);
    return json;
}

int many_write(const struct many *many, size_t since, const char *path,
               struct errmsg *err)
{
    struct many_tally tally = many_tally(many, since);
    json_t *json = made(json_object()), *runs = made(json_array());
    for (size_t i = since; i < many->n; i++)
        if (json_array_append_new(runs, run_to_json(&many->runs[i])) != 0)
            abort(); /* no memory, likewise */
    put(json, "judged", json_integer((json_int_t)tally.judged));
    put(json, "failed", json_integer((json_int_t)tally.failed));
    put(json, "not_judged", json_integer((json_int_t)tally.silent));
    put(json, "confidence", json_real(0.95));
    put(json, "failure_rate_below",
        json_real(bound_failure_rate(tally.judged, tally.failed)));
    put(json, "runs", runs);
    int failed = json_dump_file(json, path, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    json_decref(json);
    if (failed)
        errmsg_set(err, "%s cannot be written", path);
    return failed ? -EIO : 0;
}
