/* SPDX-License-Identifier: MIT */
#include "proxy/ctl_show.h"
#include "proxy/base/now.h"
#include "proxy/base/table.h"
#include "rules/buffer.h"
#include "rules/diag.h"
#include "rules/unit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static uint64_t number(const json_t *object, const char *key)
{
    json_int_t value = json_integer_value(json_object_get(object, key));
    return value > 0 ? (uint64_t)value : 0;
}

static const char *text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));
    return value ? value : "-";
}

static bool flag(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

static void add_bytes(struct table *table, const json_t *object, const char *key)
{
    char words[32];
    table_add(table, "%s", unit_format_bytes(number(object, key), words, sizeof words));
}

static void add_count(struct table *table, const json_t *object, const char *key)
{
    table_add(table, "%" PRIu64, number(object, key));
}

/* "29.5s" of a span, or "never" for null. Beyond a minute whole seconds will do. */
static const char *format_left(const json_t *ms, char *words, size_t words_bytes)
{
    if (!json_is_integer(ms))
        return "never";
    uint64_t left = (uint64_t)json_integer_value(ms);
    if (left >= 60000)
        (void)snprintf(words, words_bytes, "%" PRIu64 "m%02" PRIu64 "s", left / 60000,
                       left / 1000 % 60);
    else
        (void)snprintf(words, words_bytes, "%" PRIu64 ".%" PRIu64 "s", left / 1000,
                       left / 100 % 10);
    return words;
}

static void headline(const char *words, bool colour)
{
    printf("%s%s%s\n", colour ? "\033[1m" : "", words, colour ? "\033[0m" : "");
}

static const char *off_words(const json_t *layer)
{
    const char *off = text(layer, "off");
    return strcmp(off, "all") == 0     ? "switched off"
           : strcmp(off, "links") == 0 ? "links healed"
                                       : "on";
}

static void show_layers(const json_t *status, bool colour)
{
    static const char *const heads[] = {"FILE", "OVERLAY", "STATE", "ENDS IN", NULL};
    const json_t *base = json_object_get(status, "base");
    const json_t *overlays = json_object_get(status, "overlays");
    struct table table;
    char words[32];
    table_init(&table, heads);
    table_add(&table, "%s", text(base, "file"));
    table_add(&table, "(base)");
    table_add(&table, "%s", off_words(base));
    table_add(&table, "never");
    for (size_t i = 0; i < json_array_size(overlays); i++) {
        const json_t *layer = json_array_get(overlays, i);
        table_add(&table, "%s", text(layer, "file"));
        table_add(&table, "%s", text(layer, "name"));
        table_add(&table, "%s", off_words(layer));
        table_add(
            &table, "%s",
            format_left(json_object_get(layer, "remaining_ms"), words, sizeof words));
    }
    table_print(&table, stdout, colour);
}

static void show_listeners(const json_t *status, bool colour)
{
    static const char *const heads[] = {"LISTENER", "ADDRESS", "FROM",
                                        "TO",       ">OPEN",   NULL};
    const json_t *rows = json_object_get(status, "listeners");
    struct table table;
    table_init(&table, heads);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        table_add(&table, "%s", text(row, "name"));
        table_add(&table, "%s", text(row, "address"));
        table_add(&table, "%s", text(row, "from"));
        table_add(&table, "%s%s", text(row, "to"),
                  flag(row, "refusing")   ? " (refusing, uncounted)"
                  : flag(row, "ignoring") ? " (answers nobody)"
                                          : "");
        add_count(&table, row, "connections_open");
    }
    table_print(&table, stdout, colour);
}

/* Attempts a rule held, refused or reset: ever. */
static uint64_t attempts_of(const json_t *rule)
{
    return number(rule, "attempts_held") + number(rule, "attempts_refused") +
           number(rule, "attempts_reset");
}

/* "drop", or "stall (fallback: needs CAP_NET_ADMIN)". */
static void add_how(struct table *table, const json_t *rule)
{
    const char *why = json_string_value(json_object_get(rule, "fallback"));
    const char *how = json_string_value(json_object_get(rule, "how"));
    if (why)
        table_add(table, "%s (fallback: %s)", how ? how : "model", why);
    else
        table_add(table, "%s", how ? how : "-");
}

static void show_status_rules(const json_t *status, bool colour)
{
    static const char *const heads[] = {
        "RULE",  "ORIGIN",     "STATE",        "HOW",       "FELT",     ">BYTES",
        ">HELD", ">DISCARDED", ">CONNECTIONS", ">ATTEMPTS", ">PACKETS", NULL};
    const json_t *rows = json_object_get(status, "rules");
    struct table table;
    table_init(&table, heads);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        table_add(&table, "%s", text(row, "name"));
        table_add(&table, "%s", text(row, "origin"));
        table_add(&table, "%s", text(row, "state"));
        add_how(&table, row);
        table_add(&table, "%s", flag(row, "touched") ? "yes" : "no");
        add_bytes(&table, row, "touched_bytes");
        add_bytes(&table, row, "held_bytes");
        add_bytes(&table, row, "discarded_bytes");
        add_count(&table, row, "connections");
        table_add(&table, "%" PRIu64, attempts_of(row));
        add_count(&table, row, "packets_dropped");
    }
    table_print(&table, stdout, colour);
}

static void show_links(const json_t *status, bool colour)
{
    static const char *const heads[] = {
        "FROM",  "TO",        ">PASSED",   ">HELD",   ">DISCARDED",  ">OPEN",
        ">EVER", ">ATTEMPTS", ">HELD NOW", ">FAILED", ">UNRESOLVED", NULL};
    const json_t *rows = json_object_get(status, "links");
    struct table table;
    table_init(&table, heads);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        table_add(&table, "%s", text(row, "from"));
        table_add(&table, "%s", text(row, "to"));
        add_bytes(&table, row, "passed_bytes");
        add_bytes(&table, row, "held_bytes");
        add_bytes(&table, row, "discarded_bytes");
        add_count(&table, row, "connections_open");
        add_count(&table, row, "connections");
        add_count(&table, row, "attempts");
        add_count(&table, row, "attempts_held_now");
        add_count(&table, row, "attempts_failed");
        add_count(&table, row, "attempts_unresolved");
    }
    table_print(&table, stdout, colour);
}

static void show_budgets(const json_t *status)
{
    const json_t *rows = json_object_get(status, "budgets");
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        if (number(row, "reached") > 0)
            printf("budget %s was reached %" PRIu64 " times (limit %" PRIu64 ")\n",
                   text(row, "name"), number(row, "reached"), number(row, "limit"));
    }
}

static void show_section(const char *name, const json_t *status, const char *key,
                         void (*show)(const json_t *status, bool colour), bool colour)
{
    if (key && json_array_size(json_object_get(status, key)) == 0) {
        printf("\nno %s\n", name);
        return;
    }
    putchar('\n');
    headline(name, colour);
    show(status, colour);
}

void ctl_show_status(const json_t *status, bool colour)
{
    uint64_t up_ns = number(status, "now_ns") - number(status, "started_ns");
    char words[32];
    const json_t *totals = json_object_get(status, "totals");
    printf("proxy pid %" PRIu64 ", up %" PRIu64 "s, seed %" JSON_INTEGER_FORMAT
           ", %" PRIu64 " of %" PRIu64 " connections open, %s passed%s%s\n",
           number(status, "pid"), up_ns / NS_PER_S,
           json_integer_value(json_object_get(status, "seed")),
           number(totals, "connections_open"), number(totals, "connections"),
           unit_format_bytes(number(totals, "passed_bytes"), words, sizeof words),
           flag(status, "halted") ? "; HALTED: netsplit ctl resume lets faults in" : "",
           flag(status, "stopping") ? "; stopping" : "");
    if (strcmp(text(status, "intercept"), "listen") != 0)
        printf("intercept %s, connections that bypass it: %" PRIu64 "%s\n",
               text(status, "intercept"), number(status, "bypassing"),
               number(status, "bypassing") > 0
                   ? "; netsplit ctl adopt ends them, so that they come back"
                   : "");
    show_budgets(status);
    show_section("files", status, NULL, show_layers, colour);
    show_section("listeners", status, "listeners", show_listeners, colour);
    show_section("rules", status, "rules", show_status_rules, colour);
    show_section("links", status, "links", show_links, colour);
}

static void show_text(const json_t *layer, const char *name, bool colour)
{
    char line[256];
    const char *body = text(layer, "text");
    size_t len = strlen(body);
    (void)snprintf(line, sizeof line, "# %s: %s, %s", name, text(layer, "file"),
                   off_words(layer));
    headline(line, colour);
    printf("%s%s", body, len == 0 || body[len - 1] != '\n' ? "\n" : "");
}

void ctl_show_rules(const json_t *rules, bool colour)
{
    const json_t *overlays = json_object_get(rules, "overlays");
    show_text(json_object_get(rules, "base"), "base", colour);
    for (size_t i = 0; i < json_array_size(overlays); i++) {
        const json_t *layer = json_array_get(overlays, i);
        char name[160];
        (void)snprintf(name, sizeof name, "overlay %s", text(layer, "name"));
        putchar('\n');
        show_text(layer, name, colour);
    }
}

/* Connections that pass by; nothing where there are none. */
static void show_bypassing(const json_t *rows, bool colour)
{
    static const char *const heads[] = {"FROM", "TO", "CLIENT", "SERVER", NULL};
    struct table table;
    if (json_array_size(rows) == 0)
        return;
    printf("\nbypassing (netsplit ctl adopt ends them, so that they come back):\n");
    table_init(&table, heads);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        table_add(&table, "%s", text(row, "from"));
        table_add(&table, "%s", text(row, "to"));
        table_add(&table, "%s", text(row, "client"));
        table_add(&table, "%s", text(row, "server"));
    }
    table_print(&table, stdout, colour);
}

/* "slow, split"; "-" without any. */
static void add_rules(struct table *table, const json_t *rules)
{
    struct buffer names = {0};
    for (size_t i = 0; i < json_array_size(rules); i++)
        buffer_print(&names, "%s%s", i ? ", " : "",
                     text(json_array_get(rules, i), "name"));
    table_add(table, "%s", names.length > 0 ? buffer_text(&names) : "-");
    buffer_close(&names);
}

/* The two legs' round-trip times, and how often they sent something again. */
static void add_legs(struct table *table, const json_t *row)
{
    const char *const keys[] = {"to_client", "to_server"};
    for (size_t i = 0; i < 2; i++) {
        const json_t *leg = json_object_get(row, keys[i]);
        char words[32];
        if (json_is_object(leg))
            table_add(table, "%s",
                      unit_format_duration(number(leg, "rtt_us") * NS_PER_US, words,
                                           sizeof words));
        else
            table_add(table, "-");
    }
    table_add(table, "%" PRIu64 "/%" PRIu64,
              number(json_object_get(row, "to_client"), "retransmits"),
              number(json_object_get(row, "to_server"), "retransmits"));
}

static void add_age(struct table *table, const json_t *row, uint64_t now_ns)
{
    char words[32];
    json_t *age_ms =
        json_integer((json_int_t)((now_ns - number(row, "opened_ns")) / NS_PER_MS));
    table_add(table, "%s", format_left(age_ms, words, sizeof words));
    json_decref(age_ms);
}

static void add_connection(struct table *table, const json_t *row, uint64_t now_ns)
{
    char words[32];
    uint64_t held =
        number(row, "held_bytes_to_server") + number(row, "held_bytes_to_client");
    add_count(table, row, "number");
    table_add(table, "%s", text(row, "from"));
    table_add(table, "%s", text(row, "to"));
    table_add(table, "%s", text(row, "client"));
    table_add(table, "%s", text(row, "server"));
    table_add(table, "%s", text(row, "state"));
    add_age(table, row, now_ns);
    add_bytes(table, row, "passed_bytes_to_server");
    add_bytes(table, row, "passed_bytes_to_client");
    table_add(table, "%s", unit_format_bytes(held, words, sizeof words));
    add_legs(table, row);
    add_rules(table, json_object_get(row, "rules"));
}

void ctl_show_connections(const json_t *connections, bool colour)
{
    static const char *const heads[] = {
        ">NUMBER",     "FROM",        "TO",         "CLIENT",     "SERVER",
        "STATE",       ">AGE",        ">TO SERVER", ">TO CLIENT", ">HELD",
        ">RTT CLIENT", ">RTT SERVER", ">RESENT",    "RULES",      NULL};
    const json_t *rows = json_object_get(connections, "connections");
    struct table table;
    if (json_array_size(rows) == 0)
        puts("no connections");
    table_init(&table, heads);
    for (size_t i = 0; i < json_array_size(rows); i++)
        add_connection(&table, json_array_get(rows, i), number(connections, "now_ns"));
    table_print(&table, stdout, colour);
    show_bypassing(json_object_get(connections, "bypassing"), colour);
}

static void print_other_cuts(const json_t *names)
{
    for (size_t i = 0; i < json_array_size(names); i++)
        printf("%s %s", i ? "," : "; also cut by",
               json_string_value(json_array_get(names, i)));
}

void ctl_show_change(const json_t *change, const char *done, bool colour)
{
    const json_t *overlay = json_object_get(change, "overlay");
    const json_t *rules = json_object_get(change, "rules");
    const json_t *lease = json_object_get(change, "lease_ms");
    size_t n = json_array_size(rules);
    char words[32];
    printf("%s%s%s", colour ? "\033[1m" : "", done, colour ? "\033[0m" : "");
    if (json_is_string(overlay))
        printf(" %s", json_string_value(overlay));
    if (json_is_string(overlay) && n > 0) {
        printf(": %zu %s", n, n == 1 ? "rule" : "rules");
        for (size_t i = 0; i < n && i < 5; i++)
            printf("%s%s", i ? ", " : " ", json_string_value(json_array_get(rules, i)));
        printf("%s", n > 5 ? ", ..." : "");
        if (json_is_integer(lease))
            printf("; ends in %s", format_left(lease, words, sizeof words));
        print_other_cuts(json_object_get(change, "other_cuts"));
    }
    putchar('\n');
}

static void print_member(const char *key, const json_t *value)
{
    if (json_is_string(value))
        printf(" %s=%s", key, json_string_value(value));
    else if (json_is_integer(value))
        printf(" %s=%" JSON_INTEGER_FORMAT, key, json_integer_value(value));
}

void ctl_show_event(const json_t *event, uint64_t zero_ns, bool colour)
{
    const json_t *missed = json_object_get(event, "missed");
    const char *key;
    json_t *value;
    if (missed) {
        printf("(%" JSON_INTEGER_FORMAT " events were missed)\n",
               json_integer_value(missed));
        return;
    }
    if (!json_object_get(event, "event"))
        return; /* the head of the stream */
    json_int_t at = json_integer_value(json_object_get(event, "at_ns"));
    printf("%+11.6f %s%s%s", (double)(at - (json_int_t)zero_ns) / (double)NS_PER_S,
           colour ? "\033[1m" : "", text(event, "event"), colour ? "\033[0m" : "");
    json_object_foreach((json_t *)(uintptr_t)event, key,
                        value) if (strcmp(key, "at_ns") != 0 &&
                                   strcmp(key, "event") != 0) print_member(key, value);
    putchar('\n');
}

static enum diag_severity severity_of(const json_t *row)
{
    const char *word = text(row, "severity");
    return strcmp(word, "warning") == 0   ? DIAG_WARNING
           : strcmp(word, "lacking") == 0 ? DIAG_LACKING
                                          : DIAG_ERROR;
}

/* Within the excerpt whatever the answer says: blanks are printed up to there. */
static uint32_t place_in_excerpt(const json_t *row)
{
    uint64_t column = number(row, "excerpt_column");
    size_t len = strlen(text(row, "excerpt"));
    return column == 0 ? 1 : column > len ? (uint32_t)len + 1 : (uint32_t)column;
}

size_t ctl_show_diagnostics(const json_t *answer, bool colour)
{
    const json_t *rows = json_object_get(answer, "diagnostics");
    struct diag diag = {0};
    struct diag_item items[DIAG_MOST];
    struct buffer out = {0};
    for (size_t i = 0; i < json_array_size(rows) && diag.n < DIAG_MOST; i++) {
        const json_t *row = json_array_get(rows, i);
        struct diag_item *item = &items[diag.n];
        *item = (struct diag_item){
            .severity = severity_of(row),
            .file = text(row, "file"),
            .line = (uint32_t)number(row, "line"),
            .column = (uint32_t)number(row, "column"),
            .end_column = (uint32_t)(number(row, "column") + number(row, "length")),
            .text = text(row, "text"),
            .hint = json_string_value(json_object_get(row, "hint")),
            .excerpt = json_string_value(json_object_get(row, "excerpt")),
            .excerpt_column = place_in_excerpt(row),
        };
        diag.items[diag.n++] = item;
        diag.n_errors += item->severity == DIAG_ERROR;
    }
    diag_render(&diag, colour, &out);
    fputs(buffer_text(&out), stderr);
    buffer_close(&out);
    return diag.n_errors;
}
