/* Multipart uploads on the backends. Their requests leave and arrive as all others do (sim_store.c), so that a create, a
 * part, a complete and an abort may each be late, lost, or carried out without an answer. A complete is refused unless
 * every part it lists is there under the listed ETag, as real servers do it. */
#include "s3/multipart.h"
#include "sim_store.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

static struct sim_upload *find(struct sim_store *st, uint32_t id)
{
    for (size_t i = 0; id && i < SIM_UPLOADS_MAX; i++)
        if (st->uploads[i].id == id)
            return &st->uploads[i];
    return NULL;
}

bool sim_uploads_left(const struct sim_store *st)
{
    for (size_t i = 0; i < SIM_UPLOADS_MAX; i++)
        if (st->uploads[i].id)
            return true;
    return false;
}

/* ---- what becomes of a request that has arrived ---- */

static unsigned create(struct sim_store *st, struct arrival *a)
{
    size_t i = 0;

    while (i < SIM_UPLOADS_MAX && st->uploads[i].id)
        i++;
    assert(i < SIM_UPLOADS_MAX);
    a->request.upload = ++st->last_upload;
    st->uploads[i] = (struct sim_upload){
        .id = a->request.upload, .key = a->key, .initiated_ms = st->sim->now_ms, .object = a->object};
    sim_trace(st->sim, "%s k%u upload u%u begins", st->name, a->key, a->request.upload);
    return 200;
}

static unsigned take_part(struct sim_store *st, struct arrival *a)
{
    struct sim_upload *u = find(st, a->request.upload);
    char *etag = a->request.etags[a->request.part];

    if (!u)
        return 404;
    if (st->sim->damage && sim_fault(st->sim))
        etag[1] = etag[1] == 'd' ? 'e' : 'd';
    memcpy(u->etags[a->request.part], etag, CONTENT_ETAG_CHARS);
    sim_trace(st->sim, "%s k%u upload u%u has part %u", st->name, a->key, u->id, a->request.part);
    return 200;
}

static unsigned complete(struct sim_store *st, struct arrival *a)
{
    struct sim_upload *u = find(st, a->request.upload);
    struct sim_object *o = &st->objects[a->key];

    if (!u) /* completed before? the object tells by its stamp */
        return o->exists && o->stamped && stamp_eq(&o->stamp, &a->request.stamp) ? 200 : 404;
    for (uint32_t n = 1; n <= SIM_PARTS_MAX; n++)
        if (a->request.etags[n][0] && strcmp(a->request.etags[n], u->etags[n]) != 0)
            return 400;
    *o = u->object;
    o->modified_s = st->sim->now_ms / 1000;
    u->id = 0;
    sim_trace(st->sim, "%s k%u shows %s, from an upload%s", st->name, a->key, o->content->header,
              a->call ? "" : " (nobody waits)");
    st->landed(st->ctx, st, a->key);
    return 200;
}

static unsigned end(struct sim_store *st, struct arrival *a)
{
    struct sim_upload *u = find(st, a->request.upload);

    if (u)
        u->id = 0;
    sim_trace(st->sim, "%s k%u upload u%u is aborted", st->name, a->key, a->request.upload);
    return u ? 204 : 404;
}

unsigned sim_upload_arrive(struct arrival *a)
{
    switch (a->request.what) {
    case UPLOAD_CREATE: return create(a->store, a);
    case UPLOAD_TAKE_PART: return take_part(a->store, a);
    case UPLOAD_COMPLETE: return complete(a->store, a);
    default: return end(a->store, a);
    }
}

void sim_upload_answer(struct replica_call *c, const struct arrival *a, unsigned status)
{
    struct replica_answer *answer = &c->answer;

    *answer =
        (struct replica_answer){.status = status, .result = status < 300 ? REPLICA_STORED : REPLICA_MISSED};
    if (a->request.what == UPLOAD_ABORT)
        answer->result = REPLICA_STORED;
    if (status >= 400)
        snprintf(answer->code, sizeof(answer->code), "%s", status == 404 ? "NoSuchUpload" : "InvalidPart");
    else if (a->request.what == UPLOAD_TAKE_PART)
        snprintf(answer->etag, sizeof(answer->etag), "%s", a->request.etags[a->request.part]);
    else if (a->request.what == UPLOAD_COMPLETE)
        snprintf(answer->etag, sizeof(answer->etag), "%s", sim_object_etag(&a->store->objects[a->key]));
    c->request.upload = a->request.upload;
}

/* ---- the sending side ---- */

static uint32_t id_of(struct span text)
{
    uint64_t id = 0;

    assert(text.len > 1 && text.at[0] == 'u' && span_to_u64(span_skip(text, 1), &id));
    return (uint32_t)id;
}

static struct replica_call *start(struct replica *r, struct replica_call **out, enum call_kind kind,
                                  struct span key, void *ctx)
{
    *out = NULL;
    if (sim_call_refused(of(r)))
        return NULL;
    *out = sim_call_new(r, kind, sim_key_number(key), ctx);
    (*out)->open = true;
    sim_after(sim_of(*out), &(*out)->event, sim_between(sim_of(*out), 0, 8));
    return *out;
}

enum err sim_create_start(struct replica *r, struct replica_call **out, const struct replica_create *create,
                          const struct replica_create_events *events, void *ctx)
{
    struct replica_call *c = start(r, out, CALL_CREATE, create->key, ctx);
    uint64_t id;

    if (!c)
        return ERR_REFUSED;
    c->create_events = *events;
    c->request.what = UPLOAD_CREATE;
    c->object = (struct sim_object){
        .exists = true, .stamped = create->stamped, .stamp = create->stamp, .uploaded = true};
    for (size_t i = 0; i < create->header_count; i++)
        if (span_ieq(create->headers[i].name, SPAN(CONTENT_HEADER)) &&
            span_to_u64(create->headers[i].value, &id))
            c->object.content = of(r)->store->content(of(r)->store->ctx, (uint32_t)id);
    assert(c->object.content);
    return ERR_OK;
}

static bool on_listed(void *ctx, const struct s3_listed_part *part)
{
    struct replica_call *c = ctx;

    assert(part->number <= SIM_PARTS_MAX);
    snprintf(c->request.etags[part->number], CONTENT_ETAG_CHARS, "\"%.*s\"", SPAN_ARG(part->etag));
    return true;
}

enum err sim_complete_start(struct replica *r, struct replica_call **out,
                            const struct replica_complete *complete, const struct replica_put_events *events,
                            void *ctx)
{
    struct replica_call *c = start(r, out, CALL_COMPLETE, complete->key, ctx);
    struct s3_complete_reader reader = {.part = on_listed, .ctx = c};
    enum err e;

    if (!c)
        return ERR_REFUSED;
    c->put_events = *events;
    c->request.what = UPLOAD_COMPLETE;
    c->request.upload = id_of(complete->upload_id);
    c->request.stamp = complete->stamp;
    c->object =
        (struct sim_object){.exists = true, .stamped = true, .stamp = complete->stamp, .uploaded = true};
    e = s3_complete_begin(&reader);
    assert(e == ERR_OK);
    e = s3_complete_feed(&reader, complete->document);
    assert(e == ERR_OK);
    e = s3_complete_end(&reader);
    assert(e == ERR_OK);
    sim_put_opens(c);
    return ERR_OK;
}

enum err sim_abort_start(struct replica *r, struct replica_call **out, struct span key, struct span upload_id,
                         const struct replica_put_events *events, void *ctx)
{
    struct replica_call *c = start(r, out, CALL_ABORT, key, ctx);

    if (!c)
        return ERR_REFUSED;
    c->put_events = *events;
    c->request.what = UPLOAD_ABORT;
    c->request.upload = id_of(upload_id);
    return ERR_OK;
}

void sim_create_done(struct replica_call *c)
{
    char text[16];

    snprintf(text, sizeof(text), "u%u", c->request.upload);
    c->create_events.done(c->ctx, &c->answer,
                          c->answer.result == REPLICA_STORED ? span_of(text) : SPAN_EMPTY);
}

/* ---- the list ---- */

enum err sim_uploads_start(struct replica *r, struct replica_call **out, struct span after_key,
                           struct span after_id, const struct replica_uploads_events *events, void *ctx)
{
    struct replica_call *c = start(r, out, CALL_UPLOADS, sim_key_name(0), ctx);

    if (!c)
        return ERR_REFUSED;
    c->uploads_events = *events;
    return ERR_OK;
}

void sim_uploads_answer(struct replica_call *c)
{
    const struct sim_store *st = c->replica->store;

    c->inside++;
    for (size_t i = 0; i < SIM_UPLOADS_MAX && !c->over; i++) {
        struct replica_upload u = {.key = sim_key_name(st->uploads[i].key),
                                   .initiated_unix_ms = SIM_UNIX_MS + st->uploads[i].initiated_ms};
        char text[16];

        snprintf(text, sizeof(text), "u%u", st->uploads[i].id);
        u.id = span_of(text);
        if (st->uploads[i].id)
            c->uploads_events.entry(c->ctx, &u);
    }
    c->inside--;
    if (c->over) {
        sim_call_free(c);
        return;
    }
    c->answer.status = 200;
    sim_call_done(c);
}

void sim_uploads_done(struct replica_call *c)
{
    const struct replica_uploads_end end = {
        .error = c->answer.error, .status = c->answer.status, .next_key = SPAN_EMPTY, .next_id = SPAN_EMPTY};

    c->uploads_events.done(c->ctx, &end);
}
