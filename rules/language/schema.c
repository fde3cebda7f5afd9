/* SPDX-License-Identifier: MIT */
/* One definition for each table, made from its rows; and a few by hand, for values that
 * are written in more than one way. A row whose value is a tree names its definition in
 * `trees`. */
#include "rules/language/schema.h"

#include "rules/buffer.h"
#include "rules/faults/fault.h"
#include "rules/language/parser.h"

#include <string.h>

static const char durations[] = "{\"type\":\"string\",\"pattern\":\"^[0-9]+(\\\\.[0-9]+"
                                ")? *(ns|us|ms|s|m|min|h)$\"}";
static const char sizes[] =
    "{\"type\":\"string\",\"pattern\":\"^[0-9]+(\\\\.[0-9]+)? *([kMG]|[KMG]i)?B$\"}";
static const char rates[] = "{\"type\":\"string\",\"pattern\":\"^[0-9]+(\\\\.[0-9]+)? "
                            "*(([kMG]|[KMG]i)?B|[kMG]?bit)/s$\"}";
static const char frequencies[] =
    "{\"type\":\"string\",\"pattern\":\"^[0-9]+(\\\\.[0-9]+)? */(s|m|min)$\"}";
static const char percents[] =
    "{\"type\":\"string\",\"pattern\":\"^[0-9]+(\\\\.[0-9]+)? *%$\"}";

/* Definitions by hand. */
static const struct {
    const char *name;
    const char *text;
} definitions[] = {
    {"name",
     "{\"type\":\"string\",\"pattern\":\"^[A-Za-z0-9_.][A-Za-z0-9_.-]{0,62}$\"}"},
    {"names", "{\"anyOf\":[{\"$ref\":\"#/definitions/name\"},{\"type\":\"array\","
              "\"minItems\":1,\"items\":{\"$ref\":\"#/definitions/name\"}}]}"},
    {"between", "{\"type\":\"array\",\"minItems\":2,\"maxItems\":2,\"items\":{\"$ref\":"
                "\"#/definitions/names\"}}"},
    {"port", "{\"type\":\"integer\",\"minimum\":1,\"maximum\":65535}"},
    {"ports", "{\"anyOf\":[{\"$ref\":\"#/definitions/port\"},{\"type\":\"array\","
              "\"minItems\":1,\"items\":{\"$ref\":\"#/definitions/port\"}}]}"},
    {"parts", "{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"array\",\"minItems\":2,"
              "\"items\":{\"$ref\":\"#/definitions/names\"}}]}"},
    {"ports_or_all", "{\"anyOf\":[{\"const\":\"all\"},{\"$ref\":"
                     "\"#/definitions/ports\"}]}"},
    {"how", "{\"enum\":[\"stall\",\"reset\",\"refuse\",\"drop\"]}"},
    {"fallback", "{\"enum\":[\"stall\",\"reset\",\"refuse\",\"model\"]}"},
    {"shape", "{\"enum\":[\"halves\",\"majorities-ring\",\"bridge\",\"one\","
              "\"minority\"]}"},
    {"nodes", "{\"type\":\"object\",\"additionalProperties\":{\"anyOf\":[{\"type\":"
              "\"string\"},{\"type\":\"null\"},{\"$ref\":\"#/definitions/node\"}]}}"},
    {"groups", "{\"type\":\"object\",\"additionalProperties\":{\"$ref\":"
               "\"#/definitions/names\"}}"},
    {"listens", "{\"type\":\"array\",\"items\":{\"$ref\":\"#/definitions/listen\"}}"},
    {"rules", "{\"type\":\"array\",\"items\":{\"$ref\":\"#/definitions/rule\"}}"},
    {"percent", percents},
};

/* The definition that a key's tree is of; the first row that fits. */
static const struct {
    const char *key;
    const char *definition;
    const struct yaml_table *table; /* only there; NULL: everywhere */
} trees[] = {
    {"ports", "ports_or_all", &parser_rule_table},
    {"from", "names", NULL},
    {"to", "names", NULL},
    {"between", "between", NULL},
    {"port", "ports", NULL},
    {"ports", "ports", NULL},
    {"isolate", "names", NULL},
    {"partition", "parts", NULL},
    {"how", "how", NULL},
    {"fallback", "fallback", NULL},
    {"shape", "shape", NULL},
    {"of", "names", NULL},
    {"match", "match", NULL},
    {"inject", "inject", NULL},
    {"when", "when", NULL},
    {"cut", "cut", NULL},
    {"nodes", "nodes", NULL},
    {"groups", "groups", NULL},
    {"listen", "listens", NULL},
    {"rules", "rules", NULL},
    {"probability", "percent", NULL},
};

static void write_object(const struct field *fields, struct buffer *out);

/* JSON text in quotes. The tables hold no control characters. */
static void write_text(const char *text, struct buffer *out)
{
    buffer_print(out, "\"");
    for (; *text; text++)
        buffer_print(out, *text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
    buffer_print(out, "\"");
}

static void write_words(const char *const *words, struct buffer *out)
{
    buffer_print(out, "{\"enum\":[");
    for (const char *const *word = words; *word; word++) {
        buffer_print(out, "%s", word == words ? "" : ",");
        write_text(*word, out);
    }
    buffer_print(out, "]}");
}

static void write_number(const struct field *field, struct buffer *out)
{
    buffer_print(out, "{\"type\":\"integer\",\"minimum\":%llu",
                 (unsigned long long)field->min);
    if (field->max > 0)
        buffer_print(out, ",\"maximum\":%llu", (unsigned long long)field->max);
    buffer_print(out, "}");
}

static void write_tree(const struct field *field, struct buffer *out)
{
    for (size_t i = 0; i < sizeof trees / sizeof *trees; i++) {
        const struct yaml_table *table = trees[i].table;
        if (field->kind == FIELD_SCALAR || strcmp(trees[i].key, field->name) != 0 ||
            (table && field_find(table->fields, field->name) != field))
            continue;
        buffer_print(out, "{\"$ref\":\"#/definitions/%s\"}", trees[i].definition);
        return;
    }
    buffer_print(out, "{\"type\":[\"string\",\"integer\"]}");
}

static void write_value(const struct field *field, struct buffer *out)
{
    switch (field->kind) {
    case FIELD_NODE:
    case FIELD_SCALAR:
    case FIELD_LIST:
    case FIELD_TREE:
        write_tree(field, out);
        break;
    case FIELD_MAP:
        write_object(field->members, out);
        break;
    case FIELD_TEXT:
        buffer_print(out, "{\"type\":\"string\",\"minLength\":1}");
        break;
    case FIELD_WORD:
        write_words(field->words, out);
        break;
    case FIELD_FLAG:
        buffer_print(out, "{\"type\":\"boolean\"}");
        break;
    case FIELD_TRUE:
        buffer_print(out, "{\"const\":true}");
        break;
    case FIELD_NUMBER:
        write_number(field, out);
        break;
    case FIELD_DURATION:
        buffer_print(out, "%s", durations);
        break;
    case FIELD_BYTES:
        buffer_print(out, "%s", sizes);
        break;
    case FIELD_RATE:
        buffer_print(out, "%s", rates);
        break;
    case FIELD_FREQUENCY:
        buffer_print(out, "%s", frequencies);
        break;
    case FIELD_PERCENT:
        buffer_print(out, "%s", percents);
        break;
    case FIELD_AFTER:
        buffer_print(out, "{\"anyOf\":[%s,%s]}", durations, sizes);
        break;
    }
}

/* allOf, because draft 07 ignores what stands beside a $ref. */
static void write_property(const struct field *field, struct buffer *out)
{
    write_text(field->name, out);
    buffer_print(out, ":{\"allOf\":[");
    write_value(field, out);
    buffer_print(out, "]");
    if (field->help) {
        buffer_print(out, ",\"description\":");
        write_text(field->help, out);
    }
    if (field->standard) {
        buffer_print(out, ",\"default\":");
        write_text(field->standard, out);
    }
    buffer_print(out, "}");
}

static void write_required(const struct field *fields, struct buffer *out)
{
    const char *joint = ",\"required\":[";
    for (const struct field *field = fields; field->name; field++) {
        if (!field->required)
            continue;
        buffer_print(out, "%s", joint);
        write_text(field->name, out);
        joint = ",";
    }
    if (strcmp(joint, ",") == 0)
        buffer_print(out, "]");
}

static void write_object(const struct field *fields, struct buffer *out)
{
    buffer_print(out, "{\"type\":\"object\",\"additionalProperties\":false,"
                      "\"properties\":{");
    for (const struct field *field = fields; field->name; field++) {
        buffer_print(out, "%s\n  ", field == fields ? "" : ",");
        write_property(field, out);
    }
    buffer_print(out, "}");
    write_required(fields, out);
    buffer_print(out, "}");
}

static void write_inject(struct buffer *out)
{
    buffer_print(out, "{\"type\":\"object\",\"additionalProperties\":false,"
                      "\"minProperties\":1,\"properties\":{\n  ");
    write_property(&rule_hold_field, out);
    for (const struct fault *const *fault = fault_catalogue(); *fault; fault++) {
        for (const struct field *field = (*fault)->fields; field->name; field++) {
            buffer_print(out, ",\n  ");
            write_property(field, out);
        }
    }
    buffer_print(out, "}}");
}

void schema_write(struct buffer *out)
{
    const struct {
        const char *name;
        const struct yaml_table *table;
    } tables[] = {
        {"file", &parser_file_table},     {"node", &parser_node_table},
        {"listen", &parser_listen_table}, {"rule", &parser_rule_table},
        {"match", &parser_match_table},   {"when", &parser_when_table},
        {"cut", &parser_cut_table},
    };
    buffer_print(out, "{\"$schema\":\"http://json-schema.org/draft-07/schema#\",\n"
                      "\"title\":\"netsplit rule file\",\n"
                      "\"allOf\":[{\"$ref\":\"#/definitions/file\"}],\n"
                      "\"definitions\":{");
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        buffer_print(out, "\n\"%s\":", tables[i].name);
        write_object(tables[i].table->fields, out);
        buffer_print(out, ",");
    }
    buffer_print(out, "\n\"inject\":");
    write_inject(out);
    for (size_t i = 0; i < sizeof definitions / sizeof *definitions; i++)
        buffer_print(out, ",\n\"%s\":%s", definitions[i].name, definitions[i].text);
    buffer_print(out, "\n}}\n");
}
