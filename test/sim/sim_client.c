/* What a client does, in the gateway's place: it feeds bodies, hears verdicts, reads, and now and then leaves, in the
 * middle of a body or while it waits. Each thing it does by itself is an event; what the gateway calls back is answered
 * from inside the callback or later, as the seed has it. */
#include "sim_client.h"

#include <assert.h>
#include <stdio.h>

enum { READ_BYTES = 256 * 1024 };

static struct sim *sim_of(struct client *c)
{
    return c->host->sim;
}

static void client_next(struct client *c)
{
    c->active = false;
    c->write = NULL;
    c->parted = NULL;
    c->fetch = NULL;
    c->listing = NULL;
    sim_cancel(sim_of(c), &c->event);
    if (c->by_itself && c->host->left && c->host->env)
        sim_after(sim_of(c), &c->event,
                  sim_chance(sim_of(c), 300) ? 0 : sim_between(sim_of(c), 1, 1 + c->host->pause_ms));
}

void client_over(struct client *c)
{
    client_next(c);
}

/* --- PUT and DELETE --- */

static void write_over(struct client *c, bool refused)
{
    check_unknown(c->host->check, c->written, refused);
    client_next(c);
}

static void feed_later(struct client *c)
{
    c->feeding = true;
    sim_after(sim_of(c), &c->event, c->host->slow ? sim_between(sim_of(c), 0, 25) : 0);
}

static void leave(struct client *c)
{
    sim_trace(sim_of(c), "client %u leaves its write of k%u after %llu bytes", c->number, c->key,
              (unsigned long long)c->offset);
    if (c->parted)
        parted_leave(c->parted);
    else
        write_leave(c->write);
    write_over(c, false);
}

static enum err room_of(struct client *c, struct iovec *room)
{
    return c->parted ? parted_room(c->parted, room) : write_room(c->write, room);
}

/* The body is whole: good, or good if a condition holds. */
static void verify(struct client *c)
{
    if (sim_chance(sim_of(c), 200)) {
        write_hold(c->write);
    } else {
        check_verified(c->host->check, c->written);
        write_verified(c->write);
    }
}

/* Some bytes, then the rest later; behind the last one the body is verified, later again. */
static void feed(struct client *c)
{
    uint64_t left = c->content->bytes - c->offset, most = sim_between(sim_of(c), 1, 300 * 1024);
    struct iovec room;

    if (c->offset >= c->leave_at) {
        leave(c);
        return;
    }
    c->feeding = false;
    if (left == 0) {
        c->verified = true;
        if (c->parted)
            parted_end(c->parted, NULL);
        else
            verify(c);
        if (c->host->slow && sim_chance(sim_of(c), 40))
            sim_after(sim_of(c), &c->event, sim_between(sim_of(c), 0, 200));
        return;
    }
    if (room_of(c, &room) != ERR_OK)
        return; /* on_drain goes on */
    assert(room.iov_len && room.iov_len <= left);
    if (room.iov_len > most)
        room.iov_len = (size_t)most;
    content_fill(c->content, c->offset, room.iov_base, room.iov_len);
    c->offset += room.iov_len;
    feed_later(c);
    if (c->parted)
        parted_filled(c->parted, room.iov_len);
    else
        write_filled(c->write, room.iov_len);
}

static void on_drain(void *ctx)
{
    struct client *c = ctx;

    if (!c->feeding)
        feed_later(c);
}

/* A conditional write has its key: it goes on now, or its condition does not hold. */
static void on_held(void *ctx)
{
    struct client *c = ctx;

    if (sim_chance(sim_of(c), 200)) {
        leave(c);
        return;
    }
    check_verified(c->host->check, c->written);
    write_verified(c->write);
}

static uint32_t stored_of(const struct write_verdict *v)
{
    uint32_t stored = 0;

    for (uint32_t slot = 0; slot < REPLICAS_MAX; slot++)
        if (v->marks[slot] == WRITE_STORED)
            stored |= 1u << slot;
    return stored;
}

static void on_verdict(void *ctx, const struct write_verdict *v)
{
    struct client *c = ctx;
    uint32_t stored = stored_of(v);

    sim_trace(sim_of(c), "client %u: k%u %s, stored on %x", c->number, c->key,
              v->result == ERR_OK ? "acknowledged" : "refused", stored);
    if (v->result != ERR_OK) {
        write_over(c, true);
        return;
    }
    if (c->kind == CLIENT_PUT && !c->parted && strcmp(v->etag, c->content->etag) != 0)
        sim_violate(sim_of(c), "P6: the answer for %s shows the ETag %s", c->content->header, v->etag);
    check_acked(c->host->check, c->written, stored, c->host->ack.need);
    client_next(c);
}

static const struct write_events write_events = {.held = on_held, .drain = on_drain, .verdict = on_verdict};

/* --- PUT in parts --- */

static void on_opened(void *ctx, struct write *w)
{
    struct client *c = ctx;

    c->write = w;
    verify(c);
}

static const struct parted_events parted_events = {
    .drain = on_drain, .opened = on_opened, .held = on_held, .verdict = on_verdict};

/* What a server damages of a part shows in its ETag, which nobody but it can tell from the right one: there have to be
 * enough others, or a client that knows the MD5. */
static bool goes_in_parts(struct client *c)
{
    return c->kind == CLIENT_PUT && !sim_of(c)->damage && c->content->bytes > 10 &&
           sim_chance(sim_of(c), 250);
}

static enum err open_in_parts(struct client *c, const struct write_spec *whole)
{
    const struct parted_spec spec = {.key = whole->key,
                                     .replicas = whole->replicas,
                                     .ack = whole->ack,
                                     .body_bytes = whole->body_bytes,
                                     .part_bytes =
                                         whole->body_bytes / sim_between(sim_of(c), 1, CLIENT_PARTS_MAX) + 1,
                                     .concurrency = (uint32_t)sim_between(sim_of(c), 1, 2),
                                     .headers = whole->headers,
                                     .header_count = whole->header_count};

    sim_trace(sim_of(c), "client %u: in parts of %llu bytes", c->number, (unsigned long long)spec.part_bytes);
    return parted_open(&c->parted, c->host->env, &spec, &parted_events, c);
}

static void write_begin(struct client *c)
{
    struct write_spec spec = {
        .key = {SIM_BUCKET, sim_key_name(c->key)},
        .replicas = c->host->set,
        .ack = c->host->ack,
        .kind = c->kind == CLIENT_PUT ? ROW_PUT : ROW_DELETE,
    };

    c->written = check_begin(c->host->check, c->key, c->content);
    if (c->content)
        sim_trace(sim_of(c), "client %u: put k%u %s, %llu bytes", c->number, c->key, c->content->header,
                  (unsigned long long)c->content->bytes);
    else
        sim_trace(sim_of(c), "client %u: delete k%u", c->number, c->key);
    if (c->kind == CLIENT_PUT) {
        c->headers[0] = (struct http_header){SPAN(CONTENT_HEADER), span_of(c->content->header)};
        c->headers[1] = (struct http_header){SPAN("content-type"), SPAN("text/plain")};
        spec.headers = c->headers;
        spec.header_count = 2;
        spec.body_bytes = c->content->bytes;
        spec.has_md5 = sim_of(c)->damage || sim_chance(sim_of(c), 500);
        memcpy(spec.md5, c->content->md5, sizeof(spec.md5));
    }
    if ((goes_in_parts(c) ? open_in_parts(c, &spec)
                          : write_open(&c->write, c->host->env, &spec, &write_events, c)) != ERR_OK) {
        write_over(c, true);
        return;
    }
    c->leave_at = NEVER;
    if (c->kind == CLIENT_DELETE) {
        write_verified(c->write);
        c->verified = true;
        return;
    }
    if (c->host->slow && sim_chance(sim_of(c), 60))
        c->leave_at = sim_between(sim_of(c), 0, c->content->bytes);
    feed_later(c);
}

/* --- GET --- */

static void read_over(struct client *c)
{
    fetch_free(c->fetch);
    client_next(c);
}

/* At once or later: a fetch may be freed from inside its own callback. */
static void read_finish(struct client *c)
{
    c->finished = true;
    if (sim_chance(sim_of(c), 500))
        read_over(c);
    else
        sim_after(sim_of(c), &c->event, 1);
}

static void read_on(struct client *c)
{
    static char bytes[READ_BYTES];

    for (;;) {
        size_t got = 0, room = (size_t)sim_between(sim_of(c), 1, READ_BYTES);
        enum err e = fetch_read(c->fetch, bytes, room, &got);

        if (e == ERR_AGAIN)
            return;
        if (e == ERR_EOF && c->offset != c->end)
            sim_violate(sim_of(c), "P6: a read of k%u ended %llu bytes early, as if complete", c->key,
                        (unsigned long long)(c->end - c->offset));
        if (e != ERR_OK) {
            read_finish(c);
            return;
        }
        if (c->damaged && c->offset == 0)
            bytes[0] ^= 1;
        if (c->offset + got > c->end || !content_equal(c->content, c->offset, bytes, got)) {
            sim_violate(sim_of(c), "P6: a read of k%u gave bytes that are not those of %s", c->key,
                        c->content->header);
            read_finish(c);
            return;
        }
        c->offset += got;
        if (c->host->slow && sim_chance(sim_of(c), 200)) {
            sim_after(sim_of(c), &c->event, sim_between(sim_of(c), 0, 100));
            return;
        }
    }
}

static void on_head(void *ctx, unsigned status, const struct http_head *head,
                    const struct replica_object *object, const struct replica *from)
{
    struct client *c = ctx;
    const struct span *header = http_header(head, CONTENT_HEADER), *part = http_header(head, "content-range");
    uint64_t id = 0;

    c->headed = true;
    c->content = NULL;
    if (object->exists && status < 300) {
        if (!header || !span_to_u64(*header, &id))
            sim_violate(sim_of(c), "P1: a read of k%u shows an object without its metadata", c->key);
        else
            c->content = c->host->content(c->host->ctx, (uint32_t)id);
    }
    sim_trace(sim_of(c), "client %u: k%u reads %s from %s", c->number, c->key,
              c->content ? c->content->header : "nothing", from->name);
    c->damaged = c->content && strcmp(object->etag, c->content->etag) != 0;
    if (status < 300 || status == 404)
        check_read(c->host->check, c->key, c->content, c->damaged, c->began);
    if (!c->content || head->length == 0) {
        read_finish(c);
        return;
    }
    c->offset = 0;
    if (part &&
        (status != 206 ||
         !span_to_u64(span_head(span_skip(*part, 6), span_find(span_skip(*part, 6), '-')), &c->offset)))
        sim_violate(sim_of(c), "P6: a read of k%u has a bad Content-Range", c->key);
    c->end = c->offset + head->length;
}

static void on_body(void *ctx)
{
    struct client *c = ctx;

    if (!c->finished)
        read_on(c);
}

static void on_failed(void *ctx, enum err e)
{
    struct client *c = ctx;

    sim_trace(sim_of(c), "client %u: k%u cannot be read: %s", c->number, c->key, err_name(e));
    read_finish(c);
}

static const struct fetch_events fetch_events = {.head = on_head, .body = on_body, .failed = on_failed};

static void read_begin(struct client *c)
{
    struct fetch_spec spec = {.key = {SIM_BUCKET, sim_key_name(c->key)}, .replicas = c->host->set};

    if (sim_chance(sim_of(c), 150)) {
        uint64_t from = sim_between(sim_of(c), 0, 12);

        snprintf(c->range, sizeof(c->range), "bytes=%llu-%llu", (unsigned long long)from,
                 (unsigned long long)(from + sim_between(sim_of(c), 0, 1000 * 1000)));
        c->headers[0] = (struct http_header){SPAN("Range"), span_of(c->range)};
        spec.headers = c->headers;
        spec.header_count = 1;
    }
    sim_trace(sim_of(c), "client %u: get k%u", c->number, c->key);
    c->began = check_now(c->host->check);
    c->headed = c->finished = false;
    if (fetch_open(&c->fetch, c->host->env, &spec, &fetch_events, c) != ERR_OK)
        client_next(c);
    else if (c->host->slow && sim_chance(sim_of(c), 40))
        sim_after(sim_of(c), &c->event, sim_between(sim_of(c), 0, 200));
}

/* --- LIST: sim_client_list.c --- */

static void list_over(struct client *c)
{
    listing_free(c->listing);
    client_next(c);
}

/* --- its life --- */

void client_begin(struct client *c, enum client_kind kind, uint32_t key, const struct content *content)
{
    if (!c->host->env)
        return;
    assert(!c->active);
    c->active = true;
    c->since_ms = sim_of(c)->now_ms;
    c->kind = kind;
    c->key = key;
    c->content = content;
    c->offset = 0;
    c->verified = c->feeding = false;
    if (kind == CLIENT_GET)
        read_begin(c);
    else if (kind == CLIENT_COPY)
        client_copy_begin(c);
    else if (kind == CLIENT_UPLOAD)
        client_upload_begin(c);
    else if (kind != CLIENT_LIST)
        write_begin(c);
    else if (!client_list_begin(c))
        client_next(c);
}

static void draw(struct client *c)
{
    uint64_t of_eleven = sim_between(sim_of(c), 0, 10);
    enum client_kind kind = of_eleven < 4    ? CLIENT_PUT
                            : of_eleven < 5  ? CLIENT_UPLOAD
                            : of_eleven < 7  ? CLIENT_DELETE
                            : of_eleven < 9  ? CLIENT_GET
                            : of_eleven < 10 ? CLIENT_LIST
                                             : CLIENT_COPY;

    if (!c->host->left)
        return;
    c->host->left--;
    client_begin(c, kind, (uint32_t)sim_between(sim_of(c), 0, c->host->keys - 1),
                 kind == CLIENT_PUT || kind == CLIENT_UPLOAD ? c->host->content_new(c->host->ctx) : NULL);
}

static void on_event(struct sim_event *e)
{
    struct client *c = LIST_ENTRY(e, struct client, event);

    if (!c->active)
        draw(c);
    else if (c->kind == CLIENT_UPLOAD)
        client_upload_on(c);
    else if (c->kind == CLIENT_COPY)
        client_copy_on(c);
    else if (c->kind == CLIENT_LIST && (c->finished || (c->host->slow && sim_chance(sim_of(c), 30))))
        list_over(c);
    else if (c->kind == CLIENT_LIST)
        client_list_on(c);
    else if (c->kind == CLIENT_GET && (c->finished || !c->headed))
        read_over(c);
    else if (c->kind == CLIENT_GET)
        read_on(c);
    else if (c->feeding)
        feed(c);
    else
        leave(c);
}

void client_init(struct client *c, struct client_host *host, uint32_t number, bool by_itself)
{
    *c = (struct client){.host = host, .number = number, .by_itself = by_itself, .event = {.fire = on_event}};
}

void client_resume(struct client *c)
{
    if (!c->active)
        client_next(c);
    else
        client_upload_resume(c); /* the only one that outlives a process */
}

void client_crash(struct client *c)
{
    sim_cancel(sim_of(c), &c->event);
    if (!c->active)
        return;
    if (c->kind == CLIENT_UPLOAD) {
        client_upload_crash(c);
        return;
    }
    if (c->kind == CLIENT_COPY)
        client_copy_end(c);
    if (c->write || c->parted) {
        check_unknown(c->host->check, c->written, false);
        if (c->parted)
            parted_leave(c->parted);
        else
            write_leave(c->write);
    }
    if (c->fetch)
        fetch_free(c->fetch);
    listing_free(c->listing);
    client_next(c);
}
