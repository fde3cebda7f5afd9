/* SPDX-License-Identifier: MIT */
/* Each part of a rule that only the kernel can do is compared with what it can do here.
 * The happy path copies; a part that is not possible is replaced by what the rule says,
 * with the reason kept for the journal; without a fallback the rule is refused. */
#include "rules/plan/fallback.h"

#include "rules/faults/rows.h"

#include <errno.h>
#include <string.h>

static const char *reason(const struct fallback_context *context)
{
    return context->kernel->why ? context->kernel->why : "the kernel is not asked here";
}

static int note(const struct fallback_context *context, struct plan_rule *out)
{
    if (out->fell_back)
        return 0;
    const char *why = reason(context);
    out->fell_back = arena_copy(&context->plan->arena, why, strlen(why));
    return out->fell_back ? 0 : -ENOMEM;
}

enum rule_how fallback_wanted_how(const struct plan *plan, const struct rule *rule)
{
    if (rule->how_given)
        return rule->how;
    return plan->intercept == INTERCEPT_LISTEN ? HOW_STALL : HOW_DROP;
}

static int refuse_drop(const struct fallback_context *context, const struct rule *rule)
{
    if (rule->how_given)
        diag_lacking(context->diag, &rule->how_at,
                     "\"how: drop\" is not possible here: %s", reason(context));
    else
        diag_lacking(context->diag, &rule->how_at,
                     "\"how: drop\", the default with intercept: %s, is not possible "
                     "here: %s",
                     rule_intercept_name(context->plan->intercept), reason(context));
    diag_hint(context->diag, "say \"how: stall\", or add \"fallback: stall\"");
    return -ENOTSUP;
}

static int refuse_all_ports(const struct fallback_context *context,
                            const struct rule *rule)
{
    diag_lacking(context->diag, &rule->ports_at,
                 "\"ports: all\" is not possible here: %s", reason(context));
    diag_hint(context->diag, "leave it out, or add \"fallback: stall\"");
    return -ENOTSUP;
}

int fallback_choose_how(const struct fallback_context *context, const struct rule *rule,
                        struct plan_rule *out)
{
    const struct plan_kernel *kernel = context->kernel;
    out->how = fallback_wanted_how(context->plan, rule);
    out->ports_all = rule->ports_all;
    bool can_drop = out->how != HOW_DROP || kernel->drop;
    bool can_all = !rule->ports_all || kernel->ports_all;
    if (can_drop && can_all)
        return 0;
    if (!rule->has_fallback)
        return can_drop ? refuse_all_ports(context, rule) : refuse_drop(context, rule);
    out->how = rule->fallback;
    out->ports_all = false;
    return note(context, out);
}

static bool kernel_can(const struct plan_kernel *kernel, const struct fault *fault)
{
    const struct {
        const struct fault *fault;
        bool can;
    } rows[] = {
        {&fault_packet_loss, kernel->packet_loss},
        {&fault_packet_rate, kernel->packet_rate},
        {&fault_packet_delay, kernel->packet_delay},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].fault == fault)
            return rows[i].can;
    return false;
}

static int copy_fault(struct plan *plan, const struct rule_fault *from,
                      struct plan_fault *out)
{
    void *params = arena_alloc(&plan->arena, 1, from->fault->params_bytes);
    if (!params)
        return -ENOMEM;
    memcpy(params, from->params, from->fault->params_bytes);
    *out = (struct plan_fault){from->fault, params};
    return 0;
}

static int use_model(const struct fallback_context *context,
                     const struct rule_fault *from, struct plan_fault *out,
                     struct plan_rule *rule)
{
    const struct fault *model = fault_find(from->fault->model);
    void *params = arena_alloc(&context->plan->arena, 1, model->params_bytes);
    if (!params)
        return -ENOMEM;
    field_store_standards(model->fields, params);
    from->fault->to_model(from->params, params);
    *out = (struct plan_fault){model, params};
    return note(context, rule);
}

static int choose_fault(const struct fallback_context *context, const struct rule *rule,
                        const struct rule_fault *from, struct plan_fault *out,
                        struct plan_rule *plan_rule)
{
    if (!from->fault->in_kernel || kernel_can(context->kernel, from->fault))
        return copy_fault(context->plan, from, out);
    if (rule->fallback_is_model)
        return use_model(context, from, out, plan_rule);
    diag_lacking(context->diag, &from->at, "\"%s\" is not possible here: %s",
                 from->fault->name, reason(context));
    diag_hint(context->diag, "say \"%s\", or add \"fallback: model\" beside \"inject\"",
              from->fault->model);
    return -ENOTSUP;
}

/* Models come before what they stand for, so the order of the catalogue, which is that
 * of a chunk, is made anew. */
static void sort_faults(struct plan_fault *faults, size_t n)
{
    size_t sorted = 0;
    for (const struct fault *const *row = fault_catalogue(); *row; row++) {
        for (size_t i = sorted; i < n; i++) {
            if (faults[i].fault != *row)
                continue;
            struct plan_fault found = faults[i];
            memmove(&faults[sorted + 1], &faults[sorted],
                    (i - sorted) * sizeof *faults);
            faults[sorted++] = found;
        }
    }
}

int fallback_choose_faults(const struct fallback_context *context,
                           const struct rule *rule, struct plan_rule *out)
{
    struct plan_fault *faults =
        arena_alloc(&context->plan->arena, rule->n_faults, sizeof *faults);
    if (!faults)
        return -ENOMEM;
    int status = 0;
    for (size_t i = 0; i < rule->n_faults; i++) {
        int result = choose_fault(context, rule, &rule->faults[i], &faults[i], out);
        if (result == -ENOMEM)
            return result;
        status = result ? result : status;
    }
    if (status != 0)
        return status;
    sort_faults(faults, rule->n_faults);
    out->faults = faults;
    out->n_faults = rule->n_faults;
    return 0;
}
