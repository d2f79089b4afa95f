/* A page of a listing on a scripted S3 server: what is asked, what is believed of an answer, and what is not. */
#include "base/log.h"
#include "replica/s3_call.h"
#include "world.h"

#include <stdio.h>

enum { ROOM_BYTES = 512 * 1024 };

struct list_world {
    struct world base;
    struct replica_call *call;
    struct replica_page page;
    int dones, progresses;
    enum err error;
    bool leave;
};

static uint32_t room[ROOM_BYTES / sizeof(uint32_t)];

static void on_progress(void *ctx)
{
    struct list_world *w = ctx;

    w->progresses++;
    if (w->leave) {
        replica_call_abandon(w->base.replica, w->call);
        loop_stop(w->base.loop);
    }
}

static void on_done(void *ctx, enum err error)
{
    struct list_world *w = ctx;

    assert_int_equal(w->dones++, 0);
    w->error = error;
    loop_stop(w->base.loop);
}

static void open_world(struct list_world *w, const struct script_step *script)
{
    *w = (struct list_world){.error = ERR_COUNT};
    log_setup(LOG_ERROR + 1, LOG_LOGFMT); /* what goes wrong here is meant to */
    world_open(&w->base, "us-east-1", S3_BARRIER_TRAILER);
    replica_page_init(&w->page, room, sizeof(room));
    server_run(&w->base.server, script);
}

static void start(struct list_world *w, const char *prefix, const char *after, bool grouped, uint32_t most)
{
    static const struct replica_list_events events = {.progress = on_progress, .done = on_done};
    struct replica_list list = {.prefix = span_of(prefix),
                                .after = span_of(after),
                                .grouped = grouped,
                                .most = most,
                                .page = &w->page};

    assert_int_equal(replica_list_start(w->base.replica, &w->call, &list, &events, w), ERR_OK);
    assert_int_equal(w->dones, 0);
}

static void run_to_done(struct list_world *w)
{
    while (!w->dones)
        loop_run(w->base.loop);
}

static void close_world(struct list_world *w)
{
    server_join(&w->base.server);
    world_close(&w->base);
}

#define OK(length) "HTTP/1.1 200 OK\r\nContent-Length: " length "\r\nContent-Type: application/xml\r\n\r\n"
#define OPEN_ENDED "HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\n\r\n"
#define KEY(k)                                                                                               \
    "<Contents><Key>" k                                                                                      \
    "</Key><Size>5</Size><ETag>\"e\"</ETag><LastModified>1970-01-01T00:00:01.5Z</LastModified></Contents>"
#define BARE(k)      "<Contents><Key>" k "</Key><Size>0</Size><ETag>&#34;&#34;</ETag></Contents>"
#define EMPTY(k)     "<Contents><Key>" k "</Key><Size>0</Size><ETag>\"d41d\"</ETag></Contents>"
#define GROUP(g)     "<CommonPrefixes><Prefix>" g "</Prefix></CommonPrefixes>"
#define LIST(x)      "<ListBucketResult>" x "<IsTruncated>false</IsTruncated></ListBucketResult>"
#define LIST_MORE(x) "<ListBucketResult>" x "<IsTruncated>true</IsTruncated></ListBucketResult>"
#define URL          "<EncodingType>url</EncodingType>"

/* One request answered with this body, to the connection's end. */
#define ANSWER_ONCE(body)                                                                                    \
    {                                                                                                        \
        {STEP_ACCEPT}, {STEP_ALL_BUT, .n = 0}, {STEP_SEND, .text = OPEN_ENDED body}, {STEP_SHUT},            \
        {                                                                                                    \
            STEP_STOP                                                                                        \
        }                                                                                                    \
    }

static void the_question_is_signed_and_encoded(void **state)
{
    static const struct {
        const char *prefix, *after, *query;
        bool grouped, v1, plain;
    } rows[] = {
        {"", "", "encoding-type=url&list-type=2&max-keys=7&prefix=", false, false, false},
        {"a b/", "a b/\xc3\xa4+",
         "delimiter=%2F&encoding-type=url&list-type=2&max-keys=8&prefix=a%20b%2F&start-after=a%20b%2F%C3%A4%"
         "2B",
         true, false, false},
        {"", "", "max-keys=7&prefix=", false, true, true},
        {"p", "pq&", "delimiter=%2F&encoding-type=url&marker=pq%26&max-keys=8&prefix=p", true, true, false},
        {"p", "a", "list-type=2&max-keys=7&prefix=p", false, false,
         true}, /* before the prefix: from its start */
    };
    static const struct script_step script[] = ANSWER_ONCE(LIST(""));

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct list_world w;

        open_world(&w, script);
        w.base.backend->can.list_version = rows[i].v1 ? S3_LIST_V1 : S3_LIST_V2;
        w.base.backend->can.url_encode = rows[i].plain ? S3_NO : S3_YES;
        start(&w, rows[i].prefix, rows[i].after, rows[i].grouped, 7);
        run_to_done(&w);
        assert_int_equal(w.error, ERR_OK);
        assert_int_equal(w.page.count, 0);
        assert_false(w.page.more);
        server_join(&w.base.server);
        world_check_head(&w.base, "GET", "/" TEST_REMOTE, rows[i].query);
        world_close(&w.base);
    }
}

static void nothing_is_asked_where_nothing_can_be(void **state)
{
    static const struct script_step script[] = {{STEP_STOP}};
    struct list_world w;

    open_world(&w, script);
    start(&w, "p", "q", false, 7);
    run_to_done(&w);
    assert_int_equal(w.error, ERR_OK);
    assert_int_equal(w.page.count, 0);
    close_world(&w);
}

static void entries_are_decoded_and_sorted(void **state)
{
    static const struct script_step script[] =
        ANSWER_ONCE(LIST_MORE(KEY("a%2Bb") KEY("z+%61") GROUP("b%2Fc/") GROUP("y/") URL));
    static const char *const keys[] = {"a+b", "b/c/", "y/", "z a"};
    struct list_world w;

    open_world(&w, script);
    w.base.backend->can.list_version = S3_LIST_V1;
    start(&w, "", "", false, 7);
    run_to_done(&w);
    assert_int_equal(w.error, ERR_PROTOCOL); /* groups were not asked for */
    close_world(&w);

    open_world(&w, (const struct script_step[])ANSWER_ONCE(
                       LIST_MORE(KEY("a%2Bb") KEY("z+%61") GROUP("b/") GROUP("y/") URL)));
    start(&w, "", "", true, 7);
    run_to_done(&w);
    assert_int_equal(w.error, ERR_OK);
    assert_int_equal(w.page.count, 4);
    assert_true(w.page.more);
    for (uint32_t i = 0; i < 4; i++) {
        struct replica_entry e = replica_page_get(&w.page, i);

        assert_true(span_is(e.key, i == 1 ? "b/" : keys[i]));
        assert_int_equal(e.is_group, i == 1 || i == 2);
        assert_true(e.is_group || (e.body_bytes == 5 && e.modified_ms == 1500 && span_is(e.etag, "\"e\"")));
    }
    close_world(&w);
}

static void what_is_not_said_to_be_encoded_is_not_decoded(void **state)
{
    static const struct script_step script[] =
        ANSWER_ONCE(LIST(KEY("100%25+1") "<EncodingType></EncodingType>"));
    struct list_world w;

    open_world(&w, script);
    start(&w, "", "", false, 7);
    run_to_done(&w);
    assert_int_equal(w.error, ERR_OK);
    assert_true(span_is(replica_page_get(&w.page, 0).key, "100%25+1"));
    close_world(&w);
}

static void a_folder_that_is_no_object_is_passed_over(void **state)
{
    static const struct script_step script[] = ANSWER_ONCE(LIST(
        BARE("f%2F") BARE("f%2Fempty") EMPTY("f%2Ffolder%2F") BARE("f%2Fgone%2F") BARE("f%2Flost/") URL));
    struct list_world w;

    open_world(&w, script);
    start(&w, "f/", "", false, 2);
    run_to_done(&w);
    assert_int_equal(w.error, ERR_OK);
    assert_int_equal(w.page.count, 2);
    assert_true(span_is(replica_page_get(&w.page, 0).key, "f/empty"));
    assert_true(span_is(replica_page_get(&w.page, 1).key, "f/folder/"));
    close_world(&w);
}

static void answers_that_cannot_be_are_refused(void **state)
{
    static const struct {
        struct script_step script[6];
        bool grouped;
        const char *prefix, *after;
    } rows[] = {
        {ANSWER_ONCE("no list at all"), false, "", ""},
        {ANSWER_ONCE("<Error><Code>InternalError</Code></Error>"), false, "", ""},
        {ANSWER_ONCE("<!DOCTYPE x [<!ENTITY a \"b\">]>" LIST("")), false, "", ""},
        {ANSWER_ONCE("<ListBucketResult>" KEY("a")), false, "", ""},
        {ANSWER_ONCE(LIST(KEY("b") KEY("a"))), false, "", ""},
        {ANSWER_ONCE(LIST(KEY("a") KEY("a"))), false, "", ""},
        {ANSWER_ONCE(LIST(GROUP("a/") GROUP("a/"))), true, "", ""},
        {ANSWER_ONCE(LIST(KEY("a/b"))), true, "", ""},    /* not grouped */
        {ANSWER_ONCE(LIST(GROUP("a/b/"))), true, "", ""}, /* grouped at another place */
        {ANSWER_ONCE(LIST(GROUP("ab"))), true, "", ""},
        {ANSWER_ONCE(LIST(KEY("x"))), false, "p", ""}, /* another prefix */
        {ANSWER_ONCE(LIST(KEY("a%zz") URL)), false, "", ""},
        {ANSWER_ONCE(LIST(KEY("a%FF") URL)), false, "", ""},
        {ANSWER_ONCE(LIST(KEY("a%00b") URL)), false, "", ""},
        {ANSWER_ONCE(LIST(KEY("1") KEY("2") KEY("3") KEY("4") KEY("5") KEY("6") KEY("7") KEY("8"))), false,
         "", ""},
        {ANSWER_ONCE(LIST_MORE("")), false, "", ""},                 /* more, and nothing */
        {ANSWER_ONCE(LIST_MORE(KEY("a") KEY("b"))), false, "", "b"}, /* more, and nothing new */
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct list_world w;

        open_world(&w, rows[i].script);
        start(&w, rows[i].prefix, rows[i].after, rows[i].grouped, 7);
        run_to_done(&w);
        if (w.error != ERR_PROTOCOL)
            fail_msg("row %zu: %s", i, err_name(w.error));
        assert_false(w.base.health->open);
        assert_int_equal(w.base.health->failures, 0); /* it says nothing about writes */
        close_world(&w);
    }
}

static void other_answers_are_none(void **state)
{
    static const struct {
        struct script_step script[6];
        enum err error;
    } rows[] = {
        {{{STEP_ACCEPT},
          {STEP_ALL_BUT},
          {STEP_SEND, .text = "HTTP/1.1 404 Not Found\r\nContent-Length: "
                              "40\r\n\r\n<Error><Code>NoSuchBucket</Code></Error>"},
          {STEP_SHUT},
          {STEP_STOP}},
         ERR_UNAVAILABLE},
        {{{STEP_ACCEPT},
          {STEP_ALL_BUT},
          {STEP_SEND, .text = "HTTP/1.1 503 Slow\r\nContent-Length: 0\r\n\r\n"},
          {STEP_SHUT},
          {STEP_STOP}},
         ERR_UNAVAILABLE},
        {{{STEP_ACCEPT},
          {STEP_ALL_BUT},
          {STEP_SEND, .text = OK("1000") "<ListBucketResult>" KEY("a")},
          {STEP_RESET},
          {STEP_STOP}},
         ERR_RESET},
        {{{STEP_ACCEPT},
          {STEP_ALL_BUT},
          {STEP_SEND, .text = OPEN_ENDED "<ListBucketResult>"},
          {STEP_FILL, .n = 1 << 20},
          {STEP_END},
          {STEP_STOP}},
         ERR_PROTOCOL},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct list_world w;
        struct script_step script[6];

        memcpy(script, rows[i].script, sizeof(script));
        open_world(&w, script);
        start(&w, "", "", false, 7);
        run_to_done(&w);
        if (w.error != rows[i].error && !(rows[i].error == ERR_RESET && w.error == ERR_EOF))
            fail_msg("row %zu: %s", i, err_name(w.error));
        server_join(&w.base.server);
        world_close(&w.base);
    }
}

/* 300 keys of 1000 bytes, each written as three, do not fit: 100 do. */
static void a_page_of_long_names_is_asked_for_again_with_fewer(void **state)
{
    enum { KEYS = 300 };
    char *big = malloc(KEYS * 4096), *small = malloc(KEYS * 4096);
    struct list_world w;

    for (int pass = 0; pass < 2; pass++) {
        char *at = pass ? small : big;

        at += sprintf(at, OPEN_ENDED "<ListBucketResult>");
        for (int i = 0; i < (pass ? 100 : KEYS); i++) {
            at += sprintf(at, "<Contents><Size>1</Size><Key>%03d", i);
            for (int k = 0; k < 1000; k++)
                at += sprintf(at, "%%2D");
            at += sprintf(at, "</Key></Contents>");
        }
        sprintf(at, URL "<IsTruncated>true</IsTruncated></ListBucketResult>");
    }
    open_world(&w, (const struct script_step[]){{STEP_ACCEPT},
                                                {STEP_ALL_BUT, .n = 0},
                                                {STEP_SEND, .text = big},
                                                {STEP_ACCEPT},
                                                {STEP_ALL_BUT, .n = 0},
                                                {STEP_SEND, .text = small},
                                                {STEP_SHUT},
                                                {STEP_STOP}});
    start(&w, "", "", false, 1000);
    run_to_done(&w);
    assert_int_equal(w.error, ERR_OK);
    assert_int_equal(w.page.count, 100);
    assert_true(w.page.more);
    assert_int_equal(replica_page_get(&w.page, 99).key.len, 1003);
    server_join(&w.base.server);
    world_check_head(&w.base, "GET", "/" TEST_REMOTE, "encoding-type=url&list-type=2&max-keys=100&prefix=");
    world_close(&w.base);
    free(big);
    free(small);
}

#define TEXT_ANSWER(body)                                                                                    \
    {STEP_ACCEPT}, {STEP_ALL_BUT, .n = 0}, {STEP_SEND, .text = OPEN_ENDED body},                             \
    {                                                                                                        \
        STEP_SHUT                                                                                            \
    }

/* Each question of a walk is a request: after the page a look behind the folder that it ends in. */
static void a_backend_in_path_order_is_asked_until_the_order_is_known(void **state)
{
    static const struct script_step script[] = {TEXT_ANSWER(LIST_MORE(KEY("d/1") KEY("d/2"))),
                                                TEXT_ANSWER(LIST(KEY("d!"))),
                                                TEXT_ANSWER(LIST(KEY("d!"))),
                                                {STEP_STOP}};
    struct list_world w;

    open_world(&w, script);
    w.base.backend->can.list_order = S3_LIST_ORDER_PATH;
    start(&w, "", "", false, 2);
    run_to_done(&w);
    assert_int_equal(w.error, ERR_OK);
    assert_int_equal(w.page.count, 1);
    assert_true(span_is(replica_page_get(&w.page, 0).key, "d!"));
    assert_true(w.page.more);
    close_world(&w);
    assert_int_equal(w.base.server.requests, 3);
}

static void it_can_be_given_up_between_two_pieces(void **state)
{
    static const struct script_step script[] = {{STEP_ACCEPT},
                                                {STEP_ALL_BUT, .n = 0},
                                                {STEP_SEND, .text = OPEN_ENDED "<ListBucketResult>" KEY("a")},
                                                {STEP_END},
                                                {STEP_STOP}};
    struct list_world w;

    open_world(&w, script);
    w.leave = true;
    start(&w, "", "", false, 7);
    loop_run(w.base.loop);
    assert_int_equal(w.progresses, 1);
    assert_int_equal(w.dones, 0);
    world_turn(&w.base);
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_question_is_signed_and_encoded),
        cmocka_unit_test(nothing_is_asked_where_nothing_can_be),
        cmocka_unit_test(entries_are_decoded_and_sorted),
        cmocka_unit_test(what_is_not_said_to_be_encoded_is_not_decoded),
        cmocka_unit_test(a_folder_that_is_no_object_is_passed_over),
        cmocka_unit_test(answers_that_cannot_be_are_refused),
        cmocka_unit_test(other_answers_are_none),
        cmocka_unit_test(a_page_of_long_names_is_asked_for_again_with_fewer),
        cmocka_unit_test(a_backend_in_path_order_is_asked_until_the_order_is_known),
        cmocka_unit_test(it_can_be_given_up_between_two_pieces),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
