/* An aws-chunked body with a checksum trailer:
 *
 *     80000\r\n <512 KiB> \r\n  ...  <hex size>\r\n <the rest> \r\n  0\r\n x-amz-checksum-crc32:<base64>\r\n \r\n
 *
 * Every frame but the last is full, so the encoded length follows from the body's alone. The CRLF
 * behind a frame is printed with what comes next: the last one thereby belongs to what is held back
 * at the barrier, and the held back bytes are one write.
 *
 * Sizes are printed with leading zeros (RFC 9112 section 7.1 allows any number) as FRAME_DIGITS digits: with the CRLF on
 * both sides that makes 16 bytes between two full frames, so that the second lies in the socket as aligned as
 * the first. The kernel copies bytes whose source and target are not aligned alike at half the speed. The
 * first head has as many digits as make it 16 bytes long. */
#include "s3/chunked.h"

#include "base/hash.h"

#include <assert.h>

enum { FRAME_DIGITS = 12, FIRST_DIGITS = 14 };

/* "0\r\n" name ":" value "\r\n\r\n" */
static uint64_t trailer_length(enum s3_checksum trailer)
{
    const struct s3_checksum_kind *kind = s3_checksum_kind(trailer);

    return 3 + kind->header.len + 1 + 4 * ((kind->bytes + 2) / 3) + 4;
}

static uint64_t frame_length(size_t digits, uint64_t data_bytes)
{
    return digits + 2 + data_bytes + 2;
}

uint64_t s3_chunked_length(uint64_t body_bytes, enum s3_checksum trailer)
{
    uint64_t frames = (body_bytes + S3_FRAME_BYTES - 1) / S3_FRAME_BYTES;

    if (frames == 0)
        return trailer_length(trailer);
    return frame_length(FIRST_DIGITS, body_bytes) + (frames - 1) * frame_length(FRAME_DIGITS, 0) +
           trailer_length(trailer);
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
    for (size_t i = offset ? FRAME_DIGITS : FIRST_DIGITS; i--;)
        *p++ = digits[size >> (4 * i) & 15];
    *p++ = '\r';
    *p++ = '\n';
    return (size_t)(p - out);
}

size_t s3_chunked_trailer(uint64_t body_bytes, enum s3_checksum trailer, const uint8_t *value,
                          char out[static S3_TRAILER_MAX])
{
    const struct s3_checksum_kind *kind = s3_checksum_kind(trailer);
    char *p = span_put(out, body_bytes ? SPAN("\r\n0\r\n") : SPAN("0\r\n"));

    p = span_put(p, kind->header);
    *p++ = ':';
    p += base64_encode(value, kind->bytes, p);
    p = span_put(p, SPAN("\r\n\r\n"));
    return (size_t)(p - out);
}
