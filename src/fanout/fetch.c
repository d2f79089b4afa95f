/* One read.
 *
 *   ROWS --> ASK --(head)--> BODY --> OVER
 *    |        ^ |               |
 *    |        | `--(no answer)--'  the next candidate; in mid-body with Range and If-Match
 *    `--(clean key: no journal read)
 *
 * ROWS waits for the journal, only when it cannot say at once that the key has no row with a stored set. ASK waits
 * for a replica's head, first_byte_ms at most. BODY waits for the replica's bytes when the reader wants some, stall_ms
 * at most, or for the reader. A candidate is asked once; when none is left the read fails.
 *
 * The fetch owns its replica call; the owner owns the fetch and may free it at any time. */
#include "fanout/fetch.h"

#include "base/count.h"
#include "base/log.h"
#include "fanout/fetch_answer.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum fetch_state { FETCH_ROWS, FETCH_ASK, FETCH_BODY, FETCH_OVER };

enum { RESUME_HEADERS = 2 };

struct fetch {
    struct env *env;
    const struct fetch_events *events; /* NULL: freed, but the journal still has to answer */
    void *ctx;
    struct fetch_spec spec;
    struct replica_set set;
    enum fetch_state state;
    uint32_t candidates; /* that may be asked yet */
    struct replica *replica;
    struct replica_call *call;
    bool head_given;
    enum err failure;             /* BODY: it cannot be completed */
    struct replica_object object; /* this and the next two: once the head is given */
    struct fetch_answer answer;
    uint64_t delivered; /* bytes of the body */
    struct timer timer; /* ASK, BODY: the replica's time; ROWS: the first step */
    struct journal_read read;
    struct http_header resume[RESUME_HEADERS];
    char range[64];
    char key[]; /* spec.key's bytes: a journal request may outlive the owner's */
};

static void ask_next(struct fetch *f);

static void fetch_over(struct fetch *f, enum err why)
{
    const struct fetch_events *events = f->events;

    f->state = FETCH_OVER;
    f->failure = why;
    clock_stop(f->env->clock, &f->timer);
    if (f->head_given)
        events->body(f->ctx); /* fetch_read tells */
    else
        events->failed(f->ctx, why);
}

/* Those to draw from: the usable ones, and of these whose ETag is what the others' would be, so that a client that
 * reads twice sees one; where there are none, any. */
static uint32_t pool_of(const struct fetch *f)
{
    uint32_t usable = 0, alike = 0;

    for (uint32_t i = 0; i < REPLICAS_MAX; i++) {
        if (!(f->candidates & 1u << i) || !replica_usable(f->set.by_slot[i]))
            continue;
        usable |= 1u << i;
        if (replica_etag_is_md5(f->set.by_slot[i]))
            alike |= 1u << i;
    }
    if (alike)
        return alike;
    return usable ? usable : f->candidates;
}

/* Of two candidates drawn at random the one expected to answer sooner; those behind an open breaker come last. */
static struct replica *choose(struct fetch *f, uint32_t *slot)
{
    uint32_t pool = pool_of(f), drawn[2];

    if (!pool)
        return NULL;
    for (int d = 0; d < 2; d++) {
        uint64_t skip = random_below(f->env->random, (uint64_t)__builtin_popcount(pool));
        uint32_t rest = pool;

        while (skip--)
            rest &= rest - 1;
        drawn[d] = (uint32_t)__builtin_ctz(rest);
    }
    *slot = drawn[0];
    if (drawn[1] != drawn[0] && f->set.by_slot[drawn[0]]->health && f->set.by_slot[drawn[1]]->health &&
        health_cost(f->set.by_slot[drawn[1]]->health) < health_cost(f->set.by_slot[drawn[0]]->health))
        *slot = drawn[1];
    return f->set.by_slot[*slot];
}

static void on_late(struct timer *t)
{
    struct fetch *f = LIST_ENTRY(t, struct fetch, timer);

    if (f->state == FETCH_ROWS) { /* the first step of a clean key */
        ask_next(f);
        return;
    }
    log_warn("read_stalled", LOG_STR("backend", f->replica->name), LOG_SPAN("key", f->spec.key.key),
             LOG_U64("delivered_bytes", f->delivered));
    replica_call_abandon(f->replica, f->call);
    f->call = NULL;
    if (f->replica->health)
        health_stalled(f->replica->health);
    ask_next(f);
}

/* Its answer is not one to what was asked. */
static void refuse(struct fetch *f, const struct http_head *head)
{
    log_info("read_failover", LOG_STR("backend", f->replica->name), LOG_SPAN("key", f->spec.key.key),
             LOG_U64("status", head->status), LOG_U64("delivered_bytes", f->delivered));
    replica_call_abandon(f->replica, f->call);
    f->call = NULL;
    ask_next(f);
}

/* The first bytes have their time as well, before the reader has asked for any. */
static void expect_body(struct fetch *f, const struct http_head *head)
{
    f->state = FETCH_BODY;
    if (!f->spec.head_only && !(head->has_length && head->length == 0))
        clock_start(f->env->clock, &f->timer, f->env->terms.stall_ms);
}

static void on_head(void *ctx, const struct http_head *head, const struct replica_object *object)
{
    struct fetch *f = ctx;
    bool fits = f->head_given ? fetch_answer_continues(&f->answer, &f->object, f->answer.first + f->delivered,
                                                       head, object)
                : f->spec.part_number
                    ? fetch_answer_read_part(&f->answer, head, object)
                    : fetch_answer_read(&f->answer, f->spec.headers, f->spec.header_count, head, object);

    clock_stop(f->env->clock, &f->timer);
    if (!fits) {
        refuse(f, head);
        return;
    }
    expect_body(f, head);
    if (f->head_given) {
        COUNT_ADD(f->env->counters.read_resumes, 1);
        return;
    }
    f->head_given = true;
    f->object = *object;
    if (!object->exists)
        f->candidates = 0; /* nobody goes on where the document of a 404 breaks off */
    f->events->head(f->ctx, f->answer.status, head, object, f->replica);
}

static void on_body(void *ctx)
{
    struct fetch *f = ctx;

    clock_stop(f->env->clock, &f->timer);
    if (f->state == FETCH_BODY)
        f->events->body(f->ctx);
}

static void on_done(void *ctx, enum err e)
{
    struct fetch *f = ctx;

    f->call = NULL;
    clock_stop(f->env->clock, &f->timer);
    if (f->state == FETCH_OVER)
        return;
    if (e == ERR_OK) {
        f->state = FETCH_OVER;
        f->failure = ERR_EOF;
        return;
    }
    log_info("read_failover", LOG_STR("backend", f->replica->name), LOG_SPAN("key", f->spec.key.key),
             LOG_STR("cause", err_text(e)), LOG_U64("delivered_bytes", f->delivered));
    ask_next(f);
}

static void on_tags(void *ctx, enum err e, unsigned status, struct span tags)
{
    struct fetch *f = ctx;

    f->call = NULL;
    clock_stop(f->env->clock, &f->timer);
    if (e == ERR_OK || e == ERR_NOT_FOUND) {
        f->state = FETCH_OVER;
        if (e == ERR_OK)
            f->events->tags(f->ctx, tags);
        else
            f->events->failed(f->ctx, e);
        return;
    }
    log_info("read_failover", LOG_STR("backend", f->replica->name), LOG_SPAN("key", f->spec.key.key),
             LOG_STR("cause", err_text(e)), LOG_U64("status", status));
    ask_next(f);
}

static const struct replica_tags_events tags_events = {.done = on_tags};
static const struct replica_get_events get_events = {.head = on_head, .body = on_body, .done = on_done};

/* What the client sent; to resume, its Range and conditions give way to ours. */
static void ask_headers(struct fetch *f, struct replica_get *get)
{
    get->headers = f->spec.headers;
    get->header_count = f->spec.header_count;
    if (!f->head_given)
        return;
    snprintf(f->range, sizeof(f->range), "bytes=%" PRIu64 "-%" PRIu64, f->answer.first + f->delivered,
             f->answer.last);
    f->resume[0] = (struct http_header){SPAN("range"), span_of(f->range)};
    f->resume[1] = (struct http_header){SPAN("if-match"), span_of(f->object.etag)};
    get->headers = f->resume;
    get->header_count = RESUME_HEADERS;
}

static enum err ask(struct fetch *f, const struct replica_get *get)
{
    if (f->spec.tags)
        return replica_tags_start(f->replica, &f->call, f->spec.key.key, &tags_events, f);
    return replica_get_start(f->replica, &f->call, get, &get_events, f);
}

static void ask_next(struct fetch *f)
{
    struct replica_get get = {.key = f->spec.key.key,
                              .head_only = f->spec.head_only,
                              .checksum_mode = f->spec.checksum_mode && !f->head_given,
                              .part_number = f->head_given ? 0 : f->spec.part_number};
    bool first = f->state == FETCH_ROWS;
    uint32_t slot;

    assert(!f->call);
    f->state = FETCH_ASK;
    ask_headers(f, &get);
    while ((f->replica = choose(f, &slot)) != NULL) {
        f->candidates &= ~(1u << slot);
        if (!first)
            COUNT_ADD(f->env->counters.read_failovers, 1);
        first = false;
        if (ask(f, &get) == ERR_OK) {
            clock_start(f->env->clock, &f->timer, f->env->terms.first_byte_ms);
            return;
        }
        f->call = NULL;
    }
    fetch_over(f, ERR_UNAVAILABLE);
}

/* Strict: a replica of the newest row's stored set, whatever it shows (PROTOCOL, strict read). Rows that only replicas
 * stored which are no longer the bucket's do not count, as in repair's plan: nobody has their content. */
static void on_rows(struct journal_request *r, enum err e)
{
    struct fetch *f = LIST_ENTRY(r, struct fetch, read.request);
    const struct row *newest = e == ERR_OK ? key_view_newest_stored(&f->read.view, f->candidates) : NULL;

    if (newest)
        f->candidates &= newest->stored;
    key_view_fini(&f->read.view);
    if (!f->events) {
        free(f);
        return;
    }
    f->read.request.done = NULL;
    if (e != ERR_OK)
        fetch_over(f, ERR_UNAVAILABLE);
    else
        ask_next(f);
}

enum err fetch_open(struct fetch **out, struct env *env, const struct fetch_spec *spec,
                    const struct fetch_events *events, void *ctx)
{
    struct fetch *f = calloc(1, sizeof(*f) + spec->key.key.len);

    *out = f;
    if (!f)
        return ERR_NOMEM;
    f->env = env;
    f->events = events;
    f->ctx = ctx;
    f->spec = *spec;
    memcpy(f->key, spec->key.key.at, spec->key.key.len);
    f->spec.key.key.at = f->key;
    f->set = *spec->replicas;
    for (uint32_t i = 0; i < REPLICAS_MAX; i++)
        if (f->set.mask & 1u << i && f->set.by_slot[i])
            f->candidates |= 1u << i;
    timer_init(&f->timer, on_late);
    key_view_init(&f->read.view);
    COUNT_ADD(env->counters.reads, 1);
    if (env->journal->ops->maybe(env->journal, spec->key, JOURNAL_ANY_STORED_ROW, NULL)) {
        f->read.key = f->spec.key;
        f->read.request.done = on_rows;
        env->journal->ops->read(env->journal, &f->read);
    } else {
        clock_start(env->clock, &f->timer, 0);
    }
    return ERR_OK;
}

enum err fetch_read(struct fetch *f, void *at, size_t room, size_t *got)
{
    enum err e;

    if (f->state == FETCH_OVER)
        return f->failure;
    if (f->state != FETCH_BODY || !f->call)
        return ERR_AGAIN;
    e = replica_get_read(f->replica, f->call, at, room, got);
    if (e == ERR_OK) {
        f->delivered += *got;
        return ERR_OK;
    }
    if (e == ERR_AGAIN) {
        clock_start(f->env->clock, &f->timer, f->env->terms.stall_ms);
        return ERR_AGAIN;
    }
    if (e == ERR_EOF) {
        f->state = FETCH_OVER;
        f->failure = ERR_EOF;
        return ERR_EOF;
    }
    return ERR_AGAIN; /* it broke: on_done goes on with another replica */
}

void fetch_free(struct fetch *f)
{
    if (!f)
        return;
    clock_stop(f->env->clock, &f->timer);
    if (f->call)
        replica_call_abandon(f->replica, f->call);
    f->events = NULL;
    if (f->read.request.done) /* the journal has it: on_rows frees */
        return;
    free(f);
}
