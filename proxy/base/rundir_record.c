/* SPDX-License-Identifier: MIT */
/* The record of one process: its JSON is kept in memory, changed there, and written
 * whole to a new file that replaces the old one, so that a reader, or a kill -9 at any
 * moment, never meets half of it.
 *
 * {"what":"drill","pid":4711,"start":81273645,"paths":["/tmp/..."],
 *  "children":[{"pid":4712,"start":81273650}],"kernel":["table inet netsplit_0"],
 *  "owed":[{"id":1,"what":"...","argv":[...],"env":[...],...}]} */
#include "proxy/base/rundir.h"
#include "proxy/base/now.h"
#include "proxy/base/rundir_owed.h"
#include "rules/utf8.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct rundir_record {
    char path[RUNDIR_PATH_BYTES + 64];
    json_t *root;     /* owned */
    unsigned last_id; /* of a debt */
};

extern char **environ;

static int save(struct rundir_record *record)
{
    char fresh[sizeof record->path + 8];
    (void)snprintf(fresh, sizeof fresh, "%s.new", record->path);
    errno = EIO;
    if (json_dump_file(record->root, fresh, JSON_COMPACT) == 0 &&
        rename(fresh, record->path) == 0)
        return 0;
    int status = -errno;
    (void)unlink(fresh); /* the old one is still there */
    return status;
}

int rundir_record_open(struct rundir_record **out, const char *what, struct errmsg *err)
{
    char directory[RUNDIR_PATH_BYTES];
    uint64_t start;
    int status = rundir_find(directory, err);
    if (status < 0)
        return status;
    status = rundir_start_time(getpid(), &start);
    if (status < 0) {
        errmsg_set(err, "reading /proc/self/stat: %s", strerror(-status));
        return status;
    }
    struct rundir_record *record = calloc(1, sizeof *record);
    if (!record)
        return -ENOMEM;
    (void)snprintf(record->path, sizeof record->path, "%s/run-%d-%" PRIu64, directory,
                   (int)getpid(), start);
    record->root = json_pack("{s:s, s:i, s:I, s:[], s:[], s:[], s:[]}", "what", what,
                             "pid", (int)getpid(), "start", (json_int_t)start, "paths",
                             "children", "kernel", "owed");
    status = record->root ? save(record) : -ENOMEM;
    if (status < 0) {
        errmsg_set(err, "writing %s: %s", record->path, strerror(-status));
        rundir_record_close(record);
        return status;
    }
    *out = record;
    return 0;
}

void rundir_record_close(struct rundir_record *record)
{
    if (!record)
        return;
    if (json_array_size(json_object_get(record->root, "owed")) == 0)
        (void)unlink(record->path); /* gone already is fine */
    json_decref(record->root);
    free(record);
}

/* Adds the item (taken over, also on failure) to the list of that name, and saves;
 * takes it back when it cannot be saved. */
static int append(struct rundir_record *record, const char *list, json_t *item)
{
    json_t *items = json_object_get(record->root, list);
    if (!item || json_array_append_new(items, item) < 0)
        return -ENOMEM;
    int status = save(record);
    if (status < 0)
        (void)json_array_remove(items, json_array_size(items) - 1);
    return status;
}

/* The file itself may not be there yet, so only the directory part is resolved. */
static int make_absolute(const char *path, char out[static PATH_MAX])
{
    char directory[PATH_MAX];
    if (*path == '/')
        return snprintf(out, PATH_MAX, "%s", path) < PATH_MAX ? 0 : -ENAMETOOLONG;
    if (!getcwd(directory, sizeof directory))
        return -errno;
    int len = snprintf(out, PATH_MAX, "%s/%s", directory, path);
    return len < PATH_MAX ? 0 : -ENAMETOOLONG;
}

int rundir_add_path(struct rundir_record *record, const char *path)
{
    char absolute[PATH_MAX];
    if (!record)
        return 0;
    int status = make_absolute(path, absolute);
    return status < 0 ? status : append(record, "paths", json_string(absolute));
}

int rundir_add_child(struct rundir_record *record, pid_t pid)
{
    uint64_t start;
    if (!record)
        return 0;
    int status = rundir_start_time(pid, &start);
    if (status < 0)
        return status;
    return append(record, "children",
                  json_pack("{s:i, s:I}", "pid", (int)pid, "start", (json_int_t)start));
}

int rundir_add_kernel(struct rundir_record *record, const char *text)
{
    return record ? append(record, "kernel", json_string(text)) : 0;
}

void rundir_drop_path(struct rundir_record *record, const char *path)
{
    char absolute[PATH_MAX];
    if (!record || make_absolute(path, absolute) < 0)
        return;
    json_t *items = json_object_get(record->root, "paths");
    for (size_t i = json_array_size(items); i-- > 0;)
        if (strcmp(json_string_value(json_array_get(items, i)), absolute) == 0)
            (void)json_array_remove(items, i);
    (void)save(record); /* what it names too much is found to be gone */
}

void rundir_drop_child(struct rundir_record *record, pid_t pid)
{
    if (!record)
        return;
    json_t *items = json_object_get(record->root, "children");
    for (size_t i = json_array_size(items); i-- > 0;) {
        json_t *child = json_array_get(items, i);
        if (json_integer_value(json_object_get(child, "pid")) == pid)
            (void)json_array_remove(items, i);
    }
    (void)save(record); /* what it names too much is found to be gone */
}

int rundir_note(struct rundir_record *record, const char *key, json_t *value)
{
    if (!record) {
        json_decref(value);
        return 0;
    }
    if (json_object_set_new(record->root, key, value) < 0)
        return -ENOMEM;
    return save(record);
}

static json_t *list_words(const char *const *words)
{
    json_t *list = json_array();
    for (; words && *words; words++)
        if (json_array_append_new(list, json_string(*words)) < 0)
            return json_decref(list), NULL;
    return list;
}

static bool is_ours(const char *item)
{
    for (char **at = environ; *at; at++)
        if (strcmp(*at, item) == 0)
            return true;
    return false;
}

/* What differs from our own environment. */
static json_t *list_env(const char *const *env)
{
    json_t *list = json_array();
    for (; env && *env; env++)
        if (!is_ours(*env) && json_array_append_new(list, json_string(*env)) < 0)
            return json_decref(list), NULL;
    return list;
}

int rundir_owe(struct rundir_record *record, const struct rundir_debt *debt,
               unsigned *id)
{
    char directory[PATH_MAX];
    *id = 0;
    if (!record)
        return 0;
    if (!getcwd(directory, sizeof directory))
        return -errno;
    json_t *argv = list_words(debt->argv), *env = list_env(debt->env);
    if (!argv || !env || utf8_valid(directory, strlen(directory)) < strlen(directory)) {
        json_decref(argv);
        json_decref(env);
        return -EILSEQ;
    }
    int status = append(record, "owed",
                        json_pack("{s:i, s:s, s:s, s:o, s:o, s:s, s:I}", "id",
                                  (int)(record->last_id + 1), "what", debt->what,
                                  "script", debt->script ? debt->script : "", "argv",
                                  argv, "env", env, "directory", directory, "within_ms",
                                  (json_int_t)now_ns_to_ms_up(debt->within_ns)));
    if (status == 0)
        *id = ++record->last_id;
    return status;
}

void rundir_settle(struct rundir_record *record, unsigned id)
{
    if (!record || id == 0)
        return;
    json_t *items = json_object_get(record->root, "owed");
    for (size_t i = json_array_size(items); i-- > 0;)
        if (json_integer_value(json_object_get(json_array_get(items, i), "id")) ==
            (json_int_t)id)
            (void)json_array_remove(items, i);
    (void)save(record); /* what it owes too much is undone once more */
}
