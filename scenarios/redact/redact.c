/* SPDX-License-Identifier: MIT */
/* The secrets that are known, and the search for them and for those that show by their
 * form (redact_form.c). A secret may stand in a text as JSON, a shell's quotes or base64
 * write it, so each is kept in all these spellings (redact_spell.c). Files are
 * redact_files.c's.
 *
 * Searching is O(text * secrets), fine because there are few. */
#include "scenarios/redact/redact.h"

#include "proxy/base/memory.h"
#include "proxy/base/term.h"
#include "scenarios/playbook/cluster.h"
#include "scenarios/playbook/playbook.h"
#include "scenarios/redact/redact_form.h"
#include "scenarios/redact/redact_inside.h"
#include "scenarios/redact/redact_spell.h"

#include <stdlib.h>
#include <string.h>

extern char **environ;

enum { LEAST_BYTES = 6, LEAST_LISTED = 4, LEAST_LETTERS = 12 };

struct secret {
    char *text; /* owned */
    size_t length;
};

struct redact {
    struct secret *secrets; /* owned */
    size_t n;
    char **listed; /* owned: names */
    size_t n_listed;
};

static bool is_strong(const char *value, bool is_listed)
{
    size_t length = strlen(value);
    size_t letters = strspn(value, "abcdefghijklmnopqrstuvwxyz");
    if (length == 0 || strspn(value, "0123456789") == length)
        return false;
    return is_listed
               ? length >= LEAST_LISTED
               : length >= LEAST_BYTES && (letters < length || length >= LEAST_LETTERS);
}

/* Takes the spelling over. */
static void add_spelling(struct redact *redact, char *spelling)
{
    for (size_t i = 0; i < redact->n; i++)
        if (strcmp(redact->secrets[i].text, spelling) == 0) {
            free(spelling);
            return;
        }
    redact->secrets =
        xreallocarray(redact->secrets, redact->n + 1, sizeof *redact->secrets);
    redact->secrets[redact->n++] = (struct secret){spelling, strlen(spelling)};
}

static void add_secret(struct redact *redact, const char *value)
{
    char *spellings[REDACT_SPELLINGS];
    redact_spell(value, spellings);
    for (size_t i = 0; i < REDACT_SPELLINGS; i++)
        add_spelling(redact, spellings[i]);
}

/* A key of several lines is indented here, and shown in part there. */
static void add_lines(struct redact *redact, const char *value, bool is_listed)
{
    for (const char *at = value; *at; at += at[0] == '\n') {
        size_t length = strcspn(at, "\n");
        char *line = xasprintf("%.*s", (int)length, at);
        if (is_strong(line, is_listed))
            add_secret(redact, line);
        free(line);
        at += length;
    }
}

void redact_add(struct redact *redact, const char *name, const char *value,
                bool is_listed)
{
    bool is_secret = is_listed || redact_is_secret_name(name, strlen(name));
    if (!redact || !is_secret || !is_strong(value, is_listed))
        return;
    add_secret(redact, value);
    add_lines(redact, value, is_listed);
}

struct redact *redact_create(void)
{
    struct redact *redact = xcalloc(1, sizeof *redact);
    for (char **at = environ; *at; at++) {
        char *name = xstrdup(*at);
        name[strcspn(name, "=")] = '\0';
        redact_add(redact, name, *at + strcspn(*at, "=") + (strchr(*at, '=') != NULL),
                   false);
        free(name);
    }
    return redact;
}

void redact_destroy(struct redact *redact)
{
    if (!redact)
        return;
    for (size_t i = 0; i < redact->n; i++)
        free(redact->secrets[i].text);
    for (size_t i = 0; i < redact->n_listed; i++)
        free(redact->listed[i]);
    free(redact->listed);
    free(redact->secrets);
    free(redact);
}

void redact_learn(struct redact *redact, const char *text)
{
    for (size_t at = 0; redact && text[at];) {
        size_t length = redact_form_at(redact, text, at);
        char *value = xasprintf("%.*s", (int)length, text + at);
        if (is_strong(value, false))
            add_secret(redact, value);
        free(value);
        at += length > 0 ? length : 1;
    }
}

static void add_variables(struct redact *redact, const struct cluster *cluster,
                          const struct cluster_variables *variables)
{
    for (size_t i = 0; i < variables->n; i++) {
        bool is_listed = false;
        for (size_t k = 0; cluster && k < cluster->n_secrets; k++)
            is_listed |= strcmp(cluster->secrets[k], variables->items[i].name) == 0;
        redact_add(redact, variables->items[i].name, variables->items[i].value,
                   is_listed);
    }
}

static void add_listed(struct redact *redact, const struct cluster *cluster)
{
    size_t n = redact->n_listed;
    redact->listed = xreallocarray(redact->listed, n + cluster->n_secrets + 1,
                                   sizeof *redact->listed);
    for (size_t i = 0; i < cluster->n_secrets; i++)
        redact->listed[redact->n_listed++] = xstrdup(cluster->secrets[i]);
}

bool redact_is_listed(const struct redact *redact, const char *name, size_t length)
{
    for (size_t i = 0; redact && i < redact->n_listed; i++)
        if (strlen(redact->listed[i]) == length &&
            memcmp(redact->listed[i], name, length) == 0)
            return true;
    return false;
}

void redact_add_files(struct redact *redact, const struct cluster *cluster,
                      const struct playbook *playbook)
{
    if (!redact)
        return;
    if (cluster) {
        add_listed(redact, cluster);
        redact_learn(redact, cluster->source.text);
        add_variables(redact, cluster, &cluster->env);
        for (size_t i = 0; i < cluster->n_modes; i++)
            add_variables(redact, cluster, &cluster->modes[i].env);
        for (size_t i = 0; i < cluster->n_secrets; i++) {
            const char *value = getenv(cluster->secrets[i]);
            redact_add(redact, cluster->secrets[i], value ? value : "", true);
        }
    }
    if (playbook) {
        redact_learn(redact, playbook->source.text);
        add_variables(redact, cluster, &playbook->variables);
    }
}

size_t redact_known_at(const struct redact *redact, const char *text)
{
    size_t longest = 0;
    for (size_t i = 0; redact && i < redact->n; i++) {
        const struct secret *secret = &redact->secrets[i];
        if (*text == *secret->text && secret->length > longest &&
            strncmp(text, secret->text, secret->length) == 0)
            longest = secret->length;
    }
    return longest;
}

bool redact_is_empty(const struct redact *redact)
{
    return !redact || redact->n == 0;
}

static size_t secret_at(const struct redact *redact, const char *text, size_t at)
{
    size_t known = redact_known_at(redact, text + at);
    return known > 0 ? known : redact_form_at(redact, text, at);
}

void redact_text(const struct redact *redact, const char *text, struct buffer *out)
{
    for (size_t at = 0; text[at];) {
        size_t length = secret_at(redact, text, at);
        if (length > 0)
            buffer_print(out, "***");
        else
            buffer_add(out, text + at, 1);
        at += length > 0 ? length : 1;
    }
}

void redact_columns(const struct redact *redact, char *text)
{
    for (size_t at = 0; text[at];) {
        size_t length = secret_at(redact, text, at);
        memset(text + at, '*', length);
        at += length > 0 ? length : 1;
    }
}

char *redact_copy(const struct redact *redact, const char *text)
{
    struct buffer out = {0};
    redact_text(redact, text, &out);
    char *kept = xstrdup(buffer_text(&out));
    buffer_close(&out);
    return kept;
}

void redact_print_diag(const struct redact *redact, const struct diag *diag, FILE *to)
{
    struct buffer text = {0};
    diag_render(diag, term_wants_colour(to), &text);
    if (text.text)
        redact_columns(redact, text.text);
    fputs(buffer_text(&text), to);
    buffer_close(&text);
}
