/* SPDX-License-Identifier: MIT */
/* What keeps a drill from beginning although its files are right: words of the command line
 * that are not for this cluster, something that this machine lacks, production that was not
 * meant, nobody to ask. Each is told with what mends it. Nothing has been touched by
 * then. */
#include "scenarios/cmd_drill.h"

#include "proxy/base/exits.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Whether the modes on the command line are the cluster's. */
static bool check_modes(const struct cluster *cluster, const struct option_texts *modes)
{
    bool all = true;
    for (size_t i = 0; i < modes->n; i++) {
        if (cluster_find_mode(cluster, modes->items[i]))
            continue;
        fprintf(stderr,
                "netsplit drill: the cluster \"%s\" has no mode \"%s\"; it has:",
                cluster->name, modes->items[i]);
        for (size_t k = 0; k < cluster->n_modes; k++)
            fprintf(stderr, " %s", cluster->modes[k].name);
        fputc('\n', stderr);
        all = false;
    }
    for (size_t i = 1; i < modes->n; i++)
        for (size_t k = 0; k < i; k++)
            if (strcmp(modes->items[i], modes->items[k]) == 0) {
                fprintf(stderr, "netsplit drill: --mode %s is given twice\n",
                        modes->items[i]);
                return false;
            }
    return all;
}

/* Where nodes stay, so do roles: what a second pass promotes would be the primary. */
static bool check_passes(const struct drill_arguments *args,
                         const struct playbook *playbook, const struct cluster *cluster)
{
    const char *node = playbook_promotes_again(playbook);
    if (!cluster->places || !node || (args->modes.n <= 1 && args->repeat <= 1))
        return true;
    fprintf(stderr,
            "netsplit drill: %s promotes %s and leaves it the primary, so that it can "
            "be run once, in one mode; nothing moves the roles of \"%s\" back but its "
            "owner, or a last promote step\n",
            playbook->source.name, node, cluster->name);
    return false;
}

static bool check_needs(const struct cluster *cluster)
{
    const char *program = cluster_lacks(cluster);
    const char *secret = cluster_lacks_secret(cluster);
    if (program)
        fprintf(stderr,
                "netsplit drill: the cluster \"%s\" needs the program %s, which %s\n",
                cluster->name, program,
                strchr(program, '/') ? "is not there or may not be run"
                                     : "is not on PATH");
    if (secret)
        fprintf(
            stderr,
            "netsplit drill: the cluster \"%s\" needs the variable %s, which is not "
            "set: export it first\n",
            cluster->name, secret);
    return !program && !secret;
}

/* Production is meant, and there is an end to it whatever happens: the duration is also
 * the lease of its faults. */
static bool check_production(const struct drill_arguments *args,
                             const struct playbook *playbook,
                             const struct cluster *cluster)
{
    if (cluster->environment != CLUSTER_PRODUCTION)
        return true;
    if (!args->confirm || strcmp(args->confirm, cluster->name) != 0)
        fprintf(stderr,
                "netsplit drill: %s says that \"%s\" is production; if that is meant: "
                "--confirm %s\n",
                cluster->source.name, cluster->name, cluster->name);
    else if (!playbook->duration_ns)
        fprintf(stderr,
                "netsplit drill: %s has no stop condition abort: { duration: ... }, "
                "which is also the lease of its faults; without one nothing is drilled "
                "in production\n",
                playbook->source.name);
    else
        return true;
    return false;
}

/* Whether there is somebody to ask, if somebody must be asked. */
static bool check_person(const struct drill_arguments *args,
                         const struct playbook *playbook)
{
    for (size_t i = 0; i < playbook->n_steps; i++) {
        const struct step *step = &playbook->steps[i];
        if (step->verb->kind != STEP_MANUAL || args->unattended ||
            isatty(STDIN_FILENO) == 1)
            continue;
        fprintf(stderr,
                "netsplit drill: %s:%" PRIu32 ": this step asks a person, and the "
                "standard input is no terminal; --unattended skips such steps\n",
                playbook->source.name, step->at.line);
        return false;
    }
    return true;
}

int cmd_drill_check_ready(const struct drill_arguments *args,
                          const struct playbook *playbook,
                          const struct cluster *cluster)
{
    if (!check_needs(cluster))
        return EXIT_ENVIRONMENT;
    if (!check_production(args, playbook, cluster))
        return EXIT_USAGE;
    return check_person(args, playbook) ? EXIT_DONE : EXIT_ENVIRONMENT;
}

bool cmd_drill_check_words(const struct drill_arguments *args,
                           const struct playbook *playbook,
                           const struct cluster *cluster)
{
    return check_modes(cluster, &args->modes) && check_passes(args, playbook, cluster);
}
