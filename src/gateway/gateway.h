/* gateway/gateway.h - the S3 front of one loop: HTTP requests in, S3 answers out. */
#ifndef GATEWAY_GATEWAY_H
#define GATEWAY_GATEWAY_H

#include "fanout/catalog.h"
#include "http/server.h"
#include "s3/cors.h"
#include "s3/request.h"

struct gateway;

struct gateway_key {
    struct span access_key, secret_key;
};

/* What the configuration says of a bucket besides its replicas. */
struct gateway_bucket {
    struct span name;
    bool public_read; /* anybody may get its objects and list them */
    const struct s3_cors_rule *cors;
    size_t cors_count;
};

struct gateway_options {
    struct loop *loop;
    struct env *env;
    struct catalog *catalog;
    struct span region;
    const struct gateway_key *keys; /* borrowed; the clients' access keys */
    size_t key_count;
    struct s3_domains domains;            /* borrowed; of buckets as hosts */
    const struct gateway_bucket *buckets; /* borrowed; those of which there is anything to say */
    size_t bucket_count;
    uint64_t max_object_bytes; /* of a PUT */
    uint64_t
        part_threshold; /* a PUT of more is written in parts (fanout/parted.h): at most 5 GiB, which S3 takes in one */
    uint64_t part_bytes; /* and its parts have so many at least */
    uint32_t part_concurrency;
    /* A client creates a bucket: its replicas by the configuration's `defaults`. False: clients may not create buckets. */
    bool (*default_replicas)(void *ctx, struct span name, struct bucket *out);
    void *ctx;
    struct sockaddr_storage listen;
    socklen_t listen_len;
    struct tls_context *tls;
    struct http_server_limits limits;
};

enum { LATENCY_BUCKETS = 12 };
/* base/count.h */
struct gateway_op_counters {
    uint64_t requests, errors_4xx, errors_5xx, bytes_in, bytes_out;
    uint64_t latency[LATENCY_BUCKETS + 1]; /* see gateway_latency_bounds_s; the last: above all */
    double latency_sum_s;
};
extern const double gateway_latency_bounds_s[LATENCY_BUCKETS];

enum err gateway_open(struct gateway **out, const struct gateway_options *options) MUST_CHECK;
uint16_t gateway_port(const struct gateway *g);
/* Stop taking new requests; those under way go on. */
void gateway_drain(struct gateway *g);
/* No connection and no exchange left (writes may still settle: env->writes_open). */
bool gateway_idle(const struct gateway *g);
void gateway_free(struct gateway *g);
/* By operation (enum s3_op); one more for requests that were refused before an operation was known. */
const struct gateway_op_counters *gateway_counters(const struct gateway *g); /* [S3_OP_COUNT + 1] */
size_t gateway_exchanges(const struct gateway *g);

#endif
