/* SPDX-License-Identifier: MIT */
#include "preflight_fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int preflight_fly(struct drill_fixture *fixture)
{
    static const char *const words[] = {"preflight", "./cluster.yaml", "--within", "3s",
                                        NULL};
    drill_spawn(fixture, words);
    return drill_wait(fixture);
}

bool preflight_told(const struct drill_fixture *fixture, const char *level,
                    const char *check, const char *text)
{
    char head[64];
    (void)snprintf(head, sizeof head, "  %-7s  %-11s  ", level, check);
    for (const char *at = strstr(fixture->told, head); at; at = strstr(at + 1, head)) {
        const char *found = strstr(at, text);
        if (found && found < at + strcspn(at, "\n"))
            return true;
    }
    return false;
}

void preflight_fly_until(struct drill_fixture *fixture, const char *level,
                         const char *check, const char *text)
{
    for (int i = 0; i < 50; i++) {
        (void)preflight_fly(fixture);
        if (preflight_told(fixture, level, check, text))
            return;
        (void)usleep(20000); /* to poll */
    }
    cr_assert_fail("no %s %s \"%s\" in:\n%s", level, check, text, fixture->told);
}

const char *preflight_mend_of(const struct drill_fixture *fixture, const char *text)
{
    static char mend[1024];
    const char *at = strstr(fixture->told, text);
    at = at ? strstr(at, "mend: ") : NULL;
    cr_assert_not_null(at, "no mend for \"%s\" in:\n%s", text, fixture->told);
    (void)snprintf(mend, sizeof mend, "%.*s", (int)strcspn(at + 6, "\n"), at + 6);
    return mend;
}

void preflight_run_mend(const struct drill_fixture *fixture, const char *text,
                        const char *user)
{
    char command[1200];
    (void)snprintf(command, sizeof command, "cd '%s'; exec >/dev/null; %s%s%s\n%s",
                   fixture->dir, user ? "export PGUSER='" : "", user ? user : "",
                   user ? "'" : "", preflight_mend_of(fixture, text));
    cr_assert_eq(system(command), 0, "%s", command);
}
