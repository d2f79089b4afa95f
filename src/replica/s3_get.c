/* Reading an object, and what a backend shows of it. */
#include "replica/s3_call.h"

/* bytes 0-9/1234, RFC 9110 section 14.4: the object's size behind the slash. */
static bool size_in_content_range(const struct http_head *head, uint64_t *bytes)
{
    const struct span *range = http_header(head, "content-range");

    return range && span_to_u64(span_skip(*range, span_find(*range, '/') + 1), bytes);
}

/* Our own word first: some servers keep tags and do not count them. */
static uint32_t read_tag_count(const struct http_head *head)
{
    const struct span *count = http_header(head, REPLICA_TAG_COUNT_HEADER);
    uint64_t n;

    if (!count)
        count = http_header(head, "x-amz-tagging-count");
    return count && span_to_u64(*count, &n) && n <= 100 ? (uint32_t)n : 0;
}

/* False: a success that does not say how large the object is. One server answers a range with 200, so it is not
 * the status that tells a part from the whole. */
static bool read_object(struct replica_object *o, const struct http_head *head,
                        const char etag[static ETAG_CHARS_MAX])
{
    const struct span *stamp = http_header(head, S3_STAMP_HEADER);
    const struct span *modified = http_header(head, "last-modified");

    *o = (struct replica_object){.exists = head->status >= 200 && head->status < 300};
    if (!o->exists)
        return true;
    o->stamped = stamp && stamp_parse(*stamp, &o->stamp);
    o->tag_count = read_tag_count(head);
    memcpy(o->etag, etag, sizeof(o->etag));
    if (modified && modified->len < sizeof(o->last_modified))
        memcpy(o->last_modified, modified->at, modified->len);
    if (http_header(head, "content-range"))
        return size_in_content_range(head, &o->body_bytes);
    o->body_bytes = head->length;
    return head->has_length;
}

static enum err send_read(struct replica_call *c, bool head_only, struct span key, struct span query,
                          const struct sigv4_header *headers, size_t header_count,
                          const struct http_call_events *events)
{
    struct s3_call_request q = {
        .method = head_only ? SPAN("HEAD") : SPAN("GET"),
        .path = s3_call_path(c, key),
        .query = query,
        .headers = headers,
        .header_count = header_count,
        .payload = SPAN(S3_EMPTY_SHA256),
        .repeatable = true,
    };

    return q.path.at ? s3_call_send(c, &q, events) : ERR_NOMEM;
}

static void seen_head(struct replica_call *c, const struct http_head *head)
{
    c->get.sized = read_object(&c->get.object, head, c->answer.etag);
}

static void finish_head(struct replica_call *c)
{
    const struct replica_answer *a = &c->answer;
    enum err e = a->error;

    if (e == ERR_OK && c->get.object.exists && !c->get.sized)
        e = ERR_PROTOCOL;
    else if (e == ERR_OK && !c->get.object.exists && a->status != 404)
        e = ERR_UNAVAILABLE;
    c->get.head_events.done(c->ctx, e, a->status, &c->get.object);
}

enum err s3_head_start(struct replica *r, struct replica_call **out, struct span key,
                       const struct replica_head_events *events, void *ctx)
{
    struct replica_call *c = s3_call_open(r, ctx, finish_head);
    enum err e;

    *out = c;
    if (!c)
        return ERR_NOMEM;
    c->get.head_events = *events;
    c->seen = seen_head;
    e = send_read(c, true, key, SPAN_EMPTY, NULL, 0, &s3_collect);
    if (e) {
        s3_call_free(c);
        *out = NULL;
    }
    return e;
}

static void get_over(struct replica_call *c, enum err result)
{
    s3_call_over(c, result);
    c->finish(c);
    s3_call_free(c);
}

/* An object of unknown size can be neither announced to a client nor resumed. */
static void get_head(void *ctx, const struct http_head *head)
{
    struct replica_call *c = ctx;

    s3_call_note_head(c, head);
    if (c->get.sized) {
        c->get.events.head(c->ctx, head, &c->get.object);
        return;
    }
    s3_call_break_off(c);
    get_over(c, ERR_PROTOCOL);
}

static void get_body(void *ctx)
{
    struct replica_call *c = ctx;

    c->get.events.body(c->ctx);
}

static void get_done(void *ctx, enum err result)
{
    get_over(ctx, result);
}

static void finish_get(struct replica_call *c)
{
    c->get.events.done(c->ctx, c->answer.error);
}

enum err s3_get_start(struct replica *r, struct replica_call **out, const struct replica_get *get,
                      const struct replica_get_events *events, void *ctx)
{
    static const struct http_call_events stream = {.head = get_head, .body = get_body, .done = get_done};
    struct replica_call *c = s3_call_open(r, ctx, finish_get);
    struct sigv4_header *headers;
    struct span query = SPAN_EMPTY;
    size_t count = get->header_count;
    enum err e = ERR_NOMEM;

    *out = c;
    if (!c)
        return ERR_NOMEM;
    c->get.events = *events;
    c->seen = seen_head;
    headers = s3_call_headers(c, get->headers, get->header_count, 1);
    if (headers && get->checksum_mode && c->replica->backend->can.checksum_headers & S3_CHECKSUMS_ALL)
        headers[count++] = (struct sigv4_header){SPAN("x-amz-checksum-mode"), SPAN("ENABLED")};
    if (get->part_number)
        query = s3_call_part_query(c, get->part_number, SPAN_EMPTY);
    if (headers && query.at)
        e = send_read(c, get->head_only, get->key, query, headers, count, &stream);
    if (e) {
        s3_call_free(c);
        *out = NULL;
    }
    return e;
}

enum err s3_get_read(struct replica_call *c, void *at, size_t room, size_t *got)
{
    return http_call_read(c->http, at, room, got);
}
