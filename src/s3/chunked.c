/* An aws-chunked body with a CRC32 trailer:
 *
 *     80000\r\n <512 KiB> \r\n  ...  <hex size>\r\n <the rest> \r\n  0\r\n x-amz-checksum-crc32:<base64>\r\n \r\n
 *
 * Every frame but the last is full, so the encoded length follows from the body's alone. The CRLF
 * behind a frame is printed with what comes next: the last one thereby belongs to what is held back
 * at the barrier, and the held back bytes are one write. */
#include "s3/chunked.h"

#include "base/hash.h"

#include <assert.h>

#define TRAILER_NAME "x-amz-checksum-crc32:"
enum { TRAILER_BYTES = 3 + sizeof(TRAILER_NAME) - 1 + BASE64_CRC32_CHARS + 4 };

static size_t hex_digits(uint64_t n)
{
    size_t digits = 1;

    while (n >>= 4)
        digits++;
    return digits;
}

static uint64_t frame_length(uint64_t data_bytes)
{
    return hex_digits(data_bytes) + 2 + data_bytes + 2;
}

uint64_t s3_chunked_length(uint64_t body_bytes)
{
    uint64_t full = body_bytes / S3_FRAME_BYTES, rest = body_bytes % S3_FRAME_BYTES;

    return full * frame_length(S3_FRAME_BYTES) + (rest ? frame_length(rest) : 0) + TRAILER_BYTES;
}

size_t s3_chunked_frame_head(uint64_t body_bytes, uint64_t offset, char out[static S3_FRAME_HEAD_MAX])
{
    static const char digits[] = "0123456789abcdef";
    uint64_t left = body_bytes - offset;
    uint64_t size = left < S3_FRAME_BYTES ? left : S3_FRAME_BYTES;
    char *p = out;

    assert(offset < body_bytes && offset % S3_FRAME_BYTES == 0);
    if (offset) {
        *p++ = '\r';
        *p++ = '\n';
    }
    for (size_t i = hex_digits(size); i--;)
        *p++ = digits[size >> (4 * i) & 15];
    *p++ = '\r';
    *p++ = '\n';
    return (size_t)(p - out);
}

size_t s3_chunked_trailer(uint64_t body_bytes, uint32_t crc32, char out[static S3_TRAILER_MAX])
{
    const uint8_t crc[4] = {(uint8_t)(crc32 >> 24), (uint8_t)(crc32 >> 16), (uint8_t)(crc32 >> 8),
                            (uint8_t)crc32};
    struct span head = body_bytes ? SPAN("\r\n0\r\n" TRAILER_NAME) : SPAN("0\r\n" TRAILER_NAME);
    char *p = out;

    memcpy(p, head.at, head.len);
    p += head.len;
    p += base64_encode(crc, sizeof(crc), p);
    memcpy(p, "\r\n\r\n", 4);
    return (size_t)(p + 4 - out);
}
