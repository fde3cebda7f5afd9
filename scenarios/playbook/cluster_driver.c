/* SPDX-License-Identifier: MIT */
/* Reads the driver of a cluster file. The words of a program become a JSON list, which
 * is what its driver takes, so that a setting is one text whoever's it is.
 *
 * A text of words is split at blanks, and no shell is asked: what a shell would treat in
 * a way of its own is refused, for it would not be, and the list says the same
 * unmistakably. */
#include "scenarios/playbook/cluster_inside.h"

#include "proxy/base/memory.h"
#include "rules/language/yaml.h"
#include "scenarios/drivers/driver.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* What is read of one map. */
struct reading {
    const struct driver *driver; /* NULL = what it is was not understood */
    const char *setting;
    const char *program;
};

struct reader {
    struct cluster *cluster;
    struct diag *diag;
};

static const char *keep(struct reader *reader, const char *text)
{
    return arena_copy(&reader->cluster->arena, text, strlen(text));
}

static void suggest_driver(struct reader *reader, const char *word)
{
    const char *names[16];
    size_t n = 0;
    if (strcmp(word, "redis") == 0 || strcmp(word, "valkey") == 0) {
        diag_hint(reader->diag, "here it is called \"resp\", as its protocol is");
        return;
    }
    while (n < 16 && driver_get(n)) {
        names[n] = driver_name(driver_get(n));
        n++;
    }
    diag_suggest(reader->diag, word, names, n);
}

static void add_words(struct reader *reader, const struct yaml_node *text, json_t *list)
{
    static const char special[] = "\"'\\$`|&;<>()*?[]{}~#!";
    const char *at = text->text;
    if (at[strcspn(at, special)]) {
        diag_error(reader->diag, &text->at,
                   "a program is run without a shell, which would take some of this in "
                   "a way of its own");
        diag_hint(reader->diag, "write its words as a list: [program, argument, ...]");
    }
    while (*(at += strspn(at, " \t\n"))) {
        size_t length = strcspn(at, " \t\n");
        (void)json_array_append_new(list, json_stringn(at, length));
        at += length;
    }
}

static void add_items(struct reader *reader, const struct yaml_node *items,
                      json_t *list)
{
    for (size_t i = 0; i < items->n; i++) {
        const struct yaml_node *item = items->items[i];
        if (item->kind == YAML_SCALAR) {
            (void)json_array_append_new(list, json_string(item->text));
            continue;
        }
        diag_error(reader->diag, &item->at, "each word of a program is a text");
        (void)json_array_append_new(list, json_string("?")); /* told once */
    }
}

/* Where the program is: a name is looked up in PATH, a path counts from where the
 * cluster file is. */
static const char *locate(struct reader *reader, const char *word)
{
    const char *directory = reader->cluster->directory;
    if (!word)
        return NULL;
    if (!strchr(word, '/') || word[0] == '/' || strcmp(directory, ".") == 0)
        return keep(reader, word);
    char *path = xasprintf("%s/%s", directory, word);
    const char *kept = keep(reader, path);
    free(path);
    return kept;
}

static void read_program(struct reader *reader, const struct yaml_node *value,
                         struct reading *out)
{
    json_t *list = json_array();
    if (value->kind == YAML_SCALAR)
        add_words(reader, value, list);
    else if (value->kind == YAML_LIST)
        add_items(reader, value, list);
    char *text = json_dumps(list, JSON_COMPACT);
    out->setting = keep(reader, text ? text : "");
    out->program = locate(reader, json_string_value(json_array_get(list, 0)));
    free(text);
    json_decref(list);
}

static struct reading read_map(struct reader *reader, const struct yaml_node *map)
{
    struct reading out = {NULL, NULL, NULL};
    struct errmsg err = {""};
    if (map->n != 1) {
        diag_error(reader->diag, &map->at, "a cluster has one driver: { resp: \"\" }");
        return out;
    }
    const struct yaml_node *key = map->pairs[0].key, *value = map->pairs[0].value;
    const struct driver *driver = driver_find(key->text, NULL);
    if (!driver) {
        diag_error(reader->diag, &key->at, "unknown driver \"%s\"", key->text);
        suggest_driver(reader, key->text);
        return out;
    }
    out.driver = driver;
    out.setting = value->text;
    if (driver_is_program(driver))
        read_program(reader, value, &out);
    else if (value->kind != YAML_SCALAR) {
        diag_error(reader->diag, &value->at, "the driver's setting must be text");
        return out;
    }
    if (driver_check(driver, out.setting, &err) != 0)
        diag_error(reader->diag, &value->at, "%s", err.text);
    return out;
}

void cluster_read_driver(struct cluster *cluster, const struct yaml_node *map,
                         struct diag *diag)
{
    struct reader reader = {cluster, diag};
    struct reading reading = read_map(&reader, map);
    cluster->driver = reading.driver;
    cluster->setting = reading.setting;
    cluster->program = reading.program;
}

void cluster_read_setting(struct cluster *cluster, const struct yaml_node *map,
                          struct cluster_mode *mode, struct diag *diag)
{
    struct reader reader = {cluster, diag};
    struct reading reading = {cluster->driver, cluster->setting, cluster->program};
    if (map)
        reading = read_map(&reader, map);
    mode->setting = reading.setting;
    mode->program = reading.program;
    if (reading.driver && cluster->driver && reading.driver != cluster->driver)
        diag_error(diag, &map->at, "the driver of the cluster is \"%s\"",
                   driver_name(cluster->driver));
}
