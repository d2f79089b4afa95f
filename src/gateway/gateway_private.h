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

/* exchange.c: a request has come. */
void exchange_begin(struct gateway *g, struct http_exchange *http, const struct http_head *head,
                    const struct http_exchange_events **events, void **ctx);

#endif
