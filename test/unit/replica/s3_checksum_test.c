/* Which checksum a write carries, where, and when a read asks for it: by what the client gave and the backend takes. */
#include "base/chunk.h"
#include "base/log.h"
#include "s3/digest.h"
#include "world.h"

#include <stdio.h>

enum { LARGE_BYTES = CHUNK_BYTES + 1000 };
#define ALL     0
#define NO_CRCS (S3_CHECKSUMS_ALL & ~(1u << S3_CHECKSUM_SHA1 | 1u << S3_CHECKSUM_SHA256))
#define NONE    S3_CHECKSUMS_ALL

static char *content; /* LARGE_BYTES letters */

struct sum_world {
    struct world base;
    struct replica_call *call;
    size_t body_bytes;
    int dones;
    enum replica_result result;
};

static enum err peek(void *ctx, uint64_t offset, struct iovec *iov, int *count)
{
    const struct sum_world *w = ctx;

    iov[0] = (struct iovec){content + offset, w->body_bytes - offset};
    *count = 1;
    return ERR_OK;
}

static void on_done(void *ctx, const struct replica_answer *answer)
{
    struct sum_world *w = ctx;

    w->dones++;
    w->result = answer->result;
    loop_stop(w->base.loop);
}

static const struct row {
    const char *what;
    size_t body_bytes;
    enum s3_barrier barrier;
    bool has_sha256, known;
    enum s3_checksum given;
    unsigned refused;
    const char *header, *trailer; /* the field, NULL for none */
} rows[] = {
    {"small, none given", 9, S3_BARRIER_TRAILER, false, false, S3_CHECKSUM_NONE, ALL, "x-amz-checksum-crc32",
     NULL},
    {"small, CRC32", 9, S3_BARRIER_TRAILER, false, true, S3_CHECKSUM_CRC32, ALL, "x-amz-checksum-crc32",
     NULL},
    {"small, CRC32C", 9, S3_BARRIER_TRAILER, false, false, S3_CHECKSUM_CRC32C, ALL, "x-amz-checksum-crc32c",
     NULL},
    {"small, CRC64NVME", 9, S3_BARRIER_TRAILER, false, false, S3_CHECKSUM_CRC64NVME, ALL,
     "x-amz-checksum-crc64nvme", NULL},
    {"small, SHA1", 9, S3_BARRIER_TRAILER, false, false, S3_CHECKSUM_SHA1, ALL, "x-amz-checksum-sha1", NULL},
    {"small, SHA256", 9, S3_BARRIER_TRAILER, false, false, S3_CHECKSUM_SHA256, ALL, "x-amz-checksum-sha256",
     NULL},
    {"small, a kind it refuses", 9, S3_BARRIER_TRAILER, false, false, S3_CHECKSUM_CRC64NVME,
     1u << S3_CHECKSUM_CRC64NVME, "x-amz-checksum-crc32", NULL},
    {"small, it takes no CRC", 9, S3_BARRIER_TRAILER, false, false, S3_CHECKSUM_CRC64NVME, NO_CRCS, NULL,
     NULL},
    {"small, it takes no CRC, SHA256", 9, S3_BARRIER_TRAILER, false, false, S3_CHECKSUM_SHA256, NO_CRCS,
     "x-amz-checksum-sha256", NULL},
    {"small, it takes none", 9, S3_BARRIER_TRAILER, false, false, S3_CHECKSUM_CRC32, NONE, NULL, NULL},
    {"large, none given", LARGE_BYTES, S3_BARRIER_TRAILER, false, false, S3_CHECKSUM_NONE, ALL, NULL,
     "x-amz-checksum-crc32"},
    {"large, CRC64NVME", LARGE_BYTES, S3_BARRIER_TRAILER, false, false, S3_CHECKSUM_CRC64NVME, ALL, NULL,
     "x-amz-checksum-crc64nvme"},
    {"large, SHA256", LARGE_BYTES, S3_BARRIER_TRAILER, true, true, S3_CHECKSUM_SHA256, ALL, NULL,
     "x-amz-checksum-sha256"},
    {"large, it takes none", LARGE_BYTES, S3_BARRIER_TRAILER, false, false, S3_CHECKSUM_SHA1, NONE, NULL,
     "x-amz-checksum-crc32"},
    {"hashed, none given", LARGE_BYTES, S3_BARRIER_HASH, true, false, S3_CHECKSUM_NONE, ALL, NULL, NULL},
    {"hashed, known", LARGE_BYTES, S3_BARRIER_HASH, true, true, S3_CHECKSUM_CRC32C, ALL,
     "x-amz-checksum-crc32c", NULL},
    {"hashed, refused", LARGE_BYTES, S3_BARRIER_HASH, true, true, S3_CHECKSUM_CRC32C, NONE, NULL, NULL},
};

static struct span digest_of(const struct sum_world *w, enum s3_checksum kind, uint8_t *value, char *text)
{
    struct s3_digest d;
    size_t bytes;

    s3_digest_init(&d, kind);
    s3_digest_add(&d, content, w->body_bytes);
    bytes = s3_digest_end(&d, value);
    return (struct span){text, base64_encode(value, bytes, text)};
}

static void check_fields(const struct sum_world *w, const struct row *row)
{
    for (enum s3_checksum k = S3_CHECKSUM_CRC32; k < S3_CHECKSUM_COUNT; k++) {
        const char *name = s3_checksum_kind(k)->header.at;
        uint8_t value[SHA256_BYTES];
        char text[64] = "";

        digest_of(w, k, value, text);
        assert_field(&w->base, name, row->header && strcmp(row->header, name) == 0 ? text : NULL);
        if (row->trailer && strcmp(row->trailer, name) == 0) {
            char last[128];
            int n = snprintf(last, sizeof(last), "\r\n0\r\n%s:%s\r\n\r\n", name, text);

            assert_memory_equal(w->base.server.got + w->base.server.got_bytes - n, last, (size_t)n);
        }
    }
    assert_field(&w->base, "x-amz-trailer", row->trailer);
    assert_int_equal(w->base.server.got_bytes, w->base.server.head_bytes + w->base.head.length);
}

static void a_write_carries_the_clients_checksum_where_the_backend_takes_it(void **state)
{
    static const struct script_step script[] = {
        {STEP_ACCEPT},
        {STEP_ALL_BUT, .n = 0},
        {STEP_SEND, .text = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
        {STEP_STOP}};
    static const struct replica_body body = {.peek = peek};
    static const struct replica_put_events events = {.done = on_done};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *row = &rows[i];
        struct sum_world w = {.base.checksums_refused = row->refused, .body_bytes = row->body_bytes};
        uint8_t value[SHA256_BYTES] = {0};
        struct replica_put put = {.key = SPAN("k"),
                                  .body_bytes = row->body_bytes,
                                  .has_sha256 = row->has_sha256,
                                  .checksum = row->given,
                                  .checksum_value = value,
                                  .checksum_known = row->known,
                                  .body = &body};
        char text[64];

        world_open(&w.base, "us-east-1", row->barrier);
        server_run(&w.base.server, script);
        sha256_of((struct span){content, row->body_bytes}, put.sha256);
        if (row->known)
            digest_of(&w, row->given, value, text);
        assert_int_equal(replica_put_start(w.base.replica, &w.call, &put, &events, &w), ERR_OK);
        digest_of(&w, row->given, value, text); /* known at the latest now */
        replica_put_open(w.base.replica, w.call, crc32_add(0, content, row->body_bytes));
        while (!w.dones)
            loop_run(w.base.loop);
        assert_int_equal(w.result, REPLICA_STORED);
        server_join(&w.base.server);
        world_check_head(&w.base, "PUT", "/" TEST_REMOTE "/k", "");
        check_fields(&w, row);
        world_close(&w.base);
    }
}

static void got_head(void *ctx, const struct http_head *head, const struct replica_object *object)
{
}

static void got_body(void *ctx)
{
}

static void got_done(void *ctx, enum err e)
{
    struct sum_world *w = ctx;

    w->dones++;
    loop_stop(w->base.loop);
}

static void a_read_asks_for_the_checksum_where_the_backend_knows_any(void **state)
{
    static const struct {
        bool mode;
        unsigned refused;
        const char *field;
    } reads[] = {{false, ALL, NULL}, {true, ALL, "ENABLED"}, {true, NO_CRCS, "ENABLED"}, {true, NONE, NULL}};
    static const struct script_step script[] = {
        {STEP_ACCEPT},
        {STEP_ALL_BUT, .n = 0},
        {STEP_SEND, .text = "HTTP/1.1 200 OK\r\nETag: \"e\"\r\nContent-Length: 0\r\n\r\n"},
        {STEP_STOP}};
    static const struct replica_get_events events = {.head = got_head, .body = got_body, .done = got_done};

    for (size_t i = 0; i < sizeof(reads) / sizeof(reads[0]); i++) {
        struct sum_world w = {.base.checksums_refused = reads[i].refused};
        const struct replica_get get = {.key = SPAN("k"), .checksum_mode = reads[i].mode};

        world_open(&w.base, "us-east-1", S3_BARRIER_TRAILER);
        server_run(&w.base.server, script);
        assert_int_equal(replica_get_start(w.base.replica, &w.call, &get, &events, &w), ERR_OK);
        while (!w.dones)
            loop_run(w.base.loop);
        server_join(&w.base.server);
        world_check_head(&w.base, "GET", "/" TEST_REMOTE "/k", "");
        assert_field(&w.base, "x-amz-checksum-mode", reads[i].field);
        world_close(&w.base);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_write_carries_the_clients_checksum_where_the_backend_takes_it),
        cmocka_unit_test(a_read_asks_for_the_checksum_where_the_backend_knows_any),
    };
    int failed;

    log_setup(LOG_ERROR, LOG_LOGFMT);
    content = malloc(LARGE_BYTES);
    for (size_t i = 0; i < LARGE_BYTES; i++)
        content[i] = (char)('a' + i % 23);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(content);
    return failed;
}
