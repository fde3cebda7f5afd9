/* SPDX-License-Identifier: MIT */
/* The exit statuses every subcommand uses. */
#ifndef NETSPLIT_BASE_EXITS_H
#define NETSPLIT_BASE_EXITS_H

enum exit_status {
    EXIT_DONE = 0,         /* done, or the expectations held */
    EXIT_FAILED = 1,       /* an expectation failed, a history is invalid, or a fault of
                              a run touched nothing */
    EXIT_USAGE = 2,        /* bad usage or bad input */
    EXIT_ENVIRONMENT = 3,  /* a privilege, port or program is lacking; it was named */
    EXIT_INCONCLUSIVE = 4, /* the drill says nothing; its reason was named */
    EXIT_ABORTED = 5,      /* a stop condition ended the drill */
};

#endif
