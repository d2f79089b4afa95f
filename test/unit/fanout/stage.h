/* A stage for one write or read: a clock, a journal and three replicas that do nothing by themselves. Each test says
 * what happens, call by call; what the code under test asks for is there to be looked at. */
#ifndef TEST_FANOUT_STAGE_H
#define TEST_FANOUT_STAGE_H

#include "fanout/env.h"

#include "base/hash.h"
#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum {
    REPLICAS = 3,
    A = 1,
    B = 2,
    C = 4,
    ALL = 7,
    AMBIGUITY_MS = 10000,
    STALL_MS = 1000,
    DETACH_MS = 300,
    WRITE_MS = 5000,
    FIRST_BYTE_MS = 500,
    LEASE_MS = 4000,
    STEP_MS = 20,
    COPY_BYTES_MAX = 1000000,
    STAMPS_MAX = 8
};

struct stage_clock {
    struct clock base;
    uint64_t now_ms;
};

/* Requests that wait for an answer, NULL where there are none, and what was asked so far. */
struct stage_journal {
    struct journal base;
    struct journal_begin *begin;
    struct journal_read *read;
    struct journal_write *write;
    struct journal_part_write *part;
    unsigned reads, writes, forgets, parts;
    struct row row; /* of the last write */
    struct stamp removed[STAMPS_MAX], forgotten[STAMPS_MAX];
    size_t removed_count, forgotten_count;
    bool lease, other_row, stored_row, manifest;
    unsigned manifest_drops;
    uint64_t dropped_before;
    struct stamp kept;
};

enum ask { ASK_PUT, ASK_DELETE, ASK_GET, ASK_BUCKET, ASK_COMPLETE, ASK_COPY, ASK_HEAD };

struct replica_call {
    enum ask ask;
    bool under_way, open, head_only;
    struct replica_put put;
    struct replica_complete complete;
    struct replica_copy copy;
    struct replica_head_events head_events;
    struct replica_put_events put_events;
    struct replica_get_events get_events;
    struct replica_bucket_events bucket_events;
    void *ctx;
    uint64_t offset;
    uint32_t crc, crc_given;
    bool checksum_mode;
    char range[64], if_match[ETAG_CHARS_MAX];
    size_t header_count;
    uint32_t part_number;
    struct span bytes; /* of an answer: what get_read gives next */
    enum err then;     /* and behind it */
};

struct stage_replica {
    struct replica base;
    struct health health;
    struct replica_call call; /* the last one */
    unsigned starts, abandons;
    enum err start; /* what the next starts say */
};

struct stage {
    struct stage_clock clock;
    struct stage_journal journal;
    struct stage_replica replicas[REPLICAS];
    struct replica_set set;
    struct chunk_budget budget;
    struct hlc hlc;
    struct random random;
    struct env env;
    unsigned hints;
};

static inline struct replica_call *call_of(struct stage *s, unsigned slot)
{
    return &s->replicas[slot].call;
}

/* ---- time ---- */

static inline uint64_t stage_mono(struct clock *c)
{
    return LIST_ENTRY(c, struct stage_clock, base)->now_ms;
}
static inline uint64_t stage_unix(struct clock *c)
{
    return 1700000000000 + stage_mono(c);
}
static inline void stage_rearm(struct clock *c)
{
}

/* The loop's next turn, at the same moment. */
static inline void turn(struct stage *s)
{
    clock_fire_due(&s->clock.base);
}

/* So much time, with everything that falls due in it. */
static inline void pass(struct stage *s, uint64_t ms)
{
    uint64_t end = s->clock.now_ms + ms, due;

    while (clock_next_due_ms(&s->clock.base, &due) && due <= end) {
        s->clock.now_ms = due > s->clock.now_ms ? due : s->clock.now_ms;
        turn(s);
    }
    s->clock.now_ms = end;
}

/* ---- the journal ---- */

static inline struct stage_journal *journal_of_stage(struct journal *j)
{
    return LIST_ENTRY(j, struct stage_journal, base);
}

static inline void stage_begin(struct journal *j, struct journal_begin *r)
{
    assert_null(journal_of_stage(j)->begin);
    journal_of_stage(j)->begin = r;
}

static inline void stage_read(struct journal *j, struct journal_read *r)
{
    assert_null(journal_of_stage(j)->read);
    journal_of_stage(j)->read = r;
    journal_of_stage(j)->reads++;
}

static inline void copy_stamps(struct stamp *to, size_t *to_count, const struct stamp *from, size_t count)
{
    assert_true(count <= STAMPS_MAX);
    if (count)
        memcpy(to, from, count * sizeof(*from));
    *to_count = count;
}

static inline void stage_write(struct journal *j, struct journal_write *r)
{
    struct stage_journal *sj = journal_of_stage(j);

    assert_null(sj->write);
    assert_true(r->change);
    assert_false(r->add_stored);
    assert_int_equal(r->release, 0);
    sj->write = r;
    sj->writes++;
    sj->row = r->row;
    copy_stamps(sj->removed, &sj->removed_count, r->remove, r->remove_count);
}

static inline void stage_part(struct journal *j, struct journal_part_write *r)
{
    assert_null(journal_of_stage(j)->part);
    journal_of_stage(j)->part = r;
    journal_of_stage(j)->parts++;
}

static inline void stage_forget(struct journal *j, struct journal_key key, const struct stamp *stamps,
                                size_t count)
{
    struct stage_journal *sj = journal_of_stage(j);

    sj->forgets++;
    copy_stamps(sj->forgotten, &sj->forgotten_count, stamps, count);
}

static inline bool stage_maybe(struct journal *j, struct journal_key key, enum journal_question q,
                               const struct stamp *own)
{
    if (q == JOURNAL_ANY_MANIFEST)
        return journal_of_stage(j)->manifest;
    return q == JOURNAL_ANY_OTHER_ROW ? journal_of_stage(j)->other_row : journal_of_stage(j)->stored_row;
}

static inline void stage_manifest_drop(struct journal *j, struct journal_key key, uint64_t before,
                                       const struct stamp *keeps)
{
    journal_of_stage(j)->manifest_drops++;
    journal_of_stage(j)->dropped_before = before;
    journal_of_stage(j)->kept = *keeps;
}

static inline bool stage_lease(struct journal *j)
{
    return journal_of_stage(j)->lease;
}

static inline void add_rows(struct key_view *v, const struct row *rows, size_t count)
{
    key_view_init(v);
    for (size_t i = 0; i < count; i++)
        key_view_add(v, &rows[i]);
}

/* D1 and R1: the answer with these rows. */
static inline void begun(struct stage *s, enum err e, const struct row *rows, size_t count)
{
    struct journal_begin *r = s->journal.begin;

    assert_non_null(r);
    s->journal.begin = NULL;
    if (e == ERR_OK)
        add_rows(&r->view, rows, count);
    r->request.done(&r->request, e);
}

static inline void begun_alone(struct stage *s)
{
    begun(s, ERR_OK, NULL, 0);
}

static inline void begun_under_claim(struct stage *s, const struct claim *claim)
{
    struct journal_begin *r = s->journal.begin;

    assert_non_null(r);
    s->journal.begin = NULL;
    key_view_init(&r->view);
    r->view.claimed = true;
    r->view.claim = *claim;
    r->request.done(&r->request, ERR_OK);
}

static inline void rows_read_under_claim(struct stage *s, enum err e, const struct row *rows, size_t count,
                                         const struct claim *claim)
{
    struct journal_read *r = s->journal.read;

    assert_non_null(r);
    s->journal.read = NULL;
    if (e == ERR_OK) {
        add_rows(&r->view, rows, count);
        r->view.claimed = claim != NULL;
        if (claim)
            r->view.claim = *claim;
    }
    r->request.done(&r->request, e);
}

static inline void rows_read(struct stage *s, enum err e, const struct row *rows, size_t count)
{
    rows_read_under_claim(s, e, rows, count, NULL);
}

static inline void written(struct stage *s, enum err e)
{
    struct journal_write *r = s->journal.write;

    assert_non_null(r);
    s->journal.write = NULL;
    r->request.done(&r->request, e);
}

static inline void part_written(struct stage *s, enum err e)
{
    struct journal_part_write *r = s->journal.part;

    assert_non_null(r);
    s->journal.part = NULL;
    r->request.done(&r->request, e);
}

/* ---- the replicas ---- */

static inline enum err stage_start(struct replica *r, struct replica_call **out, enum ask ask, void *ctx)
{
    struct stage_replica *sr = LIST_ENTRY(r, struct stage_replica, base);

    assert_false(sr->call.under_way);
    *out = NULL;
    if (sr->start != ERR_OK)
        return sr->start;
    sr->starts++;
    sr->call = (struct replica_call){.ask = ask, .under_way = true, .ctx = ctx};
    *out = &sr->call;
    return ERR_OK;
}

static inline enum err stage_put(struct replica *r, struct replica_call **out, const struct replica_put *put,
                                 const struct replica_put_events *events, void *ctx)
{
    enum err e = stage_start(r, out, ASK_PUT, ctx);

    if (e != ERR_OK)
        return e;
    (*out)->put = *put;
    (*out)->put_events = *events;
    return ERR_OK;
}

static inline void stage_put_more(struct replica_call *c)
{
    assert_true(c->under_way);
}

static inline void stage_put_open(struct replica_call *c, uint32_t crc32)
{
    assert_true(c->under_way);
    assert_false(c->open);
    c->open = true;
    c->crc_given = crc32;
}

static inline enum err stage_del(struct replica *r, struct replica_call **out, struct span key,
                                 const struct replica_put_events *events, void *ctx)
{
    enum err e = stage_start(r, out, ASK_DELETE, ctx);

    if (e != ERR_OK)
        return e;
    (*out)->put_events = *events;
    (*out)->open = true; /* all of it is past the barrier */
    return ERR_OK;
}

static inline enum err stage_complete(struct replica *r, struct replica_call **out,
                                      const struct replica_complete *complete,
                                      const struct replica_put_events *events, void *ctx)
{
    enum err e = stage_start(r, out, ASK_COMPLETE, ctx);

    if (e != ERR_OK)
        return e;
    (*out)->complete = *complete;
    (*out)->put_events = *events;
    (*out)->open = true; /* all of it is past the barrier */
    return ERR_OK;
}

static inline enum err stage_copy(struct replica *r, struct replica_call **out,
                                  const struct replica_copy *copy, const struct replica_put_events *events,
                                  void *ctx)
{
    enum err e = stage_start(r, out, ASK_COPY, ctx);

    if (e != ERR_OK)
        return e;
    (*out)->copy = *copy;
    (*out)->put_events = *events;
    (*out)->open = true; /* all of it is past the barrier */
    return ERR_OK;
}

static inline enum err stage_head(struct replica *r, struct replica_call **out, struct span key,
                                  const struct replica_head_events *events, void *ctx)
{
    enum err e = stage_start(r, out, ASK_HEAD, ctx);

    if (e != ERR_OK)
        return e;
    (*out)->head_events = *events;
    return ERR_OK;
}

/* The answer to a HEAD. */
static inline void shows(struct stage *s, unsigned slot, const struct replica_object *o)
{
    struct replica_call *c = call_of(s, slot);

    assert_true(c->under_way && c->ask == ASK_HEAD);
    c->under_way = false;
    c->head_events.done(c->ctx, ERR_OK, o->exists ? 200 : 404, o);
}

static inline enum err stage_get(struct replica *r, struct replica_call **out, const struct replica_get *get,
                                 const struct replica_get_events *events, void *ctx)
{
    enum err e = stage_start(r, out, ASK_GET, ctx);

    if (e != ERR_OK)
        return e;
    (*out)->get_events = *events;
    (*out)->head_only = get->head_only;
    (*out)->part_number = get->part_number;
    (*out)->checksum_mode = get->checksum_mode;
    (*out)->header_count = get->header_count;
    for (size_t i = 0; i < get->header_count; i++) {
        if (span_ieq(get->headers[i].name, SPAN("range")))
            snprintf((*out)->range, sizeof((*out)->range), "%.*s", SPAN_ARG(get->headers[i].value));
        if (span_ieq(get->headers[i].name, SPAN("if-match")))
            snprintf((*out)->if_match, sizeof((*out)->if_match), "%.*s", SPAN_ARG(get->headers[i].value));
    }
    return ERR_OK;
}

static inline enum err stage_get_read(struct replica_call *c, void *at, size_t room, size_t *got)
{
    assert_true(c->under_way);
    *got = c->bytes.len < room ? c->bytes.len : room;
    if (!*got)
        return c->then;
    memcpy(at, c->bytes.at, *got);
    c->bytes = span_skip(c->bytes, *got);
    return ERR_OK;
}

/* A breaker's probe: nobody answers it here. */
static inline enum err stage_bucket(struct replica *r, struct replica_call **out, enum replica_bucket_op op,
                                    const struct replica_bucket_events *events, void *ctx)
{
    return ERR_BUSY;
}

static inline enum replica_result stage_abandon(struct replica_call *c)
{
    assert_true(c->under_way);
    c->under_way = false;
    LIST_ENTRY(c, struct stage_replica, call)->abandons++;
    return c->open ? REPLICA_UNRESOLVED : REPLICA_MISSED;
}

/* The body's byte at an offset. */
static inline char body_byte(uint64_t offset)
{
    return (char)(offset * 7 + offset / 1000);
}

/* The replica takes up to so many bytes of the body and says so; how many there were. */
static inline uint64_t take(struct stage *s, unsigned slot, uint64_t most)
{
    struct replica_call *c = call_of(s, slot);
    uint64_t done = 0;

    while (done < most && c->offset < c->put.body_bytes) {
        struct iovec iov[2];
        int count = 2;

        if (c->put.body->peek(c->ctx, c->offset, iov, &count) != ERR_OK)
            break;
        for (int i = 0; i < count && done < most; i++) {
            size_t n = iov[i].iov_len < most - done ? iov[i].iov_len : (size_t)(most - done);
            unsigned wrong = 0;

            for (size_t k = 0; k < n; k++)
                wrong += ((char *)iov[i].iov_base)[k] != body_byte(c->offset + k);
            assert_int_equal(wrong, 0);
            c->crc = crc32_add(c->crc, iov[i].iov_base, n);
            c->offset += n;
            done += n;
        }
    }
    if (done)
        c->put_events.progress(c->ctx, c->offset);
    return done;
}

static inline void answer(struct stage *s, unsigned slot, const struct replica_answer *a)
{
    struct replica_call *c = call_of(s, slot);

    assert_true(c->under_way);
    c->under_way = false;
    c->put_events.done(c->ctx, a);
}

#define MD5_ONE "\"900150983cd24fb0d6963f7d28e17f72\""
#define MD5_TWO "\"d41d8cd98f00b204e9800998ecf8427e\""

/* 200, after the whole body has gone past the barrier. */
static inline void stored_with(struct stage *s, unsigned slot, const char *etag)
{
    struct replica_answer a = {.result = REPLICA_STORED, .status = 200};
    struct replica_call *c = call_of(s, slot);

    assert_true(c->open);
    if (c->ask == ASK_PUT) {
        take(s, slot, UINT64_MAX);
        assert_int_equal(c->offset, c->put.body_bytes);
        assert_int_equal(c->crc, c->crc_given);
    }
    snprintf(a.etag, sizeof(a.etag), "%s", etag);
    answer(s, slot, &a);
}

static inline void stored(struct stage *s, unsigned slot)
{
    stored_with(s, slot, MD5_ONE);
}

static inline void refused(struct stage *s, unsigned slot)
{
    answer(s, slot,
           &(struct replica_answer){.result = REPLICA_MISSED, .status = 403, .code = "AccessDenied"});
}

static inline void broken(struct stage *s, unsigned slot)
{
    answer(s, slot, &(struct replica_answer){.result = REPLICA_UNRESOLVED, .error = ERR_RESET});
}

/* Masks of replicas by what their last call is. */
static inline uint32_t under_way(const struct stage *s)
{
    uint32_t mask = 0;

    for (unsigned i = 0; i < REPLICAS; i++)
        mask |= s->replicas[i].call.under_way ? 1u << i : 0;
    return mask;
}

static inline uint32_t opened(const struct stage *s)
{
    uint32_t mask = 0;

    for (unsigned i = 0; i < REPLICAS; i++)
        mask |= s->replicas[i].call.open ? 1u << i : 0;
    return mask;
}

/* ---- the whole ---- */

static inline void stage_on_hint(struct env *env, uint32_t bucket, struct span key)
{
    struct stage *s = env->owner;

    assert_int_equal(bucket, 1);
    assert_true(span_is(key, "the/key"));
    s->hints++;
}

static inline void stage_init(struct stage *s, uint32_t budget_chunks)
{
    static const struct clock_ops clock_ops = {
        .mono_ms = stage_mono, .unix_ms = stage_unix, .rearm = stage_rearm};
    static const struct journal_ops journal_ops = {.begin = stage_begin,
                                                   .read = stage_read,
                                                   .write = stage_write,
                                                   .part_write = stage_part,
                                                   .forget = stage_forget,
                                                   .maybe = stage_maybe,
                                                   .manifest_drop = stage_manifest_drop,
                                                   .lease_valid = stage_lease};
    static const struct replica_ops replica_ops = {.put = stage_put,
                                                   .put_more = stage_put_more,
                                                   .put_open = stage_put_open,
                                                   .del = stage_del,
                                                   .complete = stage_complete,
                                                   .copy = stage_copy,
                                                   .head = stage_head,
                                                   .get = stage_get,
                                                   .get_read = stage_get_read,
                                                   .bucket = stage_bucket,
                                                   .abandon = stage_abandon};
    static const char *const names[] = {"a", "b", "c"};

    log_setup(LOG_ERROR + 1, LOG_LOGFMT); /* what goes wrong here is meant to */
    *s = (struct stage){.clock.now_ms = 1000};
    clock_init(&s->clock.base, &clock_ops);
    s->journal.base.ops = &journal_ops;
    s->journal.lease = true;
    s->set.mask = ALL;
    for (unsigned i = 0; i < REPLICAS; i++) {
        health_init(&s->replicas[i].health, &s->clock.base, names[i], 60000);
        s->replicas[i].base =
            (struct replica){.ops = &replica_ops, .name = names[i], .health = &s->replicas[i].health};
        s->set.by_slot[i] = &s->replicas[i].base;
    }
    chunk_budget_init(&s->budget, (uint64_t)budget_chunks * CHUNK_BYTES);
    hlc_init(&s->hlc, 1, 1);
    random_init(&s->random, 1);
    s->env = (struct env){.clock = &s->clock.base,
                          .journal = &s->journal.base,
                          .random = &s->random,
                          .hlc = &s->hlc,
                          .budget = &s->budget,
                          .terms = {.ambiguity_ms = AMBIGUITY_MS,
                                    .stall_ms = STALL_MS,
                                    .detach_ms = DETACH_MS,
                                    .write_ms = WRITE_MS,
                                    .first_byte_ms = FIRST_BYTE_MS,
                                    .lease_ms = LEASE_MS,
                                    .lease_margin_ms = 500,
                                    .copy_bytes_max = COPY_BYTES_MAX,
                                    .ring_chunks = 2},
                          .on_hint = stage_on_hint,
                          .owner = s};
}

/* Nothing may be left: no request, no memory of the budget, no timer. */
static inline void stage_fini(struct stage *s)
{
    uint64_t due;

    for (unsigned i = 0; i < REPLICAS; i++)
        health_fini(&s->replicas[i].health);
    assert_int_equal(s->env.writes_open, 0);
    assert_int_equal(under_way(s), 0);
    assert_null(s->journal.begin);
    assert_null(s->journal.read);
    assert_null(s->journal.write);
    assert_false(clock_next_due_ms(&s->clock.base, &due));
    clock_fini(&s->clock.base);
    chunk_budget_fini(&s->budget);
}

static inline struct row row_with(uint8_t name, enum row_phase phase, uint32_t stored, uint32_t unresolved,
                                  uint64_t age_ms)
{
    return (struct row){.stamp = {{name}},
                        .version = name,
                        .kind = ROW_PUT,
                        .phase = (uint8_t)phase,
                        .stored = stored,
                        .unresolved = unresolved,
                        .age_ms = age_ms};
}

#endif
