/* The client's word about its body, verified while the bytes stream (promise P6). */
#include "gateway/exchange.h"

void body_check_init(struct body_check *c, const struct s3_request *request)
{
    c->request = request;
    c->crc32 = c->crc32c = 0;
    c->crc64nvme = 0;
    if (request->payload == S3_PAYLOAD_SHA256)
        sha256_init(&c->sha256);
    if (request->has_md5)
        md5_init(&c->md5);
    if (request->checksum == S3_CHECKSUM_SHA256)
        sha256_init(&c->checksum_sha256);
    if (request->checksum == S3_CHECKSUM_SHA1)
        sha1_init(&c->sha1);
}

void body_check_add(struct body_check *c, const void *at, size_t len)
{
    if (c->request->payload == S3_PAYLOAD_SHA256)
        sha256_add(&c->sha256, at, len);
    if (c->request->has_md5)
        md5_add(&c->md5, at, len);
    switch (c->request->checksum) {
    case S3_CHECKSUM_NONE:
    case S3_CHECKSUM_COUNT: break;
    case S3_CHECKSUM_CRC32: c->crc32 = crc32_add(c->crc32, at, len); break;
    case S3_CHECKSUM_CRC32C: c->crc32c = crc32c_add(c->crc32c, at, len); break;
    case S3_CHECKSUM_CRC64NVME: c->crc64nvme = crc64nvme_add(c->crc64nvme, at, len); break;
    case S3_CHECKSUM_SHA1: sha1_add(&c->sha1, at, len); break;
    case S3_CHECKSUM_SHA256: sha256_add(&c->checksum_sha256, at, len); break;
    }
}

static void big_endian(uint64_t value, size_t bytes, uint8_t *out)
{
    for (size_t i = 0; i < bytes; i++)
        out[i] = (uint8_t)(value >> (8 * (bytes - 1 - i)));
}

static bool checksum_agrees(struct body_check *c)
{
    uint8_t got[SHA256_BYTES];
    size_t len = 0;

    switch (c->request->checksum) {
    case S3_CHECKSUM_NONE:
    case S3_CHECKSUM_COUNT: return true;
    case S3_CHECKSUM_CRC32: big_endian(c->crc32, len = 4, got); break;
    case S3_CHECKSUM_CRC32C: big_endian(c->crc32c, len = 4, got); break;
    case S3_CHECKSUM_CRC64NVME: big_endian(c->crc64nvme, len = 8, got); break;
    case S3_CHECKSUM_SHA1:
        len = SHA1_BYTES;
        sha1_end(&c->sha1, got);
        break;
    case S3_CHECKSUM_SHA256:
        len = SHA256_BYTES;
        sha256_end(&c->checksum_sha256, got);
        break;
    }
    return memcmp(got, c->request->checksum_value, len) == 0;
}

enum s3_code body_check_end(struct body_check *c)
{
    uint8_t got[SHA256_BYTES];

    if (c->request->payload == S3_PAYLOAD_SHA256) {
        sha256_end(&c->sha256, got);
        if (memcmp(got, c->request->sha256, SHA256_BYTES) != 0)
            return S3_XAMZ_CONTENT_SHA256_MISMATCH;
    }
    if (c->request->has_md5) {
        md5_end(&c->md5, got);
        if (memcmp(got, c->request->md5, MD5_BYTES) != 0)
            return S3_BAD_DIGEST;
    }
    return checksum_agrees(c) ? S3_OK : S3_XAMZ_CONTENT_CHECKSUM_MISMATCH;
}
