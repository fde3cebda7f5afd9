/* SPDX-License-Identifier: MIT */
#include "scenarios/drill/claim.h"

#include "scenarios/drill/claim_mark.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const names[] = {"a", "b"};

/* Of one or two nodes; ports of documentation addresses, which nothing listens at. */
static struct cluster cluster_of(const struct cluster_place *places, size_t n)
{
    return (struct cluster){.nodes = names, .n_nodes = n, .places = places};
}

Test(claim, clusters_that_share_a_node_exclude_each_other)
{
    const struct cluster_place one[] = {{.address = "192.0.2.1", .port = 5101},
                                        {.address = "192.0.2.2", .port = 5101}};
    const struct cluster_place other[] = {{.address = "192.0.2.3", .port = 5101},
                                          {.address = "192.0.2.2", .port = 5101}};
    struct cluster a = cluster_of(one, 2), b = cluster_of(other, 2);
    struct claim first, second;
    struct errmsg err = {""};
    char pid[32];
    cr_assert_eq(claim_take(&a, &first, &err), 0, "%s", err.text);
    cr_assert_eq(claim_take(&b, &second, &err), -EBUSY);
    (void)snprintf(pid, sizeof pid, ", pid %d, since 2", (int)getpid());
    cr_expect(strstr(err.text, "b (192.0.2.2:5101) is being drilled already, by "),
              "%s", err.text);
    cr_expect(strstr(err.text, pid), "%s", err.text);
    claim_release(&first);
    cr_assert_eq(claim_take(&b, &second, &err), 0, "%s", err.text);
    claim_release(&second);
}

Test(claim, a_claim_that_is_refused_keeps_nothing)
{
    const struct cluster_place both[] = {{.address = "192.0.2.1", .port = 5102},
                                         {.address = "192.0.2.2", .port = 5102}};
    struct cluster a = cluster_of(&both[1], 1), b = cluster_of(both, 2),
                   c = cluster_of(both, 1);
    struct claim first, second;
    cr_assert_eq(claim_take(&a, &first, NULL), 0);
    cr_assert_eq(claim_take(&b, &second, NULL), -EBUSY);
    cr_expect_eq(claim_take(&c, &second, NULL), 0, "the first of b's is free");
    claim_release(&first);
    claim_release(&second);
}

Test(claim, one_address_written_in_two_ways_is_one)
{
    const struct cluster_place one = {.address = "2001:db8::1", .port = 5103};
    const struct cluster_place same = {.address = "2001:0db8:0:0::0001", .port = 5103};
    struct cluster a = cluster_of(&one, 1), b = cluster_of(&same, 1);
    struct claim first, second;
    cr_assert_eq(claim_take(&a, &first, NULL), 0);
    cr_expect_eq(claim_take(&b, &second, NULL), -EBUSY);
    claim_release(&first);
}

Test(claim, one_address_in_two_containers_is_two)
{
    const struct cluster_place one = {
        .address = "127.0.0.1",
        .port = 5105,
        .netns = {.kind = PLACE_CONTAINER, .text = "pg1"}};
    const struct cluster_place other = {
        .address = "127.0.0.1",
        .port = 5105,
        .netns = {.kind = PLACE_CONTAINER, .text = "pg2"}};
    struct cluster a = cluster_of(&one, 1), b = cluster_of(&other, 1);
    struct claim first, second, third;
    cr_assert_eq(claim_take(&a, &first, NULL), 0);
    cr_assert_eq(claim_take(&b, &second, NULL), 0);
    cr_expect_eq(claim_take(&a, &third, NULL), -EBUSY);
    claim_release(&first);
    claim_release(&second);
}

Test(claim, clusters_that_the_drill_starts_run_side_by_side)
{
    struct cluster own = cluster_of(NULL, 2);
    struct claim first = {.n = 0}, second = {.n = 0};
    cr_expect_eq(claim_take(&own, &first, NULL), 0);
    cr_expect_eq(claim_take(&own, &second, NULL), 0);
}

Test(claim, kill_9_frees_it)
{
    const struct cluster_place place = {.address = "192.0.2.1", .port = 5104};
    struct cluster a = cluster_of(&place, 1);
    struct claim claim;
    int ends[2];
    char ready;
    cr_assert_eq(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* cannot fail */
        (void)!write(ends[1], claim_take(&a, &claim, NULL) == 0 ? "y" : "n", 1);
        for (;;)
            (void)pause(); /* until it is killed */
    }
    cr_assert_eq(read(ends[0], &ready, 1), 1);
    cr_assert_eq(ready, 'y');
    cr_expect_eq(claim_take(&a, &claim, NULL), -EBUSY);
    cr_assert_eq(kill(pid, SIGKILL), 0);
    cr_assert_eq(waitpid(pid, NULL, 0), pid);
    cr_assert_eq(claim_take(&a, &claim, NULL), 0);
    claim_release(&claim);
}

/* The mark of a process that has ended. */
static void make_dead_mark(char mark[static CLAIM_MARK_BYTES])
{
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        claim_mark_make(mark);
        (void)!write(ends[1], mark, CLAIM_MARK_BYTES);
        _exit(0);
    }
    cr_assert_eq(read(ends[0], mark, CLAIM_MARK_BYTES), CLAIM_MARK_BYTES);
    cr_assert_eq(waitpid(pid, NULL, 0), pid);
}

Test(claim, its_own_mark_yields)
{
    char mark[CLAIM_MARK_BYTES], text[CLAIM_TEXT_BYTES];
    claim_mark_make(mark);
    cr_expect(claim_mark_yields(mark, false, text), "%s: %s", mark, text);
    cr_expect_str_empty(text);
}

Test(claim, the_mark_of_a_process_that_is_gone_yields_and_is_named)
{
    char mark[CLAIM_MARK_BYTES], text[CLAIM_TEXT_BYTES];
    make_dead_mark(mark);
    cr_expect(claim_mark_yields(mark, false, text), "%s: %s", mark, text);
    cr_expect(strstr(text, "taken over from "), "%s", text);
}

Test(claim, the_mark_of_another_machine_yields_to_one_who_says_so)
{
    char mark[CLAIM_MARK_BYTES], text[CLAIM_TEXT_BYTES];
    make_dead_mark(mark);
    *strrchr(mark, '-') = '\0'; /* its process: of another boot, which nobody can see */
    (void)snprintf(strstr(mark, " at "), 40, " at 00000000-1-1");
    cr_expect_not(claim_mark_yields(mark, false, text), "%s", mark);
    cr_expect(strstr(text, "being drilled by ") && strstr(text, "--take-over"), "%s",
              text);
    cr_expect(claim_mark_yields(mark, true, text), "%s: %s", mark, text);
}

Test(claim, what_is_no_mark_never_yields_and_is_not_shown)
{
    static const char *const texts[] = {
        "", "alice", "\033[31mred@host pid 1 since 2026-11-25T02:31:07Z at a-1-1",
        "alice@host pid 1 since 2026-11-25T02:31:07Z at a-1-1'; DROP TABLE x; --",
        "alice@host pid 01 since 2026-11-25T02:31:07Z at a-1-1"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char text[CLAIM_TEXT_BYTES];
        cr_expect_not(claim_mark_yields(texts[i], true, text), "%s", texts[i]);
        cr_expect_str_eq(text, "it has a mark of a drill that cannot be read");
    }
}
