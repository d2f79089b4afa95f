#include "s3/chunked.h"

#include "base/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static const uint64_t sizes[] = {0,
                                 1,
                                 15,
                                 16,
                                 17,
                                 255,
                                 4096,
                                 S3_FRAME_BYTES - 1,
                                 S3_FRAME_BYTES,
                                 S3_FRAME_BYTES + 1,
                                 3 * S3_FRAME_BYTES,
                                 3 * S3_FRAME_BYTES + 10,
                                 1ull << 30,
                                 (5ull << 30) - 1};

static const uint8_t sum[32];

/* What the frames and the trailer of a body add up to. */
static uint64_t printed_length(uint64_t body_bytes, enum s3_checksum kind)
{
    char head[S3_FRAME_HEAD_MAX], trailer[S3_TRAILER_MAX];
    uint64_t total = body_bytes;

    for (uint64_t at = 0; at < body_bytes; at += S3_FRAME_BYTES)
        total += s3_chunked_frame_head(body_bytes, at, head);
    return total + s3_chunked_trailer(body_bytes, kind, sum, trailer);
}

static void the_length_foretold_is_the_length_printed(void **state)
{
    for (enum s3_checksum kind = S3_CHECKSUM_CRC32; kind < S3_CHECKSUM_COUNT; kind++)
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
            assert_int_equal(s3_chunked_length(sizes[i], kind), printed_length(sizes[i], kind));
}

static void a_small_body_is_one_frame_and_a_trailer(void **state)
{
    char out[S3_FRAME_HEAD_MAX + S3_TRAILER_MAX];
    size_t len = s3_chunked_frame_head(9, 0, out);

    assert_true(span_is((struct span){out, len}, "00000000000009\r\n"));
    len = s3_chunked_trailer(9, S3_CHECKSUM_CRC32, (const uint8_t *)"\xcb\xf4\x39\x26", out);
    assert_true(span_is((struct span){out, len}, "\r\n0\r\nx-amz-checksum-crc32:y/Q5Jg==\r\n\r\n"));
}

static void an_empty_body_is_the_trailer_alone(void **state)
{
    char out[S3_TRAILER_MAX];
    size_t len = s3_chunked_trailer(0, S3_CHECKSUM_CRC32, sum, out);

    assert_true(span_is((struct span){out, len}, "0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n"));
    assert_int_equal(s3_chunked_length(0, S3_CHECKSUM_CRC32), len);
}

static void every_checksum_can_be_the_trailer(void **state)
{
    static const char *const texts[] = {
        [S3_CHECKSUM_CRC32] = "\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n",
        [S3_CHECKSUM_CRC32C] = "\r\n0\r\nx-amz-checksum-crc32c:AAAAAA==\r\n\r\n",
        [S3_CHECKSUM_CRC64NVME] = "\r\n0\r\nx-amz-checksum-crc64nvme:AAAAAAAAAAA=\r\n\r\n",
        [S3_CHECKSUM_SHA1] = "\r\n0\r\nx-amz-checksum-sha1:AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n",
        [S3_CHECKSUM_SHA256] =
            "\r\n0\r\nx-amz-checksum-sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n",
    };
    char out[S3_TRAILER_MAX];

    for (enum s3_checksum kind = S3_CHECKSUM_CRC32; kind < S3_CHECKSUM_COUNT; kind++)
        assert_true(span_is((struct span){out, s3_chunked_trailer(1, kind, sum, out)}, texts[kind]));
}

static void later_frames_end_the_one_before(void **state)
{
    const uint64_t body = 2ull * S3_FRAME_BYTES + 0xabc;
    char out[S3_FRAME_HEAD_MAX];

    assert_true(span_is((struct span){out, s3_chunked_frame_head(body, 0, out)}, "00000000080000\r\n"));
    assert_true(span_is((struct span){out, s3_chunked_frame_head(body, S3_FRAME_BYTES, out)},
                        "\r\n000000080000\r\n"));
    assert_true(span_is((struct span){out, s3_chunked_frame_head(body, 2 * S3_FRAME_BYTES, out)},
                        "\r\n000000000abc\r\n"));
}

/* Aligned alike in memory and on the wire, they are copied at full speed. */
static void what_stands_before_a_frame_is_sixteen_bytes(void **state)
{
    char out[S3_FRAME_HEAD_MAX];

    for (uint64_t at = 0; at < 5 * S3_FRAME_BYTES; at += S3_FRAME_BYTES)
        assert_int_equal(s3_chunked_frame_head(5 * S3_FRAME_BYTES, at, out), 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_length_foretold_is_the_length_printed),
        cmocka_unit_test(a_small_body_is_one_frame_and_a_trailer),
        cmocka_unit_test(an_empty_body_is_the_trailer_alone),
        cmocka_unit_test(every_checksum_can_be_the_trailer),
        cmocka_unit_test(later_frames_end_the_one_before),
        cmocka_unit_test(what_stands_before_a_frame_is_sixteen_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
