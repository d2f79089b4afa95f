/* PutObject and DeleteObject: the client's body into a write, the write's verdict to the client.
 *
 *   start --> writing_pump: room in the write? bytes from the client? --> whole: verified? --> verdict --> answer */
#include "gateway/gateway_private.h"
#include "gateway/writing.h"

static void on_verdict(void *ctx, const struct write_verdict *v)
{
    struct exchange *x = ctx;
    bool deleted = x->request.op == S3_OP_DELETE_OBJECT;

    x->write = NULL;
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

static void start_put(struct exchange *x)
{
    struct write_spec spec = writing_spec(x, ROW_PUT);
    struct http_header headers[WRITING_HEADERS_MAX];
    const char *message = NULL;
    enum s3_code code;
    enum err e;

    if (x->request.body_bytes > x->gateway->options.max_object_bytes) {
        exchange_error(x, S3_ENTITY_TOO_LARGE, NULL);
        return;
    }
    if (!writing_guard(x))
        return;
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
    e = write_open(&x->write, x->gateway->options.env, &spec, &write_events, x);
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
