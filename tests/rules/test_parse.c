/* SPDX-License-Identifier: MIT */
/* What parse makes of texts that are right. What it says of those that are not is in
 * tests/golden/rules. */
#include "support.h"

#include "rules/faults/fault.h"
#include "rules/language/parser.h"
#include "rules/language/yaml.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct rules *parse_golden(const char *path)
{
    size_t length = 0;
    char *text = read_whole_file(path, &length);
    struct rules *rules = parse_good(text);
    free(text);
    return rules;
}

static struct rules *parse_base(void)
{
    return parse_golden("tests/golden/rules/base.yaml");
}

static const struct rule *find_rule(const struct rules *rules, const char *name)
{
    for (size_t i = 0; i < rules->n_rules; i++)
        if (strcmp(rules->rules[i].name.text, name) == 0)
            return &rules->rules[i];
    cr_assert_fail("no rule %s", name);
    return NULL;
}

Test(parse, nodes_groups_and_paths_are_as_written)
{
    struct rules *rules = parse_base();
    cr_expect(rules->has_seed);
    cr_expect_eq(rules->seed, 42);
    cr_assert_eq(rules->n_nodes, 5);
    const struct rule_node *pg3 = rules_find_node(rules, "pg3");
    cr_expect_eq(pg3->address.kind, ADDRESS_IPV6);
    cr_expect_str_eq(pg3->address.text, "fd00::3");
    cr_expect_eq(pg3->ports.items[0], 5432);
    cr_expect_eq(rules_find_node(rules, "laptop")->address.kind, ADDRESS_NONE);
    cr_expect_eq(rules_find_node(rules, "pg2")->ports.n, 2);
    cr_expect_null(rules_find_node(rules, "replicas"));
    cr_expect_eq(rules_find_group(rules, "replicas")->members.n, 2);
    const struct rule_listen *paths = rules->listens;
    cr_assert_eq(rules->n_listens, 4);
    cr_expect_str_eq(paths[0].name.text, "wal");
    cr_expect_eq(paths[0].to_port, 5432);
    cr_expect_str_eq(paths[1].name.text, "pg1>pg3");
    cr_expect_eq(paths[1].to_port, 5432, "the only port of the node");
    cr_expect_eq(paths[2].address.kind, ADDRESS_IPV6);
    cr_expect_eq(paths[2].port, 0);
    rules_destroy(rules);
}

Test(parse, rules_hold_what_was_written_and_the_standards)
{
    struct rules *rules = parse_base();
    const struct rule *slow = find_rule(rules, "slow-replication");
    cr_expect_eq(slow->when.after_ns, UINT64_C(10000000000));
    cr_expect_eq(slow->when.for_ns, UINT64_C(30000000000));
    cr_expect_eq(slow->when.every_ns, UINT64_C(60000000000));
    cr_expect_eq(slow->probability_ppm, 500000);
    cr_expect_eq(slow->hold_bytes, 1048576);
    cr_expect_eq(slow->ports.items[0], 5432);
    cr_assert_eq(slow->n_faults, 1);
    const struct delay_params *delay = slow->faults[0].params;
    cr_expect_str_eq(slow->faults[0].fault->name, "delay");
    cr_expect_eq(delay->delay_ns, 40000000);
    cr_expect_eq(delay->distribution, DISTRIBUTION_NORMAL);
    cr_expect_eq(delay->correlation_ppm, 250000);
    const struct rule *everything = find_rule(rules, "everything");
    cr_expect_eq(everything->from.n, 0);
    cr_expect_eq(everything->probability_ppm, 1000000);
    cr_assert_eq(everything->n_faults, 2);
    cr_expect_str_eq(everything->faults[0].fault->name, "slice", "catalogue order");
    cr_expect_str_eq(everything->faults[1].fault->name, "rate");
    cr_expect(find_rule(rules, "both-ways")->both_ways);
    rules_destroy(rules);
}

Test(parse, link_rules_hold_their_parts_and_how)
{
    struct rules *rules = parse_base();
    const struct rule *split = find_rule(rules, "split");
    cr_expect_eq(split->kind, RULE_PARTITION);
    cr_expect_eq(split->how, HOW_RESET);
    cr_expect(split->how_given);
    cr_assert_eq(split->n_parts, 2);
    cr_expect_str_eq(split->parts[0].items[1].text, "apps");
    const struct rule *text = find_rule(rules, "split-as-text");
    cr_assert_eq(text->n_parts, 2);
    cr_expect_eq(text->parts[1].n, 2);
    cr_expect_str_eq(text->parts[1].items[1].text, "pg3");
    cr_expect_not(text->how_given);
    cr_expect_eq(text->how, HOW_STALL);
    const struct rule *cut = find_rule(rules, "one-way");
    cr_expect_eq(cut->kind, RULE_CUT);
    cr_expect_eq(cut->how, HOW_DROP);
    cr_expect(cut->has_fallback);
    cr_expect_eq(cut->fallback, HOW_STALL);
    rules_destroy(rules);
}

Test(parse, a_kernel_mode_needs_no_paths_and_drops_unless_told_otherwise)
{
    struct rules *rules = parse_golden("tests/golden/rules/tproxy.yaml");
    cr_expect_eq(rules->intercept, INTERCEPT_TPROXY);
    cr_assert_eq(rules->ports.n, 2);
    cr_expect_eq(rules->ports.items[1], 6379);
    const struct rule *split = find_rule(rules, "split");
    cr_expect_eq(split->how, HOW_DROP);
    cr_expect_not(split->how_given);
    cr_expect_not(split->has_fallback);
    const struct rule *all = find_rule(rules, "split-all");
    cr_expect(all->ports_all);
    cr_expect_eq(all->fallback, HOW_STALL);
    const struct rule *soft = find_rule(rules, "soft");
    cr_expect(soft->has_fallback, "the default may need one too");
    cr_expect_eq(soft->fallback, HOW_RESET);
    cr_expect_not(soft->fallback_is_model);
    const struct rule *line = find_rule(rules, "slow-line");
    cr_expect(line->has_fallback && line->fallback_is_model);
    cr_assert_eq(line->n_faults, 2);
    cr_expect_str_eq(line->faults[0].fault->name, "packet_rate");
    const struct packet_delay_params *delay = line->faults[1].params;
    cr_expect_eq(delay->jitter_ns, 5000000);
    const struct rule *ring = find_rule(rules, "ring");
    cr_expect_eq(ring->kind, RULE_SHAPE);
    cr_expect_eq(ring->shape, SHAPE_MAJORITIES_RING);
    cr_expect_str_eq(ring->parts[0].items[0].text, "all");
    rules_destroy(rules);
}

Test(parse, nodes_of_kernel_modes_have_owners_and_places)
{
    struct rules *rules = parse_golden("tests/golden/rules/redirect.yaml");
    const struct rule_node *job = rules_find_node(rules, "job");
    cr_expect_str_eq(job->owner.uid, "1001");
    cr_expect_str_eq(job->owner.cgroup, "system.slice/job.service");
    cr_expect_str_eq(rules_find_node(rules, "app")->owner.uid, "app");
    cr_expect_null(rules_find_node(rules, "app")->owner.cgroup);
    cr_expect_eq(rules_find_node(rules, "batch")->address.kind, ADDRESS_NONE);
    rules_destroy(rules);
    rules = parse_golden("tests/golden/rules/netns.yaml");
    const struct rule_node *nodes = rules->nodes;
    cr_expect_eq(nodes[0].place.kind, PLACE_NETNS);
    cr_expect_str_eq(nodes[0].place.text, "/run/netns/r1");
    cr_expect_eq(nodes[0].address.kind, ADDRESS_NONE);
    cr_expect_eq(nodes[1].place.kind, PLACE_CONTAINER);
    cr_expect_str_eq(nodes[1].place.text, "redis-2");
    cr_expect_eq(nodes[2].place.kind, PLACE_PID);
    cr_expect_eq(nodes[2].place.pid, 4711);
    cr_expect_eq(nodes[3].place.kind, PLACE_NONE);
    cr_expect_eq(rules->ports.n, 0);
    rules_destroy(rules);
}

Test(parse, an_overlay_has_the_mode_of_its_base)
{
    static const char text[] = "netsplit: 1\nrules:\n"
                               "  - { name: x, isolate: pg1, ports: all }\n";
    struct rules *base = parse_golden("tests/golden/rules/tproxy.yaml");
    struct rules *overlay = NULL;
    struct parse_context context = {.base = base};
    struct diag diag = {.n = 0};
    cr_expect_eq(parse_overlay("o", text, strlen(text), &context, &diag, &overlay), 0);
    cr_expect_eq(overlay->rules[0].how, HOW_DROP);
    rules_destroy(overlay);
    rules_destroy(base);
    overlay = NULL;
    base = parse_base();
    context.base = base;
    cr_expect_eq(parse_overlay("o", text, strlen(text), &context, &diag, &overlay),
                 -EINVAL, "the default is stall there, which needs ports");
    diag_close(&diag);
    rules_destroy(base);
}

Test(parse, an_overlay_whose_packets_the_base_has_is_warned_of)
{
    static const char text[] =
        "netsplit: 1\nrules:\n"
        "  - { name: o, match: { from: a, to: b }, inject: { packet_delay: 1ms } }\n";
    struct rules *base = parse_good(
        "netsplit: 1\nintercept: tproxy\nports: [5432]\n"
        "nodes: { a: 10.0.0.1, b: 10.0.0.2 }\nrules:\n"
        "  - { name: all, match: { to: b }, inject: { packet_rate: 1MB/s } }\n");
    struct parse_context context = {.base = base};
    struct rules *overlay = NULL;
    struct diag diag;
    diag_init(&diag, NULL);
    cr_assert_eq(parse_overlay("o", text, strlen(text), &context, &diag, &overlay), 0);
    cr_assert_eq(diag.n_warnings, 1);
    cr_expect(strstr(diag.items[0]->text, "\"all\", which comes first"), "%s",
              diag.items[0]->text);
    diag_close(&diag);
    rules_destroy(overlay);
    rules_destroy(base);
}

Test(parse, an_overlay_sees_the_names_of_its_base)
{
    static const char text[] = "netsplit: 1\nrules:\n"
                               "  - { name: x, isolate: pg1 }\n";
    struct rules *base = parse_base(), *overlay = NULL;
    struct parse_context context = {.base = base};
    struct diag diag = {.n = 0};
    cr_expect_eq(parse_overlay("o", text, strlen(text), &context, &diag, &overlay), 0);
    cr_expect_eq(overlay->rules[0].kind, RULE_ISOLATE);
    rules_destroy(overlay);
    overlay = NULL;
    cr_expect_eq(parse_overlay("o", text, strlen(text), NULL, &diag, &overlay),
                 -EINVAL);
    cr_expect_null(overlay);
    diag_close(&diag);
    rules_destroy(base);
}

static struct rules *parse_text_block(const char *text,
                                      const struct parse_context *context,
                                      struct arena *arena, struct diag *diag)
{
    static struct source source;
    source = (struct source){"drill.md", text, strlen(text)};
    struct yaml_input input = {&source, text, strlen(text), 1, 0};
    struct rules *rules = NULL;
    const struct yaml_node *node = yaml_read(arena, &input, diag);
    cr_assert_not_null(node);
    (void)parse_block(node, context, diag, &rules); /* seen by its output */
    return rules;
}

Test(parse, a_block_is_one_rule_or_a_list_and_knows_the_drills_words)
{
    static const char *const names[] = {"primary", "standbys", "clients.n1"};
    struct parse_context context = {.names = names, .n_names = 3, .rule_name = "fault"};
    struct arena arena = {.blocks = NULL};
    struct diag diag = {.n = 0};
    struct rules *rules = parse_text_block(
        "partition: [[primary, clients.n1], [standbys]]", &context, &arena, &diag);
    cr_assert_not_null(rules);
    cr_expect_str_eq(rules->rules[0].name.text, "fault");
    cr_expect_eq(rules->rules[0].parts[0].items[0].at.line, 1);
    rules_destroy(rules);
    rules = parse_text_block("- isolate: primary\n- { name: x, isolate: standbys }\n"
                             "- isolate: clients.n1",
                             &context, &arena, &diag);
    cr_assert_not_null(rules);
    cr_expect_str_eq(rules->rules[0].name.text, "fault");
    cr_expect_str_eq(rules->rules[1].name.text, "x");
    cr_expect_str_eq(rules->rules[2].name.text, "fault-3");
    rules_destroy(rules);
    rules = parse_text_block("isolate: primry", &context, &arena, &diag);
    cr_expect_null(rules);
    cr_assert_eq(diag.n, 1);
    cr_expect_eq(diag.items[0]->line, 1);
    cr_expect(strstr(diag.items[0]->hint, "\"primary\""));
    arena_close(&arena);
    diag_close(&diag);
}

Test(parse, a_shape_in_a_block_is_drawn_of_what_the_context_says)
{
    static const char *const nodes[] = {"n1", "n2", "n3"};
    struct parse_context context = {
        .names = nodes, .n_names = 3, .rule_name = "fault", .shape_of = nodes};
    struct arena arena = {.blocks = NULL};
    struct diag diag = {.n = 0};
    context.n_shape_of = 3;
    struct rules *rules = parse_text_block("shape: bridge", &context, &arena, &diag);
    cr_assert_not_null(rules);
    cr_assert_eq(rules->rules[0].parts[0].n, 3);
    cr_expect_str_eq(rules->rules[0].parts[0].items[2].text, "n3");
    rules_destroy(rules);
    rules = parse_text_block("{ shape: one, of: [n1, n2] }", &context, &arena, &diag);
    cr_assert_not_null(rules);
    cr_expect_eq(rules->rules[0].parts[0].n, 2, "what is written beats the context");
    rules_destroy(rules);
    context.n_shape_of = 2;
    rules = parse_text_block("shape: bridge", &context, &arena, &diag);
    cr_expect_null(rules);
    cr_assert_eq(diag.n, 1);
    cr_expect_str_eq(diag.items[0]->text,
                     "the shape \"bridge\" takes 3 nodes or more, not 2");
    arena_close(&arena);
    diag_close(&diag);
}

/* The rule of the words, written as an overlay; or what is told. To be freed. */
static char *say(const char *const *words, size_t n)
{
    struct parse_context context = {.names_are_open = true};
    struct diag diag = {.n = 0};
    struct rules *rules = NULL;
    struct buffer out = {.text = NULL};
    int err = parse_words(words, n, &context, &diag, &rules);
    cr_expect_eq(err == 0, rules != NULL);
    diag_render(&diag, false, &out);
    if (rules)
        rules_write(rules, NULL, NULL, &out);
    rules_destroy(rules);
    diag_close(&diag);
    return out.text ? out.text : calloc(1, 1);
}

static void expect_said(const char *const *words, size_t n, const char *want)
{
    char *said = say(words, n);
    cr_expect_str_eq(said, want);
    free(said);
}

Test(parse, words_of_a_command_line_are_a_rule)
{
    static const char *const words[] = {
        "slow",          "pg1,pg2",  "any",      "delay=40ms",      "jitter=8ms",
        "port=5432",     "for=30s",  "after=1s", "probability=50%", "slice.size=10B",
        "slice.gap=1ms", "state=new"};
    expect_said(
        words, sizeof words / sizeof *words,
        "netsplit: 1\n"
        "rules:\n"
        "  - name: slow\n"
        "    match: { from: [pg1, pg2], to: any, port: [5432], state: new }\n"
        "    inject: { slice: { size: 10B, gap: 1ms }, delay: 40ms, jitter: 8ms }\n"
        "    probability: 50%\n"
        "    when: { after: 1s, for: 30s }\n");
}

Test(parse, words_may_say_what_packets_fall_back_to)
{
    static const char *const words[] = {"lossy", "pg1", "pg2", "packet_loss=1%",
                                        "fallback=model"};
    expect_said(words, 5,
                "netsplit: 1\n"
                "rules:\n"
                "  - name: lossy\n"
                "    match: { from: [pg1], to: [pg2] }\n"
                "    inject: { packet_loss: 1% }\n"
                "    fallback: model\n");
}

Test(parse, mistakes_in_words_are_shown_in_the_line_of_words)
{
    static const char *const words[] = {"slow",       "pg1",   "pg2",
                                        "latency=40", "stall", "rate=1mbps"};
    expect_said(
        words, sizeof words / sizeof *words,
        "arguments:1:14: error: unknown key \"latency\" in \"inject\"\n"
        "    1 | slow pg1 pg2 latency=40 stall rate=1mbps\n"
        "      |              ^~~~~~~ here it is called \"delay\"\n"
        "arguments:1:25: error: \"stall\" is not KEY=VALUE\n"
        "    1 | slow pg1 pg2 latency=40 stall rate=1mbps\n"
        "      |                         ^~~~~ stall=...\n"
        "arguments:1:36: error: unknown unit \"mbps\"\n"
        "    1 | slow pg1 pg2 latency=40 stall rate=1mbps\n"
        "      |                                    ^~~~~ did you mean \"1Mbit/s\"?\n");
}

Test(parse, a_map_in_words_is_shown_as_words_have_it)
{
    static const char *const words[] = {"cut", "a", "b", "reset=1s"};
    expect_said(
        words, 4,
        "arguments:1:15: error: \"reset\" does not take \"1s\"\n"
        "    1 | cut a b reset=1s\n"
        "      |               ^~ it takes: { after }; such as reset.after=...\n");
}

Test(parse, too_few_words_or_twice_the_same_key_are_refused)
{
    static const char *const few[] = {"slow", "pg1"};
    expect_said(few, 2,
                "arguments:1:1: error: a rule is NAME FROM TO KEY=VALUE...\n"
                "    1 | slow pg1\n"
                "      | ^~~~~~~~\n");
    expect_said(NULL, 0,
                "arguments:1:1: error: a rule is NAME FROM TO KEY=VALUE...\n"
                "    1 | \n"
                "      | ^\n");
    static const char *const twice[] = {"x", "a", "b", "delay=1ms", "delay=2ms"};
    expect_said(twice, 5,
                "arguments:1:17: error: \"delay\" is given twice\n"
                "    1 | x a b delay=1ms delay=2ms\n"
                "      |                 ^~~~~\n");
}

static void expect_same_rule(const struct rule *a, const struct rule *b)
{
    const char *name = a->name.text;
    cr_expect_str_eq(b->name.text, name);
    cr_expect_eq(a->kind, b->kind, "%s", name);
    cr_expect_eq(memcmp(&a->when, &b->when, sizeof a->when), 0, "%s", name);
    cr_expect_eq(a->shape, b->shape, "%s", name);
    cr_expect_eq(a->how, b->how, "%s", name);
    cr_expect_eq(a->how_given, b->how_given, "%s", name);
    cr_expect_eq(a->ports_all, b->ports_all, "%s", name);
    cr_expect_eq(a->has_fallback, b->has_fallback, "%s", name);
    cr_expect_eq(a->fallback, b->fallback, "%s", name);
    cr_expect_eq(a->fallback_is_model, b->fallback_is_model, "%s", name);
    cr_assert_eq(a->n_parts, b->n_parts, "%s", name);
    cr_assert_eq(a->n_faults, b->n_faults, "%s", name);
    for (size_t j = 0; j < a->n_faults; j++)
        cr_expect_eq(memcmp(a->faults[j].params, b->faults[j].params,
                            a->faults[j].fault->params_bytes),
                     0, "%s", name);
}

Test(parse, what_is_written_back_is_the_same_rules)
{
    static const char *const paths[] = {"tests/golden/rules/base.yaml",
                                        "tests/golden/rules/tproxy.yaml"};
    for (size_t k = 0; k < sizeof paths / sizeof *paths; k++) {
        struct rules *base = parse_golden(paths[k]), *again = NULL;
        struct buffer first = {.text = NULL}, second = {.text = NULL};
        struct parse_context context = {.base = base};
        struct diag diag = {.n = 0};
        rules_write(base, NULL, NULL, &first);
        cr_assert_eq(
            parse_overlay("o", first.text, first.length, &context, &diag, &again), 0);
        rules_write(again, NULL, NULL, &second);
        cr_expect_str_eq(second.text, first.text);
        cr_assert_eq(again->n_rules, base->n_rules);
        for (size_t i = 0; i < base->n_rules; i++)
            expect_same_rule(&base->rules[i], &again->rules[i]);
        buffer_close(&first);
        buffer_close(&second);
        diag_close(&diag);
        rules_destroy(again);
        rules_destroy(base);
    }
}

static size_t resolve(void *context, const char *name, const char *const **out)
{
    static const char *const primary[] = {"n1"}, *const standbys[] = {"n2", "n3"};
    (void)context;
    *out = strcmp(name, "primary") == 0 ? primary : standbys;
    return strcmp(name, "primary") == 0 ? 1 : strcmp(name, "standbys") == 0 ? 2 : 0;
}

Test(parse, words_that_stand_for_nodes_are_resolved_when_written)
{
    static const char *const words[] = {"x", "primary,n4", "standbys", "stall=true"};
    struct parse_context context = {.names_are_open = true};
    struct diag diag = {.n = 0};
    struct rules *rules = NULL;
    struct buffer out = {.text = NULL};
    cr_assert_eq(parse_words(words, 4, &context, &diag, &rules), 0);
    rules_write(rules, resolve, NULL, &out);
    cr_expect(strstr(out.text, "match: { from: [n1, n4], to: [n2, n3] }"), "%s",
              out.text);
    buffer_close(&out);
    diag_close(&diag);
    rules_destroy(rules);
}

Test(parse, names_are_not_suggested_where_the_file_is_cut_before_them)
{
    char *told =
        diagnose("netsplit: 1\nrules:\n  - { name: x, isolate: a }\nnodes: {\n");
    cr_expect_null(strstr(told, "unknown node"), "%s", told);
    free(told);
    told = diagnose("netsplit: 1\nnodes: {}\ngroups: {}\nrules:\n"
                    "  - { name: x, isolate: a }\n  - {\n");
    cr_expect(strstr(told, "unknown node"), "%s", told);
    free(told);
}

Test(parse, every_key_that_a_foreign_word_is_sent_to_exists)
{
    static const struct yaml_table *const tables[] = {
        &parser_file_table, &parser_node_table,  &parser_listen_table,
        &parser_rule_table, &parser_match_table, &parser_when_table,
        &parser_cut_table,  &parser_inject_table};
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        const struct field *fields = tables[i]->fields;
        for (const struct field_stranger *row = tables[i]->strangers; row->word;
             row++) {
            bool is_known = !fields && row->known && parser_is_inject_word(row->known);
            if (fields && row->known)
                is_known = field_find(fields, row->known) != NULL;
            cr_expect(is_known || !row->known, "%s -> %s", row->word, row->known);
            cr_expect(row->known || row->answer, "%s has no answer", row->word);
            cr_expect(!fields || !field_find(fields, row->word),
                      "%s is a key and a foreign word", row->word);
        }
    }
}
