/* The tags of an object: GET ?tagging.
 *
 * A server that does not know the sub-resource answers the object itself: that has an ETag, which a tag set has not. One
 * without any tags may say so with 404 NoSuchTagSet. */
#include "replica/s3_call.h"

#include "s3/tagging.h"

static void finish(struct replica_call *c)
{
    const struct replica_answer *a = &c->answer;
    const char *message;
    struct s3_tags tags = {.count = 0};
    struct span header = {NULL, 0};
    enum err e = a->error;

    if (e == ERR_OK && a->status == 404)
        e = strcmp(a->code, "NoSuchTagSet") == 0 ? ERR_OK : ERR_NOT_FOUND;
    else if (e == ERR_OK && (a->status != 200 || c->error_body))
        e = ERR_UNAVAILABLE;
    else if (e == ERR_OK &&
             (a->etag[0] || s3_tags_parse_document(&tags, (struct span){c->body, c->body_bytes}, &c->arena,
                                                   &message) != S3_OK))
        e = ERR_PROTOCOL;
    if (e == ERR_OK) {
        header = s3_tags_header(&tags, &c->arena);
        e = header.at ? ERR_OK : ERR_NOMEM;
    }
    c->tags_events.done(c->ctx, e, a->status, header);
}

enum err s3_tags_start(struct replica *r, struct replica_call **out, struct span key,
                       const struct replica_tags_events *events, void *ctx)
{
    struct replica_call *c = s3_call_open(r, ctx, finish);
    struct s3_call_request q = {.method = SPAN("GET"),
                                .query = SPAN("tagging="),
                                .payload = SPAN(S3_EMPTY_SHA256),
                                .repeatable = true};
    enum err e = ERR_NOMEM;

    *out = c;
    if (!c)
        return ERR_NOMEM;
    c->tags_events = *events;
    q.path = s3_call_path(c, key);
    if (q.path.at)
        e = s3_call_send(c, &q, &s3_collect);
    if (e) {
        s3_call_free(c);
        *out = NULL;
    }
    return e;
}
