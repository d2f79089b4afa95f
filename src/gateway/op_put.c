/* PutObject and DeleteObject: the client's body into a write, the write's verdict to the client.
 *
 *   start --> writing_pump: room in the write? bytes from the client? --> whole: verified? --> verdict --> answer
 *
 * A body over part_threshold is written as an upload in parts (fanout/parted.h); its Complete is then the write that is
 * verified. A SHA checksum of a whole cannot be kept with an object in parts, so that such a body stays in one piece
 * where it can. */
#include "gateway/gateway_private.h"
#include "gateway/writing.h"

static void on_verdict(void *ctx, const struct write_verdict *v)
{
    struct exchange *x = ctx;
    bool deleted = x->request.op == S3_OP_DELETE_OBJECT;

    x->write = NULL;
    x->parted = NULL;
    guard_end(&x->guard);
    if (v->result != ERR_OK)
        writing_failed(x, v);
    else
        exchange_answer(x, deleted ? 204 : 200,
                        deleted ? writing_verdict_headers(x, v, false) : writing_put_headers(x, v),
                        SPAN_EMPTY);
}

static const struct write_events write_events = {
    .held = writing_held, .drain = writing_drain, .verdict = on_verdict};

static void on_opened(void *ctx, struct write *w)
{
    struct exchange *x = ctx;

    guard_verified(&x->guard, w);
}

static const struct parted_events parted_events = {
    .drain = writing_drain, .opened = on_opened, .held = writing_held, .verdict = on_verdict};

/* The checksum of a whole that follows from those of its parts: none, or a CRC. */
static bool checksum_is_of_parts(const struct exchange *x)
{
    return x->request.checksum != S3_CHECKSUM_SHA1 && x->request.checksum != S3_CHECKSUM_SHA256;
}

static bool goes_in_parts(const struct exchange *x)
{
    return x->request.body_bytes >
           (checksum_is_of_parts(x) ? x->gateway->options.part_threshold : S3_SINGLE_PUT_BYTES_MAX);
}

static enum err open_in_parts(struct exchange *x, const struct write_spec *whole)
{
    const struct gateway_options *o = &x->gateway->options;
    const struct parted_spec spec = {.key = whole->key,
                                     .replicas = whole->replicas,
                                     .ack = whole->ack,
                                     .body_bytes = whole->body_bytes,
                                     .part_bytes =
                                         parted_part_bytes(whole->body_bytes, o->part_bytes, whole->replicas),
                                     .concurrency = o->part_concurrency,
                                     .headers = whole->headers,
                                     .header_count = whole->header_count,
                                     .checksum = whole->checksum};

    return parted_open(&x->parted, o->env, &spec, &parted_events, x);
}

static enum s3_code check_size(const struct exchange *x, const char **message)
{
    if (x->request.body_bytes > x->gateway->options.max_object_bytes)
        return S3_ENTITY_TOO_LARGE;
    if (x->request.body_bytes <= S3_SINGLE_PUT_BYTES_MAX || checksum_is_of_parts(x))
        return S3_OK;
    *message =
        "An object of more than 5 GiB is kept in parts, and no SHA checksum of the whole with it; use a CRC.";
    return S3_INVALID_REQUEST;
}

static void start_put(struct exchange *x)
{
    struct write_spec spec = writing_spec(x, ROW_PUT);
    struct http_header headers[WRITING_HEADERS_MAX];
    const char *message = NULL;
    enum s3_code code;
    enum err e;

    code = check_size(x, &message);
    if (code == S3_OK && !writing_guard(x))
        return;
    if (code == S3_OK)
        code = writing_headers(x, headers, &spec.header_count, &message);
    if (code != S3_OK) {
        exchange_error(x, code, message);
        return;
    }
    spec.body_bytes = x->request.body_bytes;
    spec.headers = headers;
    spec.has_sha256 = x->request.payload == S3_PAYLOAD_SHA256;
    memcpy(spec.sha256, x->request.sha256, sizeof(spec.sha256));
    spec.has_md5 = x->request.has_md5;
    memcpy(spec.md5, x->request.md5, sizeof(spec.md5));
    spec.checksum = x->request.checksum;
    spec.checksum_value = x->request.checksum_in_trailer ? NULL : x->request.checksum_value;
    e = goes_in_parts(x) ? open_in_parts(x, &spec)
                         : write_open(&x->write, x->gateway->options.env, &spec, &write_events, x);
    if (e != ERR_OK) {
        exchange_unavailable(x, e);
        return;
    }
    body_init(&x->body, x);
    writing_pump(x);
}

static void start_delete(struct exchange *x)
{
    struct write_spec spec = writing_spec(x, ROW_DELETE);
    enum err e;

    if (!writing_guard(x))
        return;
    e = write_open(&x->write, x->gateway->options.env, &spec, &write_events, x);
    if (e != ERR_OK)
        exchange_unavailable(x, e);
    else
        guard_verified(&x->guard, x->write);
}

const struct operation operation_put = {.start = start_put, .body = writing_pump};
const struct operation operation_delete = {.start = start_delete};
