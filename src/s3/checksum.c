/* The checksums that S3 knows, and what each is called where. */
#include "s3/request.h"

static const struct s3_checksum_kind checksums[] = {
    [S3_CHECKSUM_NONE] = {SPAN(""), SPAN(""), SPAN(""), 0},
    [S3_CHECKSUM_CRC32] = {SPAN("x-amz-checksum-crc32"), SPAN("CRC32"), SPAN("ChecksumCRC32"), 4},
    [S3_CHECKSUM_CRC32C] = {SPAN("x-amz-checksum-crc32c"), SPAN("CRC32C"), SPAN("ChecksumCRC32C"), 4},
    [S3_CHECKSUM_CRC64NVME] = {SPAN("x-amz-checksum-crc64nvme"), SPAN("CRC64NVME"), SPAN("ChecksumCRC64NVME"),
                               8},
    [S3_CHECKSUM_SHA1] = {SPAN("x-amz-checksum-sha1"), SPAN("SHA1"), SPAN("ChecksumSHA1"), SHA1_BYTES},
    [S3_CHECKSUM_SHA256] = {SPAN("x-amz-checksum-sha256"), SPAN("SHA256"), SPAN("ChecksumSHA256"),
                            SHA256_BYTES},
};
_Static_assert(sizeof(checksums) / sizeof(checksums[0]) == S3_CHECKSUM_COUNT, "a row per checksum");

const struct s3_checksum_kind *s3_checksum_kind(enum s3_checksum c)
{
    return &checksums[c];
}

bool s3_object_checksum_read(enum s3_checksum kind, struct span text, uint8_t out[static SHA256_BYTES],
                             uint32_t *parts)
{
    struct span number = text, base64 = span_cut(&number, '-');
    uint64_t count = 0;

    if (base64.len < text.len && (!span_to_u64(number, &count) || count < 1 || count > S3_PART_NUMBER_MAX))
        return false;
    *parts = (uint32_t)count;
    return base64_decode(base64, out, checksums[kind].bytes);
}

enum s3_checksum s3_checksum_by_header(struct span name)
{
    for (int c = S3_CHECKSUM_NONE + 1; c < S3_CHECKSUM_COUNT; c++)
        if (span_ieq(name, checksums[c].header))
            return (enum s3_checksum)c;
    return S3_CHECKSUM_NONE;
}

enum s3_checksum s3_checksum_by_algorithm(struct span name)
{
    for (int c = S3_CHECKSUM_NONE + 1; c < S3_CHECKSUM_COUNT; c++)
        if (span_ieq(name, checksums[c].algorithm))
            return (enum s3_checksum)c;
    return S3_CHECKSUM_NONE;
}
