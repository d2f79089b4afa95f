/* s3/request.h - what an S3 client asks for, from an HTTP head. Pure.
 *
 * Path style (/bucket/key) and virtual-host style (bucket.domain/key). The path is decoded once (percent, never
 * '+'), nothing is normalised: "..", "//" and trailing slashes are bytes of the key. */
#ifndef S3_REQUEST_H
#define S3_REQUEST_H

#include "base/arena.h"
#include "base/hash.h"
#include "http/message.h"
#include "s3/error.h"

/* One row each in request.c: name, scope, method, the sub-resource or header that selects it. */
enum s3_op {
    S3_OP_LIST_BUCKETS,
    S3_OP_CREATE_BUCKET,
    S3_OP_HEAD_BUCKET,
    S3_OP_DELETE_BUCKET,
    S3_OP_LIST_OBJECTS,
    S3_OP_LIST_OBJECTS_V2,
    S3_OP_LIST_OBJECT_VERSIONS,
    S3_OP_LIST_MULTIPART_UPLOADS,
    S3_OP_GET_BUCKET_LOCATION,
    S3_OP_GET_BUCKET_VERSIONING,
    S3_OP_GET_BUCKET_ACL,
    S3_OP_PUT_BUCKET_ACL,
    S3_OP_GET_BUCKET_SETTING, /* ?policy, ?cors, ?lifecycle, ...: s3_request.setting says which */
    S3_OP_DELETE_OBJECTS,
    S3_OP_POST_OBJECT, /* multipart/form-data */
    S3_OP_PUT_OBJECT,
    S3_OP_COPY_OBJECT,
    S3_OP_GET_OBJECT,
    S3_OP_HEAD_OBJECT,
    S3_OP_DELETE_OBJECT,
    S3_OP_GET_OBJECT_ATTRIBUTES,
    S3_OP_GET_OBJECT_TAGGING,
    S3_OP_PUT_OBJECT_TAGGING,
    S3_OP_DELETE_OBJECT_TAGGING,
    S3_OP_GET_OBJECT_ACL,
    S3_OP_PUT_OBJECT_ACL,
    S3_OP_CREATE_MULTIPART_UPLOAD,
    S3_OP_UPLOAD_PART,
    S3_OP_UPLOAD_PART_COPY,
    S3_OP_COMPLETE_MULTIPART_UPLOAD,
    S3_OP_ABORT_MULTIPART_UPLOAD,
    S3_OP_LIST_PARTS,
    S3_OP_PREFLIGHT, /* OPTIONS: CORS; carries no signature */
    S3_OP_COUNT
};
/* "PutObject", for logs and metrics. */
const char *s3_op_name(enum s3_op op);
/* PutObject, UploadPart and POST uploads: the body is an object's or a part's, and may be a STREAMING- one. */
bool s3_op_has_content(enum s3_op op);

enum s3_payload {
    S3_PAYLOAD_SHA256,                  /* x-amz-content-sha256 is the body's hash: s3_request.sha256 */
    S3_PAYLOAD_UNSIGNED,                /* UNSIGNED-PAYLOAD, presigned URLs, forms */
    S3_PAYLOAD_CHUNKS_UNSIGNED_TRAILER, /* STREAMING-UNSIGNED-PAYLOAD-TRAILER */
    S3_PAYLOAD_CHUNKS_SIGNED,           /* STREAMING-AWS4-HMAC-SHA256-PAYLOAD */
    S3_PAYLOAD_CHUNKS_SIGNED_TRAILER,   /* STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER */
};

static inline bool s3_payload_is_chunked(enum s3_payload payload)
{
    return payload >= S3_PAYLOAD_CHUNKS_UNSIGNED_TRAILER;
}

enum s3_checksum {
    S3_CHECKSUM_NONE,
    S3_CHECKSUM_CRC32,
    S3_CHECKSUM_CRC32C,
    S3_CHECKSUM_CRC64NVME,
    S3_CHECKSUM_SHA1,
    S3_CHECKSUM_SHA256,
    S3_CHECKSUM_COUNT
};
enum s3_checksum_type { S3_TYPE_OPEN, S3_TYPE_COMPOSITE, S3_TYPE_FULL_OBJECT };
struct s3_checksum_kind {
    struct span header;    /* "x-amz-checksum-crc32" */
    struct span algorithm; /* "CRC32", as in x-amz-checksum-algorithm and documents */
    struct span element;   /* "ChecksumCRC32" */
    size_t bytes;          /* of the value: 4, 8, 20 or 32 */
};
const struct s3_checksum_kind *s3_checksum_kind(enum s3_checksum c);
/* Of an object in parts: "<base64>", or composite "<base64>-<parts>". *parts: 0 without. */
bool s3_object_checksum_read(enum s3_checksum kind, struct span text, uint8_t out[static SHA256_BYTES],
                             uint32_t *parts);
/* By header name (any case) or algorithm name (any case); S3_CHECKSUM_NONE when it is none. */
enum s3_checksum s3_checksum_by_header(struct span name);
enum s3_checksum s3_checksum_by_algorithm(struct span name);

enum {
    S3_KEY_BYTES_MAX = 1024,
    /* S3 allows 2 KB, names without their x-amz-meta- and values. The stamp that is added to each object,
     * "s3mirror-stamp" and 26 characters, counts against it at the backends. */
    S3_METADATA_BYTES_MAX = 2048 - 40,
    S3_OVERRIDES_MAX = 6,
    S3_CONDITIONS_MAX = 4,
    S3_PART_NUMBER_MAX = 10000,
    S3_LIST_KEYS_MAX = 1000,
    S3_UPLOAD_ID_BYTES_MAX = 64, /* ours */
    S3_TOKEN_BYTES_MAX = 2048
};
#define S3_PART_BYTES_MIN       (5ull << 20) /* of an upload in parts, all but the last */
#define S3_SINGLE_PUT_BYTES_MAX (5ull << 30) /* at a backend; and of a part */
#define S3_OBJECT_BYTES_MAX     (5ull << 40)
#define S3_OBJECT_BYTES_MAX     (5ull << 40)

/* response-content-type and the like of GetObject: replaces that header of the answer. */
struct s3_override {
    struct span header, value; /* "Content-Type"; decoded, free of control characters */
};

/* Sub-resources of a bucket that are never configured here: GET answers what S3 answers then. */
enum s3_setting { /* a row each in setting.c: query name, error code or document */
                  S3_SETTING_POLICY,
                  S3_SETTING_POLICY_STATUS,
                  S3_SETTING_CORS,
                  S3_SETTING_LIFECYCLE,
                  S3_SETTING_ENCRYPTION,
                  S3_SETTING_WEBSITE,
                  S3_SETTING_TAGGING,
                  S3_SETTING_REPLICATION,
                  S3_SETTING_OBJECT_LOCK,
                  S3_SETTING_PUBLIC_ACCESS_BLOCK,
                  S3_SETTING_OWNERSHIP_CONTROLS,
                  S3_SETTING_NOTIFICATION,
                  S3_SETTING_LOGGING,
                  S3_SETTING_ACCELERATE,
                  S3_SETTING_REQUEST_PAYMENT,
                  S3_SETTING_COUNT
};

enum s3_attribute { /* x-amz-object-attributes, bits */
                    S3_ATTRIBUTE_ETAG = 1,
                    S3_ATTRIBUTE_CHECKSUM = 2,
                    S3_ATTRIBUTE_PARTS = 4,
                    S3_ATTRIBUTE_STORAGE_CLASS = 8,
                    S3_ATTRIBUTE_SIZE = 16
};

struct s3_request {
    enum s3_op op;
    struct span bucket, key; /* decoded; empty when absent */
    struct span path, query; /* as received, without the '?' */
    bool virtual_host;       /* the bucket came from Host */
    const struct http_head
        *head; /* as received; with the header fields that a presigned URL has in its query */

    /* The body. */
    enum s3_payload payload;
    struct span
        payload_text; /* x-amz-content-sha256 as received (UNSIGNED-PAYLOAD for presigned): a line of the
                               * canonical request */
    uint8_t sha256[SHA256_BYTES];
    bool has_md5; /* Content-MD5 */
    uint8_t md5[MD5_BYTES];
    enum s3_checksum checksum; /* x-amz-checksum-*: at most one; or the one x-amz-trailer announces. Of the
                                           * body; for Complete of the whole object */
    bool checksum_in_trailer;  /* its value comes behind the body */
    uint8_t checksum_value[SHA256_BYTES]; /* big-endian bytes; not set while checksum_in_trailer */
    uint64_t body_bytes; /* of the content: Content-Length, or x-amz-decoded-content-length */

    /* Reads. */
    struct span range; /* the Range field's value, empty when absent */
    struct http_header
        conditions[S3_CONDITIONS_MAX]; /* If-* as received: reads, and the conditions of writes */
    size_t condition_count;
    struct s3_override overrides[S3_OVERRIDES_MAX]; /* GetObject and HeadObject */
    size_t override_count;
    bool checksum_mode;  /* x-amz-checksum-mode: ENABLED */
    unsigned attributes; /* GetObjectAttributes: enum s3_attribute */

    /* Copies: x-amz-copy-source, decoded; conditions x-amz-copy-source-if-* under their plain names ("if-match"). */
    struct span source_bucket, source_key;
    struct http_header source_conditions[S3_CONDITIONS_MAX];
    size_t source_condition_count;
    struct span source_range; /* x-amz-copy-source-range: "bytes=a-b", UploadPartCopy */
    bool replace_metadata, replace_tagging;
    struct span tagging; /* x-amz-tagging, as received; empty when absent */

    /* Multipart. */
    uint32_t part_number; /* 1..10000, 0 when absent; for GetObject and HeadObject too */
    struct span upload_id;
    enum s3_checksum checksum_algorithm; /* x-amz-checksum-algorithm of CreateMultipartUpload, CopyObject */
    enum s3_checksum_type checksum_type; /* x-amz-checksum-type */
    uint32_t checksum_parts; /* the number behind a composite checksum of Complete, "...-7"; or 0 */
    uint64_t expected_bytes; /* x-amz-mp-object-size of Complete; UINT64_MAX when absent */

    /* Lists; decoded; empty when absent. */
    struct span prefix, delimiter;
    struct span marker;             /* V1 marker, V2 start-after, versions and uploads key-marker */
    struct span continuation_token; /* V2, ListBuckets; has_token tells "" from none */
    bool has_token;
    struct span id_marker; /* version-id-marker, upload-id-marker */
    uint32_t max_keys; /* max-keys (0..1000), max-parts, max-uploads, max-buckets (1..10000); larger is cut */
    uint32_t part_marker; /* part-number-marker of ListParts and GetObjectAttributes */
    bool url_encoding;    /* encoding-type=url */
    bool fetch_owner;

    enum s3_setting setting;
};

/* Names under which clients may reach buckets as hosts: bucket.<domain>. */
struct s3_domains {
    const struct span *names; /* lower case, without a port */
    size_t count;
};

/* S3_OK, or the error to answer; *message (static or in the arena) is more precise than the table's, NULL
 * when there is no more to say. Spans point into the head or the arena. `presigned`: the proof is in the query
 * (auth/sigv4.h); its X-Amz-* parameters are then known, the payload is unsigned unless X-Amz-Content-Sha256 or a header says otherwise, and
 * x-amz-content-sha256 is not required. `signed_request` false: anonymous or a form; no x-amz-content-sha256 either.
 * - An operation or sub-resource that is not supported is S3_NOT_IMPLEMENTED, never something else:
 *   every query parameter and every x-amz-* header must be known for the operation.
 * - x-amz-* parameters of a presigned URL that are none of its proof are header fields, which whoever signed it moved there.
 * - A parameter, a header of ours or an x-amz-meta-* that comes twice is refused: which of the two a
 *   backend would take is up to the backend.
 * - Bucket names by the S3 rules, keys 1..1024 bytes of UTF-8 without NUL, metadata within its limit.
 * - Bodies with content need a Content-Length, or for STREAMING- payloads x-amz-decoded-content-length (then
 *   Transfer-Encoding: chunked is fine as well); an object at most 5 TiB, a part 5 GiB.
 * - STREAMING- payloads on operations without content: S3_INVALID_REQUEST. ECDSA: S3_NOT_IMPLEMENTED.
 * - x-amz-trailer together with an x-amz-checksum-* value, or naming what is no checksum: S3_INVALID_REQUEST.
 * - ACLs other than private and bucket-owner-full-control, SSE, object lock, storage class other than STANDARD, website redirect: S3_NOT_IMPLEMENTED with a message that names
 *   the header: ignoring it would be a lie to the client.
 * - If-Range makes the answer whole (`range` is empty), which RFC 9110 section 13.1.5 always allows. */
enum s3_proof { S3_PROOF_HEADER, S3_PROOF_QUERY, S3_PROOF_FORM, S3_PROOF_NONE };
enum s3_code s3_request_parse(struct s3_request *out, const struct http_head *head, enum s3_proof proof,
                              const struct s3_domains *domains, struct arena *arena,
                              const char **message) MUST_CHECK;

/* A table row per request header that is forwarded with PutObject, in lower case:
 * content-type, content-disposition, content-language, content-encoding (without aws-chunked),
 * cache-control, expires, x-amz-meta-* (never x-amz-meta-s3mirror-*: those are refused by the parser). */
bool s3_header_is_stored(struct span name);
/* Its value as it is stored (s3/metadata.h): Content-Encoding loses aws-chunked, which may leave nothing (then it is not
 * stored); metadata beyond ASCII becomes RFC 2047 encoded words. False: the arena is full. */
bool s3_stored_value(struct arena *arena, const struct http_header *h, struct span *out) MUST_CHECK;
/* The same for the answer of GET and HEAD: what a client may see of a backend's answer headers:
 * the stored ones, etag, last-modified, accept-ranges, content-range; never x-amz-meta-s3mirror-*. */
bool s3_header_is_shown(struct span name);

/* Percent-encode for a request path: A-Z a-z 0-9 - . _ ~ and '/' stay; `key` itself when nothing is to be
 * encoded. at == NULL: arena full. */
struct span s3_path_encode(struct arena *arena, struct span key) MUST_CHECK;
/* Percent-encode for a query: A-Z a-z 0-9 - . _ ~ stay. at == NULL: arena full. */
struct span s3_query_encode(struct arena *arena, struct span text) MUST_CHECK;
/* Decode %XX once; *out is `text` itself when there is nothing to decode. False on a bad escape, a NUL or
 * a full arena. */
bool s3_decode(struct arena *arena, struct span text, bool plus_is_space, struct span *out) MUST_CHECK;

bool s3_bucket_name_valid(struct span name);

/* Range: bytes=a-b | a- | -n against a size. S3 ignores what is not a single well-formed range. *first
 * and *last are set for S3_RANGE_OK. */
enum s3_range { S3_RANGE_NONE, S3_RANGE_OK, S3_RANGE_UNSATISFIABLE };
enum s3_range s3_range_parse(struct span value, uint64_t size, uint64_t *first, uint64_t *last);

#endif
