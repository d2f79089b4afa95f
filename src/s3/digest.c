#include "s3/digest.h"

void s3_digest_init(struct s3_digest *d, enum s3_checksum kind)
{
    d->kind = kind;
    if (kind == S3_CHECKSUM_SHA1)
        sha1_init(&d->sha1);
    else if (kind == S3_CHECKSUM_SHA256)
        sha256_init(&d->sha256);
    else
        d->crc64 = 0; /* and crc32 */
}

void s3_digest_add(struct s3_digest *d, const void *at, size_t len)
{
    switch (d->kind) {
    case S3_CHECKSUM_NONE:
    case S3_CHECKSUM_COUNT: break;
    case S3_CHECKSUM_CRC32: d->crc32 = crc32_add(d->crc32, at, len); break;
    case S3_CHECKSUM_CRC32C: d->crc32 = crc32c_add(d->crc32, at, len); break;
    case S3_CHECKSUM_CRC64NVME: d->crc64 = crc64nvme_add(d->crc64, at, len); break;
    case S3_CHECKSUM_SHA1: sha1_add(&d->sha1, at, len); break;
    case S3_CHECKSUM_SHA256: sha256_add(&d->sha256, at, len); break;
    }
}

static void big_endian(uint64_t value, size_t bytes, uint8_t *out)
{
    for (size_t i = 0; i < bytes; i++)
        out[i] = (uint8_t)(value >> (8 * (bytes - 1 - i)));
}

size_t s3_digest_end(struct s3_digest *d, uint8_t out[static SHA256_BYTES])
{
    switch (d->kind) {
    case S3_CHECKSUM_NONE:
    case S3_CHECKSUM_COUNT: break;
    case S3_CHECKSUM_CRC32:
    case S3_CHECKSUM_CRC32C: big_endian(d->crc32, 4, out); break;
    case S3_CHECKSUM_CRC64NVME: big_endian(d->crc64, 8, out); break;
    case S3_CHECKSUM_SHA1: sha1_end(&d->sha1, out); break;
    case S3_CHECKSUM_SHA256: sha256_end(&d->sha256, out); break;
    }
    return s3_checksum_kind(d->kind)->bytes;
}
