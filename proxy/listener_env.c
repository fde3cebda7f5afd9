/* SPDX-License-Identifier: MIT */
/* Names of listeners may hold what names of variables may not, so two can become one:
 * that is refused, since one of the two would be lost. Variables of the same names that
 * we were given (a run within a run) give way. */
#include "proxy/listener_env.h"
#include "proxy/base/errmsg.h"
#include "proxy/base/memory.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PREFIX "NETSPLIT_"

static char to_variable(char c)
{
    if (c >= 'a' && c <= 'z')
        return (char)(c - 'a' + 'A');
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ? c : '_';
}

/* "NETSPLIT_PG_1=127.0.0.1:4711" */
static char *make_variable(const char *name, const char *value)
{
    char *text = xasprintf(PREFIX "%s=%s", name, value);
    size_t length = strlen(name);
    for (size_t i = 0; i < length; i++)
        text[strlen(PREFIX) + i] = to_variable(name[i]);
    return text;
}

static bool are_named_alike(const char *a, const char *b)
{
    size_t length = strcspn(a, "=");
    return strncmp(a, b, length) == 0 && b[length] == '=';
}

static size_t find(char *const *env, size_t n, const char *variable)
{
    size_t i = 0;
    while (i < n && !are_named_alike(env[i], variable))
        i++;
    return i;
}

static const char *listener_text(const json_t *listeners, size_t i, const char *key)
{
    const char *text =
        json_string_value(json_object_get(json_array_get(listeners, i), key));
    return text ? text : "";
}

/* env[0] is the control socket's, then comes one a listener. False: there would be two
 * of one name. */
static bool add_listeners(char **env, size_t *n, const json_t *listeners,
                          struct errmsg *err)
{
    for (size_t i = 0; i < json_array_size(listeners); i++) {
        const char *name = listener_text(listeners, i, "name");
        char *variable = make_variable(name, listener_text(listeners, i, "address"));
        size_t same = find(env, *n, variable);
        env[*n] = variable;
        if (same < (*n)++) {
            errmsg_set(err, "%.*s would be the address of %s and of %s: rename one",
                       (int)strcspn(variable, "="), variable,
                       same == 0 ? "the control socket"
                                 : listener_text(listeners, same - 1, "name"),
                       name);
            return false;
        }
    }
    return true;
}

char **listener_env_make(const json_t *status, const char *control, struct errmsg *err)
{
    const json_t *listeners = json_object_get(status, "listeners");
    size_t n = 0, n_ours = 0, n_new;
    while (environ[n_ours])
        n_ours++;
    char **env = xcalloc(json_array_size(listeners) + n_ours + 2, sizeof *env);
    env[n++] = make_variable("control", control);
    if (!add_listeners(env, &n, listeners, err)) {
        listener_env_free(env);
        return NULL;
    }
    n_new = n;
    for (size_t i = 0; i < n_ours; i++)
        if (find(env, n_new, environ[i]) == n_new)
            env[n++] = xstrdup(environ[i]);
    return env;
}

void listener_env_free(char **env)
{
    for (char **each = env; each && *each; each++)
        free(*each);
    free(env);
}
