/* The sending side: one process's calls. What a backend does with a request that has left is sim_store.c.
 *
 * A PUT moves its body at a seeded pace, up to what may leave before the barrier: nothing of a body of up to one
 * chunk, all but the last byte of a larger one. When the barrier is open and the last byte is taken, the request
 * has LEFT: only from then on can it take effect, and it is no longer the call's (struct arrival). HEAD and
 * GET are in sim_read.c. */
#include "sim_replica.h"

#include "base/chunk.h"
#include "sim_store.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum { HELD_BYTES = 1, PROBE_MS = 200 };

static void on_event(struct sim_event *e);

static bool is_writing(enum call_kind kind)
{
    return kind == CALL_PUT || kind == CALL_DELETE || kind == CALL_COPY || kind == CALL_CREATE ||
           kind == CALL_COMPLETE || kind == CALL_ABORT;
}

struct replica_call *sim_call_new(struct replica *r, enum call_kind kind, uint32_t key, void *ctx)
{
    struct replica_call *c = calloc(1, sizeof(*c));

    if (!c)
        abort();
    c->replica = of(r);
    c->kind = kind;
    c->key = key;
    c->ctx = ctx;
    c->asked_ms = sim_of(c)->now_ms;
    c->event.fire = on_event;
    list_append(&c->replica->calls, &c->node);
    health_begin(&c->replica->health);
    return c;
}

bool sim_call_refused(struct sim_replica *r)
{
    return r->dead || (sim_fault(r->sim) && sim_chance(r->sim, 50));
}

/* The connection is gone: what has left is on its own. */
static void call_detach(struct replica_call *c)
{
    list_remove(&c->node);
    sim_cancel(sim_of(c), &c->event);
    if (c->arrival)
        c->arrival->call = NULL;
    c->arrival = NULL;
    c->over = true;
}

void sim_call_free(struct replica_call *c)
{
    if (!c->inside)
        free(c);
}

/* The one place where a call ends by itself. */
void sim_call_done(struct replica_call *c)
{
    static const char *const results[] = {"stored", "missed", "unresolved"};
    struct replica_answer *a = &c->answer;
    bool answered = a->error == ERR_OK;

    call_detach(c);
    health_end(&c->replica->health, answered && a->status < 500, sim_of(c)->now_ms - c->asked_ms);
    c->inside++;
    switch (c->kind) {
    case CALL_PUT:
    case CALL_DELETE:
    case CALL_COPY:
    case CALL_COMPLETE:
    case CALL_ABORT:
        sim_trace(sim_of(c), "%s k%u %s: %s (%u %s)", c->replica->store->name, c->key, call_name(c),
                  results[a->result], a->status, err_name(a->error));
        c->put_events.done(c->ctx, a);
        break;
    case CALL_HEAD: c->head_events.done(c->ctx, a->error, a->status, &c->shown); break;
    case CALL_GET: c->get_events.done(c->ctx, a->error); break;
    case CALL_LIST: c->list_events.done(c->ctx, a->error); break;
    case CALL_BUCKET: c->bucket_events.done(c->ctx, a); break;
    case CALL_CREATE: sim_create_done(c); break;
    case CALL_UPLOADS: sim_uploads_done(c); break;
    }
    c->inside--;
    sim_call_free(c);
}

/* Breaks the call. What has left is not called back. */
void sim_call_break(struct replica_call *c, enum err error)
{
    c->answer =
        (struct replica_answer){.result = c->left ? REPLICA_UNRESOLVED : REPLICA_MISSED, .error = error};
    sim_call_done(c);
}

static void call_refuse(struct replica_call *c, unsigned status)
{
    c->answer = (struct replica_answer){.status = status};
    c->answer.result = c->left && status >= 500 ? REPLICA_UNRESOLVED : REPLICA_MISSED;
    snprintf(c->answer.code, sizeof(c->answer.code), "%s", status >= 500 ? "InternalError" : "AccessDenied");
    sim_call_done(c);
}

const char *call_name(const struct replica_call *c)
{
    static const char *const names[] = {"put",    "delete",   "head",  "get",     "list", "bucket",
                                        "create", "complete", "abort", "uploads", "copy"};

    return names[c->kind];
}

/* --- PUT and DELETE --- */

/* Past the last byte: from here on the store decides. */
static void put_leave(struct replica_call *c)
{
    if (c->kind == CALL_PUT && c->crc32 != c->open_crc32)
        sim_violate(sim_of(c), "P6: %s k%u was sent bytes with CRC %08x as %08x", c->replica->store->name,
                    c->key, c->crc32, c->open_crc32);
    /* The copy of a damaged copy. */
    c->object.damaged =
        c->kind == CALL_PUT && !c->request.what && c->object.content && c->crc32 != c->object.content->crc32;
    if (c->object.damaged && !sim_of(c)->damage)
        sim_violate(sim_of(c), "P6: %s k%u was sent other bytes than those of %s", c->replica->store->name,
                    c->key, c->object.content->header);
    if (c->request.what == UPLOAD_TAKE_PART)
        content_etag(c->crc32, c->body_bytes, c->request.etags[c->request.part]);
    c->left = true;
    sim_store_send(c->replica->store, c);
}

/* The barrier opens. Another gateway may have this one's keys by now. */
void sim_put_opens(struct replica_call *c)
{
    struct sim_store *st = c->replica->store;

    if (c->replica->dead)
        return;
    st->opened(st->ctx, st, c->key, &c->object);
    if (sim_of(c)->lease_lost)
        sim_violate(sim_of(c), "P2: %s k%u: a %s goes past its barrier without a lease",
                    c->replica->store->name, c->key, call_name(c));
}

/* Bytes that may leave now. */
static uint64_t put_end(const struct replica_call *c)
{
    if (c->open)
        return c->body_bytes;
    return c->body_bytes > CHUNK_BYTES ? c->body_bytes - HELD_BYTES : 0;
}

static void put_take(struct replica_call *c, uint64_t most)
{
    struct iovec iov[3];
    uint64_t taken = 0;
    int count = 3;

    if (c->body.peek(c->ctx, c->offset, iov, &count) != ERR_OK)
        return;
    assert(count >= 1 && count <= 3);
    for (int i = 0; i < count && most; i++) {
        size_t n = iov[i].iov_len < most ? iov[i].iov_len : (size_t)most;

        c->crc32 = crc32_add(c->crc32, iov[i].iov_base, n);
        taken += n;
        most -= n;
    }
    c->offset += taken;
    if (c->body_bytes > CHUNK_BYTES && c->put_events.progress)
        c->put_events.progress(c->ctx, c->offset);
}

static void put_flow(struct replica_call *c)
{
    static const enum err breaks[] = {ERR_RESET, ERR_TIMEOUT, ERR_PROTOCOL};
    struct sim *s = sim_of(c);
    uint64_t end = put_end(c), before = c->offset;

    if (sim_fault(s)) {
        uint64_t kind = sim_between(s, 0, 3);

        if (kind == 0)
            c->stalled = true;
        else if (kind == 1)
            call_refuse(c, sim_chance(s, 500) ? 503 : 403);
        else
            sim_call_break(c, breaks[sim_between(s, 0, 2)]);
        return;
    }
    if (c->offset < end) {
        uint64_t pace = c->body_bytes > CHUNK_BYTES ? sim_between(s, 1, 700 * 1024) : c->body_bytes;

        c->inside++;
        put_take(c, end - c->offset < pace ? end - c->offset : pace);
        c->inside--;
        if (c->over) {
            sim_call_free(c);
            return;
        }
    }
    if (c->open && c->offset == c->body_bytes)
        put_leave(c);
    else if (c->offset == before)
        c->waiting = true;
    else
        sim_after(s, &c->event, sim_between(s, 0, 4));
}

static void put_resume(struct replica_call *c)
{
    if (!c->waiting || c->replica->dead)
        return;
    c->waiting = false;
    sim_after(sim_of(c), &c->event, sim_between(sim_of(c), 0, 3));
}

static const struct content *content_named(struct sim_store *st, const struct http_header *headers,
                                           size_t count)
{
    uint64_t id;

    for (size_t i = 0; i < count; i++)
        if (span_ieq(headers[i].name, SPAN(CONTENT_HEADER)) && span_to_u64(headers[i].value, &id))
            return st->content(st->ctx, (uint32_t)id);
    return NULL;
}

static enum err sr_put(struct replica *r, struct replica_call **out, const struct replica_put *put,
                       const struct replica_put_events *events, void *ctx)
{
    struct replica_call *c;

    *out = NULL;
    if (sim_call_refused(of(r)))
        return ERR_REFUSED;
    c = sim_call_new(r, CALL_PUT, sim_key_number(put->key), ctx);
    c->put_events = *events;
    c->body_bytes = put->body_bytes;
    if (put->body)
        c->body = *put->body;
    c->object = (struct sim_object){.exists = true, .stamped = put->stamped, .stamp = put->stamp};
    c->object.content = content_named(of(r)->store, put->headers, put->header_count);
    if (put->upload_id.len) {
        uint64_t id = 0;

        assert(put->part_number <= SIM_PARTS_MAX && span_to_u64(span_skip(put->upload_id, 1), &id));
        c->request.what = UPLOAD_TAKE_PART;
        c->request.upload = (uint32_t)id;
        c->request.part = put->part_number;
    }
    if (put->if_match)
        snprintf(c->if_match, sizeof(c->if_match), "%s", put->if_match);
    sim_after(sim_of(c), &c->event, sim_between(sim_of(c), 0, 8));
    *out = c;
    return ERR_OK;
}

static void sr_put_more(struct replica_call *c)
{
    put_resume(c);
}

static void sr_put_open(struct replica_call *c, uint32_t crc32)
{
    assert(c->kind == CALL_PUT && !c->open);
    if (!c->request.what)
        sim_put_opens(c);
    c->open = true;
    c->open_crc32 = crc32;
    put_resume(c);
}

static enum err sr_delete(struct replica *r, struct replica_call **out, struct span key,
                          const struct replica_put_events *events, void *ctx)
{
    struct replica_call *c;

    *out = NULL;
    if (sim_call_refused(of(r)))
        return ERR_REFUSED;
    c = sim_call_new(r, CALL_DELETE, sim_key_number(key), ctx);
    c->put_events = *events;
    c->open = true;
    sim_put_opens(c);
    sim_after(sim_of(c), &c->event, sim_between(sim_of(c), 0, 8));
    *out = c;
    return ERR_OK;
}

/* What the copy is called is told by its request; its bytes are the source's. */
static enum err sr_copy(struct replica *r, struct replica_call **out, const struct replica_copy *copy,
                        const struct replica_put_events *events, void *ctx)
{
    struct replica_call *c;

    *out = NULL;
    if (sim_call_refused(of(r)))
        return ERR_REFUSED;
    assert(!copy->upload_id.len && replica_shares_backend(r, copy->source));
    c = sim_call_new(r, CALL_COPY, sim_key_number(copy->key), ctx);
    c->put_events = *events;
    c->open = true;
    c->source = sim_key_number(copy->source_key);
    c->object = (struct sim_object){.exists = true, .stamped = copy->stamped, .stamp = copy->stamp};
    c->object.content = content_named(of(r)->store, copy->headers, copy->header_count);
    snprintf(c->if_match, sizeof(c->if_match), "%s", copy->source_etag);
    sim_put_opens(c);
    sim_after(sim_of(c), &c->event, sim_between(sim_of(c), 0, 8));
    *out = c;
    return ERR_OK;
}

static void on_event(struct sim_event *e)
{
    struct replica_call *c = LIST_ENTRY(e, struct replica_call, event);

    if (c->left) { /* the store has prepared the answer */
        sim_call_done(c);
        return;
    }
    if (c->replica->store->down) {
        if (c->replica->store->silent)
            c->stalled = true;
        else
            sim_call_break(c, c->offset ? ERR_RESET : ERR_REFUSED);
        return;
    }
    if (is_writing(c->kind))
        put_flow(c);
    else
        sim_read_event(c);
}

/* Once given up, what has not left never will. What has left may get lost on the way. */
static enum replica_result sr_abandon(struct replica_call *c)
{
    enum replica_result result = c->left ? REPLICA_UNRESOLVED : REPLICA_MISSED;
    struct sim *s = sim_of(c);
    struct arrival *a = c->arrival;

    assert(!c->over);
    if (is_writing(c->kind))
        sim_trace(s, "%s k%u %s given up%s", c->replica->store->name, c->key, call_name(c),
                  c->left ? ", past its barrier" : "");
    if (s->breakage == BREAK_TORN_BODY && c->kind == CALL_PUT && !c->request.what && !c->open &&
        !c->replica->dead)
        sim_store_send(c->replica->store, c);
    call_detach(c);
    if (a && sim_fault(s))
        sim_arrival_lose(a);
    health_forget(&c->replica->health);
    sim_call_free(c);
    return result;
}

static const struct replica_ops ops = {
    .put = sr_put,
    .put_more = sr_put_more,
    .put_open = sr_put_open,
    .del = sr_delete,
    .copy = sr_copy,
    .head = sim_head_start,
    .get = sim_get_start,
    .get_read = sim_get_read,
    .list = sim_list_start,
    .bucket = sim_bucket_start,
    .create = sim_create_start,
    .complete = sim_complete_start,
    .abort = sim_abort_start,
    .uploads = sim_uploads_start,
    .abandon = sr_abandon,
};

/* --- the life of a process --- */

void sim_replica_init(struct sim_replica *r, struct sim_store *st, struct clock *clock)
{
    *r = (struct sim_replica){.sim = st->sim, .store = st};
    health_init(&r->health, clock, st->name, PROBE_MS);
    r->replica = (struct replica){.ops = &ops, .name = st->name, .health = &r->health};
    list_init(&r->calls);
    health_probe_by(&r->health, &r->replica);
}

void sim_replica_fini(struct sim_replica *r)
{
    assert(list_empty(&r->calls));
    health_fini(&r->health);
}

/* Every call loses its place in time; its owner hears of it in the drain. */
void sim_replica_die(struct sim_replica *r)
{
    r->health.on_change = NULL;
    for (struct list *l = r->calls.next; l != &r->calls; l = l->next) {
        struct replica_call *c = LIST_ENTRY(l, struct replica_call, node);

        sim_cancel(r->sim, &c->event);
        if (c->arrival) {
            c->arrival->call = NULL;
            if (sim_chance(r->sim, 300))
                sim_arrival_lose(c->arrival);
        }
        c->arrival = NULL;
    }
    r->dead = true;
}

bool sim_replica_drain(struct sim_replica *r)
{
    bool any = !list_empty(&r->calls);

    while (!list_empty(&r->calls))
        sim_call_break(LIST_ENTRY(r->calls.next, struct replica_call, node), ERR_RESET);
    return any;
}

bool sim_replica_writes(const struct sim_replica *r, uint32_t key)
{
    for (const struct list *l = r->calls.next; l != &r->calls; l = l->next) {
        const struct replica_call *c = LIST_ENTRY(l, const struct replica_call, node);

        if (c->key == key && is_writing(c->kind))
            return true;
    }
    return false;
}

void sim_replica_break_calls(struct sim_replica *r)
{
    for (struct list *l = r->calls.next; l != &r->calls; l = l->next) {
        struct replica_call *c = LIST_ENTRY(l, struct replica_call, node);

        if (r->store->silent) {
            sim_cancel(r->sim, &c->event);
            c->stalled = true;
            continue;
        }
        if (c->left)
            c->answer = (struct replica_answer){.result = REPLICA_UNRESOLVED, .error = ERR_RESET};
        sim_after(r->sim, &c->event, sim_between(r->sim, 0, 5));
    }
}
