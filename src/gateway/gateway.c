/* One loop's S3 front: the server, the access keys, the counters. What a request does is in exchange.c. */
#include "gateway/gateway_private.h"

#include "base/count.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

const double gateway_latency_bounds_s[LATENCY_BUCKETS] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                                          0.1,   0.25,   0.5,   1,    5,     30};

static void on_request(void *ctx, struct http_exchange *http, const struct http_head *head,
                       const struct http_exchange_events **events, void **exchange_ctx)
{
    exchange_begin(ctx, http, head, events, exchange_ctx);
}

/* A head that is no HTTP: there is no request to speak of, but an S3 client expects XML. */
static struct span on_refused(void *ctx, unsigned status, const char *why)
{
    static _Thread_local char text[512];
    struct gateway *g = ctx;
    int n = snprintf(
        text, sizeof(text),
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>%s</Code><Message>%s</Message></Error>",
        status == 408   ? "RequestTimeout"
        : status == 431 ? "RequestHeaderSectionTooLarge"
                        : "BadRequest",
        why ? why : "");

    COUNT_ADD(g->counters[S3_OP_COUNT].requests, 1);
    COUNT_ADD(g->counters[S3_OP_COUNT].errors_4xx, 1);
    return (struct span){text, (size_t)n};
}

static const struct http_server_events server_events = {.request = on_request, .refused = on_refused};

enum err gateway_open(struct gateway **out, const struct gateway_options *options)
{
    struct gateway *g = calloc(1, sizeof(*g));
    enum err e;

    *out = NULL;
    if (!g)
        return ERR_NOMEM;
    g->options = *options;
    list_init(&g->exchanges);
    sigv4_keyring_init(&g->keyring);
    random_init_system(&g->random);
    e = http_server_open(&g->server, options->loop, (const struct sockaddr *)&options->listen,
                         options->listen_len, options->tls, &options->limits, &server_events, g);
    if (e != ERR_OK) {
        free(g);
        return e;
    }
    *out = g;
    return ERR_OK;
}

uint16_t gateway_port(const struct gateway *g)
{
    return http_server_port(g->server);
}

void gateway_drain(struct gateway *g)
{
    http_server_drain(g->server);
}

bool gateway_idle(const struct gateway *g)
{
    return http_server_idle(g->server) && list_empty(&g->exchanges);
}

void gateway_free(struct gateway *g)
{
    if (!g)
        return;
    http_server_free(g->server);
    assert(list_empty(&g->exchanges));
    sigv4_keyring_fini(&g->keyring);
    free(g);
}

const struct gateway_bucket *gateway_bucket(const struct gateway *g, struct span name)
{
    static const struct gateway_bucket closed = {.name = SPAN("")};

    for (size_t i = 0; i < g->options.bucket_count; i++)
        if (span_eq(g->options.buckets[i].name, name))
            return &g->options.buckets[i];
    return &closed;
}

const struct gateway_op_counters *gateway_counters(const struct gateway *g)
{
    return g->counters;
}

size_t gateway_exchanges(const struct gateway *g)
{
    return g->exchange_count;
}
