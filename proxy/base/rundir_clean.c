/* SPDX-License-Identifier: MIT */
/* Removes what dead runs left behind.
 *
 * A record is believed only as far as it can be checked: a process is killed if its
 * start time is still the one that was noted, so that a reused pid is safe; a socket is
 * removed if it is ours and nobody answers at it; a directory if it is ours, lies
 * directly below the temporary directory, and has our name; an overlay of a proxy that
 * runs on if its name is one of that run's. Whatever fails a check is named and left.
 * What a run owes is run (rundir_owed.h says why that is safe). Running it twice, or
 * beside live runs, does no harm. */
#include "proxy/base/control_client.h"
#include "proxy/base/namespace.h"
#include "proxy/base/now.h"
#include "proxy/base/rundir.h"
#include "proxy/base/rundir_owed.h"
#include "proxy/base/tempdir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { KILL_WAIT_MS = 2000 };
#define CONTROL_WAIT_NS (2 * NS_PER_S) /* for a proxy's answer */

struct sweep {
    rundir_removed_fn on_removed;
    void *arg;
    int n_removed;
    bool has_killed;  /* somebody, in this pass */
    const char *what; /* of the record at hand: "drill" */
    int pid;
    pid_t only_pid; /* the run that is meant; 0 = all */
    bool forgets;   /* what is owed */
    int n_owed;     /* still */
};

static void say(struct sweep *sweep, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void say(struct sweep *sweep, const char *format, ...)
{
    char line[PATH_MAX + 128];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (sweep->on_removed)
        sweep->on_removed(sweep->arg, line);
}

/* Kills the process, with its group if it leads one, and waits until it is gone: what
 * it still writes would come back after its directory was removed. */
static void kill_child(struct sweep *sweep, const json_t *child)
{
    pid_t pid = (pid_t)json_integer_value(json_object_get(child, "pid"));
    uint64_t noted = (uint64_t)json_integer_value(json_object_get(child, "start"));
    uint64_t start;
    if (pid <= 1)
        return;
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0)
        return;
    /* Checked after the descriptor was taken, which pins the process. */
    if (rundir_start_time(pid, &start) == 0 && start == noted) {
        pid_t target = getpgid(pid) == pid ? -pid : pid;
        if (kill(target, SIGKILL) == 0) {
            (void)poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, KILL_WAIT_MS);
            say(sweep, "killed process %d, left by %s %d", (int)pid, sweep->what,
                sweep->pid);
            sweep->n_removed++;
            sweep->has_killed = true;
        } else {
            say(sweep, "left process %d: %s", (int)pid, strerror(errno));
        }
    }
    (void)close(fd);
}

static void remove_socket(struct sweep *sweep, const char *path)
{
    pid_t pid;
    if (strlen(path) >= RUNDIR_PATH_BYTES)
        say(sweep, "left socket %s: its path is too long to be one of ours", path);
    else if (rundir_probe_control(path, &pid) != -ECONNREFUSED)
        say(sweep, "left socket %s: it answers", path);
    else if (unlink(path) < 0)
        say(sweep, "left socket %s: %s", path, strerror(errno));
    else {
        say(sweep, "removed socket %s", path);
        sweep->n_removed++;
    }
}

/* Whether path is DIRECTORY/netsplit-..., symbolic links in DIRECTORY resolved. */
static bool lies_directly_below(const char *path, const char *directory)
{
    char parent[PATH_MAX], wanted[PATH_MAX], real[PATH_MAX];
    const char *slash = strrchr(path, '/');
    if (!directory || !slash || slash == path || !realpath(directory, wanted))
        return false;
    int len = snprintf(parent, sizeof parent, "%.*s", (int)(slash - path), path);
    return len < PATH_MAX && realpath(parent, real) && strcmp(real, wanted) == 0;
}

static void remove_directory(struct sweep *sweep, const char *path)
{
    if (!lies_directly_below(path, "/tmp") &&
        !lies_directly_below(path, getenv("TMPDIR"))) {
        say(sweep, "left directory %s: it is not directly below /tmp or $TMPDIR", path);
        return;
    }
    int status = tempdir_remove(path);
    if (status == 0) {
        say(sweep, "removed directory %s", path);
        sweep->n_removed++;
    } else {
        say(sweep, "left directory %s: %s", path,
            status == -EINVAL ? "its name does not begin with netsplit-"
                              : strerror(-status));
    }
}

static void remove_name(struct sweep *sweep, const char *path)
{
    int status = namespace_remove_name(path);
    if (status == 0) {
        say(sweep, "removed network namespace %s", path);
        sweep->n_removed++;
    } else {
        say(sweep, "left network namespace %s: %s", path, strerror(-status));
    }
}

static void remove_path(struct sweep *sweep, const char *path)
{
    struct stat info;
    if (!path || lstat(path, &info) < 0)
        return; /* gone already */
    if (info.st_uid != geteuid())
        say(sweep, "left %s: it belongs to another user", path);
    else if (S_ISSOCK(info.st_mode))
        remove_socket(sweep, path);
    else if (S_ISDIR(info.st_mode))
        remove_directory(sweep, path);
    else if (namespace_is_name(path))
        remove_name(sweep, path);
    else
        say(sweep, "left %s: it is neither a socket nor a directory", path);
}

static void remove_overlay(struct sweep *sweep, const char *control, const char *name)
{
    char target[160];
    struct errmsg err = {""};
    (void)snprintf(target, sizeof target, "/v1/overlays/%s", name);
    if (control_call(control, "DELETE", target, NULL, CONTROL_WAIT_NS, NULL, &err) ==
        200) {
        say(sweep, "removed overlay %s from the proxy at %s", name, control);
        sweep->n_removed++;
    } else {
        say(sweep, "left overlay %s at the proxy at %s: %s", name, control, err.text);
    }
}

/* Of a proxy that lives: those whose names begin as the record says. They have leases,
 * so that there may be none any more. */
static void remove_overlays(struct sweep *sweep, const json_t *noted)
{
    const char *control = json_string_value(json_object_get(noted, "control"));
    const char *prefix = json_string_value(json_object_get(noted, "prefix"));
    json_t *body = NULL;
    struct errmsg err = {""};
    if (!control || !prefix || !prefix[0])
        return;
    if (control_call(control, "GET", "/v1/status", NULL, CONTROL_WAIT_NS, &body,
                     &err) == 200) {
        const json_t *all = json_object_get(body, "overlays");
        for (size_t i = 0; i < json_array_size(all); i++) {
            const json_t *one = json_array_get(all, i);
            const char *name = json_string_value(json_object_get(one, "name"));
            if (name && strncmp(name, prefix, strlen(prefix)) == 0)
                remove_overlay(sweep, control, name);
        }
    }
    json_decref(body);
}

/* Whether it is owed no more. */
static bool pay(struct sweep *sweep, const json_t *debt)
{
    const char *what = json_string_value(json_object_get(debt, "what"));
    const char *script = json_string_value(json_object_get(debt, "script"));
    int length = script ? (int)strcspn(script, "\n") : 0;
    char told[256] = "given up";
    bool can_run = json_array_size(json_object_get(debt, "argv")) > 0;
    if (can_run && !sweep->forgets && rundir_pay(debt, told, sizeof told)) {
        say(sweep, "undone: %s, left by %s %d", what ? what : "?", sweep->what,
            sweep->pid);
        sweep->n_removed++;
        return true;
    }
    if (!can_run)
        say(sweep, "left by %s %d: %s", sweep->what, sweep->pid, what ? what : "?");
    else
        say(sweep, "NOT UNDONE: %s, left by %s %d: %s; by hand: %.*s",
            what ? what : "?", sweep->what, sweep->pid, told, length,
            script ? script : "");
    return !can_run || sweep->forgets;
}

/* The last first, as they lie on each other. What stays owed stays in root. */
static int pay_all(struct sweep *sweep, json_t *root)
{
    json_t *owed = json_object_get(root, "owed");
    for (size_t i = json_array_size(owed); i-- > 0;)
        if (pay(sweep, json_array_get(owed, i)))
            (void)json_array_remove(owed, i);
    return (int)json_array_size(owed);
}

static void undo(struct sweep *sweep, json_t *root)
{
    const json_t *children = json_object_get(root, "children");
    const json_t *paths = json_object_get(root, "paths");
    for (size_t i = json_array_size(children); i-- > 0;)
        kill_child(sweep, json_array_get(children, i));
    /* A network that is cut might be in the way of what is owed. */
    remove_overlays(sweep, json_object_get(root, "overlays"));
    sweep->n_owed += pay_all(sweep, root);
    for (size_t i = json_array_size(paths); i-- > 0;)
        remove_path(sweep, json_string_value(json_array_get(paths, i)));
}

/* The name of a record, perhaps of one that was being written: whose it is. */
static bool parse_name(const char *name, int *pid, bool *is_whole, bool *is_alive)
{
    uint64_t noted, start;
    int end = 0;
    if (sscanf(name, "run-%d-%" SCNu64 "%n", pid, &noted, &end) != 2)
        return false;
    *is_whole = name[end] == '\0';
    *is_alive = rundir_start_time(*pid, &start) == 0 && start == noted;
    return *is_whole || strcmp(name + end, ".new") == 0;
}

static bool is_meant(const struct sweep *sweep, int pid)
{
    return sweep->only_pid == 0 || sweep->only_pid == pid;
}

/* Only what is owed stays in it, for the next time. */
static void keep_owed(struct sweep *sweep, const char *path, json_t *root)
{
    char fresh[PATH_MAX + 8];
    (void)snprintf(fresh, sizeof fresh, "%s.new", path);
    (void)json_object_set_new(root, "children", json_array());
    (void)json_object_set_new(root, "paths", json_array());
    if (json_dump_file(root, fresh, JSON_COMPACT) < 0 || rename(fresh, path) < 0)
        say(sweep, "left %s: it cannot be written: %s", path, strerror(errno));
}

static void undo_file(struct sweep *sweep, const char *path, bool is_whole, int pid)
{
    json_t *root = is_whole ? json_load_file(path, 0, NULL) : NULL;
    const char *what = json_string_value(json_object_get(root, "what"));
    int owed = sweep->n_owed;
    sweep->what = what ? what : "run";
    sweep->pid = pid;
    undo(sweep, root);
    if (sweep->n_owed > owed) {
        keep_owed(sweep, path, root);
    } else if (unlink(path) == 0) {
        say(sweep, "removed the record of %s %d", sweep->what, pid);
        sweep->n_removed++;
    } else {
        say(sweep, "left %s: %s", path, strerror(errno));
    }
    json_decref(root);
}

/* A file of the runtime directory: a record of a run that is dead is undone and goes,
 * as does one that was being written when the run died. */
static void sweep_file(struct sweep *sweep, const char *directory, const char *name)
{
    char path[PATH_MAX];
    bool is_whole, is_alive;
    int pid;
    if (!parse_name(name, &pid, &is_whole, &is_alive) || is_alive ||
        !is_meant(sweep, pid))
        return;
    (void)snprintf(path, sizeof path, "%s/%s", directory, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0) {
        say(sweep, "left %s: another netsplit clean is at it", path);
    } else {
        undo_file(sweep, path, is_whole, pid);
    }
    if (fd >= 0)
        (void)close(fd); /* unlocks */
}

static DIR *open_directory(char path[static RUNDIR_PATH_BYTES], int *status,
                           struct errmsg *err)
{
    *status = rundir_find(path, err);
    if (*status < 0)
        return NULL;
    DIR *entries = opendir(path);
    if (entries)
        return entries;
    *status = -errno;
    errmsg_set(err, "reading %s: %s", path, strerror(-*status));
    return NULL;
}

static int each(bool alive, rundir_run_fn on_run, void *arg, struct errmsg *err)
{
    char directory[RUNDIR_PATH_BYTES], path[PATH_MAX];
    int status;
    DIR *entries = open_directory(directory, &status, err);
    if (!entries)
        return status;
    for (const struct dirent *entry = readdir(entries); entry;
         entry = readdir(entries)) {
        bool is_whole, is_alive;
        int pid;
        if (!parse_name(entry->d_name, &pid, &is_whole, &is_alive) || !is_whole ||
            is_alive != alive)
            continue;
        (void)snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        json_t *root = json_load_file(path, 0, NULL);
        if (root)
            on_run(arg, pid, root);
        json_decref(root);
    }
    (void)closedir(entries); /* it was only read */
    return 0;
}

int rundir_each(rundir_run_fn on_run, void *arg, struct errmsg *err)
{
    return each(true, on_run, arg, err);
}

int rundir_each_dead(rundir_run_fn on_run, void *arg, struct errmsg *err)
{
    return each(false, on_run, arg, err);
}

/* Who is killed may have a record too, which was passed over while it lived: then there
 * is another pass. It ends, because nobody is killed twice. */
static int sweep_all(struct sweep *sweep, char directory[static RUNDIR_PATH_BYTES],
                     struct errmsg *err)
{
    do {
        int status;
        DIR *entries = open_directory(directory, &status, err);
        if (!entries)
            return status;
        sweep->has_killed = false;
        for (const struct dirent *entry = readdir(entries); entry;
             entry = readdir(entries))
            sweep_file(sweep, directory, entry->d_name);
        (void)closedir(entries); /* it was only read */
    } while (sweep->has_killed);
    return 0;
}

int rundir_clean_run(pid_t pid, rundir_removed_fn on_removed, void *arg,
                     struct errmsg *err)
{
    char directory[RUNDIR_PATH_BYTES];
    struct sweep sweep = {.on_removed = on_removed, .arg = arg, .only_pid = pid};
    int status = sweep_all(&sweep, directory, err);
    return status < 0 ? status : sweep.n_removed;
}

static void remove_dead_control(struct sweep *sweep, const char *directory)
{
    char control[RUNDIR_PATH_BYTES + 16];
    struct stat info;
    pid_t pid;
    (void)snprintf(control, sizeof control, "%s/control", directory);
    if (lstat(control, &info) == 0 && S_ISSOCK(info.st_mode) &&
        rundir_probe_control(control, &pid) == -ECONNREFUSED)
        remove_socket(sweep, control);
}

static int clean(struct sweep *sweep, struct errmsg *err)
{
    char directory[RUNDIR_PATH_BYTES];
    int status = sweep_all(sweep, directory, err);
    if (status < 0)
        return status;
    remove_dead_control(sweep, directory);
    if (sweep->n_owed == 0)
        return sweep->n_removed;
    errmsg_set(err, "not everything is undone: mend what hinders it and run `netsplit "
                    "clean` again, or do it by hand and say --forget");
    return -EAGAIN;
}

int rundir_clean(rundir_removed_fn on_removed, void *arg, struct errmsg *err)
{
    return clean(&(struct sweep){.on_removed = on_removed, .arg = arg}, err);
}

int rundir_forget(rundir_removed_fn on_removed, void *arg, struct errmsg *err)
{
    return clean(&(struct sweep){.on_removed = on_removed, .arg = arg, .forgets = true},
                 err);
}
