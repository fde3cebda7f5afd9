/* SPDX-License-Identifier: MIT */
/* report.html: the page of report/page.html with the run's data put into it as JSON.
 * The playbook is rendered block by block, so that the page can put each step's outcome
 * below its block; cmark leaves raw HTML out, and "<" never stands in the JSON, so
 * nothing of a playbook or of a command's output can become part of the page.
 *
 * Not done here: layout. The page draws what it is given. */
#include "proxy/base/errmsg.h"
#include "proxy/base/memory.h"
#include "proxy/base/now.h"
#include "scenarios/report/manifest.h"
#include "scenarios/report/report.h"
#include "scenarios/report/report_parts.h"

#include <cmark.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

extern const char report_page[], report_page_end[];

/* --- the playbook --- */

/* The text behind the front matter, and how many lines that took. */
static const char *skip_front_matter(const char *text, uint32_t *lines)
{
    *lines = 0;
    if (strncmp(text, "---\n", 4) != 0)
        return text;
    const char *end = strstr(text + 3, "\n---\n");
    if (!end)
        return text;
    for (const char *at = text; at < end + 5; at++)
        *lines += *at == '\n';
    return end + 5;
}

static json_t *render_document(const char *text)
{
    uint32_t skipped;
    const char *body = skip_front_matter(text, &skipped);
    json_t *blocks = report_array();
    cmark_node *root = cmark_parse_document(body, strlen(body), CMARK_OPT_DEFAULT);
    for (cmark_node *node = cmark_node_first_child(root); node;
         node = cmark_node_next(node)) {
        char *html = cmark_render_html(node, CMARK_OPT_DEFAULT);
        bool code = cmark_node_get_type(node) == CMARK_NODE_CODE_BLOCK;
        uint32_t line = (uint32_t)cmark_node_get_start_line(node) + skipped;
        bool is_empty = code && *cmark_node_get_literal(node) == '\0';
        json_t *block = report_object();
        report_put(block, "html", report_text(is_empty ? "" : html));
        report_put(block, "line", report_number(code ? line : 0));
        report_push(blocks, block);
        free(html);
    }
    cmark_node_free(root);
    return blocks;
}

static json_t *describe_playbook(const struct run *run)
{
    json_t *playbook = report_object();
    report_put(playbook, "title", report_text(run->title));
    report_put(playbook, "file", report_text(run->playbook_path));
    report_put(playbook, "owner", report_text(run->owner));
    return playbook;
}

/* --- a mode --- */

static void put_operation(json_t *lists[4], const struct run_mode *mode, size_t i)
{
    const struct operation *operation = &mode->judgement.operations.items[i];
    uint64_t end_ns = operation->complete_ns;
    if (end_ns == HISTORY_NEVER)
        end_ns = history_time_ns(mode->history, mode->end_of_reads_ns);
    uint64_t took_ns =
        end_ns > operation->invoke_ns ? end_ns - operation->invoke_ns : 0;
    double invoked_ms = (double)operation->invoke_ns / (double)NS_PER_MS;
    report_push(lists[0], report_real(invoked_ms));
    report_push(lists[1], report_real((double)took_ns / (double)NS_PER_MS));
    report_push(lists[2], report_number((uint64_t)operation->type - HISTORY_OK));
    report_push(lists[3], report_number(mode->judgement.fates[i]));
}

static json_t *list_operations(const struct run_mode *mode)
{
    static const char *const names[] = {"invoked", "latency", "type", "fate"};
    json_t *all = report_object(), *lists[4];
    for (int i = 0; i < 4; i++) {
        lists[i] = report_array();
        report_put(all, names[i], lists[i]);
    }
    for (size_t i = 0; mode->judged && i < mode->judgement.operations.n; i++)
        if (operation_is_workload(&mode->judgement.operations.items[i]))
            put_operation(lists, mode, i);
    return all;
}

static json_t *list_roles(const struct run *run, const struct run_mode *mode)
{
    json_t *all = report_array();
    for (size_t i = 0; i < mode->n_roles; i++) {
        json_t *one = report_object();
        report_put(one, "node", report_text(run->nodes[mode->roles[i].node]));
        report_put(one, "start_ms",
                   report_real(report_ms(mode, mode->roles[i].from_ns)));
        report_put(one, "end_ms", report_real(report_ms(mode, mode->roles[i].to_ns)));
        report_push(all, one);
    }
    return all;
}

static json_t *list_split_brains(const struct run_mode *mode)
{
    json_t *all = report_array();
    for (size_t i = 0; mode->judged && i < mode->judgement.evidence.n; i++) {
        const struct finding *finding = &mode->judgement.evidence.items[i];
        if (finding->kind != FINDING_SPLIT_BRAIN)
            continue;
        double start_ms = (double)finding->at_ns / (double)NS_PER_MS;
        json_t *one = report_object();
        report_put(one, "start_ms", report_real(start_ms));
        report_put(
            one, "end_ms",
            report_real(start_ms + (double)finding->span_ns / (double)NS_PER_MS));
        report_push(all, one);
    }
    return all;
}

static void push_recovery(json_t *all, const char *name, double start_ms, double end_ms,
                          bool reached)
{
    json_t *one = report_object();
    report_put(one, "name", report_text(name));
    report_put(one, "human", json_boolean(strcmp(name, "decide") == 0));
    report_put(one, "start_ms", report_real(start_ms));
    report_put(one, "end_ms", report_real(end_ms));
    report_put(one, "reached", json_boolean(reached));
    report_push(all, one);
}

/* A measure that counts from the fault, as a bar from where the one before ended. */
static void push_measured(json_t *all, const struct run_mode *mode, const char *name,
                          enum measure measure, double *from_ms)
{
    struct measure_value value = mode->judgement.measures.values[measure];
    if (!value.known)
        return;
    bool reached = value.value != MEASURE_NEVER;
    double whole_ms = report_ms(mode, mode->end_ns) - report_ms(mode, mode->fault_ns);
    double end_ms = reached ? (double)value.value / (double)NS_PER_MS : whole_ms;
    push_recovery(all, name, *from_ms < end_ms ? *from_ms : end_ms, end_ms, reached);
    *from_ms = end_ms;
}

/* Where the time went between the fault and a service as good as before. */
static json_t *list_recovery(const struct run_mode *mode)
{
    json_t *all = report_array();
    double from_ms = 0, fault_ms = report_ms(mode, mode->fault_ns);
    bool acted = false; /* what comes before the first act is for people to decide */
    if (!mode->judged || mode->fault_ns == 0)
        return all;
    push_measured(all, mode, "detect", MEASURE_DETECTION, &from_ms);
    for (size_t i = 0; i < mode->n_steps; i++) {
        const struct run_step *step = &mode->steps[i];
        bool moves =
            strcmp(step->verb, "promote") == 0 || strcmp(step->verb, "clients") == 0;
        if (!moves || step->start_ns < mode->fault_ns)
            continue;
        double start_ms = report_ms(mode, step->start_ns) - fault_ms;
        if (!acted && from_ms < start_ms)
            push_recovery(all, "decide", from_ms, start_ms, true);
        acted = true;
        from_ms = report_ms(mode, step->end_ns) - fault_ms;
        push_recovery(all, step->verb, start_ms, from_ms,
                      step->status == RUN_STEP_DONE);
    }
    push_measured(all, mode, "first write", MEASURE_RTO_FIRST, &from_ms);
    push_measured(all, mode, "steady", MEASURE_RTO_STEADY, &from_ms);
    return all;
}

/* --- links, and the writes that were lost on them --- */

static json_t *list_links(const struct run_mode *mode)
{
    static const char *const periods[] = {"before", "during", "after"};
    json_t *all = report_array();
    for (size_t i = 0; i < mode->n_links; i++) {
        const struct run_link *link = &mode->links[i];
        json_t *one = report_object();
        report_put(one, "from", report_text(link->from));
        report_put(one, "to", report_text(link->to));
        for (int p = 0; p < RUN_PERIODS; p++) {
            json_t *period = report_object();
            report_put(period, "passed", report_number(link->period[p].passed_bytes));
            report_put(period, "held", report_number(link->period[p].held_bytes));
            report_put(period, "discarded",
                       report_number(link->period[p].discarded_bytes));
            report_put(one, periods[p], period);
        }
        report_push(all, one);
    }
    return all;
}

/* Bytes that were on their way when the cut came count as carried under it. */
static bool is_cut(const struct run_link *link)
{
    uint64_t before = link->period[RUN_BEFORE].passed_bytes;
    return before > 0 && link->period[RUN_DURING].passed_bytes <= before / 20;
}

/* The nodes to which a node's link carried bytes before the fault, and hardly any under
 * it. */
static json_t *list_cut_from(const struct run *run, const struct run_mode *mode,
                             int node)
{
    json_t *cut = report_array();
    for (size_t i = 0; node >= 0 && i < mode->n_links; i++) {
        const struct run_link *link = &mode->links[i];
        if (strcmp(link->from, run->nodes[node]) == 0 && is_cut(link))
            report_push(cut, report_text(link->to));
    }
    return cut;
}

static const struct run_window *window_at(const struct run_mode *mode, uint64_t at_ns)
{
    for (size_t i = 0; i < mode->n_windows; i++) {
        const struct run_window *window = &mode->windows[i];
        if (window->from_ns <= at_ns && (window->to_ns == 0 || at_ns <= window->to_ns))
            return window;
    }
    return NULL;
}

static char *tell_story(const struct run *run, const struct run_mode *mode,
                        const struct operation *write)
{
    uint64_t acked_ns = mode->base_ns + write->complete_ns;
    const struct run_window *window = window_at(mode, acked_ns);
    char *story = xasprintf(
        "%s %" PRId64 " to %" PRId64
        ": invoked at %.4f s by process %d%s%s, acknowledged "
        "%.1f ms later",
        history_f_name(write->f), write->argument.integer, write->key,
        (double)write->invoke_ns / (double)NS_PER_S, write->process,
        write->node >= 0 ? " on " : "", write->node >= 0 ? run->nodes[write->node] : "",
        (double)(write->complete_ns - write->invoke_ns) / (double)NS_PER_MS);
    if (window) {
        char *with = xasprintf("%s, while `%s` (%s) was in force", story, window->name,
                               *window->how ? window->how : window->kind);
        free(story);
        story = with;
    }
    for (size_t i = 0; i < mode->n_primaries; i++) {
        const struct run_primary *primary = &mode->primaries[i];
        if (primary->from_ns <= acked_ns || primary->node == write->node)
            continue;
        char *with = xasprintf("%s; %s was promoted at %.4f s without it", story,
                               run->nodes[primary->node],
                               report_ms(mode, primary->from_ns) / 1000);
        free(story);
        story = with;
        break;
    }
    char *whole = xasprintf("%s; in no node's final read.", story);
    free(story);
    return whole;
}

static json_t *describe_lost(const struct run *run, const struct run_mode *mode,
                             const struct operation *write)
{
    json_t *one = report_object();
    char *story = tell_story(run, mode, write);
    report_put(one, "text", report_text(story));
    report_put(one, "invoked_ms",
               report_real((double)write->invoke_ns / (double)NS_PER_MS));
    report_put(one, "acked_ms",
               report_real((double)write->complete_ns / (double)NS_PER_MS));
    report_put(one, "node",
               report_text(write->node >= 0 ? run->nodes[write->node] : NULL));
    report_put(one, "cut", list_cut_from(run, mode, write->node));
    free(story);
    return one;
}

static json_t *list_lost(const struct run *run, const struct run_mode *mode)
{
    json_t *lost = report_object(), *items = report_array();
    const struct judgement *judgement = &mode->judgement;
    for (size_t i = 0; mode->judged && i < judgement->evidence.n; i++) {
        const struct finding *finding = &judgement->evidence.items[i];
        if (finding->kind == FINDING_LOST &&
            finding->operation < judgement->operations.n)
            report_push(
                items, describe_lost(run, mode,
                                     &judgement->operations.items[finding->operation]));
    }
    uint64_t total = mode->judged ? judgement->evidence.total[FINDING_LOST] : 0;
    report_put(lost, "total", report_number(total));
    report_put(lost, "items", items);
    return lost;
}

static json_t *page_mode(const struct run *run, const struct run_mode *mode)
{
    json_t *json = report_mode(mode);
    uint64_t end_ns = mode->end_of_reads_ns ? mode->end_of_reads_ns : mode->end_ns;
    report_put(json, "name", report_text(mode->name));
    report_put(json, "systems", report_systems(run, mode));
    report_put(json, "end_ms", report_real(report_ms(mode, end_ns)));
    report_put(json, "started_wall_ms", report_number(mode->base_wall_ns / NS_PER_MS));
    report_put(json, "operations", list_operations(mode));
    report_put(json, "roles", list_roles(run, mode));
    report_put(json, "split", list_split_brains(mode));
    report_put(json, "recovery", list_recovery(mode));
    report_put(json, "links", list_links(mode));
    report_put(json, "lost", list_lost(run, mode));
    return json;
}

/* --- the catalogue, the environment, the files --- */

static json_t *list_measures(void)
{
    static const char *const units[] = {"count", "duration", "frequency", "boolean"};
    json_t *all = report_array();
    for (int i = 0; i < MEASURE_COUNT; i++) {
        const struct measure_row *row = measure_row((enum measure)i);
        json_t *one = report_object();
        report_put(one, "name", report_text(row->name));
        report_put(one, "json", report_text(row->json_name));
        report_put(one, "unit", report_text(units[row->unit]));
        report_put(one, "harm", json_boolean(row->harm));
        report_put(one, "help", report_text(row->help));
        report_push(all, one);
    }
    return all;
}

static json_t *list_fates(void)
{
    json_t *all = report_array();
    for (int i = FATE_KEPT; i <= FATE_GHOST; i++)
        report_push(all, report_text(fate_name((enum fate)i)));
    return all;
}

static json_t *describe_environment(const struct run *run)
{
    struct utsname host;
    char ended[32], *kernel;
    json_t *json = report_object();
    uint64_t took_ns = run->ended_ns - run->started_ns;
    now_format_utc(run->started_wall_ns + took_ns, ended, sizeof ended);
    kernel = uname(&host) == 0
                 ? xasprintf("%s %s %s", host.sysname, host.release, host.machine)
                 : xstrdup("not known");
    report_put(json, "netsplit", report_text(run->version));
    report_put(json, "cluster file", report_text(run->cluster_path));
    report_put(json, "driver", report_text(run->driver));
    report_put(json, "workload", report_text(run->workload));
    if (run->variables && *run->variables)
        report_put(json, "variables", report_text(run->variables));
    report_put(json, "kernel", report_text(kernel));
    report_put(json, "ended", report_text(ended));
    free(kernel);
    return json;
}

/* All but what is written after or with the page. */
static json_t *list_files(const char *directory, struct errmsg *err)
{
    static const char *const but[] = {"report.json", "report.html", "report.html.new",
                                      "junit.xml",   MANIFEST_NAME, MANIFEST_SUMS,
                                      NULL};
    struct manifest_files files;
    if (manifest_list(directory, but, &files, err) != 0)
        return NULL;
    json_t *all = report_array();
    for (size_t i = 0; i < files.n; i++) {
        json_t *one = report_object();
        report_put(one, "name", report_text(files.items[i].name));
        report_put(one, "sha256", report_text(files.items[i].sha256));
        report_push(all, one);
    }
    manifest_free(&files);
    return all;
}

/* "async: lost_writes: 939, expected at least 1", or that there is none. */
static char *describe_control(const struct run *run)
{
    for (size_t i = 0; i < run->n_modes; i++)
        for (size_t k = 0; k < run->modes[i].n_expectations; k++)
            if (run->modes[i].expectations[k].control)
                return xasprintf("%s: %s", run->modes[i].name,
                                 run->modes[i].expectations[k].sentence);
    return xstrdup("none");
}

json_t *report_page_data(const struct run *run, const char *directory,
                         struct errmsg *err)
{
    json_t *files = directory ? list_files(directory, err) : report_array();
    if (!files)
        return NULL;
    json_t *data = report_to_json(run), *modes = report_array(),
           *nodes = report_array();
    char *control = describe_control(run);
    for (size_t i = 0; i < run->n_nodes; i++)
        report_push(nodes, report_text(run->nodes[i]));
    for (size_t i = 0; i < run->n_modes; i++)
        report_push(modes, page_mode(run, &run->modes[i]));
    report_put(data, "started_utc", json_incref(json_object_get(data, "started")));
    report_put(data, "playbook", describe_playbook(run));
    report_put(data, "document", render_document(run->text));
    report_put(data, "control", report_text(control));
    report_put(data, "nodes", nodes);
    report_put(data, "modes", modes);
    report_put(data, "measures", list_measures());
    report_put(data, "fates", list_fates());
    report_put(data, "directory", report_text(run->working_directory));
    report_put(data, "environment", describe_environment(run));
    report_put(data, "files", files);
    report_put(data, "previous", report_previous(run, directory));
    free(control);
    return data;
}

/* --- the page --- */

static int put_json(const char *bytes, size_t n, void *to)
{
    for (size_t i = 0; i < n; i++) {
        int written = bytes[i] == '<' ? fputs("\\u003c", to) : fputc(bytes[i], to);
        if (written == EOF)
            return -1;
    }
    return 0;
}

static void put_escaped(const char *text, FILE *to)
{
    for (; *text; text++) {
        if (*text == '<')
            fputs("&lt;", to);
        else if (*text == '&')
            fputs("&amp;", to);
        else
            fputc(*text, to);
    }
}

int report_write_page(const struct run *run, const char *directory, FILE *to,
                      struct errmsg *err)
{
    static const char sentence_mark[] = "@SENTENCE@", data_mark[] = "@DATA@";
    const char *sentence_at = strstr(report_page, sentence_mark);
    const char *data_at = strstr(report_page, data_mark);
    json_t *data = report_page_data(run, directory, err);
    if (!data)
        return -EIO;
    char *sentence = report_sentence(run);
    const char *rest = data_at + strlen(data_mark);
    fwrite(report_page, 1, (size_t)(sentence_at - report_page), to);
    put_escaped(sentence, to);
    sentence_at += strlen(sentence_mark);
    fwrite(sentence_at, 1, (size_t)(data_at - sentence_at), to);
    int failed =
        json_dump_callback(data, put_json, to, JSON_COMPACT | JSON_REAL_PRECISION(7));
    fwrite(rest, 1, strlen(rest), to);
    json_decref(data);
    free(sentence);
    return failed || ferror(to) ? -EIO : 0;
}
