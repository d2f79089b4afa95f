/* s3/dechunk.h - decoding aws-chunked bodies (x-amz-content-sha256: STREAMING-...). Pure, no allocation.
 *
 *     body        = *chunk last-chunk
 *     chunk       = hex-size [ext] CRLF data CRLF
 *     ext         = ";chunk-signature=" 64HEX                       ; in the signed modes, and only there
 *     no trailer  : last-chunk = "0" ext CRLF CRLF
 *     unsigned+tr : last-chunk = "0" CRLF [name ":" value CRLF] CRLF
 *     signed+tr   : last-chunk = "0" ext CRLF [name ":" value CRLF] "x-amz-trailer-signature:" 64HEX CRLF CRLF
 *
 * The trailer is the announced one: one field when x-amz-trailer named one, none when it did not. Lines are bounded.
 * Source: AWS "Signature calculations: transferring payload in multiple chunks", and what clients send. */
#ifndef S3_DECHUNK_H
#define S3_DECHUNK_H

#include "s3/request.h"

enum { S3_CHUNK_BYTES_LEAST = 8192, S3_SIGNATURE_CHARS = 64, S3_CHUNK_LINE_MAX = 192 };

struct s3_dechunk {
    bool is_signed, has_trailer_lines;
    enum s3_checksum announced; /* the trailer's field */
    uint64_t expected;          /* x-amz-decoded-content-length */
    uint64_t decoded;           /* content bytes so far */
    uint64_t left;              /* of the chunk under way */
    uint64_t last_size;         /* of the chunk before; UINT64_MAX before the first */
    uint32_t state, line_len;
    bool lf_seen; /* a line ended in LF, CR LF must follow: minio-go ends its trailers so */

    /* S3_DECHUNK_CHUNK, S3_DECHUNK_ENDED */
    char signature[S3_SIGNATURE_CHARS]; /* of the chunk, then of the trailer; as received */
    struct span trailer;                /* the field's value, in `value`; empty when none was announced */
    char value[64];
    /* S3_DECHUNK_REFUSED */
    enum s3_code code;
    const char *message; /* static; NULL: the table's */

    char line[S3_CHUNK_LINE_MAX];
};

/* `payload` is one of the STREAMING- kinds; `announced` S3_CHECKSUM_NONE: x-amz-trailer was not there. */
void s3_dechunk_init(struct s3_dechunk *d, enum s3_payload payload, enum s3_checksum announced,
                     uint64_t decoded_bytes);

enum s3_dechunk_step {
    S3_DECHUNK_MORE,  /* all of `in` was used */
    S3_DECHUNK_DATA,  /* s3_dechunk_data_left bytes of content come next */
    S3_DECHUNK_CHUNK, /* a chunk's data is whole, also that of the last, empty one: `signature` is its */
    S3_DECHUNK_ENDED, /* the coding ended exactly at *used: `trailer` is set, `signature` is the trailer's */
    S3_DECHUNK_REFUSED, /* `code` and `message` say why; it stays so */
};
/* Takes what is not content, up to the next thing there is to say: *used bytes. `len` may be 0. */
enum s3_dechunk_step s3_dechunk_feed(struct s3_dechunk *d, const char *in, size_t len,
                                     size_t *used) MUST_CHECK;

/* Content is the caller's, who reads it straight to where it is wanted: so many bytes are due before the next line, and
 * so many of them were taken. */
uint64_t s3_dechunk_data_left(const struct s3_dechunk *d);
void s3_dechunk_took(struct s3_dechunk *d, uint64_t bytes);

#endif
