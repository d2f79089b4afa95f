/* The client's word about its body (promise P6): each kind of digest, right and wrong. */
#include "gateway/body.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const char body[] = "123456789";
enum { BODY_BYTES = sizeof(body) - 1 };

/* One declaration each, as bytes in hexadecimal; all published for "123456789". */
static const struct {
    const char *what;
    enum s3_payload payload;
    bool md5;
    enum s3_checksum checksum;
    const char *digest;
    enum s3_code wrong;
} rows[] = {
    {"x-amz-content-sha256", S3_PAYLOAD_SHA256, false, S3_CHECKSUM_NONE,
     "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225", S3_XAMZ_CONTENT_SHA256_MISMATCH},
    {"Content-MD5", S3_PAYLOAD_UNSIGNED, true, S3_CHECKSUM_NONE, "25f9e794323b453885f5181f1b624d0b",
     S3_BAD_DIGEST},
    {"x-amz-checksum-crc32", S3_PAYLOAD_UNSIGNED, false, S3_CHECKSUM_CRC32, "cbf43926", S3_BAD_DIGEST},
    {"x-amz-checksum-crc32c", S3_PAYLOAD_UNSIGNED, false, S3_CHECKSUM_CRC32C, "e3069283", S3_BAD_DIGEST},
    {"x-amz-checksum-crc64nvme", S3_PAYLOAD_UNSIGNED, false, S3_CHECKSUM_CRC64NVME, "ae8b14860a799888",
     S3_BAD_DIGEST},
    {"x-amz-checksum-sha1", S3_PAYLOAD_UNSIGNED, false, S3_CHECKSUM_SHA1,
     "f7c3bc1d808e04732adf679965ccc34ca7ae3441", S3_BAD_DIGEST},
    {"x-amz-checksum-sha256", S3_PAYLOAD_UNSIGNED, false, S3_CHECKSUM_SHA256,
     "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225", S3_BAD_DIGEST},
};
enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

/* Adds the row's declaration to the request; `flip`: with this bit wrong, -1: right. */
static void declare(struct s3_request *q, size_t row, int flip)
{
    uint8_t digest[SHA256_BYTES] = {0};
    size_t len = strlen(rows[row].digest) / 2;

    assert_true(hex_decode(span_of(rows[row].digest), digest, len));
    if (flip >= 0)
        digest[flip / 8] ^= (uint8_t)(1u << flip % 8);
    if (rows[row].payload == S3_PAYLOAD_SHA256) {
        q->payload = S3_PAYLOAD_SHA256;
        memcpy(q->sha256, digest, len);
    }
    if (rows[row].md5) {
        q->has_md5 = true;
        memcpy(q->md5, digest, len);
    }
    if (rows[row].checksum != S3_CHECKSUM_NONE) {
        q->checksum = rows[row].checksum;
        memcpy(q->checksum_value, digest, len);
    }
}

/* The body in pieces of at most so many bytes. */
static enum s3_code check(const struct s3_request *q, const char *text, size_t len, size_t piece)
{
    struct body_check c;
    const char *message;
    enum s3_code code;

    body_check_init(&c, q);
    for (size_t at = 0; at < len; at += piece)
        body_check_add(&c, text + at, len - at < piece ? len - at : piece);
    code = body_check_end(&c, &message);
    if (code == S3_BAD_DIGEST && !q->has_md5) /* says which */
        assert_non_null(strstr(message, s3_checksum_kind(q->checksum)->algorithm.at));
    return code;
}

static void the_right_digest_passes_however_the_body_is_cut(void **state)
{
    for (size_t i = 0; i < ROWS; i++)
        for (size_t piece = 1; piece <= BODY_BYTES; piece++) {
            struct s3_request q = {.payload = S3_PAYLOAD_UNSIGNED};

            declare(&q, i, -1);
            if (check(&q, body, BODY_BYTES, piece) != S3_OK)
                fail_msg("%s in pieces of %zu", rows[i].what, piece);
        }
}

static void a_digest_with_any_bit_wrong_is_refused_by_its_own_error(void **state)
{
    for (size_t i = 0; i < ROWS; i++)
        for (int bit = 0; bit < (int)strlen(rows[i].digest) * 4; bit++) {
            struct s3_request q = {.payload = S3_PAYLOAD_UNSIGNED};

            declare(&q, i, bit);
            if (check(&q, body, BODY_BYTES, BODY_BYTES) != rows[i].wrong)
                fail_msg("%s with bit %d wrong", rows[i].what, bit);
        }
}

static void a_body_with_a_byte_changed_missing_or_added_is_refused(void **state)
{
    static const struct {
        const char *text;
        size_t len;
    } bodies[] = {{"123456788", 9},   {"023456789", 9}, {"12345678", 8},
                  {"1234567890", 10}, {"", 0},          {"123456789\0", 10}};

    for (size_t i = 0; i < ROWS; i++)
        for (size_t k = 0; k < sizeof(bodies) / sizeof(bodies[0]); k++) {
            struct s3_request q = {.payload = S3_PAYLOAD_UNSIGNED};

            declare(&q, i, -1);
            assert_int_equal(check(&q, bodies[k].text, bodies[k].len, 4), rows[i].wrong);
        }
}

static void without_a_declaration_any_body_passes(void **state)
{
    struct s3_request q = {.payload = S3_PAYLOAD_UNSIGNED};

    assert_int_equal(check(&q, body, BODY_BYTES, 4), S3_OK);
    assert_int_equal(check(&q, "", 0, 1), S3_OK);
}

/* The payload's hash, Content-MD5 and one checksum together; each of them wrong in turn. */
static void of_several_declarations_every_one_must_agree(void **state)
{
    for (size_t checksum = 2; checksum < ROWS; checksum++)
        for (int wrong = -1; wrong < 3; wrong++) {
            struct s3_request q = {.payload = S3_PAYLOAD_UNSIGNED};
            const size_t declared[] = {0, 1, checksum};

            for (int i = 0; i < 3; i++)
                declare(&q, declared[i], i == wrong ? 0 : -1);
            assert_int_equal(check(&q, body, BODY_BYTES, 2), wrong < 0 ? S3_OK : rows[declared[wrong]].wrong);
        }
}

static void the_digests_of_an_empty_body_are_those_of_nothing(void **state)
{
    struct s3_request q = {.payload = S3_PAYLOAD_SHA256, .has_md5 = true, .checksum = S3_CHECKSUM_CRC64NVME};

    assert_true(hex_decode(SPAN("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"), q.sha256,
                           SHA256_BYTES));
    assert_true(hex_decode(SPAN("d41d8cd98f00b204e9800998ecf8427e"), q.md5, MD5_BYTES));
    assert_int_equal(check(&q, "", 0, 1), S3_OK);
    assert_int_equal(check(&q, "x", 1, 1), S3_XAMZ_CONTENT_SHA256_MISMATCH);
}

static void a_large_body_is_hashed_whole(void **state)
{
    struct s3_request q = {.payload = S3_PAYLOAD_SHA256};
    char *large = malloc(1000000);

    assert_non_null(large);
    memset(large, 'a', 1000000); /* FIPS 180-4's third example */
    assert_true(hex_decode(SPAN("cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"), q.sha256,
                           SHA256_BYTES));
    assert_int_equal(check(&q, large, 1000000, 65521), S3_OK);
    assert_int_equal(check(&q, large, 999999, 65521), S3_XAMZ_CONTENT_SHA256_MISMATCH);
    free(large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_right_digest_passes_however_the_body_is_cut),
        cmocka_unit_test(a_digest_with_any_bit_wrong_is_refused_by_its_own_error),
        cmocka_unit_test(a_body_with_a_byte_changed_missing_or_added_is_refused),
        cmocka_unit_test(without_a_declaration_any_body_passes),
        cmocka_unit_test(of_several_declarations_every_one_must_agree),
        cmocka_unit_test(the_digests_of_an_empty_body_are_those_of_nothing),
        cmocka_unit_test(a_large_body_is_hashed_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
