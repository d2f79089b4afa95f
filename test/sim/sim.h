/* sim.h - the simulated world's time: events in a seeded order, a clock per gateway process, trace, verdict.
 *
 * Everything that happens is an event or a timer of the gateway's clock. Time moves only when nothing else can
 * happen; what is due at the same moment happens in an order that the seed draws. One step is one event, or one
 * turn of the gateway's timers; between two steps the world may be checked, and the gateway may crash.
 * A run is a function of its seed: no address, no real time and no thread takes part. */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include "base/clock.h"
#include "base/random.h"
#include "base/span.h"

#define SIM_UNIX_MS 1700000000000u /* wall time at the beginning */

enum { SIM_KEYS_MAX = 3, SIM_REPLICAS_MAX = 3, SIM_TRACE_LINES = 4096, SIM_TRACE_CHARS = 144 };

/* Deliberately broken worlds: the checker has to notice each of them. */
enum sim_breakage {
    BREAK_NOTHING,
    BREAK_INTENT,       /* the journal says an intent is durable and drops it */
    BREAK_OUTCOME,      /* the journal says an outcome or a final row is durable and drops the change */
    BREAK_RESTART,      /* a restart forgets the rows that were open */
    BREAK_FORGETFUL,    /* reads of the journal show no rows */
    BREAK_FALSE_STORED, /* a replica answers 200 and stores nothing */
    BREAK_TORN_BODY,    /* a body that was given up before its barrier becomes visible */
    BREAK_COMEBACK,     /* a delete is answered, and the object is back some time later */
    BREAK_COUNT
};

struct sim_event {
    uint64_t due_ms, tie, order;
    size_t slot; /* place in the heap + 1, 0 when it is not due */
    void (*fire)(struct sim_event *e);
};

struct sim {
    struct random random;
    uint64_t now_ms, steps, started;
    struct sim_event **heap;
    size_t count, room;
    enum sim_breakage breakage;
    bool faults;             /* things may go wrong now */
    bool muted;              /* nothing is traced: what is left of a crashed process frees itself */
    uint32_t fault_permille; /* how often, of each thing that may */
    uint32_t
        slow_permille; /* of all ways of a message, so many take up to slow_ms while things may go wrong */
    uint64_t slow_ms;
    bool lease_lost; /* the process that runs may no longer act */
    bool lingering;  /* requests that go wrong past their barrier mostly land, late and unanswered */
    bool damage;     /* backends store a wrong byte now and then, which their ETag shows */
    uint64_t ambiguity_ms;
    char violation[512]; /* the first broken promise, "" while all hold */
    /* A ring of the last lines. */
    char (*trace)[SIM_TRACE_CHARS];
    size_t traced;
};

void sim_init(struct sim *s, uint64_t seed);
void sim_fini(struct sim *s);

/* Starts or restarts. `e->fire` must be set. */
void sim_after(struct sim *s, struct sim_event *e, uint64_t after_ms);
/* Harmless when it is not due. */
void sim_cancel(struct sim *s, struct sim_event *e);

/* low .. high */
uint64_t sim_between(struct sim *s, uint64_t low, uint64_t high);
/* True `permille` times in a thousand. */
bool sim_chance(struct sim *s, uint32_t permille);
/* Does this go wrong? Never while faults are off. */
bool sim_fault(struct sim *s);
/* A delay as networks have them: mostly short, now and then long. */
uint64_t sim_delay_ms(struct sim *s);

void sim_trace(struct sim *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The first one counts; the run ends with it. */
void sim_violate(struct sim *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
void sim_print_trace(const struct sim *s, size_t lines);

/* The clock of one gateway process. */
struct sim_clock {
    struct clock clock;
    struct sim *sim;
    uint64_t mono_offset_ms; /* monotonic time starts anew in each process */
    uint64_t unix_offset_ms; /* wall time may have been set meanwhile */
    bool dead;               /* after a crash it has a time of its own, in which what is left frees itself */
    uint64_t dead_ms;
};
void sim_clock_init(struct sim_clock *c, struct sim *s);
void sim_clock_die(struct sim_clock *c);
/* Dead: to the earliest timer, if any, and fire. False: no timer is left. */
bool sim_clock_drain(struct sim_clock *c);

/* One step; `clock` may be NULL (no process runs). False: nothing will ever happen. */
bool sim_step(struct sim *s, struct sim_clock *clock);

#endif
