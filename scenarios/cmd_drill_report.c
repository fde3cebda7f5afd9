/* SPDX-License-Identifier: MIT */
/* What is left of a drill when it is over: the report, the manifest that vouches for all
 * files, and the last lines on the terminal. A report that could not be written whole makes
 * a drill that passed inconclusive: what nobody can read up afterwards is no pass. */
#include "scenarios/cmd_drill.h"

#include "proxy/base/exits.h"
#include "proxy/base/memory.h"
#include "proxy/base/term.h"
#include "scenarios/report/manifest.h"
#include "scenarios/report/report.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* What nobody can read up afterwards is no pass. */
static int miss_report(struct run *run, int status)
{
    if (run->verdict == RUN_PASS) {
        run->verdict = RUN_INCONCLUSIVE;
        run->reason = RUN_DRIVER_ERROR;
        run->why = "the report is not whole: see above";
    }
    return status == EXIT_FAILED || status == EXIT_ABORTED ? status : EXIT_ENVIRONMENT;
}

/* Written last, so that it vouches for all the other files, of which none holds a secret
 * by then. */
bool cmd_drill_vouch(const struct redact *secrets, const struct run *run)
{
    struct errmsg err = {""};
    if (redact_directory(secrets, run->directory, &err) == 0 &&
        manifest_write(run, run->directory, &err) == 0)
        return true;
    fprintf(stderr, "netsplit drill: %s\n", err.text);
    return false;
}

/* The hash stands for all others: kept in a ticket, it shows that nobody made them anew.
 */
static void print_sums(const struct run *run)
{
    char hex[SHA256_HEX_BYTES];
    uint64_t bytes = 0;
    char *path = xasprintf("%s/%s", run->directory, MANIFEST_SUMS);
    if (sha256_file(path, hex, &bytes) == 0)
        printf("sums    %s\n        sha256 %s\n", path, hex);
    free(path);
}

int cmd_drill_report(const struct redact *secrets, struct run *run)
{
    struct errmsg err = {""};
    int status = run_exit_status(run);
    bool written = report_write(run, run->directory, &err) == 0;
    if (!written)
        fprintf(stderr, "netsplit drill: writing the report: %s\n", err.text);
    written = cmd_drill_vouch(secrets, run) && written;
    if (!written)
        status = miss_report(run, status);
    report_print(run, stdout, term_wants_colour(stdout));
    if (written)
        print_sums(run);
    /* So that what is said last is seen last. A reader who left is none of our business,
     * here and afterwards. */
    if (fflush(stdout) != 0 && errno == EPIPE && !freopen("/dev/null", "w", stdout))
        abort(); /* no descriptor, although one was just closed */
    return status;
}

/* The last line of every way out. */
static void tell_left(const struct run *run)
{
    if (run->left)
        fprintf(stderr,
                "netsplit drill: NOT UNDONE: %s (netsplit clean tries again what was a "
                "command)\n",
                run->left);
    else
        fputs("netsplit drill: everything is undone\n", stderr);
}

/* What became of a system that is not ours to put back. */
static void tell_moved(const struct run *run)
{
    for (size_t i = 0; i < run->n_modes; i++)
        if (run->modes[i].moved)
            fprintf(stderr, "netsplit drill: %s: %s\n", run->modes[i].name,
                    run->modes[i].moved);
}

void cmd_drill_tell_end(const struct run *run)
{
    tell_moved(run);
    tell_left(run);
}
