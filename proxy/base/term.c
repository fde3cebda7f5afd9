/* SPDX-License-Identifier: MIT */
/* A terminal is one that can move its cursor: TERM is not dumb. What cannot be written
 * is lost, for nobody may be reading. */
#include "proxy/base/term.h"

#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { DEFAULT_COLUMNS = 80 };

static bool is_terminal(FILE *to)
{
    const char *name = getenv("TERM");
    return isatty(fileno(to)) && !(name && strcmp(name, "dumb") == 0);
}

bool term_wants_colour(FILE *to)
{
    const char *no = getenv("NO_COLOR");
    return is_terminal(to) && !(no && *no);
}

unsigned term_columns(FILE *to)
{
    struct winsize size;
    if (ioctl(fileno(to), TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return DEFAULT_COLUMNS;
    return size.ws_col;
}

bool term_is_attached(void)
{
    int fd = open("/dev/tty", O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0)
        (void)close(fd); /* nothing was written */
    return fd >= 0;
}

void term_disarm(char *text)
{
    for (char *at = text; *at; at++) {
        unsigned char c = (unsigned char)*at, next = (unsigned char)at[1];
        if ((c < ' ' && !strchr("\t\n\r", c)) || c == 0x7f)
            *at = '?';
        else if (c == 0xc2 && next >= 0x80 && next < 0xa0)
            at[0] = at[1] = '?';
    }
}

void term_progress_init(struct term_progress *progress, FILE *to)
{
    *progress = (struct term_progress){.to = to, .in_place = is_terminal(to)};
}

/* Whether a write would not wait: for a terminal that was stopped (Ctrl-S), for a reader
 * that does not read. What is shown on the way is not worth that: a fault might be in
 * force. */
static bool can_write(const struct term_progress *progress)
{
    struct pollfd to = {.fd = fileno(progress->to), .events = POLLOUT};
    return to.fd < 0 || poll(&to, 1, 0) != 0;
}

static void erase(struct term_progress *progress)
{
    if (progress->line_open)
        fputs("\r\033[K", progress->to);
    progress->line_open = false;
}

void term_progress_show(struct term_progress *progress, const char *head,
                        const char *detail)
{
    if (!can_write(progress))
        return;
    if (!progress->in_place) {
        if (strcmp(head, progress->last_head) == 0)
            return;
        (void)snprintf(progress->last_head, sizeof progress->last_head, "%s", head);
        fprintf(progress->to, "%s\n", head);
        return;
    }
    char line[512];
    (void)snprintf(line, sizeof line, "%s %s", head, detail);
    erase(progress);
    fprintf(progress->to, "%.*s", (int)term_columns(progress->to) - 1, line);
    fflush(progress->to);
    progress->line_open = true;
}

void term_progress_say(struct term_progress *progress, const char *format, ...)
{
    va_list args;
    char *line = NULL;
    if (!can_write(progress))
        return;
    va_start(args, format);
    int n = vasprintf(&line, format, args);
    va_end(args);
    if (n < 0)
        return; /* without memory there is more to worry about */
    if (progress->rewrite) {
        char *written = line;
        line = progress->rewrite(progress->context, written);
        free(written);
    }
    erase(progress);
    fprintf(progress->to, "%s\n", line);
    free(line);
}

void term_progress_end(struct term_progress *progress)
{
    erase(progress);
    fflush(progress->to);
}
