/* Objects that the gateway itself writes in parts: every step on the wire, what each failing step means, and that nothing
 * which could make the object visible leaves before the barrier. */
#include "replica/s3_call.h"

#include "world.h"

#include <stdio.h>

enum { PART = 8 << 20, BODY = PART + (1 << 20), PIECE = 1 << 16 };

static char content[BODY];
static const struct stamp the_stamp = {{1, 2, 3}};
static char part_answers[2][128];

struct parts_world {
    struct world base;
    struct replica_call *call;
    uint64_t progress;
    int dones;
    bool opens; /* the barrier opens when all of the body has gone */
    struct replica_answer answer;
};

static enum err peek(void *ctx, uint64_t offset, struct iovec *iov, int *count)
{
    struct parts_world *w = ctx;

    assert_in_range(offset, w->progress, BODY - 1);
    iov[0] = (struct iovec){content + offset, BODY - offset < PIECE ? BODY - offset : PIECE};
    *count = 1;
    return ERR_OK;
}

static void on_progress(void *ctx, uint64_t offset)
{
    struct parts_world *w = ctx;

    assert_in_range(offset, w->progress + 1, BODY);
    w->progress = offset;
    if (offset < BODY)
        return;
    if (w->opens)
        replica_put_open(w->base.replica, w->call, 0);
    else
        loop_stop(w->base.loop);
}

static void on_done(void *ctx, const struct replica_answer *answer)
{
    struct parts_world *w = ctx;

    assert_int_equal(w->dones++, 0);
    w->answer = *answer;
    loop_stop(w->base.loop);
}

#define LENGTH(text) "Content-Length: " text "\r\n\r\n"
#define CREATED                                                                                              \
    "HTTP/1.1 200 OK\r\nContent-Length: 116\r\n\r\n<InitiateMultipartUploadResult><Bucket>b</Bucket>"        \
    "<Key>k</Key><UploadId>u1</UploadId></InitiateMultipartUploadResult>"
#define COMPLETED                                                                                            \
    "HTTP/1.1 200 OK\r\nContent-Length: 81\r\n\r\n<CompleteMultipartUploadResult><ETag>\"x-2\"</ETag>"       \
    "</CompleteMultipartUploadResult>"
#define WRONG_PART "HTTP/1.1 200 OK\r\nETag: \"00000000000000000000000000000000\"\r\n" LENGTH("0")
#define REFUSED    "HTTP/1.1 403 Forbidden\r\n" LENGTH("0")
#define ABORTED    "HTTP/1.1 204 No Content\r\n\r\n"

#define REQUEST(answer)                                                                                      \
    {STEP_ALL_BUT, .n = 0},                                                                                  \
    {                                                                                                        \
        STEP_SEND, .text = (answer)                                                                          \
    }

static void open_world(struct parts_world *w, const struct script_step *script, uint64_t etag_kind)
{
    for (size_t i = 0; i < BODY; i++)
        content[i] = (char)(i * 31 + i / 251);
    for (size_t i = 0; i < 2; i++) {
        char text[2 * MD5_BYTES + 1] = "";
        uint8_t sum[MD5_BYTES];
        struct md5 h;

        md5_init(&h);
        md5_add(&h, content + i * PART, i ? BODY - PART : PART);
        md5_end(&h, sum);
        hex_encode(sum, sizeof(sum), text);
        snprintf(part_answers[i], sizeof(part_answers[i]),
                 "HTTP/1.1 200 OK\r\nETag: \"%s\"\r\nContent-Length: 0\r\n\r\n", text);
    }
    world_open(&w->base, "us-east-1", S3_BARRIER_PARTS);
    LIST_ENTRY(w->base.replica, struct s3_replica, base)->backend->can.etag_kind = etag_kind;
    server_run(&w->base.server, script);
}

static void start(struct parts_world *w)
{
    static const struct replica_body body = {.peek = peek};
    static const struct replica_put_events events = {.progress = on_progress, .done = on_done};
    static const struct http_header header = {{"Content-Type", 12}, {"text/plain", 10}};
    const struct replica_put put = {.key = SPAN("k"),
                                    .headers = &header,
                                    .header_count = 1,
                                    .stamped = true,
                                    .stamp = the_stamp,
                                    .body_bytes = BODY,
                                    .body = &body};

    assert_int_equal(replica_put_start(w->base.replica, &w->call, &put, &events, w), ERR_OK);
    assert_int_equal(w->dones, 0);
}

static void run(struct parts_world *w)
{
    start(w);
    while (!w->dones)
        loop_run(w->base.loop);
}

/* The upload that is left behind is aborted by a call that nobody waits for. */
static void wait_for_the_abort(struct parts_world *w)
{
    struct s3_replica *r = LIST_ENTRY(w->base.replica, struct s3_replica, base);

    while (r->calls)
        world_turn(&w->base);
    assert_true(list_empty(&r->left));
    server_join(&w->base.server);
    world_check_head(&w->base, "DELETE", "/" TEST_REMOTE "/k", "uploadId=u1");
}

static void the_upload_is_completed_behind_the_barrier(void **state)
{
    static const struct script_step script[] = {
        {STEP_ACCEPT},      REQUEST(CREATED), REQUEST(part_answers[0]), REQUEST(part_answers[1]),
        REQUEST(COMPLETED), {STEP_STOP}};
    struct parts_world w = {.opens = true};
    struct span document;

    open_world(&w, script, S3_ETAG_MD5);
    run(&w);
    assert_int_equal(w.answer.result, REPLICA_STORED);
    assert_string_equal(w.answer.etag, "\"x-2\"");
    assert_int_equal(w.progress, BODY);
    server_join(&w.base.server);
    world_check_head(&w.base, "POST", "/" TEST_REMOTE "/k", "uploadId=u1");
    document = (struct span){w.base.server.got + w.base.server.head_bytes,
                             w.base.server.got_bytes - w.base.server.head_bytes};
    assert_non_null(memmem(document.at, document.len, "<PartNumber>2<", 14));
    assert_null(memmem(document.at, document.len, "<PartNumber>3", 13));
    world_close(&w.base);
}

static void nothing_is_completed_before_the_barrier(void **state)
{
    static const struct script_step script[] = {
        {STEP_ACCEPT},    REQUEST(CREATED), REQUEST(part_answers[0]), REQUEST(part_answers[1]),
        REQUEST(ABORTED), {STEP_STOP}};
    struct parts_world w = {.opens = false};

    open_world(&w, script, S3_ETAG_MD5);
    start(&w);
    loop_run(w.base.loop);
    while (w.call->parts.from < BODY)
        world_turn(&w.base);
    world_turn(&w.base);
    assert_null(w.call->parts.step);
    assert_int_equal(w.dones, 0);
    assert_int_equal(replica_call_abandon(w.base.replica, w.call), REPLICA_MISSED);
    wait_for_the_abort(&w);
    assert_int_equal(w.dones, 0);
    world_close(&w.base);
}

static void a_step_that_fails_is_a_miss_and_leaves_nothing_behind(void **state)
{
    static const struct script_step refused_part[] = {
        {STEP_ACCEPT},    REQUEST(CREATED), REQUEST(part_answers[0]),
        REQUEST(REFUSED), REQUEST(ABORTED), {STEP_STOP}};
    static const struct script_step damaged_part[] = {
        {STEP_ACCEPT},       REQUEST(CREATED), REQUEST(part_answers[0]),
        REQUEST(WRONG_PART), REQUEST(ABORTED), {STEP_STOP}};
    static const struct script_step refused_complete[] = {{STEP_ACCEPT},
                                                          REQUEST(CREATED),
                                                          REQUEST(part_answers[0]),
                                                          REQUEST(part_answers[1]),
                                                          REQUEST(REFUSED),
                                                          REQUEST(ABORTED),
                                                          {STEP_STOP}};
    static const struct {
        const struct script_step *script;
        unsigned status;
        enum err error;
    } rows[] = {
        {refused_part, 403, ERR_OK}, {damaged_part, 0, ERR_MISMATCH}, {refused_complete, 403, ERR_OK}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct parts_world w = {.opens = true};

        open_world(&w, rows[i].script, S3_ETAG_MD5);
        run(&w);
        assert_int_equal(w.answer.result, REPLICA_MISSED);
        assert_int_equal(w.answer.status, rows[i].status);
        assert_int_equal(w.answer.error, rows[i].error);
        wait_for_the_abort(&w);
        world_close(&w.base);
    }
}

static void an_upload_that_is_not_created_is_a_miss(void **state)
{
    static const struct script_step script[] = {{STEP_ACCEPT}, REQUEST(REFUSED), {STEP_STOP}};
    struct parts_world w = {.opens = true};

    open_world(&w, script, S3_ETAG_MD5);
    run(&w);
    assert_int_equal(w.answer.result, REPLICA_MISSED);
    assert_int_equal(w.answer.status, 403);
    assert_int_equal(w.progress, 0);
    server_join(&w.base.server);
    world_close(&w.base);
}

static void etags_that_are_no_md5_are_not_compared(void **state)
{
    static const struct script_step script[] = {{STEP_ACCEPT},       REQUEST(CREATED),   REQUEST(WRONG_PART),
                                                REQUEST(WRONG_PART), REQUEST(COMPLETED), {STEP_STOP}};
    struct parts_world w = {.opens = true};

    open_world(&w, script, S3_ETAG_SINGLE);
    run(&w);
    assert_int_equal(w.answer.result, REPLICA_STORED);
    server_join(&w.base.server);
    world_close(&w.base);
}

static void a_complete_without_an_answer_is_unresolved(void **state)
{
    static const struct script_step script[] = {{STEP_ACCEPT},
                                                REQUEST(CREATED),
                                                REQUEST(part_answers[0]),
                                                REQUEST(part_answers[1]),
                                                {STEP_ALL_BUT, .n = 0},
                                                {STEP_RESET},
                                                {STEP_STOP}};
    struct parts_world w = {.opens = true};

    open_world(&w, script, S3_ETAG_MD5);
    run(&w);
    assert_int_equal(w.answer.result, REPLICA_UNRESOLVED);
    server_join(&w.base.server);
    world_close(&w.base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_upload_is_completed_behind_the_barrier),
        cmocka_unit_test(nothing_is_completed_before_the_barrier),
        cmocka_unit_test(a_step_that_fails_is_a_miss_and_leaves_nothing_behind),
        cmocka_unit_test(an_upload_that_is_not_created_is_a_miss),
        cmocka_unit_test(etags_that_are_no_md5_are_not_compared),
        cmocka_unit_test(a_complete_without_an_answer_is_unresolved),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
