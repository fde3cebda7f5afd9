/* SPDX-License-Identifier: MIT */
/* What a survey keeps of what servers say: it may be shown and written into files, so that
 * only printable ASCII is kept. Notes beyond SURVEY_NOTES_MAX are dropped. */
#include "scenarios/init/survey.h"

#include <stdarg.h>
#include <stdio.h>

const char *survey_keep(struct survey *survey, const char *text)
{
    if (!text || !*text)
        return NULL;
    char *kept = arena_print(&survey->arena, "%s", text);
    for (char *at = kept; *at; at++)
        if (*at < ' ' || *at > '~')
            *at = '?';
    return kept;
}

void survey_note(struct survey *survey, const char *format, ...)
{
    va_list args;
    char text[512];
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args); /* cut if longer */
    va_end(args);
    if (survey->n_notes < SURVEY_NOTES_MAX)
        survey->notes[survey->n_notes++] = survey_keep(survey, text);
}
