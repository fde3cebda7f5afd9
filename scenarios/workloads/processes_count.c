/* SPDX-License-Identifier: MIT */
/* What the pool learns from answers: the figures that the drill shows and judges its stop
 * conditions by, and, where the workload needs it, what each process knows of the
 * registers. None of it goes into the verdict: that is the history's. */
#include "scenarios/workloads/processes_inside.h"

#include "proxy/base/now.h"

#include <stdio.h>

void processes_forget(struct worker *worker)
{
    if (!worker->known)
        return;
    for (size_t i = 0; i < worker->processes->config.plan.settings.keys; i++)
        worker->known[i] = INT64_MIN;
}

void processes_count(struct processes *p, enum history_f f,
                     const struct driver_outcome *outcome)
{
    struct processes_statistics *statistics = &p->statistics;
    statistics->open--;
    statistics->errors[outcome->error]++;
    if (outcome->text)
        (void)snprintf(statistics->last_error, sizeof statistics->last_error, "%s",
                       outcome->text);
    if (outcome->error == DRIVER_DEFECT && !statistics->first_defect[0])
        (void)snprintf(statistics->first_defect, sizeof statistics->first_defect, "%s",
                       outcome->text);
    if (outcome->type == HISTORY_FAIL)
        statistics->fail++;
    if (outcome->type == HISTORY_INFO)
        statistics->info++;
    if (outcome->type != HISTORY_OK)
        return;
    if (f == HISTORY_READ) {
        statistics->ok_reads++;
        return;
    }
    statistics->ok_writes++;
    statistics->last_ok_write_ns = now_ns();
}

/* What the process now knows of the register. */
void processes_learn(struct worker *worker, const struct driver_outcome *outcome)
{
    const struct driver_operation *operation = &worker->slot.operation;
    if (!worker->known)
        return;
    if (outcome->type == HISTORY_INFO) { /* a new process sits here */
        processes_forget(worker);
        return;
    }
    int64_t *known = &worker->known[operation->key];
    if (outcome->error == DRIVER_CONFLICT)
        *known = INT64_MIN;
    if (outcome->type != HISTORY_OK)
        return;
    if (operation->f == HISTORY_CAS)
        *known = operation->value.pair.to;
    else if (operation->f == HISTORY_WRITE)
        *known = operation->value.integer;
    else
        *known =
            outcome->value.kind == HISTORY_INTEGER ? outcome->value.integer : INT64_MIN;
}

void processes_statistics(const struct processes *p, struct processes_statistics *out)
{
    *out = p->statistics;
    out->connects = p->pool.connects;
}

uint64_t processes_no_ok_write_ns(const struct processes *p, uint64_t now)
{
    uint64_t last_ns = p->statistics.last_ok_write_ns;
    return p->state == POOL_RUNNING && now > last_ns ? now - last_ns : 0;
}

size_t processes_primary_of(const struct processes *p, size_t slot)
{
    return p->workers[slot].primary;
}

size_t processes_home_of(const struct processes *p, size_t slot)
{
    return p->workers[slot].home;
}

size_t processes_width(const struct processes *p)
{
    return (size_t)p->pool.width;
}
