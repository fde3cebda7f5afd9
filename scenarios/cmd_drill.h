/* SPDX-License-Identifier: MIT */
/* What the cmd_drill*.c files share; nothing else includes this. cmd_drill.c reads the
 * command line and the files, cmd_drill_check.c says what keeps a drill from beginning,
 * cmd_drill_run.c runs it as often as asked, cmd_drill_report.c writes and prints what
 * came of it. */
#ifndef NETSPLIT_SCENARIOS_CMD_DRILL_H
#define NETSPLIT_SCENARIOS_CMD_DRILL_H

#include "proxy/base/option.h"
#include "scenarios/drill/drill.h"
#include "scenarios/report/many.h"

struct drill_arguments {
    const char *cluster, *out, *confirm;
    struct option_texts modes;
    uint64_t seed;
    bool dry_run, unattended, take_over;
    struct option_texts sets;
    uint64_t repeat;
    const char *until;
};

/* One call of the program. */
struct drill_call {
    const struct drill_arguments *args;
    struct arena arena;            /* of sets */
    struct cluster_variables sets; /* of --set */
    size_t n_playbooks;
    struct many *many;
    const struct redact *secrets; /* borrowed: of the playbook at hand */
    bool has_left; /* something that is not undone: nothing else begins on that */
};

/* Whether the words on the command line are for this playbook on this cluster; it is told
 * if not. */
bool cmd_drill_check_words(const struct drill_arguments *args,
                           const struct playbook *playbook,
                           const struct cluster *cluster);

/* What the drill needs before it begins. EXIT_DONE; else it is told, and what is returned
 * is the exit status. */
int cmd_drill_check_ready(const struct drill_arguments *args,
                          const struct playbook *playbook,
                          const struct cluster *cluster);

/* Runs it, as often as it is to be repeated. The exit status; a signal that ended it is in
 * *ended_by: everything is undone then, and the caller is to die of it. */
int cmd_drill_run(struct drill_call *call, const struct playbook *playbook,
                  const struct cluster *cluster, int *ended_by);

/* Which of two statuses of a row of drills is shown. */
int cmd_drill_worse(int a, int b);

/* Writes the report, and prints it. The exit status. */
int cmd_drill_report(const struct redact *secrets, struct run *run);

/* Takes the secrets out of all files of the run and writes the manifest, which vouches for
 * them. False after saying why not. */
bool cmd_drill_vouch(const struct redact *secrets, const struct run *run);

/* What is not as it was, and whether everything is undone: the last lines of every way
 * out. */
void cmd_drill_tell_end(const struct run *run);

#endif
