/* SPDX-License-Identifier: MIT */
/* Checks of each node from outside: a shell there, its address, its role. What a
 * command said is passed on, for it is the best hint there is; what usually stands
 * behind such words is a row of a table. */
#include "proxy/base/now.h"
#include "rules/unit.h"
#include "scenarios/preflight/preflight.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static const char *name_of(const struct preflight *preflight, size_t node)
{
    return preflight->cluster->nodes[node];
}

static const char *file_of(const struct preflight *preflight)
{
    return preflight->cluster->source.name;
}

/* What the wrappers of the day say when they cannot. "%s" is the node's exec, as it
 * stands in the cluster file. */
static const struct {
    const char *said, *mend;
} exec_mends[] = {
    {"Permission denied (", "%s true # by hand, after ssh-copy-id to the node"},
    {"Host key verification failed",
     "%s true # by hand once; compare the key that it shows"},
    {"Could not resolve hostname",
     "correct the host in `exec: %s`, or add it to /etc/hosts"},
    {"Connection refused", "start sshd on the node, or correct `exec: %s`"},
    {"timed out", "%s true # by hand; is there a firewall between here and the node?"},
    {"No such container", "docker ps -a # and correct `exec: %s`"},
    {"is not running", "docker start it; `exec: %s` needs it running"},
    {"executable file not found in",
     "`exec: %s` needs a shell: install one in the image, or name a container that "
     "has one"},
    {"sh: not found", "`exec: %s` needs a shell called sh on the node"},
    {"not found", "correct `exec: %s`: its program is not on PATH"},
    {"No such file", "correct `exec: %s`: its program is not there"},
    {"ermission denied", "chmod +x what `exec: %s` names, or ask for the right"},
};

static const char *mend_exec(const struct preflight_answer *answer)
{
    for (size_t i = 0; i < sizeof exec_mends / sizeof *exec_mends; i++)
        if (strstr(answer->text, exec_mends[i].said))
            return exec_mends[i].mend;
    return "echo true | %s sh -eu -s # by hand";
}

/* It waits for a host that does not answer, or for somebody who does. */
static const char *mend_waiting(const char *exec)
{
    if (strncmp(exec, "ssh ", 4) != 0)
        return "echo true | %s sh -eu -s # by hand";
    return strstr(exec, "BatchMode")
               ? "%s true # by hand; -oConnectTimeout=5 lets it give up sooner"
               : "%s -oBatchMode=yes true # by hand: in `exec:` it fails instead of "
                 "asking";
}

static void complain_exec(struct preflight *preflight, size_t node,
                          const struct preflight_answer *answer)
{
    const char *exec = preflight->cluster->places[node].exec;
    char limit[32];
    if (!exec)
        exec = "";
    if (answer->late) {
        preflight_add(preflight, PREFLIGHT_MISSING, node, "no end within %s%s%.200s",
                      unit_format_duration(preflight->within_ns, limit, sizeof limit),
                      *answer->text ? "; it said: "
                                    : "; does it wait for somebody to answer?",
                      answer->text);
        preflight_mend_with(preflight, mend_waiting(exec), exec);
    } else if (answer->status == 0) {
        preflight_add(preflight, PREFLIGHT_MISSING, node,
                      "`%s sh -eu -s` ended well without running what it was to read: "
                      "its standard input goes nowhere",
                      exec);
        preflight_mend(preflight,
                       strstr(exec, "exec") ? "put -i behind exec: docker exec -i, "
                                              "kubectl exec -i"
                                            : "let `exec: %s` hand on its standard "
                                              "input (ssh without -n)",
                       exec);
    } else {
        preflight_add(preflight, PREFLIGHT_MISSING, node, "status %d%s%.300s",
                      answer->status, *answer->text ? ": " : "", answer->text);
        preflight_mend_with(preflight, mend_exec(answer), exec);
    }
}

/* "heard", and then the time, which is more exact the later it is said. */
#define HEARD "echo netsplit-heard\ndate +%s.%N\n"

static void keep_clock(struct preflight *preflight, size_t node,
                       const struct preflight_answer *answer)
{
    long long seconds = 0;
    char fraction[16] = "";
    const char *said = strstr(answer->text, "netsplit-heard");
    if (!said || sscanf(said, "netsplit-heard %lld.%9[0-9]", &seconds, fraction) < 1)
        return;
    uint64_t ns = 0, unit = NS_PER_S;
    for (const char *at = fraction; *at; at++) {
        unit /= 10;
        ns += (uint64_t)(*at - '0') * unit;
    }
    preflight->nodes[node].clocks[0] =
        preflight_compare_clock((uint64_t)seconds * NS_PER_S + ns, unit > 1 ? unit : 0,
                                answer->asked_wall_ns, answer->answered_wall_ns);
}

void preflight_exec(struct preflight *preflight)
{
    const struct cluster *cluster = preflight->cluster;
    if (!cluster->places)
        return; /* its commands run here */
    for (size_t i = 0; i < cluster->n_nodes && !preflight_is_over(preflight); i++) {
        struct preflight_answer answer;
        char took[32];
        preflight_command(preflight, i, HEARD, &answer);
        bool heard = !answer.late && strstr(answer.text, "netsplit-heard");
        preflight->nodes[i].runs_commands = heard;
        if (preflight_is_over(preflight))
            return;
        if (!heard) {
            complain_exec(preflight, i, &answer);
            continue;
        }
        keep_clock(preflight, i, &answer);
        preflight_add(
            preflight, PREFLIGHT_OK, i, "%s%s, %s a command",
            cluster->places[i].exec ? "a shell by " : "a shell here",
            cluster->places[i].exec ? cluster->places[i].exec : "",
            unit_format_duration(answer.took_ns / NS_PER_MS * NS_PER_MS + NS_PER_MS,
                                 took, sizeof took));
    }
}

static void complain_reach(struct preflight *preflight, size_t node, int error)
{
    const struct cluster_place *place = &preflight->cluster->places[node];
    char limit[32];
    if (error == -ECONNREFUSED) {
        preflight_add(preflight, PREFLIGHT_MISSING, node,
                      "%s port %u refuses connections: nothing listens there",
                      place->address, place->port);
        preflight_mend(preflight,
                       "start the server on %s, or let it listen there (PostgreSQL: "
                       "listen_addresses, Redis: bind), or correct `ports:` in %s",
                       name_of(preflight, node), file_of(preflight));
    } else if (error == -ETIMEDOUT) {
        preflight_add(preflight, PREFLIGHT_MISSING, node,
                      "%s port %u gave no answer within %s: the host is down, or a "
                      "firewall drops",
                      place->address, place->port,
                      unit_format_duration(preflight->within_ns, limit, sizeof limit));
        preflight_mend(preflight,
                       "let this host through to port %u on %s; by hand: "
                       "nc -vz %s %u",
                       place->port, name_of(preflight, node), place->address,
                       place->port);
    } else {
        preflight_add(preflight, PREFLIGHT_MISSING, node, "%s port %u: %s%s",
                      place->address, place->port, strerror(-error),
                      error == -ENETUNREACH || error == -EHOSTUNREACH
                          ? ": there is no way to it from here"
                          : "");
        preflight_mend(preflight,
                       "ip route get %s # and correct the route, or `address:` in %s",
                       place->address, file_of(preflight));
    }
}

void preflight_reach(struct preflight *preflight)
{
    const struct cluster *cluster = preflight->cluster;
    if (!cluster->places)
        return; /* nobody listens yet */
    for (size_t i = 0; i < cluster->n_nodes && !preflight_is_over(preflight); i++) {
        struct driver_endpoint endpoint = preflight_endpoint(preflight, i);
        uint64_t since = now_ns();
        char took[32];
        int fd = patience_connect(&preflight->patience, &endpoint,
                                  preflight_until(preflight));
        uint64_t took_us = (now_ns() - since) / NS_PER_US + 1;
        preflight->nodes[i].reached = fd >= 0;
        if (fd >= 0) {
            (void)close(fd); /* nothing was sent */
            preflight_add(preflight, PREFLIGHT_OK, i,
                          "%s port %u takes connections, %s", endpoint.address,
                          endpoint.port,
                          unit_format_duration(took_us * NS_PER_US, took, sizeof took));
        } else if (fd != -EINTR) {
            complain_reach(preflight, i, fd);
        }
    }
}

/* What stands behind the words of a command of the cluster file. "%s" is the node. One
 * without exec runs here, with the password that its login was tried with. */
static const struct {
    const char *said, *mend, *mend_here; /* mend_here: NULL = mend */
} command_mends[] = {
    {"NOAUTH",
     "the command runs on %s, where your environment does not go: set REDISCLI_AUTH "
     "for "
     "its user there, not in the cluster file",
     "the password for the login to %s mends this, too: without `exec:` the command "
     "runs "
     "here and is given REDISCLI_AUTH"},
    {"no password supplied",
     "the command runs on %s, where your environment does not go: a ~/.pgpass of its "
     "user there",
     "the password for the login to %s mends this, too: without `exec:` the command "
     "runs "
     "here and is given PGPASSWORD and ~/.pgpass"},
    {"not found", "install on %s what the command needs, or name it by its whole path",
     "install here what the command needs for %s, or name it by its whole path"},
    {"refused",
     "it asks for a port or socket that nobody has on %s: NODE_HOST and NODE_PORT say "
     "where the server is",
     NULL},
};

static void mend_command(struct preflight *preflight, size_t node, const char *command,
                         const char *said)
{
    bool here = !preflight->cluster->places[node].exec;
    for (size_t i = 0; i < sizeof command_mends / sizeof *command_mends; i++)
        if (strstr(said, command_mends[i].said)) {
            const char *mend = here && command_mends[i].mend_here
                                   ? command_mends[i].mend_here
                                   : command_mends[i].mend;
            preflight_mend_with(preflight, mend, name_of(preflight, node));
            return;
        }
    preflight_mend(preflight, "correct `%s:` in %s, after a try by hand on %s", command,
                   file_of(preflight), name_of(preflight, node));
}

static void complain_command(struct preflight *preflight, size_t node,
                             const char *command, const struct preflight_answer *answer,
                             const char *wanted)
{
    char limit[32];
    (void)unit_format_duration(preflight->within_ns, limit, sizeof limit);
    if (answer->late)
        preflight_add(preflight, PREFLIGHT_MISSING, node,
                      "`%s:` had no end within %s%s%.200s", command, limit,
                      *answer->text ? "; it said: " : "", answer->text);
    else
        preflight_add(preflight, PREFLIGHT_MISSING, node,
                      "`%s:` ended with status %d%s%.300s%s", command, answer->status,
                      *answer->text ? " and said: " : " and said nothing", answer->text,
                      wanted);
    mend_command(preflight, node, command, answer->text);
}

static const char *role_name(enum preflight_role role)
{
    return role == PREFLIGHT_PRIMARY ? "primary" : "standby";
}

/* The classic: a pipe of which the last part ends well when the first has failed. */
static void compare_role(struct preflight *preflight, size_t node,
                         const struct preflight_answer *answer)
{
    struct preflight_node *out = &preflight->nodes[node];
    enum preflight_role said =
        out->session ? preflight->system->ask_role(out->session) : PREFLIGHT_UNKNOWN;
    if (said == PREFLIGHT_UNKNOWN || said == out->role)
        return;
    preflight_add(preflight, PREFLIGHT_MISSING, node,
                  "`role:` says %s, and the server itself says %s%s%.200s",
                  role_name(out->role), role_name(said),
                  strlen(answer->text) > strlen("standby ") ? "; it said: " : "",
                  strlen(answer->text) > strlen("standby ") ? answer->text : "");
    preflight_mend(preflight,
                   "correct `role:` in %s: can it ask the server where it runs, with "
                   "its password?",
                   file_of(preflight));
    out->role = said;
}

/* False if there is no role of it, or a wrong one: a finding says so. */
static bool ask_role(struct preflight *preflight, size_t node)
{
    struct preflight_answer answer;
    struct preflight_node *out = &preflight->nodes[node];
    preflight_command(preflight, node, preflight->cluster->role, &answer);
    if (preflight_is_over(preflight))
        return false;
    bool ended = !answer.late && answer.status == 0;
    if (ended && strcmp(answer.first_word, "primary") == 0)
        out->role = PREFLIGHT_PRIMARY;
    else if (ended && strcmp(answer.first_word, "standby") == 0)
        out->role = PREFLIGHT_STANDBY;
    if (out->role == PREFLIGHT_UNKNOWN)
        complain_command(preflight, node, "role", &answer,
                         ended ? "; it is to print primary or standby" : "");
    enum preflight_role said = out->role;
    if (said != PREFLIGHT_UNKNOWN)
        compare_role(preflight, node, &answer);
    return said != PREFLIGHT_UNKNOWN && said == out->role;
}

static void ask_ready(struct preflight *preflight, size_t node)
{
    struct preflight_answer answer;
    if (!preflight->cluster->commands.ready)
        return;
    preflight_command(preflight, node, preflight->cluster->commands.ready, &answer);
    if (!preflight_is_over(preflight) && (answer.late || answer.status != 0))
        complain_command(preflight, node, "ready", &answer, "");
}

/* The names of the nodes of the role: "n1, n3". */
static size_t list_role(const struct preflight *preflight, enum preflight_role role,
                        char *names, size_t names_bytes)
{
    size_t n = 0;
    names[0] = '\0';
    for (size_t i = 0; i < preflight->cluster->n_nodes; i++) {
        size_t length = strlen(names);
        if (preflight->nodes[i].role != role)
            continue;
        (void)snprintf(names + length, names_bytes - length, "%s%s", n ? ", " : "",
                       name_of(preflight, i));
        n++;
    }
    return n;
}

static void judge_roles(struct preflight *preflight)
{
    char primaries[512], standbys[512];
    size_t n = list_role(preflight, PREFLIGHT_PRIMARY, primaries, sizeof primaries);
    (void)list_role(preflight, PREFLIGHT_STANDBY, standbys, sizeof standbys);
    if (n == 0) {
        preflight_add(preflight, PREFLIGHT_MISSING, PREFLIGHT_HERE,
                      "no node says that it is primary");
        preflight_mend(preflight, "promote one of them, or correct `role:` in %s",
                       file_of(preflight));
    } else if (n > 1) {
        preflight_add(preflight, PREFLIGHT_MISSING, PREFLIGHT_HERE,
                      "%zu nodes say that they are primary: %s", n, primaries);
        preflight_mend(preflight,
                       "make all but one of them a standby again, or correct `role:` "
                       "in %s",
                       file_of(preflight));
    } else if (preflight->nodes[0].role == PREFLIGHT_STANDBY) {
        preflight_add(preflight, PREFLIGHT_NOTE, PREFLIGHT_HERE,
                      "%s is primary, but %s names %s first, which a reader takes for "
                      "the primary; standbys: %s",
                      primaries, file_of(preflight), name_of(preflight, 0), standbys);
        preflight_mend(preflight, "move %s to the top of `nodes:` in %s", primaries,
                       file_of(preflight));
    } else {
        preflight_add(preflight, PREFLIGHT_OK, PREFLIGHT_HERE, "%s is primary%s%s",
                      primaries, *standbys ? "; standbys: " : "", standbys);
    }
}

void preflight_roles(struct preflight *preflight)
{
    const struct cluster *cluster = preflight->cluster;
    bool all = true;
    if (!cluster->places)
        return; /* the drill gives them their roles */
    for (size_t i = 0; i < cluster->n_nodes && !preflight_is_over(preflight); i++) {
        struct preflight_node *node = &preflight->nodes[i];
        bool asked = node->runs_commands && ask_role(preflight, i);
        all = all && asked; /* where `exec` does not work, it has said so */
        if (node->runs_commands)
            ask_ready(preflight, i);
        if (node->role == PREFLIGHT_UNKNOWN && node->session)
            node->role = preflight->system->ask_role(node->session);
    }
    if (all && !preflight_is_over(preflight))
        judge_roles(preflight); /* else none or one primary proves nothing */
}
