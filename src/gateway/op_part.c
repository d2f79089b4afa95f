/* UploadPart and UploadPartCopy: bytes from the client, or from an object that is read where it is current, into a part on
 * all replicas that take part in the upload.
 *
 *   look at the upload --> open the part --> pump --> verdict --> answer
 *   copy: look --> the source's head --> judged --> open the part --> pump ...
 *                                            `--> all backends show the same: each copies the part by itself
 *
 * A copy whose upload has a checksum algorithm gets its checksum here, from the bytes as they come by; without one the
 * bytes need not come here. When a backend cannot copy, or does not show what the source shows, or too few did it and
 * one refused, they come: reading begins anew. A part is invisible, so that one which was copied late does no harm. */
#include "fanout/sources.h"
#include "gateway/gateway_private.h"
#include "gateway/move.h"
#include "gateway/multipart.h"
#include "gateway/writing.h"
#include "s3/condition.h"
#include "s3/object_document.h"

#include <stdlib.h>

/* ---- UploadPart ---- */

static void on_verdict(void *ctx, const struct write_verdict *v)
{
    struct exchange *x = ctx;
    const struct s3_checksum_kind *kind = s3_checksum_kind(x->request.checksum);
    struct span headers;
    char text[64];

    x->write = NULL;
    if (v->result != ERR_OK) {
        multipart_part_failed(x, v);
        return;
    }
    headers = writing_verdict_headers(x, v, true);
    if (x->request.checksum)
        headers = arena_printf(&x->arena, "%.*s%.*s: %.*s\r\n", SPAN_ARG(headers), SPAN_ARG(kind->header),
                               (int)base64_encode(x->request.checksum_value, kind->bytes, text), text);
    exchange_answer(x, 200, headers.at ? headers : SPAN_EMPTY, SPAN_EMPTY);
}

static const struct write_events part_events = {
    .held = writing_held, .drain = writing_drain, .verdict = on_verdict};

static void on_upload(struct exchange *x, struct journal_upload_read *r)
{
    if (!multipart_open_part(x, r->upload, x->request.body_bytes, NULL, &part_events))
        return;
    body_init(&x->body, x);
    writing_pump(x);
}

static void start_part(struct exchange *x)
{
    if (x->request.body_bytes > S3_SINGLE_PUT_BYTES_MAX)
        exchange_error(x, S3_ENTITY_TOO_LARGE, NULL);
    else
        multipart_look(x, false, 0, on_upload);
}

/* ---- UploadPartCopy ---- */

struct part_copy {
    struct upload *upload;
    const struct catalog_bucket *of; /* the source's */
    struct fetch *source;
    uint64_t first, bytes; /* from `first` on so many of the source */
    struct http_header range;
    struct move move;
    /* by the backends: */
    struct sources *sources;
    struct replica_set taking; /* replicas that take part in the upload */
    struct replica_object object;
    bool looking, asked, judged;
};

static void stop_reading(struct exchange *x)
{
    struct part_copy *c = x->upload.copy;

    if (x->write)
        write_leave(x->write);
    x->write = NULL;
    fetch_free(c->source);
    sources_free(c->sources);
    c->source = NULL;
    c->sources = NULL;
}

static void stop(struct exchange *x)
{
    struct part_copy *c = x->upload.copy;

    if (!c)
        return;
    stop_reading(x);
    free(c->upload);
    free(c);
    x->upload.copy = NULL;
}

static void fail(struct exchange *x, enum s3_code code, const char *message)
{
    stop(x);
    exchange_error(x, code, message);
}

static void on_copy_verdict(void *ctx, const struct write_verdict *v)
{
    static const struct s3_object_checksum none;
    struct exchange *x = ctx;
    struct span document, headers;

    x->write = NULL;
    stop(x);
    if (v->result != ERR_OK) {
        multipart_part_failed(x, v);
        return;
    }
    document = s3_copy_document(&x->arena, "CopyPartResult", span_of(v->etag),
                                clock_unix_ms(x->gateway->options.env->clock), &none);
    headers = arena_printf(&x->arena, "Content-Type: application/xml\r\n%.*s",
                           SPAN_ARG(writing_verdict_headers(x, v, false)));
    if (document.at && headers.at)
        exchange_answer(x, 200, headers, document);
    else
        exchange_unavailable(x, ERR_NOMEM);
}

static void finish(struct exchange *x)
{
    if (x->request.checksum) {
        s3_digest_end(&x->upload.copy->move.wanted, x->request.checksum_value);
        write_checksum(x->write, x->request.checksum_value);
    }
    write_verified(x->write);
}

static void pump(struct exchange *x)
{
    struct part_copy *c = x->upload.copy;
    enum err e = c ? move_on(&c->move, c->source, x->write) : ERR_AGAIN;

    if (e == ERR_OK)
        finish(x);
    else if (e != ERR_AGAIN)
        fail(x, S3_SERVICE_UNAVAILABLE,
             "The source of the copy cannot be read to its end. Please try again.");
}

static void on_drain(void *ctx)
{
    pump(ctx);
}

static const struct write_events copy_events = {
    .held = writing_held, .drain = on_drain, .verdict = on_copy_verdict};

/* ---- by the backends ---- */

static void read_source(struct exchange *x);

static void read_here(struct exchange *x)
{
    stop_reading(x);
    x->upload.copy->looking = false;
    read_source(x);
}

static void on_there_verdict(void *ctx, const struct write_verdict *v)
{
    struct exchange *x = ctx;
    bool refused = (v->status >= 400 && v->status < 500) || v->status == 501;

    if (v->result == ERR_OK || !refused || strcmp(v->code, "NoSuchUpload") == 0) {
        on_copy_verdict(x, v);
    } else {
        x->write = NULL;
        read_here(x);
    }
}

static const struct write_events there_events = {
    .held = writing_held, .drain = on_drain, .verdict = on_there_verdict};

/* When both are known: what the source is, and what each backend shows of it. */
static void copy_there(struct exchange *x)
{
    struct part_copy *c = x->upload.copy;
    struct write_copy copy;

    if (!c->judged || !c->asked)
        return;
    if (c->bytes > x->gateway->options.env->terms.copy_bytes_max ||
        !sources_agree(c->sources, &c->object, false, &copy)) {
        read_here(x);
        return;
    }
    copy.ranged = x->request.source_range.len != 0;
    copy.first = c->first;
    copy.bytes = c->bytes;
    if (multipart_open_part(x, c->upload, 0, &copy, &there_events))
        write_verified(x->write);
    else
        stop(x);
}

/* ---- the source ---- */

/* "bytes=a-b" and nothing else. */
static bool parse_range(struct span text, uint64_t *first, uint64_t *last)
{
    struct span a;

    if (!span_starts(text, SPAN("bytes=")))
        return false;
    text = span_skip(text, 6);
    a = span_cut(&text, '-');
    return span_to_u64(a, first) && span_to_u64(text, last) && *first <= *last;
}

/* S3_OK, or why there is nothing to copy. */
static enum s3_code judge_source(struct exchange *x, unsigned status, const struct replica_object *object,
                                 const char **message)
{
    const struct s3_current current = {.exists = object->exists,
                                       .etag = span_of(object->etag),
                                       .last_modified = span_of(object->last_modified)};
    struct part_copy *c = x->upload.copy;
    uint64_t first = 0, last = 0;
    enum s3_code code;

    if (status == 416)
        return S3_INVALID_RANGE;
    if (!object->exists)
        return S3_NO_SUCH_KEY;
    code = s3_condition_source(x->request.source_conditions, x->request.source_condition_count, &current);
    if (code != S3_OK)
        return code;
    c->object = *object;
    c->bytes = object->body_bytes;
    if (x->request.source_range.len) {
        (void)!parse_range(x->request.source_range, &first, &last);
        if (last >= object->body_bytes) {
            *message = "The range of the copy source is not within the object.";
            return S3_INVALID_RANGE;
        }
        c->first = first;
        c->bytes = last - first + 1;
    }
    if (c->bytes > S3_SINGLE_PUT_BYTES_MAX) {
        *message = "The specified copy source is larger than the maximum allowable size for a copy source: "
                   "5368709120";
        return S3_INVALID_REQUEST;
    }
    return S3_OK;
}

static void on_source_head(void *ctx, unsigned status, const struct http_head *head,
                           const struct replica_object *object, const struct replica *from)
{
    struct exchange *x = ctx;
    struct part_copy *c = x->upload.copy;
    const char *message = NULL;
    enum s3_code code = judge_source(x, status, object, &message);

    if (code != S3_OK) {
        fail(x, code, message);
        return;
    }
    if (c->looking) {
        c->judged = true;
        copy_there(x);
        return;
    }
    x->request.checksum = (enum s3_checksum)c->upload->checksum;
    x->request.checksum_in_trailer = true;
    c->move = (struct move){.bytes = c->bytes};
    s3_digest_init(&c->move.wanted, x->request.checksum);
    if (multipart_open_part(x, c->upload, c->bytes, NULL, &copy_events))
        pump(x);
    else
        stop(x);
}

static void on_source_body(void *ctx)
{
    pump(ctx);
}

static void on_source_failed(void *ctx, enum err e)
{
    stop(ctx);
    exchange_unavailable(ctx, e);
}

/* Only the head of it when the backends may copy by themselves. */
static void read_source(struct exchange *x)
{
    static const struct fetch_events events = {
        .head = on_source_head, .body = on_source_body, .failed = on_source_failed};
    struct part_copy *c = x->upload.copy;
    struct fetch_spec spec = {
        .key = {c->of->record.id, x->request.source_key}, .replicas = &c->of->set, .head_only = c->looking};

    if (x->request.source_range.len && !c->looking) {
        c->range = (struct http_header){SPAN("range"), x->request.source_range};
        spec.headers = &c->range;
        spec.header_count = 1;
    }
    if (fetch_open(&c->source, x->gateway->options.env, &spec, &events, x) != ERR_OK) {
        c->source = NULL;
        fail(x, S3_INTERNAL_ERROR, NULL);
    }
}

static void on_asked(void *ctx)
{
    struct exchange *x = ctx;

    x->upload.copy->asked = true;
    copy_there(x);
}

/* False: the bytes have to come through here. */
static bool look_there(struct exchange *x)
{
    struct part_copy *c = x->upload.copy;
    struct env *env = x->gateway->options.env;
    const struct sources_spec spec = {
        .target = &c->taking, .source = &c->of->set, .source_key = x->request.source_key, .part = true};

    c->taking = x->bucket->set;
    c->taking.mask &= upload_slots(c->upload) & ~c->upload->dropped;
    return !c->upload->checksum && env->terms.copy_bytes_max && sources_possible(&spec) &&
           sources_open(&c->sources, env, &spec, on_asked, x) == ERR_OK;
}

static void on_copy_upload(struct exchange *x, struct journal_upload_read *r)
{
    const struct catalog_bucket *source = writing_source_bucket(x);
    struct part_copy *c = source ? calloc(1, sizeof(*c)) : NULL;

    if (!c) {
        if (source)
            exchange_unavailable(x, ERR_NOMEM);
        return;
    }
    x->upload.copy = c;
    c->of = source;
    c->upload = r->upload;
    r->upload = NULL;
    c->looking = look_there(x);
    read_source(x);
}

static void start_part_copy(struct exchange *x)
{
    uint64_t first, last;

    if (x->request.source_range.len && !parse_range(x->request.source_range, &first, &last))
        exchange_error(x, S3_INVALID_ARGUMENT,
                       "The x-amz-copy-source-range value must be of the form bytes=first-last where first "
                       "and last are the zero-based offsets of the first and last bytes to copy.");
    else
        multipart_look(x, false, 0, on_copy_upload);
}

static void end_part_copy(struct exchange *x)
{
    multipart_look_end(x);
    stop(x);
}

const struct operation operation_upload_part = {
    .start = start_part, .body = writing_pump, .end = multipart_look_end};
const struct operation operation_upload_part_copy = {.start = start_part_copy, .end = end_part_copy};
