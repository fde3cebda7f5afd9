/* SPDX-License-Identifier: MIT */
/* A plan is read by the person who must agree to it, so it holds every command that may
 * run, as it was written: nothing is summed up, and nothing is resolved that would have
 * to be asked (who is primary, which port). */
#include "scenarios/playbook/plan_print.h"

#include "rules/unit.h"
#include "scenarios/drivers/driver.h"

#include <inttypes.h>
#include <string.h>

static void print_text(const char *label, const char *text, FILE *to)
{
    if (!text)
        return;
    fprintf(to, "  %s:\n", label);
    while (*text) {
        size_t length = strcspn(text, "\n");
        fprintf(to, "      | %.*s\n", (int)length, text);
        text += length + (text[length] == '\n');
    }
}

static void print_span(const char *label, uint64_t span_ns, FILE *to)
{
    char span[32];
    if (span_ns)
        fprintf(to, "%s%s", label, unit_format_duration(span_ns, span, sizeof span));
}

static void print_cluster(const struct cluster *cluster, FILE *to)
{
    const struct cluster_commands *commands = &cluster->commands;
    fprintf(to, "cluster %s (%s), nodes:", cluster->name, cluster->source.name);
    for (size_t i = 0; i < cluster->n_nodes; i++)
        fprintf(to, " %s", cluster->nodes[i]);
    for (size_t i = 0; cluster->places && i < cluster->n_nodes; i++)
        fprintf(to, "\n  %s at %s port %u, commands by: %s sh", cluster->nodes[i],
                cluster->places[i].address, cluster->places[i].port,
                cluster->places[i].exec ? cluster->places[i].exec : "this host's");
    if (cluster->has_lab)
        fprintf(to, "\nlab: each in a network namespace, joined by a %s, intercept: %s",
                cluster->has_bridge ? "bridge" : "router",
                rule_intercept_name(cluster->intercept));
    fprintf(to, "\ndriver: %s %s%s%s", driver_name(cluster->driver), cluster->setting,
            cluster->program ? ", run in " : "",
            cluster->program ? cluster->directory : "");
    fprintf(to,
            "\ntouches: what is called %s (a schema, or how keys begin), and temporary "
            "directories\n\ncommands\n",
            cluster->schema);
    print_text("prepare", commands->prepare, to);
    print_text("start", commands->start, to);
    print_text("ready", commands->ready, to);
    print_text("role", cluster->role, to);
    print_text("version", commands->version, to);
    print_text("promote", commands->promote, to);
    print_text("rejoin", commands->rejoin, to);
    print_text("kill", commands->kill, to);
    print_text("pause", commands->pause, to);
    print_text("resume", commands->resume, to);
    print_text("stop", commands->stop, to);
}

static void print_modes(const struct cluster *cluster, const char *const *modes,
                        size_t n, FILE *to)
{
    fprintf(to, "\nmodes:");
    for (size_t i = 0; i < n; i++)
        fprintf(to, " %s", modes[i]);
    fputc('\n', to);
    for (size_t i = 0; i < n; i++) {
        char label[128];
        const struct cluster_mode *mode = cluster_find_mode(cluster, modes[i]);
        (void)snprintf(label, sizeof label, "%s, enter", modes[i]);
        print_text(label, mode->enter, to);
        (void)snprintf(label, sizeof label, "%s, driver", modes[i]);
        if (strcmp(mode->setting, cluster->setting) != 0)
            print_text(label, mode->setting, to);
        (void)snprintf(label, sizeof label, "%s, check", modes[i]);
        print_text(label, mode->check, to);
        (void)snprintf(label, sizeof label, "%s, leave", modes[i]);
        print_text(label, mode->leave, to);
    }
}

static void print_node_links(const struct cluster *cluster, FILE *to)
{
    for (size_t i = 0; i < cluster->n_nodes; i++) {
        fprintf(to, "  clients.%s > every node", cluster->nodes[i]);
        for (size_t k = 0; k < cluster->n_nodes && !cluster->places; k++)
            if (k != i)
                fprintf(to, ", %s > %s", cluster->nodes[i], cluster->nodes[k]);
        fputc('\n', to);
    }
    if (cluster->places && cluster->intercept == INTERCEPT_LISTEN)
        fputs("  (what the nodes say to each other goes past it)\n", to);
    else if (cluster->places)
        fprintf(to, "  what the nodes say to each other, by intercept: %s\n",
                rule_intercept_name(cluster->intercept));
}

static void print_links(const struct cluster *cluster, FILE *to)
{
    if (cluster->control) {
        fprintf(to,
                "\nlinks: those of the proxy at %s, which was there before\n"
                "\nlease: faults are overlays of that proxy, each with a lease of %d s "
                "that\n  is renewed while the drill lives; nothing else of it is "
                "changed\n",
                cluster->control, CLUSTER_LEASE_S);
        return;
    }
    fputs("\nlinks, each through the drill's own proxy\n", to);
    print_node_links(cluster, to);
    fputs("\nlease: faults last until heal or the end of the steps, whichever comes\n"
          "  first, and end with the proxy, which is a child of the drill\n",
          to);
}

static void print_stops(const struct playbook *playbook, FILE *to)
{
    bool any = playbook->no_ok_write_ns || playbook->duration_ns;
    fputs("\nstop conditions\n", to);
    print_span("  no write acknowledged for ", playbook->no_ok_write_ns, to);
    fputs(playbook->no_ok_write_ns ? "\n" : "", to);
    print_span("  a mode takes longer than ", playbook->duration_ns, to);
    fputs(playbook->duration_ns ? "\n" : "", to);
    for (size_t i = 0; i < playbook->n_steps; i++) {
        const struct step *step = &playbook->steps[i];
        if (!step->abort_at.text)
            continue;
        any = true;
        fprintf(to, "  the probe on line %" PRIu32 " says %s\n", step->at.line,
                step->abort_at.text);
    }
    if (!any)
        fputs("  none but a signal\n", to);
}

/* What a step runs that stands in the cluster file, not in its block. */
static const char *borrowed_command(const struct step *step,
                                    const struct cluster *cluster)
{
    switch (step->verb->kind) {
    case STEP_PROMOTE:
        return "the command promote";
    case STEP_HEAL:
        return cluster->commands.rejoin ? "an old primary: stop, rejoin, start"
                                        : "nothing but what the faults left";
    case STEP_WAIT:
        return step->until == STEP_UNTIL_ROLE    ? "the command role"
               : step->until == STEP_UNTIL_READY ? "the command ready"
                                                 : NULL;
    case STEP_FAULT:
        return step->by == STEP_BY_KILL && cluster->commands.kill ? "the command kill"
               : step->by == STEP_BY_KILL ? "signal KILL; at heal the command start"
               : step->by == STEP_BY_PAUSE && cluster->commands.pause
                   ? "the commands pause and, at heal, resume"
               : step->by == STEP_BY_PAUSE ? "signal STOP, at heal CONT"
                                           : NULL;
    case STEP_WORKLOAD:
    case STEP_RUN:
    case STEP_SHELL:
    case STEP_CLIENTS:
    case STEP_PROBE:
    case STEP_MANUAL:
    case STEP_EXPECT:
        break;
    }
    return NULL;
}

static void print_step(const struct step *step, const struct cluster *cluster, FILE *to)
{
    const char *borrowed = borrowed_command(step, cluster);
    fprintf(to, "  %4" PRIu32 "  %-9s", step->at.line, step->verb->name);
    print_span(" for ", step->for_ns, to);
    print_span(" every ", step->every_ns, to);
    print_span(" within ", step->within_ns, to);
    if (step->verb->kind == STEP_SHELL || step->verb->kind == STEP_PROBE || step->run ||
        (step->verb->kind == STEP_WAIT && !step->until_value))
        fprintf(to, " on %s", step->on ? step->on : cluster->nodes[0]);
    if (step->on_fail)
        fputs(", a failure is passed over", to);
    if (borrowed)
        fprintf(to, " (%s)", borrowed);
    fputc('\n', to);
    for (const char *text = step->text; *text;) {
        size_t length = strcspn(text, "\n");
        fprintf(to, "        | %.*s\n", (int)length, text);
        text += length + (text[length] == '\n');
    }
}

void plan_print(const struct playbook *playbook, const struct cluster *cluster,
                const char *const *modes, size_t n_modes, FILE *to)
{
    fprintf(to, "%s\n", playbook->title);
    print_cluster(cluster, to);
    print_modes(cluster, modes, n_modes, to);
    print_links(cluster, to);
    print_stops(playbook, to);
    fputs(playbook->variables.n ? "\nvariables\n" : "", to);
    for (size_t i = 0; i < playbook->variables.n; i++)
        fprintf(to, "  %s=%s\n", playbook->variables.items[i].name,
                playbook->variables.items[i].value);
    fputs("\nsteps, in each mode\n", to);
    for (size_t i = 0; i < playbook->n_steps; i++) {
        const struct step *step = &playbook->steps[i];
        if (i == 0 || step->heading_line != playbook->steps[i - 1].heading_line)
            fprintf(to, "%s\n", step->heading);
        print_step(step, cluster, to);
    }
}
