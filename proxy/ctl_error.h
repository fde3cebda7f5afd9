/* SPDX-License-Identifier: MIT */
/* What netsplit ctl says when it cannot do what was asked: a sentence on stderr, and
 * with --json also one object on stdout, in the shape of the API's errors (proxy/api/api.h),
 * whether or not an API was reached. Each returns the exit status. */
#ifndef NETSPLIT_PROXY_CTL_ERROR_H
#define NETSPLIT_PROXY_CTL_ERROR_H

#include <jansson.h>
#include <stdbool.h>

struct diag;
struct errmsg;
struct option_command;

/* The call is wrong; --help is named. */
int ctl_error_usage(const struct option_command *command, bool json, const char *format,
                    ...) __attribute__((format(printf, 3, 4)));

/* Anything else that is said in one sentence. */
int ctl_error(bool json, int exit_status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The words for a rule are wrong, or lack something here: status is parse_words()'s. */
int ctl_error_words(bool json, const char *name, const struct diag *diag, int status);

/* There was no good answer: status, body and err are control_call()'s. */
int ctl_error_answer(bool json, int status, const json_t *body,
                     const struct errmsg *err);

#endif
