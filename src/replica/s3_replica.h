/* replica/s3_replica.h - replicas on real S3 servers.
 *
 * A backend is an endpoint with credentials, on one loop: its connection pool, signer, health and what it
 * can do. Its replicas are buckets there. */
#ifndef REPLICA_S3_REPLICA_H
#define REPLICA_S3_REPLICA_H

#include "http/client.h"
#include "replica/health.h"

struct s3_backend;

/* How the barrier is held for bodies over a chunk (docs/protocol.md): smaller ones are sent whole, with a CRC
 * header, when it opens. A declared SHA-256 is signed on where the body is sent plain: aws-chunked has no place for
 * it, and its CRC covers the same bytes. */
enum s3_barrier {
    S3_BARRIER_TRAILER, /* aws-chunked with a CRC32 trailer: last chunk and trailer held back, sent in one piece */
    S3_BARRIER_HASH, /* the declared SHA-256 signed on, the last byte held back. None declared: trailer */
};

#define S3_CHECKSUMS_ALL ((1u << S3_CHECKSUM_COUNT) - 2)

struct s3_backend_options {
    const char *name; /* borrowed, as all strings here */
    struct span host;
    uint16_t port;
    struct tls_context *tls; /* NULL: plain http */
    struct span region, access_key, secret_key;
    enum s3_barrier barrier;
    unsigned
        checksums_refused; /* capability checksum_headers: those it does not take, bit 1 << enum s3_checksum */
    struct http_origin_limits limits;
    uint64_t probe_ms;
};

enum err s3_backend_open(struct s3_backend **out, struct loop *loop,
                         const struct s3_backend_options *options) MUST_CHECK;
/* Its replicas must be freed before. */
void s3_backend_free(struct s3_backend *b);
struct health *s3_backend_health(struct s3_backend *b);

/* `remote` is the bucket's name there; copied. */
enum err s3_replica_open(struct replica **out, struct s3_backend *b, struct span remote) MUST_CHECK;
void s3_replica_free(struct replica *r);

#endif
