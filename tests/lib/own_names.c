/* SPDX-License-Identifier: MIT */
#include "tests/lib/own_names.h"
#include "proxy/base/memory.h"

#include <criterion/criterion.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

static char *write_text(const char *directory, const char *name, const char *text)
{
    char *path = xasprintf("%s/%s", directory, name);
    FILE *to = fopen(path, "w"); /* in place: what is mounted is this very file */
    cr_assert_not_null(to);
    cr_assert_geq(fputs(text, to), 0);
    cr_assert_eq(fclose(to), 0);
    return path;
}

void own_names_set(const char *directory, const char *hosts)
{
    free(write_text(directory, "hosts", hosts));
}

const char *own_names_enter(const char *directory)
{
    static const struct {
        const char *name, *text, *over;
    } files[] = {
        {"hosts", "", "/etc/hosts"},
        {"nsswitch", "hosts: files\n", "/etc/nsswitch.conf"},
        {"host.conf", "multi on\n", "/etc/host.conf"},
    };
    if (geteuid() != 0)
        return "needs root";
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
        return "mount namespaces are not allowed here";
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char *path = write_text(directory, files[i].name, files[i].text);
        int status = mount(path, files[i].over, NULL, MS_BIND, NULL);
        free(path);
        if (status != 0)
            return "/etc/hosts, nsswitch.conf and host.conf cannot be mounted over";
    }
    return NULL;
}
