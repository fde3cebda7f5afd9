/* SPDX-License-Identifier: MIT */
/* A name is lower case letters, digits, - and _, begins with a letter, and is no word
 * that playbooks or the rule file that is written use for something else. */
#include "scenarios/init/survey_name.h"

#include "scenarios/init/survey.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* "walreceiver" is what PostgreSQL calls every standby that was given no name. */
static const char *const others[] = {"primary", "standbys", "clients",   "any",
                                     "all",     "app",      "localhost", "walreceiver"};

static bool is_free(const struct survey *survey, const char *name)
{
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strcmp(others[i], name) == 0)
            return false;
    for (size_t i = 0; i < survey->n; i++)
        if (strcmp(survey->servers[i].name, name) == 0)
            return false;
    return true;
}

/* The first label of the text as a name; false if it gives none that is free. */
static bool take(const struct survey *survey, const char *text,
                 struct survey_server *server)
{
    char name[sizeof server->name] = "";
    if (!text || !isalpha((unsigned char)text[0]))
        return false;
    size_t n = strcspn(text, ".");
    for (size_t i = 0; i < n && i < sizeof name - 1; i++)
        name[i] = isalnum((unsigned char)text[i]) || text[i] == '_'
                      ? (char)tolower((unsigned char)text[i])
                      : '-';
    if (n >= sizeof name || !is_free(survey, name))
        return false;
    (void)snprintf(server->name, sizeof server->name, "%s", name);
    return true;
}

void survey_name(const struct survey *survey, struct survey_server *server)
{
    if (take(survey, server->title, server) || take(survey, server->host, server))
        return;
    for (size_t i = survey->n + 1;; i++) {
        (void)snprintf(server->name, sizeof server->name, "n%zu", i);
        if (is_free(survey, server->name))
            return;
    }
}
