/* SPDX-License-Identifier: MIT */
/* Who is the primary: every node is asked by the cluster's role command, one after the
 * other, and what each said is kept for those who must be told that it was nobody, or
 * several. A node that cannot be asked is no primary; whether that is a failure is the
 * caller's to say. */
#include "scenarios/drill/drill_inside.h"

#include "rules/buffer.h"

#include <string.h>

enum { ROLE_S = 5 }; /* for an answer */

static void ask(struct drill_mode *mode);

/* "n1: primary", or what came instead. */
static void note_answer(struct drill_mode *mode, const char *word)
{
    char line[120];
    size_t used = strlen(mode->answers);
    bool known = strcmp(word, "primary") == 0 || strcmp(word, "standby") == 0;
    job_first_line(&mode->job, line, sizeof line);
    if (mode->job.ok && known)
        (void)snprintf(line, sizeof line, "%s", word);
    else if (mode->unanswered < 0)
        mode->unanswered = (int)mode->chain;
    (void)snprintf(mode->answers + used, sizeof mode->answers - used,
                   "%s%s: ", used ? ", " : "",
                   mode->drill->cluster->nodes[mode->chain]);
    used = strlen(mode->answers);
    if (mode->job.ok)
        (void)snprintf(mode->answers + used, sizeof mode->answers - used, "%s",
                       line[0] ? line : "nothing");
    else
        (void)snprintf(mode->answers + used, sizeof mode->answers - used, "%s %d%s%s%s",
                       mode->job.late ? "no answer, status" : "status",
                       mode->job.status, line[0] ? " (" : "", line, line[0] ? ")" : "");
}

static void finish(struct drill_mode *mode)
{
    drill_then_fn then = mode->chain_then;
    const char *problem = "several nodes say that they are primary";
    mode->chain_then = NULL;
    if (mode->resolved >= 0)
        mode->primary = (size_t)mode->resolved;
    if (mode->resolved == -1)
        problem = "no node says that it is the primary";
    else if (mode->resolved >= 0)
        problem = "not every node says its role";
    if (mode->resolved < 0 || mode->unanswered >= 0)
        (void)snprintf(mode->error, sizeof mode->error, "%s: %s", problem,
                       mode->answers);
    then(mode);
}

static void on_answer(struct drill_mode *mode)
{
    char word[64];
    job_first_word(&mode->job, word, sizeof word);
    mode->says_primary[mode->chain] = mode->job.ok && strcmp(word, "primary") == 0;
    if (mode->says_primary[mode->chain])
        mode->resolved = mode->resolved == -1 ? (int)mode->chain : -2;
    note_answer(mode, word);
    if (++mode->chain < mode->drill->cluster->n_nodes)
        ask(mode);
    else
        finish(mode);
}

static void ask(struct drill_mode *mode)
{
    job_start(mode, &(struct job_options){.script = mode->drill->cluster->role,
                                          .node = mode->chain,
                                          .within_ns = ROLE_S * NS_PER_S,
                                          .then = on_answer});
}

void roles_resolve(struct drill_mode *mode, drill_then_fn then)
{
    mode->chain = 0;
    mode->resolved = mode->unanswered = -1;
    mode->answers[0] = '\0';
    mode->chain_then = then;
    ask(mode);
}
