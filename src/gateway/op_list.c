/* ListObjects, ListObjectsV2, ListObjectVersions: a listing in, a document out.
 *
 *   what is asked --> listing --> an element per entry, into chunks of the body budget --> max-keys or the end
 *                                                                                             |
 *            head (with IsTruncated, and where the next page begins) + keys + prefixes + tail <'
 *
 * The document is whole before its first byte goes out: its length, and whether it is truncated, are known only then.
 * Keys and common prefixes are kept apart, as clients expect them one after the other. A page takes one chunk, as a rule,
 * and some more where its keys are long; when the budget has no more of them the page ends early, which S3 allows: it
 * is truncated, and has fewer entries than were asked for. */
#include "fanout/listing.h"
#include "gateway/gateway_private.h"
#include "s3/list_document.h"

#include <assert.h>
#include <stdlib.h>

enum { CHUNKS_MAX = 16, KINDS = 2 };

/* Elements of one kind. */
struct elements {
    struct chunk *chunks[CHUNKS_MAX];
    size_t count;
};

struct list_answer {
    struct listing *listing;         /* NULL: over */
    struct elements elements[KINDS]; /* keys, groups */
    struct s3_list_head head;
    char last[S3_KEY_BYTES_MAX];
    struct span text[2 * CHUNKS_MAX + 2]; /* the document */
    size_t parts, part;                   /* so many pieces; the one that is being sent */
};

static void end_list(struct exchange *x)
{
    struct list_answer *a = x->list;

    if (!a)
        return;
    listing_free(a->listing);
    for (int kind = 0; kind < KINDS; kind++)
        while (a->elements[kind].count)
            chunk_give(x->gateway->options.env->budget, a->elements[kind].chunks[--a->elements[kind].count]);
    free(a);
    x->list = NULL;
}

/* ---- sending ---- */

static enum err peek(void *ctx, struct iovec *iov, int *count)
{
    struct list_answer *a = ((struct exchange *)ctx)->list;
    int n = 0;

    for (size_t i = a->part; i < a->parts && n < *count; i++)
        iov[n++] = (struct iovec){(char *)a->text[i].at, a->text[i].len};
    *count = n;
    return n ? ERR_OK : ERR_EOF;
}

static void sent(void *ctx, size_t bytes)
{
    struct exchange *x = ctx;
    struct list_answer *a = x->list;

    x->body_bytes_out += bytes;
    while (bytes) {
        size_t n = bytes < a->text[a->part].len ? bytes : a->text[a->part].len;

        a->text[a->part] = span_skip(a->text[a->part], n);
        bytes -= n;
        if (a->text[a->part].len == 0)
            a->part++;
    }
}

static void add_text(struct list_answer *a, struct span text, uint64_t *bytes)
{
    if (text.len == 0)
        return;
    a->text[a->parts++] = text;
    *bytes += text.len;
}

static void answer(struct exchange *x)
{
    static const struct http_source source = {.peek = peek, .sent = sent};
    struct list_answer *a = x->list;
    struct span head = s3_list_head_print(&x->arena, &a->head);
    uint64_t bytes = 0;

    listing_free(a->listing);
    a->listing = NULL;
    if (!head.at) {
        exchange_unavailable(x, ERR_NOMEM);
        return;
    }
    add_text(a, head, &bytes);
    for (int kind = 0; kind < KINDS; kind++)
        for (size_t i = 0; i < a->elements[kind].count; i++)
            add_text(a, (struct span){a->elements[kind].chunks[i]->data, a->elements[kind].chunks[i]->len},
                     &bytes);
    add_text(a, s3_list_tail(x->request.op), &bytes);
    exchange_answer_source(x, 200, SPAN("Content-Type: application/xml\r\n"), bytes, &source);
}

/* ---- collecting ---- */

/* Where the next element goes; NULL: the budget, or what one page may take of it, is spent. */
static struct chunk *room_for(struct exchange *x, struct elements *e)
{
    struct chunk *c = e->count ? e->chunks[e->count - 1] : NULL;

    if (c && CHUNK_BYTES - c->len >= S3_LIST_ENTRY_BYTES_MAX)
        return c;
    c = e->count < CHUNKS_MAX ? chunk_take(x->gateway->options.env->budget) : NULL;
    if (c) {
        c->len = 0;
        e->chunks[e->count++] = c;
    }
    return c;
}

static bool add_entry(struct exchange *x, const struct replica_entry *e)
{
    struct list_answer *a = x->list;
    struct chunk *c = room_for(x, &a->elements[e->is_group]);
    char *at, *end;

    if (!c)
        return false;
    at = c->data + c->len;
    end = e->is_group ? s3_list_prefix_print(at, &x->request, e->key)
                      : s3_list_key_print(at, &x->request, e->key, e->body_bytes, e->modified_ms, e->etag,
                                          SPAN(GATEWAY_OWNER));
    assert(end - at <= S3_LIST_ENTRY_BYTES_MAX && e->key.len <= sizeof(a->last));
    c->len += (uint32_t)(end - at);
    span_put(a->last, e->key);
    a->head.last = (struct span){a->last, e->key.len};
    a->head.last_is_group = e->is_group;
    a->head.count++;
    return true;
}

/* On to the page's end, and one further: is there more? */
static void collect(struct exchange *x)
{
    struct list_answer *a = x->list;
    struct replica_entry e;
    enum err result = ERR_OK;

    while (result == ERR_OK && !a->head.truncated) {
        bool is_full = a->head.count == x->request.max_keys;

        if (is_full && listing_has_more(a->listing)) {
            a->head.truncated = true;
            break;
        }
        result = listing_next(a->listing, &e);
        if (result == ERR_OK && (is_full || !add_entry(x, &e)))
            a->head.truncated = true;
    }
    if (result == ERR_AGAIN)
        return;
    if (result != ERR_OK && result != ERR_EOF)
        exchange_unavailable(x, result);
    else if (a->head.truncated && a->head.count == 0)
        exchange_unavailable(x, ERR_BUSY);
    else
        answer(x);
}

static void on_ready(void *ctx)
{
    collect(ctx);
}

/* ---- what is asked ---- */

/* NULL, or what is wrong with it. */
static const char *judge(const struct s3_request *r)
{
    if (!span_is_utf8(r->prefix) || !span_is_utf8(r->delimiter) || !span_is_utf8(r->marker))
        return "A prefix, delimiter or marker is not UTF-8.";
    if (r->op != S3_OP_LIST_OBJECT_VERSIONS || r->id_marker.len == 0)
        return NULL;
    if (r->marker.len == 0)
        return "A version-id marker cannot be specified without a key marker.";
    return span_is(r->id_marker, "null") ? NULL
                                         : "Buckets have no versions: the only version-id marker is 'null'.";
}

static void start_list(struct exchange *x)
{
    static const struct listing_events events = {.ready = on_ready};
    const struct s3_request *r = &x->request;
    struct listing_spec spec = {.bucket = x->bucket->record.id,
                                .replicas = &x->bucket->set,
                                .prefix = r->prefix,
                                .delimiter = r->delimiter,
                                .after = r->marker,
                                .split = r->op == S3_OP_LIST_OBJECTS_V2,
                                .most = r->max_keys};
    const char *why = judge(r);
    enum err e;

    if (why) {
        exchange_error(x, S3_INVALID_ARGUMENT, why);
        return;
    }
    if (r->continuation_token.len) {
        spec.split = false;
        if (!s3_list_token_parse(&x->arena, r->continuation_token, &spec.after)) {
            exchange_error(x, S3_INVALID_ARGUMENT, "The continuation token provided is incorrect.");
            return;
        }
    }
    x->list = calloc(1, sizeof(*x->list));
    if (!x->list) {
        exchange_unavailable(x, ERR_NOMEM);
        return;
    }
    x->list->head.request = r;
    x->list->head.last = SPAN_EMPTY;
    if (r->max_keys == 0) {
        answer(x);
        return;
    }
    e = listing_open(&x->list->listing, x->gateway->options.env, &spec, &events, x);
    if (e == ERR_OK)
        collect(x);
    else
        exchange_unavailable(x, e);
}

const struct operation operation_list_objects = {.start = start_list, .end = end_list};
