/* body.h - the body of a request as it goes over the wire: content from one warm buffer, with what frames it.
 *
 * What of a framed body does not change from request to request (the hash of each chunk, the trailer) is worked out
 * before the clock starts; left is a signature of some 300 bytes for each chunk. */
#ifndef BENCH_BODY_H
#define BENCH_BODY_H

#include "bench/sign.h"

#include <sys/uio.h>

enum { CONTENT_BYTES = 1 << 20, BODY_CHUNK_BYTES = 64 << 10 };

/* unsigned, signed: the content alone. chunks: aws-chunked in chunks of 64 KiB, each signed. trailer: aws-chunked,
 * nothing signed, with a CRC32 behind it. */
enum payload { PAYLOAD_UNSIGNED, PAYLOAD_SIGNED, PAYLOAD_CHUNKS, PAYLOAD_TRAILER, PAYLOAD_COUNT };
extern const char *const payload_names[PAYLOAD_COUNT];

/* The content of all requests of a run. */
struct content {
    enum payload payload;
    uint64_t size;
    char declared[2 * SHA256_BYTES + 1]; /* x-amz-content-sha256 */
    char trailer[80];
    uint8_t digests[CONTENT_BYTES / BODY_CHUNK_BYTES][SHA256_BYTES]; /* of the chunks of `bytes` */
    uint8_t last_digest[SHA256_BYTES], empty_digest[SHA256_BYTES];   /* of the last chunk, of none */
    char bytes[CONTENT_BYTES];                                       /* over and over */
};
void content_init(struct content *all, enum payload payload, uint64_t size);
/* Of a body with the content: x-amz- fields to be signed. `length`: room for the value of one. */
size_t content_fields(const struct content *all, struct signed_field out[static SIGNED_FIELDS_MAX],
                      char length[static 24]);

/* One body on its way: unit after unit of at most 1 MiB of content, with its frame before and behind. */
struct body {
    const struct content *content;
    const struct signer *signer;
    struct span document; /* all of it, when it is no content */
    uint64_t size, done;  /* bytes of content or document; of which in this unit and before */
    char signature[SIGNATURE_CHARS];
    char frame[2][256];
    struct span unit[3]; /* what is left of it: frame, data, frame */
};
/* How long it is on the wire. */
uint64_t body_wire_bytes(const struct content *all, uint64_t size);
void body_none(struct body *b);
void body_document(struct body *b, struct span document);
/* `signature`: the request's. */
void body_content(struct body *b, const struct content *all, const struct signer *signer,
                  const char signature[static SIGNATURE_CHARS]);
/* What is to be sent next: up to 3 pieces at iov; 0: all has been sent. */
int body_peek(struct body *b, struct iovec *iov);
void body_sent(struct body *b, size_t bytes);

#endif
