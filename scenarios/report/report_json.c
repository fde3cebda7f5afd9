/* SPDX-License-Identifier: MIT */
/* report.json: what scripts read. Durations are milliseconds and say so in their
 * names. */
#include "proxy/base/memory.h"
#include "proxy/base/now.h"
#include "rules/buffer.h"
#include "rules/utf8.h"
#include "scenarios/report/report.h"
#include "scenarios/report/report_parts.h"

#include <stdlib.h>

/* Aborts, as xcalloc does, where jansson answers NULL. */
static json_t *made(json_t *json)
{
    if (!json)
        abort();
    return json;
}

json_t *report_text(const char *text)
{
    struct buffer clean = {0};
    size_t left = text ? strlen(text) : 0;
    if (!text)
        return json_null();
    for (size_t good; (good = utf8_valid(text, left)) < left; left -= good + 1) {
        buffer_add(&clean, text, good);
        buffer_print(&clean, "?");
        text += good + 1;
    }
    buffer_add(&clean, text, left);
    json_t *json = made(json_stringn_nocheck(buffer_text(&clean), clean.length));
    buffer_close(&clean);
    return json;
}

json_t *report_object(void)
{
    return made(json_object());
}

json_t *report_array(void)
{
    return made(json_array());
}

void report_put(json_t *object, const char *name, json_t *value)
{
    if (json_object_set_new(object, name, value) != 0)
        abort(); /* no memory: the drill side may */
}

void report_push(json_t *array, json_t *value)
{
    if (json_array_append_new(array, value) != 0)
        abort();
}

double report_ms(const struct run_mode *mode, uint64_t at_ns)
{
    return at_ns > mode->base_ns ? (double)(at_ns - mode->base_ns) / (double)NS_PER_MS
                                 : 0;
}

json_t *report_number(uint64_t number)
{
    return made(json_integer((json_int_t)number));
}

json_t *report_real(double number)
{
    return made(json_real(number));
}

json_t *report_felt(const struct run_mode *mode)
{
    uint64_t attempts = 0;
    json_t *felt = report_object();
    for (size_t i = 0; i < mode->n_windows; i++)
        attempts += mode->windows[i].attempts;
    report_put(felt, "bytes", report_number(mode->felt.bytes));
    report_put(felt, "connections", report_number(mode->felt.connections));
    report_put(felt, "attempts", report_number(attempts));
    report_put(felt, "links", report_number(mode->felt.links));
    report_put(felt, "packets", report_number(mode->felt.packets));
    report_put(felt, "bypassing", report_number(mode->felt.bypassing));
    return felt;
}

json_t *report_expectations(const struct run_mode *mode)
{
    json_t *all = report_array();
    for (size_t i = 0; i < mode->n_expectations; i++) {
        const struct run_expectation *row = &mode->expectations[i];
        const struct expectation *expectation = &row->expectation;
        json_t *one = made(expect_to_json(expectation, &mode->judgement.measures));
        report_put(one, "line", report_number(row->line));
        report_put(one, "sentence", report_text(row->sentence));
        if (measure_row(expectation->measure)->unit == MEASURE_UNIT_DURATION &&
            expectation->scale == EXPECT_ABSOLUTE && expectation->has_high)
            report_put(one, "high_ms",
                       report_real((double)expectation->high / (double)NS_PER_MS));
        report_push(all, one);
    }
    return all;
}

json_t *report_phases(const struct run_mode *mode)
{
    json_t *all = report_array();
    for (size_t i = 0; i < mode->n_phases; i++) {
        const struct run_phase *phase = &mode->phases[i];
        json_t *one = report_object();
        if (phase->start_ns == 0) {
            json_decref(one);
            continue; /* not reached */
        }
        report_put(one, "heading", report_text(phase->heading));
        report_put(one, "line", report_number(phase->line));
        report_put(one, "start_ms", report_real(report_ms(mode, phase->start_ns)));
        report_put(one, "end_ms", report_real(report_ms(mode, phase->end_ns)));
        report_push(all, one);
    }
    return all;
}

json_t *report_steps(const struct run_mode *mode)
{
    json_t *all = report_array();
    for (size_t i = 0; i < mode->n_steps; i++) {
        const struct run_step *step = &mode->steps[i];
        json_t *one = report_object();
        report_put(one, "verb", report_text(step->verb));
        report_put(one, "line", report_number(step->line));
        report_put(one, "heading", report_text(step->heading));
        report_put(one, "summary", report_text(step->summary));
        report_put(one, "node", report_text(step->node));
        report_put(one, "status", report_text(run_step_status_name(step->status)));
        report_put(one, "why", report_text(step->why));
        report_put(one, "within_ms",
                   report_real((double)step->allowance_ns / (double)NS_PER_MS));
        report_put(one, "start_ms", report_real(report_ms(mode, step->start_ns)));
        report_put(one, "end_ms", report_real(report_ms(mode, step->end_ns)));
        report_put(one, "exit_status", report_number((uint64_t)step->exit_status));
        report_put(one, "output", report_text(step->output));
        report_push(all, one);
    }
    return all;
}

json_t *report_windows(const struct run_mode *mode)
{
    json_t *all = report_array();
    for (size_t i = 0; i < mode->n_windows; i++) {
        const struct run_window *window = &mode->windows[i];
        uint64_t end_ns = window->to_ns ? window->to_ns : mode->end_of_reads_ns;
        json_t *one = report_object();
        report_put(one, "name", report_text(window->name));
        report_put(one, "kind", report_text(window->kind));
        report_put(one, "how", report_text(window->how));
        report_put(one, "summary", report_text(window->summary));
        report_put(one, "start_ms", report_real(report_ms(mode, window->from_ns)));
        report_put(one, "end_ms", report_real(report_ms(mode, end_ns)));
        report_put(one, "bytes", report_number(window->bytes));
        report_put(one, "connections", report_number(window->connections));
        report_put(one, "attempts", report_number(window->attempts));
        report_put(one, "packets", report_number(window->packets));
        report_put(one, "acts", report_number(window->acts));
        report_push(all, one);
    }
    return all;
}

/* Samples are [ms, value] each; null for a gap. */
static json_t *list_samples(const struct run_mode *mode, const struct run_probe *probe)
{
    json_t *all = report_array();
    for (size_t i = 0; i < probe->n_samples; i++) {
        const struct run_sample *sample = &probe->samples[i];
        json_t *one = report_array();
        report_push(one, report_real(report_ms(mode, sample->at_ns)));
        report_push(one, sample->known ? report_real(sample->value) : json_null());
        report_push(all, one);
    }
    return all;
}

static json_t *list_probes(const struct run_mode *mode)
{
    json_t *all = report_array();
    for (size_t i = 0; i < mode->n_probes; i++) {
        const struct run_probe *probe = &mode->probes[i];
        json_t *one = report_object();
        report_put(one, "name", report_text(probe->name));
        report_put(one, "line", report_number(probe->line));
        report_put(one, "alarm", report_text(probe->alarm));
        report_put(one, "abort", report_text(probe->abort));
        report_put(one, "alarm_ms",
                   probe->alarm_ns ? report_real(report_ms(mode, probe->alarm_ns))
                                   : json_null());
        report_put(one, "samples", list_samples(mode, probe));
        report_push(all, one);
    }
    return all;
}

static json_t *list_lines(const char *text)
{
    json_t *all = report_array();
    while (*text) {
        size_t length = strcspn(text, "\n");
        char *line = xasprintf("%.*s", (int)length, text);
        report_push(all, report_text(line));
        free(line);
        text += length + (text[length] == '\n');
    }
    return all;
}

json_t *report_systems(const struct run *run, const struct run_mode *mode)
{
    json_t *all = mode->systems ? report_object() : json_null();
    for (size_t i = 0; mode->systems && i < run->n_nodes; i++) {
        const struct run_system *system = &mode->systems[i];
        json_t *one = report_object();
        report_put(one, "version", report_text(system->version));
        report_put(one, "settings", list_lines(system->settings));
        report_put(one, "why", report_text(system->why));
        report_put(all, run->nodes[i], one);
    }
    return all;
}

json_t *report_mode(const struct run_mode *mode)
{
    json_t *json = report_object();
    report_put(json, "verdict", report_text(run_verdict_name(mode->verdict)));
    report_put(json, "reason",
               mode->reason ? report_text(run_reason_name(mode->reason)) : json_null());
    report_put(json, "why", report_text(mode->why));
    report_put(json, "setting", report_text(mode->setting));
    report_put(json, "found", report_text(mode->found));
    report_put(json, "moved", report_text(mode->moved));
    report_put(json, "how", report_text(mode->how));
    report_put(json, "felt", report_felt(mode));
    report_put(json, "measures", made(measures_to_json(&mode->judgement.measures)));
    report_put(json, "expectations", report_expectations(mode));
    report_put(json, "phases", report_phases(mode));
    report_put(json, "windows", report_windows(mode));
    report_put(json, "steps", report_steps(mode));
    report_put(json, "probes", list_probes(mode));
    return json;
}

json_t *report_to_json(const struct run *run)
{
    char started[32], *sentence = report_sentence(run);
    json_t *json = report_object(), *modes = report_object();
    now_format_utc(run->started_wall_ns, started, sizeof started);
    report_put(json, "verdict", report_text(run_verdict_name(run->verdict)));
    report_put(json, "reason",
               run->reason ? report_text(run_reason_name(run->reason)) : json_null());
    report_put(json, "sentence", report_text(sentence));
    report_put(json, "why", report_text(run->why));
    report_put(json, "seed", report_number(run->seed));
    report_put(json, "playbook", report_text(run->playbook_path));
    report_put(json, "title", report_text(run->title));
    report_put(json, "cluster", report_text(run->cluster_name));
    report_put(json, "started", report_text(started));
    report_put(json, "repeat", report_text(run->command));
    report_put(json, "variables", report_text(run->variables));
    report_put(json, "version", report_text(run->version));
    for (size_t i = 0; i < run->n_modes; i++)
        report_put(modes, run->modes[i].name, report_mode(&run->modes[i]));
    report_put(json, "modes", modes);
    free(sentence);
    return json;
}
