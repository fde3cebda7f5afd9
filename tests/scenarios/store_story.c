/* SPDX-License-Identifier: MIT */
#include "tests/scenarios/store_story.h"
#include "proxy/base/log.h"
#include "proxy/base/child.h"
#include "proxy/base/control_client.h"
#include "proxy/base/memory.h"
#include "proxy/base/now.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PULSE_MS = 10, ARGUMENTS = 24, KEYS = 2, PROCESSES = 6, RATE_PER_S = 400 };
static const uint64_t patience_ns = 20 * NS_PER_S;
static const uint64_t defect_patience_ns = 2 * NS_PER_S; /* its nodes may never agree */
static const uint64_t deadline_ns = 500 * NS_PER_MS;     /* of an operation */

static const char *const names[STORY_NODES] = {"n1", "n2", "n3"};

static void on_pulse(uv_timer_t *timer)
{
    (void)timer; /* that the loop turned is all that is wanted */
}

typedef bool condition_fn(struct store_story *story, void *context);

static bool wait_for(struct store_story *story, condition_fn *is_met, void *context,
                     uint64_t within_ns)
{
    uint64_t until_ns = now_ns() + within_ns;
    while (!is_met(story, context)) {
        if (now_ns() >= until_ns)
            return false;
        (void)uv_run(&story->loop, UV_RUN_ONCE);
    }
    return true;
}

static void await(struct store_story *story, condition_fn *is_met, void *context,
                  const char *what)
{
    cr_assert(wait_for(story, is_met, context, patience_ns),
              "in vain: %s (mode %s, defect %s, seed %llu)", what, story->mode,
              story->defect ? story->defect : "none", (unsigned long long)story->seed);
}

static bool flag_is_set(struct store_story *story, void *context)
{
    (void)story;
    return *(bool *)context;
}

static void on_flag(void *context)
{
    *(bool *)context = true;
}

/* A port that nobody else is given, bound as the node binds it too. */
static void reserve(struct store_story *story, size_t node)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    story->reserved[node] = fd;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, length), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    story->direct[node] = (struct driver_endpoint){.address = "127.0.0.1",
                                                   .port = ntohs(address.sin_port)};
}

static void add_listener(FILE *to, const char *lead, size_t from, size_t node)
{
    fprintf(to, "  - { address: \"127.0.0.1:0\", from: %s%s, to: %s }\n", lead,
            names[from], names[node]);
}

static void write_rules(const struct store_story *story, const char *path)
{
    FILE *to = fopen(path, "we");
    cr_assert_not_null(to);
    fputs("netsplit: 1\nnodes:\n", to);
    for (size_t i = 0; i < STORY_NODES; i++)
        fprintf(to, "  %s: \"127.0.0.1:%u\"\n  clients.%s:\n", names[i],
                story->direct[i].port, names[i]);
    fputs("listen:\n", to);
    for (size_t i = 0; i < STORY_NODES; i++)
        for (size_t k = 0; k < STORY_NODES; k++) {
            if (i != k)
                add_listener(to, "", i, k);
            add_listener(to, "clients.", i, k);
        }
    cr_assert_eq(fclose(to), 0);
}

static void on_said(void *data, const char *bytes, size_t n)
{
    struct store_story *story = data;
    size_t room = sizeof story->ready - 1 - story->ready_bytes;
    memcpy(story->ready + story->ready_bytes, bytes, n < room ? n : room);
    story->ready_bytes += n < room ? n : room;
}

static bool proxy_is_ready(struct store_story *story, void *context)
{
    const char *line = strstr(story->ready, "ready ");
    (void)context;
    return line && strchr(line, '\n');
}

/* "n1>n2=127.0.0.1:4711" and "clients.n1>n2=..." of the ready line. */
static struct driver_endpoint path_of(const struct store_story *story, const char *lead,
                                      size_t from, size_t to)
{
    struct driver_endpoint path = {.address = "127.0.0.1"};
    char *word = xasprintf(" %s%s>%s=127.0.0.1:", lead, names[from], names[to]);
    const char *at = strstr(story->ready, word);
    cr_assert_not_null(at, "no%s in: %s", word, story->ready);
    path.port = (uint16_t)atoi(at + strlen(word));
    free(word);
    return path;
}

static const char *program(void)
{
    const char *path = getenv("NETSPLIT");
    cr_assert(path, "NETSPLIT names the program");
    return path;
}

static void start_proxy(struct store_story *story)
{
    struct errmsg err = {""};
    char *rules = xasprintf("%s/rules.yaml", story->dir);
    char *seed = xasprintf("%llu", (unsigned long long)story->seed);
    (void)snprintf(story->control, sizeof story->control, "%s/control", story->dir);
    const char *const argv[] = {program(),      "proxy",  "-f", rules, "--control",
                                story->control, "--seed", seed, NULL};
    const struct child_options options = {
        .argv = argv, .on_output = on_said, .data = story};
    write_rules(story, rules);
    story->proxy = child_start(&story->loop, &options, &err);
    cr_assert_not_null(story->proxy, "%s", err.text);
    free(seed);
    free(rules);
    await(story, proxy_is_ready, NULL, "the proxy is ready");
    for (size_t i = 0; i < STORY_NODES; i++)
        for (size_t k = 0; k < STORY_NODES; k++) {
            story->client_paths[i * STORY_NODES + k] = path_of(story, "clients.", i, k);
            if (i != k)
                story->node_paths[i][k] = path_of(story, "", i, k);
        }
}

static void start_node(struct store_story *story, size_t node)
{
    struct errmsg err = {""};
    char *dir = xasprintf("%s/%s", story->dir, names[node]);
    char *listen = xasprintf("127.0.0.1:%u", story->direct[node].port);
    char *peers[STORY_NODES] = {NULL};
    const char *argv[ARGUMENTS] = {
        program(),  "store",     "--name",         names[node],
        "--listen", listen,      "--dir",          dir,
        "--mode",   story->mode, "--role",         node == 0 ? "primary" : "replica",
        "--fsync",  "never",     "--peer-timeout", "1s"};
    size_t n = 16;
    for (size_t i = 0; i < STORY_NODES; i++) {
        if (i == node)
            continue;
        peers[i] =
            xasprintf("%s=127.0.0.1:%u", names[i], story->node_paths[node][i].port);
        argv[n++] = "--peer";
        argv[n++] = peers[i];
    }
    if (story->defect) {
        argv[n++] = "--defect";
        argv[n++] = story->defect;
    }
    const struct child_options options = {.argv = argv};
    story->nodes[node] = child_start(&story->loop, &options, &err);
    cr_assert_not_null(story->nodes[node], "%s", err.text);
    for (size_t i = 0; i < STORY_NODES; i++)
        free(peers[i]);
    free(listen);
    free(dir);
}

static void start_pool(struct store_story *story)
{
    struct processes_config config = {
        .loop = &story->loop,
        .history = story->history,
        .driver = driver_find("resp", NULL),
        .setting = "",
        .schema = "netsplit_test",
        .seed = story->seed,
        .nodes = STORY_NODES,
        .paths = story->client_paths,
        .direct = story->direct,
    };
    workload_default(workload_find("append", NULL), &config.plan);
    config.plan.settings.keys = KEYS;
    config.plan.settings.processes = PROCESSES;
    config.plan.settings.rate = RATE_PER_S * 1000;
    config.plan.settings.deadline_ns = deadline_ns;
    story->pool = processes_create(&config);
    processes_start(story->pool);
}

static void record(struct store_story *story, const char *event, const char *text)
{
    (void)history_record_event(story->history,
                               history_time_ns(story->history, now_ns()), event, text);
}

void store_story_open(struct store_story *story, const char *mode, const char *defect,
                      uint64_t seed)
{
    *story = (struct store_story){
        .mode = mode, .defect = defect, .seed = seed, .open = true};
    log_set_level(LOG_ERROR); /* terms change here all the time */
    (void)uv_loop_init(&story->loop);
    (void)uv_timer_init(&story->loop, &story->pulse);
    (void)uv_timer_start(&story->pulse, on_pulse, PULSE_MS, PULSE_MS);
    cr_assert_eq(tempdir_make("story", story->dir, NULL), 0);
    cr_assert_eq(setenv("XDG_RUNTIME_DIR", story->dir, 1), 0); /* records go with it */
    for (size_t i = 0; i < STORY_NODES; i++)
        reserve(story, i);
    start_proxy(story);
    for (size_t i = 0; i < STORY_NODES; i++)
        start_node(story, i);
    store_story_await_info(story, 0, "connected_slaves:2");
    story->history = history_create();
    history_begin(story->history, now_ns(), names, STORY_NODES);
    record(story, HISTORY_EVENT_PRIMARY, names[0]);
    start_pool(story);
}

void store_story_close(struct store_story *story)
{
    if (!story->open)
        return;
    story->open = false;
    if (story->pool)
        processes_close(story->pool, NULL, NULL);
    for (size_t i = 0; i < STORY_NODES; i++)
        child_close(story->nodes[i]);
    child_close(story->proxy);
    uv_close((uv_handle_t *)&story->pulse, NULL);
    (void)uv_run(&story->loop, UV_RUN_DEFAULT);
    cr_expect_eq(uv_loop_close(&story->loop), 0);
    for (size_t i = 0; i < STORY_NODES; i++)
        close(story->reserved[i]);
    if (story->judged)
        judgement_free(&story->judgement);
    if (story->history)
        history_destroy(story->history);
    cr_expect_eq(tempdir_remove(story->dir), 0);
}

struct question {
    uv_tcp_t tcp;
    uv_connect_t connect;
    uv_write_t write;
    char command[128];
    char *answer; /* STORY_TEXT_BYTES; borrowed */
    size_t length;
    bool ended, closed;
};

static void on_room(uv_handle_t *handle, size_t hint, uv_buf_t *buf)
{
    struct question *question = handle->data;
    (void)hint;
    *buf = uv_buf_init(question->answer + question->length,
                       (unsigned)(STORY_TEXT_BYTES - 1 - question->length));
}

static void on_answer(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct question *question = stream->data;
    (void)buf;
    if (n > 0)
        question->length += (size_t)n;
    else if (n < 0)
        question->ended = true;
    question->answer[question->length] = '\0';
}

static void on_sent(uv_write_t *write, int status)
{
    (void)write, (void)status; /* reading ends too when writing failed */
}

static void on_connected(uv_connect_t *connect, int status)
{
    struct question *question = connect->data;
    uv_buf_t buf = uv_buf_init(question->command, (unsigned)strlen(question->command));
    if (status == 0)
        status = uv_write(&question->write, connect->handle, &buf, 1, on_sent);
    if (status == 0)
        status = uv_read_start(connect->handle, on_room, on_answer);
    if (status != 0)
        question->ended = true;
}

static void on_question_closed(uv_handle_t *handle)
{
    ((struct question *)handle->data)->closed = true;
}

const char *store_story_ask(struct store_story *story, size_t node, const char *command)
{
    static char answer[STORY_TEXT_BYTES];
    struct question question = {.answer = answer};
    struct sockaddr_in address;
    answer[0] = '\0';
    (void)snprintf(question.command, sizeof question.command, "%s\r\nQUIT\r\n",
                   command);
    (void)uv_ip4_addr("127.0.0.1", story->direct[node].port, &address);
    (void)uv_tcp_init(&story->loop, &question.tcp);
    question.tcp.data = question.connect.data = &question;
    if (uv_tcp_connect(&question.connect, &question.tcp,
                       (const struct sockaddr *)&address, on_connected) != 0)
        question.ended = true;
    bool answered = wait_for(story, flag_is_set, &question.ended, patience_ns);
    uv_close((uv_handle_t *)&question.tcp, on_question_closed);
    while (!question.closed)
        (void)uv_run(&story->loop, UV_RUN_ONCE);
    cr_assert(answered, "no answer of %s to %s", names[node], command);
    return answer;
}

void store_story_await_info(struct store_story *story, size_t node, const char *line)
{
    char *wanted = xasprintf("\n%s\r\n", line);
    uint64_t until_ns = now_ns() + patience_ns;
    while (!strstr(store_story_ask(story, node, "INFO"), wanted)) {
        cr_assert(now_ns() < until_ns, "in vain: %s of %s (mode %s, seed %llu)", line,
                  names[node], story->mode, (unsigned long long)story->seed);
        (void)uv_run(&story->loop, UV_RUN_ONCE);
    }
    free(wanted);
}

struct tally {
    size_t next; /* record to look at */
    int node;
    bool only_ok;
    size_t n, wanted;
};

static bool has_counted(struct store_story *story, void *context)
{
    struct tally *tally = context;
    for (; tally->next < history_length(story->history); tally->next++) {
        const struct history_record *at = history_get(story->history, tally->next);
        if (at->f == HISTORY_APPEND && at->node == tally->node &&
            at->type != HISTORY_INVOKE && (at->type == HISTORY_OK || !tally->only_ok))
            tally->n++;
    }
    return tally->n >= tally->wanted;
}

void store_story_await_acked(struct store_story *story, size_t node, size_t n)
{
    struct tally tally = {history_length(story->history), (int)node, true, 0, n};
    await(story, has_counted, &tally, "writes are acknowledged");
}

void store_story_await_ended(struct store_story *story, size_t node, size_t n)
{
    struct tally tally = {history_length(story->history), (int)node, false, 0, n};
    await(story, has_counted, &tally, "writes come to an end");
}

static bool node_has_ended(struct store_story *story, void *context)
{
    return !child_running(story->nodes[*(size_t *)context]);
}

void store_story_kill(struct store_story *story, size_t node)
{
    child_signal(story->nodes[node], SIGKILL);
    await(story, node_has_ended, &node, "a killed node has ended");
    child_close(story->nodes[node]);
    story->nodes[node] = NULL;
    record(story, HISTORY_EVENT_FAULT "kill", names[node]);
}

void store_story_start(struct store_story *story, size_t node)
{
    char *mode = xasprintf("mode:%s", story->mode);
    start_node(story, node);
    store_story_await_info(story, node, mode);
    free(mode);
    record(story, HISTORY_EVENT_UNDO "kill", names[node]);
}

static void control(struct store_story *story, const char *method, const char *target,
                    const char *body)
{
    struct errmsg err = {""};
    int status =
        control_call(story->control, method, target, body, patience_ns, NULL, &err);
    cr_assert_eq(status, 200, "%s %s: %s", method, target, err.text);
}

void store_story_fault(struct store_story *story, const char *rule)
{
    char *body = xasprintf("netsplit: 1\nrules:\n  - name: cut\n    %s\n", rule);
    control(story, "PUT", "/v1/overlays/story?for=ever", body);
    record(story, HISTORY_EVENT_FAULT "partition", rule);
    free(body);
}

void store_story_heal(struct store_story *story)
{
    control(story, "DELETE", "/v1/overlays", NULL);
    record(story, HISTORY_EVENT_UNDO "partition", "cut");
    record(story, HISTORY_EVENT_HEAL, NULL);
}

void store_story_promote(struct store_story *story, size_t node, const char *words)
{
    char *command = xasprintf("PROMOTE %s", words);
    const char *answer = store_story_ask(story, node, command);
    cr_assert_eq(strncmp(answer, "+OK\r\n", 5), 0, "%s %s", command, answer);
    record(story, HISTORY_EVENT_PRIMARY, names[node]);
    free(command);
}

static void on_moved(void *context, const struct processes_moved *moved)
{
    (void)moved;
    on_flag(context);
}

void store_story_move(struct store_story *story, size_t to, const bool *homes)
{
    bool moved = false;
    cr_assert_eq(processes_move(story->pool, to, homes, on_moved, &moved), 0);
    await(story, flag_is_set, &moved, "processes are answered by another primary");
}

static bool has_converged(struct store_story *story, void *context)
{
    (void)context;
    return processes_converged(story->pool);
}

static void on_read(void *context, const size_t *unread)
{
    for (size_t i = 0; i < STORY_NODES; i++)
        cr_expect_eq(unread[i], 0, "%s was not read", names[i]);
    on_flag(context);
}

void store_story_judge(struct store_story *story)
{
    struct errmsg err = {""};
    bool stopped = false, read = false;
    record(story, HISTORY_EVENT_END, NULL);
    processes_stop(story->pool, on_flag, &stopped);
    await(story, flag_is_set, &stopped, "the pool stops");
    processes_probe_start(story->pool);
    bool agreed = wait_for(story, has_converged, NULL,
                           story->defect ? defect_patience_ns : patience_ns);
    cr_expect(agreed || story->defect, "the nodes do not agree (mode %s, seed %llu)",
              story->mode, (unsigned long long)story->seed);
    processes_probe_stop(story->pool);
    processes_final_reads(story->pool, patience_ns / 2, on_read, &read);
    await(story, flag_is_set, &read, "the final reads");
    int status = judge_history(story->history, model_find("single-copy", NULL),
                               &story->judgement, &err);
    cr_assert_eq(status, 0, "%s", err.text);
    story->judged = true;
}

uint64_t store_story_measure(const struct store_story *story, enum measure measure)
{
    struct measure_value value = story->judgement.measures.values[measure];
    cr_assert(value.known, "%s is not known (mode %s, seed %llu)",
              measure_row(measure)->name, story->mode, (unsigned long long)story->seed);
    return value.value;
}
