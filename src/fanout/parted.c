/* The story of one:
 *
 *   CREATE   the upload, on all replicas and in the journal (fanout/upload_create.c)
 *   FILL     parts: one is filled, up to `concurrency` before it wait for their replicas
 *   FINISH   the Complete (fanout/upload_complete.c): its write is the owner's to verify
 *   ABORT    when anything failed, or the owner left: parts under way end, and what is there is cleared away; that is
 *            tried until the journal has it
 *
 *   CREATE --> FILL --> FINISH --> over
 *      `---------`---------`-----> ABORT --> over
 *
 * Who waits for whom: the body for room in its part, a part for a place among `concurrency` and for a chunk of the body
 * budget, the Complete for the verdicts of all parts and for the owner's word that the body is good.
 *
 * What goes wrong: a part that too few replicas take ends it all, 503. A replica that misses a part has no part in the later
 * ones; the object will be repaired there. The gateway dies: its next start finds the upload in the journal, as its own, and
 * aborts it (journal.h: `own`); what it created on replicas before the journal had it is a stray for the janitor.
 *
 * Ownership: it owns itself from parted_open on and is freed when it is over; the owner's pointer ends with the verdict or
 * with parted_leave. The steps it consists of count in env->writes_open, and so does it. */
#include "fanout/parted.h"

#include "base/count.h"
#include "base/log.h"
#include "s3/digest.h"

#include <assert.h>
#include <stdlib.h>

enum { ROOM_AGAIN_MS = 50, ABORT_AGAIN_MS = 1000, PART_TRIES = 3, MIB = 1024 * 1024 };

enum parted_state { PARTED_CREATE, PARTED_FILL, PARTED_FINISH, PARTED_ABORT };

/* A part under way. */
struct part_slot {
    struct parted *parted;
    struct write *write; /* NULL: the slot is free */
    uint32_t number;
};

struct parted {
    struct env *env;
    const struct parted_events *events; /* NULL: the owner has left, or has its verdict */
    void *ctx;
    enum parted_state state;
    struct replica_set set;
    struct ack_policy ack;
    struct journal_key key;
    uint64_t body_bytes, part_bytes;
    enum s3_checksum checksum;
    uint8_t checksum_value[SHA256_BYTES];

    /* Once it is created: its id, those of the replicas, and in `dropped` those that missed a part. */
    struct upload *upload;
    struct chunk *ticket; /* until the first part: no body begins when the budget is spent */

    uint64_t offset;          /* bytes filled */
    struct part_slot *filled; /* the part that takes bytes now */
    const char *at;           /* where the next ones go */
    struct s3_digest digest;  /* of that part */
    uint32_t last_number, under_way;
    bool wants_room, ended;
    struct upload_list list;

    struct upload_complete *complete;
    struct timer timer; /* room; a verdict that may not be told inside a call; another try of the abort */
    struct write_verdict verdict;
    bool failed;

    uint32_t slot_count;
    struct part_slot slots[]; /* and the key behind them */
};

uint64_t parted_part_bytes(uint64_t body_bytes, uint64_t wanted, const struct replica_set *replicas)
{
    uint64_t bytes = wanted > S3_PART_BYTES_MIN ? wanted : S3_PART_BYTES_MIN, parts = S3_PART_NUMBER_MAX;

    for (uint32_t slot = 0; slot < REPLICAS_MAX; slot++) {
        const struct replica *r = replicas->mask & 1u << slot ? replicas->by_slot[slot] : NULL;

        if (r && r->can && r->can->min_part > bytes)
            bytes = r->can->min_part;
        if (r && r->can && r->can->max_parts && r->can->max_parts < parts)
            parts = r->can->max_parts;
    }
    if (body_bytes / bytes >= parts)
        bytes = (body_bytes + parts - 1) / parts;
    return (bytes + MIB - 1) / MIB * MIB;
}

/* ---- its end ---- */

static void clear_away(struct parted *p);

static void parted_free(struct parted *p)
{
    clock_stop(p->env->clock, &p->timer);
    if (p->ticket)
        chunk_give(p->env->budget, p->ticket);
    upload_list_fini(&p->list);
    free(p->upload);
    COUNT_ADD(p->env->writes_open, -1);
    free(p);
}

static void on_aborted(void *ctx, enum err e)
{
    struct parted *p = ctx;

    if (e == ERR_OK || e == ERR_NOT_FOUND) {
        parted_free(p);
        return;
    }
    log_warn("upload_not_aborted", LOG_SPAN("key", p->key.key), LOG_STR("cause", err_text(e)));
    clock_start(p->env->clock, &p->timer, ABORT_AGAIN_MS);
}

static void clear_away(struct parted *p)
{
    struct upload_abort *a;

    if (upload_abort_known(&a, p->env, p->upload, UPLOAD_IN(UPLOAD_OPEN), &p->set, on_aborted, p) != ERR_OK)
        clock_start(p->env->clock, &p->timer, ABORT_AGAIN_MS);
}

/* After the parts that are on their way: a replica that gets one behind the abort might keep it. */
static void begin_abort(struct parted *p)
{
    p->state = PARTED_ABORT;
    if (!p->under_way)
        clear_away(p);
}

/* Those that are not verified never will be; the others come to their end. */
static void leave_parts(struct parted *p)
{
    p->filled = NULL;
    for (uint32_t i = 0; i < p->slot_count; i++) {
        struct part_slot *s = &p->slots[i];

        if (!s->write || write_is_verified(s->write))
            continue;
        write_leave(s->write);
        s->write = NULL;
        p->under_way--;
    }
}

static void tell(struct parted *p)
{
    const struct parted_events *events = p->events;

    p->events = NULL;
    if (events)
        events->verdict(p->ctx, &p->verdict);
}

/* The owner is told, and the upload is cleared away. Not from inside a call of the owner's. */
static void fail(struct parted *p, const struct write_verdict *v)
{
    p->verdict = *v;
    leave_parts(p);
    tell(p);
    begin_abort(p);
}

/* The same from inside one. */
static void fail_later(struct parted *p, enum err cause)
{
    p->verdict = (struct write_verdict){.result = ERR_UNAVAILABLE, .cause = cause};
    p->failed = true;
    clock_start(p->env->clock, &p->timer, 0);
}

/* ---- the Complete ---- */

static void on_completed(void *ctx, const struct upload_completed *c)
{
    struct parted *p = ctx;

    p->complete = NULL;
    if (c->verdict) {
        p->verdict = *c->verdict;
    } else {
        p->verdict = (struct write_verdict){.result = ERR_UNAVAILABLE, .cause = ERR_UNAVAILABLE};
        if (p->events)
            log_error("parts_not_completed", LOG_SPAN("key", p->key.key),
                      LOG_STR("code", s3_error(c->code)->name), LOG_STR("why", c->message ? c->message : ""));
    }
    tell(p);
    if (c->code == S3_OK)
        parted_free(p);
    else
        begin_abort(p);
}

static void on_opened(void *ctx, struct write *w)
{
    struct parted *p = ctx;

    if (!p->events) {
        upload_complete_refuse(p->complete, S3_INTERNAL_ERROR, NULL);
        return;
    }
    p->events->opened(p->ctx, w);
}

static void on_held(void *ctx)
{
    struct parted *p = ctx;

    p->events->held(p->ctx);
}

static const struct upload_complete_events complete_events = {
    .opened = on_opened, .held = on_held, .done = on_completed};

static void finish(struct parted *p)
{
    struct upload_complete_spec spec = {
        .key = p->key,
        .replicas = &p->set,
        .ack = p->ack,
        .id = p->upload->id,
        .list = &p->list,
        .claims = {.object_bytes = p->body_bytes, .checksum = p->checksum},
    };

    upload_list_sort(&p->list);
    memcpy(spec.claims.checksum_value, p->checksum_value, sizeof(spec.claims.checksum_value));
    p->state = PARTED_FINISH;
    if (upload_complete_start(&p->complete, p->env, &spec, &complete_events, p) != ERR_OK) {
        p->state = PARTED_FILL;
        fail_later(p, ERR_NOMEM);
    }
}

static void finish_if_due(struct parted *p)
{
    if (p->state == PARTED_FILL && p->ended && !p->under_way && !p->failed)
        finish(p);
}

/* ---- parts ---- */

static void give_room(struct parted *p)
{
    if (!p->wants_room || !p->events)
        return;
    p->wants_room = false;
    p->events->drain(p->ctx);
}

static void on_drain(void *ctx)
{
    give_room(((struct part_slot *)ctx)->parted);
}

/* Who missed this part gets no more: it would not be asked to complete them. */
static void drop_hinted(struct parted *p, const struct write_verdict *v)
{
    for (uint32_t slot = 0; slot < REPLICAS_MAX; slot++)
        if (v->marks[slot] == WRITE_HINTED)
            p->upload->dropped |= 1u << slot;
}

static void on_part(void *ctx, const struct write_verdict *v)
{
    struct part_slot *s = ctx;
    struct parted *p = s->parted;
    struct span etag = span_of(v->etag);

    s->write = NULL;
    if (p->filled == s)
        p->filled = NULL;
    p->under_way--;
    if (p->state == PARTED_ABORT) {
        begin_abort(p);
        return;
    }
    if (v->result != ERR_OK) {
        fail(p, v);
        return;
    }
    drop_hinted(p, v);
    if (etag.len >= 2 && etag.at[0] == '"')
        etag = (struct span){etag.at + 1, etag.len - 2};
    upload_list_add(&p->list, &(struct s3_listed_part){.number = s->number, .etag = etag});
    give_room(p);
    finish_if_due(p);
}

static const struct write_events part_events = {.drain = on_drain, .verdict = on_part};

static struct part_slot *free_slot(struct parted *p)
{
    for (uint32_t i = 0; i < p->slot_count; i++)
        if (!p->slots[i].write)
            return &p->slots[i];
    return NULL;
}

static enum err open_part(struct parted *p)
{
    struct part_slot *s = free_slot(p);
    uint64_t left = p->body_bytes - p->offset;
    struct write_upload of = {.id = p->upload->id, .part_number = p->last_number + 1, .tries = PART_TRIES};
    struct write_spec spec = {.key = p->key,
                              .replicas = &p->set,
                              .ack = p->ack,
                              .kind = ROW_PUT,
                              .body_bytes = left < p->part_bytes ? left : p->part_bytes,
                              .checksum = p->checksum,
                              .upload = &of};
    enum err e;

    if (!s)
        return ERR_AGAIN;
    for (uint32_t slot = 0; slot < REPLICAS_MAX; slot++)
        if (!(p->upload->dropped & 1u << slot))
            of.ids[slot] = p->upload->ids[slot];
    if (p->ticket)
        chunk_give(p->env->budget, p->ticket);
    p->ticket = NULL;
    e = write_open(&s->write, p->env, &spec, &part_events, s);
    if (e != ERR_OK) {
        s->write = NULL;
        return e;
    }
    s->number = ++p->last_number;
    p->filled = s;
    p->under_way++;
    s3_digest_init(&p->digest, p->checksum);
    return ERR_OK;
}

/* Memory comes free when a part is over, or when others end theirs. */
static enum err begin_part(struct parted *p)
{
    enum err e = open_part(p);

    if (e == ERR_OK || e == ERR_AGAIN)
        return e;
    if (e != ERR_BUSY)
        fail_later(p, e);
    else if (!p->under_way)
        clock_start(p->env->clock, &p->timer, ROOM_AGAIN_MS);
    return ERR_AGAIN;
}

enum err parted_room(struct parted *p, struct iovec *out)
{
    enum err e = ERR_AGAIN;

    assert(p->offset < p->body_bytes && !p->ended);
    if (p->state == PARTED_FILL && !p->failed)
        e = p->filled ? ERR_OK : begin_part(p);
    if (e == ERR_OK)
        e = write_room(p->filled->write, out);
    if (e == ERR_OK)
        p->at = out->iov_base;
    p->wants_room = e == ERR_AGAIN;
    return e;
}

/* Its bytes are all there: it goes past its barrier, for nobody sees it. */
static void end_part(struct parted *p)
{
    struct write *w = p->filled->write;
    uint8_t value[SHA256_BYTES];

    p->filled = NULL;
    if (s3_digest_end(&p->digest, value))
        write_checksum(w, value);
    write_verified(w);
}

void parted_filled(struct parted *p, size_t bytes)
{
    struct write *w = p->filled->write;

    write_filled(w, bytes);
    s3_digest_add(&p->digest, p->at, bytes);
    p->offset += bytes;
    if (p->offset % p->part_bytes == 0 || p->offset == p->body_bytes)
        end_part(p);
}

void parted_end(struct parted *p, const uint8_t *checksum)
{
    assert(p->offset == p->body_bytes && !p->ended);
    p->ended = true;
    if (p->checksum)
        memcpy(p->checksum_value, checksum, s3_checksum_kind(p->checksum)->bytes);
    clock_start(p->env->clock, &p->timer, 0);
}

/* ---- the beginning ---- */

static bool keep_ids(struct parted *p, const struct upload_created *c)
{
    struct upload u = {.id = c->id, .key = p->key};

    memcpy(u.ids, c->ids, sizeof(u.ids));
    p->upload = upload_copy(&u);
    return p->upload != NULL;
}

static void on_created(void *ctx, const struct upload_created *c)
{
    struct parted *p = ctx;
    struct write_verdict v = {.result = ERR_UNAVAILABLE, .cause = c->result, .status = c->status};

    memcpy(v.code, c->code, sizeof(v.code));
    if (c->result == ERR_OK && !keep_ids(p, c))
        v.cause = ERR_NOMEM;
    if (v.cause != ERR_OK) { /* if the journal has it all the same, it expires */
        p->verdict = v;
        tell(p);
        parted_free(p);
        return;
    }
    p->state = PARTED_FILL;
    if (!p->events)
        begin_abort(p);
    else
        give_room(p);
}

static void on_timer(struct timer *t)
{
    struct parted *p = LIST_ENTRY(t, struct parted, timer);

    if (p->state == PARTED_ABORT) {
        clear_away(p);
    } else if (p->failed) {
        fail(p, &p->verdict);
    } else {
        give_room(p);
        finish_if_due(p);
    }
}

enum err parted_open(struct parted **out, struct env *env, const struct parted_spec *spec,
                     const struct parted_events *events, void *ctx)
{
    const uint32_t slots = spec->concurrency + 1;
    struct parted *p = calloc(1, sizeof(*p) + slots * sizeof(p->slots[0]) + spec->key.key.len);
    const struct upload_create_spec upload = {.key = spec->key,
                                              .replicas = spec->replicas,
                                              .ack = spec->ack,
                                              .headers = spec->headers,
                                              .header_count = spec->header_count,
                                              .checksum = spec->checksum,
                                              .full_object = spec->checksum != S3_CHECKSUM_NONE,
                                              .own = true};
    struct upload_create *create;
    enum err e = ERR_BUSY;

    assert(spec->concurrency && spec->concurrency <= PARTED_CONCURRENCY_MAX);
    *out = NULL;
    if (!p)
        return ERR_NOMEM;
    p->env = env;
    p->events = events;
    p->ctx = ctx;
    p->set = *spec->replicas;
    p->ack = spec->ack;
    p->body_bytes = spec->body_bytes;
    p->part_bytes = spec->part_bytes;
    p->checksum = spec->checksum;
    p->slot_count = slots;
    for (uint32_t i = 0; i < slots; i++)
        p->slots[i].parted = p;
    p->key = (struct journal_key){spec->key.bucket, {(char *)&p->slots[slots], spec->key.key.len}};
    span_put((char *)&p->slots[slots], spec->key.key);
    timer_init(&p->timer, on_timer);
    upload_list_init(&p->list, random_u64(env->random));
    COUNT_ADD(env->writes_open, 1);
    COUNT_ADD(env->counters.parted, 1);
    p->ticket = chunk_take(env->budget);
    if (p->ticket)
        e = upload_create_start(&create, env, &upload, on_created, p);
    if (e != ERR_OK)
        parted_free(p);
    else
        *out = p;
    return e;
}

void parted_leave(struct parted *p)
{
    p->events = NULL;
    if (p->state == PARTED_FILL) {
        clock_stop(p->env->clock, &p->timer);
        leave_parts(p);
        begin_abort(p);
    } else if (p->state == PARTED_FINISH && upload_complete_can_refuse(p->complete)) {
        upload_complete_refuse(p->complete, S3_INTERNAL_ERROR, NULL);
    }
}
