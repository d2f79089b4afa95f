/* Copies that a scripted S3 server is asked to make: what is sent, to the letter, and what each answer means. */
#include "base/log.h"
#include "world.h"

#include <stdio.h>

#define TARGET_PATH "/" TEST_REMOTE "/dir/k%20y"
#define SOURCE_ETAG "\"0123456789abcdef0123456789abcdef\""

static const struct stamp the_stamp = {{0x01, 0x8f, 0x42, 0x42, 0x42, 0x42}};

struct copy_world {
    struct world base;
    struct replica *source;
    struct replica_call *call;
    int dones;
    bool joined;
    struct replica_answer answer;
};

static void open_world(struct copy_world *w, const struct script_step *script, unsigned checksums_refused)
{
    *w = (struct copy_world){.base.checksums_refused = checksums_refused};
    world_open(&w->base, "us-east-1", S3_BARRIER_TRAILER);
    assert_int_equal(s3_replica_open(&w->source, w->base.backend, SPAN("other-bucket")), ERR_OK);
    server_run(&w->base.server, script);
}

static void join(struct copy_world *w)
{
    if (!w->joined)
        server_join(&w->base.server);
    w->joined = true;
}

static void close_world(struct copy_world *w)
{
    join(w);
    s3_replica_free(w->source);
    world_close(&w->base);
}

/* clang-format off */
#define ANSWER(answer) {STEP_ACCEPT}, {STEP_ALL_BUT, .n = 0}, {STEP_SEND, .text = (answer)}, {STEP_SHUT}
#define COPIED "HTTP/1.1 200 OK\r\nContent-Length: 64\r\n\r\n<CopyObjectResult><ETag>&#34;x&#34;</ETag></CopyObjectResult>   "
/* clang-format on */

static void on_done(void *ctx, const struct replica_answer *answer)
{
    struct copy_world *w = ctx;

    assert_int_equal(w->dones++, 0);
    w->answer = *answer;
    loop_stop(w->base.loop);
}

static const struct replica_put_events events = {.done = on_done};

static struct replica_copy an_object(const struct copy_world *w)
{
    static const struct http_header stored[] = {{{"Content-Type", 12}, {"text/plain", 10}},
                                                {{"x-amz-tagging", 13}, {"a=b", 3}}};

    return (struct replica_copy){.key = SPAN("dir/k y"),
                                 .source = w->source,
                                 .source_key = SPAN("the/so%urce"),
                                 .source_etag = SOURCE_ETAG,
                                 .headers = stored,
                                 .header_count = 2,
                                 .stamped = true,
                                 .stamp = the_stamp};
}

static void run(struct copy_world *w, const struct replica_copy *copy)
{
    assert_int_equal(replica_copy_start(w->base.replica, &w->call, copy, &events, w), ERR_OK);
    while (!w->dones)
        loop_run(w->base.loop);
    join(w);
}

static void a_copy_names_its_source_under_a_condition_and_replaces_all_else(void **state)
{
    static const struct script_step script[] = {ANSWER(COPIED), {STEP_STOP}};
    struct replica_copy copy;
    struct copy_world w;

    open_world(&w, script, 0);
    copy = an_object(&w);
    copy.checksum = S3_CHECKSUM_CRC32;
    run(&w, &copy);
    assert_int_equal(w.answer.result, REPLICA_STORED);
    assert_string_equal(w.answer.etag, "\"x\"");
    world_check_head(&w.base, "PUT", TARGET_PATH, "");
    assert_field(&w.base, "x-amz-copy-source", "/other-bucket/the/so%25urce");
    assert_field(&w.base, "x-amz-copy-source-if-match", SOURCE_ETAG);
    assert_field(&w.base, "x-amz-metadata-directive", "REPLACE");
    assert_field(&w.base, "x-amz-tagging-directive", "REPLACE");
    assert_field(&w.base, "x-amz-tagging", "a=b");
    assert_field(&w.base, "x-amz-checksum-algorithm", "CRC32");
    assert_field(&w.base, "x-amz-copy-source-range", NULL);
    assert_field(&w.base, "content-type", "text/plain");
    assert_field(&w.base, "content-length", "0");
    assert_non_null(http_header(&w.base.head, "x-amz-meta-s3mirror-stamp"));
    close_world(&w);
}

static void a_checksum_that_the_backend_does_not_take_is_not_asked_for(void **state)
{
    static const struct script_step script[] = {ANSWER(COPIED), {STEP_STOP}};
    struct replica_copy copy;
    struct copy_world w;

    open_world(&w, script, 1u << S3_CHECKSUM_CRC32);
    copy = an_object(&w);
    copy.checksum = S3_CHECKSUM_CRC32;
    run(&w, &copy);
    world_check_head(&w.base, "PUT", TARGET_PATH, "");
    assert_field(&w.base, "x-amz-checksum-algorithm", NULL);
    close_world(&w);
}

static void a_part_is_a_range_of_the_source_and_has_nothing_of_its_own(void **state)
{
    static const struct script_step script[] = {
        ANSWER("HTTP/1.1 200 OK\r\nContent-Length: "
               "50\r\n\r\n<CopyPartResult><ETag>bare</ETag></CopyPartResult>"),
        {STEP_STOP}};
    struct replica_copy copy;
    struct copy_world w;

    open_world(&w, script, 0);
    copy = an_object(&w);
    copy.stamped = false;
    copy.upload_id = SPAN("a/b");
    copy.part_number = 7;
    copy.ranged = true;
    copy.first = 5ull << 30;
    copy.last = (6ull << 30) - 1;
    run(&w, &copy);
    assert_int_equal(w.answer.result, REPLICA_STORED);
    assert_string_equal(w.answer.etag, "\"bare\"");
    world_check_head(&w.base, "PUT", TARGET_PATH, "partNumber=7&uploadId=a%2Fb");
    assert_field(&w.base, "x-amz-copy-source", "/other-bucket/the/so%25urce");
    assert_field(&w.base, "x-amz-copy-source-if-match", SOURCE_ETAG);
    assert_field(&w.base, "x-amz-copy-source-range", "bytes=5368709120-6442450943");
    assert_field(&w.base, "x-amz-metadata-directive", NULL);
    assert_field(&w.base, "x-amz-meta-s3mirror-stamp", NULL);
    assert_field(&w.base, "content-type", NULL);
    close_world(&w);
}

/* The whole request is past the barrier; a refusal has changed nothing. */
static void a_copy_is_believed_only_when_its_answer_is_whole_and_no_error(void **state)
{
    static const struct {
        const char *answer;
        enum replica_result result;
        bool hurts; /* the backend's health */
    } cases[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 43\r\n\r\n \n<Error><Code>InternalError</Code></Error>",
         REPLICA_UNRESOLVED, false},
        {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", REPLICA_UNRESOLVED, false},
        {"HTTP/1.1 200 OK\r\nContent-Length: 38\r\n\r\n<CopyObjectResult></CopyObjectResult> ",
         REPLICA_UNRESOLVED, false},
        {"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n<CopyObjectResult>", REPLICA_UNRESOLVED, true},
        {"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", REPLICA_UNRESOLVED, true},
        {"HTTP/1.1 412 No\r\nContent-Length: 46\r\n\r\n<Error><Code>PreconditionFailed</Code></Error>",
         REPLICA_MISSED, false},
        {"HTTP/1.1 404 No\r\nContent-Length: 37\r\n\r\n<Error><Code>NoSuchKey</Code></Error>", REPLICA_MISSED,
         false},
        {"HTTP/1.1 501 No\r\nContent-Length: 42\r\n\r\n<Error><Code>NotImplemented</Code></Error>",
         REPLICA_MISSED, false},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct script_step script[] = {ANSWER(cases[i].answer), {STEP_STOP}};
        struct replica_copy copy;
        struct copy_world w;

        open_world(&w, script, 0);
        copy = an_object(&w);
        run(&w, &copy);
        if (w.answer.result != cases[i].result || (w.base.health->failures != 0) != cases[i].hurts)
            fail_msg("%s: %d, %u failures", cases[i].answer, w.answer.result, w.base.health->failures);
        close_world(&w);
    }
}

static void told_abandon(struct scripted_server *s, int count)
{
    struct copy_world *w = LIST_ENTRY(world_of(s), struct copy_world, base);

    assert_int_equal(replica_call_abandon(w->base.replica, w->call), REPLICA_UNRESOLVED);
    w->call = NULL;
    loop_stop(w->base.loop);
}

static void a_copy_that_is_given_up_may_yet_be_made(void **state)
{
    static const struct script_step script[] = {
        {STEP_ACCEPT}, {STEP_ALL_BUT, .n = 0}, {STEP_TELL}, {STEP_END}, {STEP_STOP}};
    struct replica_copy copy;
    struct copy_world w;

    open_world(&w, script, 0);
    w.base.server.told = told_abandon;
    copy = an_object(&w);
    assert_int_equal(replica_copy_start(w.base.replica, &w.call, &copy, &events, &w), ERR_OK);
    loop_run(w.base.loop);
    assert_null(w.call);
    assert_int_equal(w.dones, 0);
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_names_its_source_under_a_condition_and_replaces_all_else),
        cmocka_unit_test(a_checksum_that_the_backend_does_not_take_is_not_asked_for),
        cmocka_unit_test(a_part_is_a_range_of_the_source_and_has_nothing_of_its_own),
        cmocka_unit_test(a_copy_is_believed_only_when_its_answer_is_whole_and_no_error),
        cmocka_unit_test(a_copy_that_is_given_up_may_yet_be_made),
    };

    log_setup(LOG_ERROR + 1, LOG_LOGFMT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
