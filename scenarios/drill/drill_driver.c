/* SPDX-License-Identifier: MIT */
/* The driver's side of a mode where the driver is a program of the user's: where it runs
 * and complains to, and that somebody hears of it, once: it may be asked a thousand
 * times. */
#include "scenarios/drill/drill_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

bool driver_log_open(struct drill_mode *mode)
{
    char path[PATH_MAX + 32];
    if (!driver_is_program(mode->drill->cluster->driver))
        return true;
    (void)snprintf(path, sizeof path, "%s/driver.log", mode->out_dir);
    mode->driver_log_fd =
        open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_APPEND, 0644);
    if (mode->driver_log_fd > 0)
        return true;
    (void)snprintf(mode->error, sizeof mode->error, "%s: %s", path, strerror(errno));
    return false;
}

void driver_log_close(struct drill_mode *mode)
{
    if (mode->driver_log_fd > 0)
        (void)close(mode->driver_log_fd); /* a log that is short is no loss */
    mode->driver_log_fd = 0;
}

struct driver_program driver_program(const struct drill_mode *mode)
{
    return (struct driver_program){.directory = mode->drill->cluster->directory,
                                   .log_fd = mode->driver_log_fd};
}

void driver_tick(struct drill_mode *mode)
{
    struct processes_statistics statistics;
    if (mode->driver_told || !mode->processes)
        return;
    processes_statistics(mode->processes, &statistics);
    if (!statistics.first_defect[0])
        return;
    mode->driver_told = true;
    term_progress_say(&mode->drill->progress, "%s: %s; see %s/driver.log",
                      mode->mode->name, statistics.first_defect, mode->mode->name);
}

const char *driver_verdict(struct drill_mode *mode)
{
    struct processes_statistics statistics;
    if (!mode->processes || !driver_is_program(mode->drill->cluster->driver))
        return NULL;
    processes_statistics(mode->processes, &statistics);
    if (statistics.ok_writes > 0)
        return NULL;
    if (statistics.first_defect[0])
        return drill_print(mode->drill, "no write was ever acknowledged, and %s",
                           statistics.first_defect);
    if (statistics.errors[DRIVER_TIMEOUT] + statistics.errors[DRIVER_UNREACHABLE] > 0)
        return drill_print(mode->drill, "no write was ever acknowledged: %s",
                           statistics.last_error);
    return NULL;
}
