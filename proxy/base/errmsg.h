/* SPDX-License-Identifier: MIT */
/* A sentence for the user about what failed, filled where it failed and wrapped by
 * each caller with what it was doing: "starting the proxy: listening on
 * 127.0.0.1:80: permission denied". */
#ifndef NETSPLIT_BASE_ERRMSG_H
#define NETSPLIT_BASE_ERRMSG_H

struct errmsg {
    char text[512]; /* empty = no error; longer text is cut */
};

/* Replaces the text. err may be NULL: then nothing happens. */
void errmsg_set(struct errmsg *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Puts "FORMATTED: " in front of the text. err may be NULL. */
void errmsg_wrap(struct errmsg *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
