/* One S3 request.
 *
 *   head --> who is it (SigV4, or nobody) --> what is asked (s3/request) --> which bucket --> the operation --> one answer --> end
 *
 * Nothing of the body is read, and no 100 Continue sent, before the first three have passed. Every answer carries
 * x-amz-request-id, which is in the log too.
 *
 * Ownership: the HTTP server owns the connection and tells with `done` when this exchange is over; the exchange owns
 * its arena and what its operation has under way, and lets go of both there. A write goes on by itself. */
#include "base/count.h"
#include "base/log.h"
#include "gateway/gateway_private.h"
#include "gateway/key_check.h"
#include "s3/document.h"

#include <assert.h>
#include <stdlib.h>

static const struct operation *const operations[S3_OP_COUNT] = {
    [S3_OP_LIST_BUCKETS] = &operation_list_buckets,
    [S3_OP_CREATE_BUCKET] = &operation_create_bucket,
    [S3_OP_HEAD_BUCKET] = &operation_head_bucket,
    [S3_OP_DELETE_BUCKET] = &operation_delete_bucket,
    [S3_OP_LIST_OBJECTS] = &operation_list_objects,
    [S3_OP_LIST_OBJECTS_V2] = &operation_list_objects,
    [S3_OP_LIST_OBJECT_VERSIONS] = &operation_list_objects,
    [S3_OP_GET_BUCKET_LOCATION] = &operation_get_bucket_location,
    [S3_OP_GET_BUCKET_VERSIONING] = &operation_get_bucket_versioning,
    [S3_OP_GET_BUCKET_SETTING] = &operation_get_bucket_setting,
    [S3_OP_GET_BUCKET_ACL] = &operation_get_acl,
    [S3_OP_PUT_BUCKET_ACL] = &operation_put_acl,
    [S3_OP_GET_OBJECT_ACL] = &operation_get_acl,
    [S3_OP_PUT_OBJECT_ACL] = &operation_put_acl,
    [S3_OP_PREFLIGHT] = &operation_preflight,
    [S3_OP_POST_OBJECT] = &operation_post,
    [S3_OP_PUT_OBJECT] = &operation_put,
    [S3_OP_GET_OBJECT] = &operation_get,
    [S3_OP_HEAD_OBJECT] = &operation_head,
    [S3_OP_DELETE_OBJECT] = &operation_delete,
    [S3_OP_CREATE_MULTIPART_UPLOAD] = &operation_create_upload,
    [S3_OP_UPLOAD_PART] = &operation_upload_part,
    [S3_OP_UPLOAD_PART_COPY] = &operation_upload_part_copy,
    [S3_OP_COMPLETE_MULTIPART_UPLOAD] = &operation_complete_upload,
    [S3_OP_ABORT_MULTIPART_UPLOAD] = &operation_abort_upload,
    [S3_OP_LIST_PARTS] = &operation_list_parts,
    [S3_OP_LIST_MULTIPART_UPLOADS] = &operation_list_uploads,
    [S3_OP_DELETE_OBJECTS] = &operation_delete_many,
    [S3_OP_COPY_OBJECT] = &operation_copy,
    [S3_OP_GET_OBJECT_ATTRIBUTES] = &operation_get_attributes,
    [S3_OP_GET_OBJECT_TAGGING] = &operation_get_tagging,
    [S3_OP_PUT_OBJECT_TAGGING] = &operation_put_tagging,
    [S3_OP_DELETE_OBJECT_TAGGING] = &operation_delete_tagging,
};

static struct gateway_op_counters *counters_of(struct exchange *x)
{
    return &x->gateway->counters[x->parsed ? x->request.op : S3_OP_COUNT];
}

static void count(struct exchange *x)
{
    struct gateway_op_counters *c = counters_of(x);
    double took_s = (double)(clock_mono_ms(x->gateway->options.env->clock) - x->started_ms) / 1000;
    int slot = 0;

    while (slot < LATENCY_BUCKETS && took_s > gateway_latency_bounds_s[slot])
        slot++;
    COUNT_ADD(c->requests, 1);
    COUNT_ADD(c->latency[slot], 1);
    COUNT_ADD(c->latency_sum_s, took_s);
    COUNT_ADD(c->bytes_in, x->body_bytes_in);
    COUNT_ADD(c->bytes_out, x->body_bytes_out);
    COUNT_ADD(c->errors_4xx, x->status >= 400 && x->status < 500);
    COUNT_ADD(c->errors_5xx, x->status >= 500);
}

static void on_body(void *ctx)
{
    struct exchange *x = ctx;

    if (!x->answered && x->operation && x->operation->body)
        x->operation->body(x);
}

static void on_done(void *ctx, enum err result)
{
    struct exchange *x = ctx;

    if (x->operation && x->operation->end)
        x->operation->end(x);
    guard_end(&x->guard);
    if (x->write)
        write_leave(x->write);
    if (x->parted)
        parted_leave(x->parted);
    fetch_free(x->look);
    fetch_free(x->fetch);
    if (x->chunk)
        chunk_give(x->gateway->options.env->budget, x->chunk);
    body_fini(&x->body);
    count(x);
    LOG_AT(x->status >= 500 ? LOG_WARN : LOG_DEBUG, "request",
           LOG_SPAN("id", ((struct span){x->request_id, REQUEST_ID_CHARS})),
           LOG_STR("operation", x->parsed ? s3_op_name(x->request.op) : "refused"),
           LOG_SPAN("path", x->head->target), LOG_U64("status", x->status),
           LOG_U64("bytes_in", x->body_bytes_in), LOG_U64("bytes_out", x->body_bytes_out),
           LOG_U64("took_ms", clock_mono_ms(x->gateway->options.env->clock) - x->started_ms),
           LOG_STR("ended", err_name(result)));
    list_remove(&x->node);
    x->gateway->exchange_count--;
    arena_fini(&x->arena);
    free(x);
}

static const struct http_exchange_events http_events = {.body = on_body, .done = on_done};

static void answer(struct exchange *x, struct http_answer *a, struct span headers)
{
    static const struct span fixed = SPAN("Server: s3mirror\r\nx-amz-request-id: ");
    struct span origin = exchange_origin_lines(x);
    char *all = arena_alloc(&x->arena, fixed.len + REQUEST_ID_CHARS + 2 + origin.len + headers.len);

    assert(!x->answered);
    x->answered = true;
    x->status = a->status;
    if (!all) { /* the arena is full: say at least the status */
        a->headers = SPAN_EMPTY;
    } else {
        char *at = span_put(all, fixed);

        at = span_put(at, (struct span){x->request_id, REQUEST_ID_CHARS});
        at = span_put(at, SPAN("\r\n"));
        at = span_put(at, origin);
        at = span_put(at, headers);
        a->headers = (struct span){all, (size_t)(at - all)};
    }
    http_exchange_answer(x->http, a);
}

void exchange_answer(struct exchange *x, unsigned status, struct span headers, struct span body)
{
    struct http_answer a = {
        .status = status, .body_bytes = body.len, .body = body, .no_length = status == 204 || status == 304};

    x->body_bytes_out = body.len;
    answer(x, &a, headers);
}

void exchange_answer_source(struct exchange *x, unsigned status, struct span headers, uint64_t body_bytes,
                            const struct http_source *source)
{
    struct http_answer a = {.status = status, .body_bytes = body_bytes, .source = source, .source_ctx = x};

    answer(x, &a, headers);
}

void exchange_error_extra(struct exchange *x, enum s3_code code, const char *message, struct span extra)
{
    static const struct span type = SPAN("Content-Type: application/xml\r\n");
    struct span document = s3_error_document(
        &x->arena, code, message, s3_xml_escape(&x->arena, span_head(x->head->target, S3_KEY_BYTES_MAX)),
        (struct span){x->request_id, REQUEST_ID_CHARS}, extra);

    exchange_answer(x, s3_error(code)->status, type, document.at ? document : SPAN_EMPTY);
}

void exchange_error(struct exchange *x, enum s3_code code, const char *message)
{
    exchange_error_extra(x, code, message, SPAN_EMPTY);
}

void exchange_unavailable(struct exchange *x, enum err e)
{
    switch (e) {
    case ERR_BUSY: exchange_error(x, S3_SLOW_DOWN, NULL); break;
    case ERR_FULL:
        exchange_error(x, S3_SERVICE_UNAVAILABLE,
                       "The gateway's journal cannot be written: its disk is full. Nothing is claimed about "
                       "this request.");
        break;
    case ERR_NOMEM: exchange_error(x, S3_INTERNAL_ERROR, "Out of memory."); break;
    default:
        exchange_error(x, S3_SERVICE_UNAVAILABLE,
                       "Too few replicas of this bucket can be reached. Please try again.");
        break;
    }
}

const struct gateway_key *gateway_find_key(const struct gateway *g, struct span access_key)
{
    for (size_t i = 0; i < g->options.key_count; i++)
        if (span_eq(g->options.keys[i].access_key, access_key))
            return &g->options.keys[i];
    return NULL;
}

/* What a request without a signature may do. */
static bool is_public(struct exchange *x)
{
    static const uint64_t reads = 1ull << S3_OP_GET_OBJECT | 1ull << S3_OP_HEAD_OBJECT |
                                  1ull << S3_OP_LIST_OBJECTS | 1ull << S3_OP_LIST_OBJECTS_V2 |
                                  1ull << S3_OP_LIST_OBJECT_VERSIONS;

    return reads >> x->request.op & 1 && gateway_bucket(x->gateway, x->request.bucket)->public_read;
}

/* A browser's form: what proves it is in the body, a policy that the operation verifies. */
static bool is_form(const struct http_head *head)
{
    static const struct span form = SPAN("multipart/form-data");

    for (size_t i = 0; head->method == HTTP_POST && i < head->header_count; i++)
        if (span_ieq(head->headers[i].name, SPAN("content-type")))
            return span_ieq(span_head(head->headers[i].value, form.len), form);
    return false;
}

static enum s3_code admit_unsigned(struct exchange *x, const char **message)
{
    struct gateway *g = x->gateway;
    bool form = is_form(x->head), preflight = x->head->method == HTTP_OPTIONS;
    enum s3_code code = s3_request_parse(&x->request, x->head, form ? S3_PROOF_FORM : S3_PROOF_NONE,
                                         &g->options.domains, &x->arena, message);

    x->parsed = code == S3_OK;
    /* Whoever may do nothing is not told what is wrong with the request besides. */
    if (preflight || (form && (code != S3_OK || x->request.op == S3_OP_POST_OBJECT)) || is_public(x))
        return code;
    *message = "Anonymous access is not allowed; the request carries no signature.";
    return S3_ACCESS_DENIED;
}

/* Who asks, what for: S3_OK, or the refusal. */
static enum s3_code admit(struct exchange *x, const char **message, struct span *detail)
{
    struct gateway *g = x->gateway;
    const struct gateway_key *key;
    enum s3_code code = sigv4_claim_parse(&x->claim, x->head, &x->arena, message);

    if (code != S3_OK)
        return code;
    if (x->claim.proof == S3_PROOF_NONE)
        return admit_unsigned(x, message);
    key = gateway_find_key(g, x->claim.access_key);
    if (!key)
        return S3_INVALID_ACCESS_KEY_ID;
    code = s3_request_parse(&x->request, x->head, x->claim.proof, &g->options.domains, &x->arena, message);
    if (code != S3_OK)
        return code;
    x->parsed = true;
    x->secret = key->secret_key;
    return sigv4_verify(&g->keyring, &x->claim, x->secret, g->options.region, x->head, &x->request,
                        clock_unix_ms(g->options.env->clock) / 1000, &x->arena, message, detail);
}

/* The key that is named, and the one that is copied from: why there can be no such object here; NULL: there can. */
static const char *refused_key(struct exchange *x)
{
    const struct s3_request *r = &x->request;
    const char *why = key_check_request(x->bucket, r, &x->arena);
    const struct catalog_bucket *source = NULL;

    if (!why && r->source_bucket.len)
        source = catalog_by_name(x->gateway->options.catalog, r->source_bucket);
    return source ? key_check(source, r->source_key, false, &x->arena) : why;
}

static void run(struct exchange *x)
{
    const char *message = NULL;
    struct span detail = SPAN_EMPTY;
    enum s3_code code = admit(x, &message, &detail);

    if (code != S3_OK) {
        exchange_error_extra(x, code, message, detail);
        return;
    }
    if (x->request.bucket.len && x->request.op != S3_OP_CREATE_BUCKET) {
        const struct catalog_bucket *found = catalog_by_name(x->gateway->options.catalog, x->request.bucket);
        struct catalog_bucket *copy = found ? arena_alloc(&x->arena, sizeof(*copy)) : NULL;

        if (!copy) {
            exchange_error(x, found ? S3_INTERNAL_ERROR : S3_NO_SUCH_BUCKET, NULL);
            return;
        }
        *copy = *found;
        x->bucket = copy;
        message = refused_key(x);
    }
    if (message) {
        exchange_error(x, S3_KEY_NOT_SUPPORTED, message);
        return;
    }
    x->operation = operations[x->request.op];
    if (!x->operation) {
        exchange_error(x, S3_NOT_IMPLEMENTED, NULL);
        return;
    }
    x->operation->start(x);
}

void exchange_begin(struct gateway *g, struct http_exchange *http, const struct http_head *head,
                    const struct http_exchange_events **events, void **ctx)
{
    static const char digits[] = "0123456789ABCDEF";
    struct exchange *x = calloc(1, sizeof(*x));
    uint64_t id = random_u64(&g->random);

    if (!x)
        abort(); /* a few KiB: the machine is beyond service */
    x->gateway = g;
    x->http = http;
    x->head = head;
    x->started_ms = clock_mono_ms(g->options.env->clock);
    arena_init(&x->arena, EXCHANGE_ARENA_BYTES);
    for (int i = 0; i < REQUEST_ID_CHARS; i++)
        x->request_id[i] = digits[id >> (4 * i) & 15];
    list_append(&g->exchanges, &x->node);
    g->exchange_count++;
    *events = &http_events;
    *ctx = x;
    run(x);
}
