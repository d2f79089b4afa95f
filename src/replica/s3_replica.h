/* replica/s3_replica.h - replicas on real S3 servers.
 *
 * A backend is an endpoint with credentials, on one loop: its connection pool, signer, health and what it
 * can do. Its replicas are buckets there. */
#ifndef REPLICA_S3_REPLICA_H
#define REPLICA_S3_REPLICA_H

#include "http/client.h"
#include "replica/capability.h"
#include "replica/health.h"

struct s3_backend;

struct s3_backend_options {
    const char *name; /* borrowed, as all strings here */
    struct span host;
    uint16_t port;
    struct tls_context *tls; /* NULL: plain http */
    struct span region, access_key, secret_key;
    const struct capabilities *can; /* complete */
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
