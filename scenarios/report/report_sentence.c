/* SPDX-License-Identifier: MIT */
/* The one sentence that is read when nothing else is. */
#include "proxy/base/memory.h"
#include "scenarios/report/report.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static void append(char **sentence, char *piece)
{
    char *joined = xasprintf("%s%s", *sentence, piece);
    free(*sentence);
    free(piece);
    *sentence = joined;
}

/* "async lost 939 of 1,247 acknowledged writes", "sync lost none". */
static char *tell_loss(const struct run_mode *mode)
{
    const struct measure_value *values = mode->judgement.measures.values;
    char lost[32], acked[32];
    if (!mode->judged || !values[MEASURE_LOST_WRITES].known)
        return xasprintf("what %s lost is not known", mode->name);
    if (values[MEASURE_LOST_WRITES].value == 0)
        return xasprintf("%s lost none", mode->name);
    measure_format(MEASURE_LOST_WRITES, values[MEASURE_LOST_WRITES], lost, sizeof lost);
    measure_format(MEASURE_ACKED, values[MEASURE_ACKED], acked, sizeof acked);
    return xasprintf("%s lost %s of %s acknowledged writes", mode->name, lost, acked);
}

static char *tell_losses(const struct run *run)
{
    char *told = xstrdup("");
    for (size_t i = 0; i < run->n_modes; i++) {
        if (i > 0)
            append(&told, xstrdup(", "));
        append(&told, tell_loss(&run->modes[i]));
    }
    return told;
}

/* Why it is so, as a sentence; "" when nobody said. */
static char *tell_why(const struct run *run)
{
    size_t n = run->why ? strlen(run->why) : 0;
    return xasprintf("%s%s", n ? run->why : "", n && run->why[n - 1] != '.' ? "." : "");
}

static const char *as_expected(const struct run *run)
{
    return run->n_modes == 1   ? ": as expected."
           : run->n_modes == 2 ? ": both as expected."
                               : ": all as expected.";
}

/* "remote_apply lost none": not a word that takes a capital. */
static bool begins_with_an_identifier(const char *sentence)
{
    return memchr(sentence, '_', strcspn(sentence, " ")) != NULL;
}

char *report_sentence(const struct run *run)
{
    char *sentence = xstrdup("");
    switch (run->verdict) {
    case RUN_PASS:
        append(&sentence, tell_losses(run));
        append(&sentence, xstrdup(as_expected(run)));
        break;
    case RUN_FAIL:
        append(&sentence, tell_losses(run));
        append(&sentence, xstrdup("; but "));
        append(&sentence, run->why ? tell_why(run) : xstrdup("it failed."));
        break;
    case RUN_INCONCLUSIVE:
        append(&sentence, tell_why(run));
        append(&sentence, xstrdup(" This run says nothing."));
        break;
    case RUN_ABORTED:
        append(&sentence, run->why ? tell_why(run) : xstrdup("it was ended early."));
        break;
    }
    if (!begins_with_an_identifier(sentence))
        sentence[0] = (char)toupper((unsigned char)sentence[0]);
    return sentence;
}
