/* CreateMultipartUpload, CompleteMultipartUpload, AbortMultipartUpload. The work is in fanout/upload_*.c; here are the
 * request's words and the answer's.
 *
 * The list of a Complete has up to 10,000 parts: it is read in pieces, and of each part a few numbers are kept. */
#include "fanout/upload.h"
#include "gateway/gateway_private.h"
#include "gateway/multipart.h"
#include "gateway/writing.h"

#include <stdlib.h>

static const struct span xml = SPAN("Content-Type: application/xml\r\n");

/* ---- create ---- */

static void on_created(void *ctx, const struct upload_created *c)
{
    struct exchange *x = ctx;
    const struct s3_request *q = &x->request;
    char id[STAMP_CHARS];
    struct span headers = xml, document;

    x->upload.create = NULL;
    if (c->result != ERR_OK) {
        struct write_verdict v = {.result = c->result, .cause = c->result, .status = c->status};

        memcpy(v.code, c->code, sizeof(v.code));
        writing_failed(x, &v);
        return;
    }
    stamp_print(&c->id, id);
    document = s3_created_document(&x->arena, q->bucket, q->key, (struct span){id, sizeof(id)});
    if (q->checksum_algorithm)
        headers = arena_printf(&x->arena, "%.*sx-amz-checksum-algorithm: %.*s\r\nx-amz-checksum-type: %s\r\n",
                               SPAN_ARG(xml), SPAN_ARG(s3_checksum_kind(q->checksum_algorithm)->algorithm),
                               q->checksum_type == S3_TYPE_FULL_OBJECT ? "FULL_OBJECT" : "COMPOSITE");
    if (document.at && headers.at)
        exchange_answer(x, 200, headers, document);
    else
        exchange_unavailable(x, ERR_NOMEM);
}

/* Which checksums can be reckoned of a whole object from those of its parts, and which cannot be otherwise. */
static bool checksum_type_fits(struct exchange *x)
{
    struct s3_request *q = &x->request;
    bool hash = q->checksum_algorithm == S3_CHECKSUM_SHA1 || q->checksum_algorithm == S3_CHECKSUM_SHA256;
    bool crc64 = q->checksum_algorithm == S3_CHECKSUM_CRC64NVME;
    const char *message = NULL;

    if (q->checksum_type && !q->checksum_algorithm)
        message = "x-amz-checksum-type needs x-amz-checksum-algorithm.";
    else if (q->checksum_type == S3_TYPE_FULL_OBJECT && hash)
        message = "The FULL_OBJECT checksum type cannot be used with SHA checksums.";
    else if (q->checksum_type == S3_TYPE_COMPOSITE && crc64)
        message = "The COMPOSITE checksum type cannot be used with the CRC64NVME checksum.";
    if (message)
        exchange_error(x, S3_INVALID_REQUEST, message);
    else if (crc64)
        q->checksum_type = S3_TYPE_FULL_OBJECT;
    return !message;
}

static void start_create(struct exchange *x)
{
    struct http_header headers[WRITING_HEADERS_MAX];
    struct upload_create_spec spec = {.key = {x->bucket->record.id, x->request.key},
                                      .replicas = &x->bucket->set,
                                      .ack = x->bucket->ack,
                                      .headers = headers};
    const char *message = NULL;
    enum s3_code code;
    enum err e;

    if (!checksum_type_fits(x))
        return;
    code = writing_headers(x, headers, &spec.header_count, &message);
    if (code != S3_OK) {
        exchange_error(x, code, message);
        return;
    }
    spec.checksum = x->request.checksum_algorithm;
    spec.full_object = x->request.checksum_type == S3_TYPE_FULL_OBJECT;
    e = upload_create_start(&x->upload.create, x->gateway->options.env, &spec, on_created, x);
    if (e != ERR_OK)
        exchange_unavailable(x, e);
}

static void end_create(struct exchange *x)
{
    if (x->upload.create)
        upload_create_leave(x->upload.create);
}

/* ---- abort ---- */

static void on_aborted(void *ctx, enum err e)
{
    struct exchange *x = ctx;

    x->upload.abort = NULL;
    switch (e) {
    case ERR_OK: exchange_answer(x, 204, SPAN_EMPTY, SPAN_EMPTY); break;
    case ERR_NOT_FOUND: exchange_error(x, S3_NO_SUCH_UPLOAD, NULL); break;
    case ERR_EXISTS:
        exchange_error(x, S3_OPERATION_ABORTED, "The upload is being completed. Please try again.");
        break;
    default: exchange_unavailable(x, e); break;
    }
}

static void start_abort(struct exchange *x)
{
    struct journal_key key = {x->bucket->record.id, x->request.key};
    struct stamp id;
    enum err e;

    if (!multipart_id(x, &id))
        return;
    e = upload_abort_start(&x->upload.abort, x->gateway->options.env, key, &id, UPLOAD_IN(UPLOAD_OPEN),
                           &x->bucket->set, on_aborted, x);
    if (e != ERR_OK)
        exchange_unavailable(x, e);
}

static void end_abort(struct exchange *x)
{
    if (x->upload.abort)
        upload_abort_leave(x->upload.abort);
}

/* ---- complete ---- */

/* The list while it is read. */
struct multipart_reading {
    struct s3_complete_reader reader;
    struct s3_request request; /* its checksum is of the object, not of this document */
    struct upload_list list;
    bool open; /* the reader has begun and not ended */
};

static bool on_part(void *ctx, const struct s3_listed_part *part)
{
    struct multipart_reading *r = ctx;

    if (r->list.count == S3_PART_NUMBER_MAX)
        return false;
    upload_list_add(&r->list, part);
    return true;
}

static struct span location_of(struct exchange *x)
{
    const struct span *host = http_header(x->head, "host");

    return arena_printf(&x->arena, "%s://%.*s%.*s", http_exchange_is_tls(x->http) ? "https" : "http",
                        host ? (int)host->len : 0, host ? host->at : "", SPAN_ARG(x->request.path));
}

static void answer_completed(struct exchange *x, const struct upload_completed *c)
{
    struct span location = location_of(x), headers = xml, document;

    document = location.at
                   ? s3_completed_document(&x->arena, location, x->request.bucket, x->request.key, c->result)
                   : location;
    if (c->verdict)
        headers = arena_printf(&x->arena, "%.*s%.*s", SPAN_ARG(xml),
                               SPAN_ARG(writing_verdict_headers(x, c->verdict, false)));
    if (document.at && headers.at)
        exchange_answer(x, 200, headers, document);
    else
        exchange_unavailable(x, ERR_NOMEM);
}

static void on_completed(void *ctx, const struct upload_completed *c)
{
    struct exchange *x = ctx;

    x->upload.complete = NULL;
    x->write = NULL;
    guard_end(&x->guard);
    if (c->code == S3_OK)
        answer_completed(x, c);
    else if (c->verdict && c->verdict->status == 404 && strcmp(c->verdict->code, "NoSuchUpload") == 0)
        exchange_error(x, S3_NO_SUCH_UPLOAD, "The replicas have aborted this upload.");
    else if (c->verdict)
        writing_failed(x, c->verdict);
    else
        exchange_error(x, c->code, c->message);
}

static void on_opened(void *ctx, struct write *w)
{
    struct exchange *x = ctx;

    guard_verified(&x->guard, w);
}

static void on_refused(void *ctx, enum s3_code code, const char *message)
{
    struct exchange *x = ctx;

    upload_complete_refuse(x->upload.complete, code, message);
}

static const struct upload_complete_events complete_events = {
    .opened = on_opened, .held = writing_held, .done = on_completed};

static void complete(struct exchange *x)
{
    const struct s3_request *q = &x->request;
    struct multipart_reading *r = x->upload.reading;
    struct upload_complete_spec spec = {.key = {x->bucket->record.id, q->key},
                                        .replicas = &x->bucket->set,
                                        .ack = x->bucket->ack,
                                        .list = &r->list,
                                        .claims = {.object_bytes = q->expected_bytes,
                                                   .checksum_type = q->checksum_type,
                                                   .checksum = q->checksum,
                                                   .checksum_parts = q->checksum_parts}};
    enum err e;

    if (!multipart_id(x, &spec.id))
        return;
    memcpy(spec.claims.checksum_value, q->checksum_value, sizeof(spec.claims.checksum_value));
    e = upload_complete_start(&x->upload.complete, x->gateway->options.env, &spec, &complete_events, x);
    if (e != ERR_OK)
        exchange_unavailable(x, e);
}

static void end_reading(struct exchange *x)
{
    struct multipart_reading *r = x->upload.reading;

    if (!r)
        return;
    if (r->open)
        (void)!s3_complete_end(&r->reader);
    upload_list_fini(&r->list);
    free(r);
    x->upload.reading = NULL;
}

static void whole(struct exchange *x)
{
    struct multipart_reading *r = x->upload.reading;
    enum err e = s3_complete_end(&r->reader);

    r->open = false;
    if (e != ERR_OK || r->list.count == 0)
        exchange_error(x, S3_MALFORMED_XML, NULL);
    else
        complete(x);
    end_reading(x);
}

static void read_list(struct exchange *x)
{
    struct multipart_reading *r = x->upload.reading;
    size_t got;
    enum err e;

    if (!r)
        return;
    while ((e = body_read(&x->body, x->chunk->data, CHUNK_BYTES, &got)) == ERR_OK) {
        x->body_bytes_in += got;
        if (s3_complete_feed(&r->reader, (struct span){x->chunk->data, got}) != ERR_OK) {
            exchange_error(x, S3_MALFORMED_XML, NULL);
            end_reading(x);
            return;
        }
    }
    if (e == ERR_EOF) {
        whole(x);
    } else if (e != ERR_AGAIN) {
        exchange_error(x, x->body.code, x->body.message);
        end_reading(x);
    }
}

static bool begin_reading(struct exchange *x)
{
    struct multipart_reading *r = calloc(1, sizeof(*r));

    x->upload.reading = r;
    x->chunk = chunk_take(x->gateway->options.env->budget);
    if (!r || !x->chunk) {
        exchange_unavailable(x, r ? ERR_BUSY : ERR_NOMEM);
        return false;
    }
    upload_list_init(&r->list, random_u64(&x->gateway->random));
    r->reader.part = on_part;
    r->reader.ctx = r;
    if (s3_complete_begin(&r->reader) != ERR_OK) {
        exchange_unavailable(x, ERR_NOMEM);
        return false;
    }
    r->open = true;
    body_init(&x->body, x);
    r->request = x->request;
    r->request.checksum = S3_CHECKSUM_NONE;
    x->body.request = &r->request;
    body_check_init(&x->body.check, &r->request);
    return true;
}

static void start_complete(struct exchange *x)
{
    if (!writing_guard(x))
        return;
    x->guard.refused = on_refused;
    if (x->request.body_bytes > S3_COMPLETE_BYTES_MAX)
        exchange_error(x, S3_MALFORMED_XML, "The list of parts is too long.");
    else if (begin_reading(x))
        read_list(x);
}

static void end_complete(struct exchange *x)
{
    end_reading(x);
    if (x->upload.complete)
        upload_complete_leave(x->upload.complete);
}

const struct operation operation_create_upload = {.start = start_create, .end = end_create};
const struct operation operation_abort_upload = {.start = start_abort, .end = end_abort};
const struct operation operation_complete_upload = {
    .start = start_complete, .body = read_list, .end = end_complete};
