/* SPDX-License-Identifier: MIT */
/* JSON is YAML, so the schema is read with the reader at hand. */
#include "support.h"

#include "rules/faults/fault.h"
#include "rules/language/schema.h"
#include "rules/language/yaml.h"

#include <criterion/criterion.h>
#include <string.h>

/* Every {"$ref": "#/definitions/NAME"} below the node names a definition. */
static void check_references(const struct yaml_node *node,
                             const struct yaml_node *definitions)
{
    static const char prefix[] = "#/definitions/";
    for (size_t i = 0; i < node->n; i++) {
        const struct yaml_node *child =
            node->kind == YAML_MAP ? node->pairs[i].value : node->items[i];
        if (child->kind != YAML_SCALAR)
            check_references(child, definitions);
        else if (node->kind == YAML_MAP &&
                 strcmp(node->pairs[i].key->text, "$ref") == 0)
            cr_expect_not_null(yaml_find(definitions, child->text + strlen(prefix)),
                               "%s", child->text);
    }
}

Test(schema, is_json_whose_references_exist_and_knows_every_fault)
{
    struct buffer text = {.text = NULL};
    struct arena arena = {.blocks = NULL};
    struct diag diag = {.n = 0};
    schema_write(&text);
    struct source source = {"schema.json", text.text, text.length};
    struct yaml_input input = {&source, text.text, text.length, 1, 0};
    const struct yaml_node *root = yaml_read(&arena, &input, &diag);
    cr_assert_eq(diag.n, 0);
    const struct yaml_node *definitions = yaml_find(root, "definitions");
    check_references(root, definitions);
    const struct yaml_node *inject =
        yaml_find(yaml_find(definitions, "inject"), "properties");
    for (const struct fault *const *fault = fault_catalogue(); *fault; fault++)
        for (const struct field *field = (*fault)->fields; field->name; field++)
            cr_expect_not_null(yaml_find(inject, field->name), "%s", field->name);
    buffer_close(&text);
    arena_close(&arena);
    diag_close(&diag);
}
