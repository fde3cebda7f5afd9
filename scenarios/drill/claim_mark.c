/* SPDX-License-Identifier: MIT */
/* "alice@web1 pid 4711 since 2026-11-25T02:31:07Z at 1f3b9c2e-4026531836-81273645"
 *
 * The last word says which process that is: the kernel's boot, the namespace of its
 * process ids, and when it started. Where the first two are ours, whether it lives can be
 * told; else only people know, and have to say so. The name of a machine is for people:
 * copies of one have the same. */
#include "scenarios/drill/claim_mark.h"

#include "proxy/base/now.h"
#include "proxy/base/rundir.h"

#include <ctype.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PLAIN "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

struct parts {
    char user[64], host[72], since[24];
    int pid;
    char boot[12];
    unsigned long long pids; /* their namespace */
    uint64_t start_ticks;
};

/* What others print and quote has no other characters than these. */
static void make_plain(char *text)
{
    for (; *text; text++)
        if (!strchr(PLAIN, *text))
            *text = '_';
}

/* Where a process id means anything: the boot of the kernel, and the namespace. */
static void fill_place(struct parts *parts)
{
    struct stat info;
    FILE *from = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (!from || fscanf(from, "%8[0-9a-f]", parts->boot) != 1)
        (void)snprintf(parts->boot, sizeof parts->boot, "none");
    if (from)
        (void)fclose(from); /* it was only read */
    if (stat("/proc/self/ns/pid", &info) == 0)
        parts->pids = info.st_ino;
}

static void fill_own(struct parts *parts)
{
    const struct passwd *user = getpwuid(geteuid());
    *parts = (struct parts){.pid = (int)getpid()};
    if (user)
        (void)snprintf(parts->user, sizeof parts->user, "%s", user->pw_name);
    else
        (void)snprintf(parts->user, sizeof parts->user, "%u", (unsigned)geteuid());
    if (gethostname(parts->host, sizeof parts->host - 1) != 0 || !parts->host[0])
        (void)snprintf(parts->host, sizeof parts->host, "unnamed");
    make_plain(parts->user);
    make_plain(parts->host);
    (void)rundir_start_time(getpid(), &parts->start_ticks); /* we live */
    now_format_utc(now_wall_of_ticks(parts->start_ticks), parts->since,
                   sizeof parts->since);
    fill_place(parts);
}

static void print(const struct parts *parts, char mark[static CLAIM_MARK_BYTES])
{
    (void)snprintf(mark, CLAIM_MARK_BYTES, "%s@%s pid %d since %s at %s-%llu-%" PRIu64,
                   parts->user, parts->host, parts->pid, parts->since, parts->boot,
                   parts->pids, parts->start_ticks);
}

void claim_mark_make(char mark[static CLAIM_MARK_BYTES])
{
    struct parts own;
    fill_own(&own);
    print(&own, mark);
}

/* Whether it is a mark, to the letter. */
static bool read_mark(const char *mark, struct parts *parts)
{
    char again[CLAIM_MARK_BYTES];
    *parts = (struct parts){.pid = 0};
    int n = sscanf(mark,
                   "%63[" PLAIN "]@%71[" PLAIN "] pid %9d since %23[0-9TZ:-] at "
                   "%11[0-9a-z]-%20llu-%20" SCNu64,
                   parts->user, parts->host, &parts->pid, parts->since, parts->boot,
                   &parts->pids, &parts->start_ticks);
    if (n != 7)
        return false;
    print(parts, again);
    return strcmp(mark, again) == 0;
}

/* Whether its process is known to be gone. */
static bool is_dead(const struct parts *parts, const struct parts *own)
{
    uint64_t ticks;
    return strcmp(parts->boot, own->boot) == 0 && parts->pids == own->pids &&
           (rundir_start_time(parts->pid, &ticks) != 0 || ticks != parts->start_ticks);
}

bool claim_mark_yields(const char *mark, bool take_over,
                       char text[static CLAIM_TEXT_BYTES])
{
    char ours[CLAIM_MARK_BYTES], who[CLAIM_TEXT_BYTES / 2 + 72];
    struct parts parts, own;
    text[0] = '\0';
    fill_own(&own);
    print(&own, ours);
    if (strcmp(mark, ours) == 0)
        return true;
    if (!read_mark(mark, &parts)) {
        (void)snprintf(text, CLAIM_TEXT_BYTES,
                       "it has a mark of a drill that cannot be read");
        return false;
    }
    (void)snprintf(who, sizeof who, "%s@%s, pid %d, since %s", parts.user, parts.host,
                   parts.pid, parts.since);
    bool yields = take_over || is_dead(&parts, &own);
    (void)snprintf(
        text, CLAIM_TEXT_BYTES,
        yields ? "taken over from %s"
               : "it is being drilled by %s (if that drill is dead: --take-over)",
        who);
    return yields;
}
