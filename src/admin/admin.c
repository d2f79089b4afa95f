/* Requests to the admin port: routes, and the life of a request.
 *
 * A request is answered at once, or when the journal, and for a key the replicas, have said what they know. A client
 * may go before that; a journal call cannot be taken back, so it holds the request until it is answered. */
#include "admin/admin_private.h"

#include <stdlib.h>

enum { ARENA_BYTES = 64 * 1024 };

static const struct http_server_limits limits = {
    .head_ms = 10000, .idle_ms = 60000, .body_ms = 30000, .connections = 64};

static void on_done(void *ctx, enum err result);
static const struct http_exchange_events exchange_events = {.done = on_done};

void admin_answer(struct admin_request *r, unsigned status, const char *content_type)
{
    struct span body = text_span(&r->body);

    if (!r->http)
        return;
    r->headers = arena_printf(&r->arena, "Content-Type: %s\r\nCache-Control: no-store\r\n", content_type);
    if (r->body.failed || !r->headers.at) {
        status = 500;
        r->headers = SPAN_EMPTY;
        body = SPAN("out of memory\n");
    }
    http_exchange_answer(
        r->http,
        &(struct http_answer){.status = status, .headers = r->headers, .body = body, .body_bytes = body.len});
}

void admin_refuse(struct admin_request *r, unsigned status, const char *why)
{
    text_printf(&r->body, "%s\n", why);
    admin_answer(r, status, "text/plain; charset=utf-8");
}

/* --- routes ----------------------------------------------------------------------------------------------- */

static void get_healthz(struct admin_request *r, struct span rest)
{
    admin_refuse(r, 200, "ok");
}

static void get_readyz(struct admin_request *r, struct span rest)
{
    const struct admin_options *o = &r->admin->options;
    const char *why = o->not_ready(o->ctx);

    admin_refuse(r, why ? 503 : 200, why ? why : "ready");
}

static void get_metrics(struct admin_request *r, struct span rest)
{
    metrics_print(r->admin, &r->body);
    admin_answer(r, 200, "text/plain; version=0.0.4; charset=utf-8");
}

static void get_buckets(struct admin_request *r, struct span rest)
{
    bucket_report_start(r, NULL);
}

/* BUCKET or BUCKET/KEY; everything behind the first slash is the key. NULL: it was refused. */
static const struct catalog_bucket *find_bucket(struct admin_request *r, struct span rest, struct span *key)
{
    struct span path = span_head(rest, span_find(rest, '?')), bucket;
    const struct catalog_bucket *found = NULL;

    bucket = span_cut(&path, '/');
    if (!s3_decode(&r->arena, path, false, key) || !s3_decode(&r->arena, bucket, false, &bucket))
        admin_refuse(r, 400, "the path is not percent-encoded as it must be");
    else if (!(found = catalog_by_name(r->admin->options.catalog, bucket)))
        admin_refuse(r, 404, "there is no such bucket");
    else if (key->len > S3_KEY_BYTES_MAX)
        admin_refuse(r, 400, "the key is longer than 1024 bytes");
    else
        return found;
    return NULL;
}

static void get_status(struct admin_request *r, struct span rest)
{
    struct span key;
    const struct catalog_bucket *found = find_bucket(r, rest, &key);

    if (found && key.len)
        key_report_start(r, found, key);
    else if (found)
        bucket_report_start(r, &found->record);
}

static void post_retry(struct admin_request *r, struct span rest)
{
    struct span key;
    const struct catalog_bucket *found = find_bucket(r, rest, &key);

    if (found)
        retry_start(r, found->record.id, key);
}

static const struct route {
    struct span path;
    bool open_ended; /* anything may follow */
    bool is_post;    /* else GET and HEAD */
    void (*answer)(struct admin_request *r, struct span rest);
} routes[] = {
    {{"/healthz", 8}, false, false, get_healthz}, {{"/readyz", 7}, false, false, get_readyz},
    {{"/metrics", 8}, false, false, get_metrics}, {{"/status", 7}, false, false, get_buckets},
    {{"/status/", 8}, true, false, get_status},   {{"/retry/", 7}, true, true, post_retry},
};

static const struct route *find_route(struct span target, struct span *rest)
{
    struct span path = span_head(target, span_find(target, '?'));

    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        const struct route *route = &routes[i];

        *rest = span_skip(target, route->path.len);
        if (route->open_ended ? span_starts(path, route->path) : span_eq(path, route->path))
            return route;
    }
    return NULL;
}

/* --- requests --------------------------------------------------------------------------------------------- */

static void free_if_over(struct admin_request *r)
{
    if (r->http || r->held)
        return;
    r->admin->requests--;
    text_fini(&r->body);
    arena_fini(&r->arena);
    free(r);
}

static void on_done(void *ctx, enum err result)
{
    struct admin_request *r = ctx;

    r->http = NULL;
    key_report_leave(r);
    free_if_over(r);
}

struct admin_request *admin_request_hold(struct admin_request *r)
{
    r->held++;
    return r;
}

void admin_request_release(struct admin_request *r)
{
    r->held--;
    free_if_over(r);
}

static void on_request(void *ctx, struct http_exchange *x, const struct http_head *head,
                       const struct http_exchange_events **events, void **exchange_ctx)
{
    struct admin *a = ctx;
    struct admin_request *r = calloc(1, sizeof(*r));
    const struct span *accept = http_header(head, "accept");
    const struct route *route;
    struct span rest;

    if (!r)
        abort(); /* some hundred bytes: the process is at its end */
    a->requests++;
    *r = (struct admin_request){.admin = a, .http = x};
    arena_init(&r->arena, ARENA_BYTES);
    *events = &exchange_events;
    *exchange_ctx = r;
    r->for_people = accept && span_starts(*accept, SPAN("text/plain"));
    route = find_route(head->target, &rest);
    if (!route)
        admin_refuse(
            r, 404,
            "known here: /healthz /readyz /metrics /status /status/BUCKET /status/BUCKET/KEY, and POST "
            "/retry/BUCKET /retry/BUCKET/KEY");
    else if (route->is_post && head->method != HTTP_POST)
        admin_refuse(r, 405, "only POST is known here");
    else if (!route->is_post && head->method != HTTP_GET && head->method != HTTP_HEAD)
        admin_refuse(r, 405, "only GET is known here");
    else
        route->answer(r, rest);
}

/* --- the port --------------------------------------------------------------------------------------------- */

enum err admin_open(struct admin **out, const struct admin_options *options)
{
    static const struct http_server_events events = {.request = on_request};
    struct admin *a = calloc(1, sizeof(*a));
    enum err e;

    *out = NULL;
    if (!a)
        return ERR_NOMEM;
    a->options = *options;
    e = http_server_open(&a->server, options->loop, (const struct sockaddr *)&options->listen,
                         options->listen_len, NULL, &limits, &events, a);
    if (e) {
        free(a);
        return e;
    }
    *out = a;
    return ERR_OK;
}

uint16_t admin_port(const struct admin *a)
{
    return http_server_port(a->server);
}

void admin_drain(struct admin *a)
{
    http_server_drain(a->server);
}

bool admin_idle(const struct admin *a)
{
    return http_server_idle(a->server) && a->requests == 0;
}

void admin_free(struct admin *a)
{
    if (!a)
        return;
    http_server_free(a->server);
    free(a);
}
