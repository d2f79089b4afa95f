/* s3/chunked.h - printing aws-chunked bodies with a checksum trailer (STREAMING-UNSIGNED-PAYLOAD-TRAILER).
 * Pure. Source: AWS "Signature calculations: Transferring payload in multiple chunks", shared fact sheet. */
#ifndef S3_CHUNKED_H
#define S3_CHUNKED_H

#include "s3/request.h"

/* Frames are S3_FRAME_BYTES long but for the last; sizes are known from the start, so that the
 * encoded length can be declared before the first byte is there. */
enum { S3_FRAME_BYTES = 512 * 1024, S3_FRAME_HEAD_MAX = 20, S3_TRAILER_MAX = 96 };

/* Content-Length of the encoded body of `body_bytes` bytes, last chunk and trailer included. */
uint64_t s3_chunked_length(uint64_t body_bytes, enum s3_checksum trailer);
/* The line before the frame that starts at `offset` (a multiple of S3_FRAME_BYTES) of the body: "00000000080000\r\n". For
 * every frame but the first the CRLF that ends the one before comes first. Returns its length. */
size_t s3_chunked_frame_head(uint64_t body_bytes, uint64_t offset, char out[static S3_FRAME_HEAD_MAX]);
/* What is held back: CRLF of the last frame (if any), "0\r\n", "x-amz-checksum-...:...\r\n", "\r\n". `value` as S3 writes
 * it, big-endian. Its length does not depend on the value. */
size_t s3_chunked_trailer(uint64_t body_bytes, enum s3_checksum trailer, const uint8_t *value,
                          char out[static S3_TRAILER_MAX]);

#endif
