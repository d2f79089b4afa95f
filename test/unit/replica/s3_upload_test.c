/* Multipart uploads on a scripted S3 server: what is sent, to the letter, and what each answer means. */
#include "base/log.h"
#include "world.h"

#include <stdio.h>

#define KEY_PATH "/" TEST_REMOTE "/dir/k%20y"
#define ID_QUERY "uploadId=a%2Fb%2Bc%3D"

static const struct stamp the_stamp = {{0x01, 0x8f, 0x42, 0x42, 0x42, 0x42}};

struct upload_world {
    struct world base;
    struct replica_call *call;
    int dones, entries;
    bool joined;
    struct replica_answer answer;
    char id[64], last_key[64], next_key[64];
    struct replica_uploads_end end;
};

static void open_world(struct upload_world *w, const struct script_step *script)
{
    *w = (struct upload_world){.dones = 0};
    world_open(&w->base, "us-east-1", S3_BARRIER_TRAILER);
    server_run(&w->base.server, script);
}

static void run_to_done(struct upload_world *w)
{
    while (!w->dones)
        loop_run(w->base.loop);
}

/* What the server got can be looked at afterwards. */
static void join(struct upload_world *w)
{
    if (!w->joined)
        server_join(&w->base.server);
    w->joined = true;
}

static void close_world(struct upload_world *w)
{
    join(w);
    world_close(&w->base);
}

/* One request on one connection, answered with this. */
/* clang-format off */
#define ANSWER(answer) {STEP_ACCEPT}, {STEP_ALL_BUT, .n = 0}, {STEP_SEND, .text = (answer)}, {STEP_SHUT}
/* clang-format on */

static void on_created(void *ctx, const struct replica_answer *answer, struct span id)
{
    struct upload_world *w = ctx;

    assert_int_equal(w->dones++, 0);
    w->answer = *answer;
    snprintf(w->id, sizeof(w->id), "%.*s", SPAN_ARG(id));
    loop_stop(w->base.loop);
}

static void on_done(void *ctx, const struct replica_answer *answer)
{
    struct upload_world *w = ctx;

    assert_int_equal(w->dones++, 0);
    w->answer = *answer;
    loop_stop(w->base.loop);
}

static void create(struct upload_world *w, enum s3_checksum checksum)
{
    static const struct http_header stored[] = {{{"Content-Type", 12}, {"text/plain", 10}}};
    static const struct replica_create_events events = {.done = on_created};
    const struct replica_create create = {.key = SPAN("dir/k y"),
                                          .headers = stored,
                                          .header_count = 1,
                                          .stamped = true,
                                          .stamp = the_stamp,
                                          .checksum = checksum};

    assert_int_equal(replica_create_start(w->base.replica, &w->call, &create, &events, w), ERR_OK);
    run_to_done(w);
}

static void a_create_sends_metadata_and_stamp_and_gives_the_id(void **state)
{
    static const struct script_step script[] = {
        ANSWER("HTTP/1.1 200 OK\r\nContent-Length: 91\r\n\r\n<InitiateMultipartUploadResult>"
               "<UploadId>a/b+c=</UploadId></InitiateMultipartUploadResult> "),
        {STEP_STOP}};
    struct upload_world w;

    open_world(&w, script);
    create(&w, S3_CHECKSUM_NONE);
    assert_int_equal(w.answer.result, REPLICA_STORED);
    assert_string_equal(w.id, "a/b+c=");
    join(&w);
    world_check_head(&w.base, "POST", KEY_PATH, "uploads=");
    assert_field(&w.base, "content-type", "text/plain");
    assert_non_null(http_header(&w.base.head, "x-amz-meta-s3mirror-stamp"));
    assert_field(&w.base, "content-length", "0");
    assert_field(&w.base, "x-amz-checksum-algorithm", NULL);
    close_world(&w);
}

static void what_is_no_id_is_no_upload(void **state)
{
    static const struct script_step scripts[][8] = {
        {ANSWER("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno"), {STEP_STOP}},
        {ANSWER("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"), {STEP_STOP}},
        {ANSWER("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n<Error>"), {STEP_STOP}},
    };

    for (size_t i = 0; i < 3; i++) {
        struct upload_world w;

        open_world(&w, scripts[i]);
        create(&w, S3_CHECKSUM_NONE);
        assert_int_not_equal(w.answer.result, REPLICA_STORED);
        assert_string_equal(w.id, "");
        close_world(&w);
    }
}

static void complete(struct upload_world *w)
{
    static const struct replica_put_events events = {.done = on_done};
    const struct replica_complete complete = {.key = SPAN("dir/k y"),
                                              .upload_id = SPAN("a/b+c="),
                                              .document = SPAN("<CompleteMultipartUpload/>"),
                                              .stamp = the_stamp};

    assert_int_equal(replica_complete_start(w->base.replica, &w->call, &complete, &events, w), ERR_OK);
    run_to_done(w);
}

static void a_complete_sends_its_document_and_gives_the_etag_of_the_answer(void **state)
{
    static const struct script_step script[] = {
        ANSWER("HTTP/1.1 200 OK\r\nContent-Length: 93\r\n\r\n  <CompleteMultipartUploadResult>"
               "<ETag>&quot;x-2&quot;</ETag></CompleteMultipartUploadResult>"),
        {STEP_STOP}};
    struct upload_world w;

    open_world(&w, script);
    complete(&w);
    assert_int_equal(w.answer.result, REPLICA_STORED);
    assert_string_equal(w.answer.etag, "\"x-2\"");
    join(&w);
    world_check_head(&w.base, "POST", KEY_PATH, ID_QUERY);
    assert_memory_equal(w.base.server.got + w.base.server.head_bytes, "<CompleteMultipartUpload/>", 26);
    close_world(&w);
}

/* What a complete may be answered, and what it means. The whole request is past the barrier. */
static void a_complete_is_believed_only_when_its_answer_is_whole_and_no_error(void **state)
{
    static const struct {
        const char *answer;
        enum replica_result result;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 43\r\n\r\n<Error><Code>InternalError</Code></Error>  ",
         REPLICA_UNRESOLVED},
        {"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwhat", REPLICA_UNRESOLVED},
        {"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n<CompleteMultipartUploadResult>", REPLICA_UNRESOLVED},
        {"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", REPLICA_UNRESOLVED},
        {"HTTP/1.1 400 No\r\nContent-Length: 39\r\n\r\n<Error><Code>InvalidPart</Code></Error>",
         REPLICA_MISSED},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct script_step script[] = {ANSWER(cases[i].answer), {STEP_STOP}};
        struct upload_world w;

        open_world(&w, script);
        complete(&w);
        if (w.answer.result != cases[i].result)
            fail_msg("%s: %d", cases[i].answer, w.answer.result);
        close_world(&w);
    }
}

#define GONE "HTTP/1.1 404 Not Found\r\nContent-Length: 41\r\n\r\n<Error><Code>NoSuchUpload</Code></Error> "

/* A backend that knows the upload no more is asked what the key shows. */
static void an_upload_that_was_completed_already_counts_as_stored(void **state)
{
    char shows[256], stamp[STAMP_CHARS + 1] = "";
    const struct {
        const char *stamp;
        enum replica_result result;
    } cases[] = {{stamp, REPLICA_STORED}, {"01j00000000000000000000000", REPLICA_MISSED}};

    stamp_print(&the_stamp, stamp);
    for (size_t i = 0; i < 2; i++) {
        const struct script_step script[] = {
            {STEP_ACCEPT}, {STEP_ALL_BUT, .n = 0}, {STEP_SEND, .text = GONE},  {STEP_SHUT},
            {STEP_ACCEPT}, {STEP_ALL_BUT, .n = 0}, {STEP_SEND, .text = shows}, {STEP_SHUT},
            {STEP_STOP}};
        struct upload_world w;

        snprintf(shows, sizeof(shows),
                 "HTTP/1.1 200 OK\r\nETag: \"x-2\"\r\nContent-Length: 9\r\nx-amz-meta-s3mirror-stamp: "
                 "%s\r\n\r\n",
                 cases[i].stamp);
        open_world(&w, script);
        complete(&w);
        assert_int_equal(w.answer.result, cases[i].result);
        if (cases[i].result == REPLICA_STORED)
            assert_string_equal(w.answer.etag, "\"x-2\"");
        join(&w);
        assert_int_equal(w.base.server.requests, 2);
        close_world(&w);
    }
}

static void told_abandon(struct scripted_server *s, int count)
{
    struct upload_world *w = LIST_ENTRY(world_of(s), struct upload_world, base);

    assert_int_equal(replica_call_abandon(w->base.replica, w->call), REPLICA_MISSED);
    w->call = NULL;
    loop_stop(w->base.loop);
}

static void a_complete_can_be_given_up_while_the_key_is_looked_at(void **state)
{
    static const struct script_step script[] = {{STEP_ACCEPT},
                                                {STEP_ALL_BUT, .n = 0},
                                                {STEP_SEND, .text = GONE},
                                                {STEP_SHUT},
                                                {STEP_ACCEPT},
                                                {STEP_ALL_BUT, .n = 0},
                                                {STEP_TELL},
                                                {STEP_END},
                                                {STEP_STOP}};
    static const struct replica_put_events events = {.done = on_done};
    const struct replica_complete complete = {.key = SPAN("dir/k y"),
                                              .upload_id = SPAN("a/b+c="),
                                              .document = SPAN("<CompleteMultipartUpload/>"),
                                              .stamp = the_stamp};
    struct upload_world w;

    open_world(&w, script);
    w.base.server.told = told_abandon;
    assert_int_equal(replica_complete_start(w.base.replica, &w.call, &complete, &events, &w), ERR_OK);
    loop_run(w.base.loop);
    assert_null(w.call);
    assert_int_equal(w.dones, 0);
    close_world(&w);
}

static void an_abort_is_good_when_the_upload_is_gone(void **state)
{
    static const struct {
        const char *answer;
        enum replica_result result;
    } cases[] = {{"HTTP/1.1 204 No Content\r\n\r\n", REPLICA_STORED},
                 {GONE, REPLICA_STORED},
                 {"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", REPLICA_MISSED},
                 {"HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\n", REPLICA_UNRESOLVED}};

    for (size_t i = 0; i < 4; i++) {
        static const struct replica_put_events events = {.done = on_done};
        const struct script_step script[] = {ANSWER(cases[i].answer), {STEP_STOP}};
        struct upload_world w;

        open_world(&w, script);
        assert_int_equal(
            replica_abort_start(w.base.replica, &w.call, SPAN("dir/k y"), SPAN("a/b+c="), &events, &w),
            ERR_OK);
        run_to_done(&w);
        assert_int_equal(w.answer.result, cases[i].result);
        join(&w);
        world_check_head(&w.base, "DELETE", KEY_PATH, ID_QUERY);
        close_world(&w);
    }
}

static void on_entry(void *ctx, const struct replica_upload *u)
{
    struct upload_world *w = ctx;

    w->entries++;
    snprintf(w->last_key, sizeof(w->last_key), "%.*s", SPAN_ARG(u->key));
}

static void on_end(void *ctx, const struct replica_uploads_end *end)
{
    struct upload_world *w = ctx;

    assert_int_equal(w->dones++, 0);
    w->end = *end;
    snprintf(w->next_key, sizeof(w->next_key), "%.*s", SPAN_ARG(end->next_key));
    loop_stop(w->base.loop);
}

static void list(struct upload_world *w, const char *after, const char *answer, const char *query)
{
    static const struct replica_uploads_events events = {.entry = on_entry, .done = on_end};
    const struct script_step script[] = {ANSWER(answer), {STEP_STOP}};

    open_world(w, script);
    assert_int_equal(
        replica_uploads_start(w->base.replica, &w->call, span_of(after), SPAN("i d"), &events, w), ERR_OK);
    run_to_done(w);
    join(w);
    world_check_head(&w->base, "GET", "/" TEST_REMOTE, query);
    close_world(w);
}

static void a_page_of_uploads_is_listed(void **state)
{
    static const char first[] =
        "HTTP/1.1 200 OK\r\nContent-Length: 214\r\n\r\n<ListMultipartUploadsResult><IsTruncated>true"
        "</IsTruncated><NextKeyMarker>k</NextKeyMarker><Upload><Key>k</Key><UploadId>u</UploadId><Initiated>"
        "2009-02-13T23:31:30Z</Initiated></Upload></ListMultipartUploadsResult>";
    struct upload_world w;

    list(&w, "", first, "max-uploads=20&uploads=");
    assert_int_equal(w.end.error, ERR_OK);
    assert_int_equal(w.entries, 1);
    assert_string_equal(w.last_key, "k");
    assert_string_equal(w.next_key, "k");
    list(&w, "a/k",
         "HTTP/1.1 200 OK\r\nContent-Length: "
         "57\r\n\r\n<ListMultipartUploadsResult></ListMultipartUploadsResult>",
         "key-marker=a%2Fk&max-uploads=20&upload-id-marker=i%20d&uploads=");
    assert_int_equal(w.end.error, ERR_OK);
    assert_string_equal(w.next_key, "");
    list(&w, "", "HTTP/1.1 501 No\r\nContent-Length: 0\r\n\r\n", "max-uploads=20&uploads=");
    assert_int_equal(w.end.error, ERR_UNAVAILABLE);
    list(&w, "", "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nnothing", "max-uploads=20&uploads=");
    assert_int_not_equal(w.end.error, ERR_OK);
}

static enum err peek(void *ctx, uint64_t offset, struct iovec *iov, int *count)
{
    iov[0] = (struct iovec){(char *)(uintptr_t) "part" + offset, 4 - offset};
    *count = 1;
    return ERR_OK;
}

static void a_part_is_a_put_with_its_number_and_nothing_stored_with_it(void **state)
{
    static const struct script_step script[] = {
        ANSWER("HTTP/1.1 200 OK\r\nETag: \"e\"\r\nContent-Length: 0\r\n\r\n"), {STEP_STOP}};
    static const struct replica_put_events events = {.done = on_done};
    static const struct replica_body body = {.peek = peek};
    const struct replica_put put = {.key = SPAN("dir/k y"),
                                    .body_bytes = 4,
                                    .body = &body,
                                    .upload_id = SPAN("a/b+c="),
                                    .part_number = 7};
    struct upload_world w;

    open_world(&w, script);
    assert_int_equal(replica_put_start(w.base.replica, &w.call, &put, &events, &w), ERR_OK);
    replica_put_open(w.base.replica, w.call, crc32_add(0, "part", 4));
    run_to_done(&w);
    assert_int_equal(w.answer.result, REPLICA_STORED);
    assert_string_equal(w.answer.etag, "\"e\"");
    join(&w);
    world_check_head(&w.base, "PUT", KEY_PATH, "partNumber=7&" ID_QUERY);
    assert_field(&w.base, "x-amz-meta-s3mirror-stamp", NULL);
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_create_sends_metadata_and_stamp_and_gives_the_id),
        cmocka_unit_test(what_is_no_id_is_no_upload),
        cmocka_unit_test(a_complete_sends_its_document_and_gives_the_etag_of_the_answer),
        cmocka_unit_test(a_complete_is_believed_only_when_its_answer_is_whole_and_no_error),
        cmocka_unit_test(an_upload_that_was_completed_already_counts_as_stored),
        cmocka_unit_test(a_complete_can_be_given_up_while_the_key_is_looked_at),
        cmocka_unit_test(an_abort_is_good_when_the_upload_is_gone),
        cmocka_unit_test(a_page_of_uploads_is_listed),
        cmocka_unit_test(a_part_is_a_put_with_its_number_and_nothing_stored_with_it),
    };

    log_setup(LOG_ERROR + 1, LOG_LOGFMT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
