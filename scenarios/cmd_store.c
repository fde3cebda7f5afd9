/* SPDX-License-Identifier: MIT */
/* netsplit store: one node of the reference store as a process.
 *
 * A reader's tour of store/, from the bytes up. Pure, or a file each, and tested alone:
 *   resp      commands in, replies out, the protocol of Redis
 *   record    a command with its index, term and CRC: what the log is made of
 *   wal       the log file
 *   meta      the term and the role beside it
 *   state     keys and values: what applying the log gives
 *   mode      async, semisync, quorum, sync: one row and one function each
 *   term      why two nodes never lead in the same term
 *   defect    the bugs that can be switched on
 * and then, on libuv:
 *   channel   a connection: commands in, bytes out, both bounded
 *   node.h    a node from outside: settings, which reads are stale, what errors mean
 *   inside.h  its parts, and the table of what nodes say to each other
 *   node.c    opening, closing, and the step: after each turn of the loop the log is
 *             written, commits are counted, records applied, answers sent
 *   client    connections opened to us
 *   command   their commands, one row each
 *   apply     from the log to the data, and back when records are discarded
 *   role      terms, stepping down, members
 *   promote   how PROMOTE goes
 *   peer      what a primary tells its replicas
 *   follower  what they do then
 *   info      INFO and ROLE
 *
 * The life of a SET in mode sync: command.c appends it to the log and notes who waits;
 * the step writes the log; peer.c sends the record; follower.c on each replica appends
 * it, its step writes and applies it, and it is acknowledged; take_ack notes that,
 * mode.c says that all members have it, apply.c applies it and puts +OK in the client's
 * channel.
 *
 * What the store does not do: elect a primary by itself (operators promote: that is
 * what drills practise), compact its log, change the set of nodes, authenticate
 * anybody. It is meant for loopback and laboratories. */
#include "proxy/base/exits.h"
#include "proxy/base/log.h"
#include "proxy/base/memory.h"
#include "proxy/base/now.h"
#include "proxy/base/option.h"
#include "rules/unit.h"
#include "scenarios/store/defect.h"
#include "scenarios/store/mode.h"
#include "scenarios/store/node.h"
#include "scenarios/store/record.h"

#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

int cmd_store(int argc, char **argv);

struct arguments {
    const char *name, *listen, *mode, *role, *dir, *fsync, *ready_file;
    struct option_texts peers, defects;
    uint64_t max_clients, max_command_bytes;
    bool list_defects, verbose;
    char listen_host[64]; /* of --listen, as it was written */
    struct store_config config;
    struct store_peer_config peer_rows[STORE_NODES_MAX];
    char *peer_names[STORE_NODES_MAX]; /* owned */
};

/* One running process: a node and the signals that end it. */
struct process {
    uv_loop_t loop;
    uv_signal_t signals[2];
    struct store_node *node;
    int signal; /* the one that ended us; 0 = none */
    int status; /* the exit status otherwise */
};

/* "HOST:PORT" or "[V6]:PORT"; names are resolved now. Returns false with the reason. */
static bool parse_address(const char *text, struct sockaddr_storage *address,
                          char *host, size_t host_bytes, const char **why)
{
    const char *colon = strrchr(text, ':');
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found;
    *why = "it is not HOST:PORT";
    if (!colon || colon == text || !colon[1])
        return false;
    const char *start = text;
    size_t len = (size_t)(colon - text);
    if (text[0] == '[' && colon[-1] == ']') {
        start++;
        len -= 2;
    }
    if (len >= host_bytes)
        return false;
    memcpy(host, start, len);
    host[len] = '\0';
    int e = getaddrinfo(host, colon + 1, &hints, &found);
    if (e) {
        *why = gai_strerror(e);
        return false;
    }
    memcpy(address, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    return true;
}

static int parse_peers(const struct option_command *command, struct arguments *args)
{
    char host[64];
    const char *why;
    struct store_config *config = &args->config;
    config->peers = args->peer_rows;
    if (args->peers.n >= STORE_NODES_MAX)
        return option_complain(command, "a cluster has up to %d nodes",
                               STORE_NODES_MAX);
    for (size_t i = 0; i < args->peers.n; i++) {
        const char *text = args->peers.items[i];
        const char *equals = strchr(text, '=');
        struct store_peer_config *row = &args->peer_rows[i];
        if (!equals || equals == text)
            return option_complain(command, "--peer takes NAME=HOST:PORT, not \"%s\"",
                                   text);
        if (!parse_address(equals + 1, &row->address, host, sizeof host, &why))
            return option_complain(command, "--peer %s: %s", text, why);
        args->peer_names[i] = xasprintf("%.*s", (int)(equals - text), text);
        row->name = args->peer_names[i];
        config->n_peers++;
    }
    return 0;
}

static int parse_fsync(const struct option_command *command, struct arguments *args)
{
    struct unit_error why;
    if (strcmp(args->fsync, "always") == 0)
        args->config.fsync_every_ns = 0;
    else if (strcmp(args->fsync, "never") == 0)
        args->config.fsync_every_ns = UINT64_MAX;
    else if (unit_parse_duration(args->fsync, &args->config.fsync_every_ns, &why) != 0)
        return option_complain(command, "--fsync takes always, never or a duration: %s",
                               why.text);
    return 0;
}

static int parse_defects(const struct option_command *command, struct arguments *args)
{
    for (size_t i = 0; i < args->defects.n; i++) {
        const char *name = args->defects.items[i];
        if (store_defect_add(&args->config.defects, name) == 0)
            continue;
        const char *near = store_defect_nearest(name);
        return option_complain(command,
                               "unknown defect \"%s\"%s%s%s; --defects lists "
                               "them",
                               name, near ? "; did you mean \"" : "", near ? near : "",
                               near ? "\"?" : "");
    }
    return 0;
}

static int parse_role(const struct option_command *command, struct arguments *args)
{
    args->config.primary = strcmp(args->role, "primary") == 0;
    if (!args->config.primary && strcmp(args->role, "replica") != 0)
        return option_complain(command, "--role is primary or replica, not \"%s\"",
                               args->role);
    return 0;
}

static int parse_mode(const struct option_command *command, struct arguments *args)
{
    args->config.mode = store_mode_find(args->mode);
    if (!args->config.mode)
        return option_complain(command,
                               "--mode is async, semisync, quorum or sync, not \"%s\"",
                               args->mode);
    if (strcmp(args->mode, "semisync") == 0 && args->peers.n == 0)
        return option_complain(command, "--mode semisync needs a --peer");
    return 0;
}

static int parse_listen(const struct option_command *command, struct arguments *args)
{
    const char *why;
    if (!parse_address(args->listen, &args->config.listen, args->listen_host,
                       sizeof args->listen_host, &why))
        return option_complain(command, "--listen %s: %s", args->listen, why);
    return 0;
}

/* Files that clients never get: for the log, meta, the ready file, other nodes, libuv.
 */
enum { RESERVED_FILES = 64 };

/* Clients are told that they are too many before the process has no file left to write
 * its meta with. */
static size_t affordable_clients(uint64_t wanted)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_cur == RLIM_INFINITY)
        return (size_t)wanted;
    uint64_t most =
        files.rlim_cur > RESERVED_FILES ? files.rlim_cur - RESERVED_FILES : 1;
    return (size_t)(wanted < most ? wanted : most);
}

static int parse_config(const struct option_command *command, struct arguments *args)
{
    static int (*const steps[])(const struct option_command *, struct arguments *) = {
        parse_listen, parse_peers, parse_mode, parse_role, parse_fsync, parse_defects};
    if (!args->name || !args->dir)
        return option_complain(command, "--%s is required",
                               args->name ? "dir" : "name");
    args->config.name = args->name;
    args->config.dir = args->dir;
    args->config.max_clients = affordable_clients(args->max_clients);
    args->config.max_command_bytes = (size_t)args->max_command_bytes;
    if (args->max_command_bytes < 1024 ||
        args->max_command_bytes > STORE_RECORD_MAX_BYTES / 2)
        return option_complain(command, "--max-command is from 1KiB to 24MiB");
    int status = 0;
    for (size_t i = 0; i < sizeof steps / sizeof *steps && status == 0; i++)
        status = steps[i](command, args);
    return status;
}

static void close_signals(struct process *process)
{
    for (int i = 0; i < 2; i++)
        if (!uv_is_closing((uv_handle_t *)&process->signals[i]))
            uv_close((uv_handle_t *)&process->signals[i], NULL);
}

static void stop(struct process *process)
{
    close_signals(process);
    store_node_close(process->node);
    process->node = NULL;
}

/* Closing takes a turn of the loop; a second signal in it ends us at once, because by
 * then the first one's handles have given the default action back. */
static void on_signal(uv_signal_t *handle, int signum)
{
    struct process *process = handle->data;
    process->signal = signum;
    stop(process);
}

static void on_stop(void *context, int error)
{
    struct process *process = context;
    if (error)
        process->status = EXIT_ENVIRONMENT;
    stop(process);
}

static int say_ready(const struct arguments *args, const struct process *process)
{
    bool is_v6 = strchr(args->listen_host, ':') != NULL;
    char *line = xasprintf("ready %s=%s%s%s:%u\n", args->name, is_v6 ? "[" : "",
                           args->listen_host, is_v6 ? "]" : "",
                           (unsigned)store_node_port(process->node));
    int e = 0;
    if (args->ready_file) {
        char *new_file = xasprintf("%s.new", args->ready_file);
        FILE *file = fopen(new_file, "we");
        bool written = file && fputs(line, file) >= 0;
        if (file && fclose(file) != 0)
            written = false;
        if (!written || rename(new_file, args->ready_file) < 0)
            e = -errno;
        free(new_file);
    }
    fputs(line, stdout);
    (void)fflush(stdout); /* nobody may be reading it */
    free(line);
    return e;
}

/* Runs the node until something ends it. */
static void run(const struct arguments *args, struct process *process)
{
    struct store_config config = args->config;
    config.on_stop = on_stop;
    config.context = process;
    struct errmsg err = {""};
    static const int signums[2] = {SIGTERM, SIGINT};
    for (int i = 0; i < 2; i++) {
        (void)uv_signal_init(&process->loop, &process->signals[i]);
        process->signals[i].data = process;
        (void)uv_signal_start(&process->signals[i], on_signal, signums[i]);
    }
    int e = store_node_open(&process->node, &process->loop, &config, &err);
    if (e == 0 && (e = say_ready(args, process)) != 0)
        errmsg_set(&err, "writing %s: %s", args->ready_file, strerror(-e));
    if (e) {
        fprintf(stderr, "netsplit store: %s: %s\n", args->name, err.text);
        process->status = e == -EINVAL ? EXIT_USAGE : EXIT_ENVIRONMENT;
        stop(process);
    }
    (void)uv_run(&process->loop, UV_RUN_DEFAULT); /* until everything is closed */
}

static int print_defects(void)
{
    for (unsigned i = 0; i < STORE_DEFECTS; i++)
        printf("%-20s%s\n", store_defects[i].name, store_defects[i].help);
    return EXIT_DONE;
}

static int open_and_run(const struct arguments *args)
{
    struct process process = {.status = EXIT_DONE};
    if (mkdir(args->dir, 0755) < 0 && errno != EEXIST) {
        fprintf(stderr, "netsplit store: %s: creating %s: %s\n", args->name, args->dir,
                strerror(errno));
        return EXIT_ENVIRONMENT;
    }
    if (args->verbose)
        log_set_level(LOG_INFO);
    int e = uv_loop_init(&process.loop);
    if (e) {
        fprintf(stderr, "netsplit store: %s: %s\n", args->name, uv_strerror(e));
        return EXIT_ENVIRONMENT;
    }
    run(args, &process);
    (void)uv_loop_close(&process.loop); /* empty: uv_run returned */
    if (process.signal) {
        (void)signal(process.signal, SIG_DFL);
        (void)raise(process.signal);
    }
    return process.status;
}

static void free_arguments(struct arguments *args)
{
    for (size_t i = 0; i < STORE_NODES_MAX; i++)
        free(args->peer_names[i]);
    free(args->peers.items);
    free(args->defects.items);
}

static int act(const struct option_command *command, struct arguments *args,
               const char *operand)
{
    if (args->list_defects)
        return print_defects();
    if (operand)
        return option_complain(command, "unexpected \"%s\"", operand);
    int status = parse_config(command, args);
    return status == 0 ? open_and_run(args) : status;
}

int cmd_store(int argc, char **argv)
{
    struct arguments args = {
        .listen = "127.0.0.1:0", .mode = "async", .role = "replica", .fsync = "always"};
    store_config_init(&args.config);
    args.max_clients = args.config.max_clients;
    args.max_command_bytes = args.config.max_command_bytes;
    const struct option_row rows[] = {
        {"name", 'n', OPTION_TEXT, &args.name, "NAME", "this node's name", 0, 0},
        {"listen", 'l', OPTION_TEXT, &args.listen, "HOST:PORT",
         "for clients and nodes (default: 127.0.0.1:0)", 0, 0},
        {"peer", 'p', OPTION_TEXTS, &args.peers, "NAME=HOST:PORT",
         "another node, and the address at which this one reaches it; repeat", 0, 0},
        {"mode", 'm', OPTION_TEXT, &args.mode, "MODE",
         "async (default), semisync, quorum or sync; the same on all nodes", 0, 0},
        {"role", 'r', OPTION_TEXT, &args.role, "ROLE",
         "primary or replica (default), when DIR is empty; later DIR remembers", 0, 0},
        {"dir", 'd', OPTION_TEXT, &args.dir, "DIR", "holds the log; made if missing", 0,
         0},
        {"fsync", 0, OPTION_TEXT, &args.fsync, "WHEN",
         "always (default), never, or at most every DURATION", 0, 0},
        {"heartbeat", 0, OPTION_DURATION, &args.config.heartbeat_ns, "DURATION",
         "between messages to an idle replica (default: 100ms)", 0, 0},
        {"peer-timeout", 0, OPTION_DURATION, &args.config.peer_timeout_ns, "DURATION",
         "silence after which a connection is opened anew (default: 3s)", 0, 0},
        {"promote-timeout", 0, OPTION_DURATION, &args.config.promote_timeout_ns,
         "DURATION", "for PROMOTE to reach a majority (default: 5s)", 0, 0},
        {"max-clients", 0, OPTION_NUMBER, &args.max_clients, "N",
         "connections at once, within the limit of open files (default: 4000)", 1,
         1000000},
        {"max-command", 0, OPTION_BYTES, &args.max_command_bytes, "BYTES",
         "the longest command taken (default: 8MiB)", 0, 0},
        {"defect", 0, OPTION_TEXTS, &args.defects, "NAME",
         "switch a known bug on; repeat", 0, 0},
        {"defects", 0, OPTION_FLAG, &args.list_defects, NULL,
         "list the known bugs and exit", 0, 0},
        {"ready-file", 0, OPTION_TEXT, &args.ready_file, "FILE",
         "where the ready line is written too", 0, 0},
        {"verbose", 'v', OPTION_FLAG, &args.verbose, NULL, "log connections too", 0, 0},
        {NULL, 0, OPTION_FLAG, NULL, NULL, NULL, 0, 0}};
    const struct option_command command = {
        "store", "--name NAME --dir DIR [--peer NAME=HOST:PORT]... [OPTIONS]",
        "Runs one node of the reference store: a small replicated key-value store "
        "that\n"
        "speaks the protocol of Redis (PING GET SET CAS INCR APPEND DEL DBSIZE ROLE "
        "INFO\n"
        "QUIT SHUTDOWN, and PROMOTE [WITHOUT node...] [FORCE]). Prints\n"
        "\"ready NAME=HOST:PORT\" when it listens.",
        rows};
    int rest, status = option_begin(&command, argc, argv, false, &rest);
    if (status == OPTION_GOES_ON)
        status = act(&command, &args, argv[rest]);
    free_arguments(&args);
    return status;
}
