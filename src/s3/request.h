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

enum s3_checksum { S3_CHECKSUM_NONE, S3_CHECKSUM_CRC32, S3_CHECKSUM_CRC32C, S3_CHECKSUM_CRC64NVME, S3_CHECKSUM_SHA1, S3_CHECKSUM_SHA256 };

enum { S3_KEY_BYTES_MAX = 1024, S3_METADATA_BYTES_MAX = 2048 };

struct s3_request {
    enum s3_op op;
    struct span bucket, key;   /* decoded; empty when absent */
    struct span path, query;   /* as received, without the '?' */
    enum s3_payload payload;
    struct span payload_text;  /* x-amz-content-sha256 as received: a line of the canonical request */
    uint8_t sha256[SHA256_BYTES];
    bool has_md5;              /* Content-MD5 */
    uint8_t md5[MD5_BYTES];
    enum s3_checksum checksum; /* x-amz-checksum-*: at most one */
    uint8_t checksum_value[SHA256_BYTES]; /* big-endian bytes, 4, 8, 20 or 32 of them */
    struct span range;         /* the Range field's value, empty when absent */
    uint64_t body_bytes;       /* of Content-Length; 0 when there is none */
};

/* S3_OK, or the error to answer; *message (static or in the arena) is more precise than the table's.
 * - An operation or sub-resource that is not supported is S3_NOT_IMPLEMENTED, never something else:
 *   every query parameter must be known (x-id and response-* of GetObject included as known).
 * - Bucket names by the S3 rules, keys 1..1024 bytes of UTF-8 without NUL, x-amz-meta-* within 2 KB.
 * - Conditional writes (If-Match, If-None-Match on PUT, DELETE), x-amz-copy-source, STREAMING- payloads,
 *   tagging, ACLs other than private, SSE, object lock, storage class other than STANDARD,
 *   website redirect: S3_NOT_IMPLEMENTED with a message that names the header: ignoring it would
 *   be a lie to the client. If-* on GET and HEAD is forwarded (see s3_get_conditions). */
enum s3_code s3_request_parse(struct s3_request *out, const struct http_head *head, struct arena *arena,
                              const char **message) MUST_CHECK;

/* A table row per request header that is forwarded with PutObject, in lower case:
 * content-type, content-disposition, content-language, content-encoding (without aws-chunked),
 * cache-control, expires, x-amz-meta-* (never x-amz-meta-s3mirror-*: those are refused by the parser). */
bool s3_header_is_stored(struct span name);
/* The same for the answer of GET and HEAD: what a client may see of a backend's answer headers:
 * the stored ones, etag, last-modified, accept-ranges, content-range; never x-amz-meta-s3mirror-*. */
bool s3_header_is_shown(struct span name);

/* Percent-encode for a request path: A-Z a-z 0-9 - . _ ~ and '/' stay. at == NULL: arena full. */
struct span s3_path_encode(struct arena *arena, struct span key) MUST_CHECK;
/* Decode %XX once. False on a bad escape or NUL. */
bool s3_decode(struct arena *arena, struct span text, bool plus_is_space, struct span *out) MUST_CHECK;

bool s3_bucket_name_valid(struct span name);

/* Range: bytes=a-b | a- | -n against a size. S3 ignores what is not a single well-formed range. */
enum s3_range { S3_RANGE_NONE, S3_RANGE_OK, S3_RANGE_UNSATISFIABLE };
enum s3_range s3_range_parse(struct span value, uint64_t size, uint64_t *first, uint64_t *last);

#endif
