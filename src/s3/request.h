/* s3/request.h - what an S3 client asks for, from an HTTP head. Pure.
 *
 * Path style only: /bucket/key. The path is decoded once (percent, never '+'), nothing is
 * normalised: "..", "//" and trailing slashes are bytes of the key. */
#ifndef S3_REQUEST_H
#define S3_REQUEST_H

#include "base/arena.h"
#include "base/hash.h"
#include "http/message.h"
#include "s3/error.h"

enum s3_op {
    S3_OP_LIST_BUCKETS,
    S3_OP_CREATE_BUCKET,
    S3_OP_HEAD_BUCKET,
    S3_OP_DELETE_BUCKET,
    S3_OP_PUT_OBJECT,
    S3_OP_GET_OBJECT,
    S3_OP_HEAD_OBJECT,
    S3_OP_DELETE_OBJECT,
    S3_OP_COUNT
};
/* "PutObject", for logs and metrics. */
const char *s3_op_name(enum s3_op op);

enum s3_payload {
    S3_PAYLOAD_SHA256,   /* x-amz-content-sha256 is the body's hash: s3_request.sha256 */
    S3_PAYLOAD_UNSIGNED, /* UNSIGNED-PAYLOAD */
};

enum s3_checksum {
    S3_CHECKSUM_NONE,
    S3_CHECKSUM_CRC32,
    S3_CHECKSUM_CRC32C,
    S3_CHECKSUM_CRC64NVME,
    S3_CHECKSUM_SHA1,
    S3_CHECKSUM_SHA256
};

enum {
    S3_KEY_BYTES_MAX = 1024,
    /* S3 allows 2 KB, names without their x-amz-meta- and values. The stamp that is added to each object,
     * "s3mirror-stamp" and 26 characters, counts against it at the backends. */
    S3_METADATA_BYTES_MAX = 2048 - 40,
    S3_OVERRIDES_MAX = 6,
    S3_CONDITIONS_MAX = 4 /* if-match, if-none-match, if-modified-since, if-unmodified-since */
};
#define S3_SINGLE_PUT_BYTES_MAX (5ull << 30)

/* response-content-type and the like of GetObject: replaces that header of the answer. */
struct s3_override {
    struct span header, value; /* "Content-Type"; decoded, free of control characters */
};

struct s3_request {
    enum s3_op op;
    struct span bucket, key; /* decoded; empty when absent */
    struct span path, query; /* as received, without the '?' */
    enum s3_payload payload;
    struct span payload_text; /* x-amz-content-sha256 as received: a line of the canonical request */
    uint8_t sha256[SHA256_BYTES];
    bool has_md5; /* Content-MD5 */
    uint8_t md5[MD5_BYTES];
    enum s3_checksum checksum;                        /* x-amz-checksum-*: at most one */
    uint8_t checksum_value[SHA256_BYTES];             /* big-endian bytes, 4, 8, 20 or 32 of them */
    struct span range;                                /* the Range field's value, empty when absent */
    struct http_header conditions[S3_CONDITIONS_MAX]; /* If-* of GetObject and HeadObject, to be forwarded */
    size_t condition_count;
    uint64_t body_bytes;                            /* of Content-Length; 0 when there is none */
    struct s3_override overrides[S3_OVERRIDES_MAX]; /* GetObject and HeadObject */
    size_t override_count;
    struct span prefix;   /* ListBuckets, decoded; empty when absent */
    uint32_t max_buckets; /* ListBuckets, 1..10000; 10000 when absent */
};

/* S3_OK, or the error to answer; *message (static or in the arena) is more precise than the table's, NULL
 * when there is no more to say. Call sigv4_claim_parse first: it names what is wrong with a presigned query, which
 * is here only a list of unknown parameters. Spans point into the head or the arena.
 * - An operation or sub-resource that is not supported is S3_NOT_IMPLEMENTED, never something else:
 *   every query parameter and every x-amz-* header must be known (x-id and response-* of GetObject are).
 * - A parameter, a header of ours or an x-amz-meta-* that comes twice is refused: which of the two a
 *   backend would take is up to the backend.
 * - Bucket names by the S3 rules, keys 1..1024 bytes of UTF-8 without NUL, metadata within its limit.
 * - x-amz-content-sha256 is required. STREAMING- payloads: S3_NOT_IMPLEMENTED and how to configure the client.
 * - PutObject needs a Content-Length, of 5 GiB at most.
 * - Conditional writes (If-Match, If-None-Match on PUT, DELETE), x-amz-copy-source,
 *   tagging, ACLs other than private, SSE, object lock, storage class other than STANDARD,
 *   website redirect: S3_NOT_IMPLEMENTED with a message that names the header: ignoring it would
 *   be a lie to the client. If-* on GET and HEAD is forwarded (`conditions`).
 * - If-Range makes the answer whole (`range` is empty), which RFC 9110 section 13.1.5 always allows. */
enum s3_code s3_request_parse(struct s3_request *out, const struct http_head *head, struct arena *arena,
                              const char **message) MUST_CHECK;

/* A table row per request header that is forwarded with PutObject, in lower case:
 * content-type, content-disposition, content-language, content-encoding (without aws-chunked),
 * cache-control, expires, x-amz-meta-* (never x-amz-meta-s3mirror-*: those are refused by the parser). */
bool s3_header_is_stored(struct span name);
/* The same for the answer of GET and HEAD: what a client may see of a backend's answer headers:
 * the stored ones, etag, last-modified, accept-ranges, content-range; never x-amz-meta-s3mirror-*. */
bool s3_header_is_shown(struct span name);

/* Percent-encode for a request path: A-Z a-z 0-9 - . _ ~ and '/' stay; `key` itself when nothing is to be
 * encoded. at == NULL: arena full. */
struct span s3_path_encode(struct arena *arena, struct span key) MUST_CHECK;
/* Decode %XX once; *out is `text` itself when there is nothing to decode. False on a bad escape, a NUL or
 * a full arena. */
bool s3_decode(struct arena *arena, struct span text, bool plus_is_space, struct span *out) MUST_CHECK;

bool s3_bucket_name_valid(struct span name);

/* Range: bytes=a-b | a- | -n against a size. S3 ignores what is not a single well-formed range. *first
 * and *last are set for S3_RANGE_OK. */
enum s3_range { S3_RANGE_NONE, S3_RANGE_OK, S3_RANGE_UNSATISFIABLE };
enum s3_range s3_range_parse(struct span value, uint64_t size, uint64_t *first, uint64_t *last);

#endif
