/* GetObjectAttributes: what a HEAD of a current replica tells, as a document, and what the object's manifest does
 * (gateway/manifest.h): its checksum and its parts. Of an object in parts without one only their number is known. */
#include "gateway/gateway_private.h"
#include "gateway/manifest.h"
#include "s3/condition.h"
#include "s3/object_document.h"

/* A page of parts may be larger than other answers. */
enum { PARTS_ARENA_BYTES = 1024 * 1024 };

static struct s3_object_checksum checksum_of(const struct http_head *head, const struct s3_manifest *m)
{
    struct s3_object_checksum out = {.type = SPAN_EMPTY};

    if (m && m->kind)
        return (struct s3_object_checksum){m->kind, m->checksum,
                                           m->full_object ? SPAN("FULL_OBJECT") : SPAN("COMPOSITE")};
    for (size_t i = 0; i < head->header_count; i++) {
        enum s3_checksum kind = s3_checksum_by_header(head->headers[i].name);

        if (kind) {
            out.kind = kind;
            out.value = head->headers[i].value;
        } else if (span_ieq(head->headers[i].name, SPAN("x-amz-checksum-type"))) {
            out.type = head->headers[i].value;
        }
    }
    return out;
}

static void on_head(void *ctx, unsigned status, const struct http_head *head,
                    const struct replica_object *object, const struct replica *from)
{
    struct exchange *x = ctx;
    const struct s3_manifest *m = manifest_of(x, object);
    const struct s3_attributes attributes = {.asked = x->request.attributes,
                                             .etag = span_of(object->etag),
                                             .bytes = object->body_bytes,
                                             .parts = m ? m->count : s3_etag_parts(span_of(object->etag)),
                                             .manifest = m,
                                             .marker = x->request.part_marker,
                                             .most = x->request.max_keys,
                                             .checksum = checksum_of(head, m)};
    struct span document, headers;

    if (!object->exists) {
        exchange_error(x, S3_NO_SUCH_KEY, NULL);
        return;
    }
    x->arena.cap_bytes = PARTS_ARENA_BYTES;
    document = s3_attributes_document(&x->arena, &attributes);
    headers = arena_printf(&x->arena, "Content-Type: application/xml\r\nLast-Modified: %s\r\n",
                           object->last_modified);
    if (document.at && headers.at)
        exchange_answer(x, 200, headers, document);
    else
        exchange_unavailable(x, ERR_NOMEM);
}

static void on_body(void *ctx)
{
}

static void on_failed(void *ctx, enum err e)
{
    exchange_unavailable(ctx, e);
}

static void begin(struct exchange *x)
{
    static const struct fetch_events events = {.head = on_head, .body = on_body, .failed = on_failed};
    const struct fetch_spec spec = {.key = {x->bucket->record.id, x->request.key},
                                    .replicas = &x->bucket->set,
                                    .head_only = true,
                                    .checksum_mode = true};

    if (fetch_open(&x->fetch, x->gateway->options.env, &spec, &events, x) != ERR_OK)
        exchange_unavailable(x, ERR_NOMEM);
}

static void start(struct exchange *x)
{
    if (x->request.attributes)
        manifest_look(x, begin);
    else
        exchange_error(x, S3_INVALID_ARGUMENT, "x-amz-object-attributes must name at least one attribute.");
}

const struct operation operation_get_attributes = {.start = start, .end = manifest_end};
