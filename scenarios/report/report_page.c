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
#include "scenarios/report/report_page.h"

#include <cmark.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

extern const char report_page[], report_page_end[];

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
        report_push(modes, report_page_mode(run, &run->modes[i]));
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
