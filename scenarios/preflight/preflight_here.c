/* SPDX-License-Identifier: MIT */
/* Checks of the machine that the drill runs on. What only a new user namespace can tell
 * is tried in a child, so that this process stays where it is. */
#include "proxy/base/memory.h"
#include "proxy/base/rundir.h"
#include "rules/faults/fault.h"
#include "scenarios/drill/claim.h"
#include "scenarios/lab/lab_user.h"
#include "scenarios/playbook/playbook.h"
#include "scenarios/preflight/preflight.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

/* Reading it has shown all: promote, kill and pause without a command, faults between
 * nodes that pass no proxy. */
void preflight_playbook(struct preflight *preflight)
{
    if (!preflight->playbook_word)
        return;
    if (preflight->playbook) {
        preflight_add(preflight, PREFLIGHT_OK, PREFLIGHT_HERE, "%s fits the cluster",
                      preflight->playbook_word);
        return;
    }
    preflight_add(preflight, PREFLIGHT_MISSING, PREFLIGHT_HERE,
                  "%s does not fit the cluster: %zu error%s, told above",
                  preflight->playbook_word, preflight->wrong,
                  preflight->wrong == 1 ? "" : "s");
    preflight_mend(preflight,
                   "netsplit drill %s --cluster %s --dry-run # says them again",
                   preflight->playbook_word, preflight->cluster->source.name);
}

/* Had for a moment only: the drill that is to follow takes it again. */
void preflight_claim(struct preflight *preflight)
{
    struct claim claim = {.n = 0};
    struct errmsg err = {""};
    if (!preflight->cluster->places)
        return; /* what a drill starts is nobody else's */
    int status = claim_take(preflight->cluster, &claim, &err);
    claim_release(&claim);
    if (status == 0) {
        preflight_add(preflight, PREFLIGHT_OK, PREFLIGHT_HERE,
                      "nobody drills it from this machine");
        return;
    }
    preflight_add(preflight, PREFLIGHT_MISSING, PREFLIGHT_HERE, "%s", err.text);
    preflight_mend(preflight, "%s",
                   status == -EUCLEAN
                       ? "netsplit clean"
                       : "ps -fC netsplit # who drills; wait, or ask them");
}

/* Programs whose package has another name, as Debian calls it. */
static const struct {
    const char *program, *package;
} packages[] = {
    {"redis-cli", "redis-tools"},
    {"psql", "postgresql-client"},
    {"awk", "mawk"},
    {"setpriv", "util-linux"},
    {"ssh", "openssh-client"},
    {"docker", "docker.io"},
    {"mysql", "mariadb-client"},
    {"etcdctl", "etcd-client"},
    {"kubectl", "kubernetes-client"},
    {"ip", "iproute2"},
};

static const char *package_of(const char *program)
{
    for (size_t i = 0; i < sizeof packages / sizeof *packages; i++)
        if (strcmp(packages[i].program, program) == 0)
            return packages[i].package;
    return program;
}

/* Adds it to what was found, or tells that it is missing. */
static void look_for(struct preflight *preflight, const char *program, char **found)
{
    const struct cluster one = {.programs = &program, .n_programs = 1};
    bool is_path = strchr(program, '/');
    if (!cluster_lacks(&one)) {
        char *longer = xasprintf("%s%s%s", *found, **found ? ", " : "", program);
        free(*found);
        *found = longer;
        return;
    }
    preflight_add(preflight, PREFLIGHT_MISSING, PREFLIGHT_HERE, "%s is not %s", program,
                  is_path ? "there, or may not be run" : "on PATH");
    if (is_path)
        preflight_mend(preflight, "chmod +x '%s', or correct `driver:` in %s", program,
                       preflight->cluster->source.name);
    else
        preflight_mend(preflight, "apt-get install %s", package_of(program));
}

void preflight_programs(struct preflight *preflight)
{
    const struct cluster *cluster = preflight->cluster;
    char *found = xstrdup("");
    for (size_t i = 0; i < cluster->n_programs; i++)
        look_for(preflight, cluster->programs[i], &found);
    if (cluster->program)
        look_for(preflight, cluster->program, &found);
    for (size_t i = 0; i < cluster->n_modes; i++) /* those with one of their own */
        if (cluster->modes[i].program && cluster->modes[i].program != cluster->program)
            look_for(preflight, cluster->modes[i].program, &found);
    if (*found)
        preflight_add(preflight, PREFLIGHT_OK, PREFLIGHT_HERE, "on PATH: %s", found);
    free(found);
    const char *secret = cluster_lacks_secret(cluster);
    if (!secret)
        return;
    preflight_add(preflight, PREFLIGHT_MISSING, PREFLIGHT_HERE,
                  "the variable %s is not set", secret);
    preflight_mend(preflight, "read -rs %s; export %s", secret, secret);
}

#define SPACE_NEEDED_BYTES UINT64_C(16777216)  /* a short drill's results */
#define SPACE_WANTED_BYTES UINT64_C(536870912) /* long histories are large */

static void check_disk(struct preflight *preflight, const char *path, const char *use)
{
    struct statvfs disk;
    if (access(path, W_OK) != 0 || statvfs(path, &disk) != 0) {
        preflight_add(preflight, PREFLIGHT_MISSING, PREFLIGHT_HERE,
                      "%s, for %s, cannot be written: %s", path, use, strerror(errno));
        preflight_mend(preflight, "give netsplit drill an --out DIR of yours, or run "
                                  "it where you may write");
        return;
    }
    uint64_t free_bytes = (uint64_t)disk.f_bavail * disk.f_frsize;
    enum preflight_level level = free_bytes < SPACE_NEEDED_BYTES   ? PREFLIGHT_MISSING
                                 : free_bytes < SPACE_WANTED_BYTES ? PREFLIGHT_NOTE
                                                                   : PREFLIGHT_OK;
    preflight_add(preflight, level, PREFLIGHT_HERE, "%" PRIu64 " MB free for %s (%s)",
                  free_bytes / 1000000, use, path);
    if (level != PREFLIGHT_OK)
        preflight_mend(preflight, "df -h %s # and make room", path);
}

void preflight_space(struct preflight *preflight)
{
    char directory[RUNDIR_PATH_BYTES];
    const char *temporary = getenv("TMPDIR");
    struct errmsg err = {""};
    check_disk(preflight, ".", "results");
    check_disk(preflight, temporary && *temporary ? temporary : "/tmp",
               "temporary files");
    if (rundir_find(directory, &err) == 0)
        return;
    preflight_add(preflight, PREFLIGHT_MISSING, PREFLIGHT_HERE,
                  "the directory of control sockets: %s", err.text);
    preflight_mend(preflight, "export XDG_RUNTIME_DIR=DIR # one of your own, with mode "
                              "0700");
}

void preflight_descriptors(struct preflight *preflight)
{
    struct rlimit limit = {0, 0};
    /* A process has a socket, the proxy two more for it; and some are open anyway. */
    uint64_t needed = 128 + 4 * (uint64_t)preflight_processes(preflight->playbook);
    (void)getrlimit(RLIMIT_NOFILE, &limit); /* cannot fail */
    bool enough = limit.rlim_cur >= needed;
    preflight_add(preflight, enough ? PREFLIGHT_OK : PREFLIGHT_MISSING, PREFLIGHT_HERE,
                  "%" PRIu64 " open files allowed, a drill%s needs about %" PRIu64,
                  (uint64_t)limit.rlim_cur,
                  preflight->playbook ? " of this playbook" : "", needed);
    if (!enough)
        preflight_mend(preflight, "ulimit -n %" PRIu64, needed);
}

static bool rules_need_kernel(const struct rules *rules)
{
    for (size_t i = 0; rules && i < rules->n_rules; i++) {
        const struct rule *rule = &rules->rules[i];
        if (rule->kind != RULE_INJECT && rule->how_given && rule->how == HOW_DROP &&
            !rule->has_fallback)
            return true;
        if (rule->ports_all && !rule->has_fallback)
            return true;
        for (size_t k = 0; k < rule->n_faults; k++)
            if (rule->faults[k].fault->in_kernel && !rule->fallback_is_model)
                return true;
    }
    return false;
}

/* Whether this process may make namespaces, if only in a user namespace; else why not,
 * with what mends it. In a child, for there is no way back. */
static bool may_make_lab(struct errmsg *err)
{
    int pipes[2];
    if (pipe(pipes) != 0)
        return true; /* the drill will see */
    pid_t pid = fork();
    if (pid == 0) {
        bool may = lab_user_is_privileged() || lab_user_enter(err) == 0;
        (void)!write(pipes[1], err, sizeof *err); /* nobody left to tell */
        _exit(may ? 0 : 1);
    }
    int status = 0;
    (void)close(pipes[1]);
    if (pid > 0 && read(pipes[0], err, sizeof *err) != (ssize_t)sizeof *err)
        errmsg_set(err, "nobody knows why");
    (void)close(pipes[0]);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status == 0;
}

static void check_lab(struct preflight *preflight)
{
    struct errmsg err = {""};
    if (may_make_lab(&err)) {
        preflight_add(preflight, PREFLIGHT_OK, PREFLIGHT_HERE,
                      "network namespaces for the lab can be made");
        return;
    }
    preflight_add(preflight, PREFLIGHT_MISSING, PREFLIGHT_HERE,
                  "the lab cannot be made: %s", err.text);
    const char *sysctl = strstr(err.text, "sysctl -w ");
    preflight_mend(preflight, "sudo %s", sysctl ? sysctl : "netsplit drill ...");
}

/* The namespaces of nodes that run, where the proxy is to work in them. A container's is
 * found by its engine, when the proxy starts. */
static void check_namespaces(struct preflight *preflight)
{
    const struct cluster *cluster = preflight->cluster;
    for (size_t i = 0; i < cluster->n_nodes; i++) {
        const struct place *place = &cluster->places[i].netns;
        char path[PATH_MAX] = "";
        if (place->kind == PLACE_NETNS)
            (void)snprintf(path, sizeof path, "%s", place->text);
        else if (place->kind == PLACE_PID)
            (void)snprintf(path, sizeof path, "/proc/%" PRIu32 "/ns/net", place->pid);
        if (!*path || access(path, R_OK) == 0)
            continue;
        preflight_add(preflight, PREFLIGHT_MISSING, i, "its network namespace %s: %s",
                      path, strerror(errno));
        preflight_mend(
            preflight, "ip netns list; lsns -t net # and correct `%s:` in %s",
            place->kind == PLACE_NETNS ? "netns" : "pid", cluster->source.name);
    }
}

static bool playbook_needs_kernel(const struct playbook *playbook)
{
    for (size_t i = 0; playbook && i < playbook->n_steps; i++)
        if (rules_need_kernel(playbook->steps[i].rules))
            return true;
    return false;
}

void preflight_privilege(struct preflight *preflight)
{
    const struct cluster *cluster = preflight->cluster;
    bool intercepts = cluster->places && cluster->intercept != INTERCEPT_LISTEN;
    if (cluster->has_lab) {
        check_lab(preflight);
        return;
    }
    if (cluster->control ||
        (!intercepts && !playbook_needs_kernel(preflight->playbook)))
        return; /* the proxy that runs has its own; or nothing needs any */
    if (intercepts)
        check_namespaces(preflight);
    if (lab_user_is_privileged()) {
        preflight_add(preflight, PREFLIGHT_OK, PREFLIGHT_HERE,
                      "what the drill does in the kernel is allowed");
    } else if (intercepts) {
        preflight_add(preflight, PREFLIGHT_MISSING, PREFLIGHT_HERE,
                      "intercept: %s needs CAP_NET_ADMIN and CAP_SYS_ADMIN",
                      rule_intercept_name(cluster->intercept));
        preflight_mend(preflight, "sudo netsplit drill ...");
    } else {
        preflight_add(preflight, PREFLIGHT_MISSING, PREFLIGHT_HERE,
                      "the playbook drops packets or works on them, which needs "
                      "CAP_NET_ADMIN");
        preflight_mend(preflight,
                       "sudo netsplit drill ... # or in the playbook: fallback: stall "
                       "(model for packet_ faults)");
    }
}
