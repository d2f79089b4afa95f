/* What the operations that write an object share: its headers, its conditions, and how a verdict is told. */
#include "gateway/writing.h"

#include "gateway/gateway_private.h"
#include "s3/condition.h"

struct write_spec writing_spec(struct exchange *x, enum row_kind kind)
{
    return (struct write_spec){.key = {x->bucket->record.id, x->request.key},
                               .replicas = &x->bucket->set,
                               .ack = x->bucket->ack,
                               .kind = kind};
}

/* An object without a type gets the one that S3 gives it: servers that guess would guess differently. */
enum s3_code writing_stored(struct arena *arena, const struct http_header *fields, size_t field_count,
                            struct http_header out[static S3_STORED_HEADERS_MAX], size_t *count)
{
    struct span empty = s3_empty_metadata(arena, fields, field_count);
    bool typed = false;

    *count = 0;
    if (!empty.at)
        return S3_INTERNAL_ERROR;
    for (size_t i = 0; i < field_count; i++) {
        const struct http_header *h = &fields[i];
        struct span value;

        if (!s3_header_is_stored(h->name))
            continue;
        if (!s3_stored_value(arena, h, &value))
            return S3_INTERNAL_ERROR;
        if (h->value.len && !value.len) /* Content-Encoding: aws-chunked, and nothing else */
            continue;
        typed = typed || span_ieq(h->name, SPAN("content-type"));
        out[(*count)++] = (struct http_header){h->name, value};
    }
    if (!typed)
        out[(*count)++] = (struct http_header){SPAN("content-type"), SPAN("binary/octet-stream")};
    if (empty.len)
        out[(*count)++] = (struct http_header){SPAN(S3_EMPTY_METADATA_HEADER), empty};
    return S3_OK;
}

enum s3_code writing_metadata(struct exchange *x, struct http_header out[static S3_STORED_HEADERS_MAX],
                              size_t *count)
{
    return writing_stored(&x->arena, x->request.head->headers, x->request.head->header_count, out, count);
}

enum s3_code writing_tags(struct arena *arena, const struct s3_tags *tags, struct http_header *out,
                          size_t *count)
{
    struct span text, number;

    if (!tags->count)
        return S3_OK;
    text = s3_tags_header(tags, arena);
    number = arena_printf(arena, "%zu", tags->count);
    if (!text.at || !number.at)
        return S3_INTERNAL_ERROR;
    out[(*count)++] = (struct http_header){SPAN(REPLICA_TAGGING_HEADER), text};
    out[(*count)++] = (struct http_header){SPAN(REPLICA_TAG_COUNT_HEADER), number};
    return S3_OK;
}

enum s3_code writing_headers(struct exchange *x, struct http_header out[static WRITING_HEADERS_MAX],
                             size_t *count, const char **message)
{
    struct s3_tags tags;
    enum s3_code code = s3_tags_parse_header(&tags, x->request.tagging, &x->arena, message);

    if (code == S3_OK)
        code = writing_metadata(x, out, count);
    if (code == S3_OK)
        code = writing_tags(&x->arena, &tags, out, count);
    return code;
}

const struct catalog_bucket *writing_source_bucket(struct exchange *x)
{
    const struct catalog_bucket *found =
        catalog_by_name(x->gateway->options.catalog, x->request.source_bucket);
    struct catalog_bucket *copy = found ? arena_alloc(&x->arena, sizeof(*copy)) : NULL;

    if (copy)
        *copy = *found;
    else
        exchange_error(x, found ? S3_INTERNAL_ERROR : S3_NO_SUCH_BUCKET, NULL);
    return copy;
}

static void on_refused(void *ctx, enum s3_code code, const char *message)
{
    struct exchange *x = ctx;

    if (x->write)
        write_leave(x->write);
    if (x->parted)
        parted_leave(x->parted);
    x->write = NULL;
    x->parted = NULL;
    exchange_error(x, code, message);
}

static enum err room_for(struct exchange *x, struct iovec *out)
{
    return x->parted ? parted_room(x->parted, out) : write_room(x->write, out);
}

static void filled(struct exchange *x, size_t bytes)
{
    if (x->parted)
        parted_filled(x->parted, bytes);
    else
        write_filled(x->write, bytes);
}

/* The body is whole and good. */
static void end_of_body(struct exchange *x)
{
    if (x->parted) {
        parted_end(x->parted, x->request.checksum_value);
        return;
    }
    if (x->request.checksum_in_trailer)
        write_checksum(x->write, x->request.checksum_value);
    guard_verified(&x->guard, x->write);
}

/* It stops for room (write drain) or for bytes (exchange body) and goes on from either. */
void writing_pump(struct exchange *x)
{
    while ((x->write || x->parted) && !body_is_whole(&x->body)) {
        struct iovec room = {NULL, 0}; /* all is there: what is left is whether it is good */
        size_t got;
        enum err e = x->body.bytes < x->request.body_bytes ? room_for(x, &room) : ERR_OK;

        if (e == ERR_OK)
            e = body_pull(&x->body, room.iov_base, room.iov_len, &got);
        if (e == ERR_AGAIN)
            return;
        if (e == ERR_EOF) {
            end_of_body(x);
        } else if (e != ERR_OK) {
            on_refused(x, x->body.code, x->body.message);
        } else {
            x->body_bytes_in += got;
            filled(x, got);
            /* after the sends; the bytes are still there: the last chunk is the ring's to its end */
            body_seen(&x->body, room.iov_base, got);
        }
    }
}

void writing_drain(void *ctx)
{
    writing_pump(ctx);
}

bool writing_guard(struct exchange *x)
{
    const char *message;
    enum s3_code code = s3_condition_check_write(x->request.conditions, x->request.condition_count, &message);

    x->guard = (struct guard){.env = x->gateway->options.env,
                              .key = {x->bucket->record.id, x->request.key},
                              .replicas = &x->bucket->set,
                              .conditions = x->request.conditions,
                              .condition_count = x->request.condition_count,
                              .refused = on_refused,
                              .ctx = x};
    if (code != S3_OK)
        exchange_error(x, code, message);
    return code == S3_OK;
}

void writing_held(void *ctx)
{
    guard_held(&((struct exchange *)ctx)->guard);
}

struct span writing_verdict_headers(struct exchange *x, const struct write_verdict *v, bool with_etag)
{
    static const struct span words[] = {[WRITE_STORED] = SPAN("=stored"),
                                        [WRITE_HINTED] = SPAN("=hinted"),
                                        [WRITE_PENDING] = SPAN("=pending")};
    enum { FIXED = 64, EACH = sizeof(x->bucket->record.replicas[0].backend) + 16 };
    char *start = arena_alloc(&x->arena, FIXED + ETAG_CHARS_MAX + REPLICAS_MAX * EACH), *p = start;
    struct span between = SPAN("x-s3mirror-replicas: ");

    if (!start)
        return SPAN_EMPTY;
    if (with_etag) {
        p = span_put(p, SPAN("ETag: "));
        p = span_put(p, span_of(v->etag));
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

struct span writing_put_headers(struct exchange *x, const struct write_verdict *v)
{
    const struct s3_checksum_kind *kind = s3_checksum_kind(x->request.checksum);
    struct span headers = writing_verdict_headers(x, v, true), with;
    char text[64];

    if (!x->request.checksum)
        return headers;
    with = arena_printf(&x->arena, "%.*s%.*s: %.*s\r\nx-amz-checksum-type: FULL_OBJECT\r\n",
                        SPAN_ARG(headers), SPAN_ARG(kind->header),
                        (int)base64_encode(x->request.checksum_value, kind->bytes, text), text);
    return with.at ? with : headers;
}

void writing_failed(struct exchange *x, const struct write_verdict *v)
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
