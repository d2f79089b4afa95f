/* The client's word about its body, verified while the bytes stream (promise P6). */
#include "gateway/body.h"

void body_check_init(struct body_check *c, const struct s3_request *request)
{
    c->request = request;
    if (request->payload == S3_PAYLOAD_SHA256)
        sha256_init(&c->sha256);
    if (request->has_md5)
        md5_init(&c->md5);
    s3_digest_init(&c->checksum, request->checksum);
}

void body_check_add(struct body_check *c, const void *at, size_t len)
{
    if (c->request->payload == S3_PAYLOAD_SHA256)
        sha256_add(&c->sha256, at, len);
    if (c->request->has_md5)
        md5_add(&c->md5, at, len);
    s3_digest_add(&c->checksum, at, len);
}

/* As S3 words it. */
static const char *const disagrees[] = {
    [S3_CHECKSUM_CRC32] = "The CRC32 you specified did not match the calculated checksum.",
    [S3_CHECKSUM_CRC32C] = "The CRC32C you specified did not match the calculated checksum.",
    [S3_CHECKSUM_CRC64NVME] = "The CRC64NVME you specified did not match the calculated checksum.",
    [S3_CHECKSUM_SHA1] = "The SHA1 you specified did not match the calculated checksum.",
    [S3_CHECKSUM_SHA256] = "The SHA256 you specified did not match the calculated checksum.",
};
_Static_assert(sizeof(disagrees) / sizeof(disagrees[0]) == S3_CHECKSUM_COUNT, "a row per checksum");

enum s3_code body_check_end(struct body_check *c, const char **message)
{
    uint8_t got[SHA256_BYTES] = {0};
    size_t len;

    *message = NULL;
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
    len = s3_digest_end(&c->checksum, got);
    if (memcmp(got, c->request->checksum_value, len) == 0)
        return S3_OK;
    *message = disagrees[c->request->checksum];
    return S3_BAD_DIGEST;
}
