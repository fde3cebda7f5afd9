/* SPDX-License-Identifier: MIT */
/* The commands, one row each. To add one: a row, and for a write a row in state.c. */
#include "scenarios/store/inside.h"

#include <string.h>

/* Writes that one client may have waiting; then it is not read from. */
enum { PENDING_MAX = 1024, DROP_EVERY = 50 };

enum command_kind {
    COMMAND_PLAIN = 0, /* answered at once */
    COMMAND_READ,      /* the same, but not while loading */
    COMMAND_WRITE,     /* goes to the log */
    COMMAND_NODE,      /* from another node */
};

typedef enum store_verdict command_fn(struct store_client *client,
                                      const struct store_command *command);

struct command_row {
    const char *name;
    size_t min_words, max_words;
    enum command_kind kind;
    command_fn *run; /* NULL for writes: the log and state.c do them */
};

static enum store_verdict run_ping(struct store_client *client,
                                   const struct store_command *command)
{
    if (command->n == 2)
        store_resp_bulk(&client->channel.out, command->args[1].data,
                        command->args[1].len);
    else
        store_resp_simple(&client->channel.out, "PONG");
    return STORE_NEXT;
}

static enum store_verdict run_get(struct store_client *client,
                                  const struct store_command *command)
{
    struct store_slice value;
    if (store_state_get(client->node->state, command->args[1], &value))
        store_resp_bulk(&client->channel.out, value.data, value.len);
    else
        store_resp_null(&client->channel.out);
    return STORE_NEXT;
}

static enum store_verdict run_dbsize(struct store_client *client,
                                     const struct store_command *command)
{
    (void)command;
    store_resp_integer(&client->channel.out,
                       (int64_t)store_state_keys(client->node->state));
    return STORE_NEXT;
}

static enum store_verdict run_info(struct store_client *client,
                                   const struct store_command *command)
{
    struct store_buffer text = {0};
    (void)command; /* sections are not told apart */
    store_info_write(client->node, &text);
    store_resp_bulk(&client->channel.out, text.data, text.len);
    store_buffer_free(&text);
    return STORE_NEXT;
}

static enum store_verdict run_role(struct store_client *client,
                                   const struct store_command *command)
{
    (void)command;
    store_info_role(client->node, &client->channel.out);
    return STORE_NEXT;
}

/* redis-benchmark asks for settings; that there are none satisfies it. */
static enum store_verdict run_config(struct store_client *client,
                                     const struct store_command *command)
{
    struct store_buffer *out = &client->channel.out;
    if (!store_slice_is(command->args[1], "GET")) {
        store_resp_error(out,
                         "ERR only CONFIG GET is known, and every setting is empty");
        return STORE_NEXT;
    }
    store_resp_array(out, 2);
    store_resp_bulk(out, command->args[2].data, command->args[2].len);
    store_resp_text(out, "");
    return STORE_NEXT;
}

/* COMMAND: redis-cli asks for help texts at its start. */
static enum store_verdict run_nothing(struct store_client *client,
                                      const struct store_command *command)
{
    (void)command;
    store_resp_array(&client->channel.out, 0);
    return STORE_NEXT;
}

static enum store_verdict run_quit(struct store_client *client,
                                   const struct store_command *command)
{
    (void)command;
    store_resp_simple(&client->channel.out, "OK");
    return STORE_CLOSE;
}

static enum store_verdict run_shutdown(struct store_client *client,
                                       const struct store_command *command)
{
    struct store_node *node = client->node;
    (void)command;
    if (node->config.on_stop)
        node->config.on_stop(node->config.context, 0);
    else
        store_node_close(node);
    return STORE_CLOSE;
}

static int rank_of(const struct store_node *node, struct store_slice name)
{
    for (size_t rank = 0; rank < node->n; rank++)
        if (store_slice_is(name, node->peers[rank].name))
            return (int)rank;
    return -1;
}

struct promote_words {
    bool without[STORE_NODES_MAX]; /* by rank */
    bool some, force;
};

/* PROMOTE [WITHOUT node...] [FORCE]; false when an error was answered. */
static bool parse_promote(struct store_client *client,
                          const struct store_command *command,
                          struct promote_words *words)
{
    const struct store_node *node = client->node;
    struct store_buffer *out = &client->channel.out;
    bool names = false;
    for (size_t i = 1; i < command->n; i++) {
        struct store_slice word = command->args[i];
        if (store_slice_is(word, "FORCE")) {
            words->force = true;
        } else if (store_slice_is(word, "WITHOUT")) {
            names = true;
        } else if (names && rank_of(node, word) >= 0) {
            words->without[rank_of(node, word)] = true;
            words->some = true;
        } else {
            store_resp_error(out, "ERR PROMOTE [WITHOUT node...] [FORCE]: \"%.*s\" %s",
                             (int)(word.len < 40 ? word.len : 40), word.data,
                             names ? "is no node of this cluster" : "is not expected");
            return false;
        }
    }
    if (names && !words->some)
        store_resp_error(out, "ERR WITHOUT needs the name of a node");
    else if (words->without[node->self])
        store_resp_error(out, "ERR WITHOUT can not name the node that is promoted");
    else
        return true;
    return false;
}

/* Of those that count: in sync the members; in quorum every node, also one that was
 * taken out and has not been made a member again. */
static bool leaves_majority(const struct store_node *node, const bool *without)
{
    const bool *now = store_role_members(node);
    bool all_count = !node->config.mode->counts_members;
    size_t left = 1;
    for (size_t rank = 0; rank < node->n; rank++)
        left += rank != node->self && (all_count || now[rank]) && !without[rank];
    return left > node->n / 2;
}

static enum store_verdict run_promote(struct store_client *client,
                                      const struct store_command *command)
{
    struct store_node *node = client->node;
    struct store_buffer *out = &client->channel.out;
    struct promote_words words = {.some = false};
    if (!parse_promote(client, command, &words))
        return STORE_NEXT;
    if (node->config.mode->takeover && !words.force && words.some &&
        !leaves_majority(node, words.without)) {
        store_resp_error(out, "NOQUORUM the members left would be no majority of the "
                              "cluster; FORCE does it anyway");
        return STORE_NEXT;
    }
    if (node->role == STORE_PRIMARY) {
        if (words.some)
            store_role_exclude(node, words.without);
        store_resp_simple(out, "OK");
        return STORE_NEXT;
    }
    client->promoting = true;
    store_promote_begin(node, words.without, words.force);
    return STORE_NEXT;
}

/* With defect drop-writes: acknowledges every so many writes without having done them.
 */
static bool drop_write(struct store_client *client, const struct store_command *command)
{
    struct store_node *node = client->node;
    if (!store_node_has(node, STORE_DEFECT_DROP_WRITES) || client->pending > 0 ||
        ++node->writes % DROP_EVERY != 0)
        return false;
    struct store_state *nowhere = store_state_create();
    store_state_apply(nowhere, command, &client->channel.out);
    store_state_destroy(nowhere);
    return true;
}

static enum store_verdict run_write(struct store_client *client,
                                    const struct store_command *command)
{
    struct store_node *node = client->node;
    if (node->role != STORE_PRIMARY) {
        store_resp_error(&client->channel.out,
                         "READONLY this node is a replica; the primary is %s",
                         store_role_primary_name(node));
        return STORE_NEXT;
    }
    if (client->pending >= PENDING_MAX)
        return STORE_WAIT;
    if (drop_write(client, command))
        return STORE_NEXT;
    node->scratch.len = 0;
    store_resp_command(&node->scratch, command);
    store_wal_append(&node->wal, node->meta.term, node->scratch.data,
                     node->scratch.len);
    store_client_add_pending(client, store_wal_last_index(&node->wal));
    return STORE_NEXT;
}

static const struct command_row rows[] = {
    {"PING", 1, 2, COMMAND_PLAIN, run_ping},
    {"GET", 2, 2, COMMAND_READ, run_get},
    {"SET", 3, 3, COMMAND_WRITE, NULL},
    {"CAS", 4, 4, COMMAND_WRITE, NULL},
    {"INCR", 2, 2, COMMAND_WRITE, NULL},
    {"APPEND", 3, 3, COMMAND_WRITE, NULL},
    {"DEL", 2, STORE_RESP_ARGS, COMMAND_WRITE, NULL},
    {"DBSIZE", 1, 1, COMMAND_READ, run_dbsize},
    {"ROLE", 1, 1, COMMAND_PLAIN, run_role},
    {"INFO", 1, STORE_RESP_ARGS, COMMAND_PLAIN, run_info},
    {"PROMOTE", 1, STORE_RESP_ARGS, COMMAND_PLAIN, run_promote},
    {"CONFIG", 3, STORE_RESP_ARGS, COMMAND_PLAIN, run_config},
    {"COMMAND", 1, STORE_RESP_ARGS, COMMAND_PLAIN, run_nothing},
    {"QUIT", 1, 1, COMMAND_PLAIN, run_quit},
    {"SHUTDOWN", 1, 2, COMMAND_PLAIN, run_shutdown},
    {"REPLHELLO", 4, 4, COMMAND_NODE, store_follower_hello},
    {"REPLAPPEND", 6, 6, COMMAND_NODE, store_follower_append},
    {"REPLPROMISE", 2, 2, COMMAND_NODE, store_follower_promise},
    {"REPLFETCH", 3, 3, COMMAND_NODE, store_follower_fetch},
};

static const struct command_row *find_row(struct store_slice name)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (store_slice_is(name, rows[i].name))
            return &rows[i];
    return NULL;
}

/* Answers what keeps the command from being run; false when nothing does. */
static bool refuse(struct store_client *client, const struct command_row *row,
                   const struct store_command *command)
{
    struct store_buffer *out = &client->channel.out;
    struct store_slice name = command->args[0];
    if (!row)
        store_resp_error(out, "ERR unknown command '%.*s'",
                         (int)(name.len < 64 ? name.len : 64), name.data);
    else if (command->n < row->min_words || command->n > row->max_words)
        store_resp_error(out, "ERR wrong number of arguments for '%s' command",
                         row->name);
    else if (row->kind == COMMAND_READ && client->node->loading)
        store_resp_error(out,
                         "LOADING this node does not know yet which of its records "
                         "are committed");
    else
        return false;
    return true;
}

enum store_verdict store_command_run(struct store_client *client,
                                     const struct store_command *command)
{
    const struct command_row *row = find_row(command->args[0]);
    bool is_write = row && row->kind == COMMAND_WRITE;
    bool is_fit =
        is_write && command->n >= row->min_words && command->n <= row->max_words;
    if (client->promoting || (client->pending > 0 && !is_fit))
        return STORE_WAIT;
    if (refuse(client, row, command))
        return row && row->kind == COMMAND_NODE ? STORE_CLOSE : STORE_NEXT;
    return is_write ? run_write(client, command) : row->run(client, command);
}
