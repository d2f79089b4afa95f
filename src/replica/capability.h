/* replica/capability.h - what a backend can do, and what must not be asked of it. Pure.
 *
 * S3 servers differ. Everything by which the gateway treats one otherwise than another is a field here, each read
 * somewhere; a vendor is a row of values (capability.c), and the configuration may override single ones. What each
 * value means to users, and how it is written, stands in the table of the configuration (app/config_table.c).
 * `s3mirror probe` finds them out. */
#ifndef REPLICA_CAPABILITY_H
#define REPLICA_CAPABILITY_H

#include "base/span.h"
#include "s3/request.h"

/* How the barrier is held for bodies over a chunk (docs/protocol.md): smaller ones are sent whole when it opens, with a
 * checksum or an MD5 in the head. A declared SHA-256 is signed on where the body is sent plain: aws-chunked has no place
 * for it, and its checksum covers the same bytes. */
enum s3_barrier {
    S3_BARRIER_TRAILER = 1, /* aws-chunked: last chunk and checksum trailer held back, sent in one piece */
    S3_BARRIER_HASH,        /* plain, the declared SHA-256 signed on, the last byte held back. None declared:
                             * parts */
    S3_BARRIER_LENGTH,      /* plain, the last byte held back */
    S3_BARRIER_PARTS,       /* as a multipart upload whose Complete is held back */
};

enum s3_list_version { S3_LIST_V1 = 1, S3_LIST_V2 };
enum s3_list_order {
    S3_LIST_ORDER_BYTES = 1,
    S3_LIST_ORDER_PATH, /* '/' before all other characters: "a/b", "a!b" */
};
enum s3_answer { S3_NO = 1, S3_YES };

enum s3_etag_kind {
    S3_ETAG_MD5 = 1, /* of a single PUT its MD5, of a multipart upload the MD5 of its parts' with -N */
    S3_ETAG_SINGLE,  /* of a single PUT its MD5; of a multipart upload anything */
    S3_ETAG_OPAQUE,  /* anything, even where it looks like an MD5 */
};

/* A copy that it makes by itself (CopyObject): with other metadata and tags, and refused when the source shows another
 * ETag than x-amz-copy-source-if-match says. */
enum s3_copy_kind {
    S3_COPY_NO = 1,
    S3_COPY_MD5,  /* the copy of an object in parts is one in one piece: its ETag is an MD5 */
    S3_COPY_SAME, /* it keeps its ETag */
};

/* Bits of key_folding: keys that it takes for other ones. */
enum s3_fold {
    S3_FOLD_LEAD = 1,      /* "/a" is "a" */
    S3_FOLD_SLASHES = 2,   /* "a//b" is "a/b" */
    S3_FOLD_DOTS = 4,      /* "a/../b" is "b", "a/." is "a" */
    S3_FOLD_TAIL = 8,      /* "a/" is "a" */
    S3_FOLD_TAIL_BODY = 16 /* "a/" loses its body */
};

/* Each field is a uint64_t, as the configuration keeps values; 0 is none of any field's values and means: as the
 * profile. Sets carry CAPABILITY_SET, so that an empty one is a value too. */
#define CAPABILITY_SET   (1ull << 63)
#define S3_CHECKSUMS_ALL ((1u << S3_CHECKSUM_COUNT) - 2)

struct capabilities {
    uint64_t barrier;          /* enum s3_barrier */
    uint64_t checksum_headers; /* bits 1 << enum s3_checksum: x-amz-checksum-* that it verifies and keeps */
    uint64_t etag_kind;
    uint64_t conditional_put; /* enum s3_answer: PUT with If-Match is judged */
    uint64_t key_folding;     /* bits of enum s3_fold */
    uint64_t list_version, list_order;
    uint64_t url_encode;  /* enum s3_answer: encoding-type=url is done in listings */
    uint64_t list_after;  /* enum s3_answer: what it lists behind a place within a folder misses nothing */
    uint64_t list_nested; /* enum s3_answer: "a/b" is listed although there is an object "a" */
    uint64_t min_part, max_parts; /* of an upload in parts: bytes of all but the last, and how many */
    uint64_t equal_parts;         /* enum s3_answer: they must be of one size */
    uint64_t copy_object;         /* enum s3_copy_kind */
    uint64_t
        copy_part; /* enum s3_answer: UploadPartCopy under the same condition, and its ETag is the MD5 of the part */
};

struct capability_profile {
    const char *name; /* NULL ends the table */
    struct capabilities can;
    const char *text; /* one sentence */
};
/* The first is the one for a vendor that is not known: what every S3 server can do. */
extern const struct capability_profile capability_profiles[];
/* NULL: no such profile. */
const struct capability_profile *capability_profile(const char *name);

/* What `own` leaves open is as in `profile`. */
void capabilities_fill(struct capabilities *own, const struct capabilities *profile);

/* Why this key cannot be told from another one there; NULL: it can. `has_body`: it is to be written, with content. */
const char *capability_folds(const struct capabilities *can, struct span key, bool has_body);

/* Is this failure of a write about the key itself, so that trying again cannot help while what stands in its way is there?
 * NULL: it is not, or nobody knows; else what it is about, for people. */
const char *capability_key_failure(unsigned status, const char *code, struct span key);

#endif
