#include "s3/request.h"

#include "head_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define PAYLOAD  "x-amz-content-sha256: UNSIGNED-PAYLOAD\n"
#define PUT_HEAD "PUT /media/a\nHost: h\nContent-Length: 3\n"
#define PUT      PUT_HEAD PAYLOAD
#define GET      "GET /media/a\nHost: h\n" PAYLOAD
#define DELETE   "DELETE /media/a\nHost: h\n" PAYLOAD
#define CREATE   "PUT /media\nHost: h\n" PAYLOAD
#define HASH     "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static struct arena arena;
static struct http_head head;
static struct s3_request request;
static const char *message;

static int arena_setup(void **state)
{
    arena_init(&arena, 256 * 1024);
    return 0;
}

static int arena_teardown(void **state)
{
    arena_fini(&arena);
    return 0;
}

static void expect(const char *text, enum s3_code code, const char *says)
{
    enum s3_code got;

    arena_reset(&arena);
    head_from_text(&head, span_of(text));
    got = s3_request_parse(&request, &head, S3_PROOF_HEADER, NULL, &arena, &message);
    if (got != code || (says && (!message || !strstr(message, says))))
        fail_msg("%s: %s, %s", text, s3_error(got)->name, message ? message : "(the table's message)");
}

static void the_payload_header_is_required_and_understood(void **state)
{
    uint8_t hash[SHA256_BYTES];

    sha256_of(SPAN("abc"), hash);
    expect(PUT_HEAD "x-amz-content-sha256: " HASH "\n", S3_OK, NULL);
    assert_int_equal(request.payload, S3_PAYLOAD_SHA256);
    assert_memory_equal(request.sha256, hash, sizeof(hash));
    assert_true(span_is(request.payload_text, HASH));
    expect(PUT, S3_OK, NULL);
    assert_int_equal(request.payload, S3_PAYLOAD_UNSIGNED);
    expect(PUT_HEAD, S3_INVALID_REQUEST, "Missing required header for this request: x-amz-content-sha256");
    expect("GET /media/a\nHost: h\n", S3_INVALID_REQUEST, "Missing required header");
    expect("GET /\n", S3_INVALID_REQUEST, "Missing required header");
    expect(PUT_HEAD "x-amz-content-sha256: \n", S3_INVALID_ARGUMENT, "x-amz-content-sha256");
    expect(PUT_HEAD "x-amz-content-sha256: unsigned-payload\n", S3_INVALID_ARGUMENT, "unsigned-payload");
    expect(PUT_HEAD "x-amz-content-sha256: " HASH "00\n", S3_INVALID_ARGUMENT, "SHA-256");
    expect(PUT PAYLOAD, S3_INVALID_REQUEST, "twice");
}

static void streaming_payloads_are_refused_with_what_to_do_instead(void **state)
{
    static const char *const kinds[] = {
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        char text[512];

        snprintf(text, sizeof(text),
                 "PUT /media/a\nTransfer-Encoding: chunked\nContent-Encoding: aws-chunked\nx-amz-trailer: "
                 "x-amz-checksum-crc32\nx-amz-decoded-content-length: 3\nx-amz-content-sha256: %s\n",
                 kinds[i]);
        expect(text, S3_NOT_IMPLEMENTED, "request_checksum_calculation = when_required");
        snprintf(text, sizeof(text), "GET /media/a\nx-amz-content-sha256: %s\n", kinds[i]);
        expect(text, S3_INVALID_REQUEST, "no meaning for GetObject");
    }
    expect(PUT "x-amz-trailer: x-amz-checksum-crc32\n", S3_INVALID_REQUEST, "STREAMING-");
    expect(PUT "x-amz-decoded-content-length: 3\n", S3_INVALID_REQUEST, "STREAMING-");
    expect(PUT "Content-Encoding: gzip, AWS-chunked\n", S3_INVALID_REQUEST, "aws-chunked");
    expect(PUT "Content-Encoding: gzip\n", S3_OK, NULL);
}

static void digests_are_decoded_or_refused(void **state)
{
    static const uint8_t crc[] = {0x35, 0x24, 0x41, 0xc2};

    expect(PUT "Content-MD5: kAFQmDzST7DWlj99KOF/cg==\n", S3_OK, NULL);
    assert_true(request.has_md5);
    assert_int_equal(request.md5[0], 0x90);
    expect(PUT "Content-MD5: kAFQmDzST7DWlj99KOF/cg\n", S3_INVALID_DIGEST, NULL);
    expect(PUT "Content-MD5: \n", S3_INVALID_DIGEST, NULL);
    expect(PUT "Content-MD5: kAFQmDzST7DWlj99KOF/cg==\nContent-MD5: kAFQmDzST7DWlj99KOF/cg==\n",
           S3_INVALID_REQUEST, "twice");
    expect(PUT "x-amz-checksum-crc32: NSRBwg==\nx-amz-sdk-checksum-algorithm: CRC32\n", S3_OK, NULL);
    assert_int_equal(request.checksum, S3_CHECKSUM_CRC32);
    assert_memory_equal(request.checksum_value, crc, sizeof(crc));
    expect(PUT "x-amz-checksum-crc32c: NSRBwg==\n", S3_OK, NULL);
    assert_int_equal(request.checksum, S3_CHECKSUM_CRC32C);
    expect(PUT "X-AMZ-Checksum-CRC64NVME: AAAAAAAAAAA=\n", S3_OK, NULL);
    assert_int_equal(request.checksum, S3_CHECKSUM_CRC64NVME);
    expect(PUT "x-amz-checksum-sha1: qZk+NkcGgWq6PiVxeFDCbJzQ2J0=\n", S3_OK, NULL);
    assert_int_equal(request.checksum, S3_CHECKSUM_SHA1);
    expect(PUT "x-amz-checksum-sha256: ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=\n", S3_OK, NULL);
    assert_int_equal(request.checksum, S3_CHECKSUM_SHA256);
    expect(PUT, S3_OK, NULL);
    assert_int_equal(request.checksum, S3_CHECKSUM_NONE);
    assert_false(request.has_md5);

    expect(PUT "x-amz-checksum-crc32: AAAAAAAAAAA=\n", S3_INVALID_REQUEST,
           "x-amz-checksum-crc32 header is invalid");
    expect(PUT "x-amz-checksum-crc32: NSRBwg\n", S3_INVALID_REQUEST, "invalid");
    expect(PUT "x-amz-checksum-crc32: 352441c2\n", S3_INVALID_REQUEST, "invalid");
    expect(PUT "x-amz-checksum-crc32: NSRBw?==\n", S3_INVALID_REQUEST, "invalid");
    expect(PUT "x-amz-checksum-sha256: NSRBwg==\n", S3_INVALID_REQUEST, "invalid");
    expect(PUT "x-amz-checksum-crc32: NSRBwg==\nx-amz-checksum-crc32c: NSRBwg==\n", S3_INVALID_REQUEST,
           "single");
    expect(PUT "x-amz-checksum-sha512: AAAA\n", S3_NOT_IMPLEMENTED, "x-amz-checksum-sha512");
}

static void what_asks_for_something_we_do_not_do_is_refused_by_name(void **state)
{
    static const char *const names[] = {"If-Match",
                                        "If-None-Match",
                                        "If-Modified-Since",
                                        "If-Unmodified-Since",
                                        "Content-Range",
                                        "x-amz-copy-source",
                                        "x-amz-copy-source-range",
                                        "x-amz-metadata-directive",
                                        "x-amz-tagging",
                                        "x-amz-grant-read",
                                        "x-amz-grant-full-control",
                                        "x-amz-server-side-encryption",
                                        "x-amz-server-side-encryption-customer-key",
                                        "x-amz-object-lock-mode",
                                        "x-amz-object-lock-legal-hold",
                                        "x-amz-website-redirect-location",
                                        "x-amz-mfa",
                                        "x-amz-bypass-governance-retention",
                                        "x-amz-write-offset-bytes",
                                        "x-amz-expected-bucket-owner",
                                        "x-amz-if-match-size",
                                        "X-Amz-Unheard-Of"};
    static const char *const writes[] = {PUT, DELETE, CREATE, "DELETE /media\n" PAYLOAD};

    for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++) {
        for (size_t w = 0; w < sizeof(writes) / sizeof(writes[0]); w++) {
            char text[512];

            snprintf(text, sizeof(text), "%s%s: *\n", writes[w], names[n]);
            expect(text, S3_NOT_IMPLEMENTED, "not implemented");
            assert_int_equal(strncasecmp(strchr(message, '\'') + 1, names[n], strlen(names[n])), 0);
        }
    }
    expect(GET "x-amz-server-side-encryption-customer-algorithm: AES256\n", S3_NOT_IMPLEMENTED,
           "customer-algorithm");
}

static void some_headers_have_one_accepted_value(void **state)
{
    expect(PUT "x-amz-acl: private\nx-amz-storage-class: STANDARD\n", S3_OK, NULL);
    expect(PUT "x-amz-acl: public-read\n", S3_NOT_IMPLEMENTED, "x-amz-acl");
    expect(PUT "x-amz-storage-class: GLACIER\n", S3_NOT_IMPLEMENTED, "x-amz-storage-class");
    expect(CREATE "x-amz-object-ownership: BucketOwnerEnforced\nx-amz-bucket-object-lock-enabled: false\n",
           S3_OK, NULL);
    expect(CREATE "x-amz-object-ownership: ObjectWriter\n", S3_NOT_IMPLEMENTED, "x-amz-object-ownership");
    expect(CREATE "x-amz-bucket-object-lock-enabled: true\n", S3_NOT_IMPLEMENTED, "object-lock-enabled");
}

static void harmless_headers_pass(void **state)
{
    expect(PUT
           "Expires: never\nContent-Type: a/b\nCache-Control: no-cache\nUser-Agent: x\nExpect: 100-continue\n"
           "amz-sdk-invocation-id: 1\namz-sdk-request: attempt=1\nx-amz-user-agent: js\nx-amz-date: 1\n"
           "x-amz-request-payer: requester\nx-amzn-trace-id: 1\nAccept: */*\nAccept: b\n",
           S3_OK, NULL);
    expect(GET "x-amz-checksum-mode: ENABLED\nIf-Match: \"a\"\nIf-None-Match: \"b\"\nIf-Modified-Since: x\n"
               "If-Unmodified-Since: y\n",
           S3_OK, NULL);
    assert_true(span_is(request.range, ""));
}

static void ranges_are_handed_on_unless_if_range_asks(void **state)
{
    expect(GET "Range: bytes=0-1\n", S3_OK, NULL);
    assert_true(span_is(request.range, "bytes=0-1"));
    expect(GET "Range: bytes=0-1\nIf-Range: \"etag\"\n", S3_OK, NULL);
    assert_true(span_is(request.range, ""));
    expect(GET "Range: bytes=0-1\nRange: bytes=2-3\n", S3_INVALID_REQUEST, "twice");
}

static void metadata_is_bounded_named_and_unique(void **state)
{
    char text[8192];

    snprintf(text, sizeof(text), PUT "x-amz-meta-a: %0*d\nX-Amz-Meta-bc: 1\n", S3_METADATA_BYTES_MAX - 4, 0);
    expect(text, S3_OK, NULL);
    snprintf(text, sizeof(text), PUT "x-amz-meta-a: %0*d\nX-Amz-Meta-bc: 12\n", S3_METADATA_BYTES_MAX - 4, 0);
    expect(text, S3_METADATA_TOO_LARGE, NULL);
    snprintf(text, sizeof(text), PUT "x-amz-meta-a: %04000d\n", 0);
    expect(text, S3_METADATA_TOO_LARGE, NULL);
    snprintf(text, sizeof(text), GET "x-amz-meta-a: %04000d\n", 0);
    expect(text, S3_OK, NULL);
    expect(PUT "x-amz-meta-: a\n", S3_INVALID_ARGUMENT, "no name");
    expect(PUT "x-amz-meta-a: 1\nX-AMZ-META-A: 2\n", S3_INVALID_REQUEST, "twice");
    expect(PUT "x-amz-meta-s3mirror-stamp: 1\n", S3_INVALID_ARGUMENT, "reserved");
    expect(PUT "X-Amz-Meta-S3Mirror-X: 1\n", S3_INVALID_ARGUMENT, "reserved");
    expect(PUT "Content-Type: a\ncontent-type: b\n", S3_INVALID_REQUEST, "twice");
}

static void conditions_are_kept_for_whoever_reads(void **state)
{
    expect(GET, S3_OK, NULL);
    assert_int_equal(request.condition_count, 0);
    expect(GET "If-Match: \"a\"\nRange: bytes=1-\nIF-NONE-MATCH:  \"b\", \"c\" \nif-modified-since: x\n"
               "If-Unmodified-Since: y\n",
           S3_OK, NULL);
    assert_int_equal(request.condition_count, 4);
    assert_true(span_is(request.conditions[0].name, "if-match"));
    assert_true(span_is(request.conditions[0].value, "\"a\""));
    assert_true(span_is(request.conditions[1].name, "if-none-match"));
    assert_true(span_is(request.conditions[1].value, "\"b\", \"c\""));
    assert_true(span_is(request.conditions[2].name, "if-modified-since"));
    assert_true(span_is(request.conditions[3].name, "if-unmodified-since"));
    assert_true(span_is(request.conditions[3].value, "y"));
}

static void what_is_stored_and_shown(void **state)
{
    static const struct {
        const char *name;
        bool stored, shown;
    } rows[] = {
        {"content-type", true, true},
        {"Content-Disposition", true, true},
        {"content-language", true, true},
        {"content-encoding", true, true},
        {"CACHE-CONTROL", true, true},
        {"expires", true, true},
        {"x-amz-meta-a", true, true},
        {"X-Amz-Meta-B", true, true},
        {"x-amz-meta-s3mirror-stamp", false, false},
        {"X-Amz-Meta-S3mirror-Stamp", false, false},
        {"etag", false, true},
        {"Last-Modified", false, true},
        {"accept-ranges", false, true},
        {"content-range", false, true},
        {"if-match", false, false},
        {"If-None-Match", false, false},
        {"if-modified-since", false, false},
        {"if-unmodified-since", false, false},
        {"content-length", false, false},
        {"server", false, false},
        {"x-amz-request-id", false, false},
        {"x-amz-server-side-encryption", false, false},
        {"set-cookie", false, false},
        {"authorization", false, false},
        {"x-amz-date", false, false},
        {"x-amz-content-sha256", false, false},
        {"", false, false},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct span name = span_of(rows[i].name);

        if (s3_header_is_stored(name) != rows[i].stored || s3_header_is_shown(name) != rows[i].shown)
            fail_msg("%s", rows[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_payload_header_is_required_and_understood),
        cmocka_unit_test(streaming_payloads_are_refused_with_what_to_do_instead),
        cmocka_unit_test(digests_are_decoded_or_refused),
        cmocka_unit_test(what_asks_for_something_we_do_not_do_is_refused_by_name),
        cmocka_unit_test(some_headers_have_one_accepted_value),
        cmocka_unit_test(harmless_headers_pass),
        cmocka_unit_test(ranges_are_handed_on_unless_if_range_asks),
        cmocka_unit_test(metadata_is_bounded_named_and_unique),
        cmocka_unit_test(conditions_are_kept_for_whoever_reads),
        cmocka_unit_test(what_is_stored_and_shown),
    };

    return cmocka_run_group_tests(tests, arena_setup, arena_teardown);
}
