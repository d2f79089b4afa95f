/* Puts and deletes on a scripted S3 server: what leaves before and after the barrier, to the byte, and what each way of
 * ending means. */
#include "base/chunk.h"
#include "base/log.h"
#include "world.h"

#include <fcntl.h>
#include <stdio.h>

enum {
    LARGE_BYTES = 2 * CHUNK_BYTES + 12345,
    TRAILER_BYTES = 2 + 3 + 21 + 8 + 4, /* CRLF, last chunk, name, base64, CRLF CRLF */
    PIECE_BYTES = 100 * 1000, /* the owner's memory comes in pieces that are no divisor of a frame */
};

static char *content; /* LARGE_BYTES of them */
static const struct stamp the_stamp = {{0x01, 0x8f, 0x42, 0x42, 0x42, 0x42}};

/* How a write goes over the wire. */
enum form { FORM_EMPTY, FORM_SMALL, FORM_FRAMES, FORM_PLAIN, FORM_LENGTH, FORM_DELETE, FORM_COUNT };
static const struct {
    const char *name;
    size_t body_bytes;
    bool has_sha256;
    enum s3_barrier barrier;
    size_t held_bytes; /* SIZE_MAX: the whole request */
} forms[FORM_COUNT] = {
    [FORM_EMPTY] = {"empty", 0, false, S3_BARRIER_TRAILER, SIZE_MAX},
    [FORM_SMALL] = {"small", CHUNK_BYTES, true, S3_BARRIER_TRAILER, SIZE_MAX},
    [FORM_FRAMES] = {"frames", LARGE_BYTES, true, S3_BARRIER_TRAILER, TRAILER_BYTES},
    [FORM_PLAIN] = {"plain", LARGE_BYTES, true, S3_BARRIER_HASH, 1},
    [FORM_LENGTH] = {"length", LARGE_BYTES, false, S3_BARRIER_LENGTH, 1},
    [FORM_DELETE] = {"delete", 0, false, S3_BARRIER_TRAILER, SIZE_MAX},
};

struct put_world {
    struct world base;
    enum form form;
    struct replica_call *call;
    size_t there;      /* body bytes the owner has */
    struct timer feed; /* and gets more of them */
    uint64_t progress;
    bool abandon_when_dry; /* it is given up when the body is asked for and is not there */
    size_t abandon_at;     /* progress at which it is given up, from inside the callback */
    int dones;
    struct replica_answer answer;
    bool abandoned, scripted;
    enum replica_result abandon_result;
};

static struct put_world *put_world_of(struct scripted_server *s)
{
    return LIST_ENTRY(world_of(s), struct put_world, base);
}

static enum err peek(void *ctx, uint64_t offset, struct iovec *iov, int *count)
{
    struct put_world *w = ctx;
    int room = *count;

    assert_in_range(offset, w->progress, w->there);
    assert_true(offset < forms[w->form].body_bytes);
    for (*count = 0; *count < room && offset < w->there; (*count)++) {
        size_t n = PIECE_BYTES - offset % PIECE_BYTES;

        if (n > w->there - offset)
            n = w->there - offset;
        iov[*count] = (struct iovec){content + offset, n};
        offset += n;
    }
    if (*count == 0 && w->abandon_when_dry)
        clock_start(loop_clock(w->base.loop), &w->feed, 0);
    return *count ? ERR_OK : ERR_AGAIN;
}

static uint32_t crc_of_body(const struct put_world *w)
{
    return crc32_add(0, content, forms[w->form].body_bytes);
}

static void open_barrier(struct put_world *w)
{
    replica_put_open(w->base.replica, w->call, crc_of_body(w));
}

static void abandon(struct put_world *w)
{
    assert_int_equal(w->dones, 0);
    w->abandon_result = replica_call_abandon(w->base.replica, w->call);
    w->call = NULL;
    w->abandoned = true;
}

static void on_progress(void *ctx, uint64_t offset)
{
    struct put_world *w = ctx;

    assert_int_equal(w->dones, 0);
    assert_false(w->abandoned);
    assert_in_range(offset, w->progress + 1, w->there);
    w->progress = offset;
    if (w->abandon_at && offset >= w->abandon_at)
        abandon(w);
}

static void on_done(void *ctx, const struct replica_answer *answer)
{
    struct put_world *w = ctx;

    assert_non_null(w->call); /* never from inside the start */
    assert_false(w->abandoned);
    assert_int_equal(w->dones++, 0);
    w->answer = *answer;
    loop_stop(w->base.loop);
}

static const struct http_header stored[] = {
    {{"Content-Type", 12}, {"text/plain", 10}},
    {{"X-Amz-Meta-Colour", 17}, {"dark  red", 9}},
};

#define KEY      "a b/\xc3\xa4+%"
#define KEY_PATH "/" TEST_REMOTE "/a%20b/%C3%A4%2B%25"

static void open_world(struct put_world *w, enum form form, const struct script_step *script)
{
    *w = (struct put_world){.form = form, .there = forms[form].body_bytes};
    world_open(&w->base, "us-east-1", forms[form].barrier);
    w->scripted = script != NULL;
    if (script)
        server_run(&w->base.server, script);
}

static void start(struct put_world *w)
{
    static const struct replica_body body = {.peek = peek};
    struct replica_put_events events = {.progress = on_progress, .done = on_done};
    char key[] = KEY, etag[] = "\"old\"";
    struct http_header headers[2];
    struct replica_put put = {.key = {key, sizeof(key) - 1},
                              .headers = headers,
                              .header_count = 2,
                              .stamped = true,
                              .stamp = the_stamp,
                              .body_bytes = forms[w->form].body_bytes,
                              .has_sha256 = forms[w->form].has_sha256,
                              .body = &body,
                              .if_match = etag};

    memcpy(headers, stored, sizeof(stored));
    if (put.has_sha256)
        sha256_of((struct span){content, put.body_bytes}, put.sha256);
    w->call = NULL;
    w->dones = 0;
    w->progress = 0;
    if (w->form == FORM_DELETE)
        assert_int_equal(replica_delete_start(w->base.replica, &w->call, put.key, &events, w), ERR_OK);
    else
        assert_int_equal(replica_put_start(w->base.replica, &w->call, &put, &events, w), ERR_OK);
    assert_non_null(w->call);
    assert_int_equal(w->dones, 0);
    /* All of that was copied. */
    memset(key, '#', sizeof(key));
    memset(etag, '#', sizeof(etag));
    memset(headers, 0, sizeof(headers));
    memset(&events, 0, sizeof(events));
}

/* A write with its whole body at hand and nothing in its way. */
static void start_open(struct put_world *w)
{
    start(w);
    if (w->form != FORM_DELETE)
        open_barrier(w);
    assert_int_equal(w->dones, 0);
}

static void run_to_done(struct put_world *w)
{
    while (!w->dones)
        loop_run(w->base.loop);
}

static void close_world(struct put_world *w)
{
    if (w->scripted)
        server_join(&w->base.server);
    world_close(&w->base);
}

/* The body as it must be on the wire, printed without the code under test. */
static char *expected_body(const struct put_world *w, const char *crc_text, size_t *len)
{
    size_t n = forms[w->form].body_bytes;
    char *out = malloc(n + 1024), *p = out;

    if (w->form != FORM_FRAMES) {
        memcpy(out, content, n);
        *len = n;
        return out;
    }
    for (size_t at = 0; at < n;) {
        size_t frame = n - at < CHUNK_BYTES ? n - at : CHUNK_BYTES;

        p += sprintf(p, "%0*zx\r\n", at ? 12 : 14, frame);
        memcpy(p, content + at, frame);
        p = stpcpy(p + frame, "\r\n");
        at += frame;
    }
    p += sprintf(p, "0\r\nx-amz-checksum-crc32:%s\r\n\r\n", crc_text);
    *len = (size_t)(p - out);
    return out;
}

static void check_payload_fields(struct put_world *w, const char *crc_text)
{
    char sha_text[2 * SHA256_BYTES + 1] = "", bytes[24];
    uint8_t sha[SHA256_BYTES];

    sha256_of((struct span){content, forms[w->form].body_bytes}, sha);
    hex_encode(sha, sizeof(sha), sha_text);
    snprintf(bytes, sizeof(bytes), "%zu", forms[w->form].body_bytes);
    if (w->form == FORM_FRAMES) {
        assert_field(&w->base, "x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER");
        assert_field(&w->base, "x-amz-trailer", "x-amz-checksum-crc32");
        assert_field(&w->base, "x-amz-decoded-content-length", bytes);
        assert_field(&w->base, "x-amz-checksum-crc32", NULL);
        return;
    }
    assert_field(&w->base, "x-amz-content-sha256", forms[w->form].has_sha256 ? sha_text : "UNSIGNED-PAYLOAD");
    assert_field(&w->base, "x-amz-trailer", NULL);
    assert_field(&w->base, "x-amz-decoded-content-length", NULL);
    assert_field(&w->base, "x-amz-checksum-crc32",
                 w->form == FORM_PLAIN || w->form == FORM_LENGTH ? NULL : crc_text);
}

/* The request as the server got it: signature, fields, body to the byte. */
static void check_request(struct put_world *w)
{
    struct scripted_server *s = &w->base.server;
    uint32_t crc = crc_of_body(w);
    const uint8_t crc_bytes[4] = {(uint8_t)(crc >> 24), (uint8_t)(crc >> 16), (uint8_t)(crc >> 8),
                                  (uint8_t)crc};
    char crc_text[BASE64_CRC32_CHARS + 1] = "", host[32], stamp_text[STAMP_CHARS + 1] = "", *body;
    size_t len;

    base64_encode(crc_bytes, 4, crc_text);
    world_check_head(&w->base, w->form == FORM_DELETE ? "DELETE" : "PUT", KEY_PATH, "");
    snprintf(host, sizeof(host), "127.0.0.1:%u", s->port);
    assert_field(&w->base, "host", host);
    assert_field(&w->base, "content-encoding", NULL);
    assert_field(&w->base, "transfer-encoding", NULL);
    if (w->form == FORM_DELETE) {
        assert_int_equal(s->got_bytes, s->head_bytes);
        return;
    }
    stamp_print(&the_stamp, stamp_text);
    assert_field(&w->base, "content-type", "text/plain");
    assert_field(&w->base, "x-amz-meta-colour", "dark  red");
    assert_field(&w->base, "x-amz-meta-s3mirror-stamp", stamp_text);
    assert_field(&w->base, "if-match", "\"old\"");
    check_payload_fields(w, crc_text);
    body = expected_body(w, crc_text, &len);
    assert_int_equal(w->base.head.length, len);
    assert_int_equal(s->got_bytes, s->head_bytes + len);
    assert_memory_equal(s->got + s->head_bytes, body, len);
    free(body);
}

#define OK_ANSWER "HTTP/1.1 200 OK\r\nETag: \"e1\"\r\nContent-Length: 0\r\n\r\n"
static const struct script_step answers_ok[] = {
    {STEP_ACCEPT}, {STEP_ALL_BUT, .n = 0}, {STEP_SEND, .text = OK_ANSWER}, {STEP_STOP}};

static void a_stored_write_is_on_the_wire_to_the_byte(void **state)
{
    for (enum form form = 0; form < FORM_COUNT; form++) {
        struct put_world w;

        open_world(&w, form, answers_ok);
        start_open(&w);
        run_to_done(&w);
        assert_int_equal(w.answer.result, REPLICA_STORED);
        assert_int_equal(w.answer.error, ERR_OK);
        assert_int_equal(w.answer.status, 200);
        assert_string_equal(w.answer.etag, "\"e1\"");
        assert_string_equal(w.answer.code, "");
        assert_int_equal(w.progress, forms[form].body_bytes);
        assert_true(w.base.health->sampled);
        server_join(&w.base.server);
        w.scripted = false;
        check_request(&w);
        close_world(&w);
    }
}

static void feed(struct timer *t)
{
    enum { MORE_BYTES = 77777 };
    struct put_world *w = LIST_ENTRY(t, struct put_world, feed);
    size_t left = forms[w->form].body_bytes - w->there;

    w->there += left < MORE_BYTES ? left : MORE_BYTES;
    replica_put_more(w->base.replica, w->call);
    if (w->there < forms[w->form].body_bytes)
        clock_start(loop_clock(w->base.loop), t, 0);
    else
        open_barrier(w);
}

static void a_body_that_comes_bit_by_bit_arrives_whole(void **state)
{
    static const enum form rows[] = {FORM_SMALL, FORM_FRAMES, FORM_PLAIN, FORM_LENGTH};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct put_world w;

        open_world(&w, rows[i], answers_ok);
        w.there = 0;
        start(&w);
        timer_init(&w.feed, feed);
        clock_start(loop_clock(w.base.loop), &w.feed, 0);
        run_to_done(&w);
        assert_int_equal(w.answer.result, REPLICA_STORED);
        assert_int_equal(w.progress, forms[rows[i]].body_bytes);
        server_join(&w.base.server);
        w.scripted = false;
        check_request(&w);
        close_world(&w);
    }
}

#define ERROR_DOCUMENT(code)                                                                                 \
    "<?xml version=\"1.0\"?>\n<Error><Code>" code "</Code><Message>m</Message></Error>"
#define ANY_ERROR ERR_COUNT

/* What a server does with a request, and what that means when the request was past the barrier. */
struct ending {
    const char *name;
    unsigned status;  /* 0: `raw` as it is */
    const char *body; /* with Content-Length, and ... */
    size_t cut_bytes; /* ... so many bytes of the answer never come */
    const char *raw;
    size_t fill_bytes; /* behind it */
    int kind;          /* of the last step: STEP_STOP, STEP_SHUT, STEP_RESET */
    enum replica_result result;
    enum err error; /* ANY_ERROR: one of a broken connection's */
    const char *code;
    bool sound; /* for the backend's health */
};

static const struct ending endings[] = {
    {"200", 200, "", .result = REPLICA_STORED, .sound = true},
    {"204", .raw = "HTTP/1.1 204 No Content\r\n\r\n", .result = REPLICA_STORED, .sound = true},
    {"200 after a 100", .raw = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
     .result = REPLICA_STORED, .sound = true},
    {"200 until close", .raw = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n<CopyObjectResult/>",
     .kind = STEP_SHUT, .result = REPLICA_STORED, .sound = true},
    {"200 with an error", 200, ERROR_DOCUMENT("InternalError"), .result = REPLICA_UNRESOLVED,
     .code = "InternalError", .sound = true},
    {"200 with an error, chunked",
     .raw = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7\r\n<Error>\r\n8\r\n</Error>\r\n0\r\n\r\n",
     .result = REPLICA_UNRESOLVED, .sound = true},
    {"200 with an error that is no document", 200, "<Error", .result = REPLICA_UNRESOLVED, .sound = true},
    {"200 that breaks off in its body", 200, "<CopyObjectResult></CopyObjectResult>", .cut_bytes = 5,
     .kind = STEP_SHUT, .result = REPLICA_UNRESOLVED, .error = ANY_ERROR},
    {"200 reset in its body", 200, "<CopyObjectResult></CopyObjectResult>", .cut_bytes = 5,
     .kind = STEP_RESET, .result = REPLICA_UNRESOLVED, .error = ANY_ERROR},
    {"200 with a body without end", .raw = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
     .fill_bytes = 70 * 1024, .result = REPLICA_UNRESOLVED, .error = ERR_TOO_LARGE},
    {"301", 301, ERROR_DOCUMENT("PermanentRedirect"), .result = REPLICA_UNRESOLVED,
     .code = "PermanentRedirect", .sound = true},
    {"304", .raw = "HTTP/1.1 304 Not Modified\r\n\r\n", .result = REPLICA_UNRESOLVED, .sound = true},
    {"400", 400, ERROR_DOCUMENT("RequestTimeout"), .result = REPLICA_MISSED, .code = "RequestTimeout",
     .sound = true},
    {"403", 403, ERROR_DOCUMENT("AccessDenied"), .result = REPLICA_MISSED, .code = "AccessDenied",
     .sound = true},
    {"404 of the bucket", 404, ERROR_DOCUMENT("NoSuchBucket"), .result = REPLICA_MISSED,
     .code = "NoSuchBucket", .sound = true},
    {"404 of a proxy", 404, "<html>nothing here</html>", .result = REPLICA_MISSED, .sound = true},
    {"412", 412, ERROR_DOCUMENT("PreconditionFailed"), .result = REPLICA_MISSED, .code = "PreconditionFailed",
     .sound = true},
    {"429", 429, "", .result = REPLICA_MISSED, .sound = true},
    {"403 that breaks off", 403, ERROR_DOCUMENT("AccessDenied"), .cut_bytes = 3, .kind = STEP_SHUT,
     .result = REPLICA_MISSED, .error = ANY_ERROR, .code = "AccessDenied"},
    {"500", 500, ERROR_DOCUMENT("InternalError"), .result = REPLICA_UNRESOLVED, .code = "InternalError"},
    {"503", 503, ERROR_DOCUMENT("SlowDown"), .result = REPLICA_UNRESOLVED, .code = "SlowDown"},
    {"an over-long code", 500, ERROR_DOCUMENT("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJKLMNOPQRSTUVWXYZ"),
     .result = REPLICA_UNRESOLVED},
    {"garbage", .raw = "SSH-2.0-OpenSSH_9.2\r\n\r\n\r\n", .result = REPLICA_UNRESOLVED,
     .error = ERR_PROTOCOL},
    {"half a head", .raw = "HTTP/1.1 200 OK\r\nETag: ", .kind = STEP_SHUT, .result = REPLICA_UNRESOLVED,
     .error = ANY_ERROR},
    {"nothing", .raw = "", .kind = STEP_SHUT, .result = REPLICA_UNRESOLVED, .error = ANY_ERROR},
    {"reset", .raw = "", .kind = STEP_RESET, .result = REPLICA_UNRESOLVED, .error = ANY_ERROR},
};

static const struct ending delete_endings[] = {
    {"404 of the key", 404, ERROR_DOCUMENT("NoSuchKey"), .result = REPLICA_STORED, .code = "NoSuchKey",
     .sound = true},
    {"404 of the key that breaks off", 404, ERROR_DOCUMENT("NoSuchKey"), .cut_bytes = 3, .kind = STEP_SHUT,
     .result = REPLICA_MISSED, .error = ANY_ERROR, .code = "NoSuchKey"},
    {"404 without a word", 404, "", .result = REPLICA_MISSED, .sound = true},
};

/* The script: read (`read`), answer as the row says. `text` holds the answer. */
static void print_script(struct script_step *out, const struct ending *e, struct script_step read,
                         char text[1024])
{
    if (e->status)
        snprintf(text, 1024, "HTTP/1.1 %u X\r\nContent-Length: %zu\r\n\r\n%s", e->status, strlen(e->body),
                 e->body);
    else
        strcpy(text, e->raw);
    text[strlen(text) - e->cut_bytes] = '\0';
    *out++ = (struct script_step){STEP_ACCEPT};
    *out++ = read;
    *out++ = (struct script_step){STEP_SEND, .text = text};
    if (e->fill_bytes)
        *out++ = (struct script_step){STEP_FILL, .n = e->fill_bytes};
    *out++ = (struct script_step){e->kind};
    *out++ = (struct script_step){e->kind == STEP_SHUT ? STEP_END : STEP_STOP};
    *out = (struct script_step){STEP_STOP};
}

static void check_ending(const struct put_world *w, const struct ending *e, enum replica_result result)
{
    bool error_fits = e->error == ANY_ERROR ? w->answer.error != ERR_OK && w->answer.error != ERR_CANCELLED
                                            : w->answer.error == e->error;

    if (w->answer.result != result || !error_fits || strcmp(w->answer.code, e->code ? e->code : "") != 0 ||
        (e->status && w->answer.status != e->status) || w->base.health->failures != !e->sound)
        fail_msg("%s, %s: result %d, error %s, status %u, code %s, failures %u", forms[w->form].name, e->name,
                 w->answer.result, err_name(w->answer.error), w->answer.status, w->answer.code,
                 w->base.health->failures);
}

static void try_ending(enum form form, const struct ending *e)
{
    struct script_step script[SCRIPT_STEPS_MAX];
    struct put_world w;
    char text[1024];

    print_script(script, e, (struct script_step){STEP_ALL_BUT, .n = 0}, text);
    open_world(&w, form, script);
    start_open(&w);
    run_to_done(&w);
    check_ending(&w, e, e->result);
    close_world(&w);
}

static void what_the_answer_to_a_whole_request_means(void **state)
{
    for (enum form form = 0; form < FORM_COUNT; form++)
        for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++)
            try_ending(form, &endings[i]);
    for (size_t i = 0; i < sizeof(delete_endings) / sizeof(delete_endings[0]); i++)
        try_ending(FORM_DELETE, &delete_endings[i]);
}

/* Before the barrier nothing can have been stored, whatever the server says; a success is no answer to it. */
static void an_early_end_is_a_miss(void **state)
{
    static const enum form rows[] = {FORM_FRAMES, FORM_PLAIN};
    static const size_t body_bytes[] = {1, CHUNK_BYTES, LARGE_BYTES - 1};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (size_t k = 0; k < sizeof(endings) / sizeof(endings[0]); k++) {
            struct script_step script[SCRIPT_STEPS_MAX];
            struct ending e = endings[k];
            struct put_world w;
            char text[1024];

            print_script(script, &e, (struct script_step){STEP_BODY, .n = body_bytes[k % 3]}, text);
            if (e.error == ERR_OK && (!e.status || e.status < 300) && e.result != REPLICA_MISSED &&
                !strstr(e.name, "304")) {
                e.error = ERR_PROTOCOL;
                e.sound = false;
            }
            open_world(&w, rows[i], script);
            start(&w);
            run_to_done(&w);
            check_ending(&w, &e, REPLICA_MISSED);
            close_world(&w);
        }
    }
}

/* Nobody listens. */
static void a_refused_connection_is_a_miss(void **state)
{
    for (enum form form = 0; form < FORM_COUNT; form++) {
        struct put_world w;

        open_world(&w, form, NULL);
        close(w.base.server.listener);
        start_open(&w);
        run_to_done(&w);
        assert_int_equal(w.answer.result, REPLICA_MISSED);
        assert_int_equal(w.answer.error, ERR_REFUSED);
        assert_int_equal(w.answer.status, 0);
        assert_int_equal(w.base.health->failures, 1);
        w.base.server.listener = -1;
        close_world(&w);
    }
}

/* What the test does when the server tells that it has come so far. */
static void tell_abandon(struct scripted_server *s, int count)
{
    struct put_world *w = put_world_of(s);

    if (count == 1)
        abandon(w);
    else
        loop_stop(w->base.loop);
}

static void tell_open_then_abandon(struct scripted_server *s, int count)
{
    if (count == 1)
        open_barrier(put_world_of(s));
    else
        tell_abandon(s, count - 1);
}

/* Given up while the server has `server_has` of a request whose barrier is closed: nothing past it ever leaves. */
static void giving_up_before_the_barrier_is_a_miss(void **state)
{
    static const struct {
        enum form form;
        struct script_step read;
        size_t there;
    } rows[] = {
        {FORM_FRAMES, {STEP_BODY, .n = 1}, LARGE_BYTES},
        {FORM_FRAMES, {STEP_BODY, .n = CHUNK_BYTES}, CHUNK_BYTES},
        {FORM_FRAMES, {STEP_ALL_BUT, .n = TRAILER_BYTES}, LARGE_BYTES},
        {FORM_PLAIN, {STEP_BODY, .n = 1}, LARGE_BYTES},
        {FORM_PLAIN, {STEP_ALL_BUT, .n = 1}, LARGE_BYTES},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct script_step script[] = {{STEP_ACCEPT}, rows[i].read, {STEP_TELL},
                                       {STEP_END},    {STEP_TELL},  {STEP_STOP}};
        struct put_world w;

        open_world(&w, rows[i].form, script);
        w.base.server.told = tell_abandon;
        w.there = rows[i].there;
        start(&w);
        loop_run(w.base.loop);
        assert_int_equal(w.abandon_result, REPLICA_MISSED);
        assert_int_equal(w.base.health->failures, 0);
        server_join(&w.base.server);
        w.scripted = false;
        assert_true(w.base.server.reset);
        assert_in_range(w.base.server.got_bytes, w.base.server.head_bytes + 1,
                        server_request_bytes(&w.base.server) - forms[rows[i].form].held_bytes);
        close_world(&w);
    }
}

static void giving_up_past_the_barrier_is_unresolved(void **state)
{
    for (enum form form = 0; form < FORM_COUNT; form++) {
        bool held = forms[form].held_bytes != SIZE_MAX;
        const struct script_step whole[] = {
            {STEP_ACCEPT}, {STEP_ALL_BUT, .n = 0}, {STEP_TELL}, {STEP_END}, {STEP_TELL}, {STEP_STOP}};
        const struct script_step in_two[] = {{STEP_ACCEPT}, {STEP_ALL_BUT, .n = forms[form].held_bytes},
                                             {STEP_TELL},   {STEP_ALL_BUT, .n = 0},
                                             {STEP_TELL},   {STEP_END},
                                             {STEP_TELL},   {STEP_STOP}};
        struct put_world w;

        open_world(&w, form, held ? in_two : whole);
        w.base.server.told = held ? tell_open_then_abandon : tell_abandon;
        if (held)
            start(&w);
        else
            start_open(&w);
        loop_run(w.base.loop);
        assert_true(w.abandoned);
        assert_int_equal(w.abandon_result, REPLICA_UNRESOLVED);
        assert_int_equal(w.dones, 0);
        close_world(&w);
    }
}

/* Of a request that is sent whole, a single body byte is past the barrier. */
static void giving_up_a_small_body_on_its_way_is_unresolved(void **state)
{
    static const struct script_step script[] = {{STEP_ACCEPT}, {STEP_BODY, .n = 1}, {STEP_TELL},
                                                {STEP_END},    {STEP_TELL},         {STEP_STOP}};
    struct put_world w;

    open_world(&w, FORM_SMALL, script);
    w.base.server.told = tell_abandon;
    w.there = 1;
    start_open(&w);
    loop_run(w.base.loop);
    assert_int_equal(w.abandon_result, REPLICA_UNRESOLVED);
    server_join(&w.base.server);
    w.scripted = false;
    assert_true(w.base.server.reset);
    assert_int_equal(w.base.server.got_bytes, w.base.server.head_bytes + 1);
    close_world(&w);
}

/* The answer has begun, but not said all. */
static void giving_up_in_the_middle_of_a_success_is_unresolved(void **state)
{
    for (enum form form = 0; form < FORM_COUNT; form++) {
        const struct script_step script[] = {
            {STEP_ACCEPT},
            {STEP_ALL_BUT, .n = 0},
            {STEP_SEND, .text = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n<Copy"},
            {STEP_TELL},
            {STEP_END},
            {STEP_TELL},
            {STEP_STOP}};
        struct put_world w;

        open_world(&w, form, script);
        w.base.server.told = tell_abandon;
        start_open(&w);
        loop_run(w.base.loop);
        assert_int_equal(w.abandon_result, REPLICA_UNRESOLVED);
        close_world(&w);
    }
}

static bool connected(struct put_world *w)
{
    int fd;

    fcntl(w->base.server.listener, F_SETFL, O_NONBLOCK);
    fd = accept(w->base.server.listener, NULL, NULL);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/* Not even a connection: there is nothing to be sent yet. */
static void a_small_body_leaves_nothing_before_the_barrier(void **state)
{
    static const enum form rows[] = {FORM_EMPTY, FORM_SMALL};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct put_world w;

        open_world(&w, rows[i], NULL);
        start(&w);
        replica_put_more(w.base.replica, w.call);
        world_turn(&w.base);
        assert_false(connected(&w));
        abandon(&w);
        assert_int_equal(w.abandon_result, REPLICA_MISSED);
        world_turn(&w.base);
        assert_false(connected(&w));
        close_world(&w);
    }
}

static void abandon_soon(struct timer *t)
{
    abandon(LIST_ENTRY(t, struct put_world, feed));
}

/* A server stores an empty object when a connection ends right behind the head. Here it ends when the body has been
 * asked for and had nothing. */
static void a_head_never_leaves_without_the_first_body_bytes(void **state)
{
    static const enum form rows[] = {FORM_FRAMES, FORM_PLAIN};
    static const struct script_step script[] = {{STEP_ACCEPT}, {STEP_END}, {STEP_TELL}, {STEP_STOP}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct put_world w;

        open_world(&w, rows[i], script);
        w.base.server.told = tell_stop;
        w.there = 0;
        w.abandon_when_dry = true;
        timer_init(&w.feed, abandon_soon);
        start(&w);
        replica_put_more(w.base.replica, w.call);
        loop_run(w.base.loop);
        assert_int_equal(w.abandon_result, REPLICA_MISSED);
        server_join(&w.base.server);
        w.scripted = false;
        assert_int_equal(w.base.server.got_bytes, 0);
        assert_true(w.base.server.reset);
        close_world(&w);
    }
}

static void it_may_be_given_up_from_inside_progress(void **state)
{
    static const struct {
        enum form form;
        size_t at;
        bool open;
        enum replica_result result;
    } rows[] = {
        {FORM_FRAMES, 1, false, REPLICA_MISSED},   {FORM_FRAMES, LARGE_BYTES, false, REPLICA_MISSED},
        {FORM_PLAIN, 1, false, REPLICA_MISSED},    {FORM_PLAIN, LARGE_BYTES, true, REPLICA_UNRESOLVED},
        {FORM_SMALL, 1, true, REPLICA_UNRESOLVED},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        static const struct script_step script[] = {{STEP_ACCEPT}, {STEP_END}, {STEP_TELL}, {STEP_STOP}};
        struct put_world w;

        open_world(&w, rows[i].form, script);
        w.base.server.told = tell_stop;
        w.abandon_at = rows[i].at;
        start(&w);
        if (rows[i].open && w.call)
            open_barrier(&w);
        loop_run(w.base.loop);
        assert_true(w.abandoned);
        assert_int_equal(w.abandon_result, rows[i].result);
        close_world(&w);
    }
}

static void writes_share_a_connection(void **state)
{
    static const struct script_step script[] = {
        {STEP_ACCEPT},          {STEP_ALL_BUT, .n = 0},         {STEP_SEND, .text = OK_ANSWER},
        {STEP_ALL_BUT, .n = 0}, {STEP_SEND, .text = OK_ANSWER}, {STEP_STOP}};

    for (enum form form = 0; form < FORM_COUNT; form++) {
        struct put_world w;

        open_world(&w, form, script);
        for (int i = 0; i < 2; i++) {
            start_open(&w);
            run_to_done(&w);
            assert_int_equal(w.answer.result, REPLICA_STORED);
        }
        server_join(&w.base.server);
        w.scripted = false;
        assert_int_equal(w.base.server.requests, 2);
        check_request(&w);
        close_world(&w);
    }
}

/* A request head that cannot be signed. The start says so when it is signed there; behind the barrier it is a miss,
 * told from the loop, unless the write is given up before. */
static void a_request_that_cannot_be_made_is_a_miss(void **state)
{
    static struct http_header many[SIGV4_HEADERS_MAX + 1];
    static const struct replica_body body = {.peek = peek};
    static const struct replica_put_events events = {.progress = on_progress, .done = on_done};
    struct replica_put put = {
        .key = SPAN("k"), .headers = many, .header_count = SIGV4_HEADERS_MAX + 1, .body = &body};
    struct put_world w;

    for (size_t i = 0; i < SIGV4_HEADERS_MAX + 1; i++)
        many[i] = (struct http_header){SPAN("x-amz-meta-a"), SPAN("b")};
    open_world(&w, FORM_SMALL, NULL);
    put.body_bytes = LARGE_BYTES;
    assert_int_equal(replica_put_start(w.base.replica, &w.call, &put, &events, &w), ERR_TOO_LARGE);
    assert_null(w.call);
    put.body_bytes = forms[FORM_SMALL].body_bytes;
    assert_int_equal(replica_put_start(w.base.replica, &w.call, &put, &events, &w), ERR_OK);
    open_barrier(&w);
    assert_int_equal(w.dones, 0);
    run_to_done(&w);
    assert_int_equal(w.answer.result, REPLICA_MISSED);
    assert_int_equal(w.answer.error, ERR_TOO_LARGE);
    w.dones = 0;
    assert_int_equal(replica_put_start(w.base.replica, &w.call, &put, &events, &w), ERR_OK);
    open_barrier(&w);
    abandon(&w);
    assert_int_equal(w.abandon_result, REPLICA_MISSED);
    world_turn(&w.base);
    assert_int_equal(w.base.health->failures, 0);
    close_world(&w);
}

static void three_failed_writes_open_the_breaker(void **state)
{
    struct put_world w;

    open_world(&w, FORM_SMALL, NULL);
    close(w.base.server.listener);
    w.base.server.listener = -1;
    for (int i = 0; i < HEALTH_FAILURES_TO_OPEN; i++) {
        assert_true(replica_usable(w.base.replica));
        start_open(&w);
        run_to_done(&w);
    }
    assert_false(replica_usable(w.base.replica));
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stored_write_is_on_the_wire_to_the_byte),
        cmocka_unit_test(a_body_that_comes_bit_by_bit_arrives_whole),
        cmocka_unit_test(what_the_answer_to_a_whole_request_means),
        cmocka_unit_test(an_early_end_is_a_miss),
        cmocka_unit_test(a_refused_connection_is_a_miss),
        cmocka_unit_test(giving_up_before_the_barrier_is_a_miss),
        cmocka_unit_test(giving_up_past_the_barrier_is_unresolved),
        cmocka_unit_test(giving_up_a_small_body_on_its_way_is_unresolved),
        cmocka_unit_test(giving_up_in_the_middle_of_a_success_is_unresolved),
        cmocka_unit_test(a_small_body_leaves_nothing_before_the_barrier),
        cmocka_unit_test(a_head_never_leaves_without_the_first_body_bytes),
        cmocka_unit_test(it_may_be_given_up_from_inside_progress),
        cmocka_unit_test(writes_share_a_connection),
        cmocka_unit_test(a_request_that_cannot_be_made_is_a_miss),
        cmocka_unit_test(three_failed_writes_open_the_breaker),
    };
    int failed;

    alarm(100); /* a test that waits for ever fails here */
    log_setup(LOG_ERROR, LOG_LOGFMT);
    content = malloc(LARGE_BYTES);
    for (uint32_t i = 0, x = 1; i < LARGE_BYTES; i++) {
        x = x * 1664525 + 1013904223;
        content[i] = (char)(x >> 24);
    }
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(content);
    return failed;
}
