/* Calls on the bucket itself. */
#include "replica/s3_call.h"

#include "s3/document.h"

#define REGION_WITHOUT_CONSTRAINT "us-east-1" /* S3 refuses it as a LocationConstraint */

/* By operation: the request, and which answer but a 2xx means that it is as wanted (any code when NULL). */
static const struct {
    struct span method, query;
    unsigned stored_status;
    const char *stored_code;
    bool is_read;
} table[] = {
    [REPLICA_BUCKET_CREATE] = {{"PUT", 3}, {"", 0}, 409, "BucketAlreadyOwnedByYou", false},
    [REPLICA_BUCKET_HEAD] = {{"HEAD", 4}, {"", 0}, 0, NULL, true},
    [REPLICA_BUCKET_DELETE] = {{"DELETE", 6}, {"", 0}, 404, NULL, false},
    [REPLICA_BUCKET_EMPTY] = {{"GET", 3}, {"max-keys=1", 10}, 0, NULL, true}, /* V1, which all of them know */
};

static enum err body_peek(void *ctx, struct iovec *iov, int *count)
{
    struct replica_call *c = ctx;
    struct span rest = span_skip(c->bucket.body, c->bucket.body_sent);

    if (rest.len == 0)
        return ERR_EOF;
    iov[0] = (struct iovec){(char *)rest.at, rest.len};
    *count = 1;
    return ERR_OK;
}

static void body_sent(void *ctx, size_t bytes)
{
    struct replica_call *c = ctx;

    c->bucket.body_sent += bytes;
}

static void count_entries(struct replica_call *c)
{
    struct replica_answer *a = &c->answer;
    size_t entries = 0;

    if (a->result != REPLICA_STORED)
        return;
    if (s3_list_count((struct span){c->body, c->body_bytes}, &c->arena, &entries)) {
        a->error = ERR_PROTOCOL;
        a->result = REPLICA_MISSED;
    } else if (entries) {
        a->result = REPLICA_MISSED;
    }
}

static void finish(struct replica_call *c)
{
    if (c->bucket.op == REPLICA_BUCKET_EMPTY)
        count_entries(c);
    if (table[c->bucket.op].is_read && c->answer.result == REPLICA_UNRESOLVED)
        c->answer.result = REPLICA_MISSED;
    c->bucket.events.done(c->ctx, &c->answer);
}

static enum err send_bucket(struct replica_call *c)
{
    static const struct http_source source = {.peek = body_peek, .sent = body_sent};
    struct span region = c->replica->backend->signer.region;
    struct s3_call_request q = {
        .method = table[c->bucket.op].method,
        .query = table[c->bucket.op].query,
        .path = s3_call_bucket_path(c),
        .payload = SPAN(S3_EMPTY_SHA256),
        .repeatable = table[c->bucket.op].is_read,
    };
    uint8_t hash[SHA256_BYTES];
    char hex[2 * SHA256_BYTES];

    if (c->bucket.op == REPLICA_BUCKET_CREATE) {
        q.has_length = true;
        if (region.len && !span_is(region, REGION_WITHOUT_CONSTRAINT)) {
            c->bucket.body =
                arena_printf(&c->arena,
                             "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
                             "<LocationConstraint>%.*s</LocationConstraint></CreateBucketConfiguration>",
                             SPAN_ARG(region));
            if (!c->bucket.body.at)
                return ERR_NOMEM;
            sha256_of(c->bucket.body, hash);
            hex_encode(hash, sizeof(hash), hex);
            q.payload = (struct span){hex, sizeof(hex)};
            q.length = c->bucket.body.len;
            q.source = &source;
        }
    }
    return q.path.at ? s3_call_send(c, &q, &s3_collect) : ERR_NOMEM;
}

enum err s3_bucket_start(struct replica *r, struct replica_call **out, enum replica_bucket_op op,
                         const struct replica_bucket_events *events, void *ctx)
{
    struct replica_call *c = s3_call_open(r, ctx, finish);
    enum err e;

    *out = c;
    if (!c)
        return ERR_NOMEM;
    c->bucket = (struct s3_bucket_call){.events = *events, .op = op};
    c->stored_status = table[op].stored_status;
    c->stored_code = table[op].stored_code;
    e = send_bucket(c);
    if (e) {
        s3_call_free(c);
        *out = NULL;
    }
    return e;
}
