/* SPDX-License-Identifier: MIT */
/* Steps that a person does: the text is shown, and the drill waits for a line on
 * standard input, which it looks at with every tick while the workload goes on.
 *
 * Happy path: Enter, or any text; answer, name and time are the step's output.
 * Failures: an answer that begins with "no" fails the step, as does the end of the
 * input or of the time allowed. With --unattended the step is skipped, and says so; it
 * marks no detection then. */
#include "scenarios/drill/drill_inside.h"

#include "rules/unit.h"

#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* Who sits there: whoever became root to do so is still meant. */
static const char *find_name(struct drill *drill)
{
    const char *name = getenv("SUDO_USER");
    const struct passwd *user = name && *name ? NULL : getpwuid(getuid());
    if (name && *name)
        return drill_keep(drill, name);
    return user ? drill_keep(drill, user->pw_name)
                : drill_print(drill, "user %u", (unsigned)getuid());
}

void manual_start(struct drill_mode *mode, const struct step *step)
{
    char span[32];
    if (mode->drill->options->unattended) {
        step_skip(mode, "nobody is asked: --unattended");
        return;
    }
    unit_format_duration(step->within_ns, span, sizeof span);
    term_progress_end(&mode->drill->progress);
    fprintf(
        stderr,
        "\n%s (line %u of the playbook)\n\n%s\n[Enter goes on; \"no\" and why fails "
        "the step; within %s] ",
        step->heading, step->at.line, step->text, span);
    (void)fflush(stderr); /* a terminal that is gone is told by reading */
    mode->asking = true;
}

static void answer(struct drill_mode *mode, const char *text)
{
    struct drill *drill = mode->drill;
    struct run_step *out = &mode->out->steps[mode->step];
    char when[32];
    now_format_utc(now_wall_ns(), when, sizeof when);
    mode->asking = false;
    out->output = drill_print(drill, "answered by %s at %s: %s\n", find_name(drill),
                              when, text[0] ? text : "(Enter)");
    step_record(mode, now_ns(), "answered", out->output);
    step_end(mode, strncasecmp(text, "no", 2) == 0
                       ? drill_print(drill, "the answer was \"%s\"", text)
                       : NULL);
}

static void read_answer(struct drill_mode *mode)
{
    char line[1024];
    ssize_t n = read(STDIN_FILENO, line, sizeof line - 1);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n <= 0) {
        mode->asking = false;
        step_end(mode, "nobody is there: the standard input has ended");
        return;
    }
    line[n] = '\0';
    line[strcspn(line, "\r\n")] = '\0';
    answer(mode, line);
}

void manual_tick(struct drill_mode *mode, uint64_t now)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    char span[32];
    if (!mode->asking)
        return;
    if (poll(&input, 1, 0) > 0) {
        read_answer(mode);
    } else if (now > mode->step_start_ns + mode_step(mode)->within_ns) {
        mode->asking = false;
        unit_format_duration(mode_step(mode)->within_ns, span, sizeof span);
        step_end(mode, drill_print(mode->drill, "nobody answered within %s", span));
    }
}
