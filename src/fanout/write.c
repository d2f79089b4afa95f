/* One write, step by step. The story of a PUT on three replicas:
 *
 *   write_open      a chunk of the body budget, the stamp, the intent sent to the journal (D1, R1)
 *   write_filled    bytes go to the ring; bodies over one chunk leave at once, up to the barrier
 *   write_verified  the body has proved good
 *      (conditional: write_hold, the owner judges under the hold of the key, and only then write_verified)
 *      barrier      D1 durable, R1 read, body verified, lease valid, the key held (fanout/keyhold.h); then each leg
 *                   that is not held goes past it
 *      answers      stored, missed or unresolved, per leg
 *   verdict         quorum_decide; not stored on all: D2 first, and only then the client hears
 *   settled         no leg pending: R2 and the row goes, or the row becomes final, a hint
 *
 *   RUN --> RECORD --> LINGER --> CLOSE --> OVER        (something was missed)
 *   RUN -------------> LINGER --> CHECK --> OVER        (stored on all, nobody else writes this key)
 *
 * Who waits for whom: the client's body waits for room in the ring, the ring for its slowest live leg, a leg for
 * its replica, no longer than legs_watch allows. The barrier waits for the journal, and while a conditional write of the
 * same key is judged and done, for its verdict. The verdict waits for legs and D2. Nothing waits for the owner: it may leave at any time.
 *
 * What goes wrong: the journal fails before the barrier: every leg is dropped before it, 503. D2 fails: 503, and the
 * final row is tried until it is durable: until then the open row keeps repair away from a key whose state nobody
 * knows. The owner leaves before the body is verified: as if the write had never been.
 *
 * Ownership: a write owns itself from write_open on and frees itself in write_advance, when its state is OVER and no
 * request of its own is under way. The owner's pointer ends with the verdict or write_leave. */
#include "fanout/write_private.h"

#include "base/count.h"

#include <assert.h>
#include <stdlib.h>

enum { ARENA_BYTES = 64 * 1024, COMPLETE_BYTES_PER_MS = 64 * 1024 };

static void on_turn(struct timer *t)
{
    write_advance(LIST_ENTRY(t, struct write, turn));
}

static uint64_t watch_period_ms(const struct terms *t)
{
    uint64_t least = t->stall_ms < t->detach_ms ? t->stall_ms : t->detach_ms;

    return least / 4 + 1;
}

static void on_watch(struct timer *t)
{
    struct write *w = LIST_ENTRY(t, struct write, watch);

    clock_start(w->env->clock, &w->watch, watch_period_ms(&w->env->terms));
    legs_watch(w);
    write_advance(w);
}

static void on_key(struct keyhold_ticket *t)
{
    struct write *w = LIST_ENTRY(t, struct write, hold);

    w->has_key = true;
    write_advance(w);
}

/* What comes of it comes later, from the loop. */
static void ask_for_key(struct write *w, bool alone)
{
    struct keyhold_port *p = w->env->holds;

    w->has_key = !p || keyhold_ask(p, &w->hold, w->key.bucket, w->key.key, alone) == ERR_OK;
}

/* A body runs ahead of its slowest replica by some chunks; one that is kept, by all it has. */
static uint32_t ring_chunks(const struct write *w, uint64_t body_bytes)
{
    if (w->keeps)
        return (uint32_t)((body_bytes + CHUNK_BYTES - 1) / CHUNK_BYTES);
    return w->streams ? w->env->terms.ring_chunks : 1;
}

static void write_free(struct write *w)
{
    keyhold_release(&w->hold);
    clock_stop(w->env->clock, &w->turn);
    clock_stop(w->env->clock, &w->watch);
    clock_stop(w->env->clock, &w->again);
    key_view_fini(&w->begin.view);
    key_view_fini(&w->read.view);
    ring_fini(&w->ring);
    arena_fini(&w->arena);
    COUNT_ADD(w->env->writes_open, -1);
    free(w->text);
    free(w);
}

/* What the fan-out keeps of the request: its owner's memory may go before it. */
static bool copy_spec(struct write *w, const struct write_spec *spec)
{
    struct http_header *headers = arena_alloc(&w->arena, (spec->header_count + 1) * sizeof(*headers));

    w->key.bucket = spec->key.bucket;
    w->key.key = arena_dup(&w->arena, spec->key.key);
    if (!headers || !w->key.key.at)
        return false;
    for (size_t i = 0; i < spec->header_count; i++) {
        headers[i].name = arena_dup(&w->arena, spec->headers[i].name);
        headers[i].value = arena_dup(&w->arena, spec->headers[i].value);
        if (!headers[i].name.at || !headers[i].value.at)
            return false;
    }
    w->put = (struct replica_put){
        .key = w->key.key,
        .headers = headers,
        .header_count = spec->header_count,
        .stamped = true,
        .stamp = w->stamp,
        .body_bytes = spec->body_bytes,
        .has_sha256 = spec->has_sha256,
        .checksum = spec->checksum,
        .checksum_value = w->checksum,
        .checksum_known = spec->checksum_value,
    };
    memcpy(w->put.sha256, spec->sha256, sizeof(w->put.sha256));
    if (spec->checksum_value)
        memcpy(w->checksum, spec->checksum_value, s3_checksum_kind(spec->checksum)->bytes);
    if (spec->has_md5) {
        w->has_md5 = true;
        w->etag[0] = w->etag[33] = '"';
        hex_encode(spec->md5, 16, w->etag + 1);
    }
    return true;
}

static bool copy_span(struct arena *arena, struct span from, struct span *out)
{
    *out = from.len ? arena_dup(arena, from) : SPAN_EMPTY;
    return out->at != NULL;
}

/* A part has a name of its own for each attempt; the object of an upload was stamped when that was created. */
static bool copy_upload(struct write *w, const struct write_upload *u, uint64_t version)
{
    w->upload = u->id;
    w->put.part_number = u->part_number;
    if (u->part_number) {
        w->record = &part_record;
        w->has_key = true;
        w->put.stamped = false;
        w->put.header_count = 0;
        w->part.part = (struct part){.number = u->part_number,
                                     .bytes = w->put.body_bytes,
                                     .unix_ms = clock_unix_ms(w->env->clock),
                                     .attempt = version};
    } else {
        w->completes = true;
        if (!u->tried)
            w->stamp = u->id;
        w->patience_ms = u->object_bytes / COMPLETE_BYTES_PER_MS;
        if (w->patience_ms > w->env->terms.write_ms)
            w->patience_ms = w->env->terms.write_ms;
    }
    for (uint32_t i = 0; i < w->leg_count; i++) {
        struct leg *l = &w->legs[i];

        l->document = u->documents[l->slot];
        if (!copy_span(&w->arena, u->ids[l->slot], &l->upload_id))
            return false;
        if (!l->upload_id.len) {
            l->state = LEG_MISSED;
            l->answer.error = ERR_NOT_FOUND;
        }
    }
    return true;
}

enum err write_open(struct write **out, struct env *env, const struct write_spec *spec,
                    const struct write_events *events, void *ctx)
{
    struct write *w = calloc(1, sizeof(*w));
    struct tally tally;
    uint64_t version;
    enum err e = ERR_NOMEM;

    *out = NULL;
    if (!w) {
        free(spec->upload ? spec->upload->text : NULL);
        return ERR_NOMEM;
    }
    w->record = &row_record;
    w->text = spec->upload ? spec->upload->text : NULL;
    arena_init(&w->arena, ARENA_BYTES);
    w->env = env;
    w->events = events;
    w->ctx = ctx;
    w->kind = spec->kind;
    w->ack = spec->ack;
    w->streams = spec->body_bytes > CHUNK_BYTES;
    w->tries = spec->upload ? spec->upload->tries : 0;
    w->keeps = w->tries > 1;
    version = hlc_next(env->hlc, clock_unix_ms(env->clock));
    w->stamp = stamp_make(env->hlc, version);
    w->begin.version = version;
    key_view_init(&w->begin.view);
    key_view_init(&w->read.view);
    timer_init(&w->turn, on_turn);
    timer_init(&w->watch, on_watch);
    w->hold.granted = on_key;
    if (!copy_spec(w, spec))
        goto fail;
    if (spec->body_bytes) {
        e = ring_init(&w->ring, env->budget, ring_chunks(w, spec->body_bytes));
        if (e != ERR_OK)
            goto fail;
    }
    legs_init(w, spec->replicas);
    if (spec->upload && !copy_upload(w, spec->upload, version))
        goto fail;
    if (spec->copy && !write_take_copy(w, spec->copy))
        goto fail;
    tally = write_tally(w);
    e = ERR_UNAVAILABLE; /* too few replicas are worth asking: nothing is begun */
    if (quorum_decide(&w->ack, &tally) == QUORUM_FAILED)
        goto fail;
    COUNT_ADD(env->writes_open, 1);
    COUNT_ADD(env->counters.writes, 1);
    clock_start(env->clock, &w->watch, watch_period_ms(&env->terms));
    w->record->begin(w);
    *out = w;
    return ERR_OK;
fail:
    ring_fini(&w->ring);
    arena_fini(&w->arena);
    free(w->text);
    free(w);
    return e;
}

enum err write_room(struct write *w, struct iovec *out)
{
    uint64_t left = w->put.body_bytes - w->ring.end;
    enum err e;

    assert(left && !w->verified);
    e = ring_room(&w->ring, out);
    if (e == ERR_AGAIN && w->keeps) { /* no memory for all of it: from here on it streams */
        w->keeps = false;
        legs_let_go(w);
        e = ring_room(&w->ring, out);
    }
    w->wants_room = e == ERR_AGAIN;
    if (e == ERR_OK && out->iov_len > left)
        out->iov_len = (size_t)left;
    return e;
}

/* What happened meanwhile and would have called the owner back comes on the loop's next turn. */
static void leave_inside(struct write *w)
{
    w->inside--;
    if (w->nudged)
        clock_start(w->env->clock, &w->turn, 0);
    w->nudged = false;
}

void write_filled(struct write *w, size_t bytes)
{
    const char *at = w->ring.last->data + w->ring.last->len; /* the last chunk is the ring's to its end */

    w->inside++;
    ring_produced(&w->ring, bytes);
    if (w->streams)
        legs_feed(w);
    w->crc32 = crc32_add(w->crc32, at, bytes);
    leave_inside(w);
}

static void open_barrier_if_due(struct write *w)
{
    if (!w->begun || !w->verified || !w->has_key || w->barrier_due || w->state != WRITE_RUN ||
        w->cause != ERR_OK)
        return;
    if (!w->env->journal->ops->lease_valid(w->env->journal)) {
        w->cause = ERR_LOCKED;
        return;
    }
    w->barrier_due = true;
    legs_open_barrier(w);
}

void write_checksum(struct write *w, const uint8_t *value)
{
    assert(!w->verified);
    memcpy(w->checksum, value, s3_checksum_kind(w->put.checksum)->bytes);
}

void write_hold(struct write *w)
{
    assert(w->ring.end == w->put.body_bytes && !w->verified && !w->tells_held);
    w->tells_held = true;
    ask_for_key(w, true);
    if (w->has_key)
        clock_start(w->env->clock, &w->turn, 0);
}

void write_verified(struct write *w)
{
    assert(w->ring.end == w->put.body_bytes && !w->verified && !w->tells_held);
    w->verified = true;
    w->inside++;
    if (!w->has_key)
        ask_for_key(w, false);
    open_barrier_if_due(w);
    w->nudged = w->nudged || w->barrier_due || w->cause != ERR_OK;
    leave_inside(w);
}

bool write_is_verified(const struct write *w)
{
    return w->verified;
}

void write_leave(struct write *w)
{
    w->events = NULL;
    w->ctx = NULL;
    if (!w->verified && w->state == WRITE_RUN) {
        legs_drop(w);
        w->state = WRITE_LINGER;
        keyhold_release(&w->hold);
    }
    clock_start(w->env->clock, &w->turn, 0);
}

struct tally write_tally(const struct write *w)
{
    struct tally t = {.all = w->all};

    for (uint32_t i = 0; i < w->leg_count; i++) {
        uint32_t bit = 1u << w->legs[i].slot;

        t.stored |= w->legs[i].state == LEG_STORED ? bit : 0;
        t.missed |= w->legs[i].state == LEG_MISSED ? bit : 0;
        t.unresolved |= w->legs[i].state == LEG_UNRESOLVED ? bit : 0;
    }
    return t;
}

static bool legs_pending(const struct write *w)
{
    struct tally t = write_tally(w);

    return tally_pending(&t) != 0;
}

/* The answer of the leg that tells most about a failure: one that was answered before one that was not. */
static const struct leg *telling_leg(const struct write *w)
{
    const struct leg *best = NULL;

    for (uint32_t i = 0; i < w->leg_count; i++)
        if (w->legs[i].state == LEG_MISSED || w->legs[i].state == LEG_UNRESOLVED)
            if (!best || (!best->answer.status && w->legs[i].answer.status))
                best = &w->legs[i];
    return best;
}

static void give_verdict(struct write *w, enum err result)
{
    const struct write_events *events = w->events;
    const struct leg *telling = telling_leg(w);
    struct write_verdict v = {.result = result, .version = w->begin.version, .cause = w->cause};

    if (result != ERR_OK)
        COUNT_ADD(w->env->counters.failed_writes, 1);
    else if (w->copies)
        COUNT_ADD(w->env->counters.copied_there, 1);
    keyhold_release(&w->hold);
    w->events = NULL;
    if (!events)
        return;
    memcpy(v.etag, w->etag, sizeof(v.etag));
    if (telling) {
        v.status = telling->answer.status;
        memcpy(v.code, telling->answer.code, sizeof(v.code));
        if (v.cause == ERR_OK)
            v.cause = telling->answer.error;
    }
    for (uint32_t i = 0; i < w->leg_count; i++) {
        enum leg_state s = w->legs[i].state;

        v.marks[w->legs[i].slot] = s == LEG_STORED   ? WRITE_STORED
                                   : s >= LEG_MISSED ? WRITE_HINTED
                                                     : WRITE_PENDING;
    }
    events->verdict(w->ctx, &v);
}

/* RUN: does the ack policy say something yet? */
static void decide(struct write *w)
{
    struct tally t = write_tally(w);
    enum quorum q = quorum_decide(&w->ack, &t);

    if (q == QUORUM_WAIT && w->cause == ERR_OK)
        return;
    legs_compare_etags(w); /* only now: copies that differ from the others do not count */
    t = write_tally(w);
    q = quorum_decide(&w->ack, &t);
    if (q == QUORUM_WAIT && w->cause == ERR_OK)
        return;
    if (w->cause != ERR_OK || (q == QUORUM_FAILED && !w->barrier_due))
        legs_drop(w);
    t = write_tally(w);
    w->decided_met = q == QUORUM_MET && w->cause == ERR_OK;
    if ((t.stored == t.all && !w->record->stored_too) || t.missed == t.all) {
        w->state = WRITE_LINGER;
        give_verdict(w, w->decided_met ? ERR_OK : ERR_UNAVAILABLE);
        return;
    }
    w->state = WRITE_RECORD;
    w->record->outcome(w);
}

bool write_end_legs(struct write *w)
{
    ring_fini(&w->ring);
    clock_stop(w->env->clock, &w->watch);
    if (w->read_busy) /* a hold check, for a leg that is over: it will come back here */
        return false;
    clock_stop(w->env->clock, &w->again);
    return true;
}

void write_advance(struct write *w)
{
    open_barrier_if_due(w);
    if (w->inside) {
        w->nudged = true;
        return;
    }
    if (w->state == WRITE_RUN)
        decide(w);
    if (w->state == WRITE_RECORD && w->recorded) {
        bool met = w->decided_met && w->cause == ERR_OK && w->env->journal->ops->lease_valid(w->env->journal);

        w->state = WRITE_LINGER;
        give_verdict(w, met ? ERR_OK : ERR_UNAVAILABLE);
    }
    if (w->state == WRITE_LINGER && !w->begin_busy && !w->write_busy && !legs_pending(w))
        w->record->settled(w);
    if (w->state == WRITE_OVER && !w->write_busy && !w->read_busy) {
        write_free(w);
        return;
    }
    if (w->tells_held && w->has_key && w->events && w->state == WRITE_RUN) {
        w->tells_held = false;
        w->events->held(w->ctx);
        return;
    }
    if (w->wants_room && w->events && w->state == WRITE_RUN && !ring_full(&w->ring)) {
        w->wants_room = false;
        w->events->drain(w->ctx);
    }
}
