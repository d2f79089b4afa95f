/* Multipart uploads on a backend: create, complete, abort, and the list of those that are under way. Parts are puts
 * (s3_put.c).
 *
 * A Complete is all past the barrier: its document is small, and where it ends is up to the backend. Its answer may be
 * 200 with an <Error>; and a backend that knows the upload no more may have completed it already, for a request whose
 * answer was lost: then the object is there and shows the stamp, which a HEAD tells. */
#include "replica/s3_call.h"

#include "s3/multipart.h"

enum { CREATE_HEADERS_OWN = 3, UPLOADS_PAGE = 20 };

static enum err start(struct replica_call *c, struct replica_call **out, enum err e)
{
    if (e) {
        s3_call_free(c);
        *out = NULL;
    }
    return e;
}

/* "uploadId=..." */
static struct span id_query(struct replica_call *c, struct span id)
{
    struct span encoded = s3_query_encode(&c->arena, id);

    return encoded.at ? arena_printf(&c->arena, "uploadId=%.*s", SPAN_ARG(encoded)) : encoded;
}

/* ---- create ---- */

static void finish_create(struct replica_call *c)
{
    struct span id = SPAN_EMPTY;

    if (c->answer.result == REPLICA_STORED &&
        s3_upload_id_read((struct span){c->body, c->body_bytes}, &c->arena, &id) != ERR_OK) {
        c->answer.result = REPLICA_UNRESOLVED;
        c->answer.error = ERR_PROTOCOL;
    }
    c->upload.create_events.done(c->ctx, &c->answer, id);
}

static enum err send_create(struct replica_call *c, const struct replica_create *create)
{
    struct sigv4_header *headers =
        s3_call_headers(c, create->headers, create->header_count, CREATE_HEADERS_OWN);
    char *stamp = arena_alloc(&c->arena, STAMP_CHARS);
    struct s3_call_request q = {
        .method = SPAN("POST"),
        .path = s3_call_path(c, create->key),
        .query = SPAN("uploads="),
        .headers = headers,
        .header_count = create->header_count,
        .payload = SPAN(S3_EMPTY_SHA256),
        .has_length = true,
    };

    if (!headers || !stamp || !q.path.at)
        return ERR_NOMEM;
    if (create->checksum && c->replica->backend->can.checksum_headers & 1u << create->checksum) {
        headers[q.header_count++] = (struct sigv4_header){SPAN("x-amz-checksum-algorithm"),
                                                          s3_checksum_kind(create->checksum)->algorithm};
        headers[q.header_count++] = (struct sigv4_header){
            SPAN("x-amz-checksum-type"), create->full_object ? SPAN("FULL_OBJECT") : SPAN("COMPOSITE")};
    }
    if (create->stamped) {
        stamp_print(&create->stamp, stamp);
        headers[q.header_count++] =
            (struct sigv4_header){SPAN(S3_STAMP_HEADER), (struct span){stamp, STAMP_CHARS}};
    }
    return s3_call_send(c, &q, &s3_collect);
}

enum err s3_create_start(struct replica *r, struct replica_call **out, const struct replica_create *create,
                         const struct replica_create_events *events, void *ctx)
{
    struct replica_call *c = s3_call_open(r, ctx, finish_create);

    *out = c;
    if (!c)
        return ERR_NOMEM;
    c->upload.create_events = *events;
    return start(c, out, send_create(c, create));
}

/* ---- complete ---- */

static void finish_complete(struct replica_call *c)
{
    struct span etag;

    if (c->answer.result == REPLICA_STORED && !c->upload.found) {
        if (s3_complete_etag_read((struct span){c->body, c->body_bytes}, &c->arena, &etag) != ERR_OK) {
            c->answer.result = REPLICA_UNRESOLVED;
            c->answer.error = ERR_PROTOCOL;
        } else if (etag.len < ETAG_CHARS_MAX) {
            memcpy(c->answer.etag, etag.at, etag.len);
            c->answer.etag[etag.len] = '\0';
        }
    }
    c->upload.events.done(c->ctx, &c->answer);
}

static void drop_look(struct replica_call *c)
{
    if (c->upload.look)
        (void)s3_call_abandon(c->upload.look);
    c->upload.look = NULL;
}

/* What the object shows decides; without an answer the refusal stands. */
static void on_looked(void *ctx, enum err error, unsigned status, const struct replica_object *object)
{
    struct replica_call *c = ctx;

    c->upload.look = NULL;
    if (error == ERR_OK && object->exists && object->stamped && stamp_eq(&object->stamp, &c->upload.stamp)) {
        c->upload.found = true;
        c->answer.result = REPLICA_STORED;
        memcpy(c->answer.etag, object->etag, sizeof(c->answer.etag));
    }
    finish_complete(c);
    s3_call_free(c);
}

static void complete_done(void *ctx, enum err result)
{
    static const struct replica_head_events look = {.done = on_looked};
    struct replica_call *c = ctx;

    s3_call_over(c, result);
    if (c->answer.status == 404 && strcmp(c->answer.code, "NoSuchUpload") == 0 &&
        s3_head_start(&c->replica->base, &c->upload.look, c->upload.key, &look, c) == ERR_OK)
        return;
    finish_complete(c);
    s3_call_free(c);
}

static enum err document_peek(void *ctx, struct iovec *iov, int *count)
{
    struct replica_call *c = ctx;
    struct span rest = span_skip(c->upload.document, c->upload.document_sent);

    if (rest.len == 0)
        return ERR_EOF;
    iov[0] = (struct iovec){(char *)rest.at, rest.len};
    *count = 1;
    return ERR_OK;
}

static void document_sent(void *ctx, size_t bytes)
{
    struct replica_call *c = ctx;

    c->upload.document_sent += bytes;
    if (c->upload.events.progress)
        c->upload.events.progress(c->ctx, c->upload.document_sent);
}

static enum err send_complete(struct replica_call *c, const struct replica_complete *complete)
{
    static const struct http_source source = {.peek = document_peek, .sent = document_sent};
    struct http_call_events events = s3_collect;
    uint8_t hash[SHA256_BYTES];
    char *hex = arena_alloc(&c->arena, 2 * SHA256_BYTES);
    struct s3_call_request q = {
        .method = SPAN("POST"),
        .path = s3_call_path(c, complete->key),
        .query = id_query(c, complete->upload_id),
        .has_length = true,
        .length = complete->document.len,
        .source = &source,
    };

    c->upload.key = arena_dup(&c->arena, complete->key);
    c->upload.document = complete->document;
    c->upload.stamp = complete->stamp;
    if (!hex || !q.path.at || !q.query.at || !c->upload.key.at)
        return ERR_NOMEM;
    sha256_of(complete->document, hash);
    hex_encode(hash, sizeof(hash), hex);
    q.payload = (struct span){hex, 2 * SHA256_BYTES};
    events.done = complete_done;
    c->upload.http_events = events;
    return s3_call_send(c, &q, &c->upload.http_events);
}

enum err s3_complete_start(struct replica *r, struct replica_call **out,
                           const struct replica_complete *complete, const struct replica_put_events *events,
                           void *ctx)
{
    struct replica_call *c = s3_call_open(r, ctx, finish_complete);

    *out = c;
    if (!c)
        return ERR_NOMEM;
    c->upload.events = *events;
    c->drop = drop_look;
    return start(c, out, send_complete(c, complete));
}

/* ---- abort ---- */

static void finish_abort(struct replica_call *c)
{
    c->upload.events.done(c->ctx, &c->answer);
}

enum err s3_abort_start(struct replica *r, struct replica_call **out, struct span key, struct span upload_id,
                        const struct replica_put_events *events, void *ctx)
{
    struct replica_call *c = s3_call_open(r, ctx, finish_abort);
    struct s3_call_request q = {.method = SPAN("DELETE"), .payload = SPAN(S3_EMPTY_SHA256)};

    *out = c;
    if (!c)
        return ERR_NOMEM;
    c->upload.events = *events;
    c->stored_status = 404; /* whatever is missing, the upload is gone */
    q.path = s3_call_path(c, key);
    q.query = id_query(c, upload_id);
    return start(c, out, q.path.at && q.query.at ? s3_call_send(c, &q, &s3_collect) : ERR_NOMEM);
}

/* ---- the list ---- */

static void on_entry(void *ctx, const struct s3_upload_entry *entry)
{
    struct replica_call *c = ctx;

    c->upload.list_events.entry(c->ctx,
                                &(struct replica_upload){entry->key, entry->id, entry->initiated_unix_ms});
}

static void finish_list(struct replica_call *c)
{
    struct s3_uploads_page page = {.entry = on_entry, .ctx = c};
    struct replica_uploads_end end = {.error = c->answer.error, .status = c->answer.status};

    if (end.error == ERR_OK && end.status != 200)
        end.error = ERR_UNAVAILABLE;
    if (end.error == ERR_OK)
        end.error = s3_uploads_read((struct span){c->body, c->body_bytes}, &c->arena, &page);
    if (end.error == ERR_OK && page.truncated) {
        end.next_key = page.next_key;
        end.next_id = page.next_id;
    }
    c->upload.list_events.done(c->ctx, &end);
}

enum err s3_uploads_start(struct replica *r, struct replica_call **out, struct span after_key,
                          struct span after_id, const struct replica_uploads_events *events, void *ctx)
{
    struct replica_call *c = s3_call_open(r, ctx, finish_list);
    struct s3_call_request q = {.method = SPAN("GET"), .payload = SPAN(S3_EMPTY_SHA256), .repeatable = true};
    struct span key, id;

    *out = c;
    if (!c)
        return ERR_NOMEM;
    c->upload.list_events = *events;
    key = s3_query_encode(&c->arena, after_key);
    id = s3_query_encode(&c->arena, after_id);
    q.path = s3_call_bucket_path(c);
    if (!key.at || !id.at || !q.path.at)
        return start(c, out, ERR_NOMEM);
    q.query = after_key.len
                  ? arena_printf(&c->arena, "key-marker=%.*s&max-uploads=%d&upload-id-marker=%.*s&uploads=",
                                 SPAN_ARG(key), UPLOADS_PAGE, SPAN_ARG(id))
                  : arena_printf(&c->arena, "max-uploads=%d&uploads=", UPLOADS_PAGE);
    return start(c, out, q.query.at ? s3_call_send(c, &q, &s3_collect) : ERR_NOMEM);
}
