/* SPDX-License-Identifier: MIT */
/* The table of checks, and what they find. Findings are printed when the next one, or
 * the end of their check, shows that nothing more is to be said of them, and kept as
 * JSON objects. A signal ends the row of checks; what one of them began it has undone
 * itself by then. */
#include "scenarios/preflight/preflight.h"

#include "proxy/base/memory.h"
#include "proxy/base/now.h"
#include "proxy/base/rundir.h"
#include "scenarios/playbook/playbook.h"
#include "scenarios/preflight/preflight_system.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const struct preflight_check checks[] = {
    {"playbook", "whether it fits the cluster, its commands and paths",
     preflight_playbook},
    {"claim", "that no other drill is under way there", preflight_claim},
    {"programs", "the programs and secrets that the cluster file needs",
     preflight_programs},
    {"space", "room here for results and control sockets", preflight_space},
    {"descriptors", "open files that this shell allows", preflight_descriptors},
    {"privilege", "what faults in the kernel and network namespaces need",
     preflight_privilege},
    {"control", "a proxy that runs already, and that it knows the nodes",
     preflight_control},
    {"exec", "a shell on each node that reads its script", preflight_exec},
    {"reach", "each node's address from here", preflight_reach},
    {"login", "the drill's user, as its driver connects", preflight_login},
    {"role", "primary and standbys, as `role:` and the servers say; `ready:`",
     preflight_roles},
    {"rights", "what the drill's user may do, on its own schema only",
     preflight_rights},
    {"tls", "encryption, which hides messages from rules", preflight_tls},
    {"sockets", "Unix sockets, which pass by every proxy", preflight_sockets},
    {"replication", "the paths between the nodes", preflight_replication},
    {"connections", "connections that live already", preflight_connections},
    {"through", "a proxy as the drill's, and whom the server sees behind it",
     preflight_through},
    {"clocks", "each host's and server's clock against ours", preflight_clocks},
};

const struct preflight_check *preflight_get(size_t i)
{
    return i < sizeof checks / sizeof *checks ? &checks[i] : NULL;
}

/* As in enum preflight_level. */
static const char *const level_names[] = {"ok", "note", "missing"};
static const char *const level_words[] = {"ok", "note", "MISSING"};
static const char *const level_colours[] = {"\033[32m", "\033[33m", "\033[1;31m"};

static const char *text_of(const json_t *finding, const char *key)
{
    return json_string_value(json_object_get(finding, key));
}

static void print_last(struct preflight *preflight)
{
    const json_t *finding = preflight->last;
    preflight->last = NULL;
    if (!finding || !preflight->to)
        return;
    enum preflight_level level = preflight->last_level;
    const char *node = text_of(finding, "node"), *mend = text_of(finding, "mend");
    fprintf(preflight->to, "  %s%-7s%s  %-11s  %s%s%s\n",
            preflight->colour ? level_colours[level] : "", level_words[level],
            preflight->colour ? "\033[0m" : "", text_of(finding, "check"),
            node ? node : "", node ? ": " : "", text_of(finding, "text"));
    if (mend)
        fprintf(preflight->to, "  %22s  mend: %s\n", "", mend);
    (void)fflush(preflight->to); /* the next one may take its time */
}

/* On one line, without double blanks, control characters and secrets; owned by the
 * caller. */
__attribute__((format(printf, 2, 0))) static json_t *
one_line(const struct redact *secrets, const char *format, va_list values)
{
    char text[2048];
    size_t to = 0;
    (void)vsnprintf(text, sizeof text, format, values);
    for (size_t from = 0; text[from]; from++) {
        bool blank = (unsigned char)text[from] <= ' ' || text[from] == 0x7f;
        if (!blank)
            text[to++] = text[from];
        else if (to > 0 && text[to - 1] != ' ')
            text[to++] = ' ';
    }
    while (to > 0 && text[to - 1] == ' ')
        to--;
    text[to] = '\0';
    char *clean = redact_copy(secrets, text);
    json_t *line = json_string(clean);
    free(clean);
    return line ? line : json_string("(not UTF-8)");
}

void preflight_add(struct preflight *preflight, enum preflight_level level, size_t node,
                   const char *format, ...)
{
    va_list values;
    print_last(preflight);
    json_t *finding =
        json_pack("{s:s, s:s?, s:s}", "check", preflight->check->name, "node",
                  node == PREFLIGHT_HERE ? NULL : preflight->cluster->nodes[node],
                  "level", level_names[level]);
    va_start(values, format);
    if (!finding ||
        json_object_set_new(finding, "text",
                            one_line(preflight->secrets, format, values)) != 0 ||
        json_array_append_new(preflight->findings, finding) != 0)
        abort(); /* out of memory: as xcalloc */
    va_end(values);
    preflight->last = finding;
    preflight->last_level = level;
    preflight->missing += level == PREFLIGHT_MISSING;
    preflight->notes += level == PREFLIGHT_NOTE;
}

void preflight_mend(struct preflight *preflight, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    if (json_object_set_new(preflight->last, "mend",
                            one_line(preflight->secrets, format, values)) != 0)
        abort(); /* likewise */
    va_end(values);
}

void preflight_mend_with(struct preflight *preflight, const char *template,
                         const char *word)
{
    const char *at = strstr(template, "%s");
    if (at)
        preflight_mend(preflight, "%.*s%s%s", (int)(at - template), template, word,
                       at + 2);
    else
        preflight_mend(preflight, "%s", template);
}

uint64_t preflight_until(const struct preflight *preflight)
{
    return now_ns() + preflight->within_ns;
}

struct driver_endpoint preflight_endpoint(const struct preflight *preflight,
                                          size_t node)
{
    const struct cluster_place *place = &preflight->cluster->places[node];
    struct driver_endpoint endpoint = {.port = place->port};
    (void)snprintf(endpoint.address, sizeof endpoint.address, "%s", place->address);
    return endpoint;
}

bool preflight_is_over(const struct preflight *preflight)
{
    return patience_signal(&preflight->patience) != 0;
}

int preflight_find_place(const struct preflight *preflight, const char *address,
                         unsigned port)
{
    const struct cluster *cluster = preflight->cluster;
    for (size_t i = 0; cluster->places && i < cluster->n_nodes; i++)
        if (cluster->places[i].port == port &&
            strcmp(cluster->places[i].address, address) == 0)
            return (int)i;
    return -1;
}

long preflight_processes(const struct playbook *playbook)
{
    struct workload_plan plan;
    for (size_t i = 0; playbook && i < playbook->n_steps; i++)
        if (playbook->steps[i].verb->kind == STEP_WORKLOAD)
            return (long)playbook->steps[i].workload.settings.processes;
    workload_default(workload_get(0), &plan);
    return (long)plan.settings.processes;
}

int preflight_run(struct preflight *preflight, int *ended_by, struct errmsg *err)
{
    int status = patience_open(&preflight->patience);
    *ended_by = 0;
    preflight->findings = json_array();
    preflight->system = preflight_find_system(preflight->cluster->driver);
    if (status != 0) {
        errmsg_set(err, "signals cannot be waited for: %s", strerror(-status));
        return status;
    }
    (void)rundir_record_open(&preflight->record, "preflight", NULL); /* see `space` */
    for (size_t i = 0; preflight_get(i) && *ended_by == 0; i++) {
        preflight->check = preflight_get(i);
        preflight->check->run(preflight);
        *ended_by = patience_signal(&preflight->patience);
        if (*ended_by == 0)
            print_last(preflight); /* else it says what the signal did to it */
    }
    preflight_log_out(preflight);
    rundir_record_close(preflight->record);
    return 0;
}

void preflight_close(struct preflight *preflight)
{
    json_decref(preflight->findings);
    preflight->findings = NULL;
    json_decref(preflight->proxy);
    preflight->proxy = NULL;
    patience_close(&preflight->patience);
}
