/* HEAD, GET and the calls on a bucket, on a scripted S3 server. */
#include "base/log.h"
#include "world.h"

#include <stdio.h>

#define STAMP_TEXT "01j00000000000000000000000"
#define KEY_PATH   "/" TEST_REMOTE "/dir/k%20y"

struct read_world {
    struct world base;
    struct replica_call *call;
    int heads, dones;
    enum err error;
    unsigned status;
    struct replica_object object;
    struct replica_answer answer; /* of a bucket call */
    char content_type[64];
    char body[4096];
    size_t body_bytes;
    bool reading_paused; /* the owner takes nothing for now */
    enum { GO_ON, ABANDON_AT_HEAD, ABANDON_AT_BODY } plan;
};

static void open_world(struct read_world *w, const char *region, const struct script_step *script)
{
    *w = (struct read_world){0};
    world_open(&w->base, region, S3_BARRIER_TRAILER);
    server_run(&w->base.server, script);
}

static void run_to_done(struct read_world *w)
{
    while (!w->dones)
        loop_run(w->base.loop);
}

static void close_world(struct read_world *w)
{
    server_join(&w->base.server);
    world_close(&w->base);
}

/* One request on one connection, answered with this. */
#define ANSWER_ONCE(answer)                                                                                  \
    {                                                                                                        \
        {STEP_ACCEPT}, {STEP_ALL_BUT, .n = 0}, {STEP_SEND, .text = (answer)}, {STEP_SHUT},                   \
        {                                                                                                    \
            STEP_STOP                                                                                        \
        }                                                                                                    \
    }

static void head_done(void *ctx, enum err error, unsigned status, const struct replica_object *object)
{
    struct read_world *w = ctx;

    assert_non_null(w->call);
    assert_int_equal(w->dones++, 0);
    w->error = error;
    w->status = status;
    w->object = *object;
    loop_stop(w->base.loop);
}

static void start_head(struct read_world *w)
{
    static const struct replica_head_events events = {.done = head_done};

    assert_int_equal(replica_head_start(w->base.replica, &w->call, SPAN("dir/k y"), &events, w), ERR_OK);
    assert_int_equal(w->dones, 0);
}

static void what_a_head_shows(void **state)
{
    static const struct {
        const char *answer;
        enum err error;
        unsigned status;
        bool exists, stamped;
        uint64_t body_bytes;
        const char *etag, *last_modified;
    } rows[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 5000000000\r\nETag: \"abc\"\r\nLast-Modified: Sun, 22 Nov "
         "2026\r\n"
         "X-Amz-Meta-S3mirror-Stamp: " STAMP_TEXT "\r\n\r\n",
         ERR_OK, 200, true, true, 5000000000, "\"abc\"", "Sun, 22 Nov 2026"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ERR_OK, 200, true, false, 0, "", ""},
        {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nx-amz-meta-s3mirror-stamp: somebody else's\r\n\r\n", ERR_OK,
         200, true, false, 1, "", ""},
        {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nETag: \"0123456789012345678901234567890123456789"
         "0123456789012345678901234567890123456789\"\r\n\r\n",
         ERR_OK, 200, true, false, 1, "", ""},
        {"HTTP/1.1 404 Not Found\r\n\r\n", ERR_OK, 404, false, false, 0, "", ""},
        {"HTTP/1.1 200 OK\r\n\r\n", ERR_PROTOCOL, 200, true, false, 0, "", ""},
        {"HTTP/1.1 403 Forbidden\r\nContent-Length: 300\r\n\r\n", ERR_UNAVAILABLE, 403, false, false, 0, "",
         ""},
        {"HTTP/1.1 301 Moved\r\n\r\n", ERR_UNAVAILABLE, 301, false, false, 0, "", ""},
        {"HTTP/1.1 503 Slow Down\r\n\r\n", ERR_UNAVAILABLE, 503, false, false, 0, "", ""},
        {"gopher\r\n\r\n", ERR_PROTOCOL, 0, false, false, 0, "", ""},
        {"", ERR_RESET, 0, false, false, 0, "", ""},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct script_step script[] = ANSWER_ONCE(rows[i].answer);
        struct read_world w;

        open_world(&w, "us-east-1", script);
        start_head(&w);
        run_to_done(&w);
        assert_int_equal(w.error, rows[i].error);
        assert_int_equal(w.status, rows[i].status);
        assert_int_equal(w.object.exists, rows[i].exists);
        assert_int_equal(w.object.stamped, rows[i].stamped);
        assert_int_equal(w.object.body_bytes, rows[i].body_bytes);
        assert_string_equal(w.object.etag, rows[i].etag);
        assert_string_equal(w.object.last_modified, rows[i].last_modified);
        server_join(&w.base.server);
        world_check_head(&w.base, "HEAD", KEY_PATH, "");
        world_close(&w.base);
    }
}

static void a_head_may_be_given_up(void **state)
{
    static const struct script_step script[] = {
        {STEP_ACCEPT}, {STEP_ALL_BUT}, {STEP_TELL}, {STEP_END}, {STEP_STOP}};
    struct read_world w;

    open_world(&w, "us-east-1", script);
    w.base.server.told = tell_stop;
    start_head(&w);
    loop_run(w.base.loop);
    (void)replica_call_abandon(w.base.replica, w.call);
    world_turn(&w.base);
    assert_int_equal(w.dones, 0);
    assert_int_equal(w.base.health->failures, 0);
    close_world(&w);
}

static void get_head(void *ctx, const struct http_head *head, const struct replica_object *object)
{
    struct read_world *w = ctx;
    const struct span *type = http_header(head, "content-type");

    assert_int_equal(w->heads++, 0);
    w->status = head->status;
    w->object = *object;
    if (type)
        memcpy(w->content_type, type->at, type->len);
    if (w->plan == ABANDON_AT_HEAD)
        (void)replica_call_abandon(w->base.replica, w->call);
}

static void read_on(struct read_world *w)
{
    size_t got;

    /* Small bites, so that a body takes several. */
    while (replica_get_read(w->base.replica, w->call, w->body + w->body_bytes, 7, &got) == ERR_OK)
        w->body_bytes += got;
}

static void get_body(void *ctx)
{
    struct read_world *w = ctx;

    assert_int_equal(w->heads, 1);
    if (w->plan == ABANDON_AT_BODY)
        (void)replica_call_abandon(w->base.replica, w->call);
    else if (w->reading_paused)
        loop_stop(w->base.loop);
    else
        read_on(w);
}

static void get_done(void *ctx, enum err error)
{
    struct read_world *w = ctx;

    assert_int_equal(w->plan, GO_ON);
    assert_int_equal(w->dones++, 0);
    w->error = error;
    loop_stop(w->base.loop);
}

static void start_get(struct read_world *w, bool head_only)
{
    static const struct replica_get_events events = {.head = get_head, .body = get_body, .done = get_done};
    struct http_header headers[] = {{SPAN("Range"), SPAN("bytes=2-6")}, {SPAN("If-Match"), SPAN("\"abc\"")}};
    const struct replica_get get = {
        .key = SPAN("dir/k y"), .head_only = head_only, .headers = headers, .header_count = 2};

    assert_int_equal(replica_get_start(w->base.replica, &w->call, &get, &events, w), ERR_OK);
    assert_int_equal(w->heads, 0);
    memset(headers, 0, sizeof(headers));
}

#define TIMES_4(text)  text text text text
#define TIMES_64(text) TIMES_4(TIMES_4(TIMES_4(text)))

#define NO_BUCKET      "<Error><Code>NoSuchBucket</Code></Error>"

static void what_a_get_delivers(void **state)
{
    static const struct {
        const char *answer;
        enum err error;
        unsigned status; /* 0: no head is delivered */
        bool exists;
        uint64_t object_bytes;
        const char *body;
        bool sound;
    } rows[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nContent-Type: a/b\r\nETag: \"abc\"\r\n\r\n0123456789",
         ERR_OK, 200, true, 10, "0123456789", true},
        {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ERR_OK, 200, true, 0, "", true},
        {"HTTP/1.1 206 Partial Content\r\nContent-Length: 5\r\nContent-Range: bytes 2-6/1234\r\n\r\n23456",
         ERR_OK, 206, true, 1234, "23456", true},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Range: bytes 2-6/10\r\n\r\n23456", ERR_OK, 200,
         true, 10, "23456", true},
        {"HTTP/1.1 304 Not Modified\r\nETag: \"abc\"\r\n\r\n", ERR_OK, 304, false, 0, "", true},
        {"HTTP/1.1 404 Not Found\r\nContent-Length: 40\r\n\r\n" NO_BUCKET, ERR_OK, 404, false, 0, NO_BUCKET,
         true},
        {"HTTP/1.1 412 Precondition Failed\r\nContent-Length: 0\r\n\r\n", ERR_OK, 412, false, 0, "", true},
        {"HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\n\r\n", ERR_OK, 416, false, 0, "", true},
        {"HTTP/1.1 500 Oops\r\nContent-Length: 2\r\n\r\n:(", ERR_OK, 500, false, 0, ":(", false},
        {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234", ERR_RESET, 200, true, 10, "01234", false},
        /* An object of unknown size is not delivered. */
        {"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n0123456789", ERR_PROTOCOL, 0, false, 0, "", false},
        {"HTTP/1.1 206 Partial Content\r\nContent-Length: 5\r\nContent-Range: bytes 2-6/*\r\n\r\n23456",
         ERR_PROTOCOL, 0, false, 0, "", false},
        {"HTTP/1.1 206 Partial Content\r\nContent-Length: 5\r\nContent-Range: bytes 2-6\r\n\r\n23456",
         ERR_PROTOCOL, 0, false, 0, "", false},
        /* Nor one that is longer than it should be. */
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n0123456", ERR_PROTOCOL, 200, true, 5, "", false},
        {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n0", ERR_PROTOCOL, 0, false, 0, "", false},
        /* Interim answers, however many. */
        {TIMES_64("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n") "HTTP/1.1 200 OK\r\nContent-Length: "
                                                                    "3\r\n\r\n012",
         ERR_OK, 200, true, 3, "012", true},
        /* What no server should say. */
        {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nETag: \"a\001\"\r\n\r\n0", ERR_PROTOCOL, 0, false, 0, "",
         false},
        {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nETag: \"a\rb\"\r\n\r\n0", ERR_PROTOCOL, 0, false, 0, "",
         false},
        {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nETag\177: \"a\"\r\n\r\n0", ERR_PROTOCOL, 0, false, 0, "",
         false},
        {"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n0", ERR_PROTOCOL, 0, false, 0, "", false},
        {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n01", ERR_PROTOCOL, 0, false, 0, "",
         false},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n1\r\n0\r\n0\r\n\r\n", ERR_PROTOCOL, 0,
         false, 0, "", false},
        {"220 ready\r\n\r\n", ERR_PROTOCOL, 0, false, 0, "", false},
        {"", ERR_RESET, 0, false, 0, "", false},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct script_step script[] = ANSWER_ONCE(rows[i].answer);
        struct read_world w;

        open_world(&w, "us-east-1", script);
        start_get(&w, false);
        run_to_done(&w);
        if (w.error != rows[i].error)
            fail_msg("row %zu: %s", i, err_name(w.error));
        assert_int_equal(w.heads, rows[i].status != 0);
        assert_int_equal(w.status, rows[i].status);
        assert_int_equal(w.object.exists, rows[i].exists);
        assert_int_equal(w.object.body_bytes, rows[i].object_bytes);
        assert_int_equal(w.body_bytes, strlen(rows[i].body));
        assert_memory_equal(w.body, rows[i].body, w.body_bytes);
        assert_int_equal(w.base.health->failures, !rows[i].sound);
        server_join(&w.base.server);
        world_check_head(&w.base, "GET", KEY_PATH, "");
        assert_field(&w.base, "range", "bytes=2-6");
        assert_field(&w.base, "if-match", "\"abc\"");
        world_close(&w.base);
    }
}

static void a_clients_head_has_a_head_and_no_body(void **state)
{
    static const struct script_step script[] =
        ANSWER_ONCE("HTTP/1.1 200 OK\r\nContent-Length: 10\r\nContent-Type: a/b\r\nETag: \"abc\"\r\n\r\n");
    struct read_world w;

    open_world(&w, "us-east-1", script);
    start_get(&w, true);
    run_to_done(&w);
    assert_int_equal(w.error, ERR_OK);
    assert_int_equal(w.heads, 1);
    assert_int_equal(w.object.body_bytes, 10);
    assert_string_equal(w.content_type, "a/b");
    server_join(&w.base.server);
    world_check_head(&w.base, "HEAD", KEY_PATH, "");
    world_close(&w.base);
}

static void a_body_waits_for_its_reader(void **state)
{
    static const struct script_step script[] =
        ANSWER_ONCE("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789");
    struct read_world w;

    open_world(&w, "us-east-1", script);
    w.reading_paused = true;
    start_get(&w, false);
    loop_run(w.base.loop);
    world_turn(&w.base);
    assert_int_equal(w.body_bytes, 0);
    assert_int_equal(w.dones, 0);
    read_on(&w);
    assert_int_equal(w.dones, 0); /* never from inside a call of the owner's */
    w.reading_paused = false;
    run_to_done(&w);
    assert_int_equal(w.error, ERR_OK);
    assert_int_equal(w.body_bytes, 10);
    close_world(&w);
}

static void a_get_may_be_given_up_from_inside_its_callbacks(void **state)
{
    static const struct script_step script[] = {
        {STEP_ACCEPT},
        {STEP_ALL_BUT},
        {STEP_SEND, .text = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234"},
        {STEP_END},
        {STEP_TELL},
        {STEP_STOP}};

    for (int plan = ABANDON_AT_HEAD; plan <= ABANDON_AT_BODY; plan++) {
        struct read_world w;

        open_world(&w, "us-east-1", script);
        w.base.server.told = tell_stop;
        w.plan = plan;
        start_get(&w, false);
        loop_run(w.base.loop);
        assert_int_equal(w.dones, 0);
        assert_int_equal(w.base.health->failures, 0);
        server_join(&w.base.server);
        assert_true(w.base.server.reset);
        world_close(&w.base);
    }
}

/* Who reads gives it up then: its answer is nothing for a client. That is no reason to think well of the backend. */
static void a_5xx_counts_against_the_backend_though_nobody_reads_it(void **state)
{
    static const struct {
        const char *answer;
        uint32_t failures;
    } rows[] = {
        {"HTTP/1.1 503 Slow Down\r\nContent-Length: 10\r\n\r\n01234", 1},
        {"HTTP/1.1 403 Forbidden\r\nContent-Length: 10\r\n\r\n01234", 0},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct script_step script[] = {
            {STEP_ACCEPT}, {STEP_ALL_BUT}, {STEP_SEND, .text = rows[i].answer},
            {STEP_END},    {STEP_TELL},    {STEP_STOP}};
        struct read_world w;

        open_world(&w, "us-east-1", script);
        w.base.server.told = tell_stop;
        w.plan = ABANDON_AT_HEAD;
        start_get(&w, false);
        loop_run(w.base.loop);
        assert_int_equal(w.heads, 1);
        assert_int_equal(w.base.health->failures, rows[i].failures);
        close_world(&w);
    }
}

/* The server had closed the kept connection: a read is sent again, unseen. */
static void a_read_survives_a_stale_connection(void **state)
{
    static const struct script_step script[] = {
        {STEP_ACCEPT},
        {STEP_ALL_BUT},
        {STEP_SEND, .text = "HTTP/1.1 404 Not Found\r\nContent-Length: 40\r\n\r\n"},
        {STEP_ALL_BUT},
        {STEP_RESET},
        {STEP_ACCEPT},
        {STEP_ALL_BUT},
        {STEP_SEND, .text = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"},
        {STEP_STOP}};
    struct read_world w;

    open_world(&w, "us-east-1", script);
    start_head(&w);
    run_to_done(&w);
    assert_false(w.object.exists);
    w.dones = 0;
    start_head(&w);
    run_to_done(&w);
    assert_int_equal(w.error, ERR_OK);
    assert_true(w.object.exists);
    assert_int_equal(w.base.server.requests, 3);
    close_world(&w);
}

static void bucket_done(void *ctx, const struct replica_answer *answer)
{
    struct read_world *w = ctx;

    assert_int_equal(w->dones++, 0);
    w->answer = *answer;
    loop_stop(w->base.loop);
}

#define DOCUMENT(status, body) "HTTP/1.1 " status " X\r\nConnection: close\r\n\r\n" body
#define BARE(status)           "HTTP/1.1 " status " X\r\nContent-Length: 0\r\n\r\n"
#define LIST(inside)                                                                                         \
    "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>b</Name>" inside              \
    "</ListBucketResult>"
#define OWNED "<Error><Code>BucketAlreadyOwnedByYou</Code></Error>"
#define TAKEN "<Error><Code>BucketAlreadyExists</Code></Error>"
#define FULL  "<Error><Code>BucketNotEmpty</Code></Error>"

static const struct {
    enum replica_bucket_op op;
    const char *answer;
    enum replica_result result;
    enum err error;
    unsigned status;
    const char *code;
} bucket_rows[] = {
    {REPLICA_BUCKET_CREATE, BARE("200"), REPLICA_STORED, ERR_OK, 200, ""},
    {REPLICA_BUCKET_CREATE, DOCUMENT("409", OWNED), REPLICA_STORED, ERR_OK, 409, "BucketAlreadyOwnedByYou"},
    {REPLICA_BUCKET_CREATE, DOCUMENT("409", TAKEN), REPLICA_MISSED, ERR_OK, 409, "BucketAlreadyExists"},
    {REPLICA_BUCKET_CREATE, DOCUMENT("200", TAKEN), REPLICA_UNRESOLVED, ERR_OK, 200, "BucketAlreadyExists"},
    {REPLICA_BUCKET_CREATE, BARE("403"), REPLICA_MISSED, ERR_OK, 403, ""},
    {REPLICA_BUCKET_CREATE, BARE("503"), REPLICA_UNRESOLVED, ERR_OK, 503, ""},
    {REPLICA_BUCKET_CREATE, "", REPLICA_UNRESOLVED, ERR_RESET, 0, ""},
    {REPLICA_BUCKET_HEAD, BARE("200"), REPLICA_STORED, ERR_OK, 200, ""},
    {REPLICA_BUCKET_HEAD, BARE("404"), REPLICA_MISSED, ERR_OK, 404, ""},
    {REPLICA_BUCKET_HEAD, BARE("503"), REPLICA_MISSED, ERR_OK, 503, ""},
    {REPLICA_BUCKET_HEAD, "", REPLICA_MISSED, ERR_RESET, 0, ""},
    {REPLICA_BUCKET_DELETE, "HTTP/1.1 204 No Content\r\n\r\n", REPLICA_STORED, ERR_OK, 204, ""},
    {REPLICA_BUCKET_DELETE, DOCUMENT("404", NO_BUCKET), REPLICA_STORED, ERR_OK, 404, "NoSuchBucket"},
    {REPLICA_BUCKET_DELETE, DOCUMENT("409", FULL), REPLICA_MISSED, ERR_OK, 409, "BucketNotEmpty"},
    {REPLICA_BUCKET_DELETE, BARE("500"), REPLICA_UNRESOLVED, ERR_OK, 500, ""},
    {REPLICA_BUCKET_EMPTY, DOCUMENT("200", LIST("<KeyCount>0</KeyCount>")), REPLICA_STORED, ERR_OK, 200, ""},
    {REPLICA_BUCKET_EMPTY, DOCUMENT("200", LIST("<Contents><Key>k</Key></Contents>")), REPLICA_MISSED, ERR_OK,
     200, ""},
    {REPLICA_BUCKET_EMPTY, DOCUMENT("200", "<html/>"), REPLICA_MISSED, ERR_PROTOCOL, 200, ""},
    {REPLICA_BUCKET_EMPTY, BARE("200"), REPLICA_MISSED, ERR_PROTOCOL, 200, ""},
    {REPLICA_BUCKET_EMPTY, DOCUMENT("404", NO_BUCKET), REPLICA_MISSED, ERR_OK, 404, "NoSuchBucket"},
    {REPLICA_BUCKET_EMPTY, BARE("500"), REPLICA_MISSED, ERR_OK, 500, ""},
};

static void start_bucket(struct read_world *w, enum replica_bucket_op op)
{
    static const struct replica_bucket_events events = {.done = bucket_done};

    assert_int_equal(replica_bucket_start(w->base.replica, &w->call, op, &events, w), ERR_OK);
}

static void what_bucket_calls_ask_and_what_the_answers_mean(void **state)
{
    static const struct {
        const char *method, *query;
    } requests[] = {
        [REPLICA_BUCKET_CREATE] = {"PUT", ""},
        [REPLICA_BUCKET_HEAD] = {"HEAD", ""},
        [REPLICA_BUCKET_DELETE] = {"DELETE", ""},
        [REPLICA_BUCKET_EMPTY] = {"GET", "max-keys=1"},
    };

    for (size_t i = 0; i < sizeof(bucket_rows) / sizeof(bucket_rows[0]); i++) {
        const struct script_step script[] = ANSWER_ONCE(bucket_rows[i].answer);
        enum replica_bucket_op op = bucket_rows[i].op;
        struct read_world w;

        open_world(&w, "us-east-1", script);
        start_bucket(&w, op);
        run_to_done(&w);
        if (w.answer.result != bucket_rows[i].result || w.answer.error != bucket_rows[i].error)
            fail_msg("row %zu: result %d, error %s", i, w.answer.result, err_name(w.answer.error));
        assert_int_equal(w.answer.status, bucket_rows[i].status);
        assert_string_equal(w.answer.code, bucket_rows[i].code);
        server_join(&w.base.server);
        world_check_head(&w.base, requests[op].method, "/" TEST_REMOTE, requests[op].query);
        assert_int_equal(w.base.head.length, 0);
        world_close(&w.base);
    }
}

static void a_bucket_elsewhere_is_created_with_its_region(void **state)
{
    static const struct script_step script[] = ANSWER_ONCE(BARE("200"));
    static const char body[] =
        "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
        "<LocationConstraint>eu-west-9</LocationConstraint></CreateBucketConfiguration>";
    struct read_world w;
    char hex[2 * SHA256_BYTES + 1] = "";
    uint8_t hash[SHA256_BYTES];

    open_world(&w, "eu-west-9", script);
    start_bucket(&w, REPLICA_BUCKET_CREATE);
    run_to_done(&w);
    assert_int_equal(w.answer.result, REPLICA_STORED);
    server_join(&w.base.server);
    world_check_head(&w.base, "PUT", "/" TEST_REMOTE, "");
    assert_string_equal(w.base.server.got + w.base.server.head_bytes, body);
    sha256_of(SPAN(body), hash);
    hex_encode(hash, sizeof(hash), hex);
    assert_field(&w.base, "x-amz-content-sha256", hex);
    world_close(&w.base);
}

static void stop_when_closed(void *ctx, struct health *h)
{
    if (health_usable(h))
        loop_stop(ctx);
}

/* Also when the bucket is not there: the backend answers. */
static void a_probe_brings_the_backend_back(void **state)
{
    static const struct script_step script[] = ANSWER_ONCE(BARE("404"));
    struct read_world w;

    open_world(&w, "us-east-1", script);
    w.base.health->probe_ms = 1;
    w.base.health->ctx = w.base.loop;
    w.base.health->on_change = stop_when_closed;
    health_stalled(w.base.health);
    assert_false(replica_usable(w.base.replica));
    w.base.health->probe_ms = 60000; /* time for the answer */
    loop_run(w.base.loop);
    assert_true(replica_usable(w.base.replica));
    server_join(&w.base.server);
    world_check_head(&w.base, "HEAD", "/" TEST_REMOTE, "");
    world_close(&w.base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_head_shows),
        cmocka_unit_test(a_head_may_be_given_up),
        cmocka_unit_test(what_a_get_delivers),
        cmocka_unit_test(a_clients_head_has_a_head_and_no_body),
        cmocka_unit_test(a_body_waits_for_its_reader),
        cmocka_unit_test(a_get_may_be_given_up_from_inside_its_callbacks),
        cmocka_unit_test(a_5xx_counts_against_the_backend_though_nobody_reads_it),
        cmocka_unit_test(a_read_survives_a_stale_connection),
        cmocka_unit_test(what_bucket_calls_ask_and_what_the_answers_mean),
        cmocka_unit_test(a_bucket_elsewhere_is_created_with_its_region),
        cmocka_unit_test(a_probe_brings_the_backend_back),
    };

    alarm(100); /* a test that waits for ever fails here */
    log_setup(LOG_ERROR, LOG_LOGFMT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
