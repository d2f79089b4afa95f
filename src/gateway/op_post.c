/* PostObject: a browser's form, whose fields are the head of a PUT and whose file is its body.
 *
 *   FIELDS --the file begins--> admitted (policy, signature) --> WRITE --file--> TAIL --> verified --> verdict --> answer
 *
 * A form of up to one chunk is held whole: its file is measured before the write is opened, and what else follows the file
 * is ignored, as S3 does. Of a larger one the fields alone are held; the file is as long as the request says, less
 * what must follow it, and goes straight to where it is written. A form that turns out to end otherwise, or to have the boundary
 * in what was taken for its file, is refused; that is before the barrier.
 *
 * The fields become the fields of a head, and s3_request_parse makes of them what it makes of a PUT's (gateway/post_fields.c). */
#include "auth/post_policy.h"
#include "gateway/gateway_private.h"
#include "gateway/key_check.h"
#include "gateway/post_fields.h"
#include "gateway/writing.h"
#include "s3/document.h"

#include <inttypes.h>

struct post {
    enum { POST_FIELDS, POST_WRITE, POST_TAIL, POST_DONE } state;
    bool held_whole; /* the whole form fits the chunk */
    bool pumping;
    struct s3_request outer; /* the form's own request; x->request is the PUT that is in it */
    struct s3_form form;
    struct s3_form_scan scan;
    struct body_check check; /* of the file */
    struct post_policy_limits limits;
    struct span redirect;
    unsigned status;
    struct http_header headers[S3_STORED_HEADERS_MAX]; /* stored with the object */
    size_t header_count;
    struct span held; /* bytes of the file that are in the chunk and not written yet */
    uint64_t file_bytes, written;
    char tail[S3_FORM_TAIL_MAX];
    size_t tail_bytes;
};

static void pump(struct exchange *x);

static void refuse(struct exchange *x, enum s3_code code, const char *message)
{
    if (x->write)
        write_leave(x->write);
    x->write = NULL;
    x->post->state = POST_DONE;
    exchange_error(x, code, message);
}

/* ---- the answer ---- */

static struct span location_of(struct exchange *x)
{
    struct span key = s3_path_encode(&x->arena, x->request.key);
    const struct span *host = http_header(x->head, "host");

    if (!key.at || !host)
        return (struct span){NULL, 0};
    return arena_printf(&x->arena, "%s://%.*s/%.*s%s%.*s", http_exchange_is_tls(x->http) ? "https" : "http",
                        SPAN_ARG(*host), SPAN_ARG(x->request.virtual_host ? SPAN_EMPTY : x->request.bucket),
                        x->request.virtual_host ? "" : "/", SPAN_ARG(key));
}

/* 303 to the page that the form names, with what it may want to know. */
static void answer_redirect(struct exchange *x, struct span headers, const char *etag)
{
    struct span page = x->post->redirect, rest = span_skip(page, span_find(page, '#'));
    struct span bucket = s3_query_encode(&x->arena, x->request.bucket),
                key = s3_query_encode(&x->arena, x->request.key),
                tag = s3_query_encode(&x->arena, span_of(etag));

    page = span_head(page, span_find(page, '#'));
    if (bucket.at && key.at && tag.at)
        headers = arena_printf(&x->arena, "%.*sLocation: %.*s%cbucket=%.*s&key=%.*s&etag=%.*s%.*s\r\n",
                               SPAN_ARG(headers), SPAN_ARG(page), span_find(page, '?') < page.len ? '&' : '?',
                               SPAN_ARG(bucket), SPAN_ARG(key), SPAN_ARG(tag), SPAN_ARG(rest));
    exchange_answer(x, 303, headers.at ? headers : SPAN_EMPTY, SPAN_EMPTY);
}

static struct span document(struct exchange *x, struct span location, const char *etag)
{
    struct span bucket = s3_xml_escape(&x->arena, x->request.bucket),
                key = s3_xml_escape(&x->arena, x->request.key), tag = s3_xml_escape(&x->arena, span_of(etag)),
                where = s3_xml_escape(&x->arena, location);

    if (!bucket.at || !key.at || !tag.at || !where.at)
        return SPAN_EMPTY;
    return arena_printf(&x->arena,
                        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<PostResponse><Location>%.*s</Location>"
                        "<Bucket>%.*s</Bucket><Key>%.*s</Key><ETag>%.*s</ETag></PostResponse>",
                        SPAN_ARG(where), SPAN_ARG(bucket), SPAN_ARG(key), SPAN_ARG(tag));
}

static void on_verdict(void *ctx, const struct write_verdict *v)
{
    struct exchange *x = ctx;
    struct span headers, location, body = SPAN_EMPTY;
    unsigned status = x->post->status;

    x->write = NULL;
    x->post->state = POST_DONE;
    guard_end(&x->guard);
    if (v->result != ERR_OK) {
        writing_failed(x, v);
        return;
    }
    headers = writing_put_headers(x, v);
    if (x->post->redirect.len) {
        answer_redirect(x, headers, v->etag);
        return;
    }
    location = location_of(x);
    if (location.at)
        headers = arena_printf(&x->arena, "%.*sLocation: %.*s\r\n%s", SPAN_ARG(headers), SPAN_ARG(location),
                               status == 201 ? "Content-Type: application/xml\r\n" : "");
    if (status == 201 && location.at)
        body = document(x, location, v->etag);
    exchange_answer(x, status, headers.at ? headers : SPAN_EMPTY, body.at ? body : SPAN_EMPTY);
}

static void on_drain(void *ctx)
{
    pump(ctx);
}

static const struct write_events write_events = {
    .held = writing_held, .drain = on_drain, .verdict = on_verdict};

/* ---- admitted? ---- */

/* Who sends the form, what it asks for, and whether its policy allows that: S3_OK, or the refusal. */
static enum s3_code admit(struct exchange *x, const char **message)
{
    struct gateway *g = x->gateway;
    struct post *p = x->post;
    const struct gateway_key *key;
    struct post_fields fields;
    enum s3_code code = post_policy_claim(&x->claim, &p->form, &x->arena, message);

    if (code != S3_OK)
        return code;
    key = gateway_find_key(g, x->claim.access_key);
    if (!key)
        return S3_INVALID_ACCESS_KEY_ID;
    x->secret = key->secret_key;
    code = post_policy_verify(&g->keyring, &x->claim, x->secret, g->options.region, &p->form, &x->arena,
                              message);
    if (code == S3_OK)
        code = post_fields_read(&fields, &x->request, &p->form, &p->outer, &x->arena, message);
    if (code == S3_OK)
        code = post_policy_check(&p->limits, &p->form, p->outer.bucket, x->request.key,
                                 clock_unix_ms(g->options.env->clock) / 1000, &x->arena, message);
    if (code == S3_OK)
        code = writing_stored(&x->arena, fields.headers, fields.header_count, p->headers, &p->header_count);
    if (code != S3_OK)
        return code;
    p->redirect = fields.redirect;
    p->status = fields.status;
    return S3_OK;
}

/* ---- the file ---- */

static bool size_is_allowed(struct exchange *x)
{
    const struct post *p = x->post;
    bool small = p->file_bytes < p->limits.least_bytes;
    uint64_t most = p->limits.most_bytes;

    if (most > x->gateway->options.max_object_bytes)
        most = x->gateway->options.max_object_bytes;
    if (!small && p->file_bytes <= most)
        return true;
    exchange_error_extra(
        x, small ? S3_ENTITY_TOO_SMALL : S3_ENTITY_TOO_LARGE, NULL,
        arena_printf(&x->arena, "<ProposedSize>%" PRIu64 "</ProposedSize><%s>%" PRIu64 "</%s>", p->file_bytes,
                     small ? "MinSizeAllowed" : "MaxSizeAllowed", small ? p->limits.least_bytes : most,
                     small ? "MinSizeAllowed" : "MaxSizeAllowed"));
    return false;
}

/* False: it has been answered. */
static bool open_write(struct exchange *x)
{
    struct post *p = x->post;
    struct write_spec spec = writing_spec(x, ROW_PUT);
    const char *why = key_check(x->bucket, x->request.key, p->file_bytes, &x->arena);
    enum err e;

    p->state = POST_DONE;
    if (why)
        exchange_error(x, S3_KEY_NOT_SUPPORTED, why);
    if (why || !size_is_allowed(x) || !writing_guard(x))
        return false;
    x->request.body_bytes = spec.body_bytes = p->file_bytes;
    spec.headers = p->headers;
    spec.header_count = p->header_count;
    spec.has_md5 = x->request.has_md5;
    memcpy(spec.md5, x->request.md5, sizeof(spec.md5));
    spec.checksum = x->request.checksum;
    spec.checksum_value = x->request.checksum_value;
    body_check_init(&p->check, &x->request);
    s3_form_scan_init(&p->scan, &p->form);
    e = write_open(&x->write, x->gateway->options.env, &spec, &write_events, x);
    if (e != ERR_OK) {
        exchange_unavailable(x, e);
        return false;
    }
    p->state = POST_WRITE;
    return true;
}

/* The next bytes of the file, from the chunk or from the client. */
static enum err next_bytes(struct exchange *x, const struct iovec *room, size_t *got)
{
    struct post *p = x->post;
    enum err e;

    if (!p->held.len) {
        e = body_read(&x->body, room->iov_base, room->iov_len, got);
        x->body_bytes_in += *got;
        return e;
    }
    *got = p->held.len < room->iov_len ? p->held.len : room->iov_len;
    memcpy(room->iov_base, p->held.at, *got);
    p->held = span_skip(p->held, *got);
    return ERR_OK;
}

static enum err write_file(struct exchange *x)
{
    struct post *p = x->post;

    while (x->write && p->written < p->file_bytes) {
        struct iovec room;
        size_t got = 0;
        enum err e = write_room(x->write, &room);

        if (e == ERR_OK)
            e = next_bytes(x, &room, &got);
        if (e != ERR_OK)
            return e;
        if (!p->held_whole && s3_form_scan(&p->scan, (struct span){room.iov_base, got})) {
            refuse(x, S3_MALFORMED_POST_REQUEST,
                   "The boundary is in the file, or parts follow it: in a form of more than 512 KiB the file "
                   "is the last.");
            return ERR_INVALID;
        }
        p->written += got;
        write_filled(x->write, got);
        body_check_add(&p->check, room.iov_base, got); /* after the sends, as in writing_pump */
    }
    p->state = POST_TAIL;
    return ERR_OK;
}

/* What follows the file is what must follow it, and the request ends there. */
static enum err read_tail(struct exchange *x)
{
    struct post *p = x->post;
    char expected[S3_FORM_TAIL_MAX];
    size_t len = s3_form_tail(&p->form, expected), got;
    enum err e = ERR_OK;

    while (e == ERR_OK && !p->held_whole) {
        e = body_read(&x->body, p->tail + p->tail_bytes, len - p->tail_bytes, &got);
        x->body_bytes_in += got;
        p->tail_bytes += got;
    }
    if (e == ERR_AGAIN || (e != ERR_OK && e != ERR_EOF))
        return e;
    if (!p->held_whole && memcmp(p->tail, expected, len) != 0) {
        refuse(x, S3_MALFORMED_POST_REQUEST, "The form does not end with its boundary, \"--\" and CR LF.");
        return ERR_INVALID;
    }
    return ERR_EOF;
}

static void finish(struct exchange *x)
{
    const char *message;
    enum s3_code code = body_check_end(&x->post->check, &message);

    if (code != S3_OK) {
        refuse(x, code, message);
        return;
    }
    x->post->state = POST_DONE;
    guard_verified(&x->guard, x->write);
}

/* ---- the fields ---- */

/* All of the form is in the chunk. */
static bool measure_held(struct exchange *x)
{
    struct post *p = x->post;
    struct span rest = {x->chunk->data + p->form.file_at, (size_t)x->body.bytes - p->form.file_at};
    size_t bytes;

    if (p->form.state != S3_FORM_AT_FILE) {
        refuse(x, S3_INVALID_ARGUMENT, "POST requires exactly one file upload per request.");
        return false;
    }
    if (!s3_form_file_end(&p->form, rest, &bytes)) {
        refuse(x, S3_MALFORMED_POST_REQUEST, "The form does not end with its boundary.");
        return false;
    }
    p->file_bytes = bytes;
    p->held = span_head(rest, bytes);
    return true;
}

static bool measure_streamed(struct exchange *x)
{
    struct post *p = x->post;
    char tail[S3_FORM_TAIL_MAX];

    p->file_bytes = p->outer.body_bytes - p->form.file_at - s3_form_tail(&p->form, tail);
    p->held = (struct span){x->chunk->data + p->form.file_at, (size_t)x->body.bytes - p->form.file_at};
    return true;
}

/* False: it has been answered. */
static bool look_at_fields(struct exchange *x)
{
    struct post *p = x->post;
    const char *message = NULL;
    enum s3_code code;

    if (p->form.state == S3_FORM_AT_FILE)
        return true;
    switch (s3_form_read(&p->form, (struct span){x->chunk->data, (size_t)x->body.bytes})) {
    case S3_FORM_MORE: return true;
    case S3_FORM_REFUSED: refuse(x, p->form.code, p->form.message); return false;
    case S3_FORM_FILE: break;
    }
    code = admit(x, &message);
    if (code != S3_OK)
        refuse(x, code, message);
    return code == S3_OK;
}

static enum err read_fields(struct exchange *x)
{
    struct post *p = x->post;
    uint64_t most = p->held_whole ? p->outer.body_bytes : S3_FORM_HEAD_BYTES_MAX;
    enum err e = ERR_OK;

    while (p->held_whole || p->form.state != S3_FORM_AT_FILE) {
        size_t got;

        e = body_read(&x->body, x->chunk->data + x->body.bytes, (size_t)(most - x->body.bytes), &got);
        x->body_bytes_in += got;
        if (e != ERR_OK)
            break;
        if (!look_at_fields(x))
            return ERR_INVALID;
    }
    if (e != ERR_OK && e != ERR_EOF)
        return e;
    if (!(p->held_whole ? measure_held(x) : measure_streamed(x)) || !open_write(x))
        return ERR_INVALID;
    return ERR_OK;
}

/* ---- the whole ---- */

static void pump(struct exchange *x)
{
    struct post *p = x->post;
    enum err e = ERR_OK;

    if (p->pumping)
        return;
    p->pumping = true;
    while (e == ERR_OK) {
        switch (p->state) {
        case POST_FIELDS: e = read_fields(x); break;
        case POST_WRITE: e = write_file(x); break;
        case POST_TAIL: e = read_tail(x); break;
        default: e = ERR_AGAIN;
        }
    }
    p->pumping = false;
    if (e == ERR_EOF)
        finish(x);
    else if (e != ERR_AGAIN && p->state != POST_DONE)
        refuse(x, x->body.code, x->body.message);
}

static void start_post(struct exchange *x)
{
    struct post *p = x->post = arena_zalloc(&x->arena, sizeof(*p));
    const struct span *type = http_header(x->head, "content-type");
    const char *message = NULL;
    enum s3_code code;

    if (!p) {
        exchange_unavailable(x, ERR_NOMEM);
        return;
    }
    code = s3_form_init(&p->form, type ? *type : SPAN_EMPTY, &message);
    if (code != S3_OK) {
        refuse(x, code, message);
        return;
    }
    x->chunk = chunk_take(x->gateway->options.env->budget);
    if (!x->chunk) {
        exchange_unavailable(x, ERR_BUSY);
        return;
    }
    p->outer = x->request;
    p->held_whole = p->outer.body_bytes <= CHUNK_BYTES;
    body_init_for(&x->body, x, &p->outer);
    pump(x);
}

const struct operation operation_post = {.start = start_post, .body = pump};
