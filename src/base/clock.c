#include "base/clock.h"

#include <assert.h>
#include <stdlib.h>

void clock_init(struct clock *c, const struct clock_ops *ops)
{
    *c = (struct clock){.ops = ops};
}

void clock_fini(struct clock *c)
{
    for (size_t i = 0; i < c->count; i++)
        c->heap[i]->slot = 0;
    free(c->heap);
    c->heap = NULL;
    c->count = c->room = 0;
}

static bool before(const struct timer *a, const struct timer *b)
{
    return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->order < b->order;
}

static void place(struct clock *c, size_t at, struct timer *t)
{
    c->heap[at] = t;
    t->slot = at + 1;
}

static void sift_up(struct clock *c, size_t at)
{
    struct timer *t = c->heap[at];

    while (at && before(t, c->heap[(at - 1) / 2])) {
        place(c, at, c->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    place(c, at, t);
}

static void sift_down(struct clock *c, size_t at)
{
    struct timer *t = c->heap[at];

    for (;;) {
        size_t child = 2 * at + 1;

        if (child >= c->count)
            break;
        if (child + 1 < c->count && before(c->heap[child + 1], c->heap[child]))
            child++;
        if (!before(c->heap[child], t))
            break;
        place(c, at, c->heap[child]);
        at = child;
    }
    place(c, at, t);
}

static void take_out(struct clock *c, struct timer *t)
{
    size_t at = t->slot - 1;
    struct timer *last = c->heap[--c->count];

    t->slot = 0;
    if (last == t)
        return;
    place(c, at, last);
    sift_up(c, at);
    sift_down(c, last->slot - 1);
}

void clock_start(struct clock *c, struct timer *t, uint64_t after_ms)
{
    assert(t->fire);
    if (t->slot)
        take_out(c, t);
    if (c->count == c->room) {
        c->room = c->room ? 2 * c->room : 64;
        c->heap = realloc(c->heap, c->room * sizeof(*c->heap));
        if (!c->heap)
            abort();
    }
    t->due_ms = clock_mono_ms(c) + after_ms;
    t->order = c->started++;
    place(c, c->count, t);
    sift_up(c, c->count++);
    if (c->heap[0] == t)
        c->ops->rearm(c);
}

void clock_stop(struct clock *c, struct timer *t)
{
    if (t->slot)
        take_out(c, t);
}

bool clock_next_due_ms(const struct clock *c, uint64_t *due_ms)
{
    if (c->count == 0)
        return false;
    *due_ms = c->heap[0]->due_ms;
    return true;
}

void clock_fire_due(struct clock *c)
{
    uint64_t now = clock_mono_ms(c), newest = c->started;

    while (c->count && c->heap[0]->due_ms <= now && c->heap[0]->order < newest) {
        struct timer *t = c->heap[0];

        take_out(c, t);
        t->fire(t);
    }
}
