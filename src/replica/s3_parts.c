/* Writing one object as a multipart upload, for backends at which nothing else keeps a cut body from being stored, and
 * for objects beyond a single PUT: parts are invisible, and the Complete is what is held back.
 *
 *   CREATE --> PART 1 --> PART 2 ... --> (barrier opens) --> COMPLETE --> over
 *
 * The parts go one after the other as their bytes come, of the sizes that the owner wants or all but the last of one size. Each step is a call of its own
 * to the same replica; this one has no request and only leads them. Where the backend's ETags are MD5s, each part's is
 * compared with that of the bytes it was sent.
 *
 * What goes wrong: a step that fails ends the write as missed, for nothing was past the barrier; only the Complete can
 * leave it unresolved. Given up or missed, the upload is aborted there, by a call that belongs to the replica and
 * that nobody waits for. */
#include "replica/s3_call.h"

#include "base/chunk.h"
#include "s3/multipart.h"

#include <stdlib.h>

enum { PART_BYTES_LEAST = 8 * 1024 * 1024, PEEKED_MAX = 8 };

static void next_step(struct replica_call *c);

static struct replica *replica_of(struct replica_call *c)
{
    return &c->replica->base;
}

/* ---- aborting ---- */

static void on_aborted(void *ctx, const struct replica_answer *answer)
{
}

static void abort_upload(struct replica_call *c)
{
    static const struct replica_put_events nobody = {.done = on_aborted};
    struct s3_parts *p = &c->parts;
    struct replica_call *abort_call;

    if (!p->upload_id.len)
        return;
    if (s3_abort_start(replica_of(c), &abort_call, p->key, p->upload_id, &nobody, NULL) == ERR_OK)
        list_append(&c->replica->left, &abort_call->left);
    p->upload_id = SPAN_EMPTY;
}

static void drop(struct replica_call *c)
{
    struct s3_parts *p = &c->parts;

    if (p->step)
        (void)s3_call_abandon(p->step);
    p->step = NULL;
    if (!p->completing)
        abort_upload(c);
    free(p->document);
    p->document = NULL;
}

/* ---- the end ---- */

static void finish(struct replica_call *c)
{
    c->parts.events.done(c->ctx, &c->answer);
}

static void over(struct replica_call *c)
{
    if (c->answer.result == REPLICA_MISSED)
        abort_upload(c);
    finish(c);
    s3_call_free(c);
}

static void missed(struct replica_call *c, const struct replica_answer *why)
{
    c->answer = *why;
    c->answer.result = REPLICA_MISSED;
    over(c);
}

static void missed_here(struct replica_call *c, enum err why)
{
    missed(c, &(struct replica_answer){.error = why});
}

/* ---- parts ---- */

/* Of the part that was started last. */
static uint64_t part_end(const struct s3_parts *p)
{
    uint64_t end = p->from + p->part_bytes;

    return end < p->body_bytes ? end : p->body_bytes;
}

static enum err peek(void *ctx, uint64_t offset, struct iovec *iov, int *count)
{
    struct replica_call *c = ctx;

    return c->parts.body.peek(c->ctx, c->parts.from + offset, iov, count);
}

/* What the kernel has taken is still there to be read, until the owner is told. */
static void hash_up_to(struct replica_call *c, uint64_t offset)
{
    struct s3_parts *p = &c->parts;

    while (p->hashed < offset) {
        struct iovec iov[PEEKED_MAX];
        int count = PEEKED_MAX;

        if (p->body.peek(c->ctx, p->hashed, iov, &count) != ERR_OK)
            return; /* cannot be: it has been sent */
        for (int i = 0; i < count && p->hashed < offset; i++) {
            size_t len = iov[i].iov_len < offset - p->hashed ? iov[i].iov_len : offset - p->hashed;

            md5_add(&p->md5, iov[i].iov_base, len);
            p->hashed += len;
        }
    }
}

static void on_progress(void *ctx, uint64_t offset)
{
    struct replica_call *c = ctx;
    struct s3_parts *p = &c->parts;

    if (p->compares)
        hash_up_to(c, p->from + offset);
    if (p->events.progress)
        p->events.progress(c->ctx, p->from + offset);
}

static bool is_what_was_sent(struct s3_parts *p, const char *etag)
{
    char text[2 + 2 * MD5_BYTES] = "\"";
    uint8_t md5[MD5_BYTES];

    if (!p->compares)
        return true;
    md5_end(&p->md5, md5);
    md5_init(&p->md5);
    hex_encode(md5, sizeof(md5), text + 1);
    text[sizeof(text) - 1] = '"';
    return span_ieq(span_of(etag), (struct span){text, sizeof(text)});
}

static bool note_part(struct s3_parts *p, const char *etag)
{
    size_t need = p->document_len + S3_COMPLETE_PART_BYTES_MAX + sizeof(S3_COMPLETE_TAIL);

    if (need > p->document_room) {
        char *more = realloc(p->document, 2 * need);

        if (!more)
            return false;
        p->document = more;
        p->document_room = 2 * need;
    }
    p->document_len = (size_t)(s3_complete_put_part(p->document + p->document_len, p->number, span_of(etag),
                                                    S3_CHECKSUM_NONE, SPAN_EMPTY) -
                               p->document);
    return true;
}

static void on_part(void *ctx, const struct replica_answer *answer)
{
    struct replica_call *c = ctx;
    struct s3_parts *p = &c->parts;

    p->step = NULL;
    if (answer->result != REPLICA_STORED)
        missed(c, answer);
    else if (!is_what_was_sent(p, answer->etag))
        missed_here(c, ERR_MISMATCH);
    else if (!note_part(p, answer->etag))
        missed_here(c, ERR_NOMEM);
    else {
        p->from = part_end(p);
        next_step(c);
    }
}

static enum err start_part(struct replica_call *c)
{
    static const struct replica_put_events events = {.progress = on_progress, .done = on_part};
    static const struct replica_body body = {.peek = peek};
    struct s3_parts *p = &c->parts;
    struct replica_put part = {.key = p->key, .body = &body, .upload_id = p->upload_id};

    if (p->cuts)
        p->part_bytes = p->cuts[p->number];
    part.body_bytes = part_end(p) - p->from;
    part.part_number = ++p->number;
    return s3_part_start(replica_of(c), &p->step, &part, &events, c);
}

/* ---- create and complete ---- */

static void on_created(void *ctx, const struct replica_answer *answer, struct span upload_id)
{
    struct replica_call *c = ctx;
    struct s3_parts *p = &c->parts;

    p->step = NULL;
    if (answer->result != REPLICA_STORED) {
        missed(c, answer);
        return;
    }
    p->upload_id = arena_dup(&c->arena, upload_id);
    if (p->upload_id.at)
        next_step(c);
    else
        missed_here(c, ERR_NOMEM);
}

static void on_completed(void *ctx, const struct replica_answer *answer)
{
    struct replica_call *c = ctx;

    c->parts.step = NULL;
    c->answer = *answer;
    over(c);
}

static enum err start_complete(struct replica_call *c)
{
    static const struct replica_put_events events = {.done = on_completed};
    struct s3_parts *p = &c->parts;
    struct replica_complete complete = {.key = p->key, .upload_id = p->upload_id, .stamp = p->stamp};
    enum err e;

    span_put(p->document + p->document_len, SPAN(S3_COMPLETE_TAIL));
    complete.document = (struct span){p->document, p->document_len + sizeof(S3_COMPLETE_TAIL) - 1};
    e = s3_complete_start(replica_of(c), &p->step, &complete, &events, c);
    p->completing = e == ERR_OK;
    return e;
}

/* ---- the steps ---- */

static void next_step(struct replica_call *c)
{
    struct s3_parts *p = &c->parts;
    enum err e;

    if (p->step || !p->upload_id.len || c->answer.error != ERR_OK)
        return;
    if (p->from == p->body_bytes && !p->open)
        return;
    e = p->from < p->body_bytes ? start_part(c) : start_complete(c);
    if (e) {
        p->step = NULL;
        s3_call_fail_later(c, e);
    }
}

/* As many as fit, each large enough; of a whole number of MiB, so that what else makes parts makes the same. */
static uint64_t choose_part_bytes(const struct capabilities *can, uint64_t body_bytes)
{
    const uint64_t mib = 1024 * 1024;
    uint64_t bytes = can->min_part > PART_BYTES_LEAST ? can->min_part : PART_BYTES_LEAST;

    if (body_bytes / bytes >= can->max_parts)
        bytes = body_bytes / can->max_parts + 1;
    return (bytes + mib - 1) / mib * mib;
}

static enum err begin(struct replica_call *c, const struct replica_put *put)
{
    static const struct replica_create_events events = {.done = on_created};
    const struct capabilities *can = &c->replica->backend->can;
    struct s3_parts *p = &c->parts;
    const struct replica_create create = {.key = put->key,
                                          .headers = put->headers,
                                          .header_count = put->header_count,
                                          .stamped = put->stamped,
                                          .stamp = put->stamp};

    p->body = *put->body;
    p->body_bytes = put->body_bytes;
    p->part_bytes = choose_part_bytes(can, put->body_bytes);
    p->cuts = put->cuts;
    p->stamp = put->stamp;
    p->compares = can->etag_kind == S3_ETAG_MD5;
    md5_init(&p->md5);
    p->key = arena_dup(&c->arena, put->key);
    p->document_room = sizeof(S3_COMPLETE_HEAD) + S3_COMPLETE_PART_BYTES_MAX;
    p->document = malloc(p->document_room);
    if (!p->key.at || !p->document)
        return ERR_NOMEM;
    p->document_len = (size_t)(span_put(p->document, SPAN(S3_COMPLETE_HEAD)) - p->document);
    return s3_create_start(replica_of(c), &p->step, &create, &events, c);
}

enum err s3_parts_start(struct replica *r, struct replica_call **out, const struct replica_put *put,
                        const struct replica_put_events *events, void *ctx)
{
    struct replica_call *c = s3_call_open(r, ctx, finish);
    enum err e;

    *out = c;
    if (!c)
        return ERR_NOMEM;
    c->in_parts = true;
    c->drop = drop;
    c->parts.events = *events;
    e = begin(c, put);
    if (e) {
        c->parts.step = NULL;
        s3_call_free(c);
        *out = NULL;
    }
    return e;
}

void s3_parts_more(struct replica_call *c)
{
    if (c->parts.step && c->parts.number && !c->parts.completing)
        s3_put_more(c->parts.step);
}

void s3_parts_open(struct replica_call *c)
{
    c->parts.open = true;
    next_step(c);
}

enum replica_result s3_parts_abandon(struct replica_call *c)
{
    enum replica_result result = REPLICA_MISSED;

    if (c->parts.completing && c->parts.step) {
        result = s3_call_abandon(c->parts.step);
        c->parts.step = NULL;
        c->parts.completing = result == REPLICA_UNRESOLVED;
    }
    s3_call_free(c);
    return result;
}
