/* CopyObject and UploadPartCopy at a backend: it is asked to copy an object that it has, and no byte of it comes here.
 *
 * The request has no body, so all of it is past the barrier. The source must still be what was looked at: its ETag goes
 * along as x-amz-copy-source-if-match. Nothing of the source's metadata and tags is taken over; whatever the copy is to
 * have is in the request, so that a copy that was made here is the same object as one that was written.
 *
 * The answer may be 200 with an <Error>, after spaces that kept the connection alive (s3_call.c); without an ETag it
 * is no answer. A server that knows no copies says so (501, or some 4xx), and nothing has happened. */
#include "replica/s3_call.h"

#include "s3/multipart.h"

#include <assert.h>

enum { COPY_HEADERS_OWN = 6 };

static void take_etag(struct replica_call *c)
{
    struct span etag;

    if (s3_copy_etag_read((struct span){c->body, c->body_bytes}, &c->arena, &etag) == ERR_OK &&
        etag.len >= 2 && etag.at[0] == '"')
        etag = (struct span){etag.at + 1, etag.len - 2};
    if (!etag.len || etag.len + 3 > ETAG_CHARS_MAX) {
        c->answer.result = REPLICA_UNRESOLVED;
        c->answer.error = ERR_PROTOCOL;
        return;
    }
    c->answer.etag[0] = c->answer.etag[etag.len + 1] = '"';
    memcpy(c->answer.etag + 1, etag.at, etag.len);
    c->answer.etag[etag.len + 2] = '\0';
}

static void finish(struct replica_call *c)
{
    if (c->answer.result == REPLICA_STORED)
        take_etag(c);
    c->put.events.done(c->ctx, &c->answer);
}

struct copy_request {
    struct replica_call *call;
    struct sigv4_header *headers;
    size_t count;
    bool full; /* the arena is */
};

static void add(struct copy_request *r, const char *name, struct span value)
{
    r->full = r->full || !value.at;
    r->headers[r->count++] = (struct sigv4_header){span_of(name), value};
}

static void add_source(struct copy_request *r, const struct replica_copy *copy)
{
    struct arena *arena = &r->call->arena;
    const struct s3_replica *source = LIST_ENTRY(copy->source, const struct s3_replica, base);
    struct span encoded = s3_path_encode(arena, copy->source_key);

    assert(source->backend == r->call->replica->backend);
    add(r, "x-amz-copy-source",
        encoded.at ? arena_printf(arena, "/%.*s/%.*s", SPAN_ARG(source->remote), SPAN_ARG(encoded))
                   : encoded);
    add(r, "x-amz-copy-source-if-match", arena_dup(arena, span_of(copy->source_etag)));
}

/* What is stored with an object, instead of what the source has. */
static void add_stored(struct copy_request *r, const struct replica_copy *copy)
{
    const struct capabilities *can = &r->call->replica->backend->can;
    char *text = arena_alloc(&r->call->arena, STAMP_CHARS);

    add(r, "x-amz-metadata-directive", SPAN("REPLACE"));
    add(r, "x-amz-tagging-directive", SPAN("REPLACE"));
    if (copy->checksum && can->checksum_headers & 1u << copy->checksum)
        add(r, "x-amz-checksum-algorithm", s3_checksum_kind(copy->checksum)->algorithm);
    if (copy->stamped && text)
        stamp_print(&copy->stamp, text);
    if (copy->stamped)
        add(r, S3_STAMP_HEADER, (struct span){text, STAMP_CHARS});
}

static void add_range(struct copy_request *r, const struct replica_copy *copy)
{
    if (copy->ranged)
        add(r, "x-amz-copy-source-range",
            arena_printf(&r->call->arena, "bytes=%llu-%llu", (unsigned long long)copy->first,
                         (unsigned long long)copy->last));
}

static enum err send(struct replica_call *c, const struct replica_copy *copy)
{
    bool is_part = copy->upload_id.len != 0;
    size_t stored = is_part ? 0 : copy->header_count;
    struct copy_request r = {
        .call = c, .headers = s3_call_headers(c, copy->headers, stored, COPY_HEADERS_OWN), .count = stored};
    struct s3_call_request q = {
        .method = SPAN("PUT"),
        .path = s3_call_path(c, copy->key),
        .query = is_part ? s3_call_part_query(c, copy->part_number, copy->upload_id) : SPAN_EMPTY,
        .payload = SPAN(S3_EMPTY_SHA256),
        .has_length = true,
    };

    if (!r.headers || !q.path.at || !q.query.at)
        return ERR_NOMEM;
    add_source(&r, copy);
    if (is_part)
        add_range(&r, copy);
    else
        add_stored(&r, copy);
    q.headers = r.headers;
    q.header_count = r.count;
    return r.full ? ERR_NOMEM : s3_call_send(c, &q, &s3_collect);
}

enum err s3_copy_start(struct replica *r, struct replica_call **out, const struct replica_copy *copy,
                       const struct replica_put_events *events, void *ctx)
{
    struct replica_call *c = s3_call_open(r, ctx, finish);
    enum err e;

    *out = c;
    if (!c)
        return ERR_NOMEM;
    c->put.events = *events;
    e = send(c, copy);
    if (e) {
        s3_call_free(c);
        *out = NULL;
    }
    return e;
}
