/* SPDX-License-Identifier: MIT */
/* netsplit judge: a kept history, or those of a drill's directory, held to a model.
 * netsplit models: the models there are. */
#include "proxy/base/exits.h"
#include "proxy/base/memory.h"
#include "proxy/base/option.h"
#include "scenarios/checkers/judge.h"
#include "scenarios/report/manifest.h"

#include <errno.h>
#include <glob.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int cmd_judge(int argc, char **argv);
int cmd_models(int argc, char **argv);

enum { FINDINGS_SHOWN = 5 };

struct judging {
    const char *model_name;
    bool json;
    enum exit_status worst;
    json_t *results; /* with json: path -> judgement */
};

static void print_checkers(const struct judgement *judgement)
{
    for (size_t i = 0; i < judgement->checker_count; i++) {
        const struct judged_checker *judged = &judgement->checkers[i];
        printf("  %-14s%-9s%s%s\n", judged->checker->name,
               verdict_name(judged->result.verdict),
               judged->counts ? "" : "(not asked for) ", judged->result.why);
    }
}

static void print_measures(const struct measures *measures)
{
    char text[64];
    for (int i = 0; i < MEASURE_COUNT; i++)
        if (measures->values[i].known)
            printf(
                "  %-28s%s%s\n", measure_row((enum measure)i)->name,
                measure_format((enum measure)i, measures->values[i], text, sizeof text),
                measure_shows_harm(measures, (enum measure)i) ? "  (harm)" : "");
}

static void print_findings(const struct judgement *judgement)
{
    const struct evidence *evidence = &judgement->evidence;
    char text[512];
    for (int kind = 0; kind < FINDING_KINDS; kind++) {
        uint64_t shown = 0;
        if (!evidence->total[kind])
            continue;
        printf("  %s: %" PRIu64 "\n", finding_name((enum finding_kind)kind),
               evidence->total[kind]);
        for (size_t i = 0; i < evidence->n && shown < FINDINGS_SHOWN; i++)
            if ((int)evidence->items[i].kind == kind && ++shown)
                printf("    %s\n", finding_format(judgement, &evidence->items[i], text,
                                                  sizeof text));
        if (evidence->total[kind] > shown)
            printf("    and %" PRIu64 " more\n", evidence->total[kind] - shown);
    }
}

/* Without --model: what the operations look like. */
static const struct model *guess_model(const struct history *history)
{
    const char *name = "append", *near;
    for (size_t i = 0; i < history_length(history); i++) {
        enum history_f f = history_get(history, i)->f;
        if (f == HISTORY_WRITE || f == HISTORY_CAS)
            name = "register";
        else if (f == HISTORY_ADD)
            name = "set";
    }
    return model_find(name, &near);
}

static void note_status(struct judging *judging, enum exit_status status)
{
    static const int rank[] = {
        [EXIT_DONE] = 0,        [EXIT_INCONCLUSIVE] = 1, [EXIT_FAILED] = 2,
        [EXIT_ENVIRONMENT] = 3, [EXIT_ABORTED] = 3,      [EXIT_USAGE] = 4,
    };
    if (rank[status] > rank[judging->worst])
        judging->worst = status;
}

static void show(struct judging *judging, const char *path,
                 const struct judgement *judgement, const struct model *model)
{
    static const enum exit_status statuses[] = {
        [VERDICT_VALID] = EXIT_DONE,
        [VERDICT_UNKNOWN] = EXIT_INCONCLUSIVE,
        [VERDICT_INVALID] = EXIT_FAILED,
    };
    note_status(judging, statuses[judgement->verdict]);
    if (judging->json) {
        (void)json_object_set_new(judging->results, path,
                                  judgement_to_json(judgement, model));
        return;
    }
    printf("%s: %s (%s: %s)\n", path, verdict_name(judgement->verdict), model->name,
           model->help);
    print_checkers(judgement);
    puts("measures");
    print_measures(&judgement->measures);
    if (judgement->evidence.n)
        puts("findings");
    print_findings(judgement);
}

static void judge_file(struct judging *judging, const char *path)
{
    struct errmsg err = {""};
    struct judgement judgement;
    const char *near;
    struct history *history = history_read_file(path, &err);
    const struct model *model = NULL;
    if (history)
        model = judging->model_name ? model_find(judging->model_name, &near)
                                    : guess_model(history);
    if (!history || judge_history(history, model, &judgement, &err) != 0) {
        if (history)
            errmsg_wrap(&err, "%s", path);
        fprintf(stderr, "netsplit judge: %s\n", err.text);
        note_status(judging, EXIT_USAGE);
    } else {
        show(judging, path, &judgement, model);
        judgement_free(&judgement);
    }
    history_destroy(history);
}

static void print_check(const char *directory, const struct manifest_check *check)
{
    printf("%s: %zu files are as they were written%s\n", directory, check->n_same,
           check->broken ? "; others are not:" : "");
    for (size_t i = 0; i < check->n; i++)
        printf("  %-15s%s\n", manifest_difference_name(check->items[i].difference),
               check->items[i].name);
}

static json_t *check_to_json(const struct manifest_check *check)
{
    static const char *const keys[] = {
        [MANIFEST_CHANGED] = "changed",
        [MANIFEST_MISSING] = "missing",
        [MANIFEST_ADDED] = "added",
    };
    json_t *lists[] = {json_array(), json_array(), json_array()};
    for (size_t i = 0; i < check->n; i++)
        (void)json_array_append_new(lists[check->items[i].difference],
                                    json_string_nocheck(check->items[i].name));
    json_t *json =
        json_pack("{s:s, s:I}", "verdict",
                  verdict_name(check->broken ? VERDICT_INVALID : VERDICT_VALID), "same",
                  (json_int_t)check->n_same);
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        (void)json_object_set_new(json, keys[i], lists[i]);
    return json;
}

/* A run's directory says what its files were like when the run ended. One without
 * SHA256SUMS is a mode's, or nothing of ours, unless it has a report. */
static void verify_files(struct judging *judging, const char *directory)
{
    struct errmsg err = {""};
    struct manifest_check check;
    char *report = xasprintf("%s/report.json", directory);
    char *sums = xasprintf("%s/%s", directory, MANIFEST_SUMS);
    int e = manifest_verify(directory, &check, &err);
    if (e == 0) {
        note_status(judging, check.broken ? EXIT_FAILED : EXIT_DONE);
        if (judging->json)
            (void)json_object_set_new(judging->results, sums, check_to_json(&check));
        else
            print_check(directory, &check);
        manifest_check_free(&check);
    } else if (e != -ENOENT) {
        fprintf(stderr, "netsplit judge: %s\n", err.text);
        note_status(judging, EXIT_USAGE);
    } else if (access(report, F_OK) == 0) {
        fprintf(stderr,
                "netsplit judge: %s holds a report, but no %s: nobody can tell whether "
                "its files are as they were written\n",
                directory, MANIFEST_SUMS);
    }
    free(report);
    free(sums);
}

/* A directory holds history.edn, or one in each of its directories: a mode's. */
static void judge_path(struct judging *judging, const char *path)
{
    struct stat about;
    glob_t found;
    char *pattern;
    if (stat(path, &about) != 0 || !S_ISDIR(about.st_mode)) {
        judge_file(judging, path);
        return;
    }
    verify_files(judging, path);
    pattern = xasprintf("%s/history.edn", path);
    int status = glob(pattern, 0, NULL, &found);
    free(pattern);
    if (status != 0) {
        pattern = xasprintf("%s/*/history.edn", path);
        status = glob(pattern, 0, NULL, &found);
        free(pattern);
    }
    if (status != 0) {
        fprintf(stderr, "netsplit judge: %s holds no history.edn\n", path);
        note_status(judging, EXIT_USAGE);
        return;
    }
    for (size_t i = 0; i < found.gl_pathc; i++)
        judge_file(judging, found.gl_pathv[i]);
    globfree(&found);
}

static int complain_model(const struct option_command *command, const char *name)
{
    const char *near = NULL;
    if (model_find(name, &near))
        return 0;
    if (near)
        return option_complain(command, "unknown model \"%s\"; did you mean \"%s\"?",
                               name, near);
    return option_complain(command, "unknown model \"%s\"; netsplit models lists them",
                           name);
}

int cmd_judge(int argc, char **argv)
{
    struct judging judging = {.worst = EXIT_DONE};
    const struct option_row rows[] = {
        {"model", 'm', OPTION_TEXT, &judging.model_name, "MODEL",
         "what the history is held to (default: what its operations fit)", 0, 0},
        {"json", 0, OPTION_FLAG, &judging.json, NULL, "print one JSON object", 0, 0},
        {0},
    };
    const struct option_command command = {
        "judge", "HISTORY|DIR... [--model MODEL] [--json]",
        "Judges histories (Jepsen's EDN, or JSON lines): what was lost, stale, out of\n"
        "order, how long nothing was written. DIR is a drill's, or one mode's; a\n"
        "drill's files are held to its SHA256SUMS too. Exit status 0: valid, 1: "
        "invalid\n"
        "or changed since, 4: unknown.",
        rows};
    int rest, ends = option_begin(&command, argc, argv, false, &rest);
    if (ends != OPTION_GOES_ON)
        return ends;
    if (rest == argc)
        return option_complain(&command, "which history?");
    if (judging.model_name && complain_model(&command, judging.model_name) != 0)
        return EXIT_USAGE;
    judging.results = json_object();
    for (int i = rest; i < argc; i++)
        judge_path(&judging, argv[i]);
    if (judging.json && json_dumpf(judging.results, stdout, JSON_INDENT(2)) == 0)
        putchar('\n');
    json_decref(judging.results);
    return (int)judging.worst;
}

int cmd_models(int argc, char **argv)
{
    const struct option_row rows[] = {{0}};
    const struct option_command command = {
        "models", "", "Lists what a history can be held to.", rows};
    int rest, ends = option_begin(&command, argc, argv, false, &rest);
    if (ends != OPTION_GOES_ON)
        return ends;
    if (rest != argc)
        return option_complain(&command, "unexpected \"%s\"", argv[rest]);
    for (const struct model *model = models; model->name; model++)
        printf("%-14s%s\n", model->name, model->help);
    return EXIT_DONE;
}
