/* SPDX-License-Identifier: MIT */
/* libyaml's events become a tree. Each open map or list is a frame of a stack; a node
 * hangs in its parent from the moment it begins, so that a syntax error leaves a tree
 * of all that came before it.
 *
 * What YAML has and this language has not (anchors, tags, merge keys, a second
 * document) is said and read past. A bad character cuts the text before its line; a
 * syntax error, or a limit, ends the reading. */
#include "rules/language/yaml.h"

#include "rules/utf8.h"
#include "rules/language/yaml_problem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct frame {
    struct yaml_node *node;
    const struct yaml_node *key; /* map: read, its value is not; NULL = none */
    void *elements;              /* const struct yaml_node * or struct yaml_pair */
    size_t capacity;
    bool is_flow;   /* between brackets */
    bool lacks_key; /* a pair was dropped: what it held may seem to be missing */
};

struct reader {
    struct arena *arena;
    const struct yaml_input *input;
    struct diag *diag;
    struct frame stack[YAML_DEEPEST];
    size_t depth;
    size_t n_nodes;
    struct yaml_node *root; /* NULL until the first node */
    bool is_truncated;      /* the text was cut before a bad character */
    bool is_broken;         /* there was a syntax error */
    bool is_over;           /* stop reading */
};

static struct mark place(const struct reader *reader, yaml_mark_t start,
                         yaml_mark_t end)
{
    const struct yaml_input *input = reader->input;
    return (struct mark){
        .source = input->source,
        .line = (uint32_t)start.line + input->first_line,
        .column = (uint32_t)start.column + 1 + input->indent,
        .end_line = (uint32_t)end.line + input->first_line,
        .end_column = (uint32_t)end.column + 1 + input->indent,
    };
}

static void *take(struct reader *reader, size_t n, size_t bytes)
{
    void *memory = arena_alloc(reader->arena, n, bytes);
    if (!memory) {
        reader->diag->out_of_memory = true;
        reader->is_over = true;
    }
    return memory;
}

static size_t element_bytes(const struct frame *frame)
{
    return frame->node->kind == YAML_MAP ? sizeof(struct yaml_pair)
                                         : sizeof(struct yaml_node *);
}

/* Room for one more element; false when there is no memory. */
static bool make_room(struct reader *reader, struct frame *frame)
{
    if (frame->node->n < frame->capacity)
        return true;
    size_t capacity = frame->capacity > 0 ? frame->capacity * 2 : 4;
    void *elements = take(reader, capacity, element_bytes(frame));
    if (!elements)
        return false;
    if (frame->node->n > 0)
        memcpy(elements, frame->elements, frame->node->n * element_bytes(frame));
    frame->elements = elements;
    frame->capacity = capacity;
    return true;
}

static bool is_merge(const struct yaml_node *key)
{
    return strcmp(key->text, "<<") == 0 && !key->quoted;
}

static bool is_usable_key(const struct yaml_node *key)
{
    return key->kind == YAML_SCALAR && key->length > 0 && !is_merge(key);
}

static void add_key(struct reader *reader, struct frame *frame,
                    const struct yaml_node *key)
{
    frame->key = key;
    if (key->kind != YAML_SCALAR) {
        diag_error(reader->diag, &key->at, "a key must be a word");
        diag_hint(reader->diag, "text that begins with \"%s\" has to be quoted",
                  key->kind == YAML_MAP ? "{" : "[");
    } else if (key->length == 0) {
        diag_error(reader->diag, &key->at, "a key is missing before the \":\"");
    } else if (is_merge(key)) {
        diag_error(reader->diag, &key->at,
                   "merge keys (<<) are not part of this format");
        diag_hint(reader->diag, "write the keys out");
    }
}

static void add_value(struct reader *reader, struct frame *frame,
                      const struct yaml_node *value)
{
    const struct yaml_node *key = frame->key;
    frame->key = NULL;
    if (!is_usable_key(key)) {
        frame->lacks_key = true;
        return;
    }
    if (!make_room(reader, frame))
        return;
    struct yaml_pair *pairs = frame->elements;
    pairs[frame->node->n++] = (struct yaml_pair){key, value};
}

static void attach(struct reader *reader, struct yaml_node *node)
{
    if (reader->depth == 0) {
        reader->root = node;
        return;
    }
    struct frame *frame = &reader->stack[reader->depth - 1];
    if (frame->node->kind == YAML_MAP && !frame->key) {
        add_key(reader, frame, node);
    } else if (frame->node->kind == YAML_MAP) {
        add_value(reader, frame, node);
    } else if (make_room(reader, frame)) {
        const struct yaml_node **items = frame->elements;
        items[frame->node->n++] = node;
    }
}

static struct yaml_node *add_node(struct reader *reader, enum yaml_kind kind,
                                  const yaml_event_t *event)
{
    struct mark at = place(reader, event->start_mark, event->end_mark);
    if (++reader->n_nodes > YAML_MOST) {
        diag_error(reader->diag, &at, "more than %d values in one text", YAML_MOST);
        reader->is_over = true;
        return NULL;
    }
    struct yaml_node *node = take(reader, 1, sizeof *node);
    if (!node)
        return NULL;
    *node = (struct yaml_node){.kind = kind, .at = at, .text = ""};
    return node;
}

static void refuse_decoration(struct reader *reader, const struct yaml_node *node,
                              const void *anchor, const void *tag)
{
    if (anchor) {
        diag_error(reader->diag, &node->at,
                   "anchors (&name) are not part of this format");
        diag_hint(reader->diag, "quote the value if it begins with \"&\"");
    }
    if (tag) {
        diag_error(reader->diag, &node->at, "tags (!name) are not part of this format");
        diag_hint(reader->diag, "quote the value if it begins with \"!\"");
    }
}

static void on_scalar(struct reader *reader, const yaml_event_t *event)
{
    struct yaml_node *node = add_node(reader, YAML_SCALAR, event);
    if (!node)
        return;
    const char *value = (const char *)event->data.scalar.value;
    size_t length = event->data.scalar.length;
    node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    node->text = arena_copy(reader->arena, value, length);
    if (!node->text) {
        reader->diag->out_of_memory = true;
        reader->is_over = true;
        return;
    }
    node->length = strlen(node->text);
    if (node->length < length)
        diag_error(reader->diag, &node->at, "a text cannot hold the character NUL");
    refuse_decoration(reader, node, event->data.scalar.anchor, event->data.scalar.tag);
    attach(reader, node);
}

static void on_alias(struct reader *reader, const yaml_event_t *event)
{
    struct yaml_node *node = add_node(reader, YAML_SCALAR, event);
    if (!node)
        return;
    diag_error(reader->diag, &node->at, "aliases (*name) are not part of this format");
    diag_hint(reader->diag, "a value that begins with \"*\" has to be quoted");
    node->cut = true; /* nothing more is said about it */
    node->text = "*";
    node->length = 1;
    attach(reader, node);
}

static void open_frame(struct reader *reader, enum yaml_kind kind,
                       const yaml_event_t *event, const void *anchor, const void *tag)
{
    struct yaml_node *node = add_node(reader, kind, event);
    if (!node)
        return;
    refuse_decoration(reader, node, anchor, tag);
    attach(reader, node);
    if (reader->depth == YAML_DEEPEST) {
        diag_error(reader->diag, &node->at, "more than %d levels deep", YAML_DEEPEST);
        reader->is_over = true;
        return;
    }
    bool is_flow = kind == YAML_MAP
                       ? event->data.mapping_start.style == YAML_FLOW_MAPPING_STYLE
                       : event->data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE;
    reader->stack[reader->depth++] = (struct frame){.node = node, .is_flow = is_flow};
}

/* By key, then by place: equal ones become neighbours, the first written first. */
static int compare_pairs(const void *a, const void *b)
{
    const struct yaml_pair *left = *(const struct yaml_pair *const *)a;
    const struct yaml_pair *right = *(const struct yaml_pair *const *)b;
    int order = strcmp(left->key->text, right->key->text);
    return order != 0 ? order : (left > right) - (left < right);
}

/* Says which keys are there twice, and keeps the first of them. */
static void drop_duplicates(struct reader *reader, struct yaml_node *map,
                            struct yaml_pair *pairs)
{
    if (map->n < 2)
        return;
    struct yaml_pair **sorted = take(reader, map->n, sizeof(struct yaml_pair *));
    if (!sorted)
        return;
    for (size_t i = 0; i < map->n; i++)
        sorted[i] = &pairs[i];
    qsort(sorted, map->n, sizeof(struct yaml_pair *), compare_pairs);
    const struct yaml_node *first = sorted[0]->key;
    for (size_t i = 1; i < map->n; i++) {
        const struct yaml_node *key = sorted[i]->key;
        if (strcmp(first->text, key->text) != 0) {
            first = key;
            continue;
        }
        diag_error(reader->diag, &key->at, "duplicate key \"%s\"", key->text);
        diag_hint(reader->diag, "the first is on line %u", first->at.line);
        sorted[i]->key = NULL;
    }
    size_t kept = 0;
    for (size_t i = 0; i < map->n; i++)
        if (pairs[i].key)
            pairs[kept++] = pairs[i];
    map->n = kept;
}

/* A block begins with its first key or item; what is between brackets is all of it. */
static void set_extent(struct yaml_node *node, const yaml_event_t *event,
                       struct mark whole)
{
    bool is_flow = event && event->end_mark.index > event->start_mark.index;
    if (is_flow) {
        node->at.end_line = whole.end_line;
        node->at.end_column = whole.end_column;
    } else if (node->n > 0) {
        node->at = node->kind == YAML_MAP ? node->pairs[0].key->at : node->items[0]->at;
    }
}

/* event is NULL where the text ended in a syntax error. */
static void close_frame(struct reader *reader, const yaml_event_t *event)
{
    struct frame *frame = &reader->stack[--reader->depth];
    struct yaml_node *node = frame->node;
    assert(node); /* frames are opened with one */
    node->cut = !event || frame->lacks_key;
    if (node->kind == YAML_MAP) {
        drop_duplicates(reader, node, frame->elements);
        node->pairs = frame->elements;
    } else {
        node->items = frame->elements;
    }
    struct mark whole = node->at;
    if (event)
        whole = place(reader, event->start_mark, event->end_mark);
    set_extent(node, event, whole);
}

/* The value that a syntax error took away. */
static const struct yaml_node *add_cut_value(struct reader *reader,
                                             const struct yaml_node *key)
{
    struct yaml_node *value = take(reader, 1, sizeof *value);
    if (value)
        *value = (struct yaml_node){
            .kind = YAML_SCALAR, .at = key->at, .cut = true, .text = ""};
    return value;
}

static void close_cut_frames(struct reader *reader)
{
    while (reader->depth > 0) {
        struct frame *frame = &reader->stack[reader->depth - 1];
        if (frame->node->kind == YAML_MAP && frame->key) {
            const struct yaml_node *value = add_cut_value(reader, frame->key);
            if (value)
                add_value(reader, frame, value);
        }
        close_frame(reader, NULL);
    }
}

static void on_event(struct reader *reader, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        on_scalar(reader, event);
        break;
    case YAML_ALIAS_EVENT:
        on_alias(reader, event);
        break;
    case YAML_MAPPING_START_EVENT:
        open_frame(reader, YAML_MAP, event, event->data.mapping_start.anchor,
                   event->data.mapping_start.tag);
        break;
    case YAML_SEQUENCE_START_EVENT:
        open_frame(reader, YAML_LIST, event, event->data.sequence_start.anchor,
                   event->data.sequence_start.tag);
        break;
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        close_frame(reader, event);
        break;
    case YAML_DOCUMENT_START_EVENT:
        if (reader->root) {
            struct mark at = place(reader, event->start_mark, event->end_mark);
            diag_error(reader->diag, &at, "a second document");
            diag_hint(reader->diag, "one text holds one document; remove the \"---\"");
            reader->is_over = true;
        }
        break;
    case YAML_STREAM_END_EVENT:
        reader->is_over = true;
        break;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        break;
    }
}

/* Where the bracket that was opened last stands, or NULL. */
static const struct mark *innermost_flow(const struct reader *reader)
{
    for (size_t i = reader->depth; i > 0; i--)
        if (reader->stack[i - 1].is_flow)
            return &reader->stack[i - 1].node->at;
    return NULL;
}

static void read_events(struct reader *reader, yaml_parser_t *parser)
{
    while (!reader->is_over) {
        yaml_event_t event;
        if (!yaml_parser_parse(parser, &event)) {
            if (parser->error == YAML_MEMORY_ERROR)
                reader->diag->out_of_memory = true;
            else if (!reader->is_truncated)
                yaml_problem_report(parser, reader->input, innermost_flow(reader),
                                    reader->diag);
            reader->is_broken = true;
            break;
        }
        on_event(reader, &event);
        yaml_event_delete(&event);
    }
    close_cut_frames(reader);
}

/* What follows the end of a broken text would have been in the last of everything; a
 * value that ran on, over a blank or a line, swallowed what was meant to be a key. */
static void mark_cut(struct yaml_node *node)
{
    while (node) {
        const struct yaml_node *last = NULL;
        node->cut = node->kind != YAML_SCALAR || node->cut ||
                    node->at.end_line > node->at.line ||
                    (!node->quoted && strchr(node->text, ' '));
        if (node->n > 0)
            last = node->kind == YAML_MAP ? node->pairs[node->n - 1].value
                                          : node->items[node->n - 1];
        node = (struct yaml_node *)(uintptr_t)last; /* ours: made by add_node */
    }
}

static struct yaml_node *make_empty_map(struct reader *reader)
{
    const struct yaml_input *input = reader->input;
    struct yaml_node *node = take(reader, 1, sizeof *node);
    if (node)
        *node = (struct yaml_node){.kind = YAML_MAP,
                                   .cut = reader->is_truncated,
                                   .text = "",
                                   .at = {.source = input->source,
                                          .line = input->first_line,
                                          .column = input->indent + 1,
                                          .end_line = input->first_line,
                                          .end_column = input->indent + 1}};
    return node;
}

const struct yaml_node *yaml_read(struct arena *arena, const struct yaml_input *input,
                                  struct diag *diag)
{
    struct yaml_input checked = *input;
    struct reader reader = {.arena = arena, .input = &checked, .diag = diag};
    reader.is_truncated = yaml_problem_truncate(&checked, diag);
    size_t errors = diag->n_errors;
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser)) {
        diag->out_of_memory = true;
        return NULL;
    }
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)checked.text,
                                 checked.length);
    read_events(&reader, &parser);
    yaml_parser_delete(&parser);
    if (diag->out_of_memory)
        return NULL;
    if (reader.is_truncated || reader.is_broken)
        mark_cut(reader.root);
    if (!reader.root && diag->n_errors == errors)
        return make_empty_map(&reader);
    return reader.root;
}
