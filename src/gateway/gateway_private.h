#ifndef GATEWAY_GATEWAY_PRIVATE_H
#define GATEWAY_GATEWAY_PRIVATE_H

#include "gateway/exchange.h"

struct gateway {
    struct gateway_options options;
    struct http_server *server;
    struct sigv4_keyring keyring;
    struct list exchanges; /* open ones */
    size_t exchange_count;
    struct random random; /* request ids */
    struct gateway_op_counters counters[S3_OP_COUNT + 1];
};

/* Of buckets and objects. */
#define GATEWAY_OWNER "s3mirror"

/* Never NULL: a bucket of which nothing is said is closed. */
const struct gateway_bucket *gateway_bucket(const struct gateway *g, struct span name);

/* NULL: nobody has it. */
const struct gateway_key *gateway_find_key(const struct gateway *g, struct span access_key);

/* op_preflight.c: the lines that tell a browser whether the page may see this answer; empty when it asked for nothing or
 * may not. */
struct span exchange_origin_lines(struct exchange *x);

/* exchange.c: a request has come. */
void exchange_begin(struct gateway *g, struct http_exchange *http, const struct http_head *head,
                    const struct http_exchange_events **events, void **ctx);

#endif
