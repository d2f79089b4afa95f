/* GetObject and HeadObject: a fetch in, its bytes out.
 *
 * One chunk lies between: filled from the replica when it is empty, written from where it lies when the client takes
 * bytes. A replica that is faster than the client waits in its own socket. */
#include "gateway/gateway_private.h"

#include <assert.h>

static enum err peek(void *ctx, struct iovec *iov, int *count)
{
    struct exchange *x = ctx;
    size_t got;
    enum err e;

    if (x->chunk_from == x->chunk_to) {
        e = fetch_read(x->fetch, x->chunk->data, CHUNK_BYTES, &got);
        if (e != ERR_OK)
            return e;
        x->chunk_from = 0;
        x->chunk_to = got;
    }
    iov[0].iov_base = x->chunk->data + x->chunk_from;
    iov[0].iov_len = x->chunk_to - x->chunk_from;
    *count = 1;
    return ERR_OK;
}

static void sent(void *ctx, size_t bytes)
{
    struct exchange *x = ctx;

    x->chunk_from += bytes;
    x->body_bytes_out += bytes;
    assert(x->chunk_from <= x->chunk_to);
}

static const struct http_source body_source = {.peek = peek, .sent = sent};

static struct span override_of(const struct exchange *x, struct span name)
{
    for (size_t i = 0; i < x->request.override_count; i++)
        if (span_ieq(x->request.overrides[i].header, name))
            return x->request.overrides[i].value;
    return (struct span){NULL, 0};
}

static char *add_line(char *at, struct span name, struct span value)
{
    at = span_put(at, name);
    at = span_put(at, SPAN(": "));
    at = span_put(at, value);
    return span_put(at, SPAN("\r\n"));
}

/* What the client may see of the replica's head, with the overrides it asked for. at == NULL: the arena is full. */
static struct span shown_headers(struct exchange *x, const struct http_head *head)
{
    size_t bytes = 0;
    char *text, *at;

    for (size_t i = 0; i < head->header_count; i++)
        bytes += head->headers[i].name.len + head->headers[i].value.len + 4;
    for (size_t i = 0; i < x->request.override_count; i++)
        bytes += x->request.overrides[i].header.len + x->request.overrides[i].value.len + 4;
    text = at = arena_alloc(&x->arena, bytes + 1);
    if (!text)
        return (struct span){NULL, 0};
    for (size_t i = 0; i < head->header_count; i++)
        if (s3_header_is_shown(head->headers[i].name) && !override_of(x, head->headers[i].name).at)
            at = add_line(at, head->headers[i].name, head->headers[i].value);
    for (size_t i = 0; i < x->request.override_count; i++)
        at = add_line(at, x->request.overrides[i].header, x->request.overrides[i].value);
    return (struct span){text, (size_t)(at - text)};
}

static void answer_status(struct exchange *x, unsigned status)
{
    switch (status) {
    case 404: exchange_error(x, S3_NO_SUCH_KEY, NULL); break;
    case 412: exchange_error(x, S3_PRECONDITION_FAILED, NULL); break;
    default: exchange_error(x, S3_INVALID_RANGE, NULL); break;
    }
}

static void on_head(void *ctx, unsigned status, const struct http_head *head,
                    const struct replica_object *object, const struct replica *from)
{
    struct exchange *x = ctx;
    bool head_only = x->request.op == S3_OP_HEAD_OBJECT;
    struct span headers;

    if (status >= 400) {
        answer_status(x, status);
        return;
    }
    headers = shown_headers(x, head);
    if (!headers.at)
        exchange_unavailable(x, ERR_NOMEM);
    else if (status == 304 || (head->length == 0 && !head_only))
        exchange_answer(x, status, headers, SPAN_EMPTY);
    else
        exchange_answer_source(x, status, headers, head->length, head_only ? NULL : &body_source);
}

/* The body of an answer that is not passed on is read off, so that the replica's connection stays good; no more of it
 * than an error document can be. */
static void on_body(void *ctx)
{
    struct exchange *x = ctx;
    size_t got;

    if (x->status == 200 || x->status == 206) {
        http_exchange_resume(x->http);
        return;
    }
    while (x->chunk && x->chunk_to < CHUNK_BYTES &&
           fetch_read(x->fetch, x->chunk->data + x->chunk_to, CHUNK_BYTES - x->chunk_to, &got) == ERR_OK)
        x->chunk_to += got;
}

static void on_failed(void *ctx, enum err e)
{
    exchange_unavailable(ctx, e);
}

static const struct fetch_events fetch_events = {.head = on_head, .body = on_body, .failed = on_failed};

/* S3 ignores a Range that is not one well-formed range; some servers would refuse it. */
static bool is_range(struct span value)
{
    uint64_t first, last;

    return value.len && s3_range_parse(value, UINT64_MAX, &first, &last) != S3_RANGE_NONE;
}

enum { ASKED_MAX = S3_CONDITIONS_MAX + 1 };

static size_t asked_headers(struct exchange *x, struct http_header out[static ASKED_MAX])
{
    size_t n = 0;

    for (; n < x->request.condition_count; n++)
        out[n] = x->request.conditions[n];
    if (is_range(x->request.range))
        out[n++] = (struct http_header){SPAN("range"), x->request.range};
    return n;
}

static void start_get(struct exchange *x)
{
    struct http_header *headers = arena_alloc(&x->arena, ASKED_MAX * sizeof(*headers));
    struct fetch_spec spec = {.key = {x->bucket->record.id, x->request.key},
                              .replicas = &x->bucket->set,
                              .head_only = x->request.op == S3_OP_HEAD_OBJECT,
                              .headers = headers};
    enum err e = headers ? ERR_OK : ERR_NOMEM;

    if (e == ERR_OK && !spec.head_only) {
        x->chunk = chunk_take(x->gateway->options.env->budget);
        e = x->chunk ? ERR_OK : ERR_BUSY;
    }
    if (e == ERR_OK) {
        spec.header_count = asked_headers(x, headers);
        e = fetch_open(&x->fetch, x->gateway->options.env, &spec, &fetch_events, x);
    }
    if (e != ERR_OK)
        exchange_unavailable(x, e);
}

const struct operation operation_get = {.start = start_get};
const struct operation operation_head = {.start = start_get};
