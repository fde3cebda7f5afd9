/* SPDX-License-Identifier: MIT */
/* What the drill_*.c files share; nothing else includes this. What they know of a drill is
 * in drill_state.h; what each of them does is below, file by file.
 *
 * One loop; one mode at a time; in a mode one thing at a time: each part ends by
 * calling what comes next. The life of a mode:
 *
 *     UP      lab made, ports reserved -> proxy ready -> nodes, one by one -> mode
 *             proved -> roles
 *     STEPS   the playbook's, in document order
 *     ENDING  processes stopped -> healed -> final reads -> judged
 *     DOWN    processes, nodes, proxy ended; directory removed
 *
 * UP and STEPS may go to DOWN at any moment (a signal), STEPS to ENDING at any moment
 * (a failed step, a stop condition). Of a cluster that runs already nodes are found in
 * place of started, before all else. So every callback first asks whether the mode is
 * still in the state that it belongs to; what comes late changes nothing. */
#ifndef NETSPLIT_SCENARIOS_DRILL_DRILL_INSIDE_H
#define NETSPLIT_SCENARIOS_DRILL_DRILL_INSIDE_H

#include "scenarios/drill/drill_state.h"

/* drill_keep.c: texts of the run's arena, for people: without secrets; zeroed memory. */
char *drill_print(struct drill *drill, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
char *drill_keep(struct drill *drill, const char *text);
void *drill_take(struct drill *drill, size_t n, size_t bytes);

/* drill_env.c: the environment of a command on a node; drill_env_free() it. */
char **drill_env(const struct drill_mode *mode, size_t node);
void drill_env_free(char **env);
/* How a script runs on a node: here with that environment, or, where the cluster says
 * how, through a shell there, which is told the environment and reads the script from
 * its standard input. drill_command_free() it. */
struct drill_command {
    const char *argv[5];
    char **env; /* owned */
    char *text; /* owned */
};
void drill_command(const struct drill_mode *mode, size_t node, const char *script,
                   struct drill_command *out);
void drill_command_free(struct drill_command *command);

/* drill_lab.c: where everything is. */
/* Moves this process into a user namespace, if the cluster's lab needs one. 0, or a
 * negative errno with err. */
int drill_enter_lab(const struct cluster *cluster, struct errmsg *err);
/* Makes the mode's lab, if it has one; false with mode->error. */
bool lab_open(struct drill_mode *mode);
/* The network namespaces of a node, of a home of clients, of the proxy; 0 = ours. */
int lab_netns(const struct drill_mode *mode, size_t node);
int lab_client_netns(const struct drill_mode *mode, size_t home);
int lab_middle_netns(const struct drill_mode *mode);
/* The address of a node or of a home of clients, and where the proxy listens for those
 * who are there; borrowed while the mode lives. */
const char *lab_address(const struct drill_mode *mode, size_t node, bool is_client);
const char *lab_listen_address(const struct drill_mode *mode, size_t from,
                               bool is_client);
/* The node itself, past the proxy. */
struct driver_endpoint lab_direct(const struct drill_mode *mode, size_t node);

/* drill_job.c: one command at a time. */
struct job_options {
    const char *script; /* borrowed until it has ended */
    size_t node;
    uint64_t within_ns; /* after the second signal it is the grace, if it is more */
    bool polls;
    bool leaves_group;
    const char *wants;
    drill_then_fn then; /* mode->job says how it went */
};
void job_init(struct drill_mode *mode);
void job_start(struct drill_mode *mode, const struct job_options *options);
/* Kills what runs; `then` is not called. */
void job_cancel(struct drill_mode *mode);
/* It has this much time from now on, if it had more. */
void job_hurry(struct drill_mode *mode, uint64_t within_ns);
/* The first word of its output, and all of it on one line without its end. */
void job_first_word(const struct job *job, char *text, size_t text_bytes);
void job_first_line(const struct job *job, char *text, size_t text_bytes);

/* drill_nodes.c */
bool nodes_reserve(struct drill_mode *mode);
void nodes_start(struct drill_mode *mode, drill_then_fn then);
/* Starts one node again, and waits until it is ready; mode->job says how it went. */
void nodes_start_one(struct drill_mode *mode, size_t node, drill_then_fn then);
/* Stops a node by the cluster's command, else by TERM and then KILL; in a hurry by
 * KILL. Returns whether it still runs: then mode_down() is called when it has ended
 * (DOWN), or mode->chain_then (STEPS). May be repeated. */
bool nodes_stop_one(struct drill_mode *mode, size_t node, bool hurry);
/* Kills a node with all that belongs to it. Returns whether it still runs: then
 * mode->chain_then is called when it has ended. */
bool nodes_kill_one(struct drill_mode *mode, size_t node);
/* Stops it where it stands, or lets it run on. */
void nodes_pause_one(struct drill_mode *mode, size_t node);
void nodes_resume_one(struct drill_mode *mode, size_t node);
/* Ends stop commands that take too long. */
void nodes_end_late_stops(struct drill_mode *mode, uint64_t now);
/* Waits for all to be ready; mode->job says how it went. */
void nodes_wait_ready(struct drill_mode *mode, uint64_t within_ns, drill_then_fn then);

/* drill_roles.c: asks every node for its role; mode->resolved and, if it is one,
 * mode->primary; mode->error has what they said if it is none, or not all of them said
 * something. */
void roles_resolve(struct drill_mode *mode, drill_then_fn then);

/* drill_system.c: asks every node for its version and settings, if the cluster says how;
 * they are in mode->out->systems. What is not told is no failure. */
void systems_ask(struct drill_mode *mode, drill_then_fn then);

/* drill_found.c: a cluster that runs already. The first ends the mode if it is not as
 * it must be, before anything is touched. The second undoes what the mode was entered
 * by, and asks for the roles at the end; the third removes what the workload made from
 * each that is a primary then. Both say whether something is under way that calls
 * mode_down() again. */
void found_begin(struct drill_mode *mode, drill_then_fn then);
bool found_leave(struct drill_mode *mode);
bool found_tear_down(struct drill_mode *mode);

/* drill_proxy.c */
void proxy_up(struct drill_mode *mode, drill_then_fn then);
/* Follows its events from the target on. */
void proxy_follow(struct drill_mode *mode, const char *events);
/* Adds what the proxy counted since the last time to the period being measured. */
void proxy_ask(struct drill_mode *mode, drill_then_fn then);

/* drill_theirs.c, drill_theirs_paths.c: a proxy that runs already, in place of one of the
 * drill's own. */
struct theirs {
    struct rules *rules; /* owned; its base */
    json_t *listeners;   /* owned; as its status has them */
    json_t *links;       /* owned; what had been counted before us */
    char prefix[40];     /* of the names of what we put there */
    drill_then_fn up_then, withdraw_then;
    bool applying;    /* an overlay is on its way there */
    bool withdrawing; /* one is on its way out */
    uint64_t renewed_ns;
};
void theirs_up(struct drill_mode *mode, drill_then_fn then);
void theirs_free(struct theirs *theirs);
/* Whether the cluster's nodes and clients are what the playbook takes them for there;
 * sets the clients' paths. False with mode_fail(). */
bool theirs_settle_paths(struct drill_mode *mode);
/* What the clients of the home are called there; NULL = nothing. Valid while the mode
 * lives. */
const char *theirs_clients(const struct drill_mode *mode, size_t home);
/* What had been counted at a link before us; or NULL. */
const json_t *theirs_link_before(const struct drill_mode *mode, const char *from,
                                 const char *to);
/* Whether both are ours: nodes of the cluster, or its clients. */
bool theirs_is_ours(const struct drill_mode *mode, const char *from, const char *to);
/* Puts what is in force there once more, when it is time. */
void theirs_tick(struct drill_mode *mode, uint64_t now);
/* The last fault's overlay has been answered so. */
void theirs_applied(struct drill_mode *mode, int status);
/* Takes away what we have put there, and nothing else; then calls `then`, at once if
 * there is nothing. mode->error names what could not be. Called again meanwhile, it only
 * changes what is called. */
void theirs_withdraw(struct drill_mode *mode, drill_then_fn then);
bool theirs_owes(const struct drill_mode *mode);

/* drill_fault.c: the steps fault and heal. The first applies the rules of the step
 * under way and ends in step_end(); the second leaves mode->error empty if it went
 * well. */
void fault_start(struct drill_mode *mode);
void fault_heal(struct drill_mode *mode, drill_then_fn then);
bool fault_in_force(const struct drill_mode *mode);
/* The moment that an answer says. */
uint64_t fault_committed_ns(const json_t *body);

/* A new one of the step under way. */
struct drill_fault *fault_add(struct drill_mode *mode);
/* It came into force, with its windows, or went out of it. */
void fault_begin(struct drill_mode *mode, struct drill_fault *fault, uint64_t at_ns);
void fault_end(struct drill_mode *mode, struct drill_fault *fault, uint64_t at_ns);

/* drill_act.c: faults by command. The first makes the one of the step under way, whose
 * roles are resolved, and ends in step_end(). The second undoes all that are owed, also
 * those begun only, the last first; mode->error names the first that was not. `then`
 * may be called before it returns. */
void act_start(struct drill_mode *mode);
void act_undo_all(struct drill_mode *mode, drill_then_fn then);
bool act_is_owed(const struct drill_mode *mode);

/* drill_owed.c: notes for `clean` what undoes the fault at the node, before it is made.
 * False with mode->error: then it must not be made. settle: it was undone. */
bool owed_note(struct drill_mode *mode, struct drill_fault *fault, size_t node);
void owed_settle(struct drill_mode *mode, struct drill_fault *fault);
/* A node was promoted: who was the primary before, and is killed, is no longer started by
 * `clean` if the cluster has a command by which it rejoins. */
void owed_replace(struct drill_mode *mode);
/* Both for the mode's `leave`. */
bool owed_note_mode(struct drill_mode *mode);
void owed_settle_mode(struct drill_mode *mode);
/* Both for what the workload makes in a system that stays. */
void owed_note_schema(struct drill_mode *mode);
void owed_settle_schema(struct drill_mode *mode);

/* drill_probe.c: probe_add() begins one of the step under way; tick samples what is
 * due; stop kills what runs. */
void probe_add(struct drill_mode *mode, const struct step *step);
void probes_tick(struct drill_mode *mode, uint64_t now);
void probes_stop(struct drill_mode *mode);

/* drill_driver.c: of a driver that is a program. The first is false with mode->error;
 * the tick tells of the first thing that was wrong with it; the verdict is why nothing
 * can be judged for its sake, or NULL. */
bool driver_log_open(struct drill_mode *mode);
void driver_log_close(struct drill_mode *mode);
struct driver_program driver_program(const struct drill_mode *mode);
void driver_tick(struct drill_mode *mode);
const char *driver_verdict(struct drill_mode *mode);

/* drill_manual.c: asks, and looks for the answer; ends in step_end(). */
void manual_start(struct drill_mode *mode, const struct step *step);
void manual_tick(struct drill_mode *mode, uint64_t now);

/* drill_step.c: one after the other. */
void steps_begin(struct drill_mode *mode);
/* Passes over the step under way, which is no failure. */
void step_skip(struct drill_mode *mode, const char *why);
/* Ends the step under way; error NULL = well. */
void step_end(struct drill_mode *mode, const char *error);
/* Records an event of the moment. */
void step_record(struct drill_mode *mode, uint64_t at_ns, const char *event,
                 const char *text);
/* The node is the primary from this moment on. */
void step_hold_primary(struct drill_mode *mode, size_t node, uint64_t at_ns);

/* drill_step_workload.c, drill_step_shell.c, drill_step_wait.c, drill_step_heal.c: each
 * begins the step under way and ends in step_end(). */
void step_start_workload(struct drill_mode *mode, const struct step *step);
void step_start_clients(struct drill_mode *mode, const struct step *step);
/* Polls: again and again until status 0. */
void step_start_shell(struct drill_mode *mode, const struct step *step, bool polls);
void step_start_promote(struct drill_mode *mode, const struct step *step);
void step_start_wait(struct drill_mode *mode, const struct step *step);
void step_start_heal(struct drill_mode *mode);
/* What the command under way printed, and its status, are the step's. The second ends
 * the step too, as the command did. */
void step_keep_output(struct drill_mode *mode);
void step_end_by_job(struct drill_mode *mode);

/* drill_mode_up.c: UP, and then the steps. */
void mode_start(struct drill_mode *mode);

/* drill_mode.c: out of the steps. */
/* The cluster could not be brought up. */
void mode_fail(struct drill_mode *mode, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The steps are over, well or not: ENDING. */
void mode_conclude(struct drill_mode *mode);
/* Ends it with a verdict that nothing later changes. */
void mode_abort(struct drill_mode *mode, enum run_reason reason, const char *why);
/* Tells, now and at the end, that something of the system is not as it was. */
void mode_note_left(struct drill_mode *mode, const char *text);

/* drill_mode_down.c: DOWN, from any state; again when in a hurry. */
void mode_down(struct drill_mode *mode);

/* drill_judge.c: fills verdict, measures, expectations, roles. */
void drill_judge(struct drill_mode *mode);
/* Says that some of the results are not on the disk. What cannot be shown to anybody
 * afterwards is no pass. */
void judge_unwritten(struct drill_mode *mode, const char *why);

/* drill_watch.c: all that is looked at while it runs, and the progress line; the second
 * brings that up to date. */
void watch_start(struct drill *drill);
void watch_show(struct drill *drill);

/* drill_directory.c: the directory of the results, in drill->out, with the playbook and
 * the cluster file. 0, or a negative errno with err. */
int directory_make(struct drill *drill, struct errmsg *err);

/* drill_result.c: the run before anything has happened. */
void result_begin(struct drill *drill);

/* drill.c: the mode has ended and holds nothing any more. */
void drill_mode_ended(struct drill *drill);

#endif
