/* What the fields say about a body: its hash, its framing, its digests. */
#include "request_stage.h"

#define PAYLOAD  "x-amz-content-sha256: UNSIGNED-PAYLOAD\n"
#define PUT_BARE "PUT /media/a\nHost: h\n"
#define PUT_HEAD PUT_BARE "Content-Length: 3\n"
#define PUT      PUT_HEAD PAYLOAD
#define HASH     "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

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

#define STREAM(kind, more)                                                                                   \
    "PUT /media/a\nHost: h\nTransfer-Encoding: chunked\nContent-Encoding: "                                  \
    "aws-chunked\nx-amz-content-sha256: "                                                                    \
    "STREAMING-" kind "\n" more
#define LENGTH   "x-amz-decoded-content-length: 66560\n"
#define TRAILER  "x-amz-trailer: x-amz-checksum-crc32\n"
#define UNSIGNED "UNSIGNED-PAYLOAD-TRAILER"
#define SIGNED   "AWS4-HMAC-SHA256-PAYLOAD"

static void streaming_payloads_are_taken(void **state)
{
    static const struct {
        const char *text;
        enum s3_payload payload;
        enum s3_checksum checksum;
    } rows[] = {
        {STREAM(UNSIGNED, LENGTH TRAILER), S3_PAYLOAD_CHUNKS_UNSIGNED_TRAILER, S3_CHECKSUM_CRC32},
        {STREAM(UNSIGNED, LENGTH), S3_PAYLOAD_CHUNKS_UNSIGNED_TRAILER, S3_CHECKSUM_NONE},
        {STREAM(UNSIGNED, LENGTH "x-amz-trailer: X-Amz-Checksum-SHA256\n"),
         S3_PAYLOAD_CHUNKS_UNSIGNED_TRAILER, S3_CHECKSUM_SHA256},
        {STREAM(SIGNED, LENGTH), S3_PAYLOAD_CHUNKS_SIGNED, S3_CHECKSUM_NONE},
        {STREAM(SIGNED "-TRAILER", LENGTH "x-amz-trailer: x-amz-checksum-crc64nvme\n"),
         S3_PAYLOAD_CHUNKS_SIGNED_TRAILER, S3_CHECKSUM_CRC64NVME},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        expect(rows[i].text, S3_OK, NULL);
        assert_int_equal(request.payload, rows[i].payload);
        assert_true(s3_payload_is_chunked(request.payload));
        assert_int_equal(request.checksum, rows[i].checksum);
        assert_int_equal(request.checksum_in_trailer, rows[i].checksum != S3_CHECKSUM_NONE);
        assert_int_equal(request.body_bytes, 66560);
        assert_true(span_starts(request.payload_text, SPAN("STREAMING-")));
    }
    /* a checksum as a header, of the decoded content; a length of the framed body, which is not that of the content;
     * no Content-Encoding */
    expect(STREAM(SIGNED, LENGTH "x-amz-checksum-crc32: NSRBwg==\n"), S3_OK, NULL);
    assert_int_equal(request.checksum, S3_CHECKSUM_CRC32);
    assert_false(request.checksum_in_trailer);
    expect("PUT /media/a?uploadId=u&partNumber=1\nHost: h\nContent-Length: 66824\nx-amz-content-sha256: "
           "STREAMING-" SIGNED "\n" LENGTH,
           S3_OK, NULL);
    assert_int_equal(request.op, S3_OP_UPLOAD_PART);
    assert_int_equal(request.body_bytes, 66560);
}

static void streaming_payloads_must_say_how_long_they_are(void **state)
{
    expect(STREAM(UNSIGNED, TRAILER), S3_MISSING_CONTENT_LENGTH, "x-amz-decoded-content-length");
    expect(STREAM(SIGNED, ""), S3_MISSING_CONTENT_LENGTH, "x-amz-decoded-content-length");
    expect(STREAM(SIGNED, "x-amz-decoded-content-length: -1\n"), S3_INVALID_ARGUMENT, "'-1'");
    expect(STREAM(SIGNED, "x-amz-decoded-content-length: \n"), S3_INVALID_ARGUMENT, "decoded");
    expect(STREAM(SIGNED, "x-amz-decoded-content-length: 0x10\n"), S3_INVALID_ARGUMENT, "decoded");
    expect(STREAM(SIGNED, "x-amz-decoded-content-length: 9223372036854775808\n"), S3_INVALID_ARGUMENT,
           "decoded");
    expect(STREAM(SIGNED, LENGTH LENGTH), S3_INVALID_REQUEST, "twice");
    expect(STREAM(SIGNED, "x-amz-decoded-content-length: 5497558138880\n"), S3_OK, NULL);
    expect(STREAM(SIGNED, "x-amz-decoded-content-length: 5497558138881\n"), S3_ENTITY_TOO_LARGE, "5 TiB");
    expect(PUT_BARE "x-amz-content-sha256: STREAMING-" SIGNED "\n" LENGTH, S3_MISSING_CONTENT_LENGTH, NULL);
}

static void a_trailer_is_one_known_checksum(void **state)
{
    expect(STREAM(UNSIGNED, LENGTH TRAILER "x-amz-checksum-crc32: NSRBwg==\n"), S3_INVALID_REQUEST,
           "Expecting a single x-amz-checksum- header");
    expect(STREAM(UNSIGNED, "x-amz-checksum-crc32c: NSRBwg==\n" LENGTH TRAILER), S3_INVALID_REQUEST,
           "x-amz-checksum-crc32c");
    expect(STREAM(UNSIGNED, LENGTH "x-amz-trailer: x-amz-checksum-sha512\n"), S3_INVALID_REQUEST,
           "not supported: 'x-amz-checksum-sha512'");
    expect(STREAM(UNSIGNED, LENGTH "x-amz-trailer: x-amz-meta-a\n"), S3_INVALID_REQUEST, "not supported");
    expect(STREAM(UNSIGNED, LENGTH "x-amz-trailer: x-amz-checksum-crc32,x-amz-checksum-sha1\n"),
           S3_INVALID_REQUEST, "not supported");
    expect(STREAM(UNSIGNED, LENGTH "x-amz-trailer: \n"), S3_INVALID_REQUEST, "not supported: ''");
    expect(STREAM(UNSIGNED, LENGTH TRAILER TRAILER), S3_INVALID_REQUEST, "twice");
    expect(STREAM(SIGNED, LENGTH TRAILER), S3_INVALID_REQUEST, "ends in -TRAILER");
    expect(PUT TRAILER, S3_INVALID_REQUEST, "'x-amz-trailer' needs a STREAMING-");
    expect(PUT LENGTH, S3_INVALID_REQUEST, "STREAMING-");
    expect(PUT "Content-Encoding: gzip, AWS-chunked\n", S3_OK,
           NULL); /* the framing is told by STREAMING- alone */
    expect(PUT "Content-Encoding: gzip\n", S3_OK, NULL);
}

static void streaming_payloads_are_for_content(void **state)
{
    static const char *const kinds[] = {UNSIGNED, SIGNED, SIGNED "-TRAILER"};
    static const char *const lines[] = {"GET /media/a", "POST /media?delete", "PUT /media",
                                        "PUT /media/a?tagging", "POST /media/a?uploadId=u"};

    for (size_t i = 0; i < COUNT(kinds); i++)
        for (size_t l = 0; l < COUNT(lines); l++) {
            char text[512];

            snprintf(text, sizeof(text),
                     "%s\nHost: h\nContent-Length: 9\nx-amz-content-sha256: STREAMING-%s\n" LENGTH, lines[l],
                     kinds[i]);
            expect(text, S3_INVALID_REQUEST, "has no meaning for");
        }
}

static void other_streaming_payloads_are_not_implemented(void **state)
{
    expect(STREAM("AWS4-ECDSA-P256-SHA256-PAYLOAD", LENGTH), S3_NOT_IMPLEMENTED, "ECDSA");
    expect(STREAM("AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER", LENGTH TRAILER), S3_NOT_IMPLEMENTED, "ECDSA");
    expect(STREAM("UNSIGNED-PAYLOAD", LENGTH), S3_NOT_IMPLEMENTED, "STREAMING-UNSIGNED-PAYLOAD");
    expect(STREAM("", LENGTH), S3_NOT_IMPLEMENTED, "STREAMING-");
    expect(PUT_HEAD "x-amz-content-sha256: streaming-unsigned-payload-trailer\n", S3_INVALID_ARGUMENT,
           "x-amz-content-sha256");
}

/* Without a signature in the header the field may be missing; what is there counts. */
static void presigned_and_unsigned_requests_need_no_payload_field(void **state)
{
    static const enum s3_proof proofs[] = {S3_PROOF_QUERY, S3_PROOF_FORM, S3_PROOF_NONE};

    for (size_t i = 0; i < COUNT(proofs); i++) {
        expect_as(PUT_HEAD, proofs[i], S3_OK, NULL);
        assert_int_equal(request.payload, S3_PAYLOAD_UNSIGNED);
        assert_true(span_is(request.payload_text, "UNSIGNED-PAYLOAD"));
        expect_as(PUT_HEAD "x-amz-content-sha256: " HASH "\n", proofs[i], S3_OK, NULL);
        assert_int_equal(request.payload, S3_PAYLOAD_SHA256);
        assert_true(span_is(request.payload_text, HASH));
    }
}

#define PRESIGNED(value) "PUT /media/a?X-Amz-Content-Sha256=" value "\nHost: h\nContent-Length: 3\n"

static void a_presigned_url_may_say_the_hash_itself(void **state)
{
    expect_as(PRESIGNED(HASH), S3_PROOF_QUERY, S3_OK, NULL);
    assert_int_equal(request.payload, S3_PAYLOAD_SHA256);
    assert_int_equal(request.sha256[0], 0xba);
    assert_true(span_is(request.payload_text, HASH));
    expect_as(PRESIGNED("UNSIGNED-PAYLOAD"), S3_PROOF_QUERY, S3_OK, NULL);
    assert_int_equal(request.payload, S3_PAYLOAD_UNSIGNED);
    expect_as(PRESIGNED(HASH) "x-amz-content-sha256: " HASH "\n", S3_PROOF_QUERY, S3_OK, NULL);
    expect_as(PRESIGNED(HASH) "x-amz-content-sha256: UNSIGNED-PAYLOAD\n", S3_PROOF_QUERY, S3_INVALID_REQUEST,
              "differ");
    expect_as(PRESIGNED(""), S3_PROOF_QUERY, S3_INVALID_ARGUMENT, "x-amz-content-sha256");
    expect_as(PRESIGNED("abc"), S3_PROOF_QUERY, S3_INVALID_ARGUMENT, "'abc'");
    expect_as(PRESIGNED(HASH), S3_PROOF_HEADER, S3_NOT_IMPLEMENTED, "X-Amz-Content-Sha256");
}

#define PRESIGNED_WITH(query) "PUT /media/a?" query "\nHost: h\nContent-Length: 3\n"

static void a_presigned_url_may_say_the_checksum(void **state)
{
    static const uint8_t crc[] = {0x35, 0x24, 0x41, 0xc2};
    static const char *const of_nothing[] = {
        "x-amz-checksum-crc32=AAAAAA%3D%3D&x-amz-sdk-checksum-algorithm=CRC32",
        "X-Amz-Checksum-Crc32c=AAAAAA%3D%3D",
        "x-amz-checksum-crc64nvme=AAAAAAAAAAA%3D",
        "x-amz-checksum-sha1=2jmj7l5rSw0yVb%2FvlWAYkK%2FYBwk%3D",
        "x-amz-checksum-sha256=47DEQpj8HBSa%2B%2FTImW%2B5JCeuQeRkm5NMpJWZG3hSuFU%3D",
    };

    for (size_t i = 0; i < COUNT(of_nothing); i++) {
        char text[256];

        snprintf(text, sizeof(text), PRESIGNED_WITH("%s"), of_nothing[i]);
        expect_as(text, S3_PROOF_QUERY, S3_OK, NULL);
        assert_int_equal(request.checksum, S3_CHECKSUM_NONE);
        expect_as(text, S3_PROOF_HEADER, S3_NOT_IMPLEMENTED, "hecksum");
    }
    expect_as(PRESIGNED_WITH("x-amz-checksum-crc32c=AAAAAA%3D%3D&X-Amz-Checksum-Crc32=NSRBwg%3D%3D"),
              S3_PROOF_QUERY, S3_OK, NULL);
    assert_int_equal(request.checksum, S3_CHECKSUM_CRC32);
    assert_memory_equal(request.checksum_value, crc, sizeof(crc));
    expect_as(PRESIGNED_WITH("x-amz-checksum-crc32=NSRBwg%3D%3D&x-amz-checksum-crc32c=NSRBwg%3D%3D"),
              S3_PROOF_QUERY, S3_INVALID_REQUEST, "x-amz-checksum-crc32c' is a further one");
    expect_as(PRESIGNED_WITH("x-amz-checksum-crc32=NSRBwg%3D%3D") "x-amz-checksum-crc32: NSRBwg==\n",
              S3_PROOF_QUERY, S3_INVALID_REQUEST, "further one");
    expect_as(PRESIGNED_WITH("x-amz-checksum-crc32=NSRB"), S3_PROOF_QUERY, S3_INVALID_REQUEST, "invalid");
    expect_as("GET /media/a?x-amz-checksum-mode=ENABLED\nHost: h\n", S3_PROOF_QUERY, S3_OK, NULL);
    assert_true(request.checksum_mode);
    expect_as("GET /media/a?x-amz-checksum-mode=ENABLED\nHost: h\n", S3_PROOF_HEADER, S3_NOT_IMPLEMENTED,
              "x-amz-checksum-mode");
    expect_as("GET /media/a?x-amz-checksum-crc32=NSRBwg%3D%3D\nHost: h\n", S3_PROOF_QUERY, S3_OK, NULL);
}

/* The SDK for JavaScript signs a URL so. */
static void a_presigned_url_may_bring_header_fields(void **state)
{
    const struct span *field;

    expect_as(PRESIGNED_WITH("x-amz-meta-a=b%20c&X-Amz-Tagging=k%3Dv&x-amz-acl=private&x-amz-storage-class="
                             "STANDARD") "x-amz-meta-b: d\n",
              S3_PROOF_QUERY, S3_OK, NULL);
    assert_true(span_is(request.tagging, "k=v"));
    field = http_header(request.head, "x-amz-meta-a");
    assert_true(field && span_is(*field, "b c"));
    field = http_header(request.head, "x-amz-meta-b");
    assert_true(field && span_is(*field, "d"));
    expect_as(PRESIGNED_WITH("x-amz-meta-a=b"), S3_PROOF_HEADER, S3_NOT_IMPLEMENTED, "x-amz-meta-a");
    expect_as(PRESIGNED_WITH("x-amz-meta-a=b") "X-Amz-Meta-A: b\n", S3_PROOF_QUERY, S3_INVALID_REQUEST,
              "twice");
    expect_as(PRESIGNED_WITH("x-amz-tagging=a%3Db") "x-amz-tagging: a=b\n", S3_PROOF_QUERY,
              S3_INVALID_REQUEST, "twice");
    expect_as(PRESIGNED_WITH("x-amz-acl=public-read"), S3_PROOF_QUERY, S3_NOT_IMPLEMENTED, "x-amz-acl");
    expect_as(PRESIGNED_WITH("x-amz-nonsense=1"), S3_PROOF_QUERY, S3_NOT_IMPLEMENTED, "x-amz-nonsense");
    expect_as(PRESIGNED_WITH("x-amz-meta-s3mirror-stamp=1"), S3_PROOF_QUERY, S3_INVALID_ARGUMENT, "reserved");
    /* nothing of it may end the header that it becomes */
    expect_as(PRESIGNED_WITH("x-amz-meta-a=b%0D%0Ax-c:%20d"), S3_PROOF_QUERY, S3_INVALID_ARGUMENT,
              "none of a header");
    expect_as(PRESIGNED_WITH("x-amz-meta-a%0D%0A=b"), S3_PROOF_QUERY, S3_INVALID_ARGUMENT,
              "none of a header");
    expect_as(PRESIGNED_WITH("x-amz-meta-a:b=c"), S3_PROOF_QUERY, S3_INVALID_ARGUMENT, "none of a header");
}

static void a_presigned_url_brings_so_many_header_fields_and_no_more(void **state)
{
    char text[8192];
    size_t len = (size_t)snprintf(text, sizeof(text), "PUT /media/a?x=");

    for (unsigned i = 0; i < HTTP_HEADERS_MAX; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "&x-amz-meta-%u=", i);
    text[sizeof("PUT /media/a?") - 1] = '&';
    text[sizeof("PUT /media/a?")] = '&';
    snprintf(text + len, sizeof(text) - len, "\nHost: h\nContent-Length: 3\n");
    expect_as(text, S3_PROOF_QUERY, S3_INVALID_REQUEST, "more than 100 header fields");
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

static void every_checksum_has_its_names(void **state)
{
    static const struct {
        enum s3_checksum kind;
        const char *header, *algorithm, *element;
        size_t bytes;
    } rows[] = {
        {S3_CHECKSUM_CRC32, "x-amz-checksum-crc32", "CRC32", "ChecksumCRC32", 4},
        {S3_CHECKSUM_CRC32C, "x-amz-checksum-crc32c", "CRC32C", "ChecksumCRC32C", 4},
        {S3_CHECKSUM_CRC64NVME, "x-amz-checksum-crc64nvme", "CRC64NVME", "ChecksumCRC64NVME", 8},
        {S3_CHECKSUM_SHA1, "x-amz-checksum-sha1", "SHA1", "ChecksumSHA1", 20},
        {S3_CHECKSUM_SHA256, "x-amz-checksum-sha256", "SHA256", "ChecksumSHA256", 32},
    };

    assert_int_equal(COUNT(rows), S3_CHECKSUM_COUNT - 1);
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct s3_checksum_kind *k = s3_checksum_kind(rows[i].kind);

        assert_true(span_is(k->header, rows[i].header) && span_is(k->algorithm, rows[i].algorithm) &&
                    span_is(k->element, rows[i].element));
        assert_int_equal(k->bytes, rows[i].bytes);
        assert_int_equal(s3_checksum_by_header(span_of(rows[i].header)), rows[i].kind);
        assert_int_equal(s3_checksum_by_algorithm(span_of(rows[i].algorithm)), rows[i].kind);
        assert_int_equal(s3_checksum_by_algorithm(span_of(rows[i].header)), S3_CHECKSUM_NONE);
    }
    assert_int_equal(s3_checksum_by_header(SPAN("X-AMZ-Checksum-Crc32C")), S3_CHECKSUM_CRC32C);
    assert_int_equal(s3_checksum_by_algorithm(SPAN("crc64nvme")), S3_CHECKSUM_CRC64NVME);
    assert_int_equal(s3_checksum_by_header(SPAN("")), S3_CHECKSUM_NONE);
    assert_int_equal(s3_checksum_by_algorithm(SPAN("")), S3_CHECKSUM_NONE);
    assert_int_equal(s3_checksum_by_header(SPAN("x-amz-checksum-")), S3_CHECKSUM_NONE);
    assert_int_equal(s3_checksum_by_header(SPAN("x-amz-checksum-sha512")), S3_CHECKSUM_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_payload_header_is_required_and_understood),
        cmocka_unit_test(streaming_payloads_are_taken),
        cmocka_unit_test(streaming_payloads_must_say_how_long_they_are),
        cmocka_unit_test(a_trailer_is_one_known_checksum),
        cmocka_unit_test(streaming_payloads_are_for_content),
        cmocka_unit_test(other_streaming_payloads_are_not_implemented),
        cmocka_unit_test(presigned_and_unsigned_requests_need_no_payload_field),
        cmocka_unit_test(a_presigned_url_may_say_the_hash_itself),
        cmocka_unit_test(a_presigned_url_may_say_the_checksum),
        cmocka_unit_test(a_presigned_url_may_bring_header_fields),
        cmocka_unit_test(a_presigned_url_brings_so_many_header_fields_and_no_more),
        cmocka_unit_test(digests_are_decoded_or_refused),
        cmocka_unit_test(every_checksum_has_its_names),
    };

    return cmocka_run_group_tests(tests, stage_setup, stage_teardown);
}
