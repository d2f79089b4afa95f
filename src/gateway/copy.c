/*   READ the source's head --> judged --> TAGS, if it has some that are kept --> WRITE: its bytes into a write --> verdict
 *     ^                                                                             |
 *     `--------------(in place, and it is no longer what was read)------------------'
 *
 * The bytes go from the source's connection straight into the write's chunks. A source that breaks off in the middle is
 * followed by another replica that shows the same (fanout/fetch); when none is left the write is dropped before its barrier.
 *
 * A change in place (tags, metadata of itself) must not bring back a content that somebody has replaced meanwhile: under the hold of
 * the key the guard looks whether the object is still the one that was read (gateway/guard.h). */
#include "gateway/copy.h"

#include "base/hash.h"
#include "gateway/gateway_private.h"
#include "s3/condition.h"
#include "s3/digest.h"

#include <stdlib.h>

enum { TRIES_MAX = 5 };

struct copy {
    struct exchange *x;
    struct copy_spec spec;
    struct fetch *source, *tags_fetch;
    struct replica_object object; /* the source, as read */
    struct http_header headers[WRITING_HEADERS_MAX];
    size_t header_count;
    uint64_t read_bytes;
    enum s3_checksum shown; /* the source's checksum of the whole object, if it has one */
    uint8_t shown_value[SHA256_BYTES];
    struct s3_digest own, wanted; /* of the bytes: to be compared with that; to be kept with the copy */
    struct copy_checksum checksum;
    unsigned tries;
    bool pumping, whole;
};

static void begin(struct copy *c);
static void pump(struct copy *c);

static void stop(struct copy *c)
{
    struct exchange *x = c->x;

    guard_end(&x->guard);
    if (x->write)
        write_leave(x->write);
    x->write = NULL;
    fetch_free(c->source);
    fetch_free(c->tags_fetch);
    c->source = c->tags_fetch = NULL;
}

static void fail(struct copy *c, enum s3_code code, const char *message)
{
    stop(c);
    exchange_error(c->x, code, message);
}

/* ---- WRITE ---- */

static void on_drain(void *ctx)
{
    pump(((struct exchange *)ctx)->copy);
}

static void on_verdict(void *ctx, const struct write_verdict *v)
{
    struct exchange *x = ctx;
    struct copy *c = x->copy;

    x->write = NULL;
    stop(c);
    if (v->result == ERR_OK)
        c->spec.done(x, v);
    else
        writing_failed(x, v);
}

static const struct write_events write_events = {
    .held = writing_held, .drain = on_drain, .verdict = on_verdict};

/* Only what we have written ourselves is known to show the MD5 of its bytes. */
static bool known_md5(const struct replica_object *o, uint8_t md5[static MD5_BYTES])
{
    struct span etag = span_of(o->etag);

    return o->stamped && etag.len == 2 * MD5_BYTES + 2 && etag.at[0] == '"' &&
           hex_decode(span_head(span_skip(etag, 1), 2 * MD5_BYTES), md5, MD5_BYTES);
}

static void open_write(struct copy *c)
{
    struct exchange *x = c->x;
    struct write_spec spec = writing_spec(x, ROW_PUT);
    enum err e;

    spec.body_bytes = c->object.body_bytes;
    spec.headers = c->headers;
    spec.header_count = c->header_count;
    spec.has_md5 = known_md5(&c->object, spec.md5);
    spec.checksum = x->request.checksum_algorithm ? x->request.checksum_algorithm : c->shown;
    s3_digest_init(&c->own, c->shown);
    s3_digest_init(&c->wanted, spec.checksum);
    if (c->spec.in_place)
        x->guard.expected = &c->object;
    e = write_open(&x->write, x->gateway->options.env, &spec, &write_events, x);
    if (e != ERR_OK) {
        x->write = NULL;
        stop(c);
        exchange_unavailable(x, e);
        return;
    }
    pump(c);
}

static bool is_sound(struct copy *c)
{
    uint8_t got[SHA256_BYTES];
    size_t bytes = s3_digest_end(&c->own, got);

    return bytes == 0 || memcmp(got, c->shown_value, bytes) == 0;
}

static void pump(struct copy *c)
{
    struct exchange *x = c->x;
    enum err e = ERR_OK;

    if (!x->write || c->whole || c->pumping)
        return;
    c->pumping = true;
    while (e == ERR_OK && c->read_bytes < c->object.body_bytes) {
        struct iovec room;
        size_t got = 0;

        e = write_room(x->write, &room);
        if (e == ERR_OK)
            e = fetch_read(c->source, room.iov_base, room.iov_len, &got);
        if (e == ERR_OK) {
            c->read_bytes += got;
            s3_digest_add(&c->own, room.iov_base, got);
            s3_digest_add(&c->wanted, room.iov_base, got);
            write_filled(x->write, got);
        }
    }
    c->pumping = false;
    if (e == ERR_OK && !is_sound(c)) {
        fail(c, S3_INTERNAL_ERROR, "The source's bytes do not have the checksum that was stored with them.");
    } else if (e == ERR_OK) {
        c->whole = true;
        c->checksum.kind = c->wanted.kind;
        c->checksum.bytes = s3_digest_end(&c->wanted, c->checksum.value);
        if (c->checksum.bytes)
            write_checksum(x->write, c->checksum.value);
        guard_verified(&x->guard, x->write);
    } else if (e != ERR_AGAIN) {
        fail(c, S3_SERVICE_UNAVAILABLE,
             "The source of the copy cannot be read to its end. Please try again.");
    }
}

/* ---- TAGS ---- */

static void add_tags(struct copy *c, const struct s3_tags *tags)
{
    enum s3_code code = writing_tags(&c->x->arena, tags, c->headers, &c->header_count);

    if (code == S3_OK)
        open_write(c);
    else
        fail(c, code, NULL);
}

static void on_tags(void *ctx, struct span text)
{
    struct copy *c = ctx;
    struct s3_tags tags;
    const char *message;

    if (s3_tags_parse_header(&tags, arena_dup(&c->x->arena, text), &c->x->arena, &message) == S3_OK)
        add_tags(c, &tags);
    else
        fail(c, S3_INTERNAL_ERROR, "The tags of the source are none that could be written.");
}

/* What others wrote to a server that knows no tags has none. */
static void on_tags_failed(void *ctx, enum err e)
{
    static const struct s3_tags none;
    struct copy *c = ctx;

    if (!c->object.tag_count)
        add_tags(c, &none);
    else
        fail(c, S3_SERVICE_UNAVAILABLE, "The tags of the source cannot be read now.");
}

static void find_tags(struct copy *c)
{
    static const struct fetch_events events = {.tags = on_tags, .failed = on_tags_failed};
    static const struct s3_tags none;
    const struct fetch_spec spec = {.key = {c->spec.source->record.id, c->spec.source_key},
                                    .replicas = &c->spec.source->set,
                                    .tags = true};

    if (c->spec.tags)
        add_tags(c, c->spec.tags);
    else if (c->object.stamped && !c->object.tag_count)
        add_tags(c, &none);
    else if (fetch_open(&c->tags_fetch, c->x->gateway->options.env, &spec, &events, c) != ERR_OK)
        fail(c, S3_INTERNAL_ERROR, NULL);
}

/* ---- READ ---- */

/* A composite checksum, of an object in parts, says nothing about its bytes in one piece. */
static void keep_checksum(struct copy *c, const struct http_head *head)
{
    const struct span *type = http_header(head, "x-amz-checksum-type");
    bool of_whole = type ? span_is(*type, "FULL_OBJECT") : !strchr(c->object.etag, '-');

    c->shown = S3_CHECKSUM_NONE;
    for (size_t i = 0; i < head->header_count && of_whole && !c->shown; i++) {
        enum s3_checksum kind = s3_checksum_by_header(head->headers[i].name);

        if (kind && base64_decode(head->headers[i].value, c->shown_value, s3_checksum_kind(kind)->bytes))
            c->shown = kind;
    }
}

/* False: the arena is full. */
static bool keep_metadata(struct copy *c, const struct http_head *head)
{
    if (!c->spec.metadata)
        return s3_stored_headers(&c->x->arena, head, c->headers, &c->header_count);
    c->header_count = 0;
    for (size_t i = 0; i < c->spec.metadata_count; i++)
        c->headers[c->header_count++] = c->spec.metadata[i];
    return true;
}

static void on_source_head(void *ctx, unsigned status, const struct http_head *head,
                           const struct replica_object *object, const struct replica *from)
{
    struct copy *c = ctx;
    const struct s3_current current = {.exists = object->exists,
                                       .etag = span_of(object->etag),
                                       .last_modified = span_of(object->last_modified)};
    enum s3_code code = s3_condition_source(c->spec.conditions, c->spec.condition_count, &current);

    c->object = *object;
    keep_checksum(c, head);
    if (!object->exists)
        fail(c, S3_NO_SUCH_KEY, NULL);
    else if (code != S3_OK)
        fail(c, code, NULL);
    else if (object->body_bytes > S3_SINGLE_PUT_BYTES_MAX)
        fail(c, S3_INVALID_REQUEST,
             "The specified copy source is larger than the maximum allowable size for a copy source: "
             "5368709120");
    else if (c->spec.in_place && c->spec.tags && !c->spec.tags->count && object->stamped &&
             !object->tag_count) {
        stop(c);
        c->spec.done(c->x, NULL); /* it has no tags as it is */
    } else if (!keep_metadata(c, head))
        fail(c, S3_INTERNAL_ERROR, NULL);
    else
        find_tags(c);
}

static void on_source_body(void *ctx)
{
    pump(ctx);
}

static void on_source_failed(void *ctx, enum err e)
{
    struct copy *c = ctx;

    stop(c);
    exchange_unavailable(c->x, e);
}

static void begin(struct copy *c)
{
    static const struct fetch_events events = {
        .head = on_source_head, .body = on_source_body, .failed = on_source_failed};
    const struct fetch_spec spec = {.key = {c->spec.source->record.id, c->spec.source_key},
                                    .replicas = &c->spec.source->set,
                                    .checksum_mode = true};

    c->read_bytes = 0;
    c->whole = false;
    if (fetch_open(&c->source, c->x->gateway->options.env, &spec, &events, c) != ERR_OK) {
        c->source = NULL;
        exchange_unavailable(c->x, ERR_NOMEM);
    }
}

/* In place, and somebody has written it since it was read: then that is what is to be changed. */
static void on_refused(void *ctx, enum s3_code code, const char *message)
{
    struct exchange *x = ctx;
    struct copy *c = x->copy;

    if (code != S3_OPERATION_ABORTED || ++c->tries == TRIES_MAX) {
        fail(c, code, message);
        return;
    }
    stop(c);
    begin(c);
}

void copy_start(struct exchange *x, const struct copy_spec *spec)
{
    struct copy *c = calloc(1, sizeof(*c));

    if (!c) {
        exchange_unavailable(x, ERR_NOMEM);
        return;
    }
    c->x = x;
    c->spec = *spec;
    x->copy = c;
    x->guard.refused = on_refused;
    begin(c);
}

struct copy_checksum copy_checksum(const struct exchange *x)
{
    return x->copy->checksum;
}

void copy_end(struct exchange *x)
{
    if (!x->copy)
        return;
    stop(x->copy);
    free(x->copy);
    x->copy = NULL;
}
