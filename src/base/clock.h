/* clock.h - time and timers, one of the four seams (journal, replica, clock, random).
 *
 * One clock per event loop; everything here belongs to that loop's thread. io/loop.h makes the
 * real one; test/sim makes one whose time moves only when nothing else can happen.
 *
 * Timers are intrusive and kept in a binary heap; those that are due at once (defer) fire in the
 * order they were started. A timer fires once, from the loop, never from inside clock_start. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct clock;

struct timer {
    void (*fire)(struct timer *t); /* recover the owner with LIST_ENTRY(t, struct owner, member) */
    uint64_t due_ms;               /* on the monotonic clock */
    uint64_t order;                /* start order among equals */
    size_t slot;                   /* place in the heap + 1, 0 when not running */
};

struct clock_ops {
    uint64_t (*mono_ms)(struct clock *c); /* never steps back; meaning only within this process */
    uint64_t (*unix_ms)(struct clock *c); /* wall time; may step */
    void (*rearm)(struct clock *c);       /* the earliest due time may have changed */
};

struct clock {
    const struct clock_ops *ops;
    struct timer **heap;
    size_t count, room;
    uint64_t started;
};

void clock_init(struct clock *c, const struct clock_ops *ops);
void clock_fini(struct clock *c);

static inline uint64_t clock_mono_ms(struct clock *c)
{
    return c->ops->mono_ms(c);
}
static inline uint64_t clock_unix_ms(struct clock *c)
{
    return c->ops->unix_ms(c);
}

/* A timer must be set up once before its first start or stop. */
static inline void timer_init(struct timer *t, void (*fire)(struct timer *t))
{
    *t = (struct timer){.fire = fire};
}
static inline bool timer_running(const struct timer *t)
{
    return t->slot != 0;
}

/* Starts or restarts. after_ms == 0: on the loop's next turn. Aborts the process when the heap
 * cannot grow: its size is bounded by the exchanges in flight. */
void clock_start(struct clock *c, struct timer *t, uint64_t after_ms);
/* Harmless when it does not run. */
void clock_stop(struct clock *c, struct timer *t);

/* For the clock's owner: due time of the earliest timer, false when there is none. */
bool clock_next_due_ms(const struct clock *c, uint64_t *due_ms);
/* For the clock's owner: fires what is due now. Timers started meanwhile wait for the next call. */
void clock_fire_due(struct clock *c);

#endif
