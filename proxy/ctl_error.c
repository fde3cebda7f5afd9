/* SPDX-License-Identifier: MIT */
/* A script reads stdout only: so every way to fail puts its object there, too. */
#include "proxy/ctl_error.h"

#include "proxy/base/errmsg.h"
#include "proxy/base/exits.h"
#include "proxy/base/option.h"
#include "proxy/base/term.h"
#include "proxy/ctl_show.h"
#include "proxy/diag_json.h"
#include "rules/buffer.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

/* Takes the object over; without memory there is none. */
static void print_object(bool json, json_t *object)
{
    if (json && object && json_dumpf(object, stdout, JSON_COMPACT) == 0)
        putchar('\n'); /* a closed stdout shows at exit */
    json_decref(object);
}

static json_t *sentence(const char *text)
{
    json_t *value = json_string(text);
    if (!value)
        value = json_string("what was given is no UTF-8");
    return json_pack("{s:o}", "error", value);
}

int ctl_error_usage(const struct option_command *command, bool json, const char *format,
                    ...)
{
    char text[sizeof(struct errmsg)];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    print_object(json, sentence(text));
    return option_complain(command, "%s", text);
}

int ctl_error(bool json, int exit_status, const char *format, ...)
{
    char text[sizeof(struct errmsg)];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    print_object(json, sentence(text));
    fprintf(stderr, "netsplit ctl: %s\n", text);
    return exit_status;
}

int ctl_error_words(bool json, const char *name, const struct diag *diag, int status)
{
    struct errmsg err = {""};
    size_t n = diag->n_errors + diag->n_lacking;
    errmsg_set(&err, "%s: %zu %s, nothing was changed", name, n,
               n == 1 ? "error" : "errors");
    json_t *object = sentence(err.text);
    (void)json_object_set_new(object, "diagnostics", diag_to_json(diag));
    print_object(json, object);
    return status == -EINVAL ? EXIT_USAGE : EXIT_ENVIRONMENT;
}

static int tell_silence(const struct errmsg *err)
{
    fprintf(stderr,
            "netsplit ctl: %s: is one running?\n"
            "  netsplit proxy -f RULES starts one; --control PATH or $NETSPLIT_CONTROL "
            "say which%s\n",
            err->text,
            geteuid() == 0 ? "" : ";\n  one that root started is asked with sudo");
    return EXIT_ENVIRONMENT;
}

int ctl_error_answer(bool json, int status, const json_t *body,
                     const struct errmsg *err)
{
    const json_t *rows = json_object_get(body, "diagnostics");
    bool is_error = json_is_string(json_object_get(body, "error"));
    print_object(json, is_error ? json_deep_copy(body) : sentence(err->text));
    if (status == -ENOENT || status == -ECONNREFUSED)
        return tell_silence(err);
    size_t n_errors = ctl_show_diagnostics(body, term_wants_colour(stderr));
    bool lacking = n_errors == 0 && json_array_size(rows) > 0;
    fprintf(stderr, "netsplit ctl: %s\n", err->text);
    return status >= 400 && status < 500 && !lacking ? EXIT_USAGE : EXIT_ENVIRONMENT;
}
