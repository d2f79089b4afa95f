/* HEAD, GET and the probe: one look at the store, some time between the call and its answer. The body of a GET is what
 * was there at the look; its bytes come at a seeded pace, stop coming, or break off. */
#include "sim_store.h"

#include <assert.h>
#include <stdio.h>

static void show(const struct sim_object *o, struct replica_object *out)
{
    *out = (struct replica_object){.exists = o->exists};
    if (!o->exists)
        return;
    out->stamped = o->stamped;
    out->stamp = o->stamp;
    out->body_bytes = o->content->bytes;
    snprintf(out->etag, sizeof(out->etag), "%s", sim_object_etag(o));
    snprintf(out->last_modified, sizeof(out->last_modified), "%llu", (unsigned long long)o->modified_s);
}

/* bytes=a-b, bytes=a- or bytes=-n of a body. False: not satisfiable. */
static bool cut_range(struct span range, uint64_t bytes, uint64_t *first, uint64_t *end)
{
    struct span s = span_skip(range, strlen("bytes=")), low = span_cut(&s, '-');
    uint64_t number;

    *first = 0;
    *end = bytes;
    if (low.len == 0) {
        if (!span_to_u64(s, &number) || number == 0 || bytes == 0)
            return false;
        *first = number < bytes ? bytes - number : 0;
        return true;
    }
    if (!span_to_u64(low, first) || *first >= bytes)
        return false;
    if (span_to_u64(s, &number) && number + 1 < bytes)
        *end = number + 1;
    return true;
}

static unsigned get_status(struct replica_call *c)
{
    const struct sim_object *o = &c->object;

    if (!o->exists)
        return 404;
    c->end = o->content->bytes;
    if (c->if_match[0] && strcmp(c->if_match, sim_object_etag(o)) != 0)
        return 412;
    if (!c->range[0])
        return 200;
    return cut_range(span_of(c->range), o->content->bytes, &c->offset, &c->end) ? 206 : 416;
}

static void add_header(struct http_head *h, const char *name, const char *value)
{
    h->headers[h->header_count++] = (struct http_header){span_of(name), span_of(value)};
}

static const char *error_document(unsigned status)
{
    return status == 404   ? "<Error><Code>NoSuchKey</Code></Error>"
           : status == 503 ? "<Error><Code>SlowDown</Code></Error>"
                           : "";
}

/* The answer's head; its text lives as long as the call. */
static void make_head(struct replica_call *c, unsigned status)
{
    const struct sim_object *o = &c->object;
    struct http_head *h = &c->head;
    char *length = c->text, *part = c->text + 32, *stamp = c->text + 128;

    *h = (struct http_head){.status = status, .minor = 1, .keep_alive = true, .has_length = true};
    if (status != 200 && status != 206) {
        c->shown = (struct replica_object){0};
        c->document = error_document(status);
        c->offset = 0;
        c->end = strlen(c->document);
    }
    h->length = c->end - c->offset;
    snprintf(length, 32, "%llu", (unsigned long long)h->length);
    add_header(h, "content-length", length);
    if (!o->exists || status >= 400)
        return;
    add_header(h, "ETag", sim_object_etag(o));
    add_header(h, "Last-Modified", c->shown.last_modified);
    add_header(h, CONTENT_HEADER, o->content->header);
    if (o->stamped) {
        stamp_print(&o->stamp, stamp);
        add_header(h, "x-amz-meta-s3mirror-stamp", stamp);
    }
    if (status == 206) {
        snprintf(part, 96, "bytes %llu-%llu/%llu", (unsigned long long)c->offset,
                 (unsigned long long)c->end - 1, (unsigned long long)o->content->bytes);
        add_header(h, "Content-Range", part);
    }
}

/* One look at the store; the answer is on its way afterwards. */
static void look(struct replica_call *c)
{
    c->looked = true;
    c->object = c->replica->store->objects[c->key];
    show(&c->object, &c->shown);
    sim_after(sim_of(c), &c->event, sim_delay_ms(sim_of(c)));
}

static void get_head(struct replica_call *c)
{
    unsigned status = get_status(c);

    if (sim_fault(sim_of(c)))
        status = 503;
    make_head(c, status);
    c->headed = true;
    c->ready = c->offset;
    c->answer.status = status;
    c->inside++;
    c->get_events.head(c->ctx, &c->head, &c->shown);
    c->inside--;
    if (c->over)
        sim_call_free(c);
    else
        sim_after(sim_of(c), &c->event, sim_between(sim_of(c), 0, 4));
}

/* More of the body has come, or its end, or nothing any more. */
static void get_flow(struct replica_call *c)
{
    struct sim *s = sim_of(c);
    uint64_t piece = sim_between(s, 1, sim_chance(s, 500) ? 400 * 1024 : c->end / 8 + 1);

    if (c->broken || c->head_only || c->offset == c->end) {
        if (c->broken)
            sim_call_break(c, ERR_RESET);
        else
            sim_call_done(c);
        return;
    }
    if (sim_fault(s)) {
        c->stalled = sim_chance(s, 300);
        c->broken = !c->stalled;
        if (c->stalled)
            return;
        sim_after(s, &c->event, 0);
    }
    if (!c->broken)
        c->ready = c->end - c->ready < piece ? c->end : c->ready + piece;
    c->inside++;
    c->get_events.body(c->ctx);
    c->inside--;
    if (c->over)
        sim_call_free(c);
}

enum err sim_get_read(struct replica_call *c, void *at, size_t room, size_t *got)
{
    uint64_t n = c->ready - c->offset;

    assert(c->headed && room);
    if (c->broken)
        return ERR_RESET;
    if (n > room)
        n = room;
    if (n && c->document)
        memcpy(at, c->document + c->offset, (size_t)n);
    else if (n)
        content_fill(c->object.content, c->offset, at, (size_t)n);
    if (n && c->offset == 0 && !c->document && c->object.damaged)
        *(char *)at ^= 1;
    c->offset += n;
    *got = (size_t)n;
    /* More has to come, or the end: `done` follows the last byte, whether or not ERR_EOF is read. */
    if (c->offset == c->ready && (!n || c->offset == c->end) && !c->stalled && !c->event.slot &&
        !c->replica->dead)
        sim_after(sim_of(c), &c->event, sim_between(sim_of(c), 0, 4));
    if (n)
        return ERR_OK;
    return c->offset == c->end ? ERR_EOF : ERR_AGAIN;
}

enum err sim_get_start(struct replica *r, struct replica_call **out, const struct replica_get *get,
                       const struct replica_get_events *events, void *ctx)
{
    struct replica_call *c;

    *out = NULL;
    if (sim_call_refused(of(r)))
        return ERR_REFUSED;
    c = sim_call_new(r, CALL_GET, sim_key_number(get->key), ctx);
    c->get_events = *events;
    c->head_only = get->head_only;
    for (size_t i = 0; i < get->header_count; i++) {
        if (span_ieq(get->headers[i].name, SPAN("range")))
            snprintf(c->range, sizeof(c->range), "%.*s", SPAN_ARG(get->headers[i].value));
        if (span_ieq(get->headers[i].name, SPAN("if-match")))
            snprintf(c->if_match, sizeof(c->if_match), "%.*s", SPAN_ARG(get->headers[i].value));
    }
    sim_after(sim_of(c), &c->event, sim_delay_ms(sim_of(c)));
    *out = c;
    return ERR_OK;
}

enum err sim_head_start(struct replica *r, struct replica_call **out, struct span key,
                        const struct replica_head_events *events, void *ctx)
{
    struct replica_call *c;

    *out = NULL;
    if (sim_call_refused(of(r)))
        return ERR_REFUSED;
    c = sim_call_new(r, CALL_HEAD, sim_key_number(key), ctx);
    c->head_events = *events;
    sim_after(sim_of(c), &c->event, sim_delay_ms(sim_of(c)));
    *out = c;
    return ERR_OK;
}

static void head_answer(struct replica_call *c)
{
    c->answer.status = c->shown.exists ? 200 : 404;
    sim_call_done(c);
}

enum err sim_bucket_start(struct replica *r, struct replica_call **out, enum replica_bucket_op op,
                          const struct replica_bucket_events *events, void *ctx)
{
    struct replica_call *c;

    *out = NULL;
    if (sim_call_refused(of(r)))
        return ERR_REFUSED;
    assert(op == REPLICA_BUCKET_HEAD);
    c = sim_call_new(r, CALL_BUCKET, 0, ctx);
    c->bucket_events = *events;
    sim_after(sim_of(c), &c->event, sim_delay_ms(sim_of(c)));
    *out = c;
    return ERR_OK;
}

static void bucket_answer(struct replica_call *c)
{
    c->answer.status = 200;
    sim_call_done(c);
}

/* Reads fail as a whole: without an answer, with a bad one, or never. */
static bool read_fails(struct replica_call *c)
{
    struct sim *s = sim_of(c);

    if (!sim_fault(s))
        return false;
    switch (sim_between(s, 0, 3)) {
    case 0: c->stalled = true; break;
    case 1:
        c->answer.status = 503;
        if (c->kind == CALL_HEAD || c->kind == CALL_LIST || c->kind == CALL_UPLOADS)
            c->answer.error = ERR_UNAVAILABLE;
        if (c->kind == CALL_GET)
            c->answer.error = ERR_PROTOCOL;
        sim_call_done(c);
        break;
    default: sim_call_break(c, sim_chance(s, 500) ? ERR_RESET : ERR_REFUSED); break;
    }
    return true;
}

void sim_read_event(struct replica_call *c)
{
    if (c->kind == CALL_GET && c->headed)
        get_flow(c);
    else if (read_fails(c))
        return;
    else if (c->kind == CALL_LIST)
        sim_list_event(c);
    else if (c->kind == CALL_UPLOADS)
        sim_uploads_answer(c);
    else if (!c->looked)
        look(c);
    else if (c->kind == CALL_GET)
        get_head(c);
    else if (c->kind == CALL_HEAD)
        head_answer(c);
    else
        bucket_answer(c);
}
