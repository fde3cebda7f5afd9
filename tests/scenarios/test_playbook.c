/* SPDX-License-Identifier: MIT */
/* Playbooks and cluster files: what is told about wrong ones, to the letter, and what
 * right ones become. `make golden` rewrites tests/golden/playbooks/NAME.want. */
#include "rules/buffer.h"
#include "scenarios/playbook/playbook.h"

#include <criterion/criterion.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *read_whole(const char *path, size_t *length)
{
    FILE *from = fopen(path, "rb");
    cr_assert_not_null(from, "cannot open %s", path);
    char *text = calloc(1, 65536);
    *length = fread(text, 1, 65535, from);
    (void)fclose(from); /* it was only read */
    return text;
}

/* Three nodes, two modes: what the playbooks here run on. */
static const char cluster_text[] = "cluster: 1\n"
                                   "name: paper\n"
                                   "driver: { resp: \"redis://\" }\n"
                                   "nodes: [n1, n2, n3]\n"
                                   "role: echo primary\n"
                                   "commands: { start: cat, ready: \"true\", "
                                   "promote: \"true\" }\n"
                                   "modes:\n"
                                   "  async: { check: echo async }\n"
                                   "  sync: { check: echo sync, env: { A: b } }\n";

static struct cluster *paper_cluster(void)
{
    struct diag diag;
    diag_init(&diag, NULL);
    struct cluster *cluster =
        cluster_parse("paper.yaml", cluster_text, sizeof cluster_text - 1, &diag);
    cr_assert_not_null(cluster);
    diag_close(&diag);
    return cluster;
}

static struct playbook *parse_playbook(const char *text, const struct cluster *cluster)
{
    struct diag diag;
    struct buffer told = {NULL};
    diag_init(&diag, NULL);
    struct playbook *playbook =
        playbook_parse("test.md", text, strlen(text), cluster, NULL, &diag);
    diag_render(&diag, false, &told);
    cr_assert_not_null(playbook, "%s", buffer_text(&told));
    buffer_close(&told);
    diag_close(&diag);
    return playbook;
}

static void tell(const char *path, struct buffer *out)
{
    size_t length = 0;
    char *text = read_whole(path, &length);
    const char *name = strrchr(path, '/') + 1;
    struct diag diag;
    diag_init(&diag, NULL);
    if (strstr(name, ".md")) {
        struct cluster *cluster = paper_cluster();
        playbook_destroy(playbook_parse(name, text, length, cluster, NULL, &diag));
        cluster_destroy(cluster);
    } else {
        cluster_destroy(cluster_parse(name, text, length, &diag));
    }
    diag_render(&diag, false, out);
    diag_close(&diag);
    free(text);
}

static void check_golden(const char *path, bool update)
{
    struct buffer got = {NULL};
    char want_path[256];
    (void)snprintf(want_path, sizeof want_path, "%.*s.want",
                   (int)(strrchr(path, '.') - path), path);
    tell(path, &got);
    if (update) {
        FILE *to = fopen(want_path, "wb");
        cr_assert_not_null(to, "cannot write %s", want_path);
        cr_assert_eq(fwrite(buffer_text(&got), 1, got.length, to), got.length);
        cr_assert_eq(fclose(to), 0);
    } else {
        size_t length = 0;
        char *want = read_whole(want_path, &length);
        cr_expect_str_eq(buffer_text(&got), want, "%s: told\n%s\ninstead of\n%s", path,
                         buffer_text(&got), want);
        free(want);
    }
    buffer_close(&got);
}

Test(playbook, takes_options_off_the_first_line_of_a_block_that_names_its_verb)
{
    struct cluster *cluster = paper_cluster();
    struct playbook *playbook = parse_playbook("---\nplaybook: A title\n---\n# First\n"
                                               "```yaml workload\nappend:\n```\n"
                                               "```sh step\n"
                                               "# netsplit: step on=n2 within=7s\n"
                                               "echo one\n```\n",
                                               cluster);
    const struct step *step = &playbook->steps[1];
    cr_expect_str_eq(step->on, "n2");
    cr_expect_eq(step->within_ns, UINT64_C(7000000000));
    cr_expect_str_eq(step->text, "echo one\n");
    playbook_destroy(playbook);
    cluster_destroy(cluster);
}

Test(playbook, every_mistake_is_answered_to_the_letter)
{
    static const char *const patterns[] = {"tests/golden/playbooks/*.md",
                                           "tests/golden/playbooks/*.yaml"};
    const char *wish = getenv("NETSPLIT_GOLDEN");
    bool update = wish && strcmp(wish, "update") == 0;
    glob_t found;
    cr_assert_eq(glob(patterns[0], 0, NULL, &found), 0);
    cr_assert_eq(glob(patterns[1], GLOB_APPEND, NULL, &found), 0);
    cr_assert_geq(found.gl_pathc, 6);
    for (size_t i = 0; i < found.gl_pathc; i++)
        check_golden(found.gl_pathv[i], update);
    globfree(&found);
}

Test(playbook, steps_keep_their_order_places_and_values)
{
    struct cluster *cluster = paper_cluster();
    struct playbook *playbook =
        parse_playbook("---\n"
                       "playbook: A title\n"
                       "owner: me\n"
                       "abort: { no_ok_write: 45s, duration: 3m }\n"
                       "---\n"
                       "# First\n"
                       "```yaml workload\n"
                       "append: { keys: 3 }\n"
                       "```\n"
                       "## Second\n"
                       "```yaml\n"
                       "# netsplit: run\n"
                       "for: 2s\n"
                       "```\n"
                       "~~~~sh step on=n2 within=7s on-fail=continue\n"
                       "echo one\n"
                       "```\n"
                       "~~~~\n"
                       "```yaml wait\n"
                       "until: role n3 standby\n"
                       "within: 4s\n"
                       "```\n"
                       "```yaml clients\n"
                       "move: { to: n2, of: clients.n3 }\n"
                       "```\n"
                       "```yaml expect\n"
                       "sync: { lost_writes: none }\n"
                       "all: { convergence: at most 10s }\n"
                       "```\n",
                       cluster);
    const struct step *steps = playbook->steps;
    cr_assert_eq(playbook->n_steps, 6);
    cr_expect_str_eq(playbook->title, "A title");
    cr_expect_eq(playbook->no_ok_write_ns, UINT64_C(45000000000));
    cr_expect_eq(playbook->duration_ns, UINT64_C(180000000000));
    cr_expect_eq(playbook->n_modes, 2, "all of the cluster's, as none were named");
    cr_expect_eq(steps[0].at.line, 7);
    cr_expect_eq(steps[0].workload.settings.keys, 3);
    cr_expect_str_eq(steps[1].heading, "Second");
    cr_expect_eq(steps[1].for_ns, UINT64_C(2000000000));
    cr_expect_str_eq(steps[2].on, "n2");
    cr_expect_eq(steps[2].within_ns, UINT64_C(7000000000));
    cr_expect_eq(steps[2].on_fail, 1);
    cr_expect_str_eq(steps[2].text, "echo one\n```\n",
                     "a longer fence holds a shorter");
    cr_expect_eq(steps[3].until, STEP_UNTIL_ROLE);
    cr_expect_str_eq(steps[3].until_role, "standby");
    cr_expect_eq(steps[3].within_ns, UINT64_C(4000000000));
    cr_expect_str_eq(steps[4].of, "clients.n3");
    cr_assert_eq(steps[5].n_expectations, 2);
    cr_expect_str_eq(steps[5].expectations[0].mode, "sync");
    cr_expect_null(steps[5].expectations[1].mode);
    cr_expect_eq(steps[5].expectations[1].line, 28);
    playbook_destroy(playbook);
    cluster_destroy(cluster);
}

Test(playbook, a_block_without_a_verb_is_prose)
{
    struct cluster *cluster = paper_cluster();
    struct playbook *playbook = parse_playbook("---\n"
                                               "playbook: Prose\n"
                                               "---\n"
                                               "```yaml\nfor: 2s\n```\n"
                                               "```\nnetsplit\n```\n"
                                               "    indented: yaml run\n\n"
                                               "```sh step\ntrue\n```\n",
                                               cluster);
    cr_expect_eq(playbook->n_steps, 1);
    playbook_destroy(playbook);
    cluster_destroy(cluster);
}

Test(playbook, the_shipped_ones_are_right_without_a_warning)
{
    glob_t found;
    cr_assert_eq(glob("playbooks/*.md", 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        struct diag diag;
        struct buffer told = {NULL};
        struct cluster *cluster = NULL;
        diag_init(&diag, NULL);
        struct playbook *playbook =
            playbook_load(found.gl_pathv[i], NULL, NULL, &cluster, &diag);
        diag_render(&diag, false, &told);
        cr_expect(playbook && diag.n == 0, "%s", buffer_text(&told));
        playbook_destroy(playbook);
        cluster_destroy(cluster);
        buffer_close(&told);
        diag_close(&diag);
    }
    globfree(&found);
}
