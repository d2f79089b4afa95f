/* A write on the stage, and its owner. */
#ifndef TEST_FANOUT_WRITE_STAGE_H
#define TEST_FANOUT_WRITE_STAGE_H

#include "fanout/stage.h"

#include "fanout/write.h"

struct owner {
    struct stage s;
    struct write *w; /* NULL once the verdict is there or the owner has left */
    unsigned verdicts, drains, helds;
    bool inside; /* one of the owner's calls is under way: nothing may be called back */
    struct write_verdict v;
};

enum { SMALL = 1000, LARGE = 3 * CHUNK_BYTES + 1000 };

static inline void on_verdict(void *ctx, const struct write_verdict *v)
{
    struct owner *o = ctx;

    assert_false(o->inside);
    assert_int_equal(o->verdicts, 0);
    o->verdicts++;
    o->v = *v;
    o->w = NULL;
}

static inline void on_drain(void *ctx)
{
    struct owner *o = ctx;

    assert_false(o->inside);
    assert_int_equal(o->verdicts, 0);
    o->drains++;
}

static inline void on_held(void *ctx)
{
    struct owner *o = ctx;

    assert_false(o->inside);
    assert_int_equal(o->verdicts, 0);
    o->helds++;
}

static const struct write_events owner_events = {.held = on_held, .drain = on_drain, .verdict = on_verdict};

static inline struct write_spec put_spec(struct owner *o, uint64_t body_bytes, uint32_t need, bool wait_all)
{
    static const struct http_header headers[] = {{{"content-type", 12}, {"text/plain", 10}}};

    return (struct write_spec){.key = {1, SPAN("the/key")},
                               .replicas = &o->s.set,
                               .ack = {.need = need, .wait_all = wait_all},
                               .kind = ROW_PUT,
                               .body_bytes = body_bytes,
                               .headers = headers,
                               .header_count = 1};
}

static inline enum err try_spec(struct owner *o, const struct write_spec *spec)
{
    enum err e;

    o->inside = true;
    e = write_open(&o->w, &o->s.env, spec, &owner_events, o);
    o->inside = false;
    return e;
}

static inline void open_spec(struct owner *o, const struct write_spec *spec)
{
    assert_int_equal(try_spec(o, spec), ERR_OK);
}

static inline void open_put(struct owner *o, uint64_t body_bytes, uint32_t need, bool wait_all)
{
    struct write_spec spec = put_spec(o, body_bytes, need, wait_all);

    open_spec(o, &spec);
}

/* Puts up to `most` bytes of the body into the write, which holds `from` of them. */
static inline uint64_t feed(struct owner *o, uint64_t from, uint64_t most)
{
    uint64_t done = 0;

    o->inside = true;
    while (o->w && done < most) {
        struct iovec room;
        size_t n;

        if (write_room(o->w, &room) != ERR_OK)
            break;
        n = room.iov_len < most - done ? room.iov_len : (size_t)(most - done);
        for (size_t i = 0; i < n; i++)
            ((char *)room.iov_base)[i] = body_byte(from + done + i);
        write_filled(o->w, n);
        done += n;
    }
    o->inside = false;
    return done;
}

static inline void verify(struct owner *o)
{
    o->inside = true;
    write_verified(o->w);
    o->inside = false;
}

static inline void leave(struct owner *o)
{
    o->inside = true;
    write_leave(o->w);
    o->inside = false;
    o->w = NULL;
}

static inline void give_body(struct owner *o, uint64_t bytes)
{
    assert_int_equal(feed(o, 0, bytes), bytes);
    verify(o);
}

/* A small put whose barrier is open on all that nothing holds. */
static inline void put_past_barrier(struct owner *o, uint32_t need, bool wait_all)
{
    open_put(o, SMALL, need, wait_all);
    give_body(o, SMALL);
    begun_alone(&o->s);
    assert_int_equal(opened(&o->s), ALL);
}

static inline void owner_init(struct owner *o)
{
    memset(o, 0, sizeof(*o));
    stage_init(&o->s, 64);
}

static inline void owner_fini(struct owner *o)
{
    turn(&o->s);
    assert_int_equal(o->s.env.writes_open, 0);
    stage_fini(&o->s);
}

#endif
