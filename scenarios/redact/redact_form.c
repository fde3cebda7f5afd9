/* SPDX-License-Identifier: MIT */
/* Looks back from where a value might begin: a name and "=" or ":", perhaps with quotes;
 * an option; a URL's user. A reference to a variable ("$PGPASSWORD") is no secret, and
 * what was hidden already is not hidden again. */
#include "scenarios/redact/redact_form.h"

#include "scenarios/redact/redact_inside.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

enum { FAR = 256 }; /* looked back at most, so that no text takes its square in time */

static bool is_name_char(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '-';
}

static bool ends_with(const char *name, size_t length, const char *ending)
{
    size_t n = strlen(ending);
    return length >= n && strncasecmp(name + length - n, ending, n) == 0;
}

bool redact_is_secret_name(const char *name, size_t length)
{
    static const char *const endings[] = {"password", "passwd", "passphrase", "secret",
                                          "token",    "apikey", "_key",       "_auth"};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (ends_with(name, length, endings[i]))
            return true;
    return false;
}

/* Where the blanks and quotes before `at` begin. */
static size_t skip_back(const char *text, size_t at, const char *what)
{
    size_t start = at;
    while (start > 0 && at - start < FAR && text[start - 1] &&
           strchr(what, text[start - 1]))
        start--;
    return start;
}

static size_t name_start(const char *text, size_t end)
{
    size_t start = end;
    while (start > 0 && end - start < FAR && is_name_char(text[start - 1]))
        start--;
    return start;
}

/* NAME=VALUE, NAME: VALUE, "NAME": "VALUE", PASSWORD 'VALUE'. */
static bool follows_name(const struct redact *redact, const char *text, size_t at)
{
    size_t mark = skip_back(text, at, " \t\"'");
    char sign = mark > 0 ? text[mark - 1] : '\0';
    bool is_sql = sign != '=' && sign != ':' && at > 0 && text[at - 1] == '\'';
    if (sign != '=' && sign != ':' && !is_sql)
        return false;
    size_t end = is_sql ? mark : skip_back(text, mark - 1, " \t\"'");
    size_t start = name_start(text, end);
    return redact_is_secret_name(text + start, end - start) ||
           redact_is_listed(redact, text + start, end - start) ||
           (sign == '=' && end - start == 4 && strncmp(text + start, "auth", 4) == 0);
}

static bool ends_line_with(const char *text, size_t at, const char *words)
{
    size_t n = strlen(words);
    return at >= n && memcmp(text + at - n, words, n) == 0;
}

/* redis-cli -a VALUE, --pass VALUE, --password VALUE. */
static bool follows_option(const char *text, size_t at)
{
    size_t end = skip_back(text, at, "\"'");
    if (ends_line_with(text, end, "--pass ") ||
        ends_line_with(text, end, "--password ") ||
        ends_line_with(text, end, "sshpass -p "))
        return true;
    if (!ends_line_with(text, end, " -a "))
        return false;
    for (size_t i = end; i >= 9 && end - i < FAR && text[i - 1] != '\n'; i--)
        if (memcmp(text + i - 9, "redis-cli", 9) == 0)
            return true;
    return false;
}

/* SCHEME://USER:VALUE@ */
static size_t url_length(const char *text, size_t at)
{
    static const char no_user[] = "/@ \t\r\n\"'<>";
    if (at == 0 || text[at - 1] != ':')
        return 0;
    size_t start = at - 1;
    while (start > 0 && at - start < FAR && !strchr(no_user, text[start - 1]))
        start--;
    if (!ends_line_with(text, start, "://"))
        return 0;
    size_t length = strcspn(text + at, "/@ \t\r\n\"'<>");
    return text[at + length] == '@' ? length : 0;
}

static size_t value_length(const char *text, size_t at)
{
    char quote = at > 0 ? text[at - 1] : '\0';
    if (quote != '"' && quote != '\'')
        return strcspn(text + at, " \t\r\n,;&\"'}`");
    size_t length = 0;
    while (text[at + length] && text[at + length] != quote && text[at + length] != '\n')
        length += text[at + length] == '\\' && text[at + length + 1] ? 2 : 1;
    return length;
}

size_t redact_form_at(const struct redact *redact, const char *text, size_t at)
{
    if (strchr("$*", text[at]) || isspace((unsigned char)text[at]))
        return 0; /* the end of the text is one of these, too */
    size_t length = url_length(text, at);
    if (length > 0)
        return length;
    if (strchr("\"'=:", text[at]) ||
        (!follows_name(redact, text, at) && !follows_option(text, at)))
        return 0;
    return value_length(text, at);
}
