/* The order of events. A binary heap by (time, tie, start order): the tie is drawn when an event is started, so
 * that requests which are due in the same millisecond overtake each other. The gateway's timers live in their own
 * heap (base/clock.c); when an event and a timer are due at the same moment, a coin decides. */
#include "sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void sim_init(struct sim *s, uint64_t seed)
{
    *s = (struct sim){.ambiguity_ms = 2000};
    random_init(&s->random, seed);
    s->trace = calloc(SIM_TRACE_LINES, sizeof(*s->trace));
    if (!s->trace)
        abort();
}

void sim_fini(struct sim *s)
{
    free(s->heap);
    free(s->trace);
}

static bool before(const struct sim_event *a, const struct sim_event *b)
{
    if (a->due_ms != b->due_ms)
        return a->due_ms < b->due_ms;
    return a->tie != b->tie ? a->tie < b->tie : a->order < b->order;
}

static void place(struct sim *s, size_t at, struct sim_event *e)
{
    s->heap[at] = e;
    e->slot = at + 1;
}

static void sift_up(struct sim *s, size_t at)
{
    struct sim_event *e = s->heap[at];

    while (at && before(e, s->heap[(at - 1) / 2])) {
        place(s, at, s->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    place(s, at, e);
}

static void sift_down(struct sim *s, size_t at)
{
    struct sim_event *e = s->heap[at];

    for (;;) {
        size_t child = 2 * at + 1;

        if (child >= s->count)
            break;
        if (child + 1 < s->count && before(s->heap[child + 1], s->heap[child]))
            child++;
        if (!before(s->heap[child], e))
            break;
        place(s, at, s->heap[child]);
        at = child;
    }
    place(s, at, e);
}

void sim_after(struct sim *s, struct sim_event *e, uint64_t after_ms)
{
    sim_cancel(s, e);
    if (s->count == s->room) {
        s->room = s->room ? 2 * s->room : 64;
        s->heap = realloc(s->heap, s->room * sizeof(struct sim_event *));
        if (!s->heap)
            abort();
    }
    e->due_ms = s->now_ms + after_ms;
    e->tie = random_u64(&s->random);
    e->order = s->started++;
    place(s, s->count, e);
    sift_up(s, s->count++);
}

void sim_cancel(struct sim *s, struct sim_event *e)
{
    size_t at = e->slot - 1;
    struct sim_event *last;

    if (!e->slot)
        return;
    e->slot = 0;
    last = s->heap[--s->count];
    if (last == e)
        return;
    place(s, at, last);
    sift_up(s, at);
    sift_down(s, last->slot - 1);
}

uint64_t sim_between(struct sim *s, uint64_t low, uint64_t high)
{
    return low + random_below(&s->random, high - low + 1);
}

bool sim_chance(struct sim *s, uint32_t permille)
{
    return random_below(&s->random, 1000) < permille;
}

bool sim_fault(struct sim *s)
{
    return s->faults && sim_chance(s, s->fault_permille);
}

uint64_t sim_delay_ms(struct sim *s)
{
    return s->faults && sim_chance(s, s->slow_permille) ? sim_between(s, 20, s->slow_ms)
                                                        : sim_between(s, 1, 12);
}

void sim_trace(struct sim *s, const char *format, ...)
{
    char *line;
    int head;
    va_list args;

    if (s->muted)
        return;
    line = s->trace[s->traced++ % SIM_TRACE_LINES];
    head = snprintf(line, SIM_TRACE_CHARS, "%8llu ms %6llu: ", (unsigned long long)s->now_ms,
                    (unsigned long long)s->steps);
    va_start(args, format);
    vsnprintf(line + head, SIM_TRACE_CHARS - (size_t)head, format, args);
    va_end(args);
}

void sim_violate(struct sim *s, const char *format, ...)
{
    va_list args;

    if (s->violation[0])
        return;
    va_start(args, format);
    vsnprintf(s->violation, sizeof(s->violation), format, args);
    va_end(args);
    sim_trace(s, "VIOLATION %.100s", s->violation);
}

void sim_print_trace(const struct sim *s, size_t lines)
{
    size_t kept = s->traced < SIM_TRACE_LINES ? s->traced : SIM_TRACE_LINES;

    if (lines > kept)
        lines = kept;
    for (size_t i = s->traced - lines; i < s->traced; i++)
        fprintf(stderr, "%s\n", s->trace[i % SIM_TRACE_LINES]);
}

static struct sim_clock *of(struct clock *c)
{
    return (struct sim_clock *)(void *)((char *)c - offsetof(struct sim_clock, clock));
}

static uint64_t mono_ms(struct clock *c)
{
    return (of(c)->dead ? of(c)->dead_ms : of(c)->sim->now_ms) + of(c)->mono_offset_ms;
}

static uint64_t unix_ms(struct clock *c)
{
    return (of(c)->dead ? of(c)->dead_ms : of(c)->sim->now_ms) + of(c)->unix_offset_ms;
}

static void rearm(struct clock *c)
{
    /* sim_step looks at the earliest timer each time. */
}

static const struct clock_ops ops = {.mono_ms = mono_ms, .unix_ms = unix_ms, .rearm = rearm};

/* Wall time of a new process may be up to two seconds off in either direction: versions must not care. */
void sim_clock_init(struct sim_clock *c, struct sim *s)
{
    *c = (struct sim_clock){.sim = s};
    clock_init(&c->clock, &ops);
    c->mono_offset_ms = sim_between(s, 0, 1000000);
    c->unix_offset_ms = SIM_UNIX_MS + sim_between(s, 0, 4000);
}

void sim_clock_die(struct sim_clock *c)
{
    c->dead = true;
    c->dead_ms = c->sim->now_ms;
}

bool sim_clock_drain(struct sim_clock *c)
{
    uint64_t due_ms;

    if (!clock_next_due_ms(&c->clock, &due_ms))
        return false;
    if (due_ms > c->dead_ms + c->mono_offset_ms)
        c->dead_ms = due_ms - c->mono_offset_ms;
    clock_fire_due(&c->clock);
    return true;
}

bool sim_step(struct sim *s, struct sim_clock *clock)
{
    uint64_t due_ms = 0;
    bool timer = clock && clock_next_due_ms(&clock->clock, &due_ms);

    if (!timer && !s->count)
        return false;
    if (timer) {
        due_ms -= clock->mono_offset_ms;
        if (due_ms < s->now_ms)
            due_ms = s->now_ms;
    }
    if (timer && s->count && s->heap[0]->due_ms <= due_ms)
        timer = s->heap[0]->due_ms == due_ms && sim_chance(s, 500);
    s->steps++;
    if (timer) {
        s->now_ms = due_ms;
        clock_fire_due(&clock->clock);
    } else {
        struct sim_event *e = s->heap[0];

        s->now_ms = e->due_ms;
        sim_cancel(s, e);
        e->fire(e);
    }
    return true;
}
