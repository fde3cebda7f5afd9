/* SPDX-License-Identifier: MIT */
/* netsplit preflight: says all that a drill on a cluster would run into, each with what
 * mends it, before anything is drilled. Status 0 when a drill can start. */
#include "proxy/base/exits.h"
#include "proxy/base/now.h"
#include "proxy/base/option.h"
#include "proxy/base/term.h"
#include "rules/buffer.h"
#include "scenarios/playbook/playbook.h"
#include "scenarios/preflight/preflight.h"
#include "scenarios/playbook/shipped.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int cmd_preflight(int argc, char **argv); /* seen by main.c, which has the table */

struct arguments {
    const char *playbook;
    uint64_t within_ns;
    bool json;
};

/* What is read before anything is asked. */
struct material {
    struct cluster *cluster;
    struct playbook *playbook; /* NULL = none, or it is wrong */
    struct redact *secrets;    /* of both and of ours */
    size_t wrong;              /* things in the files */
};

static struct cluster *load_cluster(const char *word, struct diag *diag)
{
    char path[PATH_MAX];
    if (shipped_find(SHIPPED_CLUSTER, word, path, sizeof path) == 0)
        return cluster_load(path, diag);
    fprintf(stderr,
            "netsplit preflight: there is no cluster \"%s\": a name in "
            "scenarios/clusters/, or a path with a slash in it\n",
            word);
    return NULL;
}

/* False when there is no cluster to ask; what is wrong with a file was told, with the
 * status in *status. A playbook that does not fit the cluster hides nothing of it. */
static bool load(const char *word, const struct arguments *args,
                 struct material *material, int *status)
{
    struct diag diag;
    diag_init(&diag, NULL);
    if (args->playbook)
        material->playbook =
            playbook_load(args->playbook, word, NULL, &material->cluster, &diag);
    else
        material->cluster = load_cluster(word, &diag);
    material->secrets = redact_create();
    redact_add_files(material->secrets, material->cluster, material->playbook);
    redact_print_diag(material->secrets, &diag, stderr);
    material->wrong = diag.n_errors + diag.n_lacking;
    *status = material->wrong == 0 && material->cluster ? EXIT_DONE
              : diag_status(&diag) == -ENOTSUP          ? EXIT_ENVIRONMENT
                                                        : EXIT_USAGE;
    diag_close(&diag);
    return material->cluster;
}

static void print_json(const struct preflight *preflight)
{
    json_t *whole =
        json_pack("{s:s, s:s, s:b, s:i, s:i, s:O}", "cluster", preflight->cluster->name,
                  "file", preflight->cluster->source.name, "ready",
                  preflight->missing == 0, "missing", (int)preflight->missing, "notes",
                  (int)preflight->notes, "findings", preflight->findings);
    if (!whole || json_dumpf(whole, stdout, JSON_INDENT(2)) != 0)
        abort(); /* out of memory: as xcalloc; a full disk is main's to tell */
    putchar('\n');
    json_decref(whole);
}

static void print_summary(const struct preflight *preflight)
{
    const char *s = preflight->notes == 1 ? "" : "s";
    if (preflight->missing > 0)
        printf("%zu missing, %zu note%s: mend what is missing, then run this again\n",
               preflight->missing, preflight->notes, s);
    else
        printf("nothing is missing, %zu note%s: a drill can start on \"%s\"\n",
               preflight->notes, s, preflight->cluster->name);
}

static int fly(const struct material *material, const struct arguments *args)
{
    struct errmsg err = {""};
    int ended_by = 0;
    struct preflight preflight = {.cluster = material->cluster,
                                  .playbook = material->playbook,
                                  .secrets = material->secrets,
                                  .playbook_word = args->playbook,
                                  .wrong = material->wrong,
                                  .within_ns = args->within_ns,
                                  .to = args->json ? NULL : stdout,
                                  .colour = term_wants_colour(stdout)};
    if (!args->json)
        printf("preflight of \"%s\" (%s)\n", material->cluster->name,
               material->cluster->source.name);
    int status = preflight_run(&preflight, &ended_by, &err);
    if (status != 0)
        fprintf(stderr, "netsplit preflight: %s\n", err.text);
    else if (ended_by)
        fprintf(stderr, "netsplit preflight: ended by SIG%s; nothing is left of it\n",
                sigabbrev_np(ended_by));
    else if (args->json)
        print_json(&preflight);
    else
        print_summary(&preflight);
    (void)fflush(stdout); /* what a signal ends is not flushed */
    bool ready = status == 0 && preflight.missing == 0 && !ended_by;
    preflight_close(&preflight); /* a signal is delivered now */
    return ready ? EXIT_DONE : EXIT_ENVIRONMENT;
}

/* Bad input before a lack. */
static int worse(int loaded, int flown)
{
    return loaded != EXIT_DONE ? loaded : flown;
}

/* The checks, printed from the table, behind what it is for. */
static void write_help(struct buffer *out)
{
    buffer_print(out,
                 "Asks everything that a drill on the cluster will need, without "
                 "drilling:\neach finding is ok, a note, or MISSING, and says what "
                 "mends it. Nothing is\nwritten to the system. The checks:\n\n");
    for (size_t i = 0; preflight_get(i); i++)
        buffer_print(out, "  %-12s %s\n", preflight_get(i)->name,
                     preflight_get(i)->help);
    buffer_print(out,
                 "\nStatus: 0 a drill can start, 2 a file is wrong, 3 something is "
                 "missing.");
}

int cmd_preflight(int argc, char **argv)
{
    struct arguments args = {.within_ns = 5 * NS_PER_S};
    const struct option_row rows[] = {
        {"playbook", 'p', OPTION_TEXT, &args.playbook, "PLAYBOOK",
         "also what this playbook needs of the cluster", 0, 0},
        {"within", 'w', OPTION_DURATION, &args.within_ns, "DURATION",
         "how long each question may take (default 5s)", 0, 0},
        {"json", 0, OPTION_FLAG, &args.json, NULL,
         "one object: cluster, file, ready, missing, notes, findings", 0, 0},
        {0},
    };
    struct buffer help = {0};
    write_help(&help);
    const struct option_command command = {.name = "preflight",
                                           .usage = "CLUSTER [OPTIONS]",
                                           .help = buffer_text(&help),
                                           .rows = rows};
    struct material material = {NULL, NULL, NULL, 0};
    int status = EXIT_DONE;
    int rest, ends = option_begin(&command, argc, argv, false, &rest);
    if (ends != OPTION_GOES_ON)
        status = ends;
    else if (argc - rest != 1)
        status = option_complain(&command, rest == argc ? "which cluster?"
                                                        : "one cluster at a time");
    else if (args.within_ns < NS_PER_MS || args.within_ns > 600 * NS_PER_S)
        status = option_complain(&command, "--within takes 1ms to 10min");
    else if (load(argv[rest], &args, &material, &status))
        status = worse(status, fly(&material, &args));
    playbook_destroy(material.playbook);
    cluster_destroy(material.cluster);
    redact_destroy(material.secrets);
    buffer_close(&help);
    return status;
}
