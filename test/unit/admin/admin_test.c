/* The admin port over a real socket, with a journal and replicas of the test's own behind it. */
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

enum { LOOPS = 2, BACKENDS = 2, ANSWER_BYTES = 256 * 1024 };

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

static struct bed *bed_of(struct journal *j)
{
    return LIST_ENTRY(j, struct bed, journal);
}

static void answer_read(struct timer *t)
{
    struct bed *b = LIST_ENTRY(t, struct bed, read_timer);
    struct journal_read *r = b->read;

    b->read = NULL;
    key_view_init(&r->view);
    for (size_t i = 0; i < b->view.count && !b->read_error; i++)
        key_view_add(&r->view, &b->view.rows[i]);
    r->view.claimed = b->view.claimed;
    r->view.claim = b->view.claim;
    r->request.done(&r->request, b->read_error);
}

static void fake_read(struct journal *j, struct journal_read *r)
{
    struct bed *b = bed_of(j);

    b->read = r;
    if (!b->hold_read)
        clock_start(loop_clock(b->loop), &b->read_timer, 0);
}

static bool fake_by_name(struct journal *j, struct span name, struct bucket *out)
{
    *out = bed_of(j)->bucket;
    return span_is(name, out->name);
}

static bool fake_after(struct journal *j, struct span name, struct bucket *out)
{
    struct bucket *mine = &bed_of(j)->bucket;

    if (span_cmp(name, span_of(mine->name)) >= 0)
        return false;
    *out = *mine;
    return true;
}

static void fake_lag(struct journal *j, uint32_t bucket, struct replica_lag out[static REPLICAS_MAX])
{
    memcpy(out, bed_of(j)->lag, sizeof(bed_of(j)->lag));
}

static void fake_stats(struct journal *j, struct journal_stats *out)
{
    *out = (struct journal_stats){.rows_open = 1, .hints = 2, .dead = 3, .commits = 4, .operations = 5};
}

static const struct journal_ops journal_ops = {
    .read = fake_read,
    .bucket_by_name = fake_by_name,
    .bucket_after = fake_after,
    .lag = fake_lag,
    .stats = fake_stats,
};

/* --- replicas --------------------------------------------------------------------------------------------- */

static void answer_head(struct timer *t)
{
    struct fake *f = LIST_ENTRY(t, struct fake, timer);

    f->events->done(f->ctx, f->error, f->status, &f->object);
}

static enum err fake_head(struct replica *r, struct replica_call **out, struct span key,
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

static enum replica_result fake_abandon(struct replica_call *c)
{
    struct fake *f = (struct fake *)c;

    clock_stop(loop_clock(f->bed->loop), &f->timer);
    return REPLICA_MISSED;
}

static const struct replica_ops replica_ops = {.head = fake_head, .abandon = fake_abandon};

static struct replica *open_fake(void *ctx, const char *backend, const char *remote)
{
    struct bed *b = ctx;

    return &b->fakes[backend[0] - 'a'].base;
}

static void close_fake(void *ctx, struct replica *r)
{
    assert_non_null(r);
}

static struct ack_policy fake_ack(void *ctx, const char *bucket, uint32_t replicas)
{
    return (struct ack_policy){.need = 1};
}

/* --- the bed ---------------------------------------------------------------------------------------------- */

static const char *not_ready(void *ctx)
{
    return ((struct bed *)ctx)->not_ready;
}

static bool no_replicas(void *ctx, uint32_t bucket, struct replica_set *out)
{
    return false;
}

static bool no_defaults(void *ctx, struct span name, struct bucket *out)
{
    return false;
}

static void loopback(struct sockaddr_storage *out, socklen_t *len)
{
    struct sockaddr_in *a = (struct sockaddr_in *)out;

    *a = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    *len = sizeof(*a);
}

static void make_replicas(struct bed *b)
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

static void make_loops(struct bed *b)
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

static void on_over(struct loop_task *t)
{
    loop_stop(LIST_ENTRY(t, struct bed, over)->loop);
}

static int setup(void **state)
{
    static const char *const backends[] = {"a", "b"};
    struct bed *b = calloc(1, sizeof(*b));
    struct catalog_options catalog = {.open = open_fake, .close = close_fake, .ack = fake_ack, .ctx = b};
    struct repair_options repair = {
        .workers = 1, .interval_ms = 1000, .attempts = 1, .backoff_ms = 1, .replicas = no_replicas};
    struct admin_options admin = {
        .not_ready = not_ready, .ctx = b, .loop_count = LOOPS, .backend_count = BACKENDS};

    *state = b;
    b->answer = calloc(1, ANSWER_BYTES);
    b->journal.ops = &journal_ops;
    key_view_init(&b->view);
    timer_init(&b->read_timer, answer_read);
    b->over.run = on_over;
    chunk_budget_init(&b->budget, 16 * CHUNK_BYTES);
    assert_int_equal(loop_open(&b->loop), ERR_OK);
    make_replicas(b);
    make_loops(b);
    catalog.journal = &b->journal;
    assert_int_equal(catalog_open(&b->catalog, &catalog), ERR_OK);
    assert_int_equal(repair_open(&b->repair, &b->envs[0], &repair), ERR_OK);
    repair_pause(b->repair, true); /* this journal has nothing to walk */
    admin.loop = b->loop;
    admin.env = &b->envs[0];
    admin.catalog = b->catalog;
    admin.repair = b->repair;
    admin.loops = b->loops;
    admin.backends = backends;
    loopback(&admin.listen, &admin.listen_len);
    return admin_open(&b->admin, &admin) != ERR_OK;
}

static void on_drained(struct timer *t)
{
    struct bed *b = LIST_ENTRY(t, struct bed, drained);

    if (admin_idle(b->admin))
        loop_stop(b->loop);
    else
        clock_start(loop_clock(b->loop), t, 1);
}

static int teardown(void **state)
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

static void *client(void *at)
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
static void ask(struct bed *b, const char *question)
{
    b->question = question;
    assert_int_equal(pthread_create(&b->thread, NULL, client, b), 0);
    loop_run(b->loop);
    pthread_join(b->thread, NULL);
}

#define GET(path)        "GET " path " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
#define GET_PEOPLE(path) "GET " path " HTTP/1.1\r\nHost: h\r\nAccept: text/plain\r\nConnection: close\r\n\r\n"

static const char *body_of(struct bed *b)
{
    char *end = strstr(b->answer, "\r\n\r\n");

    assert_non_null(end);
    return end + 4;
}

static void expect(struct bed *b, const char *question, unsigned status, const char *body)
{
    char line[32];

    ask(b, question);
    snprintf(line, sizeof(line), "HTTP/1.1 %u ", status);
    assert_memory_equal(b->answer, line, strlen(line));
    assert_string_equal(body_of(b), body);
}

/* --- tests ------------------------------------------------------------------------------------------------ */

static void health_and_readiness_are_told(void **state)
{
    struct bed *b = *state;

    expect(b, GET("/healthz"), 200, "ok\n");
    expect(b, GET("/readyz"), 200, "ready\n");
    b->not_ready = "draining";
    expect(b, GET("/readyz"), 503, "draining\n");
    expect(b, GET("/healthz?x=y"), 200, "ok\n");
}

static void what_is_not_there_is_refused(void **state)
{
    static const struct {
        const char *question;
        unsigned status;
        const char *body;
    } cases[] = {
        {GET("/"), 404, "known here: /healthz /readyz /metrics /status /status/BUCKET /status/BUCKET/KEY\n"},
        {GET("/healthzz"), 404,
         "known here: /healthz /readyz /metrics /status /status/BUCKET /status/BUCKET/KEY\n"},
        {"DELETE /status HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", 405, "only GET is known here\n"},
        {GET("/status/nothing/key"), 404, "there is no such bucket\n"},
        {GET("/status//key"), 404, "there is no such bucket\n"},
        {GET("/status/media/%zz"), 400, "the path is not percent-encoded as it must be\n"},
        {GET("/status/media/%00"), 400, "the path is not percent-encoded as it must be\n"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        expect(*state, cases[i].question, cases[i].status, cases[i].body);
}

static void a_key_that_is_too_long_is_refused(void **state)
{
    char question[1200], key[1026];

    memset(key, 'k', sizeof(key) - 1);
    key[sizeof(key) - 1] = '\0';
    snprintf(question, sizeof(question), GET("/status/media/%s"), key);
    expect(*state, question, 400, "the key is longer than 1024 bytes\n");
}

static void buckets_show_state_hints_and_lag(void **state)
{
    struct bed *b = *state;

    b->lag[2] = (struct replica_lag){.hints = 12, .lag_ms = 125000};
    health_stalled(&b->healths[1][1]); /* one loop knows that b is down */
    expect(
        b, GET("/status"), 200,
        "{\"buckets\":[{\"name\":\"media\",\"replicas\":["
        "{\"name\":\"a\",\"backend\":\"a\",\"bucket\":\"media\",\"state\":\"up\",\"hints\":0,\"lag_ms\":0},"
        "{\"name\":\"b\",\"backend\":\"b\",\"bucket\":\"media-copy\",\"state\":\"down\",\"hints\":12,\"lag_"
        "ms\":125000}]}]}\n");
    assert_non_null(strstr(b->answer, "Content-Type: application/json\r\n"));
    expect(b, GET_PEOPLE("/status"), 200,
           "BUCKET  REPLICA  BUCKET THERE  STATE  HINTS  LAG\n"
           "media   a        media         up     0      -\n"
           "media   b        media-copy    down   12     2 min\n");
    assert_non_null(strstr(b->answer, "Content-Type: text/plain"));
}

static void one_bucket_can_be_asked_for(void **state)
{
    struct bed *b = *state;

    expect(b, GET_PEOPLE("/status/media"), 200,
           "BUCKET  REPLICA  BUCKET THERE  STATE  HINTS  LAG\n"
           "media   a        media         up     0      -\n"
           "media   b        media-copy    up     0      -\n");
    ask(b, GET("/status/media/?x"));
    assert_non_null(strstr(body_of(b), "{\"buckets\":[{\"name\":\"media\",\"replicas\":[{\"name\":\"a\","));
}

static void two_replicas_on_one_backend_have_two_names(void **state)
{
    struct bed *b = *state;

    b->bucket.replicas[1] = (struct bucket_replica){.backend = "a", .remote = "other"};
    ask(b, GET("/status"));
    assert_non_null(strstr(b->answer, "{\"name\":\"a/media\",\"backend\":\"a\","));
    assert_non_null(strstr(b->answer, "{\"name\":\"a/other\",\"backend\":\"a\","));
    assert_non_null(strstr(b->answer, "{\"name\":\"b\",\"backend\":\"b\","));
}

#define STAMP_A "0000000000000000000000004h"
#define STAMP_B "0000000000000000000000008j"

/* A key that b missed, claimed by a repair; a shows it, b has an older one. */
static void make_hint(struct bed *b)
{
    struct row row = {
        .version = 17, .kind = ROW_PUT, .phase = ROW_FINAL, .stored = 1, .unresolved = 4, .age_ms = 1500};

    assert_true(stamp_parse(SPAN(STAMP_A), &row.stamp));
    key_view_add(&b->view, &row);
    b->view.claimed = true;
    b->view.claim = (struct claim){.id = 5, .targets = 4, .lease_ms = 10000, .age_ms = 20};
    b->fakes[0].status = 200;
    b->fakes[0].object = (struct replica_object){.exists = true,
                                                 .stamped = true,
                                                 .stamp = row.stamp,
                                                 .body_bytes = 3,
                                                 .etag = "\"e\"",
                                                 .last_modified = "Sun, 22 Nov 2026 18:48:18 GMT"};
}

static void a_key_shows_its_rows_its_claim_and_what_each_replica_has(void **state)
{
    struct bed *b = *state;

    make_hint(b);
    expect(
        b, GET("/status/media/a%2Fk%C3%B6y/x?y"), 200,
        "{\"bucket\":\"media\",\"key\":\"a/k\xc3\xb6y/x\",\"rows\":[{\"stamp\":\"" STAMP_A
        "\",\"version\":17,\"kind\":\"put\",\"phase\":\"final\",\"orphan\":false,\"age_ms\":1500,"
        "\"stored\":[\"a\"],\"unresolved\":[\"b\"]}],"
        "\"claim\":{\"id\":5,\"lease_ms\":10000,\"age_ms\":20,\"targets\":[\"b\"]},\"replicas\":["
        "{\"name\":\"a\",\"status\":200,\"stamp\":\"" STAMP_A
        "\",\"etag\":\"\\\"e\\\"\",\"bytes\":3,\"last_modified\":\"Sun, 22 Nov 2026 18:48:18 "
        "GMT\",\"error\":null},"
        "{\"name\":\"b\",\"status\":404,\"stamp\":null,\"etag\":null,\"bytes\":null,\"last_modified\":null,"
        "\"error\":null}]}\n");
}

static void people_get_tables(void **state)
{
    struct bed *b = *state;

    make_hint(b);
    b->fakes[1].error = ERR_REFUSED;
    expect(b, GET_PEOPLE("/status/media/k"), 200,
           "ROW                         KIND  PHASE  AGE  STORED  UNRESOLVED\n" STAMP_A
           "  put   final  1 s  a       b\n"
           "claimed by a repair for 10000 ms\n"
           "\n"
           "REPLICA  SHOWS                       STAMP                       BYTES  ETAG  LAST MODIFIED\n"
           "a        has it                      " STAMP_A "  3      \"e\"   Sun, 22 Nov 2026 18:48:18 GMT\n"
           "b        the connection was refused  -                           -      -     -\n");
}

static void a_replica_that_cannot_be_asked_or_does_not_answer_is_told(void **state)
{
    struct bed *b = *state;

    b->fakes[0].start_error = ERR_UNAVAILABLE;
    b->fakes[1].silent = true;
    b->envs[0].terms.first_byte_ms = 1;
    ask(b, GET("/status/media/k"));
    assert_non_null(strstr(b->answer, "{\"name\":\"a\",\"status\":0,"));
    assert_non_null(strstr(b->answer, "\"error\":\"nothing can serve this now\"}"));
    assert_non_null(strstr(b->answer, "{\"name\":\"b\",\"status\":0,"));
    assert_non_null(strstr(b->answer, "\"error\":\"no answer in time\"}"));
}

static void a_journal_that_does_not_answer_is_told(void **state)
{
    struct bed *b = *state;

    b->read_error = ERR_IO;
    expect(b, GET("/status/media/k"), 503, "the journal does not answer: a file or socket call failed\n");
}

/* The client's connection is gone, the journal has not answered yet: now it does. */
static void on_gone(struct timer *t)
{
    struct bed *b = LIST_ENTRY(t, struct bed, gone);

    if (!b->read || !http_server_idle(b->admin->server)) {
        clock_start(loop_clock(b->loop), t, 1);
        return;
    }
    assert_false(admin_idle(b->admin));
    clock_start(loop_clock(b->loop), &b->read_timer, 0);
    clock_start(loop_clock(b->loop), &b->drained, 0);
}

static void a_client_that_goes_leaves_nothing_behind(void **state)
{
    struct bed *b = *state;

    b->hang_up = true;
    b->hold_read = true;
    b->fakes[0].silent = true;
    ask(b, GET("/status/media/k"));
    timer_init(&b->drained, on_drained);
    timer_init(&b->gone, on_gone);
    clock_start(loop_clock(b->loop), &b->gone, 0);
    loop_run(b->loop);
    assert_true(admin_idle(b->admin));
    assert_null(b->read);
}

static void metrics_are_sums_over_the_loops(void **state)
{
    static const char *const lines[] = {
        "# TYPE s3mirror_requests_total counter\n",
        "\ns3mirror_requests_total{operation=\"PutObject\",class=\"ok\"} 0\n",
        "\ns3mirror_requests_total{operation=\"Refused\",class=\"4xx\"} 0\n",
        "\ns3mirror_request_seconds_bucket{operation=\"GetObject\",le=\"+Inf\"} 0\n",
        "\ns3mirror_request_seconds_count{operation=\"GetObject\"} 0\n",
        "\ns3mirror_backend_up{backend=\"a\"} 1\n",
        "\ns3mirror_backend_up{backend=\"b\"} 0\n",
        "\ns3mirror_backend_latency_seconds{backend=\"a\"} 0.02\n",
        "\ns3mirror_backend_in_flight{backend=\"a\"} 5\n",
        "\ns3mirror_backend_opened_total{backend=\"b\"} 1\n",
        "\ns3mirror_hints{bucket=\"media\",replica=\"b\"} 12\n",
        "\ns3mirror_lag_seconds{bucket=\"media\",replica=\"b\"} 1.5\n",
        "\ns3mirror_hinted_total 7\n",
        "\ns3mirror_writes_open 3\n",
        "\ns3mirror_repaired_total{kind=\"copied\"} 0\n",
        "\ns3mirror_repaired_total{kind=\"verified\"} 0\n",
        "\ns3mirror_dead_letters 3\n",
        "\ns3mirror_journal_rows_open 1\n",
        "\ns3mirror_journal_commits_total 4\n",
        "\ns3mirror_journal_operations_total 5\n",
        "\ns3mirror_body_budget_used_bytes 524288\n",
        "\ns3mirror_body_budget_limit_bytes 8388608\n",
        "\nprocess_resident_memory_bytes ",
        "\ns3mirror_build_info{version=\"" S3MIRROR_VERSION "\"} 1\n",
    };
    struct bed *b = *state;
    struct chunk *chunk = chunk_take(&b->budget);

    b->lag[2] = (struct replica_lag){.hints = 12, .lag_ms = 1500};
    b->envs[0].counters.hinted = 3;
    b->envs[1].counters.hinted = 4;
    b->envs[0].writes_open = 1;
    b->envs[1].writes_open = 2;
    b->healths[0][0].in_flight = 2;
    b->healths[1][0].in_flight = 3;
    b->healths[0][0].latency_ms = 10;
    b->healths[1][0].latency_ms = 30;
    b->healths[0][0].sampled = b->healths[1][0].sampled = true;
    health_stalled(&b->healths[0][1]);
    ask(b, GET("/metrics"));
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        if (!strstr(b->answer, lines[i]))
            fail_msg("no %s in %s", lines[i], b->answer);
    assert_null(strstr(b->answer, "replica=\"z\"")); /* retired */
    chunk_give(&b->budget, chunk);
    b->healths[0][0].in_flight = b->healths[1][0].in_flight = 0;
}

/* Prometheus refuses a page on which a family is announced twice, or samples stand before their announcement. */
static void each_family_is_announced_once_and_before_its_samples(void **state)
{
    struct bed *b = *state;
    char family[128] = "", *save = NULL;
    size_t families = 0;

    ask(b, GET("/metrics"));
    for (char *line = strtok_r((char *)body_of(b), "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        if (strncmp(line, "# HELP ", 7) == 0) {
            assert_int_equal(sscanf(line + 7, "%127s", family), 1);
            families++;
        } else {
            const char *name = line[0] == '#' ? line + 7 : line;

            assert_memory_equal(name, family, strlen(family));
        }
    }
    assert_true(families > 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(health_and_readiness_are_told, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_not_there_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_key_that_is_too_long_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(buckets_show_state_hints_and_lag, setup, teardown),
        cmocka_unit_test_setup_teardown(one_bucket_can_be_asked_for, setup, teardown),
        cmocka_unit_test_setup_teardown(two_replicas_on_one_backend_have_two_names, setup, teardown),
        cmocka_unit_test_setup_teardown(a_key_shows_its_rows_its_claim_and_what_each_replica_has, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(people_get_tables, setup, teardown),
        cmocka_unit_test_setup_teardown(a_replica_that_cannot_be_asked_or_does_not_answer_is_told, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_journal_that_does_not_answer_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(a_client_that_goes_leaves_nothing_behind, setup, teardown),
        cmocka_unit_test_setup_teardown(metrics_are_sums_over_the_loops, setup, teardown),
        cmocka_unit_test_setup_teardown(each_family_is_announced_once_and_before_its_samples, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
