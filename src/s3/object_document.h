/* s3/object_document.h - the answers of CopyObject and GetObjectAttributes. Pure. */
#ifndef S3_OBJECT_DOCUMENT_H
#define S3_OBJECT_DOCUMENT_H

#include "base/arena.h"
#include "s3/manifest.h"

struct s3_object_checksum {
    enum s3_checksum kind;   /* S3_CHECKSUM_NONE: none is known */
    struct span value, type; /* base64; FULL_OBJECT, COMPOSITE or empty */
};

/* CopyObjectResult; `root` is that or "CopyPartResult". at == NULL: arena full. */
struct span s3_copy_document(struct arena *arena, const char *root, struct span etag,
                             uint64_t modified_unix_ms, const struct s3_object_checksum *checksum) MUST_CHECK;

struct s3_attributes {
    unsigned asked;   /* enum s3_attribute */
    struct span etag; /* quotes included */
    uint64_t bytes;
    uint32_t parts; /* 0: it is not of parts */
    const struct s3_manifest
        *manifest; /* tells the parts: `most` of them, from behind `marker` on. NULL: their number alone */
    uint32_t marker, most;
    struct s3_object_checksum checksum;
};
struct span s3_attributes_document(struct arena *arena, const struct s3_attributes *a) MUST_CHECK;

/* The number of parts that an ETag tells of, "...-7"; 0 when it is not of that kind. Quotes included or not. */
uint32_t s3_etag_parts(struct span etag);

#endif
