/* SPDX-License-Identifier: MIT */
/* Rules back to text: an overlay that parses to the same rules. Values are written
 * exactly, in the largest unit that needs no fraction. */
#include "rules/buffer.h"
#include "rules/faults/fault.h"
#include "rules/language/rule.h"

#include <string.h>

struct writer {
    rule_rename_fn rename; /* NULL: names stand for themselves */
    void *context;
    struct buffer *out;
};

static void write_name(const struct writer *writer, const char *name, bool *is_first)
{
    const char *const *names = NULL;
    size_t n = writer->rename ? writer->rename(writer->context, name, &names) : 0;
    for (size_t i = 0; i < (n > 0 ? n : 1); i++) {
        buffer_print(writer->out, "%s%s", *is_first ? "" : ", ",
                     n > 0 ? names[i] : name);
        *is_first = false;
    }
}

static void write_names(const struct writer *writer, const struct words *words)
{
    bool is_first = true;
    if (words->n == 0) {
        buffer_print(writer->out, "any");
        return;
    }
    buffer_print(writer->out, "[");
    for (size_t i = 0; i < words->n; i++)
        write_name(writer, words->items[i].text, &is_first);
    buffer_print(writer->out, "]");
}

static void write_ports(const struct ports *ports, struct buffer *out)
{
    for (size_t i = 0; i < ports->n; i++)
        buffer_print(out, "%s%u", i == 0 ? "[" : ", ", (unsigned)ports->items[i]);
    buffer_print(out, "]");
}

static void write_match(const struct writer *writer, const struct rule *rule)
{
    struct buffer *out = writer->out;
    if (rule->both_ways) {
        buffer_print(out, "    match: { between: [");
        write_names(writer, &rule->from);
        buffer_print(out, ", ");
        write_names(writer, &rule->to);
        buffer_print(out, "]");
    } else {
        buffer_print(out, "    match: { from: ");
        write_names(writer, &rule->from);
        buffer_print(out, ", to: ");
        write_names(writer, &rule->to);
    }
    if (rule->ports.n > 0) {
        buffer_print(out, ", port: ");
        write_ports(&rule->ports, out);
    }
    if (rule->state != STATE_ANY)
        buffer_print(out, ", state: %s", rule_state_name(rule->state));
    buffer_print(out, " }\n");
}

static void write_inject(const struct rule *rule, struct buffer *out)
{
    static const struct field probability = {
        .kind = FIELD_PERCENT, .offset = offsetof(struct rule, probability_ppm)};
    bool is_first = true;
    buffer_print(out, "    inject: { ");
    for (size_t i = 0; i < rule->n_faults; i++) {
        const struct rule_fault *fault = &rule->faults[i];
        for (const struct field *field = fault->fault->fields; field->name; field++) {
            size_t length = out->length;
            buffer_print(out, "%s%s: ", is_first ? "" : ", ", field->name);
            size_t value = out->length;
            field_print(field, fault->params, out);
            if (field->standard &&
                strcmp(buffer_text(out) + value, field->standard) == 0)
                buffer_cut(out, length);
            else
                is_first = false;
        }
    }
    if (rule->hold_bytes > 0) {
        buffer_print(out, ", hold: ");
        field_print(&rule_hold_field, rule, out);
    }
    buffer_print(out, " }\n");
    if (rule->probability_ppm < 1000000) {
        buffer_print(out, "    probability: ");
        field_print(&probability, rule, out);
        buffer_print(out, "\n");
    }
    if (rule->fallback_is_model)
        buffer_print(out, "    fallback: model\n");
}

static void write_parts(const struct writer *writer, const struct rule *rule)
{
    struct buffer *out = writer->out;
    if (rule->kind == RULE_CUT) {
        buffer_print(out, "{ from: ");
        write_names(writer, &rule->parts[0]);
        buffer_print(out, ", to: ");
        write_names(writer, &rule->parts[1]);
        buffer_print(out, " }");
    } else if (rule->kind == RULE_ISOLATE) {
        write_names(writer, &rule->parts[0]);
    } else if (rule->kind == RULE_SHAPE) {
        buffer_print(out, "%s\n    of: ", rule_shape_name(rule->shape));
        write_names(writer, &rule->parts[0]);
    } else {
        for (size_t i = 0; i < rule->n_parts; i++) {
            buffer_print(out, "%s", i == 0 ? "[" : ", ");
            write_names(writer, &rule->parts[i]);
        }
        buffer_print(out, "]");
    }
    buffer_print(out, "\n");
}

static void write_link(const struct writer *writer, const struct rule *rule)
{
    struct buffer *out = writer->out;
    buffer_print(out, "    %s: ", rule_kind_name(rule->kind));
    write_parts(writer, rule);
    if (rule->how_given)
        buffer_print(out, "    how: %s\n", rule_how_name(rule->how));
    if (rule->has_fallback)
        buffer_print(out, "    fallback: %s\n", rule_how_name(rule->fallback));
    if (rule->ports_all) {
        buffer_print(out, "    ports: all\n");
    } else if (rule->ports.n > 0) {
        buffer_print(out, "    ports: ");
        write_ports(&rule->ports, out);
        buffer_print(out, "\n");
    }
}

static void write_when(const struct rule_when *when, struct buffer *out)
{
    static const struct field fields[] = {
        {.name = "after",
         .kind = FIELD_DURATION,
         .offset = offsetof(struct rule_when, after_ns)},
        {.name = "for",
         .kind = FIELD_DURATION,
         .offset = offsetof(struct rule_when, for_ns)},
        {.name = "every",
         .kind = FIELD_DURATION,
         .offset = offsetof(struct rule_when, every_ns)},
    };
    const uint64_t values[] = {when->after_ns, when->for_ns, when->every_ns};
    const char *joint = "    when: { ";
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (values[i] == 0)
            continue;
        buffer_print(out, "%s%s: ", joint, fields[i].name);
        field_print(&fields[i], when, out);
        joint = ", ";
    }
    if (joint[0] == ',')
        buffer_print(out, " }\n");
}

void rules_write(const struct rules *rules, rule_rename_fn rename, void *context,
                 struct buffer *out)
{
    struct writer writer = {rename, context, out};
    buffer_print(out, "netsplit: 1\nrules:%s\n", rules->n_rules == 0 ? " []" : "");
    for (size_t i = 0; i < rules->n_rules; i++) {
        const struct rule *rule = &rules->rules[i];
        buffer_print(out, "  - name: %s\n", rule->name.text);
        if (rule->kind == RULE_INJECT) {
            write_match(&writer, rule);
            write_inject(rule, out);
        } else {
            write_link(&writer, rule);
        }
        write_when(&rule->when, out);
    }
}
