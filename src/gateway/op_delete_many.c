/* DeleteObjects: up to 1000 keys, each an ordinary delete.
 *
 *   READ the document --> whole and verified: DELETE, so many at a time --> all over: ANSWER
 *
 * The document is parsed as it comes, through one chunk; nothing is deleted before the body has verified. Each key has
 * its own intent, barrier, conditions and verdict, and its own result: what goes wrong with one is told for that one. The
 * answer is printed entry by entry while it is sent, after its length has been worked out the same way, so that it
 * never lies in memory as a whole.
 *
 * Ownership: the exchange owns the struct; deletes that are past write_verified when it ends go on by themselves. */
#include "gateway/gateway_private.h"
#include "gateway/key_check.h"
#include "s3/delete_document.h"

#include <stdlib.h>

enum { AT_A_TIME = 32, ARENA_BYTES = 4 * 1024 * 1024, SCRATCH_BYTES = 64 * 1024 };

/* One of the deletes under way. */
struct slot {
    struct delete_many *all;
    struct write *write; /* NULL: free */
    struct guard guard;
    struct http_header condition;
    size_t entry;
};

struct result {
    enum s3_code code;
    const char *message; /* static, NULL: the table's */
};

struct delete_many {
    struct exchange *x;
    struct arena arena, scratch; /* the document; one entry's print */
    struct s3_delete_reader reader;
    struct s3_delete document;
    struct result *results; /* by entry */
    bool parsing, starting;
    size_t next;    /* entry to be started */
    size_t running; /* slots in use */
    struct slot slots[AT_A_TIME];
    /* the answer */
    size_t shown; /* 0: the head, then an entry each, then the tail */
    struct span piece;
};

static void advance(struct delete_many *m);

/* ---- one key ---- */

static void slot_over(struct slot *s, enum s3_code code, const char *message)
{
    struct delete_many *m = s->all;

    m->results[s->entry] = (struct result){code, message};
    guard_end(&s->guard);
    s->write = NULL;
    m->running--;
    advance(m);
}

static void on_held(void *ctx)
{
    guard_held(&((struct slot *)ctx)->guard);
}

static void on_verdict(void *ctx, const struct write_verdict *v)
{
    if (v->result == ERR_OK)
        slot_over(ctx, S3_OK, NULL);
    else
        slot_over(ctx, S3_INTERNAL_ERROR,
                  "Too few replicas took the delete. It may or may not take effect later.");
}

static void on_refused(void *ctx, enum s3_code code, const char *message)
{
    struct slot *s = ctx;

    write_leave(s->write);
    slot_over(s, code, message);
}

/* A delete has no body to make room for. */
static const struct write_events write_events = {.held = on_held, .verdict = on_verdict};

/* What is wrong with the entry, before anything is done. */
static struct result check(struct delete_many *m, const struct s3_delete_entry *e)
{
    const char *refused;

    if (e->version.len && !span_is(e->version, "null"))
        return (struct result){S3_NO_SUCH_VERSION, "Buckets have no versions: the only versionId is 'null'."};
    if (e->too_long || e->key.len > S3_KEY_BYTES_MAX)
        return (struct result){S3_KEY_TOO_LONG, NULL};
    if (e->other_condition)
        return (struct result){S3_NOT_IMPLEMENTED, "Of conditions ETag is known."};
    refused = key_check(m->x->bucket, e->key, false, &m->arena);
    return (struct result){refused ? S3_KEY_NOT_SUPPORTED : S3_OK, refused};
}

static struct slot *free_slot(struct delete_many *m)
{
    for (size_t i = 0; i < AT_A_TIME; i++)
        if (!m->slots[i].write)
            return &m->slots[i];
    return NULL;
}

static void start_one(struct delete_many *m, struct slot *s, size_t entry)
{
    struct exchange *x = m->x;
    const struct s3_delete_entry *e = &m->document.entries[entry];
    const struct write_spec spec = {.key = {x->bucket->record.id, e->key},
                                    .replicas = &x->bucket->set,
                                    .ack = x->bucket->ack,
                                    .kind = ROW_DELETE};

    *s = (struct slot){.all = m, .entry = entry, .condition = {SPAN("if-match"), e->etag}};
    s->guard = (struct guard){.env = x->gateway->options.env,
                              .key = spec.key,
                              .replicas = spec.replicas,
                              .conditions = &s->condition,
                              .condition_count = e->etag.len ? 1 : 0,
                              .refused = on_refused,
                              .ctx = s};
    if (write_open(&s->write, x->gateway->options.env, &spec, &write_events, s) != ERR_OK) {
        s->write = NULL;
        m->results[entry] = (struct result){S3_INTERNAL_ERROR, "Too few replicas can be reached now."};
        return;
    }
    m->running++;
    guard_verified(&s->guard, s->write);
}

/* ---- the answer ---- */

static struct span print_piece(struct delete_many *m, size_t at)
{
    const struct s3_delete *d = &m->document;
    const struct result *r;

    if (at == 0)
        return s3_delete_head;
    if (at > d->count)
        return s3_delete_tail;
    r = &m->results[at - 1];
    if (d->quiet && r->code == S3_OK)
        return SPAN_EMPTY;
    arena_reset(&m->scratch);
    return s3_delete_result(&m->scratch, &d->entries[at - 1], r->code, r->message);
}

static enum err peek(void *ctx, struct iovec *iov, int *count)
{
    struct delete_many *m = ((struct exchange *)ctx)->deletes;

    while (m->piece.len == 0) {
        if (m->shown > m->document.count + 1)
            return ERR_EOF;
        m->piece = print_piece(m, m->shown++);
        if (!m->piece.at)
            return ERR_NOMEM;
    }
    iov[0] = (struct iovec){(char *)m->piece.at, m->piece.len};
    *count = 1;
    return ERR_OK;
}

static void sent(void *ctx, size_t bytes)
{
    struct exchange *x = ctx;

    x->deletes->piece = span_skip(x->deletes->piece, bytes);
    x->body_bytes_out += bytes;
}

static const struct http_source source = {.peek = peek, .sent = sent};

static void answer(struct delete_many *m)
{
    uint64_t bytes = 0;

    for (size_t at = 0; at <= m->document.count + 1; at++) {
        struct span piece = print_piece(m, at);

        if (!piece.at) {
            exchange_unavailable(m->x, ERR_NOMEM);
            return;
        }
        bytes += piece.len;
    }
    exchange_answer_source(m->x, 200, SPAN("Content-Type: application/xml\r\n"), bytes, &source);
}

/* As many as may be under way; when none is left, the answer. */
static void advance(struct delete_many *m)
{
    if (m->starting || m->x->answered)
        return;
    m->starting = true;
    while (m->next < m->document.count && m->running < AT_A_TIME) {
        size_t entry = m->next++;

        m->results[entry] = check(m, &m->document.entries[entry]);
        if (m->results[entry].code == S3_OK)
            start_one(m, free_slot(m), entry);
    }
    m->starting = false;
    if (!m->running)
        answer(m);
}

/* ---- the document ---- */

static void whole(struct delete_many *m)
{
    enum s3_code code = s3_delete_close(&m->reader);

    m->parsing = false;
    /* the deletes take their time, and bodies may wait for it */
    chunk_give(m->x->gateway->options.env->budget, m->x->chunk);
    m->x->chunk = NULL;
    if (code == S3_OK) {
        m->results = arena_zalloc(&m->arena, m->document.count * sizeof(*m->results));
        code = m->results ? S3_OK : S3_INTERNAL_ERROR;
    }
    if (code == S3_OK)
        advance(m);
    else
        exchange_error(m->x, code, NULL);
}

static void read_document(struct exchange *x)
{
    struct delete_many *m = x->deletes;
    size_t got;

    while (m && m->parsing && !x->answered) {
        enum err e = body_read(&x->body, x->chunk->data, CHUNK_BYTES, &got);

        if (e == ERR_AGAIN)
            return;
        if (e == ERR_EOF) {
            whole(m);
        } else if (e != ERR_OK) {
            exchange_error(x, x->body.code, x->body.message);
        } else {
            x->body_bytes_in += got;
            s3_delete_feed(&m->reader, (struct span){x->chunk->data, got});
        }
    }
}

static void start(struct exchange *x)
{
    struct delete_many *m;
    enum s3_code code;

    if (x->request.body_bytes > S3_DELETE_BYTES_MAX) {
        exchange_error(x, S3_MALFORMED_XML, "The document is larger than 2 MiB.");
        return;
    }
    x->chunk = chunk_take(x->gateway->options.env->budget);
    m = x->chunk ? calloc(1, sizeof(*m)) : NULL;
    x->deletes = m;
    if (!m) {
        exchange_unavailable(x, ERR_BUSY);
        return;
    }
    m->x = x;
    arena_init(&m->arena, ARENA_BYTES);
    arena_init(&m->scratch, SCRATCH_BYTES);
    code = s3_delete_open(&m->reader, &m->document, &m->arena);
    if (code != S3_OK) {
        exchange_error(x, code, NULL);
        return;
    }
    m->parsing = true;
    body_init(&x->body, x);
    read_document(x);
}

static void end(struct exchange *x)
{
    struct delete_many *m = x->deletes;

    if (!m)
        return;
    if (m->parsing)
        (void)!s3_delete_close(&m->reader); /* frees the parser */
    for (size_t i = 0; i < AT_A_TIME; i++) {
        guard_end(&m->slots[i].guard);
        if (m->slots[i].write)
            write_leave(m->slots[i].write);
    }
    arena_fini(&m->arena);
    arena_fini(&m->scratch);
    free(m);
    x->deletes = NULL;
}

const struct operation operation_delete_many = {.start = start, .body = read_document, .end = end};
