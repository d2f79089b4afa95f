/* PutObject and DeleteObject: the client's body into a write, the write's verdict to the client.
 *
 *   start --> pump: room in the write? bytes from the client? --> whole: verified? --> verdict --> answer
 *
 * The pump stops for room (write drain) or for bytes (exchange body) and goes on from either. */
#include "gateway/gateway_private.h"

static void pump(struct exchange *x);

static void on_drain(void *ctx)
{
    pump(ctx);
}

/* "ETag: ...", if there is one, and "x-s3mirror-replicas: a=stored, b=hinted" */
static struct span verdict_headers(struct exchange *x, const struct write_verdict *v, const char *etag)
{
    static const struct span words[] = {[WRITE_STORED] = SPAN("=stored"),
                                        [WRITE_HINTED] = SPAN("=hinted"),
                                        [WRITE_PENDING] = SPAN("=pending")};
    enum { FIXED = 64, EACH = sizeof(x->bucket->record.replicas[0].backend) + 16 };
    char *start = arena_alloc(&x->arena, FIXED + ETAG_CHARS_MAX + REPLICAS_MAX * EACH), *p = start;
    struct span between = SPAN("x-s3mirror-replicas: ");

    if (!start)
        return SPAN_EMPTY;
    if (etag) {
        p = span_put(p, SPAN("ETag: "));
        p = span_put(p, span_of(etag));
        p = span_put(p, SPAN("\r\n"));
    }
    for (uint32_t slot = 0; slot < REPLICAS_MAX; slot++) {
        if (!v->marks[slot])
            continue;
        p = span_put(p, between);
        p = span_put(p, span_of(x->bucket->record.replicas[slot].backend));
        p = span_put(p, words[v->marks[slot]]);
        between = SPAN(", ");
    }
    p = span_put(p, SPAN("\r\n"));
    return (struct span){start, (size_t)(p - start)};
}

/* Fewer than `need` stored it. What all replicas refused for one reason is told by that reason. */
static void answer_failure(struct exchange *x, const struct write_verdict *v)
{
    enum s3_code code = s3_code_by_name(span_of(v->code));

    if (v->cause == ERR_FULL || v->cause == ERR_BUSY)
        exchange_unavailable(x, v->cause);
    else if (v->status >= 400 && v->status < 500 && code != S3_CODE_COUNT && code != S3_ACCESS_DENIED &&
             code != S3_NO_SUCH_BUCKET && s3_error(code)->status == v->status)
        exchange_error_extra(x, S3_SERVICE_UNAVAILABLE, "Too few replicas took the write; one said why.",
                             arena_printf(&x->arena, "<ReplicaCode>%s</ReplicaCode>", s3_error(code)->name));
    else
        exchange_error(x, S3_SERVICE_UNAVAILABLE,
                       "Too few replicas took the write. It may or may not become visible later.");
}

static void on_verdict(void *ctx, const struct write_verdict *v)
{
    struct exchange *x = ctx;
    bool deleted = x->request.op == S3_OP_DELETE_OBJECT;

    x->write = NULL;
    if (v->result != ERR_OK)
        answer_failure(x, v);
    else
        exchange_answer(x, deleted ? 204 : 200, verdict_headers(x, v, deleted ? NULL : v->etag), SPAN_EMPTY);
}

static const struct write_events write_events = {.drain = on_drain, .verdict = on_verdict};

static void refuse_body(struct exchange *x, enum s3_code code, const char *message)
{
    write_leave(x->write);
    x->write = NULL;
    exchange_error(x, code, message);
}

static void pump(struct exchange *x)
{
    while (x->write && !body_is_whole(&x->body)) {
        struct iovec room = {NULL, 0}; /* all is there: what is left is whether it is good */
        size_t got;
        enum err e = x->body.bytes < x->request.body_bytes ? write_room(x->write, &room) : ERR_OK;

        if (e == ERR_OK)
            e = body_read(&x->body, room.iov_base, room.iov_len, &got);
        if (e == ERR_AGAIN)
            return;
        if (e == ERR_EOF) {
            write_verified(x->write);
        } else if (e != ERR_OK) {
            refuse_body(x, x->body.code, x->body.message);
        } else {
            x->body_bytes_in += got;
            write_filled(x->write, got);
        }
    }
}

static struct write_spec spec_of(struct exchange *x, enum row_kind kind)
{
    return (struct write_spec){.key = {x->bucket->record.id, x->request.key},
                               .replicas = &x->bucket->set,
                               .ack = x->bucket->ack,
                               .kind = kind};
}

/* An object without a type gets the one that S3 gives it: servers that guess would guess differently. False: the arena
 * is full. */
static bool stored_headers(struct exchange *x, struct http_header out[static HTTP_HEADERS_MAX + 1],
                           size_t *count)
{
    bool typed = false;

    *count = 0;
    for (size_t i = 0; i < x->head->header_count; i++) {
        const struct http_header *h = &x->head->headers[i];
        struct span value;

        if (!s3_header_is_stored(h->name))
            continue;
        if (!s3_stored_value(&x->arena, h, &value))
            return false;
        if (h->value.len && !value.len) /* Content-Encoding: aws-chunked, and nothing else */
            continue;
        typed = typed || span_ieq(h->name, SPAN("content-type"));
        out[(*count)++] = (struct http_header){h->name, value};
    }
    if (!typed)
        out[(*count)++] = (struct http_header){SPAN("content-type"), SPAN("binary/octet-stream")};
    return true;
}

static void start_put(struct exchange *x)
{
    struct write_spec spec = spec_of(x, ROW_PUT);
    struct http_header headers[HTTP_HEADERS_MAX + 1];
    enum err e = ERR_NOMEM;

    if (x->request.body_bytes > x->gateway->options.max_object_bytes) {
        exchange_error(x, S3_ENTITY_TOO_LARGE, NULL);
        return;
    }
    spec.body_bytes = x->request.body_bytes;
    spec.headers = headers;
    spec.has_sha256 = x->request.payload == S3_PAYLOAD_SHA256;
    memcpy(spec.sha256, x->request.sha256, sizeof(spec.sha256));
    spec.has_md5 = x->request.has_md5;
    memcpy(spec.md5, x->request.md5, sizeof(spec.md5));
    if (stored_headers(x, headers, &spec.header_count))
        e = write_open(&x->write, x->gateway->options.env, &spec, &write_events, x);
    if (e != ERR_OK) {
        exchange_unavailable(x, e);
        return;
    }
    body_init(&x->body, x);
    pump(x);
}

static void start_delete(struct exchange *x)
{
    struct write_spec spec = spec_of(x, ROW_DELETE);
    enum err e = write_open(&x->write, x->gateway->options.env, &spec, &write_events, x);

    if (e != ERR_OK)
        exchange_unavailable(x, e);
    else
        write_verified(x->write);
}

const struct operation operation_put = {.start = start_put, .body = pump};
const struct operation operation_delete = {.start = start_delete};
