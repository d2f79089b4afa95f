/* The admin port over a real socket, with a journal and replicas of the test's own behind it: what the tests of this
 * folder share. */
#ifndef ADMIN_BED_H
#define ADMIN_BED_H

#include "admin/admin_private.h"

#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

enum { LOOPS = 2, BACKENDS = 2, ANSWER_BYTES = 256 * 1024, KEYS = 300 };

struct bed;

/* A replica that shows what the test says, or says nothing. */
struct fake {
    struct replica base;
    struct bed *bed;
    enum err start_error, error;
    unsigned status;
    bool silent;
    struct replica_object object;
    const struct replica_head_events *events;
    void *ctx;
    struct timer timer;
};

struct bed {
    struct loop *loop;
    struct journal journal;
    struct bucket bucket;
    struct replica_lag lag[REPLICAS_MAX];
    struct key_view view;
    enum err read_error;
    bool hold_read; /* the journal answers when the test says so */
    struct journal_read *read;
    struct timer read_timer;
    struct journal_failures
        failures[KEYS]; /* of k000, k001, ...: what a read and the list of dead letters show */
    enum err scan_error, write_error;
    struct list asked; /* scans and writes, answered by the timer, unless held */
    bool hold_asked;
    struct timer asked_timer;
    unsigned walks; /* of repair */
    struct fake fakes[BACKENDS];
    struct health healths[LOOPS][BACKENDS];
    const struct health *by_loop[LOOPS][BACKENDS];
    struct env envs[LOOPS];
    struct chunk_budget budget;
    struct random random;
    struct hlc hlc;
    struct catalog *catalog;
    struct gateway *gateways[LOOPS];
    struct repair *repair;
    struct admin_loop loops[LOOPS];
    struct admin *admin;
    const char *not_ready;
    /* the client, on a thread of its own */
    pthread_t thread;
    const char *question;
    char *answer;
    bool hang_up; /* close without waiting for the answer */
    struct loop_task over;
    struct timer drained, gone;
};

/* --- journal ---------------------------------------------------------------------------------------------- */

static inline struct bed *bed_of(struct journal *j)
{
    return LIST_ENTRY(j, struct bed, journal);
}

static inline struct span key_name(char room[static 8], size_t number)
{
    snprintf(room, 8, "k%03zu", number);
    return span_of(room);
}

static inline size_t key_number(struct span key)
{
    uint64_t number = KEYS;

    return key.len == 4 && key.at[0] == 'k' && span_to_u64(span_skip(key, 1), &number) ? (size_t)number
                                                                                       : KEYS;
}

static inline void answer_read(struct timer *t)
{
    struct bed *b = LIST_ENTRY(t, struct bed, read_timer);
    struct journal_read *r = b->read;

    b->read = NULL;
    key_view_init(&r->view);
    for (size_t i = 0; i < b->view.count && !b->read_error; i++)
        key_view_add(&r->view, &b->view.rows[i]);
    if (key_number(r->key.key) < KEYS && r->failures_too)
        r->failures = b->failures[key_number(r->key.key)];
    r->view.claimed = b->view.claimed;
    r->view.claim = b->view.claim;
    r->request.done(&r->request, b->read_error);
}

static inline void answer_scan(struct bed *b, struct journal_scan *s)
{
    for (size_t i = 0;
         s->list == JOURNAL_DEAD_LETTERS && i < KEYS && s->count < JOURNAL_PAGE_KEYS && !b->scan_error; i++) {
        char room[8];
        struct span key = key_name(room, i);

        if (!b->failures[i].dead || span_cmp(key, s->after.key) <= 0)
            continue;
        s->work[s->count++] = (struct journal_work){.key = {.bucket = 7, .key = {strdup(room), key.len}},
                                                    .failures = b->failures[i]};
    }
    s->request.done(&s->request, b->scan_error);
}

static inline void answer_write(struct bed *b, struct journal_write *w)
{
    assert_true(w->try_again);
    assert_false(w->change);
    assert_int_equal(w->key.bucket, 7);
    if (!b->write_error)
        b->failures[key_number(w->key.key)] = (struct journal_failures){0};
    w->request.done(&w->request, b->write_error);
}

enum { ASKED_SCAN, ASKED_WRITE };

static inline void answer_asked(struct timer *t)
{
    struct bed *b = LIST_ENTRY(t, struct bed, asked_timer);
    struct list now, *node;

    list_init(&now);
    list_splice(&now, &b->asked);
    while ((node = list_pop(&now))) {
        struct journal_request *r = LIST_ENTRY(node, struct journal_request, node);

        if (r->kind == ASKED_SCAN)
            answer_scan(b, LIST_ENTRY(r, struct journal_scan, request));
        else
            answer_write(b, LIST_ENTRY(r, struct journal_write, request));
    }
}

static inline void take(struct journal *j, struct journal_request *r, int kind)
{
    struct bed *b = bed_of(j);

    r->kind = kind;
    list_append(&b->asked, &r->node);
    if (!b->hold_asked)
        clock_start(loop_clock(b->loop), &b->asked_timer, 0);
}

static inline void fake_scan(struct journal *j, struct journal_scan *s)
{
    s->count = 0;
    bed_of(j)->walks += s->list != JOURNAL_DEAD_LETTERS;
    take(j, &s->request, ASKED_SCAN);
}

static inline void fake_write(struct journal *j, struct journal_write *w)
{
    take(j, &w->request, ASKED_WRITE);
}

static inline bool fake_by_id(struct journal *j, uint32_t id, struct bucket *out)
{
    *out = bed_of(j)->bucket;
    return id == out->id;
}

static inline void fake_read(struct journal *j, struct journal_read *r)
{
    struct bed *b = bed_of(j);

    b->read = r;
    if (!b->hold_read)
        clock_start(loop_clock(b->loop), &b->read_timer, 0);
}

static inline bool fake_by_name(struct journal *j, struct span name, struct bucket *out)
{
    *out = bed_of(j)->bucket;
    return span_is(name, out->name);
}

static inline bool fake_after(struct journal *j, struct span name, struct bucket *out)
{
    struct bucket *mine = &bed_of(j)->bucket;

    if (span_cmp(name, span_of(mine->name)) >= 0)
        return false;
    *out = *mine;
    return true;
}

static inline void fake_lag(struct journal *j, uint32_t bucket, struct replica_lag out[static REPLICAS_MAX])
{
    memcpy(out, bed_of(j)->lag, sizeof(bed_of(j)->lag));
}

static inline void fake_stats(struct journal *j, struct journal_stats *out)
{
    *out = (struct journal_stats){.rows_open = 1, .hints = 2, .dead = 3, .commits = 4, .operations = 5};
}

static const struct journal_ops journal_ops = {
    .read = fake_read,
    .write = fake_write,
    .scan = fake_scan,
    .bucket_by_name = fake_by_name,
    .bucket_by_id = fake_by_id,
    .bucket_after = fake_after,
    .lag = fake_lag,
    .stats = fake_stats,
};

/* --- replicas --------------------------------------------------------------------------------------------- */

static inline void answer_head(struct timer *t)
{
    struct fake *f = LIST_ENTRY(t, struct fake, timer);

    f->events->done(f->ctx, f->error, f->status, &f->object);
}

static inline enum err fake_head(struct replica *r, struct replica_call **out, struct span key,
                                 const struct replica_head_events *events, void *ctx)
{
    struct fake *f = LIST_ENTRY(r, struct fake, base);

    if (f->start_error)
        return f->start_error;
    *out = (struct replica_call *)f; /* opaque to whoever calls */
    f->events = events;
    f->ctx = ctx;
    if (!f->silent)
        clock_start(loop_clock(f->bed->loop), &f->timer, 0);
    return ERR_OK;
}

static inline enum replica_result fake_abandon(struct replica_call *c)
{
    struct fake *f = (struct fake *)c;

    clock_stop(loop_clock(f->bed->loop), &f->timer);
    return REPLICA_MISSED;
}

static const struct replica_ops replica_ops = {.head = fake_head, .abandon = fake_abandon};

static inline struct replica *open_fake(void *ctx, const char *backend, const char *remote)
{
    struct bed *b = ctx;

    return &b->fakes[backend[0] - 'a'].base;
}

static inline void close_fake(void *ctx, struct replica *r)
{
    assert_non_null(r);
}

static inline struct ack_policy fake_ack(void *ctx, const char *bucket, uint32_t replicas)
{
    return (struct ack_policy){.need = 1};
}

/* --- the bed ---------------------------------------------------------------------------------------------- */

static inline const char *not_ready(void *ctx)
{
    return ((struct bed *)ctx)->not_ready;
}

static inline bool no_replicas(void *ctx, uint32_t bucket, struct replica_set *out)
{
    return false;
}

static inline bool no_defaults(void *ctx, struct span name, struct bucket *out)
{
    return false;
}

static inline void loopback(struct sockaddr_storage *out, socklen_t *len)
{
    struct sockaddr_in *a = (struct sockaddr_in *)out;

    *a = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    *len = sizeof(*a);
}

static inline void make_replicas(struct bed *b)
{
    b->bucket = (struct bucket){.id = 7, .name = "media", .replica_count = 3};
    b->bucket.replicas[0] = (struct bucket_replica){.backend = "a", .remote = "media"};
    b->bucket.replicas[1] = (struct bucket_replica){.backend = "z", .remote = "old", .retired = true};
    b->bucket.replicas[2] = (struct bucket_replica){.backend = "b", .remote = "media-copy"};
    for (size_t i = 0; i < BACKENDS; i++) {
        b->fakes[i] =
            (struct fake){.base = {.ops = &replica_ops, .name = i ? "b" : "a"}, .bed = b, .status = 404};
        timer_init(&b->fakes[i].timer, answer_head);
    }
}

static inline void make_loops(struct bed *b)
{
    struct gateway_options gateway = {.loop = b->loop, .region = SPAN("x"), .default_replicas = no_defaults};

    loopback(&gateway.listen, &gateway.listen_len);
    gateway.limits = (struct http_server_limits){1000, 1000, 1000, 4};
    for (size_t l = 0; l < LOOPS; l++) {
        b->envs[l] = (struct env){.clock = loop_clock(b->loop),
                                  .journal = &b->journal,
                                  .random = &b->random,
                                  .hlc = &b->hlc,
                                  .budget = &b->budget,
                                  .terms = {.first_byte_ms = 3600000}};
        for (size_t i = 0; i < BACKENDS; i++) {
            health_init(&b->healths[l][i], b->envs[l].clock, i ? "b" : "a", 1000);
            b->by_loop[l][i] = &b->healths[l][i];
        }
        gateway.env = &b->envs[l];
        assert_int_equal(gateway_open(&b->gateways[l], &gateway), ERR_OK);
        b->loops[l] = (struct admin_loop){&b->envs[l], b->gateways[l], b->by_loop[l]};
    }
}

static inline void on_over(struct loop_task *t)
{
    loop_stop(LIST_ENTRY(t, struct bed, over)->loop);
}

static inline int setup(void **state)
{
    static const char *const backends[] = {"a", "b"};
    struct bed *b = calloc(1, sizeof(*b));
    struct catalog_options catalog = {.open = open_fake, .close = close_fake, .ack = fake_ack, .ctx = b};
    struct repair_options repair = {
        .workers = 1, .interval_ms = 3600000, .attempts = 1, .backoff_ms = 1, .replicas = no_replicas};
    struct admin_options admin = {
        .not_ready = not_ready, .ctx = b, .loop_count = LOOPS, .backend_count = BACKENDS};

    *state = b;
    b->answer = calloc(1, ANSWER_BYTES);
    b->journal.ops = &journal_ops;
    key_view_init(&b->view);
    timer_init(&b->read_timer, answer_read);
    list_init(&b->asked);
    timer_init(&b->asked_timer, answer_asked);
    b->over.run = on_over;
    chunk_budget_init(&b->budget, 16 * CHUNK_BYTES);
    assert_int_equal(loop_open(&b->loop), ERR_OK);
    make_replicas(b);
    make_loops(b);
    catalog.journal = &b->journal;
    assert_int_equal(catalog_open(&b->catalog, &catalog), ERR_OK);
    assert_int_equal(repair_open(&b->repair, &b->envs[0], &repair), ERR_OK);
    repair_pause(b->repair, true); /* until a test wants it to walk */
    admin.loop = b->loop;
    admin.env = &b->envs[0];
    admin.catalog = b->catalog;
    admin.repair = b->repair;
    admin.loops = b->loops;
    admin.backends = backends;
    loopback(&admin.listen, &admin.listen_len);
    return admin_open(&b->admin, &admin) != ERR_OK;
}

static inline void on_drained(struct timer *t)
{
    struct bed *b = LIST_ENTRY(t, struct bed, drained);

    if (admin_idle(b->admin))
        loop_stop(b->loop);
    else
        clock_start(loop_clock(b->loop), t, 1);
}

static inline int teardown(void **state)
{
    struct bed *b = *state;

    admin_drain(b->admin);
    timer_init(&b->drained, on_drained);
    clock_start(loop_clock(b->loop), &b->drained, 0);
    loop_run(b->loop);
    admin_free(b->admin);
    repair_free(b->repair);
    catalog_free(b->catalog);
    for (size_t l = 0; l < LOOPS; l++) {
        gateway_free(b->gateways[l]);
        for (size_t i = 0; i < BACKENDS; i++)
            health_fini(&b->healths[l][i]);
    }
    loop_free(b->loop);
    chunk_budget_fini(&b->budget);
    key_view_fini(&b->view);
    free(b->answer);
    free(b);
    return 0;
}

static inline void *client(void *at)
{
    struct bed *b = at;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    size_t len = 0;
    ssize_t got;

    a.sin_port = htons(admin_port(b->admin));
    if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0 &&
        write(fd, b->question, strlen(b->question)) > 0 && !b->hang_up)
        while ((got = read(fd, b->answer + len, ANSWER_BYTES - 1 - len)) > 0)
            len += (size_t)got;
    b->answer[len] = '\0';
    close(fd);
    loop_post(b->loop, &b->over);
    return NULL;
}

/* One request and its whole answer; the loop runs meanwhile. */
static inline void ask(struct bed *b, const char *question)
{
    b->question = question;
    assert_int_equal(pthread_create(&b->thread, NULL, client, b), 0);
    loop_run(b->loop);
    pthread_join(b->thread, NULL);
}

/* The client's connection is gone, the journal has not answered yet: now it does. */
static inline void on_gone(struct timer *t)
{
    struct bed *b = LIST_ENTRY(t, struct bed, gone);

    if ((!b->read && list_empty(&b->asked)) || !http_server_idle(b->admin->server)) {
        clock_start(loop_clock(b->loop), t, 1);
        return;
    }
    assert_false(admin_idle(b->admin));
    b->hold_read = b->hold_asked = false;
    if (b->read)
        clock_start(loop_clock(b->loop), &b->read_timer, 0);
    if (!list_empty(&b->asked))
        clock_start(loop_clock(b->loop), &b->asked_timer, 0);
    clock_start(loop_clock(b->loop), &b->drained, 0);
}

/* One request of a client that goes before the journal has answered; afterwards nothing is left of it. */
static inline void ask_and_go(struct bed *b, const char *question)
{
    b->hang_up = b->hold_read = b->hold_asked = true;
    ask(b, question);
    timer_init(&b->drained, on_drained);
    timer_init(&b->gone, on_gone);
    clock_start(loop_clock(b->loop), &b->gone, 0);
    loop_run(b->loop);
    b->hang_up = false;
    assert_true(admin_idle(b->admin));
    assert_true(list_empty(&b->asked));
    assert_null(b->read);
}

#define GET(path)  "GET " path " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
#define POST(path) "POST " path " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
#define POST_PEOPLE(path)                                                                                    \
    "POST " path " HTTP/1.1\r\nHost: h\r\nAccept: text/plain\r\nConnection: close\r\n\r\n"
#define GET_PEOPLE(path) "GET " path " HTTP/1.1\r\nHost: h\r\nAccept: text/plain\r\nConnection: close\r\n\r\n"

static inline const char *body_of(struct bed *b)
{
    char *end = strstr(b->answer, "\r\n\r\n");

    assert_non_null(end);
    return end + 4;
}

static inline void expect(struct bed *b, const char *question, unsigned status, const char *body)
{
    char line[32];

    ask(b, question);
    snprintf(line, sizeof(line), "HTTP/1.1 %u ", status);
    assert_memory_equal(b->answer, line, strlen(line));
    assert_string_equal(body_of(b), body);
}

#endif
