/* s3/digest.h - one x-amz-checksum-* of bytes that come in pieces. Pure. */
#ifndef S3_DIGEST_H
#define S3_DIGEST_H

#include "s3/request.h"

struct s3_digest {
    enum s3_checksum kind;
    union {
        uint32_t crc32;
        uint64_t crc64;
        struct sha1 sha1;
        struct sha256 sha256;
    };
};

/* S3_CHECKSUM_NONE: a digest of nothing, zero bytes long. */
void s3_digest_init(struct s3_digest *d, enum s3_checksum kind);
void s3_digest_add(struct s3_digest *d, const void *at, size_t len);
/* Big-endian, as S3 writes it; returns how many bytes there are. */
size_t s3_digest_end(struct s3_digest *d, uint8_t out[static SHA256_BYTES]);

#endif
