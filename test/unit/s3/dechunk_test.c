/* aws-chunked: what is accepted, and each refused form with its own error. */
#include "s3/dechunk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define SIGN0    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define SIGN1    "1123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define SIGN2    "2123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define EXT(s)   ";chunk-signature=" s
#define KIBS8    8192 /* "2000" in hexadecimal */
#define UNSIGNED S3_PAYLOAD_CHUNKS_UNSIGNED_TRAILER
#define SIGNED   S3_PAYLOAD_CHUNKS_SIGNED
#define TRAILING S3_PAYLOAD_CHUNKS_SIGNED_TRAILER

/* What came out of a body. */
struct result {
    char content[40000];
    size_t content_bytes;
    char signatures[8][S3_SIGNATURE_CHARS + 1]; /* of the chunks */
    int chunks;
    enum s3_dechunk_step last;
    size_t used;
    struct s3_dechunk d;
};

/* In pieces of at most so many bytes. */
static void decode(struct result *r, enum s3_payload payload, enum s3_checksum announced, uint64_t bytes,
                   const char *text, size_t len, size_t piece)
{
    memset(r, 0, sizeof(*r));
    s3_dechunk_init(&r->d, payload, announced, bytes);
    r->last = S3_DECHUNK_MORE;
    for (;;) {
        size_t n = len - r->used < piece ? len - r->used : piece, used;
        uint64_t left = s3_dechunk_data_left(&r->d);

        if (left && n) {
            n = n < left ? n : (size_t)left;
            memcpy(r->content + r->content_bytes, text + r->used, n);
            r->content_bytes += n;
            r->used += n;
            s3_dechunk_took(&r->d, n);
            continue;
        }
        r->last = s3_dechunk_feed(&r->d, text + r->used, n, &used);
        assert_true(used <= n);
        r->used += used;
        if (r->last == S3_DECHUNK_CHUNK) {
            assert_true(r->chunks < 8);
            memcpy(r->signatures[r->chunks++], r->d.signature, S3_SIGNATURE_CHARS);
        } else if (r->last == S3_DECHUNK_ENDED || r->last == S3_DECHUNK_REFUSED || r->used == len) {
            return;
        }
    }
}

/* "@" in a pattern stands for 8192 bytes of data. */
static size_t expand(char *out, const char *pattern)
{
    char *p = out;

    for (; *pattern; pattern++) {
        if (*pattern != '@') {
            *p++ = *pattern;
            continue;
        }
        for (int i = 0; i < KIBS8; i++)
            *p++ = (char)('a' + i % 23);
    }
    return (size_t)(p - out);
}

static const struct good {
    enum s3_payload payload;
    enum s3_checksum announced;
    uint64_t bytes;
    const char *pattern;
    int chunks;
    const char *trailer;
} good[] = {
    {UNSIGNED, S3_CHECKSUM_CRC32, 5, "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n", 2,
     "NhCmhg=="},
    {UNSIGNED, S3_CHECKSUM_CRC32, 0, "0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n", 1, "AAAAAA=="},
    {UNSIGNED, S3_CHECKSUM_CRC32, 5,
     "0000000000000005\r\nhello\r\n0\r\nX-Amz-Checksum-CRC32: \tNhCmhg== \r\n\r\n", 2, "NhCmhg=="},
    {UNSIGNED, S3_CHECKSUM_CRC32, 5, "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\n\r\n\r\n", 2,
     "NhCmhg=="}, /* as minio-go writes it */
    {UNSIGNED, S3_CHECKSUM_NONE, 5, "5\r\nhello\r\n0\r\n\r\n", 2, ""},
    {UNSIGNED, S3_CHECKSUM_SHA256, 8193,
     "2000\r\n@\r\n1\r\nx\r\n0\r\nx-amz-checksum-sha256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\r\n\r\n",
     3, "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="},
    {UNSIGNED, S3_CHECKSUM_CRC32, 16384,
     "2000\r\n@\r\n2000\r\n@\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n", 3, "NhCmhg=="},
    {UNSIGNED, S3_CHECKSUM_CRC32, 10, "A\r\n\r\n0\r\n\r\n\r\n0\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n",
     2, "NhCmhg=="}, /* data that looks like a frame */
    {SIGNED, S3_CHECKSUM_NONE, 5, "5" EXT(SIGN0) "\r\nhello\r\n0" EXT(SIGN1) "\r\n\r\n", 2, ""},
    {SIGNED, S3_CHECKSUM_NONE, 0, "0" EXT(SIGN0) "\r\n\r\n", 1, ""},
    {TRAILING, S3_CHECKSUM_CRC32C, 8192,
     "2000" EXT(SIGN0) "\r\n@\r\n0" EXT(
         SIGN1) "\r\nx-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:" SIGN2 "\r\n\r\n",
     2, "sOO8/Q=="},
    {TRAILING, S3_CHECKSUM_CRC32C, 5,
     "5" EXT(SIGN0) "\r\nhello\r\n0" EXT(
         SIGN1) "\r\nx-amz-checksum-crc32c:sOO8/Q==\n\r\nx-amz-trailer-signature:" SIGN2 "\r\n\r\n",
     2, "sOO8/Q=="},
    {TRAILING, S3_CHECKSUM_NONE, 5,
     "5" EXT(SIGN0) "\r\nhello\r\n0" EXT(SIGN1) "\r\nx-amz-trailer-signature:" SIGN2 "\r\n\r\n", 2, ""},
};
enum { GOOD = sizeof(good) / sizeof(good[0]) };

static struct result r;
static char text[40000];

static void every_form_is_decoded_however_it_is_cut(void **state)
{
    static const size_t pieces[] = {1, 2, 3, 7, 100, 8192, 40000};

    for (size_t i = 0; i < GOOD; i++)
        for (size_t p = 0; p < sizeof(pieces) / sizeof(pieces[0]); p++) {
            const struct good *g = &good[i];
            size_t len = expand(text, g->pattern);

            decode(&r, g->payload, g->announced, g->bytes, text, len, pieces[p]);
            if (r.last != S3_DECHUNK_ENDED || r.used != len || r.content_bytes != g->bytes ||
                r.chunks != g->chunks || !span_is(r.d.trailer, g->trailer))
                fail_msg("row %zu in pieces of %zu: step %d, %s", i, pieces[p], r.last, r.d.message);
            if (g->payload != UNSIGNED)
                assert_string_equal(r.signatures[0], SIGN0);
            if (g->payload == TRAILING)
                assert_memory_equal(r.d.signature, SIGN2, S3_SIGNATURE_CHARS);
        }
}

static void the_content_is_what_stands_between_the_lines(void **state)
{
    size_t len = expand(text, "2000\r\n@\r\n5\r\nhello\r\n0\r\n\r\n");

    decode(&r, UNSIGNED, S3_CHECKSUM_NONE, 8197, text, len, 1000);
    assert_int_equal(r.content_bytes, 8197);
    assert_memory_equal(r.content, text + 6, 8192);
    assert_memory_equal(r.content + 8192, "hello", 5);
}

static void what_follows_the_end_is_left_to_the_caller(void **state)
{
    size_t len = expand(text, "5\r\nhello\r\n0\r\n\r\nGET / HTTP/1.1\r\n");

    decode(&r, UNSIGNED, S3_CHECKSUM_NONE, 5, text, len, 1000);
    assert_int_equal(r.last, S3_DECHUNK_ENDED);
    assert_int_equal(r.used, 15);
}

static void a_body_that_breaks_off_anywhere_has_not_ended(void **state)
{
    for (size_t i = 0; i < GOOD; i++) {
        size_t len = expand(text, good[i].pattern);

        for (size_t cut = 0; cut < len; cut++) {
            if (cut > 200 && cut + 200 < len)
                continue; /* in the middle of the data every byte is like the next */
            decode(&r, good[i].payload, good[i].announced, good[i].bytes, text, cut, 40000);
            if (r.last == S3_DECHUNK_ENDED || r.last == S3_DECHUNK_REFUSED)
                fail_msg("row %zu cut at %zu of %zu: step %d", i, cut, len, r.last);
        }
    }
}

#define CRC "x-amz-checksum-crc32:NhCmhg=="
static const struct {
    enum s3_payload payload;
    enum s3_checksum announced;
    uint64_t bytes;
    const char *pattern;
    enum s3_code code;
} bad[] = {
    /* sizes */
    {UNSIGNED, S3_CHECKSUM_NONE, 5, "\r\nhello\r\n0\r\n\r\n", S3_INVALID_REQUEST},
    {UNSIGNED, S3_CHECKSUM_NONE, 5, "0x5\r\nhello\r\n0\r\n\r\n", S3_INVALID_REQUEST},
    {UNSIGNED, S3_CHECKSUM_NONE, 5, " 5\r\nhello\r\n0\r\n\r\n", S3_INVALID_REQUEST},
    {UNSIGNED, S3_CHECKSUM_NONE, 5, "5 \r\nhello\r\n0\r\n\r\n", S3_INVALID_REQUEST},
    {UNSIGNED, S3_CHECKSUM_NONE, 5, "+5\r\nhello\r\n0\r\n\r\n", S3_INVALID_REQUEST},
    {UNSIGNED, S3_CHECKSUM_NONE, 5, "-5\r\nhello\r\n0\r\n\r\n", S3_INVALID_REQUEST},
    {UNSIGNED, S3_CHECKSUM_NONE, 5, "g\r\nhello\r\n0\r\n\r\n", S3_INVALID_REQUEST},
    {UNSIGNED, S3_CHECKSUM_NONE, 5, "00000000000000005\r\nhello\r\n0\r\n\r\n", S3_INVALID_REQUEST},
    {UNSIGNED, S3_CHECKSUM_NONE, 5, "10000000000000005\r\nhello\r\n0\r\n\r\n", S3_INVALID_REQUEST},
    {UNSIGNED, S3_CHECKSUM_NONE, 5, "ffffffffffffffff\r\nhello\r\n0\r\n\r\n", S3_INVALID_REQUEST},
    /* extensions */
    {UNSIGNED, S3_CHECKSUM_NONE, 5, "5;\r\nhello\r\n0\r\n\r\n", S3_INVALID_REQUEST},
    {UNSIGNED, S3_CHECKSUM_NONE, 5, "5" EXT(SIGN0) "\r\nhello\r\n0\r\n\r\n", S3_INVALID_REQUEST},
    {UNSIGNED, S3_CHECKSUM_NONE, 5, "5;a=b\r\nhello\r\n0\r\n\r\n", S3_INVALID_REQUEST},
    {SIGNED, S3_CHECKSUM_NONE, 5, "5\r\nhello\r\n0" EXT(SIGN1) "\r\n\r\n", S3_INVALID_REQUEST},
    {SIGNED, S3_CHECKSUM_NONE, 5, "5;chunk-signature=\r\nhello\r\n", S3_INVALID_REQUEST},
    {SIGNED, S3_CHECKSUM_NONE, 5, "5" EXT(SIGN0) "0\r\nhello\r\n", S3_INVALID_REQUEST},
    {SIGNED, S3_CHECKSUM_NONE, 5,
     "5" EXT("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde") "\r\n", S3_INVALID_REQUEST},
    {SIGNED, S3_CHECKSUM_NONE, 5,
     "5" EXT("0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef") "\r\n", S3_INVALID_REQUEST},
    {SIGNED, S3_CHECKSUM_NONE, 5, "5 " EXT(SIGN0) "\r\nhello\r\n", S3_INVALID_REQUEST},
    {SIGNED, S3_CHECKSUM_NONE, 5, "5" EXT(SIGN0) ";a=b\r\nhello\r\n", S3_INVALID_REQUEST},
    {SIGNED, S3_CHECKSUM_NONE, 5, "5" EXT(SIGN0) "\r\nhello\r\n0\r\n\r\n", S3_INVALID_REQUEST},
    /* line ends */
    {UNSIGNED, S3_CHECKSUM_NONE, 5, "5\nhello\r\n0\r\n\r\n", S3_INVALID_REQUEST},
    {UNSIGNED, S3_CHECKSUM_NONE, 5, "5\rhello\r\n0\r\n\r\n", S3_INVALID_REQUEST},
    {UNSIGNED, S3_CHECKSUM_NONE, 5, "5\r\r\nhello\r\n0\r\n\r\n", S3_INVALID_REQUEST},
    {UNSIGNED, S3_CHECKSUM_NONE, 5, "5\r\nhello\n0\r\n\r\n", S3_INVALID_REQUEST},
    {UNSIGNED, S3_CHECKSUM_NONE, 5, "5\r\nhello0\r\n\r\n", S3_INVALID_REQUEST},
    {UNSIGNED, S3_CHECKSUM_NONE, 5, "5\r\nhello!\r\n0\r\n\r\n", S3_INVALID_REQUEST},
    {UNSIGNED, S3_CHECKSUM_NONE, 5, "5\r\nhello\r\n0\r\n\n", S3_MALFORMED_TRAILER},
    {SIGNED, S3_CHECKSUM_NONE, 0, "0" EXT(SIGN0) "\r\nx\r\n", S3_INVALID_REQUEST},
    {SIGNED, S3_CHECKSUM_NONE, 0, "0" EXT(SIGN0) "\r\n" CRC "\r\n\r\n", S3_INVALID_REQUEST},
    /* lengths */
    {UNSIGNED, S3_CHECKSUM_NONE, 6, "5\r\nhello\r\n0\r\n\r\n", S3_INCOMPLETE_BODY},
    {UNSIGNED, S3_CHECKSUM_NONE, 1, "0\r\n\r\n", S3_INCOMPLETE_BODY},
    {UNSIGNED, S3_CHECKSUM_NONE, 4, "5\r\nhello\r\n0\r\n\r\n", S3_INVALID_REQUEST},
    {UNSIGNED, S3_CHECKSUM_NONE, 0, "5\r\nhello\r\n0\r\n\r\n", S3_INVALID_REQUEST},
    {UNSIGNED, S3_CHECKSUM_NONE, 8192, "2000\r\n@\r\n1\r\nx\r\n0\r\n\r\n", S3_INVALID_REQUEST},
    {UNSIGNED, S3_CHECKSUM_NONE, 10, "5\r\nhello\r\n5\r\nhello\r\n0\r\n\r\n", S3_INVALID_CHUNK_SIZE},
    {UNSIGNED, S3_CHECKSUM_NONE, 8197, "5\r\nhello\r\n2000\r\n@\r\n0\r\n\r\n", S3_INVALID_CHUNK_SIZE},
    {SIGNED, S3_CHECKSUM_NONE, 8198,
     "2000" EXT(SIGN0) "\r\n@\r\n5" EXT(SIGN1) "\r\nhello\r\n1" EXT(SIGN2) "\r\n!\r\n",
     S3_INVALID_CHUNK_SIZE},
    /* trailers */
    {UNSIGNED, S3_CHECKSUM_CRC32, 5, "5\r\nhello\r\n0\r\n\r\n", S3_MALFORMED_TRAILER},
    {UNSIGNED, S3_CHECKSUM_CRC32, 5, "5\r\nhello\r\n0\r\nx-amz-checksum-crc32\r\n\r\n", S3_MALFORMED_TRAILER},
    {UNSIGNED, S3_CHECKSUM_CRC32, 5, "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:\r\n\r\n",
     S3_MALFORMED_TRAILER},
    {UNSIGNED, S3_CHECKSUM_CRC32, 5, "5\r\nhello\r\n0\r\nx-amz-checksum-crc32c:NhCmhg==\r\n\r\n",
     S3_MALFORMED_TRAILER},
    {UNSIGNED, S3_CHECKSUM_CRC32, 5, "5\r\nhello\r\n0\r\nx-amz-meta-a:b\r\n\r\n", S3_MALFORMED_TRAILER},
    {UNSIGNED, S3_CHECKSUM_CRC32, 5, "5\r\nhello\r\n0\r\n " CRC "\r\n\r\n", S3_MALFORMED_TRAILER},
    {UNSIGNED, S3_CHECKSUM_CRC32, 5, "5\r\nhello\r\n0\r\nx-amz-checksum-crc32 :NhCmhg==\r\n\r\n",
     S3_MALFORMED_TRAILER},
    {UNSIGNED, S3_CHECKSUM_CRC32, 5, "5\r\nhello\r\n0\r\n" CRC "\r\n" CRC "\r\n\r\n", S3_MALFORMED_TRAILER},
    {UNSIGNED, S3_CHECKSUM_CRC32, 5, "5\r\nhello\r\n0\r\n" CRC "\r\nx-amz-meta-a:b\r\n\r\n",
     S3_MALFORMED_TRAILER},
    {UNSIGNED, S3_CHECKSUM_CRC32, 5, "5\r\nhello\r\n0\r\n" CRC "\n\n\r\n\r\n", S3_MALFORMED_TRAILER},
    {UNSIGNED, S3_CHECKSUM_CRC32, 5, "5\r\nhello\r\n0\r\n" CRC "\nx\r\n\r\n", S3_MALFORMED_TRAILER},
    {UNSIGNED, S3_CHECKSUM_CRC32, 5, "5\r\nhello\r\n0\r\n" CRC "\r\r\n\r\n", S3_MALFORMED_TRAILER},
    {UNSIGNED, S3_CHECKSUM_CRC32, 5,
     "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:"
     "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n\r\n",
     S3_MALFORMED_TRAILER},
    {UNSIGNED, S3_CHECKSUM_NONE, 5, "5\r\nhello\r\n0\r\n" CRC "\r\n\r\n", S3_MALFORMED_TRAILER},
    {TRAILING, S3_CHECKSUM_CRC32, 0, "0" EXT(SIGN0) "\r\n" CRC "\r\n\r\n", S3_MALFORMED_TRAILER},
    {TRAILING, S3_CHECKSUM_CRC32, 0, "0" EXT(SIGN0) "\r\n" CRC "\r\nx-amz-trailer-signature:\r\n\r\n",
     S3_MALFORMED_TRAILER},
    {TRAILING, S3_CHECKSUM_CRC32, 0,
     "0" EXT(SIGN0) "\r\n" CRC "\r\nx-amz-trailer-signature:" SIGN1 "0\r\n\r\n", S3_MALFORMED_TRAILER},
    {TRAILING, S3_CHECKSUM_CRC32, 0,
     "0" EXT(SIGN0) "\r\nx-amz-trailer-signature:" SIGN1 "\r\n" CRC "\r\n\r\n", S3_MALFORMED_TRAILER},
    {TRAILING, S3_CHECKSUM_CRC32, 0, "0" EXT(SIGN0) "\r\nx-amz-trailer-signature:" SIGN1 "\r\n\r\n",
     S3_MALFORMED_TRAILER},
    {TRAILING, S3_CHECKSUM_CRC32, 0, "0" EXT(SIGN0) "\r\n\r\n", S3_MALFORMED_TRAILER},
    {TRAILING, S3_CHECKSUM_CRC32, 0,
     "0" EXT(SIGN0) "\r\n" CRC "\r\nx-amz-trailer-signature:" SIGN1 "\r\nx-amz-meta-a:b\r\n\r\n",
     S3_MALFORMED_TRAILER},
};

static void every_malformed_body_is_refused_by_its_own_error(void **state)
{
    static const size_t pieces[] = {1, 5, 40000};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        for (size_t p = 0; p < sizeof(pieces) / sizeof(pieces[0]); p++) {
            size_t len = expand(text, bad[i].pattern);

            decode(&r, bad[i].payload, bad[i].announced, bad[i].bytes, text, len, pieces[p]);
            if (r.last != S3_DECHUNK_REFUSED || r.d.code != bad[i].code)
                fail_msg("row %zu in pieces of %zu: step %d, code %s", i, pieces[p], r.last,
                         s3_error(r.d.code)->name);
            assert_int_equal(s3_dechunk_feed(&r.d, "0\r\n\r\n", 5, &(size_t){0}), S3_DECHUNK_REFUSED);
        }
}

static void a_line_without_an_end_costs_no_memory(void **state)
{
    memset(text, '1', sizeof(text));
    decode(&r, SIGNED, S3_CHECKSUM_NONE, 5, text, sizeof(text), 1000);
    assert_int_equal(r.last, S3_DECHUNK_REFUSED);
    assert_true(r.used <= S3_CHUNK_LINE_MAX + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_is_decoded_however_it_is_cut),
        cmocka_unit_test(the_content_is_what_stands_between_the_lines),
        cmocka_unit_test(what_follows_the_end_is_left_to_the_caller),
        cmocka_unit_test(a_body_that_breaks_off_anywhere_has_not_ended),
        cmocka_unit_test(every_malformed_body_is_refused_by_its_own_error),
        cmocka_unit_test(a_line_without_an_end_costs_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
