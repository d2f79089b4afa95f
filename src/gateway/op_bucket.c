/* CreateBucket and DeleteBucket.
 *
 * The journal's catalogue says which buckets there are; the backends follow it.
 *   create: on every backend that can be reached, at least one must take it; then the catalogue. A backend that was
 *           away gets its bucket from repair.
 *   delete: every replica must be reached and be empty; out of the catalogue; then on every backend. An empty bucket
 *           that a backend keeps because it broke off at the end is logged and harms nobody.
 *
 * A fan is one round of the same call to all replicas of a bucket; it ends when all have answered or are given up. */
#include "base/log.h"
#include "gateway/gateway_private.h"
#include "s3/document.h"

#include <assert.h>
#include <stdlib.h>

enum { BODY_MAX = 64 * 1024, REMOVE_TRIES = 40, REMOVE_WAIT_MS = 50 };

struct fan_leg {
    struct bucket_fan *fan;
    struct replica *replica;
    struct replica_call *call;
    struct replica_answer answer;
};

/* Outlives its exchange when the client goes: a journal request may be under way. */
struct bucket_fan {
    struct exchange *x; /* NULL: the client has gone */
    struct env *env;
    struct replica_set set;
    struct fan_leg legs[REPLICAS_MAX];
    uint32_t pending;
    struct timer timer; /* the round's time; the next try of the catalogue */
    bool waiting;       /* the timer is the catalogue's */
    unsigned tries;
    bool journal_busy;
    struct journal_bucket_write write;
    void (*round_over)(struct bucket_fan *f);
};

static void fan_free(struct bucket_fan *f)
{
    clock_stop(f->env->clock, &f->timer);
    for (uint32_t slot = 0; slot < REPLICAS_MAX; slot++)
        if (f->legs[slot].call)
            replica_call_abandon(f->legs[slot].replica, f->legs[slot].call);
    memset(f->legs, 0, sizeof(f->legs));
    if (f->x)
        f->x->fan = NULL;
    f->x = NULL;
    if (!f->journal_busy)
        free(f);
}

static void end_fan(struct exchange *x)
{
    if (x->fan)
        fan_free(x->fan);
}

static void on_answer(void *ctx, const struct replica_answer *answer)
{
    struct fan_leg *leg = ctx;
    struct bucket_fan *f = leg->fan;

    leg->answer = *answer;
    leg->call = NULL;
    if (--f->pending == 0) {
        clock_stop(f->env->clock, &f->timer);
        f->round_over(f);
    }
}

static const struct replica_bucket_events bucket_events = {.done = on_answer};

static void put_catalogue(struct bucket_fan *f);

static void on_timer(struct timer *t)
{
    struct bucket_fan *f = LIST_ENTRY(t, struct bucket_fan, timer);

    if (f->waiting) {
        put_catalogue(f);
        return;
    }
    for (uint32_t slot = 0; slot < REPLICAS_MAX; slot++) {
        struct fan_leg *leg = &f->legs[slot];

        if (!leg->call)
            continue;
        replica_call_abandon(leg->replica, leg->call);
        leg->call = NULL;
        leg->answer = (struct replica_answer){.result = REPLICA_UNRESOLVED, .error = ERR_TIMEOUT};
        if (leg->replica->health)
            health_stalled(leg->replica->health);
    }
    f->pending = 0;
    f->round_over(f);
}

/* One round. Replicas behind an open breaker count as not asked. With none to ask the round is over on the loop's
 * next turn. */
static void ask_all(struct bucket_fan *f, enum replica_bucket_op op, void (*round_over)(struct bucket_fan *f))
{
    f->round_over = round_over;
    for (uint32_t slot = 0; slot < REPLICAS_MAX; slot++) {
        struct fan_leg *leg = &f->legs[slot];
        struct replica *r = f->set.by_slot[slot];

        *leg = (struct fan_leg){
            .fan = f, .replica = r, .answer = {.result = REPLICA_MISSED, .error = ERR_UNAVAILABLE}};
        if (!(f->set.mask & 1u << slot) || !r || !replica_usable(r))
            continue;
        if (replica_bucket_start(r, &leg->call, op, &bucket_events, leg) == ERR_OK)
            f->pending++;
        else
            leg->call = NULL;
    }
    clock_start(f->env->clock, &f->timer, f->pending ? f->env->terms.stall_ms : 0);
}

/* Replicas whose answer was this one. */
static uint32_t answered(const struct bucket_fan *f, enum replica_result result)
{
    uint32_t mask = 0;

    for (uint32_t slot = 0; slot < REPLICAS_MAX; slot++)
        if (f->set.mask & 1u << slot && f->legs[slot].answer.error == ERR_OK && f->legs[slot].answer.status &&
            f->legs[slot].answer.result == result)
            mask |= 1u << slot;
    return mask;
}

static struct bucket_fan *fan_open(struct exchange *x, const struct replica_set *set)
{
    struct bucket_fan *f = calloc(1, sizeof(*f));

    if (!f) {
        exchange_unavailable(x, ERR_NOMEM);
        return NULL;
    }
    f->x = x;
    f->env = x->gateway->options.env;
    f->set = *set;
    timer_init(&f->timer, on_timer);
    x->fan = f;
    return f;
}

/* ---- the catalogue ---- */

static void catalogue_done(struct bucket_fan *f, enum err e);

static void on_catalogue(struct journal_request *r, enum err e)
{
    struct bucket_fan *f = LIST_ENTRY(r, struct bucket_fan, write.request);

    f->journal_busy = false;
    if (!f->x) {
        free(f);
        return;
    }
    /* rows that are about to go (a delete that was answered just now) are waited for */
    if (e == ERR_EXISTS && f->write.remove && ++f->tries < REMOVE_TRIES) {
        f->waiting = true;
        clock_start(f->env->clock, &f->timer, REMOVE_WAIT_MS);
        return;
    }
    catalogue_done(f, e);
}

static void put_catalogue(struct bucket_fan *f)
{
    f->waiting = false;
    f->journal_busy = true;
    f->write.request.done = on_catalogue;
    f->env->journal->ops->bucket_write(f->env->journal, &f->write);
}

static void over_deleted(struct bucket_fan *f)
{
    struct exchange *x = f->x;

    if (answered(f, REPLICA_STORED) != f->set.mask)
        log_warn("bucket_left_behind", LOG_STR("bucket", f->write.bucket.name));
    fan_free(f);
    exchange_answer(x, 204, SPAN_EMPTY, SPAN_EMPTY);
}

static void answer_created(struct exchange *x)
{
    exchange_answer(x, 200, arena_printf(&x->arena, "Location: /%.*s\r\n", SPAN_ARG(x->request.bucket)),
                    SPAN_EMPTY);
}

static void catalogue_done(struct bucket_fan *f, enum err e)
{
    struct exchange *x = f->x;

    if (e == ERR_OK && f->write.remove) {
        ask_all(f, REPLICA_BUCKET_DELETE, over_deleted);
        return;
    }
    fan_free(f);
    if (e == ERR_EXISTS)
        exchange_error(x, S3_OPERATION_ABORTED,
                       "The bucket has writes under way or replicas that are still being repaired.");
    else if (e != ERR_OK)
        exchange_unavailable(x, e);
    else
        answer_created(x);
}

/* ---- create ---- */

static void over_created(struct bucket_fan *f)
{
    if (answered(f, REPLICA_STORED)) {
        put_catalogue(f);
        return;
    }
    exchange_error(f->x, S3_SERVICE_UNAVAILABLE, "No backend created the bucket.");
    fan_free(f);
}

/* Replica objects for a bucket that is not in the catalogue yet. */
static bool new_set(struct exchange *x, const struct bucket *b, struct replica_set *set)
{
    memset(set, 0, sizeof(*set));
    for (uint32_t slot = 0; slot < b->replica_count; slot++) {
        set->by_slot[slot] =
            catalog_replica(x->gateway->options.catalog, b->replicas[slot].backend, b->replicas[slot].remote);
        if (!set->by_slot[slot])
            return false;
        set->mask |= 1u << slot;
    }
    return set->mask != 0;
}

static void create(struct exchange *x, struct span body)
{
    const struct gateway_options *o = &x->gateway->options;
    struct span location = SPAN_EMPTY;
    struct replica_set set;
    struct bucket b = {.created_unix_ms = clock_unix_ms(o->env->clock)};
    struct bucket_fan *f;

    if (s3_create_bucket_parse(body, &x->arena, &location) != ERR_OK) {
        exchange_error(x, S3_MALFORMED_XML, NULL);
        return;
    }
    if (catalog_by_name(o->catalog, x->request.bucket)) {
        /* S3's oldest region never said so, and clients that make sure of their bucket count on it */
        if (span_is(o->region, "us-east-1"))
            answer_created(x);
        else
            exchange_error(x, S3_BUCKET_ALREADY_OWNED_BY_YOU, NULL);
        return;
    }
    memcpy(b.name, x->request.bucket.at,
           x->request.bucket.len); /* at most 63 characters: s3_bucket_name_valid */
    if (!o->default_replicas(o->ctx, x->request.bucket, &b)) {
        exchange_error(x, S3_ACCESS_DENIED,
                       "This gateway has no default replicas: its buckets are those of its configuration.");
        return;
    }
    if (!new_set(x, &b, &set)) {
        exchange_error(x, S3_INTERNAL_ERROR, "A default replica's backend is not configured.");
        return;
    }
    f = fan_open(x, &set);
    if (!f)
        return;
    f->write.bucket = b;
    ask_all(f, REPLICA_BUCKET_CREATE, over_created);
}

/* CreateBucket's document is small: it is read whole before anything is done. */
static void read_create_body(struct exchange *x)
{
    struct span document;

    if (!body_is_whole(&x->body) && body_document(x, BODY_MAX, S3_MALFORMED_XML, &document) == ERR_OK)
        create(x, document);
}

static void start_create(struct exchange *x)
{
    body_init(&x->body, x);
    read_create_body(x);
}

/* ---- delete ---- */

static void over_empty(struct bucket_fan *f)
{
    struct exchange *x = f->x;
    uint32_t empty = answered(f, REPLICA_STORED), full = 0;

    for (uint32_t slot = 0; slot < REPLICAS_MAX; slot++) {
        const struct replica_answer *a = &f->legs[slot].answer;

        if (a->status == 200 && a->result == REPLICA_MISSED)
            full |= 1u << slot;
        else if (a->status == 404 && strcmp(a->code, "NoSuchBucket") == 0) /* away when it was created */
            empty |= 1u << slot;
    }
    if (empty == f->set.mask) {
        put_catalogue(f);
        return;
    }
    fan_free(f);
    if (full)
        exchange_error(x, S3_BUCKET_NOT_EMPTY, NULL);
    else
        exchange_error(
            x, S3_SERVICE_UNAVAILABLE,
            "A bucket can be deleted only while all its replicas can be reached: one might not be empty.");
}

static void start_delete(struct exchange *x)
{
    struct bucket_fan *f;

    if (x->bucket->record.configured) {
        exchange_error(x, S3_ACCESS_DENIED, "This bucket is part of the gateway's configuration.");
        return;
    }
    f = fan_open(x, &x->bucket->set);
    if (!f)
        return;
    f->write.remove = true;
    f->write.bucket = x->bucket->record;
    ask_all(f, REPLICA_BUCKET_EMPTY, over_empty);
}

const struct operation operation_create_bucket = {
    .start = start_create, .body = read_create_body, .end = end_fan};
const struct operation operation_delete_bucket = {.start = start_delete, .end = end_fan};
