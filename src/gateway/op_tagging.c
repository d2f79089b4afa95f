/* The tags of an object: GetObjectTagging, PutObjectTagging, DeleteObjectTagging.
 *
 * Tags belong to the content that a stamp names: a change of them writes the object anew, in place and under a stamp of its
 * own (copy.c). So a replica that misses the change differs as one that misses a write does, by the same row and the same
 * HEAD, and repair brings it the tags with the rest. What it costs: the object's bytes move, unless the backends copy them by
 * themselves, and then too at some; its Last-Modified changes, and an object of parts gets the ETag of one in one piece where
 * the copy does not keep it. */
#include "gateway/copy.h"
#include "gateway/gateway_private.h"

/* ---- get ---- */

static void answer_tags(struct exchange *x, const struct s3_tags *tags)
{
    struct span document = s3_tags_document(tags, &x->arena);

    if (document.at)
        exchange_answer(x, 200, SPAN("Content-Type: application/xml\r\n"), document);
    else
        exchange_unavailable(x, ERR_NOMEM);
}

static void on_tags(void *ctx, struct span text)
{
    struct exchange *x = ctx;
    struct s3_tags tags;
    const char *message;

    if (s3_tags_parse_header(&tags, arena_dup(&x->arena, text), &x->arena, &message) == S3_OK)
        answer_tags(x, &tags);
    else
        exchange_error(x, S3_INTERNAL_ERROR, "The replica's tags are none.");
}

static void on_failed(void *ctx, enum err e)
{
    if (e == ERR_NOT_FOUND)
        exchange_error(ctx, S3_NO_SUCH_KEY, NULL);
    else
        exchange_unavailable(ctx, e);
}

static void on_body(void *ctx)
{
}

/* Tags are asked for where there may be some. */
static void on_head(void *ctx, unsigned status, const struct http_head *head,
                    const struct replica_object *object, const struct replica *from)
{
    static const struct fetch_events events = {.tags = on_tags, .failed = on_failed};
    static const struct s3_tags none;
    struct exchange *x = ctx;
    const struct fetch_spec spec = {
        .key = {x->bucket->record.id, x->request.key}, .replicas = &x->bucket->set, .tags = true};

    if (!object->exists)
        exchange_error(x, S3_NO_SUCH_KEY, NULL);
    else if (object->stamped && !object->tag_count)
        answer_tags(x, &none);
    else if (fetch_open(&x->fetch, x->gateway->options.env, &spec, &events, x) != ERR_OK)
        exchange_unavailable(x, ERR_NOMEM);
}

static void start_get(struct exchange *x)
{
    static const struct fetch_events events = {.head = on_head, .body = on_body, .failed = on_failed};
    const struct fetch_spec spec = {
        .key = {x->bucket->record.id, x->request.key}, .replicas = &x->bucket->set, .head_only = true};

    if (fetch_open(&x->look, x->gateway->options.env, &spec, &events, x) != ERR_OK)
        exchange_unavailable(x, ERR_NOMEM);
}

/* ---- put, delete ---- */

static void on_changed(struct exchange *x, const struct write_verdict *v)
{
    bool deleted = x->request.op == S3_OP_DELETE_OBJECT_TAGGING;

    exchange_answer(x, deleted ? 204 : 200, v ? writing_verdict_headers(x, v, false) : SPAN_EMPTY,
                    SPAN_EMPTY);
}

static void change(struct exchange *x, const struct s3_tags *tags)
{
    const struct copy_spec spec = {.source = x->bucket,
                                   .source_key = x->request.key,
                                   .tags = tags,
                                   .in_place = true,
                                   .done = on_changed};

    if (writing_guard(x))
        copy_start(x, &spec);
}

static void read_tags(struct exchange *x)
{
    struct span document;
    struct s3_tags *tags;
    const char *message;
    enum s3_code code;

    if (x->copy || body_document(x, S3_TAGGING_BYTES_MAX, S3_MALFORMED_XML, &document) != ERR_OK)
        return;
    tags = arena_alloc(&x->arena, sizeof(*tags));
    if (!tags) {
        exchange_unavailable(x, ERR_NOMEM);
        return;
    }
    code = s3_tags_parse_document(tags, document, &x->arena, &message);
    if (code == S3_OK)
        change(x, tags);
    else
        exchange_error(x, code, message);
}

static void start_put(struct exchange *x)
{
    body_init(&x->body, x);
    read_tags(x);
}

static void start_delete(struct exchange *x)
{
    static const struct s3_tags none;

    change(x, &none);
}

const struct operation operation_get_tagging = {.start = start_get};
const struct operation operation_put_tagging = {.start = start_put, .body = read_tags, .end = copy_end};
const struct operation operation_delete_tagging = {.start = start_delete, .end = copy_end};
