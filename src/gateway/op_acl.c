/* Access control lists: every bucket and object has the same, the owner's FULL_CONTROL. It may be put again; any other
 * is refused, as leaving it out would be a lie. An object's is there only when the object is. */
#include "gateway/gateway_private.h"
#include "s3/acl.h"

enum { BODY_MAX = 64 * 1024 };

static void answer_acl(struct exchange *x)
{
    struct span document = s3_acl_document(&x->arena, SPAN(GATEWAY_OWNER));

    if (document.at)
        exchange_answer(x, 200, SPAN("Content-Type: application/xml\r\n"), document);
    else
        exchange_unavailable(x, ERR_NOMEM);
}

static void answer(struct exchange *x)
{
    if (x->request.op == S3_OP_GET_BUCKET_ACL || x->request.op == S3_OP_GET_OBJECT_ACL)
        answer_acl(x);
    else
        exchange_answer(x, 200, SPAN_EMPTY, SPAN_EMPTY);
}

static void on_head(void *ctx, unsigned status, const struct http_head *head,
                    const struct replica_object *object, const struct replica *from)
{
    if (status == 200)
        answer(ctx);
    else
        exchange_error(ctx, S3_NO_SUCH_KEY, NULL);
}

static void on_failed(void *ctx, enum err e)
{
    exchange_unavailable(ctx, e);
}

static void on_body(void *ctx)
{
}

static const struct fetch_events object_events = {.head = on_head, .body = on_body, .failed = on_failed};

/* The answer, for an object once it has been found. */
static void look(struct exchange *x)
{
    struct fetch_spec spec = {
        .key = {x->bucket->record.id, x->request.key}, .replicas = &x->bucket->set, .head_only = true};
    enum err e;

    if (x->request.key.len == 0) {
        answer(x);
        return;
    }
    e = fetch_open(&x->fetch, x->gateway->options.env, &spec, &object_events, x);
    if (e != ERR_OK)
        exchange_unavailable(x, e);
}

/* ---- put ---- */

/* Its value was looked at with the request. */
static bool has_acl_header(const struct exchange *x)
{
    for (size_t i = 0; i < x->request.head->header_count; i++)
        if (span_ieq(x->request.head->headers[i].name, SPAN("x-amz-acl")))
            return true;
    return false;
}

static void put(struct exchange *x, struct span document)
{
    enum err e;

    if (has_acl_header(x)) {
        if (document.len)
            exchange_error(x, S3_UNEXPECTED_CONTENT, NULL);
        else
            look(x);
        return;
    }
    e = s3_acl_parse(document, SPAN(GATEWAY_OWNER));
    if (e == ERR_OK)
        look(x);
    else if (e == ERR_MISMATCH)
        exchange_error(x, S3_NOT_IMPLEMENTED,
                       "Access control lists other than the owner's FULL_CONTROL (\"private\") are not "
                       "implemented.");
    else
        exchange_error(x, S3_MALFORMED_XML, NULL);
}

static void read_put_body(struct exchange *x)
{
    struct span document;

    if (!body_is_whole(&x->body) && body_document(x, BODY_MAX, S3_MALFORMED_XML, &document) == ERR_OK)
        put(x, document);
}

static void start_put(struct exchange *x)
{
    body_init(&x->body, x);
    read_put_body(x);
}

const struct operation operation_get_acl = {.start = look};
const struct operation operation_put_acl = {.start = start_put, .body = read_put_body};
