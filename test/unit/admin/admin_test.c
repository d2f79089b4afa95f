/* The admin port's pages on health, buckets, keys and metrics. */
#include "bed.h"

#define KNOWN                                                                                                \
    "known here: /healthz /readyz /metrics /status /status/BUCKET /status/BUCKET/KEY, and POST "             \
    "/retry/BUCKET /retry/BUCKET/KEY\n"

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
        {GET("/"), 404, KNOWN},
        {GET("/healthzz"), 404, KNOWN},
        {GET("/retry"), 404, KNOWN},
        {GET("/retry/media/k000"), 405, "only POST is known here\n"},
        {POST("/status/media"), 405, "only GET is known here\n"},
        {POST("/retry/nothing"), 404, "there is no such bucket\n"},
        {POST("/retry/media/%zz"), 400, "the path is not percent-encoded as it must be\n"},
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
        "ms\":125000}]}],\"dead_letters\":[],\"dead_letters_more\":false}\n");
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
        "\"claim\":{\"id\":5,\"lease_ms\":10000,\"age_ms\":20,\"targets\":[\"b\"]},\"failures\":null,"
        "\"replicas\":["
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

static void a_client_that_goes_leaves_nothing_behind(void **state)
{
    struct bed *b = *state;

    b->fakes[0].silent = true;
    ask_and_go(b, GET("/status/media/k"));
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
