/*   READ the source's head --> judged --> TAGS, if it has some that are kept --> WRITE --> verdict
 *     ^                                                                             |
 *     `--------------(in place, and it is no longer what was read)------------------'
 *
 * WRITE has two forms: the backends copy what they have themselves (copy_there.c); else the bytes come through here
 * (copy_stream.c). Which of them it was shows in nothing but the time and the traffic. For the first the source is looked
 * at with a HEAD; when it cannot be, reading begins anew with a GET.
 *
 * A change in place (tags, metadata of itself) must not bring back a content that somebody has replaced meanwhile: under the hold of
 * the key the guard looks whether the object is still the one that was read (gateway/guard.h). */
#include "gateway/copy_private.h"

#include "base/hash.h"
#include "s3/condition.h"

#include <stdlib.h>

enum { TRIES_MAX = 5 };

static void stop(struct copy *c)
{
    struct exchange *x = c->x;

    guard_end(&x->guard);
    if (x->write)
        write_leave(x->write);
    x->write = NULL;
    fetch_free(c->source);
    fetch_free(c->tags_fetch);
    sources_free(c->sources);
    c->source = c->tags_fetch = NULL;
    c->sources = NULL;
}

void copy_fail(struct copy *c, enum s3_code code, const char *message)
{
    stop(c);
    exchange_error(c->x, code, message);
}

/* ---- WRITE ---- */

void copy_verdict(struct copy *c, const struct write_verdict *v)
{
    struct exchange *x = c->x;

    stop(c);
    if (v->result == ERR_OK)
        c->spec.done(x, v);
    else
        writing_failed(x, v);
}

/* Only what we have written ourselves is known to show the MD5 of its bytes. */
static bool known_md5(const struct replica_object *o, uint8_t md5[static MD5_BYTES])
{
    struct span etag = span_of(o->etag);

    return o->stamped && etag.len == 2 * MD5_BYTES + 2 && etag.at[0] == '"' &&
           hex_decode(span_head(span_skip(etag, 1), 2 * MD5_BYTES), md5, MD5_BYTES);
}

bool copy_open_write(struct copy *c, struct write_spec *form, const struct write_events *events)
{
    struct exchange *x = c->x;
    struct write_spec spec = writing_spec(x, ROW_PUT);
    enum err e;

    spec.body_bytes = form->body_bytes;
    spec.copy = form->copy;
    spec.checksum = form->checksum;
    spec.checksum_value = form->checksum_value;
    spec.headers = c->headers;
    spec.header_count = c->header_count;
    spec.has_md5 = known_md5(&c->object, spec.md5);
    if (c->spec.in_place)
        x->guard.expected = &c->object;
    e = write_open(&x->write, x->gateway->options.env, &spec, events, x);
    if (e != ERR_OK) {
        x->write = NULL;
        stop(c);
        exchange_unavailable(x, e);
    }
    return e == ERR_OK;
}

static void prepared(struct copy *c)
{
    c->prepared = true;
    if (c->looking)
        copy_there(c);
    else
        copy_stream(c);
}

/* ---- TAGS ---- */

static void add_tags(struct copy *c, const struct s3_tags *tags)
{
    enum s3_code code = writing_tags(&c->x->arena, tags, c->headers, &c->header_count);

    if (code == S3_OK)
        prepared(c);
    else
        copy_fail(c, code, NULL);
}

static void on_tags(void *ctx, struct span text)
{
    struct copy *c = ctx;
    struct s3_tags tags;
    const char *message;

    if (s3_tags_parse_header(&tags, arena_dup(&c->x->arena, text), &c->x->arena, &message) == S3_OK)
        add_tags(c, &tags);
    else
        copy_fail(c, S3_INTERNAL_ERROR, "The tags of the source are none that could be written.");
}

/* What others wrote to a server that knows no tags has none. */
static void on_tags_failed(void *ctx, enum err e)
{
    static const struct s3_tags none;
    struct copy *c = ctx;

    if (!c->object.tag_count)
        add_tags(c, &none);
    else
        copy_fail(c, S3_SERVICE_UNAVAILABLE, "The tags of the source cannot be read now.");
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
        copy_fail(c, S3_INTERNAL_ERROR, NULL);
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
        copy_fail(c, S3_NO_SUCH_KEY, NULL);
    else if (code != S3_OK)
        copy_fail(c, code, NULL);
    else if (object->body_bytes > S3_SINGLE_PUT_BYTES_MAX)
        copy_fail(c, S3_INVALID_REQUEST,
                  "The specified copy source is larger than the maximum allowable size for a copy source: "
                  "5368709120");
    else if (c->spec.in_place && c->spec.tags && !c->spec.tags->count && object->stamped &&
             !object->tag_count) {
        stop(c);
        c->spec.done(c->x, NULL); /* it has no tags as it is */
    } else if (!keep_metadata(c, head))
        copy_fail(c, S3_INTERNAL_ERROR, NULL);
    else
        find_tags(c);
}

static void on_source_body(void *ctx)
{
    copy_stream_pump(ctx);
}

static void on_source_failed(void *ctx, enum err e)
{
    struct copy *c = ctx;

    stop(c);
    exchange_unavailable(c->x, e);
}

void copy_begin(struct copy *c)
{
    static const struct fetch_events events = {
        .head = on_source_head, .body = on_source_body, .failed = on_source_failed};
    struct fetch_spec spec = {.key = {c->spec.source->record.id, c->spec.source_key},
                              .replicas = &c->spec.source->set,
                              .checksum_mode = true};

    c->asked = c->prepared = false;
    spec.head_only = c->looking = copy_there_look(c);
    if (fetch_open(&c->source, c->x->gateway->options.env, &spec, &events, c) != ERR_OK) {
        c->source = NULL;
        copy_fail(c, S3_INTERNAL_ERROR, NULL);
    }
}

void copy_begin_stream(struct copy *c)
{
    stop(c);
    c->streams = true;
    copy_begin(c);
}

/* In place, and somebody has written it since it was read: then that is what is to be changed. */
static void on_refused(void *ctx, enum s3_code code, const char *message)
{
    struct exchange *x = ctx;
    struct copy *c = x->copy;

    if (code != S3_OPERATION_ABORTED || ++c->tries == TRIES_MAX) {
        copy_fail(c, code, message);
        return;
    }
    stop(c);
    copy_begin(c);
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
    copy_begin(c);
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
